"""What a cause is called: the last step, from data to sentences."""

from __future__ import annotations

import math
from collections.abc import Callable

from gradcheck.results.cause import TRIANGLES, Cause, Extent, Kind, Place
from gradcheck.results.words import count, number

# Names of arrays, and of rows in another order, in one sentence; more are counted.
NAMED, LINES = 3, 4
# An axis from which on N - 1 is taken for N, and not one axis for another; lengths that people's exponents are as well.
TELLING, POWERS = 10, (3, 4)
# What the mistake usually is.
ASSIGNED = "assigned where it should be added up (indices that repeat, windows that overlap)"
STOPS = "as where an iteration in it ends one step sooner: go on to a smaller tolerance, and check again"
SECOND = "J^T J (Gauss-Newton) for the Hessian, the second derivatives of the residuals left out?"
QUOTIENT = "a difference quotient in the place of the derivative, or the derivative at a point beside x?"
STALE = "a stale cache, x is not used, or used in steps alone (a sign, an argmax)?"
UNITS = {
    **dict.fromkeys(("ln 10", "1/ln 10", "ln 2", "1/ln 2"), "a logarithm to another base?"),
    "1/|numerical|": "a gradient divided by its norm?", "-1/|numerical|": "a direction of descent, of length 1?",
    "180/pi": "degrees for radians?", "pi/180": "radians for degrees?",
    **dict.fromkeys(("10/ln 10", "20/ln 10", "ln 10/10"), "decibels?"),
    **dict.fromkeys(("3", "1/3"), "a power, as d(x^3) = 3 x^2 dx, or what is there three times?"),
}  # fmt: skip
# What takes off, or adds, the same where there is one line alone.
TERMS = {
    Kind.PROJECTED: "weight decay left out", Kind.NOT_PROJECTED: "weight decay that f does not have",
    Kind.CENTRED: "a constant left out", Kind.NOT_CENTRED: "a constant that f does not have",
}  # fmt: skip
MOVED = "{name} is {c.kind.value}: {c.order} fits"
NO_SLOPE = "numerical is 0 in {where}, analytic is not: "
# What is said of a cause c, by its kind, or by that and `order` or `lacking`; TOLD makes the others. where : its place.
# name : of its arrays. each : " in each row", or nothing for all of x. of : "each row of x", or "x". e : of its value.
# filled : of a shift, what came round.
SENTENCES: dict[Kind | tuple[Kind, str | bool], str] = {
    Kind.ZERO: "analytic is 0 in {where}, numerical is not: a term is missing",
    Kind.REAL: "analytic is real in {where}, numerical is not: the imaginary part is lost",
    Kind.SIGN: "analytic = -numerical in {where}: the sign", Kind.TRANSPOSED: "{name} is transposed",
    Kind.PERMUTED: "{name} is permuted: {c.order} fits", Kind.BY_COLUMNS: MOVED, Kind.BY_ROWS: MOVED,
    Kind.REVERSED: MOVED, Kind.SHIFTED: MOVED + "{filled}",
    Kind.REORDERED: "the values in {where} are right, but in another order",
    Kind.EXCHANGED: "{c.moves[0][0]} and {c.moves[0][1]} are exchanged",
    Kind.REDUCED: "each entry of {name} is the {c.order} of the numerical ones over {c.origin}: "
        "reduced over too much, and broadcast?",
    Kind.CUT: "analytic is numerical cut to integers in {where}: an integer array?",
    Kind.TERM_TRANSPOSED: "analytic - numerical is antisymmetric in {where}: a term of analytic is transposed?",
    Kind.CLIPPED: "analytic is numerical cut off at {c.value:.4g} in {where}: a clipped gradient?",
    Kind.FLOAT32: "analytic has only the digits of {c.order} in {where}, off by up to {c.value:.1g} of the largest: "
        "computed in {c.order}?",
    Kind.PROJECTED: "analytic is numerical without its part along {what}{each} in {where}: "
        "a gradient projected off {what}, as on a sphere{or_}?",
    Kind.NOT_PROJECTED: "numerical is analytic without its part along {what}{each} in {where}: "
        "a norm of {what} that is not differentiated{or_}?",
    Kind.CENTRED: "analytic is numerical without its mean{each} in {where}: "
        "a gradient of which the mean was taken off{or_}?",
    Kind.NOT_CENTRED: "numerical is analytic without its mean{each} in {where}: "
        "a mean of {what} that is not differentiated{or_}?",
    (Kind.NOT_CENTRED, "alike"): "numerical is analytic without its mean{each} in {where}: "
        "a mean, a norm or a softmax of {what} (the same where it is one number) that is not differentiated{or_}?",
    Kind.NOT_NORMALISED: "numerical is analytic without its mean and its part along {what}{each} in {where}: "
        "a normalisation of {what} that is not differentiated?",
    Kind.NOT_SCALED: "numerical is analytic without its part along {what} less its mean{each} in {where}: "
        "a standard deviation of {what} that is not differentiated?",
    Kind.NOT_DIVIDED: "numerical is analytic less one number{each}, so that it has no part along x, in {where}: "
        "a sum by which x is divided is not differentiated?",
    Kind.SOFTMAX: "numerical is analytic less p times the sum of analytic, p = softmax of {of}, in {where}: "
        "the sum under a softmax is not differentiated?",
    (Kind.SOFTMAX, "diagonal"): "analytic is the diagonal p (1 - p) alone of p = softmax of {of} in {where}: "
        "what acts between the entries is left out?",
    (Kind.SOFTMAX, "by p"): "numerical is p times (analytic less its mean over p), p = softmax of {of}, in {where}: "
        "the derivative by p, a softmax that is not differentiated?",
    Kind.STOPS: f"f jumps by {{c.value:.1g}} beside x, {STOPS}",
    Kind.DIFFERENCE: f"analytic - numerical = h/2 f'' with h = {{c.value:.2g}}{{c.origin}} in {{where}}: {QUOTIENT}",
    Kind.BY_VALUE: "analytic = numerical times {c.origin} in {where}: written in values of f, and given others?",
    Kind.UNUSED: NO_SLOPE + "f does not use them there (a mask, a clip)?",
    (Kind.UNUSED, "clamp"): NO_SLOPE + "those with {c.origin}; a clamp that is not differentiated?",
    (Kind.STATIONARY, False): NO_SLOPE + "f moves beside x, its slope there is 0 (a minimum, a saddle?)",
    Kind.STATIONARY: NO_SLOPE + "f has no slope there (a minimum, a mask?)",
    Kind.DELTA: "analytic = numerical times 1 + d/x with d = {c.value:.4g} +- {e:.1g} in {where}: "
        "a small constant inside a logarithm, as in log(x + d), left out?",
    (Kind.GAUSS_NEWTON, True): f"analytic is symmetric and has no negative eigenvalue, numerical has: {SECOND}",
    (Kind.GAUSS_NEWTON, False): "analytic is symmetric and has rank {c.span[0]:.0f} of {c.span[1]:.0f}, "
        f"numerical a higher one: {SECOND}",
    Kind.REMEMBERS: "grad(x) is another one after a call at another point: it remembers earlier calls (a stale cache?)",
    Kind.BESIDE: "what {name} is off by is the same beside x: a term linear in x is left out, too many, or of "
        "another sign or weight (data, labels, a load)?",
}  # fmt: skip


