"""Memory of a check, in units of x: what a machine must have beside f's own arrays."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck.driver import known
from gradcheck.joint import directions

N = 1_000_000
# Beside the x and the claim of the caller: a copy of each, for a replay, and a complex point, which is two, or a
# tangent and a point; masks of an eighth. With one wrong entry scales, the order of the search, which is a half, and
# the tangent of which parts are measured, beside another and the point.
RIGHT, CALLED, WRONG = 4.25, 5.0, 7.75
# What is there once, in bytes: parts that are worked on, modules that are loaded.
ONCE = 2e6
# Places that f works on together, so that it takes no memory worth counting.
TOGETHER = 4096


def _sum_of_sines(x: Any) -> Any:
    return sum(np.sin(x[k : k + TOGETHER]).sum() for k in range(0, x.size, TOGETHER))


def _real(x: Any) -> float:
    return float(_sum_of_sines(x))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("f", [_sum_of_sines, _real])
@pytest.mark.parametrize(("factor", "most"), [(1.0, RIGHT), (1.5, WRONG)])
def test_the_peak_is_a_few_times_x(f: Callable[[Any], Any], factor: float, most: float) -> None:
    """Right, and with one wrong entry, which is found."""
    x = np.linspace(0.3, 2.0, N)
    claim = np.cos(x)
    claim[N // 3] *= factor
    gradcheck.check_gradient(f, claim[:10], x[:10])  # what is made once: imports, tables
    tracemalloc.start()
    try:
        report = gradcheck.check_gradient(f, claim, x)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [m.flat_index for m in report.wrong] == ([] if factor == 1.0 else [N // 3])
    assert peak < most * x.nbytes + ONCE


@pytest.mark.slow
def test_a_gradient_that_is_called_takes_no_more_than_five_times_x() -> None:
    """What it returns lives until it is copied; at its second call there are x, scales and three of the gradient."""
    x = np.linspace(0.3, 2.0, N)
    gradcheck.check_gradient(_sum_of_sines, np.cos, x[:10])
    tracemalloc.start()
    try:
        report = gradcheck.check_gradient(_sum_of_sines, np.cos, x)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report
    assert peak < CALLED * x.nbytes + ONCE


@pytest.mark.parametrize("f", [_sum_of_sines, _real])
@pytest.mark.parametrize("factor", [1.0, 1.5])
@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
def test_what_is_made_again_is_the_same(
    monkeypatch: pytest.MonkeyPatch, f: Callable[[Any], Any], factor: float
) -> None:
    """The report of an x whose scales and tangents are not kept is that of one whose are."""
    x = np.linspace(0.3, 2.0, 500)
    claim = np.cos(x)
    claim[100] *= factor
    kept = gradcheck.check_gradient(f, claim, x).to_dict()

    monkeypatch.setattr(known, "KEPT", 0)
    monkeypatch.setattr(directions, "KEPT", 0)
    again = gradcheck.check_gradient(f, claim, x).to_dict()

    assert again | {"seconds": 0} == kept | {"seconds": 0}
