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
from gradcheck.results.certificate import Region
from gradcheck.results.entries import Entries
from gradcheck.results.evidence import Evidence

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
    judged = evidence.entries
    blocks, wrong = subject.parameters.blocks, judged.wrong
    parts, absent, unclaimed = [_judged(judged)], {}, set[str]()
    usable = parts[0]["at"]
    throughout = {r.block for r in evidence.regions if r.throughout}
    mistaken = [b.name for b in blocks if b.holds(wrong).any() or b in throughout]
    for b in blocks:
        mine = usable[b.holds(usable)]
        if mine.size == b.size:
            continue
        certificates = [a.certificate for a in evidence.arrays if a.block == b and a.certificate is not None]
        bound = certificates[0].relative_to_rms if certificates else None
        regions = [r for r in evidence.regions if r.block == b]
        told = bound is not None or any(r.borne_out is not None and r.box.size == b.size for r in regions)
        most = AT_HAND // len(mistaken) if b.name in mistaken else 0
        finite = np.isfinite(subject.analytic[b.slice])
        rest = b.start + np.flatnonzero(finite)
        if b.size - mine.size > most:
            absent[b.name] = told and bool(finite.all())
            rest = _sample(b, wrong[b.holds(wrong)], [r.box for r in regions], most, subject)
        if bound is not None and not finite.all() and all(r.box.size < b.size for r in regions):
            unclaimed.add(b.name)
        rest = np.setdiff1d(rest, mine, assume_unique=True)
        parts.append(_unjudged(subject, b, rest, bound, regions, judged.coordinates))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    columns["ratio_bar"] = _ratio_bar(evidence, columns["at"])
    order = np.argsort(columns["at"], kind="stable")
    undecided = judged.coordinates[judged.judgement.inconclusive]
    ordered = {name: column[order] for name, column in columns.items()}
    return Scope(
        subject, blocks, undecided=undecided, absent=absent, unclaimed=frozenset(unclaimed), **ordered
    )


def _ratio_bar(evidence: Evidence, at: Index) -> Flat:
    """(k,) what the ratio of each entry is known to where directions tell it as one factor of a part; else infinite."""
    found = np.full(at.size, np.inf)
    for region in evidence.regions:
        if region.borne_out is not None:
            mine = np.flatnonzero(region.block.holds(at))
            mine = mine[in_box(region.block, region.box, at[mine])]
            found[mine] = region.factor_bar
    return found


def _judged(judged: Entries) -> Columns:
    """What was measured."""
    found = judged.estimate
    rows = np.flatnonzero(np.isfinite(judged.analytic) & np.isfinite(found.error) & np.isfinite(found.value))
    yes = np.ones(rows.size, bool)
    return {
        "at": judged.coordinates[rows], "analytic": judged.analytic[rows], "numerical": found.value[rows],
        "bar": 3.0 * found.error[rows], "wrong": judged.judgement.wrong[rows], "tested": yes, "known": yes,
        "curvature": found.curvature[rows], "moves": found.chord[rows] > MOVES * found.noise[rows],
    }  # fmt: skip


def _unjudged(
    subject: Subject, b: Block, at: Index, bound: float | None, regions: list[Region], judged: Index
) -> Columns:
    """Entries that nobody judged: right within what a certificate bounds their error by, outside of open regions.

    And those that are off by a factor, which directions bear out. bound : of the certificate, relative to the root mean
    square; None without one.
    """
    analytic, no = subject.analytic[at], np.zeros(at.size, bool)
    nothing = np.full(at.size, np.nan)
    known, numerical, bar, wrong = no, nothing, nothing, no
    if bound is not None:
        known, numerical = ~np.isin(at, judged), analytic
        bar = bound * _rms(subject, b, at)
    # What is borne out of a part says nothing where another is open.
    for region in sorted(regions, key=lambda r: r.borne_out is None):
        off, factor = in_box(b, region.box, at), region.borne_out
        known = known & ~off if factor is None else known | off
        if factor is not None:
            numerical, bar = np.where(off, analytic / factor, numerical), np.where(off, region.bar, bar)
            wrong = wrong | (off & (analytic != 0))
    numerical, bar, wrong = np.where(known, numerical, np.nan), np.where(known, bar, np.nan), wrong & known
    return {
        "at": at, "analytic": analytic, "numerical": numerical, "bar": bar, "wrong": wrong, "tested": no,
        "known": known, "curvature": nothing, "moves": no,
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
