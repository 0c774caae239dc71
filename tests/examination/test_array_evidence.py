"""What joint directions show of single arrays: sizes, residuals and certificates by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradcheck.examination.array_evidence import array_evidence, evidence_of
from gradcheck.joint.direction import Direction, Joint
from gradcheck.numerics.problem import Scaling
from gradcheck.parameters.boxes import Box, whole_box
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import Certificate, Region, Residual
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import unmeasured
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Judgement, Tolerance

PARAMETERS, X = Parameters.of({"W": np.ones((2, 3)), "b": np.ones(4)})
W, B = PARAMETERS.blocks
EPS, RTOL = 2.0**-10, 0.25
PROBLEM: Any = SimpleNamespace(parameters=PARAMETERS, x=X, eps=EPS, tolerance=Tolerance(RTOL))
# What one direction of two shows; the other knows less.
ONE = np.ones(1)
FIRST = Direction(X, 0.125, 2.0 * ONE, -0.5 * ONE, 0.01 * ONE, 0.02 * ONE)
SECOND = Direction(X, 0.25, 3.0 * ONE, 0.25 * ONE, 0.02 * ONE, 9.0 * ONE)


def joint(bound: float = 3.0, size: float = 4.0) -> Joint:
    """Two directions, with what they bound and what a mistake is relative to."""
    no = np.zeros(1, bool)
    return Joint((FIRST, SECOND), bound * ONE, ~no, no, size * ONE)


def scaling(*least: float, longest: float = 1.0) -> Scaling:
    """What a mistake in each array is relative to; W is moved by half as much as b, but for one entry of each."""
    lengths = np.where(np.arange(X.size) < B.start, 1.0, 2.0) * longest
    lengths[[1, B.start]] = 0.5, 0.25
    return Scaling(lengths, ONE, np.ones(2), np.zeros(2, bool), np.array(least))


def judged(*entries: int, off: Any = 0.0, bar: float = 0.0, undecided: Any = ()) -> Any:
    """Some entries that are claimed to be 1 and off by so much, with a bar E; right where they are not open."""
    k = len(entries)
    off = np.broadcast_to(off, k)
    found = replace(unmeasured(k, np.dtype(float)), value=1.0 - off, error=np.full(k, bar))
    open_ = np.isin(entries, undecided)
    no = np.zeros(k, bool)
    return Entries(
        np.array(entries, np.intp),
        np.ones(k),
        found,
        Judgement(no, ~open_, no, np.ones(k), np.ones(k)),
    )


def found(k: int = 0, certified: Any = None, **parts: Any) -> Any:
    """The evidence about an array."""
    of, least = parts.get("joint", joint()), parts.get("scaling", scaling(8.0, 2.0))
    return array_evidence(PROBLEM, of, least, k, certified, *parts.get("limit", ()))


def right(*known: Any, factor: float | None = None, confidence: float = 0.99) -> Any:
    """That what is claimed of an array holds, beside some entries that were judged."""
    return known[0] if known else judged(), factor, confidence


# The size, and the residuals


@pytest.mark.parametrize(
    ("least", "size"), [((8.0, 2.0), (8.0, 4.0)), ((np.inf, 5.0), (4.0, 5.0)), ((np.nan, 0.0), (4.0, 4.0))]
)
def test_a_mistake_is_relative_to_the_size_of_its_array(least: Any, size: Any):
    """Or that of all together, where that is larger; half of it is what a mistake leaves at the least."""
    for k, block in enumerate((W, B)):
        for certified in (None, right()):
            array = found(k, certified, scaling=scaling(*least))
            assert array.block is block
            assert array.smallest_visible == 0.5 * size[k]
        assert array.certificate.relative_to_rms == pytest.approx(3.0 / size[k], rel=1e-15)


def test_residuals_are_told_with_what_a_right_gradient_may_leave():
    """3 E and half of rtol times the size, here 8; or what the direction allows, where that is more."""
    array = found()
    assert array.residuals == (
        Residual(-0.5, 0.01, 2.0, 0.03 + 1.0),
        Residual(0.25, 0.02, 3.0, 9.0),
    )
    smaller = found(scaling=scaling(0.5, 0.5), joint=joint(size=1.0))
    assert smaller.residuals[0].allowed == 0.03 + 0.125
    # 64 roundings of 2: here each is a thousandth.
    tiny = found(scaling=scaling(0.0, 0.0), joint=joint(size=0.0))
    assert tiny.residuals[0].allowed == pytest.approx(0.03 + 64.0 * EPS * 2.0, rel=1e-15)


# Certificates


def test_a_certificate_is_what_the_directions_bound():
    """In units of the array's size, with their number and confidence; both by another array's size are others."""
    for k, name, size in ((0, W.name, 8.0), (1, B.name, 4.0)):
        array = found(k, right(confidence=0.9), limit=(Limit.KINK,))
        assert array.certificate == Certificate(name, 3.0, 3.0 / size, 0.9, 2)
        assert array.limit is Limit.KINK
    assert found(certified=right()).limit is Limit.NONE


@pytest.mark.parametrize("bound", [np.inf, np.nan])
def test_without_a_bound_there_is_no_certificate(bound: float):
    """Nor where none is asked for; what limits it is told."""
    for of, certified in ((joint(bound), right()), (joint(), None)):
        array = found(0, certified, joint=of, limit=(Limit.BUDGET,))
        assert array.certificate is None
        assert (array.smallest_visible, len(array.residuals), array.limit) == (4.0, 2, Limit.BUDGET)
        assert found(0, certified, joint=of).limit is Limit.NONE


def test_entries_that_were_judged_count_with_what_they_may_be_off_by():
    """3 E and what they differ by, each as far as the array is moved at most: 2 (0.5 + 0.25), as -0.5 counts as 0.5.

    Beside a bound of 3 two of them make the root of 3^2 + 2 (1.5)^2; those of the other array, and open ones, none.
    """
    entries = judged(1, 2, W.stop, 3, off=[0.5, -0.5, 0.5, 0.5], bar=0.25 / 3.0, undecided=[3])
    array = found(0, right(entries), scaling=scaling(8.0, 2.0, longest=2.0))
    bound = np.sqrt(9.0 + 2.0 * 1.5**2)
    assert array.certificate.bound == pytest.approx(bound, rel=1e-14)
    assert array.certificate.relative_to_rms == pytest.approx(bound / 8.0, rel=1e-14)
    # b is moved twice as far.
    array = found(1, right(entries), scaling=scaling(8.0, 2.0, longest=2.0))
    assert array.certificate.bound == pytest.approx(np.sqrt(9.0 + 3.0**2), rel=1e-14)
    array = found(0, right(entries), scaling=scaling(8.0, 2.0, longest=0.75))
    assert array.certificate.bound == pytest.approx(np.sqrt(9.0 + 2.0 * (0.75 * 0.75) ** 2), rel=1e-14)
    entries = judged(W.start, W.stop - 1, off=0.5)
    assert found(0, right(entries)).certificate.bound == pytest.approx(np.sqrt(9.0 + 0.5), rel=1e-14)
    assert found(1, right(entries)).certificate.bound == 3.0


def test_an_array_by_a_factor_is_certified_divided_by_it():
    """What was judged of it was so before that, and counts for nothing; nine digits name it."""
    array = found(0, right(judged(1, 2, off=0.5), factor=1.0 / 3.0))
    assert array.certificate == Certificate(f"{W.name} / 0.333333333", 3.0, 3.0 / 8.0, 0.99, 2)


# All arrays


def claim(**parts: Any) -> Any:
    """A claim of which nothing else is known."""
    given = {"judged": [], "regions": [], "factors": {}, "still": np.zeros(X.size, bool)} | parts
    return SimpleNamespace(problem=PROBLEM, **given)


def test_every_array_has_its_own_certificate():
    """With what was judged of it in any look, and the factor that it is claimed by."""
    looks = [judged(1, off=0.5), judged(B.start, off=0.5)]
    found = evidence_of(
        claim(judged=looks, factors={B.name: 2.0}), joint(), scaling(8.0, 2.0), 0.9, Limit.NOISE
    )
    assert [array.block for array in found.arrays] == [W, B]
    assert [len(array.residuals) for array in found.arrays] == [2, 2]
    w, b = (array.certificate for array in found.arrays)
    assert w == Certificate(W.name, w.bound, w.bound / 8.0, 0.9, 2, w.accepted)
    # What was judged and is accepted is the rest of it.
    assert w.left == pytest.approx(3.0 / 8.0, rel=1e-12)
    assert w.bound == pytest.approx(np.sqrt(9.25), rel=1e-14)
    assert b == Certificate(f"{B.name} / 2", 3.0, 0.75, 0.9, 2)
    assert [array.limit for array in found.arrays] == [Limit.NOISE] * 2
    assert found.entries.coordinates.tolist() == [1, B.start]
    assert evidence_of(claim(), joint(), scaling(8.0, 2.0), 0.9).arrays[0].limit is Limit.NONE


def test_an_entry_counts_as_it_was_judged_last():
    """Where no entry was judged there is none; parts that were named are told."""
    region = Region(W, Box(((0, 1), (0, 3))), True)
    found = evidence_of(
        claim(judged=[judged(1, 2, off=0.5), judged(2)], regions=[region]), joint(), scaling(8, 2), 0.9
    )
    assert found.entries.coordinates.tolist() == [1, 2]
    assert found.entries.estimate.value.tolist() == [0.5, 1.0]
    assert found.regions == (region,)
    found = evidence_of(claim(), joint(), scaling(8, 2), 0.9)
    assert (found.entries.coordinates.size, found.entries.analytic.dtype, found.regions) == (0, X.dtype, ())


def test_where_directions_settled_nothing_there_are_no_residuals():
    """Nor of an array of which every entry is known: of one of which one is not there are."""
    for of, known, bare in (
        (None, (), [True, True]),
        (scaling(8, 2), range(W.start, W.stop), [True, False]),
        (scaling(8, 2), range(W.start + 1, X.size), [False, True]),
    ):
        found = evidence_of(claim(still=np.isin(np.arange(X.size), known)), joint(), of, 0.9)
        assert [array.residuals == () for array in found.arrays] == bare
        assert [array.certificate is None for array in found.arrays] == bare
        assert [array.block for array in found.arrays] == [W, B]


def test_an_array_that_is_named_as_a_whole_has_no_certificate():
    """One of which a part is has, and so has the other."""
    regions = [Region(W, Box(((0, 1), (0, 3))), True), Region(B, whole_box(B), True)]
    found = evidence_of(claim(regions=regions), joint(), scaling(8, 2), 0.9)
    assert [array.certificate is None for array in found.arrays] == [False, True]
    assert len(found.arrays[1].residuals) == 2


ROW = Region(W, Box(((0, 1), (0, 3))), True, 2, 1.5)


def test_what_a_factor_leaves_of_its_part_is_bounded_as_its_array_is():
    """By what directions bound, over the shortest length within the part; an entry that stays still has none.

    The shortest of W, 0.5, is in its first row, the second entry; the others of W have 1.
    """
    lengths = scaling(8, 2).lengths
    lengths[2] = 0.0
    of = replace(scaling(8, 2), lengths=lengths)
    second = replace(ROW, box=Box(((1, 2), (0, 3))))
    other = Region(B, whole_box(B), True, None, -1.0)
    beyond = replace(other, box=Box(((1, 4),)))
    found = evidence_of(claim(regions=[ROW, second, other, beyond]), joint(), of, 0.9)
    assert [region.bar for region in found.regions] == [3.0 / 0.5, 3.0 / 1.0, 3.0 / 0.25, 3.0 / 2.0]
    assert [replace(region, bar=np.inf) for region in found.regions] == [ROW, second, other, beyond]
    assert [region.borne_out for region in found.regions] == [1.5, 1.5, -1.0, -1.0]


def test_a_part_of_which_nothing_moves_is_bounded_by_no_direction():
    """Though others of its array do; with one entry that moves it is."""
    lengths = scaling(8, 2).lengths
    lengths[:3] = 0.0
    still = evidence_of(claim(regions=[ROW]), joint(), replace(scaling(8, 2), lengths=lengths), 0.9)
    assert still.regions == (ROW,)
    assert still.regions[0].borne_out is None
    lengths[0] = 0.75
    moved = evidence_of(claim(regions=[ROW]), joint(), replace(scaling(8, 2), lengths=lengths), 0.9)
    assert moved.regions == (replace(ROW, bar=3.0 / 0.75),)


@pytest.mark.parametrize(
    ("region", "bound", "settled"),
    [(replace(ROW, factor=None), 3.0, True), (ROW, np.inf, True), (ROW, np.nan, True), (ROW, 3.0, False)],
)
def test_a_part_that_directions_do_not_bound_is_known_as_far_as_it_was_sampled(
    region: Region, bound: float, settled: bool
):
    """One without a factor, too."""
    found = evidence_of(claim(regions=[region]), joint(bound), scaling(8, 2) if settled else None, 0.9)
    assert found.regions == (region,)
    assert found.regions[0].borne_out is None
