"""What a cause and an undecided check are called: the last step, from data to sentences."""

from __future__ import annotations

import math

from gradcheck.results.cause import Cause, Extent, Kind, Place
from gradcheck.results.outcome import Limit
from gradcheck.results.undecided import Advice, Ended, Remedy, Undecided
from gradcheck.results.words import count, number, short

# Names of arrays in one sentence; more are counted.
NAMED = 3
# An axis from which on N - 1 is taken for N, and not one axis for another.
TELLING = 10
# Rows in another order that are named.
LINES = 4
TRIANGLES = (Extent.ABOVE, Extent.BELOW, Extent.OFF, Extent.ON)
# What the mistake usually is.
BROADCAST = "reduced over too much, and broadcast?"
CLIPPING = "a clipped gradient?"
SINGLE = "computed in float32?"
CHAIN = "the derivative by another parameter than x, or of another function of f?"
SPHERE = "a gradient projected off x, as on a sphere?"
NORM = "a norm of x that is not differentiated?"
MEAN = "a mean of x that is not differentiated?"
MEAN_OR_MORE = "a mean, a norm or a softmax of x (the same where x is one number) that is not differentiated?"
CENTRE = "a gradient of which the mean was taken off?"
OTHER_AXIS = "the mean taken off along another axis?"
NORMALISED = "a normalisation of x that is not differentiated?"
DEVIATION = "a standard deviation of x that is not differentiated?"
DIVIDED = "a sum by which x is divided is not differentiated?"
SOFTMAX = "the sum under a softmax is not differentiated?"
BY_P = "the derivative by p, a softmax that is not differentiated?"
PAIRED = "a symmetric matrix taken for its one triangle?"
READ = "f reads one triangle alone, as cholesky and eigvalsh do?"
CROSSED = "what acts between the entries is left out?"
LOGARITHM = "a small constant inside a logarithm, as in log(x + d)"
UNUSED = ": f does not use them there (a mask, a clip)?"
ASSIGNED = "assigned where it should be added up (indices that repeat, windows that overlap)?"
ADDED = "added up more often than f uses it?"
WEIGHT = "a weight of each {} left out, or a small constant inside its logarithm?"
STOPS = "as where an iteration in it ends one step sooner: go on to a smaller tolerance, and check again"
SECOND = "J^T J (Gauss-Newton) for the Hessian, the second derivatives of the residuals left out?"
QUOTIENT = "a difference quotient in the place of the derivative, or the derivative at a point beside x?"
FLUX = "what acts between the two is left out, or counted twice?"
STALE = "a stale cache, x is not used, or used in steps alone (a sign, an argmax)?"
LONG_KINK = "what looks like a kink at x over the long steps that single precision asks for"
PRECISE = "tighter solver tolerances, nothing rounded, no large terms that cancel"
# What one side lacks that the other has.
TAKEN_OFF = {
    Kind.PROJECTED: ("analytic", "numerical", "part along x", SPHERE),
    Kind.NOT_PROJECTED: ("numerical", "analytic", "part along x", NORM),
    Kind.CENTRED: ("analytic", "numerical", "mean", CENTRE),
    Kind.NOT_CENTRED: ("numerical", "analytic", "mean", MEAN),
    Kind.NOT_NORMALISED: ("numerical", "analytic", "mean and its part along x", NORMALISED),
    Kind.NOT_SCALED: ("numerical", "analytic", "part along x less its mean", DEVIATION),
}
UNITS = {
    "1/|numerical|": "a gradient divided by its norm?",
    "-1/|numerical|": "a direction of descent, of length 1?",
    "180/pi": "degrees for radians?",
    "pi/180": "radians for degrees?",
}
BASES = ("ln 10", "1/ln 10", "ln 2", "1/ln 2")


