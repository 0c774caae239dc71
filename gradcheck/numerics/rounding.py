"""The grid on which the values of f lie, or those of a part of f, where it is coarser than that of their dtype."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Mask, Values

EPS = float(np.finfo(np.float64).eps)
# The powers of ten that are doubles: a product or quotient with one is rounded once.
TENS = np.array([float(10**k) for k in range(23)])
# Digits of a decimal: fifteen fit any double. A quotient may be off by a few roundings, the second: so many digits are
# then still no chance, once in 10^9 for four random doubles.
DIGITS, QUOTIENT = 13, 4.0 * EPS
# The bits of a float32. A number of no more bits, or of fewer digits than the next, is round by chance (127.125, 0.3).
SINGLE, CHANCE = 24, 5
# The bits of a float16 and of a bfloat16; the least float16; and the most bits of what is still taken for a float32, or
# for a sum of a few of them.
HALF, BRAIN, LEAST_HALF, SHORT = 11, 8, 2.0**-24, 32
# The steps that a part of f may be rounded to, the largest first; what is off a whole number of them by no more than so
# much is one: of seven differences that is chance once in 10^18, of one jump among six that are 0 once in 250. Where
# there are fewer jumps than the fourth, none is a larger part of f. No more than so many steps lie between two points;
# one where that is all that is seen.
STEPS = -np.sort([-(2.0**-k) for k in range(1, 61)] + [-float(f"1e-{k}") for k in range(1, 16)])
WHOLE, ROUNDED, AT_ONCE, NO_CHANCE = 1e-3, 1e-5, 100.0, 4
# The least jump between two stairs is so many steps, or fewer.
PARTS = np.array([1.0, 2.0, 3.0])
# What rises by the same does so but for so many roundings; and eight values by no more than so many numbers of steps.
RISES, FEW_KINDS, TURNS = 8.0, 4, 3
# What smooth values do not tell of f's change farther out is another part of f, from this part of it on; it is looked
# for at points that lie so many times as far apart.
BEYOND_TOLD, FARTHER = 0.01, (10.0, 100.0)
# An interval is halved so often at the most, or until no more than such a part is left of what f does in it beside its
# slope. A jump stays: of what is continuous no more than the root of a half does, each time, and of an oscillation some
# a few times by chance.
HALVINGS, LEFT, STAYS, TIMES = 30, 1.0 / 16.0, 0.9, 10
# Steps go one way: most of what f does beside its slope between the points it does from the first to the last.
ONE_WAY = 0.5
# So many intervals of those between the points have to hold a jump, of this part of the largest at the least: one may
# be a single jump beside x. Rows that are looked at.
SEVERAL, NO_SMALLER, ROWS = 2, 1.0 / 8.0, 3
# What is no more than so many roundings of f is none.
BLURRED = 64.0 * EPS
# Where f begins to move is known to such a factor; where it does so before the first of some points it is looked for
# from such a part of the way to that on. By more than the third of what it does then it jumps.
CLOSE, BESIDE, AT_ONCE_MOST = 1.15, 0.01, 0.3

# Numbers that are written without an exponent, and whose decimals are exact quotients. Of so many outputs one value of
# each tells most often that there is no grid.
LEAST_USUAL, MOST_USUAL, FEW = 1e-4, 1e9, 8

# Where eight points lie, in units of their spacing; f(x) itself, at 0, is known already. All on one side, so that a
# direction which points inwards serves at bounds and at the edge of f's domain too. A second spacing is so many times
# as wide, and the last of its points so many first spacings away from x.
SPACED, WIDER = np.arange(8.0), 300.0
WIDEST = WIDER * SPACED[-1]

# at(offsets (k,)) -> the values (k, m) of f along a line through x.
At = Callable[[Values], Values]


def on_no_grid(value: float) -> bool:
    """Whether one number of a usual size has more bits and more digits than are taken for those of any grid.

    False where that takes a longer look.
    """
    if not LEAST_USUAL < abs(value) < MOST_USUAL:
        return False
    bits = int(math.frexp(value)[0] * 2.0**53)
    digits = repr(abs(value)).replace(".", "").lstrip("0")
    return len(digits) > DIGITS + 1 and bits % 2 ** (53 - SHORT) != 0


def granularity(values: Values, far: Values | None = None) -> tuple[Values, NDArray[np.object_]]:
    """The step of the grid on which the values of each output lie, and its name.

    values : (k, m) of m outputs; nan does not count, and there are no infinities.
    far : (l, m) more of them, farther from x, which count for the name alone: beside x a difference of nearly equal
        terms has few bits, whatever it computes in.
    Returns (m,) steps, 0 where the grid is only the dtype's, and (m,) names: "float32" or "float16" where the values
    have as few significant bits, "decimal", "stairs" for steps of another size, or that of the dtype.
    """
    m = values.shape[1]
    if m <= FEW and values.dtype == np.float64 and seem_free(values):
        return np.zeros(m), np.array(["float64"] * m, object)
    quantum, names = np.zeros(m), np.full(m, str(values.dtype), object)
    count = distinct(np.where(values == 0, np.nan, values))
    # Four different values, or fewer that are repeated: a smooth f on a fine grid hardly repeats one.
    enough = (count >= 4) | ((count > 0) & (2 * count <= (~np.isnan(values)).sum(axis=0)))
    if not enough.any():
        return quantum, names
    values = values.astype(np.float64, copy=False)
    largest = np.fmax.reduce(np.abs(values), axis=0)
    bits = significant_bits(values)
    short = enough & (bits <= SHORT)
    if short.any():
        quantum[short] = np.ldexp(1.0, np.frexp(largest[short])[1] - np.maximum(bits[short], BRAIN))
        every = values if far is None else np.concatenate([values, far.astype(np.float64)])
        names[short] = _binary(every[:, short], str(names[0]))
    # Of two grids the coarser, where its digits are no chance: 4.2034808e8 has eight, and not many bits.
    step = _decimal_step(values, largest)
    decimal = enough & np.where(short, (step > quantum) & (largest >= 10.0 ** (CHANCE - 1) * step), step > 0)
    quantum[decimal], names[decimal] = step[decimal], "decimal"
    step = _stairs(values, np.flatnonzero(enough & (quantum == 0)), largest)
    quantum[step > 0], names[step > 0] = step[step > 0], "stairs"
    return quantum, names


def seem_free(values: Values) -> bool:
    """Whether (k, m) numbers, few of them, plainly lie on no grid: the first of each output does not, none repeats."""
    if not all(map(on_no_grid, values[0].tolist())):
        return False
    return sum(map(len, map(set, values.T.tolist()))) == values.size


def on_stairs(values: Values) -> bool:
    """Whether equally spaced values (k,) rise by a few numbers of steps, now by one and now by another.

    What a smooth f rises by changes slowly, and at a kink once.
    """
    rise = np.diff(values.astype(np.float64))
    # x rounds as well.
    same = max(RISES * EPS * float(np.abs(values).max()), WHOLE * float(np.abs(rise).max()))
    kinds = np.split(np.sort(rise), np.flatnonzero(np.diff(np.sort(rise)) > same) + 1)
    turns = np.count_nonzero(np.abs(np.diff(rise)) > same)
    return bool(len(kinds) <= FEW_KINDS and sum(kind.size > 1 for kind in kinds) > 1 and turns >= TURNS)


def _stairs(values: Values, outputs: NDArray[np.intp], largest: Values) -> Values:
    """The step (m,) of some outputs whose values lie on stairs; 0 of the others.

    At least two treads hold more than one value, of which no smooth f repeats one, nor one that is flat on a side of a
    kink two; and all differ by whole steps.
    """
    found = np.zeros(values.shape[1])
    for i in outputs.tolist():
        levels, often = np.unique(values[np.isfinite(values[:, i]), i], return_counts=True)
        if np.count_nonzero(often > 1) < 2:
            continue
        apart = np.diff(levels)
        units = apart.min() / PARTS
        units = units[units * WHOLE > EPS * largest[i]]
        off = np.abs(apart - units[:, None] * np.rint(apart / units[:, None]))
        fits = (off <= WHOLE * units[:, None]).all(axis=1)
        found[i] = units[fits.argmax()] if fits.any() else 0.0
    return found


def _binary(values: Values, wider: str) -> NDArray[np.object_]:
    """The format (m,) whose numbers these are: `wider` where they have more bits than float32.

    A few bits alone make no float16: an integer has few, and so has what cancels. Of numbers of a format three in four
    have all of its bits or all but one: half of the values do, small ones among them, and none lies on a finer grid.
    One that is repeated counts once.
    """
    bits = significant_bits(values)
    values = np.sort(values, axis=0)
    values = np.concatenate([values[:1], np.where(values[1:] > values[:-1], values[1:], np.nan)])
    each = significant_bits(values.reshape(1, -1)).reshape(values.shape)
    lowest = np.frexp(np.nan_to_num(values))[1] - each
    finest = np.ldexp(1.0, np.where(np.nan_to_num(values) != 0, lowest, 1000).min(axis=0))
    known = np.maximum((np.nan_to_num(values) != 0).sum(axis=0), 1)
    filled = {p: 2 * ((each == p) | (each == p - 1)).sum(axis=0) >= known for p in (HALF, BRAIN)}
    half = (bits <= HALF) & filled[HALF] & (finest >= LEAST_HALF)
    half |= (bits == BRAIN) & filled[BRAIN]
    return np.where(half, "float16", np.where(bits <= SHORT, "float32", wider)).astype(object)


def decimal_steps(values: Values) -> Values:
    """The unit (k,) of the last decimal of each number; 0 where it has as many as a double, or as few as by chance."""
    row = np.where(np.isfinite(values), values, 0.0)[None, :]
    step = _decimal_step(row, np.abs(row[0]))
    told = (significant_bits(row) > SINGLE) & (np.abs(row[0]) >= 10.0 ** (CHANCE - 1) * step)
    return np.where(told, step, 0.0)


def lies_on(value: float, step: float) -> bool:
    """Whether one number is a decimal of this step, 10^-k; what is not finite is on every grid."""
    places = round(-np.log10(step))
    return not np.isfinite(value) or bool(_fits(np.array([value]), np.array([places]))[1].all())


def _fits(values: Values, places: NDArray[np.intp]) -> tuple[Values, NDArray[np.bool_]]:
    """How often 10^-places goes into the values, and whether they are that: exactly, where that power is a double.

    Elsewhere a power is off by a rounding; so may the quotient be by a few.
    """
    exact = (places >= 0) & (places < len(TENS))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        unit = np.where(exact, TENS[np.clip(places, 0, len(TENS) - 1)], 10.0 ** places.astype(np.float64))
        ratio = values * unit
        whole = np.rint(ratio)
        # A double is a decimal if it is the one nearest to that quotient.
        near = np.abs(ratio - whole) <= QUOTIENT * np.abs(whole)
        fits = np.where(exact, ~((whole / unit < values) | (whole / unit > values)), near)
    return whole, np.asarray(fits & ~np.isinf(ratio))


def distinct(values: Values) -> NDArray[np.intp]:
    """How many different values each column has, nan left out."""
    ordered = np.sort(values, axis=0)
    different = np.add.reduce(ordered[1:] > ordered[:-1], axis=0, dtype=np.intp)
    return np.asarray(different + ~np.isnan(ordered[0]))


def significant_bits(values: Values) -> NDArray[np.intp]:
    """The significand bits that the values of each column need, (m,)."""
    mantissa = np.frexp(np.nan_to_num(values))[0]
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    # The lowest bit that is set in any of them.
    lowest = np.bitwise_or.reduce(whole, axis=0)
    return np.asarray(54 - np.frexp((lowest & -lowest).astype(np.float64))[1], np.intp)


def lowest_bits(values: Values) -> Values:
    """The lowest bit (k,) that is set in each number; infinite in 0."""
    row = np.where(np.isfinite(values), values, 0.0)
    lowest = np.ldexp(1.0, np.frexp(row)[1] - significant_bits(row[None, :]))
    return np.where(row == 0, np.inf, lowest)


def rounded_part(values: Values, smooth: Values) -> Values:
    """The step (m,) of a part of f that is rounded, where the rest is not, as a loss in float32 beside a penalty; or 0.

    values : (k, m) of f. smooth : (k, m) what they are by those far nearer to x, between two steps. Beside that they
    differ by whole steps, each a power of ten or of two.
    """
    found = np.zeros(values.shape[1])
    with np.errstate(invalid="ignore"):
        steps = np.abs(np.diff(values - smooth, axis=0)).astype(np.float64)
    size, largest = np.abs(values).max(axis=0), steps.max(axis=0)
    least = np.maximum(EPS * size / WHOLE, largest / AT_ONCE)
    for i in np.flatnonzero(np.isfinite(steps).all(axis=0)):
        units = STEPS[(least[i] <= STEPS) & (2.0 * largest[i] >= STEPS)]
        whole = np.abs(steps[:, i] - units[:, None] * np.rint(steps[:, i] / units[:, None]))
        fits = (whole <= WHOLE * units[:, None]).all(axis=1)
        jumps = np.count_nonzero(steps[:, i] > WHOLE * largest[i])
        if jumps == 1:
            fits &= largest[i] < 1.5 * units
        unit = units[fits.argmax()] if fits.any() else np.inf
        found[i] = unit if unit <= (ROUNDED * size[i] if jumps < NO_CHANCE else size[i]) else 0.0
    return found


def rounded_beyond(at: At, spacing: float, values: Values, smooth: Mask, *, x_rounds: bool = False) -> Values:
    """The step (m,) of a part that is rounded, where smooth values (8, m) all lie between two steps of it; or 0.

    A parabola through these, which are equally spaced, does not tell then what f changes by as far as the widest probe
    goes. x_rounds : whether x does so as well.
    """
    values = values.astype(np.float64)
    bend = (values[6] - 2.0 * values[3] + values[0]) / 9.0
    slope = (values[6] - values[0]) / 6.0 - 3.0 * bend

    def told(positions: Values) -> Values:
        t = positions[:, None]
        return np.asarray(values[0] + t * (slope + 0.5 * t * bend))

    with np.errstate(invalid="ignore"):
        far = np.array([WIDEST])
        there, by_these = at(far * spacing)[0], told(far)[0]
        change = np.maximum(np.abs(there - values[0]), np.abs(by_these - values[0]))
        rounding = WIDEST**2 * EPS * np.abs(values).max(axis=0)
        odd = smooth & (np.abs(there - by_these) > np.maximum(BEYOND_TOLD * change, rounding))
    step = np.zeros(odd.size)
    for times in FARTHER:
        if not odd.any():
            break
        seen, by_these = at(SPACED * (times * spacing)), told(times * SPACED)
        step = np.where(odd, rounded_part(seen, by_these), step)
        of_any_size = odd & (step == 0)
        if of_any_size.any() and not x_rounds:
            step = np.maximum(step, jumps(at, times * spacing * SPACED, seen, slope / spacing, of_any_size))
        # What bends shows at all points; a longer step has to be crossed yet.
        odd &= np.abs(seen - by_these).max(axis=0) <= (times * SPACED[-1] / WIDEST) ** 2 * rounding
    return step


def jumps(
    at: At,
    points: Values,
    values: Values,
    slope: Values,
    rows: Mask,
    noise: Values | None = None,
) -> Values:
    """The largest jump (m,) that was found in some rows (m,), of a part that is rounded; 0 where none was.

    points : (k,) those at which f has the values (k, m), near to each other. slope : (m,) that which f has far nearer
    to x, between two steps. noise : (m,) the standard deviation of these values, which jumps are no less than, where it
    is known. Thirty evaluations at the most for each row that is looked at; of many rows of one f the first few tell.
    """
    found = np.zeros(rows.size)
    change = _changes(points, values, slope)
    beside = values[-1] - values[0] - (points[-1] - points[0]) * slope
    with np.errstate(invalid="ignore"):
        several = np.count_nonzero(change > NO_SMALLER * change.max(axis=0), axis=0) >= SEVERAL
        several &= np.abs(beside) >= ONE_WAY * change.sum(axis=0)
    looked = np.flatnonzero(rows & several)
    for i in looked[:ROWS].tolist():
        found[i] = jump_of(at, points, values, slope, i, None if noise is None else float(noise[i]))
        if found[i] == 0:
            return found
    # As those that were looked at, so the others.
    found[looked[ROWS:]] = change.max(axis=0)[looked[ROWS:]]
    return found


def jump_of(
    at: At, points: Values, values: Values, slope: Values, row: int, noise: float | None = None
) -> float:
    """The jump of one output in the interval in which it changes most, beside its slope; 0 where it is continuous."""
    change = _changes(points, values, slope)[:, row]
    k, first = int(np.argmax(change)), float(change.max())
    least = max(LEFT * first if noise is None else noise / 2.0, BLURRED * float(np.abs(values[:, row]).max()))
    (low, high), (at_low, at_high) = points[k : k + 2].tolist(), values[k : k + 2, row].tolist()
    left, stayed = first, 0
    for _ in range(HALVINGS):
        middle, before = 0.5 * (low + high), left
        value = float(at(np.array([middle]))[0, row])
        below = abs(value - at_low - (middle - low) * slope[row])
        above = abs(at_high - value - (high - middle) * slope[row])
        if below >= above:
            high, at_high, left = middle, value, below
        else:
            low, at_low, left = middle, value, above
        if not left > least:
            break
        stayed = stayed + 1 if left >= STAYS * before else 0
        if stayed == TIMES:
            return float(left)
    return 0.0


def flat_piece(at: At, f_x: Values, radii: Values, row: int) -> float:
    """How far one output is the same to both sides of x, where it goes on without a jump; 0 where it is rounded.

    In units of the offsets. f_x : (m,). radii : (k,) offsets at which it is looked for where output `row` moves, the
    shortest first. An f that is the same next to x is rounded, or has a flat piece, on which its slope is 0. Where it
    begins to move the one jumps and the other bends: some twenty evaluations tell.
    """
    near, beyond, there = 0.0, 0.0, f_x
    for radius in [BESIDE * float(radii[0]), *radii.tolist()]:
        ends = at(np.array([radius, -radius]))
        moved = ends[:, row] != f_x[row]
        if moved.any():
            beyond, there = (radius, ends[0]) if moved[0] else (-radius, ends[1])
            break
        near = radius
    if near == 0.0 or beyond == 0.0:
        return 0.0
    side = math.copysign(1.0, beyond)
    while abs(beyond) > CLOSE * near:
        middle = math.sqrt(near * abs(beyond))
        (value,) = at(np.array([side * middle]))
        if value[row] == f_x[row]:
            near = middle
        else:
            beyond, there = side * middle, value
        # By a few roundings f moves from where it is not flat, as beside a minimum.
        if not abs(there[row] - f_x[row]) > BLURRED * abs(f_x[row]):
            return 0.0
    # Where it begins to move, what bends has done little of what it does over as much again; what jumps most of it.
    other, farther = at(np.array([-side * near, 2.0 * beyond]))[:, row]
    if other != f_x[row] or abs(there[row] - f_x[row]) > AT_ONCE_MOST * abs(farther - there[row]):
        return 0.0
    edge = np.array([side * near, beyond])
    return 0.0 if jump_of(at, edge, np.stack([f_x, there]), np.zeros(f_x.size), row) > 0 else near


def _changes(points: Values, values: Values, slope: Values) -> Values:
    """What outputs do in each interval beside their slopes, (k - 1, m)."""
    beside = values.astype(np.float64) - points[:, None] * slope
    return np.asarray(np.abs(np.diff(beside, axis=0)))


def _decimal_step(values: Values, largest: Values) -> Values:
    """The largest 10^-k, (m,), of which all values of a column are multiples of DIGITS digits at most; 0 for none."""
    found = np.zeros(values.shape[1])
    with np.errstate(divide="ignore"):
        finest = DIGITS - np.ceil(np.log10(np.maximum(largest, np.finfo(np.float64).tiny))).astype(np.intp)
    # Of whole numbers and multiples of tens, whose quotients may be off, one digit less.
    finest -= finest <= 0
    whole, fits = _fits(values, finest)
    every = (fits | np.isnan(values)).all(axis=0) & (largest > 0)
    if every.any():
        tens = TENS[: DIGITS + 2].astype(np.int64)
        common = np.gcd.reduce(np.nan_to_num(whole[:, every]).astype(np.int64), axis=0)
        zeros = (common % tens[:, None] == 0).sum(axis=0) - 1
        found[every] = [float(f"1e{k}") for k in (zeros - finest[every]).tolist()]
    return found
