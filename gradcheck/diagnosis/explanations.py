"""What kind of mistake fits a mismatch.

An explanation is reported when it brings every wrong entry within 3 E + tau, when it makes no entry wrong that is
right, and when so good a fit can hardly be an accident (`Scope.convinces`). No explanation is better than a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

import numpy as np

from gradcheck._typing import Flat
from gradcheck.diagnosis import patterns, projections, terms
from gradcheck.diagnosis.along import jump
from gradcheck.diagnosis.gather import scope_of
from gradcheck.diagnosis.orders import arrays_moved, folded, rearranged
from gradcheck.diagnosis.regions import block_place, common_place, lines_place
from gradcheck.diagnosis.scope import Scope, Subject
from gradcheck.parameters.boxes import Box, in_box, whole_box
from gradcheck.results.cause import Cause, Extent, Kind, Place
from gradcheck.results.certificate import Region
from gradcheck.results.entries import Entries
from gradcheck.results.evidence import Evidence

Gradient = Callable[[Flat], Flat]
Pattern = Callable[[Scope], Cause | None]

# Off by less than this of the largest entry is little: what people let an inner iteration leave.
SLIGHT = 1e-2
# So many times that is what one entry is off by for which another mistake is looked for.
APART = 10.0
# The slope of what an iteration leaves, in units of that over the scale of x: some steps that count.
STEPS = 100.0
# So many times what is accepted at least one entry is off by where others are told to be right.
CLEAR = 100.0


def diagnose(subject: Subject, evidence: Evidence, grad: Gradient | None = None) -> tuple[Cause, ...]:
    """Explain a mismatch, from the evidence that showed it, best first: the one entry, for every check.

    subject : the derivative under test. evidence : some or all entries of it, judged, and what certificates hold.
    grad : flat x -> flat gradient, called at most three times, where an array is left unexplained: at another point
        (inside the bounds) and again at x, to see whether it depends on x and on nothing else.
    One explanation for all arrays with a wrong entry comes before one for each of them. Of several that fit the
    same entries, those are kept that leave least open.
    """
    everything = scope_of(subject, evidence)
    wrong = everything.with_mistake()
    if not wrong:
        return ()
    scope = everything.part(wrong)
    # Arrays that are wrong throughout as far as a sample of others tells come with them first.
    told = {r.block for r in evidence.regions if r.throughout}
    more = tuple(b for b in everything.blocks if b in wrong or b in told)
    of_all = _explanations(everything.part(more)) if more != wrong else ()
    of_all = of_all or _explanations(scope, arrays_moved(everything))
    if of_all:
        return of_all
    parts = [scope.one(b) for b in wrong]
    found = [_explanations(part) for part in parts] if len(wrong) > 1 else [of_all]
    open_ = [part for part, causes in zip(parts, found, strict=True) if not causes]
    found = _shared(scope, found)
    # Before grad is asked elsewhere: one that was computed beforehand stays the same, and may be right.
    # A solver's stop shows in every entry: where directions certify that others are right it is not asked for.
    certified = any(array.certificate is not None for array in evidence.arrays) and not scope.wrong.all()
    unexplained = not any(cause.explains for causes in found for cause in causes)
    stops = _stops(scope) if unexplained and not certified else None
    if stops is not None:
        cause, beyond = stops
        return (cause, *((_explanations(beyond) or _described(beyond)) if beyond.wrong.any() else ()))
    cached = _cache(subject, evidence.entries, grad) if grad is not None and open_ else None
    between = _between(everything, evidence.regions) if open_ and not cached else None
    seen = [_described(part, evidence.regions) for part in open_]
    ordered = (cached, *chain(*found), between, *chain(*seen))
    return tuple(cause for cause in ordered if cause is not None)


def _factor_of(causes: tuple[Cause, ...]) -> tuple[Kind, float] | None:
    """What explains an array as one factor of all of it that is wrong; None where something else does."""
    if len(causes) != 1 or causes[0].kind not in (Kind.FACTOR, Kind.SIGN) or causes[0].value is None:
        return None
    return causes[0].kind, float(f"{causes[0].value:.6g}")


def _shared(scope: Scope, found: list[tuple[Cause, ...]]) -> list[tuple[Cause, ...]]:
    """What explains each of the arrays, those of one factor together in the place of the first of them."""
    sharing: dict[tuple[Kind, float], list[int]] = {}
    for k, causes in enumerate(found):
        if (factor := _factor_of(causes)) is not None:
            sharing.setdefault(factor, []).append(k)
    found = list(found)
    for factor, places in sharing.items():
        if len(places) > 1:
            whole = _explanations(scope.part(tuple(scope.blocks[k] for k in places)))
            if _factor_of(whole) == factor:
                for k in places:
                    found[k] = whole if k == places[0] else ()
    return found


def _explanations(s: Scope, *more: Cause | None) -> tuple[Cause, ...]:
    """Those that leave least open, all of equal ones; more : others that were found.

    A wide tolerance lets much pass: what fits without it comes first.
    """
    exact = replace(s.subject, tolerance=s.subject.tolerance.strict())
    found = _fitting(replace(s, subject=exact)) if exact.tolerance != s.subject.tolerance else ()
    return found if any(cause.explains for cause in found) else _fitting(s, *more)


def _fitting(s: Scope, *more: Cause | None) -> tuple[Cause, ...]:
    with np.errstate(all="ignore"):  # nan and inf fit nothing
        causes = [c for c in (*(pattern(s) for pattern in EXACT), *more) if c is not None]
        for others in (BY_X, FITTED):
            if not any(_left_open(c) == (False, 0) for c in causes):
                causes += [c for c in (pattern(s) for pattern in others) if c is not None]
    least = min(map(_left_open, causes), default=None)
    return tuple(c for c in causes if _left_open(c) == least)


def _left_open(c: Cause) -> tuple[bool, int]:
    """Values before ranges, then by the constants that were fitted."""
    return c.vague, c.constants


def _described(s: Scope, regions: tuple[Region, ...] = ()) -> tuple[Cause, ...]:
    """What is seen of an array that nothing explains."""
    boxes = [r.box for r in regions if r.block == s.blocks[0] and r.throughout]
    place = (_together(s, boxes) if boxes else None) or common_place(s)
    seen = patterns.alike(s) if place is None and s.complete else None
    return tuple(c for c in (Cause(Kind.REGION, place) if place else None, seen) if c is not None)


def _together(s: Scope, boxes: Sequence[Box]) -> Place | None:
    """Where parts of an array lie that are wrong throughout: the block or the lines that they are.

    None for all of the array, for several blocks, and where a wrong entry lies elsewhere.
    """
    block, at = s.blocks[0], s.at[s.wrong]
    shape, whole = block.shape, whole_box(block)
    inside = np.any([in_box(block, box, at) for box in boxes], axis=0)
    if block.is_complex or not shape or not inside.all():
        return None
    if len(boxes) == 1 and boxes[0] != whole:
        return block_place(block, at.size, boxes[0])
    for axis, n in enumerate(shape if len(shape) > 1 else ()):
        spans = [box.ranges[axis] for box in boxes]
        lines = np.unique([k for start, stop in spans for k in range(start, stop)]).astype(np.intp)
        across = all(box == whole.along(axis, box.ranges[axis]) for box in boxes)
        if across and lines.size <= n // 2:
            return lines_place(block, at.size, axis, lines)
    return None


def _stops(s: Scope) -> tuple[Cause, Scope] | None:
    """A jump of f beside x that explains small disagreements, as there is where a solver stops; and what is left then.

    What an iteration leaves changes with x as fast as f does, or some ten times as fast: it adds up over its steps.
    All wrong entries but one have to be off by little; and the same with that one alone.
    """
    off, setting = np.abs(s.analytic - s.numerical), s.subject.measurable()
    little = s.wrong & (off <= SLIGHT * float(np.max(np.abs(s.numerical[s.known]))))
    more = int(s.wrong.sum() - little.sum())
    if setting is None or more > 1 or little.sum() <= more:
        return None
    # A mistake of its own stands out of what a solver leaves.
    if more and float(np.max(off[s.wrong])) < APART * float(np.max(off[little])):
        return None
    size = jump(setting)
    scale, most = np.max(np.abs(setting.scales)), float(np.max(off[little]))
    if size is None or most * scale > STEPS * size:
        return None
    cause = Cause(Kind.STOPS, Place(s.names, int(little.sum()), Extent.WRONG), value=size)
    return cause, replace(s, wrong=s.wrong & ~little, bar=np.maximum(s.bar, most))


def _between(everything: Scope, regions: tuple[Region, ...]) -> Cause | None:
    """Every array up to one is wrong, and every one behind it right, or the other way round.

    Not where all are off by little more than is accepted: what is right may be off by as much as that, then.
    """
    off, states, throughout = np.abs(everything.analytic - everything.numerical), [], True
    if not (off > CLEAR * everything.slack(everything.analytic))[everything.wrong].any():
        return None
    for b in everything.blocks:
        part = everything.one(b)
        bad = int(part.wrong.sum())
        if not bad and any(region.block == b for region in regions):
            return None  # something is wrong there that no entry shows
        if part.at.size == 0 and everything.absent.get(b.name):
            states.append(False)  # a certificate says that it is right
            continue
        if part.at.size == 0 or part.undecided.size or (bad and 2 * bad <= int(part.tested.sum())):
            return None
        states.append(bool(bad))
        throughout &= bad in (0, b.size)
    names, changes = everything.names, [k for k in range(1, len(states)) if states[k] != states[k - 1]]
    if len(states) < 3 or len(changes) != 1 or sum(states) < 2:
        return None
    k = changes[0]
    pair = (names[k - 1], names[k]) if states[0] else (names[k], names[k - 1])
    wrong = tuple(name for name, bad in zip(names, states, strict=True) if bad)
    extent = Extent.ALL if throughout else Extent.WRONG
    return Cause(Kind.BETWEEN, Place(wrong, int(everything.wrong.sum()), extent), moves=(pair,))


def _cache(subject: Subject, evidence: Entries, grad: Gradient) -> Cause | None:
    """Whether grad stays the same where f's derivative changes, or changes after a call elsewhere."""
    found, analytic = evidence.estimate, subject.analytic
    with np.errstate(invalid="ignore"):
        bend = np.abs(found.curvature) * found.step
        bent = np.where(np.isfinite(found.error) & (bend > 3.0 * found.noise), bend, 0.0)
    if not bent.any():
        return None
    # All at once, no two alike: one that the gradient does not depend on would be no sign, and f may not change where
    # all move by the same. Bends are known only where f was evaluated on both sides: the point is within the bounds,
    # and hardly off f's domain.
    rows = np.flatnonzero(np.isfinite(found.error + found.curvature + found.step))
    parts = np.random.default_rng(0).uniform(0.25, 1.0, rows.size) * np.resize([1.0, -1.0], rows.size)
    elsewhere = subject.x.copy()
    elsewhere[evidence.coordinates[rows]] += parts * found.step[rows]
    size = float(np.max(np.abs(analytic), initial=0.0, where=np.isfinite(analytic)))
    same = partial(np.allclose, rtol=1e-9, atol=1e-9 * size, equal_nan=True)
    try:
        there, again = grad(elsewhere), grad(subject.x)
        third = again if same(again, analytic) else grad(subject.x)
    except Exception:  # grad is the caller's: it may raise anything
        return None  # a grad that cannot be called elsewhere tells nothing
    moved = [subject.parameters.block_of(int(at)).name for at in evidence.coordinates[rows]]
    place = Place(tuple(dict.fromkeys(moved)), rows.size, Extent.ALL)
    if not same(again, analytic):
        # One that differs from both is no memory but chance, which is said elsewhere.
        return Cause(Kind.REMEMBERS, place) if same(third, analytic) or same(third, again) else None
    return Cause(Kind.STALE, place) if np.array_equal(there, analytic, equal_nan=True) else None