def cause_sentence(c: Cause) -> str:
    """One explanation in words, as a report gives it."""
    where = place_words(c.place)
    name = _names(c.place.arrays)
    match c.kind:
        case Kind.ZERO:
            return f"analytic is 0 in {where}, numerical is not: a term is missing"
        case Kind.REAL:
            return f"analytic is real in {where}, numerical is not: the imaginary part is lost"
        case Kind.SIGN:
            return f"analytic = -numerical in {where}: the sign"
        case Kind.FACTOR:
            return _factor(c, where)
        case Kind.CONJUGATE:
            half, whose = (
                ("", "df/dRe - i df/dIm, as JAX has it") if c.value == 1.0 else ("half ", "Wirtinger's df/dz")
            )
            return f"analytic is {half}the conjugate of numerical in {where}: {whose}"
        case Kind.TRANSPOSED:
            return f"{where if c.place.extent is Extent.BOX else name} is transposed"
        case Kind.FOLDED:
            return _folded(c, where)
        case Kind.PERMUTED:
            return f"{name} is permuted: {c.order} fits"
        case Kind.BY_COLUMNS | Kind.BY_ROWS | Kind.REVERSED | Kind.SHIFTED:
            return f"{name} is {c.kind.value}: {c.order} fits"
        case Kind.EXCHANGED:
            return f"{c.moves[0][0]} and {c.moves[0][1]} are exchanged"
        case Kind.LINES:
            return _lines(c, name)
        case Kind.REORDERED:
            if c.place.extent is Extent.TESTED:
                return f"the right values of {where} stand in others: in another order?"
            return f"the values in {where} are right, but in another order"
        case Kind.ARRAYS | Kind.COPIED:
            return _arrays(c)
        case Kind.REDUCED:
            return f"each entry of {name} is the {c.order} of the numerical ones over {c.origin}: {BROADCAST}"
        case Kind.REPEATED:
            what = f"one number along {c.origin}" if c.origin else number(c.value or 0.0, 6)
            return f"analytic is {what} in {where}, numerical differs: {BROADCAST}"
        case Kind.CUT:
            return f"analytic is numerical cut to integers in {where}: an integer array?"
        case Kind.CLIPPED:
            return f"analytic is numerical cut off at {number(c.value or 0.0, 4)} in {where}: {CLIPPING}"
        case Kind.SIGNS:
            times = "" if c.value == 1.0 else f"{number(c.value or 0.0, 4)} times "
            return f"analytic is {times}the sign of numerical in {where}: its size is lost"
        case Kind.FLOAT32:
            off = number(c.value or 0.0, 1)
            return f"analytic has only the digits of float32 in {where}, off by up to {off} of the largest: {SINGLE}"
        case Kind.DECAY | Kind.L1 | Kind.OFFSET:
            return _term(c, where)
        case Kind.PARAMETRISATION:
            return f"analytic = numerical times {_chain(c)} in {where}: {CHAIN}"
        case (
            Kind.PROJECTED | Kind.NOT_PROJECTED | Kind.CENTRED | Kind.NOT_CENTRED | Kind.NOT_NORMALISED
            | Kind.NOT_SCALED
        ):  # fmt: skip
            return _projection(c, where)
        case Kind.OTHER_AXIS:
            wrong = "each row" if c.origin == "each column" else "each column"
            return f"numerical has no mean in {c.origin}, analytic none in {wrong}, in {where}: {OTHER_AXIS}"
        case Kind.NOT_DIVIDED:
            of = "" if c.origin == "x" else f" in {c.origin}"
            return f"numerical is analytic less one number{of}, so that it has no part along x, in {where}: {DIVIDED}"
        case Kind.SOFTMAX:
            of = "x" if c.origin == "x" else f"{c.origin} of x"
            if c.order == "by p":
                return f"numerical is p times (analytic less its mean over p), p = softmax of {of}, in {where}: {BY_P}"
            if c.order:
                return (
                    f"analytic is the diagonal p (1 - p) alone of p = softmax of {of} in {where}: {CROSSED}"
                )
            return f"numerical is analytic less p times the sum of analytic, p = softmax of {of}, in {where}: {SOFTMAX}"
        case Kind.DELTA:
            sides = "analytic = numerical" if c.lacking else "numerical = analytic"
            value, bar = number(c.value or 0.0, 4), number((c.bar or 0.0) / 3.0, 1)
            whose = "left out?" if c.lacking else "that f does not have?"
            return f"{sides} times 1 + d/x with d = {value} +- {bar} in {where}: {LOGARITHM}, {whose}"
        case Kind.UNUSED:
            those = f": those with {c.origin}; a clamp that is not differentiated?" if c.origin else ""
            return f"numerical is 0 in {where}, analytic is not{those or UNUSED}"
        case Kind.MULTIPLE if c.order:
            return f"of the entries of each column of {name} analytic has the {c.order} alone: {ASSIGNED}"
        case Kind.MULTIPLE:
            times = " or ".join(number(value) for value in c.span or ())
            times = (
                times if (c.span or (0, 0))[1] - (c.span or (0, 0))[0] == 1 else times.replace(" or ", " to ")
            )
            if c.lacking:
                return f"numerical is {times} times analytic in {where}: {ASSIGNED}"
            return f"analytic is {times} times numerical in {where}: {ADDED}"
        case Kind.SCALED:
            low, high = (_constant(value, 0.0) for value in c.span or (0.0, 0.0))
            meaning = WEIGHT.format(c.origin)
            return f"analytic = numerical times a factor of each {c.origin} ({low} to {high}) in {where}: {meaning}"
        case Kind.STOPS:
            return f"f jumps by {number(c.value or 0.0, 1)} beside x, {STOPS}"
        case Kind.GAUSS_NEWTON:
            rank, n = c.span or (0.0, 0.0)
            ours = "no negative eigenvalue" if c.lacking else f"rank {rank:.0f} of {n:.0f}"
            its = "numerical has" if c.lacking else "numerical a higher one"
            return f"analytic is symmetric and has {ours}, {its}: {SECOND}"
        case Kind.DIFFERENCE:
            step = number(c.value or 0.0, 2) + c.origin
            return f"analytic - numerical = h/2 f'' with h = {step} in {where}: {QUOTIENT}"
        case Kind.STALE:
            move = "moves" if len(c.place.arrays) == 1 else "move"
            return f"grad stays the same when {name} {move}, f's slope does not: {STALE}"
        case Kind.REMEMBERS:
            return "grad(x) is another one after a call at another point: it remembers earlier calls (a stale cache?)"
        case Kind.ONE_ENTRY:
            return f"one entry, {c.place.entry}, scaled by {_constant(c.value or 0.0, c.bar or 0.0)}"
        case Kind.REGION:
            if c.place.extent in TRIANGLES:
                return f"the wrong entries lie {c.place.extent.value} of {name}"
            verb = "are" if c.place.extent is Extent.LINES else "lie in"
            judged = " that were judged" if c.place.judged else ""
            return f"the wrong entries{judged} {verb} {where}"
        case Kind.OPPOSITE:
            one, other = c.moves[0]
            return f"{one} and {other} are off by equal and opposite amounts: {FLUX}"
        case Kind.BETWEEN:
            last, first = c.moves[0]
            what = "all" if c.place.extent is Extent.ALL else "entries"
            return (
                f"{what} of {name} are wrong, and every other array is right: look between {last} and {first}"
            )