def cause_sentence(c: Cause) -> str:
    """One explanation in words, as a report gives it."""
    if c.kind in TOLD:
        return TOLD[c.kind](c)
    each, of, what = _lines_of(c.origin)
    said = next(SENTENCES[k] for k in ((c.kind, c.order), (c.kind, c.lacking), c.kind) if k in SENTENCES)
    where, name, e = place_words(c.place), _names(c.place.arrays), (c.bar or 0.0) / 3.0
    or_ = f", or {TERMS[c.kind]}" if c.length == 1 and c.kind in TERMS else ""
    filled = "" if c.length is None else f", but for {count(c.length, 'entry')} filled with 0"
    return said.format(c=c, where=where, name=name, each=each, of=of, what=what, e=e, or_=or_, filled=filled)


def _lines_of(origin: str) -> tuple[str, str, str]:
    """` in each row`, `each row of x` and `x`: where lines are, what a softmax is of, and whose norm it is."""
    what = "f(x)" if "f(x)" in origin else "x"
    if origin in ("x", "f(x)"):
        return "" if origin == "x" else " in each column", what, what
    if origin.startswith("axis"):
        return f" along {origin}", f"{what} along {origin}", what
    return f" in {origin}", origin if " of " in origin else f"{origin} of {what}", what


def place_words(place: Place) -> str:
    """`all 500 entries of params["W2"]`, `row 3 of x`, `x[2] alone`."""
    names = _names(place.arrays)
    match place.extent:
        case Extent.ALL:
            return f"{_all(place.count)} of {names}"
        case Extent.TESTED:
            return f"{_all(place.count, 'tested ')} of {names}"
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
    noun = ("rows", "columns")[place.axis] if len(place.shape) == 2 else f"indices of axis {place.axis}"
    named = [str(k) for k in place.lines[:LINES]]
    left = len(place.lines) - len(named)
    said = f"{', '.join(named)} and {left:,} more" if left else f"{', '.join(named[:-1])} and {named[-1]}"
    return f"{noun} {said} of {place.arrays[0]}"