def judged_more(s: Scope, pattern: Pattern) -> Cause | None:
    """What a pattern finds, and finds again with more entries judged: no direction tells of those that are not."""
    more = s.some_more() if pattern(s) is not None else None
    return None if more is None else pattern(more)


# Simple and specific first; each looks at one array, or at all that have a wrong entry. What sums, means and functions
# of x make is asked where nothing simpler explains, and what fits a constant or tells a range alone after that.
EXACT: tuple[Pattern, ...] = (
    patterns.missing, patterns.assigned, patterns.conjugate, patterns.factor, rearranged, folded,
)  # fmt: skip
BY_X: tuple[Pattern, ...] = (
    projections.reduced, projections.projected, projections.lacking, partial(terms.parametrisation, fitted=False),
)  # fmt: skip
FITTED: tuple[Pattern, ...] = (
    projections.repeated, terms.cut, partial(judged_more, pattern=patterns.clipped), terms.float32, terms.unused,
    partial(judged_more, pattern=patterns.multiple), patterns.scaled,
    partial(terms.parametrisation, fitted=True), terms.delta,
    *(partial(terms.left_out, kind=kind) for kind in terms.TERMS), terms.gauss_newton,
    partial(judged_more, pattern=terms.difference), terms.factor_beside, terms.term_transposed,
)  # fmt: skip
