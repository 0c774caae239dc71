"""What a cause and an undecided check are called: the last step, from data to sentences."""

from __future__ import annotations

import math

from gradcheck.results.cause import Cause, Extent, Kind, Place
from gradcheck.results.outcome import Limit
from gradcheck.results.undecided import Advice, Ended, Remedy, Undecided
from gradcheck.results.words import number, short

__all__ = ["advice_sentence", "cause_sentence", "place_words", "undecided_sentence"]

# Names of arrays in one sentence; more are counted.
NAMED = 3
# Rows in another order that are named.
LINES = 4
# What the mistake usually is.
BROADCAST = "reduced over too much, and broadcast?"
SINGLE = "computed in float32?"
CHAIN = "the derivative by another parameter than x, or of another function of f?"
SPHERE = "a gradient projected off x, as on a sphere?"
NORM = "a norm of x that is not differentiated?"
QUOTIENT = "a difference quotient in the place of the derivative?"
FLUX = "what acts between the two is left out, or counted twice?"
STALE = "a stale cache, or x is not used?"
UNITS = {"180/pi": "degrees for radians?", "pi/180": "radians for degrees?"}
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
            return f"{name} is transposed"
        case Kind.PERMUTED:
            return f"{name} is permuted: {c.order} fits"
        case Kind.BY_COLUMNS:
            return f"{name} is read by columns for rows: {c.order} fits"
        case Kind.BY_ROWS:
            return f"{name} is read by rows for columns: {c.order} fits"
        case Kind.REVERSED:
            return f"{name} is reversed: {c.order} fits"
        case Kind.SHIFTED:
            return f"{name} is shifted: {c.order} fits"
        case Kind.EXCHANGED:
            return f"{c.moves[0][0]} and {c.moves[0][1]} are exchanged"
        case Kind.LINES:
            return _lines(c, name)
        case Kind.REORDERED:
            return f"the values in {where} are right, but in another order"
        case Kind.ARRAYS | Kind.COPIED:
            return _arrays(c)
        case Kind.REDUCED:
            return f"each entry of {name} is the {c.order} of the numerical ones over {c.origin}: {BROADCAST}"
        case Kind.REPEATED:
            what = f"one number along {c.origin}" if c.origin else number(c.value or 0.0, 6)
            return f"analytic is {what} in {where}, numerical differs: {BROADCAST}"
        case Kind.CUT:
            return f"analytic is numerical {c.origin} to integers in {where}: an integer array?"
        case Kind.FLOAT32:
            off = number(c.value or 0.0, 1)
            return f"analytic has only the digits of float32 in {where}, off by up to {off} of the largest: {SINGLE}"
        case Kind.DECAY | Kind.L1 | Kind.OFFSET:
            return _term(c, where)
        case Kind.PARAMETRISATION:
            return f"analytic = {c.origin} x numerical in {where}: {CHAIN}"
        case Kind.PROJECTED:
            return f"analytic is numerical without its part along {c.origin} in {where}: {SPHERE}"
        case Kind.NOT_PROJECTED:
            return f"numerical is analytic without its part along {c.origin} in {where}: {NORM}"
        case Kind.DIFFERENCE:
            return (
                f"analytic - numerical = h/2 f'' with h = {number(c.value or 0.0, 2)} in {where}: {QUOTIENT}"
            )
        case Kind.STALE:
            return f"grad stays the same when {c.place.entry} moves, f's slope does not: {STALE}"
        case Kind.REMEMBERS:
            return "grad(x) is another one after a call at another point: it remembers earlier calls (a stale cache?)"
        case Kind.ONE_ENTRY:
            return f"one entry, {c.place.entry}, scaled by {_constant(c.value or 0.0, c.bar or 0.0)}"
        case Kind.REGION:
            return f"all {c.place.count:,} wrong entries lie in {where}"
        case Kind.OPPOSITE:
            one, other = c.moves[0]
            return f"{one} and {other} are off by equal and opposite amounts: {FLUX}"
        case Kind.BETWEEN:
            last, first = c.moves[0]
            return f"all of {name} are wrong, and every other array is right: look between {last} and {first}"