def place_words(place: Place) -> str:
    """`all 500 entries of params["W2"]`, `row 3 of x`, `x[2] alone`."""
    names = _names(place.arrays)
    match place.extent:
        case Extent.ALL:
            return f"{_all(place.count)} of {names}"
        case Extent.TESTED:
            return f"{_all(place.count, 'tested ')} of {_box(place) if place.box else names}"
        case Extent.WRONG:
            return f"{_all(place.count, 'wrong ')} of {names}"
        case Extent.JUDGED:
            return f"{_all(place.count, 'wrong ')} of {names} that {'was' if place.count == 1 else 'were'} judged"
        case Extent.ENTRY:
            return place.entry + (" alone" if place.alone else "")
        case Extent.BOX:
            return _box(place)
        case Extent.LINES:
            return _some_lines(place)
        case _:
            return f"the entries {place.extent.value} of {names}"


def _names(arrays: tuple[str, ...]) -> str:
    if len(arrays) > NAMED:
        return f"{len(arrays)} arrays"
    return ", ".join(arrays[:-1]) + " and " + arrays[-1] if len(arrays) > 1 else arrays[0]


def _all(n: int, which: str = "") -> str:
    """`all 6 entries`, `both wrong entries`, `the one tested entry`."""
    return f"the one {which}entry" if n == 1 else f"{'both' if n == 2 else f'all {n:,}'} {which}entries"


def _box(place: Place) -> str:
    """`row 3 of W`, `column 4 of W`, `x[3:7]`, `W[2, :, 1:3]`."""
    words = []
    for (start, stop), n in zip(place.box, place.shape, strict=True):
        one, all_ = stop - start == 1, stop - start == n
        words.append(str(start) if one else ":" if all_ else f"{start}:{stop}")
    if len(words) == 2 and ":" in words:
        axis = words.index(":")
        if ":" not in words[1 - axis]:
            return f"{('column', 'row')[axis]} {words[1 - axis]} of {place.arrays[0]}"
    return f"{place.arrays[0]}[{', '.join(words)}]"


