"""What is known of a derivative, gathered as the scope of a diagnosis: what was judged, and a sample of the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat, Index
from gradcheck.diagnosis.scope import Scope, Subject
from gradcheck.numerics.tangents import root_mean_square
from gradcheck.parameters.block import Block
from gradcheck.parameters.boxes import Box, flat_indices, hull, in_box, whole_box, working_shape
from gradcheck.results.entries import Entries
from gradcheck.results.evidence import Evidence
from gradcheck.results.table import rows

Columns = dict[str, NDArray[Any]]

# f moves beside x where a point next to it is so many times the noise away.
MOVES = 10.0
# Entries that nobody judged and that are looked at, of all arrays with a mistake; of larger ones a sample of so many.
# A mistake that a sample of 2^18 misses is one of a few entries in a million: those the search finds one by one.
AT_HAND = 2**18


def scope_of(subject: Subject, evidence: Evidence) -> Scope:
    """All that was judged; of arrays that hold something wrong the other entries too, or a sample of them.

    Entries without a finite analytic and numerical value tell nothing about a mistake.
    """
    judged, found, blocks = evidence.entries, evidence.entries.estimate, subject.parameters.blocks
    told = rows(judged, np.isfinite(judged.analytic) & np.isfinite(found.error) & np.isfinite(found.value))
    usable, wrong = told.coordinates, judged.wrong
    throughout = {r.block for r in evidence.regions if r.throughout}
    mistaken = [b for b in blocks if b.holds(wrong).any() or b in throughout]
    parts, absent, unclaimed = [usable], {}, set[str]()
    for b in blocks:
        mine = usable[b.holds(usable)]
        if mine.size == b.size:
            continue
        bound, regions = _bound(evidence, b), [r for r in evidence.regions if r.block == b]
        most = AT_HAND // len(mistaken) if b in mistaken else 0
        finite = np.isfinite(subject.analytic[b.slice])
        rest = b.start + np.flatnonzero(finite)
        if b.size - mine.size > most:
            whole = any(r.borne_out is not None and r.box.size == b.size for r in regions)
            absent[b.name] = (bound is not None or whole) and bool(finite.all())
            rest = _sample(b, wrong[b.holds(wrong)], [r.box for r in regions], most, subject)
        if bound is not None and not finite.all() and all(r.box.size < b.size for r in regions):
            unclaimed.add(b.name)
        parts.append(np.setdiff1d(rest, mine, assume_unique=True))
    known = _known(subject, evidence, told, np.sort(np.concatenate(parts)))
    undecided = judged.coordinates[judged.judgement.inconclusive]
    return Scope(subject, blocks, undecided=undecided, absent=absent, unclaimed=frozenset(unclaimed), **known)


def _bound(evidence: Evidence, b: Block) -> float | None:
    """What a certificate bounds the error of an array by, relative to the root mean square; None without one."""
    return next(
        (a.certificate.relative_to_rms for a in evidence.arrays if a.block == b and a.certificate), None
    )


def _known(subject: Subject, evidence: Evidence, told: Entries, at: Index) -> Columns:
    """What is known of some entries; told : those of them that were judged, and tell something.

    Others are right within what a certificate bounds their error by, outside of open regions; and those are off by a
    factor of which directions bear that out.
    """
    found = told.estimate
    analytic = subject.analytic[at]
    numerical, bar, curvature = (np.full(at.size, np.nan, found.value.dtype) for _ in range(3))
    wrong, tested, known, moves = (np.zeros(at.size, bool) for _ in range(4))
    ratio_bar = np.full(at.size, np.inf)
    for b in subject.parameters.blocks:
        bound = _bound(evidence, b)
        if bound is not None:
            mine = np.flatnonzero(b.holds(at) & ~np.isin(at, evidence.entries.coordinates))
            known[mine], numerical[mine], bar[mine] = True, analytic[mine], bound * _rms(subject, b, at[mine])
    # What is borne out of a part says nothing where another is open.
    for region in sorted(evidence.regions, key=lambda r: r.borne_out is None):
        off = np.flatnonzero(region.block.holds(at))
        off = off[in_box(region.block, region.box, at[off])]
        factor = region.borne_out
        if factor is None:
            known[off], wrong[off], numerical[off], bar[off] = False, False, np.nan, np.nan
        else:
            known[off], wrong[off], numerical[off] = True, analytic[off] != 0, analytic[off] / factor
            bar[off], ratio_bar[off] = region.bar, region.factor_bar
    mine = np.searchsorted(at, told.coordinates)
    known[mine] = tested[mine] = True
    numerical[mine], bar[mine], curvature[mine] = found.value, 3.0 * found.error, found.curvature
    wrong[mine], moves[mine] = told.judgement.wrong, found.chord > MOVES * found.noise
    return {
        "at": at, "analytic": analytic, "numerical": numerical, "bar": bar, "wrong": wrong, "tested": tested,
        "known": known, "curvature": curvature, "moves": moves, "ratio_bar": ratio_bar,
    }  # fmt: skip


def _rms(subject: Subject, b: Block, at: Index) -> Flat:
    """What the certificate of some entries is relative to: root mean square of the array, or of the row of a matrix."""
    values = subject.analytic[b.slice]
    if not np.isfinite(values).all():
        values = np.nan_to_num(values)
    if not subject.matrix:
        return np.full(at.size, root_mean_square(values))
    rows, which = np.unique((at - b.start) // b.shape[1], return_inverse=True)
    lines = values.reshape(b.shape)
    return np.array([root_mean_square(lines[row]) for row in rows])[which]


def _sample(b: Block, wrong: Index, regions: list[Box], most: int, subject: Subject) -> Index:
    """Places of a large array to look at beside what was judged: about the wrong ones, and at random.

    The box of the wrong entries, the lines that hold them all, the ends of open regions; of a matrix whole rows, along
    which a direction tells.
    """
    if most == 0:
        return np.empty(0, np.intp)
    # Of a factor that several arrays share the entries of one may have been judged.
    boxes = [hull(b, wrong)] if wrong.size else []
    for axis, span in enumerate(boxes[0].ranges if boxes else ()):
        if span[1] - span[0] == 1:
            boxes.append(whole_box(b).along(axis, span))
    parts, left = [], most // 2
    for each in boxes:
        if each.size <= left:
            parts.append(flat_indices(b, each))
            left -= each.size
    for region in regions:
        ends = np.array([[start for start, _ in region.ranges], [stop - 1 for _, stop in region.ranges]])
        parts.append(b.start + np.ravel_multi_index(tuple(ends.T), working_shape(b)))
    rng, some = np.random.default_rng(0), most // 2
    if subject.matrix and b.shape[1] <= some:
        m, n = b.shape
        chosen = rng.choice(m, some // n, replace=False)
        rows = np.unique(np.concatenate([(wrong - b.start)[: some // n] // n, chosen]))
        parts.append((b.start + rows[:, None] * n + np.arange(n)).ravel())
    else:
        parts.append(b.start + rng.integers(b.size, size=some))
    at = np.unique(np.concatenate(parts))
    return np.asarray(at[np.isfinite(subject.analytic[at])])