def place_words(place: Place) -> str:
    """`all 500 entries of params["W2"]`, `row 3 of x`, `x[2] alone`."""
    names = _names(place.arrays)
    match place.extent:
        case Extent.ALL:
            return f"{_all(place.count)} entries of {names}"
        case Extent.TESTED:
            return f"{_all(place.count)} tested entries of {names}"
        case Extent.WRONG:
            return f"{_all(place.count)} wrong entries of {names}"
        case Extent.ENTRY:
            return place.entry + (" alone" if place.alone else "")
        case Extent.BOX:
            return _box(place)
        case _:
            return f"the entries {place.extent.value} of {names}"


def _names(arrays: tuple[str, ...]) -> str:
    if len(arrays) > NAMED:
        return f"{len(arrays)} arrays"
    return ", ".join(arrays[:-1]) + " and " + arrays[-1] if len(arrays) > 1 else arrays[0]


def _all(n: int) -> str:
    return "both" if n == 2 else f"all {n:,}"


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


def _factor(c: Cause, where: str) -> str:
    value, bar = c.value or 0.0, c.bar or 0.0
    larger = abs(value) > 1.0
    if c.length is None:
        known = c.origin or _constant(value, bar)
        meaning = UNITS.get(c.origin) or ("a logarithm to another base?" if c.origin in BASES else "")
        if c.origin.endswith("f(x)") or c.origin.endswith("f(x))"):
            meaning = "the derivative of another function of f?"
        return f"analytic = {known} x numerical in {where}" + (f": {meaning}" if meaning else "")
    times = f"{c.length} x " if larger else f"1/{c.length} x "
    if c.length == 2:
        meaning = "a factor 2 too many" if larger else "a factor 2 is missing, as from d(x^2) = 2 x dx"
    else:
        mistake = "a sum where f takes the mean" if larger else "a mean where f takes the sum"
        meaning = f"{mistake}, N = {c.length}{f' (the length of {c.origin})' if c.origin else ''}?"
    return f"analytic = {times}numerical in {where}: {meaning}"


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
    surplus = "a constant too many?" if c.kind is Kind.OFFSET else f"{name} that f does not have?"
    meaning = f"{name} left out?" if c.lacking else surplus
    return f"{sides} = {what.format(value)} +- {bar} in {where}: {meaning}"


def _lines(c: Cause, name: str) -> str:
    if len(c.moves) == 2:
        one, other = c.moves[0]
        noun = f"{c.origin}s" if " " not in c.origin else c.origin.replace("index", "indices")
        return f"{noun} {one} and {other} of {name} are exchanged"
    named = ", ".join(f"{to} for {given}" for given, to in c.moves[:LINES])
    more = f", and {len(c.moves) - LINES:,} more" if len(c.moves) > LINES else ""
    noun = f"{c.origin}s" if " " not in c.origin else c.origin.replace("index", "indices")
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
    if u.count:
        entries = "entry" if u.total == 1 else "entries"
        text = f"{u.count:,} of {u.total:,} {entries} cannot be decided, {name} for one: {cause}"
        if u.slopes is not None:
            left, right = (number(slope, 4) for slope in u.slopes)
            return f"{text} (slope {left} on the left, {right} on the right)"
        hides = u.limit in (Limit.NOISE, Limit.TRUNCATION) and math.isfinite(u.reached)
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
    lead = f"the {u.noun} is not the culprit"
    return f"{lead if _innocent(u) else f'nothing is known of the {u.noun} there yet'}: {remedies}"


def _innocent(u: Undecided) -> bool:
    """Whether what was measured agrees with the derivative under test, and f keeps it from being more."""
    return u.limit is not Limit.BUDGET and (u.known or u.limit in (Limit.JUMP, Limit.DOMAIN, Limit.NOISE))


def _limit(u: Undecided) -> str:
    if u.ended is not Ended.NOTHING:
        return str(u.ended.value)
    if u.limit is Limit.NONE:
        what = "its derivative" if u.count else f"its {u.noun}"
        return f"{what} is 0 within {'its error bar' if u.count else 'the error bars'}"
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
            return "compute f more precisely (tighter solver tolerances, sums that lose less)"
        case Remedy.RESCALE:
            return "rescale x, so that f changes less within a step"
        case _:
            return str(advice.remedy.value)


def _option(advice: Advice) -> str:
    """Two digits, rounded up: what is printed has to be enough."""
    value = advice.value or 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1) if value > 0 else 1.0
    return f"{math.ceil(value / unit) * unit:.2g}"
