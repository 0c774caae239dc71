"""What is stated is true: error bars hold the truth, and bounds are too small no more often than they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import gradcheck
from benchmarks import calibration, corpus, trials
from benchmarks.calibration import ERRORS, Share
from benchmarks.trials import Bar
from gradcheck.evidence import plain_differences


@pytest.mark.slow
@pytest.mark.parametrize("kind", ERRORS)
def test_bounds_are_too_small_no_more_often_than_stated(kind: str):
    """After each of eight directions, 300 times: as many misses would be one chance in a million, were it not true."""
    shares = calibration.rows_against_errors(kind, 300, 1, 30, seed=1)

    assert [s.stated for s in shares] == list(calibration.CHANCES)
    assert not any(s.refuted for s in shares)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ERRORS)
def test_rows_and_looks_share_their_chance(kind: str):
    """Bounds of six rows after each of eight directions, and whole reports: no more are wrong than is stated."""
    shares = calibration.rows_against_errors(kind, 40, 6, 20, seed=1)
    shares += calibration.jacobian_reports_against_errors(kind, 8, 6, 20, seed=1)

    assert not any(s.refuted for s in shares)


@pytest.mark.slow
def test_rows_that_do_not_pay_for_each_other_are_seen(monkeypatch: pytest.MonkeyPatch):
    """Every row with the chance of all, and no share for a look: refuted."""
    monkeypatch.setattr(
        calibration,
        "bound_of",
        lambda most, delta: np.sqrt(2.0) * most.max(axis=0) * (12 * delta) ** (-1 / len(most)),
    )
    shares = calibration.rows_against_errors("two entries, equal and opposite", 150, 12, 20, seed=1)

    assert any(s.refuted for s in shares)


@pytest.mark.slow
def test_bounds_are_not_idle():
    """At an even chance some are too small: errors that cancel along the directions do happen."""
    shares = calibration.rows_against_errors("two entries, equal and opposite", 400, 1, 30, seed=1)

    # The first look alone, at an eighth of the chance, misses |u1 - u2| < 1/8: half of 2/8 - 1/64, by its density.
    expected = 400 * (2 / 8 - 1 / 64) / 2
    assert shares[0].missed > expected - 5 * np.sqrt(expected)


@pytest.mark.slow
def test_a_bound_that_is_stated_too_small_is_seen(monkeypatch: pytest.MonkeyPatch):
    """A certificate of a tenth of its bound is refuted."""
    honest = calibration.bound_of
    monkeypatch.setattr(calibration, "bound_of", lambda most, delta: 0.1 * honest(most, delta))
    shares = calibration.rows_against_errors("all entries", 400, 1, 60, seed=1)

    assert any(s.refuted for s in shares)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ERRORS)
def test_whole_reports_certify_what_is_true(kind: str):
    """Reports share their chance among all the looks they might take: no more are wrong than is stated."""
    shares = calibration.reports_against_errors(kind, 15, 30, seed=1)

    assert not any(s.refuted for s in shares)
    assert shares[-1].missed == 0


@pytest.mark.slow
def test_a_report_that_certifies_too_much_is_seen(monkeypatch: pytest.MonkeyPatch):
    """Certificates of a hundredth of their bound are counted as missed."""
    honest = gradcheck.check_gradient

    def boastful(*arguments, **options):
        report = honest(*arguments, **options)
        small = (replace(c, relative_to_rms=0.01 * c.relative_to_rms) for c in report.certificates)
        return replace(report, certificates=tuple(small))

    monkeypatch.setattr(gradcheck, "check_gradient", boastful)

    assert calibration.reports_against_errors("all entries", 40, 60, seed=1)[-1].refuted


@pytest.mark.slow
@pytest.mark.parametrize(("n", "noise", "offset"), [(1, 3e-12, 0.0), (2, 3e-12, 0.0), (6, 1e-9, 1e6)])
def test_a_few_entries_pass_by_luck_no_more_often_than_stated(n: int, noise: float, offset: float):
    """One check in a thousand at the most, where noise moves the differences by as much as the mistakes."""
    assert not calibration.luck_against_errors(n, noise, 300, 1, offset).refuted


@pytest.mark.slow
def test_luck_that_is_believed_is_seen(monkeypatch: pytest.MonkeyPatch):
    """With no allowance for it, nor closer agreement than rtol, one in a hundred or so passes that should not."""
    monkeypatch.setattr(plain_differences, "LUCK", 1.0)
    monkeypatch.setattr(plain_differences, "NEAR", 1.0)

    assert calibration.luck_against_errors(1, 3e-12, 600, seed=1).refuted


def test_a_share_is_refuted_by_the_binomial_tail():
    """5 of 10 at a stated 1/1000 cannot be chance; 1 of 1000 can, and so can 60 of 100 at 1/2."""
    assert Share("", 0.001, 5, 10).refuted
    assert not Share("", 0.001, 1, 1000).refuted
    assert not Share("", 0.5, 60, 100).refuted


def test_the_interval_of_a_share_is_that_of_clopper_and_pearson():
    """No miss in n trials: the upper end is 1 - 0.025^(1/n)."""
    low, high = Share("", 0.5, 0, 100).interval

    assert low == 0
    assert high == pytest.approx(1 - 0.025**0.01, rel=1e-9)


@pytest.mark.slow
def test_error_bars_hold_the_truth_on_a_part_of_the_corpus():
    """Of five hundred derivatives and more, 99.5 % lie inside 3 E."""
    with np.errstate(all="ignore"):
        bars = trials.measure_pairs(corpus.pairs()[::5])
    finite = [bar for bar in bars if np.isfinite(bar.bar)]

    assert len(finite) > 300
    assert np.mean(calibration.ratios(finite) <= 3) >= 0.995


def test_errors_are_told_in_units_of_their_bars():
    """0 where nothing is off, infinite where a bar of 0 is wrong; the table tells the share inside."""
    bars = [Bar("", "clean", error, bar, 1.0, 6) for error, bar in [(0, 0), (1, 0), (2, 1), (8, 2)]]

    np.testing.assert_array_equal(calibration.ratios(bars), [0, np.inf, 2, 4])
    assert "| clean | 4 | 25.00 % | 50.00 % |" in calibration.bar_table(bars)


@pytest.mark.slow
def test_the_figures_are_drawn_from_records(tmp_path):
    """Both, as text that is the same each time."""
    figure = calibration.Figure()
    bars = [Bar("", "clean", 10.0**-k, 2 * 10.0**-k, 1.0, 6) for k in range(2, 9)]
    calibration.draw_bars(bars, figure)
    shares = [Share(kind, chance, 3, 100) for kind in ERRORS for chance in calibration.CHANCES]
    calibration.draw_shares(shares, other := calibration.Figure())
    for drawn, name in ((figure, "a"), (other, "b")):
        calibration.save(drawn, tmp_path, name)
        first = (tmp_path / f"{name}.svg").read_text()
        calibration.save(drawn, tmp_path, name)
        assert (tmp_path / f"{name}.svg").read_text() == first