def _some_lines(place: Place) -> str:
    """`rows 1, 3 and 7 of x`."""
    axes = ("rows", "columns") if len(place.shape) == 2 else None
    noun = axes[place.axis] if axes else f"indices of axis {place.axis}"
    named = [str(k) for k in place.lines[:LINES]]
    left = len(place.lines) - len(named)
    said = f"{', '.join(named)} and {left:,} more" if left else f"{', '.join(named[:-1])} and {named[-1]}"
    return f"{noun} {said} of {place.arrays[0]}"


def _factor(c: Cause, where: str) -> str:
    value, bar = c.value or 0.0, c.bar or 0.0
    larger = abs(value) > 1.0
    if c.length is None:
        known = c.origin or _constant(value, bar)
        meaning = UNITS.get(c.origin) or ("a logarithm to another base?" if c.origin in BASES else "")
        if c.origin.endswith("f(x)") or c.origin.endswith("f(x))"):
            meaning = "the derivative of another function of f?"
        if c.span is not None:
            meaning = _lengths(*c.span)
        elif "sqrt" in c.origin:
            meaning = "the root of the length of an axis?"
        return f"analytic = {known} x numerical in {where}" + (f": {meaning}" if meaning else "")
    times = f"{c.length} x " if larger else f"1/{c.length} x "
    if c.length == 2:
        meaning = "a factor 2 too many" if larger else "a factor 2 is missing, as from d(x^2) = 2 x dx"
    else:
        one, other = ("sum", "mean") if larger else ("mean", "sum")
        meaning = f"a constant, a unit, or a {one} for a {other}?"
        if c.origin:
            meaning = f"a {one} where f takes the {other}, N = {c.length} ({c.origin})?"
    return f"analytic = {times}numerical in {where}: {meaning}"


def _lengths(above: float, below: float) -> str:
    """What a factor 8/3 or 32/31 of lengths of axes means."""
    if abs(above - below) == 1 and max(above, below) >= TELLING:
        return f"N {'for N - 1' if above < below else '- 1 for N'}, N = {max(above, below):.0f}?"
    return f"a mean over {below:.0f} where f takes it over {above:.0f}: over another axis?"


def _chain(c: Cause) -> str:
    """`x`, `-x^2`, `ln 10 x`, `0.31 sqrt(x)`."""
    if not c.constants:
        return c.origin
    if c.order in ("-1", "2", "-2"):
        return c.order.removesuffix("1") + ("" if c.order == "-1" else " ") + c.origin
    return f"{c.order or number(c.value or 0.0, 6)} {c.origin}"


def _folded(c: Cause, where: str) -> str:
    other, meaning = ("numerical", PAIRED) if c.origin == "analytic" else ("analytic", READ)
    onto = "upper" if c.order == "lower" else "lower"
    doubled = ", its diagonal doubled," if c.length else ""
    how = f"with its {c.order} triangle folded onto the {onto} one{doubled}"
    return f"{c.origin} is {other} {how} in {where}: {meaning}"


def _projection(c: Cause, where: str) -> str:
    of = "" if c.origin == "x" else f" in {c.origin}"
    one, other, what, meaning = TAKEN_OFF[c.kind]
    meaning = MEAN_OR_MORE if c.order and c.kind is Kind.NOT_CENTRED else meaning
    return f"{one} is {other} without its {what}{of} in {where}: {meaning}"


def _constant(c: float, spread: float) -> str:
    """C with the digits that are known, at most six, but as many as it takes to tell it from 1."""
    telling = 1 - math.floor(math.log10(max(abs(c - 1.0), 1e-13)))
    known = -math.floor(math.log10(max(spread, 1e-16)))
    return number(c, max(2, telling, min(max(6, telling + 2), known)))


def _term(c: Cause, where: str) -> str:
    what, name = {
        Kind.DECAY: ("lambda x with lambda = {}", "weight decay"),
        Kind.L1: ("lambda sign(x) with lambda = {}", "an L1 penalty"),
        Kind.OFFSET: ("{}", "a constant"),
    }[c.kind]
    value, bar = number(c.value or 0.0, 6), number((c.bar or 0.0) / 3.0, 1)
    sides = "numerical - analytic" if c.lacking else "analytic - numerical"
    # Left out with a minus a term looks like one too many.
    one, other = ("left out", "that f does not have")[:: 1 if c.lacking else -1]
    meaning = f"{name} {one}, or a negative one {other}?"
    return f"{sides} = {what.format(value)} +- {bar} in {where}: {meaning}"


