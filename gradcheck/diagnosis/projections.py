"""Sums and means along axes: one too many, what a norm, a mean or a softmax of x takes off; scores for its values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.diagnosis.along import slope_along
from gradcheck.diagnosis.patterns import DIGITS, factor, slope
from gradcheck.diagnosis.regions import everywhere, holds, index_of
from gradcheck.diagnosis.scope import LOOKS, MARGIN, SAME, Scope
from gradcheck.parameters.block import Block
from gradcheck.results.cause import Cause, Extent, Kind, Place

Array = NDArray[np.floating[Any]]
Axes = tuple[int, ...]

# A line is called orthogonal to a direction where rounding explains what is left, or the bars do.
ORTHOGONAL = 1e-9
# What is taken off each line of one side, the simplest first, and whether that is analytic.
KINDS = (
    ("x", Kind.NOT_PROJECTED, False), ("x", Kind.PROJECTED, True), ("1", Kind.NOT_CENTRED, False),
    ("1", Kind.CENTRED, True), ("x - 1", Kind.NOT_SCALED, False), ("1, x", Kind.NOT_NORMALISED, False),
)  # fmt: skip
# The order of a mean where x is one number along each line: a norm or a softmax of that takes off the same.
ALIKE = "alike"
# What people add to a mean of squares, so that nothing is divided by 0; the first is none.
ADDED = (0.0, 1e-3, 1e-5, 1e-6, 1e-8, 1e-12)
# A number is known that is so many times its bar.
TELLING = 0.1
# What varies by less, of itself, is taken for one number.
VARIES = 1e-3
# Entries of a matrix up to which lines within its rows and columns are looked at.
MANY = 200_000
# Entries that are judged to see whether numerical repeats along an axis, where no two that share a line were.
BESIDE = 4


def reduced(s: Scope) -> Cause | None:
    """One number for all entries along an axis, where each should have its own: a sum over too much."""
    b, wrong = s.blocks[0], int(s.wrong.sum())
    if len(s.blocks) > 1 or b.is_complex or not (s.whole and s.complete):
        return None
    analytic, numerical, bar, slack = (
        part.reshape(b.shape) for part in (s.analytic, s.numerical, s.bar, s.slack(s.analytic))
    )
    for axis in _axes(b):
        for name, reduce in (("sum", np.sum), ("mean", np.mean)):
            total, noise, allowed = (reduce(a, axis, keepdims=True) for a in (numerical, bar, slack))
            if wrong < total.size + MARGIN:
                continue
            off = np.maximum(np.abs(analytic - total), noise)
            fits = (np.abs(total) > allowed).all() and (off <= allowed).all() and _differs(s, axis)
            if fits and s.convinces(s.numerical + off.ravel(), choices=1.0):
                return Cause(Kind.REDUCED, everywhere(s), origin=_over(b, axis) or "all entries", order=name)
    return None


def repeated(s: Scope) -> Cause | None:
    """One number for all entries of an array, or along an axis, tested or not, where the numerical ones differ."""
    b = s.blocks[0]
    if len(s.blocks) > 1 or b.is_complex:
        return None
    values = s.subject.analytic[b.slice].reshape(b.shape)
    for axis in _axes(b):
        line = values[tuple(slice(0, 1) if k in axis else slice(None) for k in range(values.ndim))]
        several = values.size // line.size > MARGIN and bool(line.all())
        if several and _alike(values, line) and _differs(s, axis):
            over = _over(b, axis)
            value = None if over else float(line.flat[0])
            place = Place(s.names, b.size, Extent.ALL)
            return Cause(Kind.REPEATED, place, vague=True, value=value, origin=over)
    return None


def _axes(b: Block) -> list[Axes]:
    """All axes at once, and each by itself."""
    every = tuple(range(len(b.shape)))
    return [every, *((k,) for k in every if len(every) > 1)]


def _over(b: Block, axis: Axes) -> str:
    """`axis 0`; nothing for all axes at once."""
    return "" if len(axis) == len(b.shape) else f"axis {axis[0]}"


def _alike(values: Array, one: Array) -> bool:
    """Whether they are one number but for the rounding of what summed them up."""
    return bool((np.abs(values - one) <= SAME * np.abs(one)).all())


def _differs(s: Scope, axis: Axes) -> bool:
    """Whether numerical values of the array that are known differ along an axis, and most of them from the analytic.

    One number that most entries are is no sum: what two are off by, equal and opposite, leaves its mean.
    """
    if 2 * s.wrong.sum() <= s.known.sum():
        return False
    line = _line_of(s, axis)
    if np.unique(line[s.known], return_counts=True)[1].max() < 2:
        # One beside each of some that are wrong: which numbers repeat is known without a look at f.
        beside = [np.flatnonzero((line == line[k]) & ~s.known)[:1] for k in np.flatnonzero(s.wrong)[:BESIDE]]
        more = s.measured(s.at[np.unique(np.concatenate(beside))])
        if more is None:
            return False
        s = more
    lines, which = np.unique(line[s.known], return_inverse=True)
    high, low = np.full(lines.size, -np.inf), np.full(lines.size, np.inf)
    np.maximum.at(high, which, s.numerical[s.known])
    np.minimum.at(low, which, s.numerical[s.known])
    return bool((high - low > 2.0 * s.slack(s.analytic)[s.known].max()).any())


def _line_of(s: Scope, axis: Axes) -> Index:
    """(m,) which of the lines along some axes of its array each entry lies on."""
    b, line = s.blocks[0], np.zeros_like(s.at)
    for k, along in enumerate(index_of(b, s.at)):
        line = line if k in axis else line * b.shape[k] + along
    return line


def projected(s: Scope) -> Cause | None:
    """A norm or a mean of x that was not differentiated, or a part taken off: of an array, its rows or columns."""
    # What a few entries show to be one factor needs no look at f: less a mean of one entry a line is n/(n - 1) of it.
    if not _whole(s) or (not s.complete and factor(s) is not None):
        return None
    sets = list(_lines(s))
    for (basis, kind, given_back), (words, lines, x) in itertools.product(KINDS, sets):
        alike, by_x = _alike_along(x), "x" in basis
        if lines.shape[1] < 1 + MARGIN or (alike and by_x):
            continue
        # A norm is a root of the sum of squares, or of their mean, a deviation of that.
        counts = (1, x.shape[1]) if basis == "x" else (x.shape[1],)
        for added in [n * e for n in counts for e in ADDED] if by_x and not given_back else ADDED[:1]:
            explained = _explained(s, lines, *_directions(x, basis, added), given_back)
            if explained is not None and s.mends(explained, choices=2.0):
                term = basis in ("x", "1") and not s.subject.matrix
                if term and any(_one_term(s, *each[1:], basis, given_back) for each in sets):
                    return None
                place = everywhere(s, s.confirmed(explained))
                return Cause(kind, place, origin=words, order=ALIKE if alike else "", length=len(lines))
    return None


def _one_term(s: Scope, lines: Index, x: Array, basis: str, given_back: bool) -> bool:
    """Whether all that several lines lack is a term lambda x, or a constant, with one number for all of them.

    f may not change with the size of any of them, as before a normalisation: then analytic has no part along x without
    the weight decay that f has. Of one line nothing tells the two apart.
    """
    explained = _explained(s, lines, *_directions(x, basis, 0.0), given_back) if len(lines) > 1 else None
    if explained is None:
        return False
    along = x if basis == "x" else np.ones_like(x)
    size = np.sum(along**2, axis=1)
    strength = np.sum((s.analytic - explained)[lines] * along, axis=1) / size
    one = np.median(strength)
    noise = np.nan_to_num(np.sqrt(np.sum(s.bar[lines] ** 2, axis=1) / size)) + DIGITS * np.abs(one)
    return bool((np.abs(strength - one) <= noise).all() and (noise <= TELLING * np.abs(one)).all())


def divided(s: Scope) -> Cause | None:
    """What a sum takes off a derivative along a line, of x or under a softmax p of it: numerical = h - u sum(w h).

    Of x / sum(x) of which the sum is not differentiated u is 1 / sum(x) and w is x. Of a softmax they are p and 1, and
    h is analytic where its sum is not differentiated, analytic / (1 - p) where analytic is the diagonal p (1 - p)
    alone, and p analytic where analytic is the derivative by p. Of outputs that are shares f(x) is p, and of their
    logarithms u is 1 and w is exp f(x).
    """
    for words, lines, x in _lines(s) if _whole(s) else ():
        g, e = s.analytic[lines], np.exp(x - x.max(axis=1, keepdims=True))
        p, ones = e / e.sum(axis=1, keepdims=True), np.ones_like(x)
        of = "x" if s.subject.matrix and words == "each row" else words
        kinds: list[tuple[Kind, str, str, Array, Array, Array]] = [
            (Kind.NOT_DIVIDED, words, "", g, ones / x.sum(axis=1, keepdims=True), x),
            (Kind.SOFTMAX, of, "", g, p, ones),
            (Kind.SOFTMAX, of, "diagonal", g / (1.0 - p), p, ones),
            (Kind.SOFTMAX, of, "by p", p * g, p, ones),
        ]
        if "f(x)" in words:
            kinds = [
                (Kind.SHARES, words, "", g, x, ones),
                (Kind.SHARES, words, "diagonal", g / (1.0 - x), x, ones),
                (Kind.SHARES, words, "log", g, ones, np.exp(x)),
            ]
        for kind, origin, part, h, u, w in kinds:
            if lines.shape[1] < 2 or (part in ("", "log") and _alike_along(x)):
                continue
            explained = np.empty_like(s.analytic)
            explained[lines] = h - u * np.sum(w * h, axis=1, keepdims=True)
            if s.mends(explained, choices=1.0):
                return Cause(kind, everywhere(s, s.confirmed(explained)), origin=origin, order=part)
    return None


def by_scores(s: Scope) -> Cause | None:
    """The derivative by scores z, where f takes x = log softmax(z): numerical - p sum(numerical); or x = softmax(z).

    f does not change where all scores do, so that analytic has no mean along a line; what it lacks is known from there.
    """
    for words, lines, x, p in _softmax(s) if s.complete else ():
        g, r, bar = (part[lines] for part in (s.analytic, s.numerical, s.bar))
        if not _balanced(s, g):
            continue
        shares = bool((x > 0).all()) and _balanced(s, x, 1.0)
        for order in ("log", "")[: 1 + shares]:
            # What f takes, by which its weights are; and what each of them is multiplied with.
            w, h = (np.ones_like(x), g) if order else (x, g / x)
            lost, noise = (np.sum(w * part, axis=1, keepdims=True) for part in (r, bar))
            explained, near = h + lost * (p if order else 1.0), noise * np.ones_like(x)
            whole = s.numerical.copy()
            whole[lines] = np.where(np.abs(explained - r) <= near, r, explained)
            if s.fits(whole).all() and s.convinces(whole, free=len(lines)):
                return Cause(Kind.SCORES, everywhere(s), origin=words, order=order)
    return None


def for_its_values(s: Scope) -> Cause | None:
    """numerical - analytic = c (p - x): p - t with x for p, its softmax or its sigmoid; or c p, where not all is known.

    That is what an f of log-probabilities lacks of its derivative by their scores, with one weight in every line.
    """
    if s.subject.matrix or not _whole(s) or _alike_along(s.x[None]):
        return None
    kinds: list[tuple[Kind, str, str, Array]] = [(Kind.RAW, "x", "sigmoid", 1.0 / (1.0 + np.exp(-s.x)) - s.x)]
    for words, lines, x, p in _softmax(s):
        for kind, basis in ((Kind.RAW, p - x), (Kind.SCORES, p)):
            if kind is Kind.RAW or _balanced(s, s.analytic[lines]):
                of_all = np.empty_like(s.analytic)
                of_all[lines] = basis
                kinds.append((kind, words, "softmax" if kind is Kind.RAW else "log", of_all))
    for kind, words, order, basis in kinds:
        if np.ptp(basis) <= VARIES * np.abs(basis).max():
            continue  # it is a constant
        term = float(slope(s, basis, s.numerical - s.analytic)) * basis
        # Where numerical is the term itself nothing is known of the rest.
        place = None if s.fits(term)[s.wrong].all() else holds(s, s.analytic + term, 1, 1.0, anywhere=False)
        if place is not None:
            return Cause(kind, place, 1, origin=words, order=order)
    return None


def _balanced(s: Scope, g: Array, total: float = 0.0) -> bool:
    """Whether each line (k, n) adds up to that, but for rounding. An f that does not change with the mean has 0."""
    allowed = max(ORTHOGONAL, g.shape[1] * s.subject.tolerance.eps) * np.abs(g).max()
    return bool((np.abs(g.sum(axis=1) - total) <= allowed).all())


def _softmax(s: Scope) -> Iterator[tuple[str, Index, Array, Array]]:
    """The lines of an array along which x varies, their x, and the softmax of each; of the whole array last."""
    for words, lines, x in reversed(list(_lines(s))) if not s.subject.matrix and _whole(s) else ():
        if lines.shape[1] > 1 and not _alike_along(x):
            e = np.exp(x - x.max(axis=1, keepdims=True))
            if np.ptp(e, axis=1).max() > VARIES:
                yield words, lines, x, e / e.sum(axis=1, keepdims=True)


def _whole(s: Scope) -> bool:
    """Whether it is one real array of which every analytic value is at hand, and f shows more than one wrong slope.

    Where numerical is 0 too much fits: all rows of one number are 0 without their means.
    """
    return len(s.blocks) == 1 and not s.blocks[0].is_complex and s.whole and bool(s.telling.sum() > 1)


def _alike_along(x: Array) -> bool:
    """Whether x is one number along each line: then all that is taken off there is a mean."""
    return bool((np.ptp(x, axis=1) <= SAME * np.abs(x).max(axis=1)).all())


def _lines(s: Scope) -> Iterator[tuple[str, Index, Array]]:
    """The vectors (k, n) of entries of which each may have a norm of its own, and what that is the norm of there.

    Of a gradient the array and its lines along each axis. Of a matrix its rows, which are gradients, and the lines of
    each along the axes of x; and f(x), of which every column is the derivative by one coordinate, and its lines.
    """
    shape = s.blocks[0].shape
    places = np.arange(math.prod(shape))
    if not s.subject.matrix:
        yield from ((words or "x", lines, s.x[lines]) for words, lines in _along(places[None], shape))
        return
    values = dict(s.subject.bases(s.at))
    names, rows = s.parameters, places.reshape(shape)
    sides = [("x", rows, s.subject.behind[-1][1] if len(s.subject.behind) == 2 else ())]
    if names.columns is not None and names.blocks[0].name != "H":
        sides.append(("f(x)", rows.T, names.outputs))
    for of, vectors, axes in sides if places.size <= MANY else sides[:1]:
        whole = "each row" if of == "x" else of
        for words, lines in _along(vectors, axes if math.prod(axes) == vectors.shape[1] else ()):
            yield f"{words} of {of}" if words else whole, lines, values[of][lines]


def _along(vectors: Index, shape: tuple[int, ...]) -> Iterator[tuple[str, Index]]:
    """The vectors (k, n) themselves, and their lines along each of several axes of one: `each row`, `axis 2`."""
    yield "", vectors
    for axis in reversed(range(len(shape))) if len(shape) > 1 else ():
        words = ("each column", "each row")[axis] if len(shape) == 2 else f"axis {axis}"
        each = np.moveaxis(vectors.reshape(-1, *shape), 1 + axis, -1)
        yield words, each.reshape(-1, shape[axis])


def _directions(x: Array, basis: str, added: float) -> tuple[NDArray[np.floating], Flat]:
    """Orthonormal directions (k, q, n) of every line of some x (k, n), and the shares (k, q) of the parts along them.

    A share is what is taken off: 1, or a little less where something is added to the sum of squares.
    """
    ones = np.ones(x.shape)
    one = ones / math.sqrt(x.shape[1])
    if basis == "1":
        return one[:, None], np.ones((len(x), 1))
    along = x if basis == "x" else x - x.mean(axis=1, keepdims=True)
    squares = np.sum(along**2, axis=1, keepdims=True)
    unit = along / np.sqrt(squares)
    share = squares / (squares + added)
    if basis == "1, x":
        return np.stack([one, unit], axis=1), np.hstack([np.ones_like(share), share])
    return unit[:, None], share


def _explained(
    s: Scope, lines: Index, units: NDArray[np.floating], shares: Flat, given_back: bool
) -> Flat | None:
    """What analytic should be, if one side is orthogonal to the directions and the other is not; None where neither is.

    given_back : whether analytic is the one without its part along them.
    """
    g, r, bar = (part[lines] for part in (s.analytic, s.numerical, s.bar))
    still = g if given_back else r
    parts = np.sum(units * g[:, None], axis=2)
    left = parts if given_back else np.sum(units * r[:, None], axis=2) - (1.0 - shares) * parts
    noise = 0.0 if given_back else np.sqrt(np.sum(bar**2, axis=1))
    size = np.sqrt(np.sum(still**2, axis=1))
    if (s.complete or given_back) and not (np.abs(left).max(axis=1) <= noise + ORTHOGONAL * size).all():
        return None
    # 0 has no part along anything: that a side is 0 is another mistake (a term is missing, f does not use it).
    if s.wrong[lines][size <= noise].any():
        return None
    if given_back:
        found = _parts_of_numerical(s, lines, units)
        if found is None:
            return None
        parts = -found
    explained = np.empty_like(s.analytic)
    explained[lines] = g - np.sum((shares * parts)[:, :, None] * units, axis=1)
    return explained


def _parts_of_numerical(s: Scope, lines: Index, directions: NDArray[np.floating]) -> Flat | None:
    """(k, q) derivatives of f along the directions of each line, measured where not all entries are known."""
    if s.complete:
        return np.asarray(np.sum(directions * s.numerical[lines][:, None], axis=2))
    count = len(lines) * directions.shape[1]
    setting = s.subject.measurable(count)
    if s.subject.matrix or setting is None or count > LOOKS:
        return None
    parts = np.empty(directions.shape[:2])
    for k, q in np.ndindex(*parts.shape):
        at, v = s.at[lines[k]], directions[k, q]
        size = 1.0 / np.max(np.abs(v) / setting.scales[at])
        tangent = np.zeros(s.subject.x.size)
        tangent[at] = size * v
        seen = slope_along(setting, tangent)
        if seen is None:
            return None
        parts[k, q] = seen.value[0] / size
    return parts