def _factor(c: Cause) -> str:
    where = place_words(c.place)
    value, bar = c.value or 0.0, c.bar or 0.0
    larger = abs(value) > 1.0
    if c.length is None:
        known = c.origin or _constant(value, bar)
        meaning = (
            "the derivative of another function of f?" if "f(x)" in c.origin else UNITS.get(c.origin, "")
        )
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
        if c.origin and c.length in POWERS and len(c.place.arrays) == 1:
            meaning = f"a power, as d(x^{c.length}) = {c.length} x^{c.length - 1} dx, or {meaning}"
    return f"analytic = {times}numerical in {where}: {meaning}"


def _lengths(above: float, below: float) -> str:
    """What a factor 8/3 or 32/31 of lengths of axes means."""
    if abs(above - below) == 1 and max(above, below) >= TELLING:
        return f"N {'for N - 1' if above < below else '- 1 for N'}, N = {max(above, below):.0f}?"
    return f"a mean over {below:.0f} where f takes it over {above:.0f}: over another axis?"


def _parametrisation(c: Cause) -> str:
    chain = c.origin  # `x`, `-x^2`, `ln 10 x`, `0.31 sqrt(x)`
    if c.constants:
        chain = f"-{chain}" if c.order == "-1" else f"{c.order or number(c.value or 0.0, 6)} {chain}"
    meaning = "the derivative by another parameter than x, or of another function of f?"
    meaning = meaning if c.lacking else "a scale left out, or too many?"
    return f"analytic = numerical times {chain} in {place_words(c.place)}: {meaning}"


def _folded(c: Cause) -> str:
    other, meaning = ("analytic", "f reads one triangle alone, as cholesky and eigvalsh do?")
    if c.origin == "analytic":
        other, meaning = ("numerical", "a symmetric matrix taken for its one triangle?")
    onto = "upper" if c.order == "lower" else "lower"
    doubled = ", its diagonal doubled," if c.length else ""
    how = f"with its {c.order} triangle folded onto the {onto} one{doubled}"
    return f"{c.origin} is {other} {how} in {place_words(c.place)}: {meaning}"


def _constant(c: float, spread: float) -> str:
    """C with the digits that are known, at most six, but as many as it takes to tell it from 1."""
    telling = 1 - math.floor(math.log10(max(abs(c - 1.0), 1e-13)))
    known = -math.floor(math.log10(max(spread, 1e-16)))
    return number(c, max(2, telling, min(max(6, telling + 2), known)))


def _term(c: Cause) -> str:
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
    return f"{sides} = {what.format(value)} +- {bar} in {place_words(c.place)}: {meaning}"