def _lines(c: Cause, name: str) -> str:
    noun = f"{c.origin}s" if " " not in c.origin else c.origin.replace("index", "indices")
    if len(c.moves) == 2:
        one, other = c.moves[0]
        return f"{noun} {one} and {other} of {name} are exchanged"
    named = ", ".join(f"{to} for {given}" for given, to in c.moves[:LINES])
    more = f", and {len(c.moves) - LINES:,} more" if len(c.moves) > LINES else ""
    return f"the {noun} of {name} are in another order: the right one is {named}{more}"


def _arrays(c: Cause) -> str:
    gives = dict(c.moves)
    order = list(gives)
    pairs = [(a, b) for a, b in c.moves if gives.get(b) == a and order.index(a) < order.index(b)]
    others = [(a, b) for a, b in c.moves if gives.get(b) != a]
    said = [f"{a} and {b} are exchanged" for a, b in pairs[:NAMED]]
    said += [f"{a} has the gradient of {b}" for a, b in others[: NAMED + 1]]
    left = len(pairs) + len(others) - len(said)
    return ", ".join(said) + (f", and {left} more" if left > 0 else "")


def undecided_sentence(u: Undecided) -> str:
    """Why a check is undecided, as a report gives it."""
    name, cause = short(u.name), _limit(u)
    if u.limit is Limit.CONSTANT:
        told = (
            f"it is {u.value:.17g} at all"
            if u.value is not None
            else "none of its outputs changed at any of the"
        )
        return f"{name} does not depend on x at all: {told} points around x"
    if u.count:
        text = f"{u.count:,} of {count(u.total, 'entry')} cannot be decided, {name} for one: {cause}"
        if u.slopes is not None:
            left, right = (number(slope, 4) for slope in u.slopes)
            return f"{text} (slope {left} on the left, {right} on the right)"
        hides = u.limit in (Limit.NOISE, Limit.BESIDE, Limit.TRUNCATION) and math.isfinite(u.reached)
        return f"{text} hides relative mistakes below {number(u.reached, 2)}" if hides else text
    if not u.tested:
        return f"{name} was not checked: {cause}"
    if not u.known:
        return f"random directions say nothing about {name}: {cause}"
    reached = number(u.reached, 2)
    return f"random directions bound the error of {name} by {reached} of its root mean square only: {cause}"


def advice_sentence(u: Undecided) -> str:
    """What decides it; before it, whether anything is known of the derivative under test."""
    remedies = ", or ".join(_remedy(advice) for advice in u.advice)
    if u.limit is Limit.DISPUTED:
        return remedies
    return f"{_known(u)}: {remedies}"


def _known(u: Undecided) -> str:
    """What the measurements say of the derivative under test, though they do not decide it."""
    if u.slopes is not None:
        return f"the {u.noun} lies between these slopes"
    if u.known and u.limit is not Limit.BUDGET and u.reached < 1.0:
        return f"what f shows agrees with the {u.noun}"
    return f"nothing is known of the {u.noun} there yet"


def _limit(u: Undecided) -> str:
    if u.ended is not Ended.NOTHING:
        return str(u.ended.value)
    if u.limit is Limit.NONE:
        what = "its derivative" if u.count else f"its {u.noun}"
        return f"{what} is 0 within {'its error bar' if u.count else 'the error bars'}"
    coarse = bool(u.advice) and u.advice[0].remedy in (Remedy.FLOAT64, Remedy.DIGITS)
    if u.limit is Limit.KINK and coarse:
        return LONG_KINK
    return str(u.limit.value)


def _remedy(advice: Advice) -> str:
    match advice.remedy:
        case Remedy.RESOLUTION:
            return f"pass resolution={_option(advice)}"
        case Remedy.ATOL:
            return f"pass atol={_option(advice)}, below which this f shows nothing"
        case Remedy.SUBGRADIENT:
            return "pass subgradient=True to accept any slope between"
        case Remedy.SWEEP:
            return "pass method='sweep'"
        case Remedy.COMPLEX:
            return "pass method='complex' to believe the complex step"
        case Remedy.PRECISE:
            return f"compute f more precisely ({PRECISE})"
        case Remedy.DIGITS:
            return f"compute f with all digits of float64 ({PRECISE})"
        case Remedy.RESCALE:
            return "rescale x, so that f changes less within a step"
        case _:
            return str(advice.remedy.value)


def _option(advice: Advice) -> str:
    """Two digits, rounded up: what is printed has to be enough."""
    value = advice.value or 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1) if value > 0 else 1.0
    return f"{math.ceil(value / unit) * unit:.2g}"
