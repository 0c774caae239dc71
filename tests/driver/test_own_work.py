"""What a check does beside calling f and grad: few calls of its own functions, and nothing said before it is read."""

import copy
import pickle
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck.report import compose

PACKAGE = str(Path(gradcheck.__file__).parent)
# Calls of functions for a right gradient, as counted when this was written, and a twentieth. Time is no measure for a
# test: these are a part of it that is the same on every machine.
MOST = {(1, float): 435, (10, float): 690, (10, complex): 650, (100, float): 690, (1000, float): 805}


def waves(x: np.ndarray) -> Any:
    """The sum of x sin(x), which takes complex numbers."""
    return np.sum(np.sin(x) * x)


def real_waves(x: np.ndarray) -> float:
    """The same, for real numbers alone."""
    return float(waves(x))


def slope(x: np.ndarray) -> np.ndarray:
    """Its gradient."""
    return np.cos(x) * x + np.sin(x)


def own_calls(check: Any) -> int:
    """How many functions of the package are called, generators and comprehensions included, and how many by these."""
    count = 0

    def look(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event in ("call", "c_call") and frame.f_code.co_filename.startswith(PACKAGE)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        check()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize(("n", "kind"), MOST)
def test_a_right_gradient_takes_few_calls_of_its_own(n: int, kind: type):
    """And the bound is no wider than a quarter more than what it takes."""
    x, f = np.linspace(0.3, 2.0, n), waves if kind is complex else real_waves

    def check() -> bool:
        return bool(gradcheck.check_gradient(f, slope, x))

    assert check()  # what is made once for all checks is made
    calls = own_calls(check)
    assert calls <= MOST[n, kind]
    assert MOST[n, kind] <= 1.25 * calls, "so much less than it was: lower the bound"


def test_a_report_says_what_it_says_when_it_is_read(monkeypatch: pytest.MonkeyPatch):
    """Outcome and counts are there at once; rows, words and figures are made with the first of them, once."""
    made = []
    summaries = compose.summaries
    monkeypatch.setattr(compose, "summaries", lambda *given: made.append(1) or summaries(*given))
    report = gradcheck.check_gradient(waves, slope, np.linspace(0.3, 2.0, 10))

    assert (report.outcome, report.nfev, report.ngev, report.interrupted) == ("PASS", 6, 2, False)
    assert "rng=0" in report.call
    assert not made
    assert report.reason.startswith("all 10 entries agree")
    assert report.arrays[0].checked == 10
    assert made == [1]


def test_a_report_is_read_under_any_arithmetic():
    """What is out of range while it is made is no news to who reads it."""
    report = gradcheck.check_gradient(
        lambda x: x @ x, lambda x: np.array([np.inf, 2.0]), np.array([0.0, 1.0])
    )

    with np.errstate(all="raise"):
        assert "not finite" in str(report)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda report: pickle.loads(pickle.dumps(report))]
)
def test_a_copy_of_a_report_that_was_not_read_says_the_same(copied: Any):
    """And is equal to it; what it has not it has not."""
    report = copied(gradcheck.check_gradient(waves, slope, np.linspace(0.3, 2.0, 10)))

    assert "_rest" not in vars(report)
    assert report.reason.startswith("all 10 entries agree")
    again = gradcheck.check_gradient(waves, slope, np.linspace(0.3, 2.0, 10))
    assert repr(again.arrays) == repr(report.arrays)  # nan is not equal to itself
    with pytest.raises(AttributeError, match="no attribute 'verdict'"):
        _ = report.verdict


def test_what_is_read_late_is_what_was_found():
    """Arrays that the caller changes meanwhile change nothing in it."""
    x, g = np.linspace(0.3, 2.0, 3), slope(np.linspace(0.3, 2.0, 3))
    g[1] *= 1.1
    late, now = (gradcheck.check_gradient(waves, g, x) for _ in range(2))
    said = now.reason, now.wrong, now.call
    g[:] = 0.0
    x[:] = 7.0

    assert (late.reason, late.wrong, late.call) == said