def _factor_beside(c: Cause) -> str:
    n, kept = c.length or 1, c.value or 0.0
    lost = kept * (1 - n if c.lacking else (n - 1) / n)
    times = "-" if n == -1 else f"{'1/' if c.lacking else ''}{n} x "
    read = [f"of all but a weight decay, lambda = {number(kept, 6)}"] * (kept > 0)
    read += [f"beside one left out, lambda = {number(lost, 6)}"] * (lost > 0)
    sides = f"analytic = {times}numerical, and lambda x, in {place_words(c.place)}"
    return f"{sides}: a factor {', or '.join(read)}?"


def _lines(c: Cause) -> str:
    name = _names(c.place.arrays)
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


def _conjugate(c: Cause) -> str:
    whole = c.value == 1.0
    half, whose = ("", "df/dRe - i df/dIm, as JAX has it") if whole else ("half ", "Wirtinger's df/dz")
    return f"analytic is {half}the conjugate of numerical in {place_words(c.place)}: {whose}"


def _repeated(c: Cause) -> str:
    what = f"one number along {c.origin}" if c.origin else number(c.value or 0.0, 6)
    differs = "numerical differs: reduced over too much, and broadcast, or what differs left out?"
    return f"analytic is {what} in {place_words(c.place)}, {differs}"


def _multiple(c: Cause) -> str:
    if c.order:
        return f"of the entries of each column of {_names(c.place.arrays)} analytic has the last alone: {ASSIGNED}?"
    low, high = c.span or (0.0, 0.0)
    times = f"{number(low)} {'or' if high - low == 1 else 'to'} {number(high)} times"
    where = place_words(c.place)
    if c.lacking:
        return f"numerical is {times} analytic in {where}: {ASSIGNED}, or an exponent or an index left out?"
    return f"analytic is {times} numerical in {where}: added up more often than f uses it?"


def _scaled(c: Cause) -> str:
    low, high = (_constant(value, 0.0) for value in c.span or (0.0, 0.0))
    sides = f"analytic = numerical times a factor of each {c.origin} ({low} to {high})"
    one = f"what each {c.origin} is multiplied by (a weight, a norm, a derivative)"
    meaning = f"{one}, or one of several terms left out?"
    return f"{sides} in {place_words(c.place)}: {meaning}"


def _stale(c: Cause) -> str:
    move = "moves" if len(c.place.arrays) == 1 else "move"
    return f"grad stays the same when {_names(c.place.arrays)} {move}, f's slope does not: {STALE}"


def _one_entry(c: Cause) -> str:
    by = _constant(c.value or 0.0, c.bar or 0.0)
    if c.place.extent is Extent.ENTRY:
        return f"one entry, {c.place.entry}, scaled by {by}"
    return f"analytic = {by} x numerical in {place_words(c.place)}, which are alike"


def _region(c: Cause) -> str:
    if c.place.extent in TRIANGLES:
        return f"the wrong entries lie {c.place.extent.value} of {_names(c.place.arrays)}"
    verb = "are" if c.place.extent is Extent.LINES else "lie in"
    judged = " that were judged" if c.place.judged else ""
    return f"the wrong entries{judged} {verb} {place_words(c.place)}"


def _between(c: Cause) -> str:
    last, first = c.moves[0]
    those = f"{'all' if c.place.extent is Extent.ALL else 'entries'} of {_names(c.place.arrays)}"
    where = f"look between {last} and {first}, if f uses them in this order"
    return f"{those} are wrong, and every other array is right: {where}"


TOLD: dict[Kind, Callable[[Cause], str]] = {
    Kind.FACTOR: _factor, Kind.CONJUGATE: _conjugate, Kind.FOLDED: _folded,
    Kind.LINES: _lines, Kind.ARRAYS: _arrays, Kind.COPIED: _arrays, Kind.REPEATED: _repeated, Kind.DECAY: _term,
    Kind.L1: _term, Kind.OFFSET: _term, Kind.FACTOR_BESIDE: _factor_beside,
    Kind.PARAMETRISATION: _parametrisation,
    Kind.MULTIPLE: _multiple, Kind.SCALED: _scaled, Kind.STALE: _stale, Kind.ONE_ENTRY: _one_entry,
    Kind.REGION: _region, Kind.BETWEEN: _between,
}  # fmt: skip
