"""When an array is certified: by its bound, or because every entry of it was judged by itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gradcheck.parameters.boxes import Box, whole_box
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import (
    FIRST_LOOK,
    ArrayEvidence,
    Certificate,
    Region,
    Residual,
    bound_of,
    bounds_of_one,
    precise,
    share_of,
)
from gradcheck.results.entries import Entries, none_judged
from gradcheck.results.evidence import Evidence
from gradcheck.results.outcome import Limit

PARAMETERS, _ = Parameters.of({"a": np.zeros(2), "b": np.zeros(3)})
A, B = PARAMETERS.blocks


def judged(*coordinates: int) -> Entries:
    """Evidence of these entries; what was decided of them does not matter here."""
    return replace(none_judged(np.dtype(np.float64)), coordinates=np.array(coordinates, np.intp))


@pytest.mark.parametrize(("bound", "certified"), [(0.9e-3, True), (1e-3, True), (1.1e-3, False)])
def test_an_array_is_certified_by_a_bound_within_the_resolution(bound, certified):
    """Up to the resolution, that included; however many of its entries were judged."""
    array = ArrayEvidence(A, (), Certificate("a", 1.0, bound, 0.99, 4))
    assert Evidence(judged(), (array,)).certified(array, 1e-3) is certified
    assert Evidence(judged(0, 1), (array,)).certified(array, 1e-3) is certified


@pytest.mark.parametrize(
    ("block", "coordinates", "certified"),
    [
        (A, (0, 1), True),
        (B, (2, 3, 4), True),
        (A, (0, 1, 2, 3, 4), True),
        (B, (4, 2, 3, 0), True),
        (A, (1, 2), False),
        (B, (3, 4), False),
        (B, (1, 3, 4), False),
        (B, (), False),
    ],
)
def test_an_array_without_directions_is_certified_where_every_entry_was_judged(block, coordinates, certified):
    """All of its own, the first and the last among them; those of its neighbours do not count."""
    assert Evidence(judged(*coordinates)).certified(ArrayEvidence(block, (), None), 1e-3) is certified


@pytest.mark.parametrize(
    ("told", "borne_out"),
    [
        ((2.0, 0.0), 2.0),
        ((-1.0, 1e-3), -1.0),
        ((2.0, np.inf), None),
        ((2.0, np.nan), None),
        ((2.0,), None),
        ((), None),
    ],
)
def test_a_factor_is_borne_out_where_what_else_is_off_has_a_bound(told, borne_out):
    """A sample alone tells it of the sample."""
    assert Region(A, whole_box(A), True, None, *told).borne_out == borne_out


def test_a_part_has_its_name_and_counts_what_may_be_other_than_zero():
    """By its place in its array; all that it has, or what is stored of it."""
    part = Region(B, Box(((1, 3),)), False)
    assert (str(part), part.size) == ('params["b"][1:3]', 2)
    assert replace(part, stored=1).size == 1
    assert (part.factor, part.bar, ArrayEvidence(B, (), None).limit) == (None, np.inf, Limit.NONE)


@pytest.mark.parametrize(("relative", "detectable"), [(None, 4.0), (3.0, 3.0), (5.0, 4.0)])
def test_a_mistake_shows_in_each_direction_or_is_excluded_by_all(relative, detectable):
    """The least that the worst of two directions would have shown, or the bound of the certificate."""
    certificate = None if relative is None else Certificate("a", 1.0, relative, 0.99, 2)
    residuals = (Residual(0.0, 0.1, 1.0, 1.7), Residual(0.0, 0.1, 1.0, 0.7))
    assert ArrayEvidence(A, residuals, certificate, 0.5).detectable == pytest.approx(detectable)
    assert ArrayEvidence(A, (), certificate, 0.5).detectable == np.inf
    assert ArrayEvidence(A, residuals, certificate, 0.0).detectable == np.inf


def test_two_certificates_together_bound_the_whole():
    """Norms of errors of different columns add up as squares; and one alone says nothing of the others."""
    residuals = Residual(0.0, 0.1, 1.0, 1.7), Residual(0.0, 0.1, 1.0, 0.7)
    one = ArrayEvidence(A, residuals[:1], Certificate("a", 3.0, 6.0, 0.99, 2), 0.5)
    other = ArrayEvidence(B, residuals[1:], Certificate("b", 4.0, 8.0, 0.99, 3))
    assert one.beside(other) == ArrayEvidence(A, residuals, Certificate("a", 5.0, 10.0, 0.99, 5), 0.5)
    for left, right in ((one, ArrayEvidence(B)), (ArrayEvidence(B), one)):
        assert left.beside(right).certificate is None


# Shares of the chance to be wrong


@pytest.mark.parametrize("first", [0.5, FIRST_LOOK, 1.0])
def test_the_shares_of_any_number_of_occasions_are_no_more_than_the_chance(first: float):
    """1 - (1 - first) / n of it for n of them: it is never exceeded."""
    shares = [share_of(nth, first) for nth in range(1, 200)]
    assert shares[:3] == pytest.approx([first, (1.0 - first) / 2.0, (1.0 - first) / 6.0], rel=1e-15)
    assert np.cumsum(shares) == pytest.approx([1.0 - (1.0 - first) / n for n in range(1, 200)], rel=1e-12)
    assert min(shares) >= 0.0


@pytest.mark.parametrize("looks", [1, 2, 12, 61])
def test_the_chances_that_any_bound_is_missed_are_no_more_than_what_is_allowed(looks: int):
    """Of each look, with as many directions left out as may be: C(K, k) (sqrt(2) tau / B)^(K - k) each."""
    delta = 0.01

    def chances(part: float) -> float:
        return sum(
            math.comb(count, k) * (math.sqrt(2.0) / (part * bound)) ** (count - k)
            for count in range(1, looks + 1)
            for k, bound in enumerate(bounds_of_one(count, delta))
        )

    # All of them are used, but for what is kept for looks that do not come.
    assert chances(1.0) == pytest.approx(delta * (1.0 - (1.0 - FIRST_LOOK) / looks), rel=1e-9)
    # Bounds that are less by three tenths would be missed more often than is allowed.
    assert chances(0.7) > delta


# Which directions a bound rests on

TINY, DELTA = 1e-9, 1e-6


@pytest.mark.parametrize("worst", [0, 1, 2])
def test_the_least_precise_direction_is_left_out(worst):
    """Where the bounds of all rows are better without it; not where all are alike, or a row needs them all."""
    one = np.where(np.arange(3) == worst, 5.0, TINY)[:, None]
    mask = (np.arange(3) != worst).tolist()
    size = np.array([2.0])
    assert precise(one, size, DELTA).tolist() == mask
    assert precise(one, size, DELTA).dtype == bool
    assert precise(np.full((3, 1), TINY), size, DELTA).tolist() == [True] * 3
    assert precise(np.hstack([one, one]), np.array([2.0, 2.0]), DELTA).tolist() == mask
    assert precise(np.hstack([one, np.ones((3, 1))]), np.array([2.0, 2.0]), DELTA).tolist() == [True] * 3


@pytest.mark.parametrize(
    ("sizes", "mask"), [((1.0, 100.0), [False, True, True]), ((100.0, 1.0), [True, False, True])]
)
def test_the_least_precise_of_several_rows_is_that_in_units_of_its_row(sizes, mask):
    """Each of two rows would leave out another one."""
    most = np.array([[5.0, TINY], [TINY, 5.0], [TINY, TINY]])
    assert precise(most, np.array(sizes), DELTA).tolist() == mask


def test_each_row_has_a_bound_of_its_own():
    """As if it were alone, whatever the others leave."""
    most = np.array([[5.0, 1.0], [TINY, 2.0], [TINY, 3.0]])
    together = bound_of(list(most), DELTA)
    assert together.tolist() == [float(bound_of(list(row[:, None]), DELTA)[0]) for row in most.T]
    assert together[0] < 1e-3 < together[1]
    # In whatever order they were taken.
    assert bound_of(list(most[::-1]), DELTA).tolist() == together.tolist()


@pytest.mark.parametrize(
    ("accepted", "left"), [(0.0, 0.05), (0.03, 0.04), (0.04, 0.03), (0.05, 0.0), (0.06, 0.0)]
)
def test_what_is_accepted_is_no_question_of_the_resolution(accepted: float, left: float):
    """The bound of all errors is that of two kinds, at right angles."""
    certificate = Certificate("a", 1.0, 0.05, 0.99, 3, accepted)
    assert certificate.left == pytest.approx(left, rel=1e-9, abs=1e-12)
    evidence = Evidence(none_judged(np.dtype(float)), (ArrayEvidence(A, (), certificate),))
    for resolution, certified in ((left + 1e-9, True), (left - 1e-9, False)):
        assert evidence.certified(evidence.arrays[0], resolution) is certified


@pytest.mark.parametrize(
    ("others", "whose"),
    [(False, "its root mean square entry"), (True, "what an entry of the other arrays does")],
)
def test_a_certificate_says_whose_entry_its_error_is_measured_by(others, whose):
    """Its own, or what one of the other arrays does where it is claimed to be 0."""
    certificate = Certificate("b", 1.0, 2.34e-7, 0.95, 6, others=others)
    assert str(certificate) == f"the error of b is below 2.3e-07 of {whose}, confidence 95 % (6 directions)"
