"""Memory of a check, in units of x: what a machine must have beside f's own arrays."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradcheck

N = 400_000
# x, the claim and its copy for a replay, scales, a tangent, and a complex point, which is two: 7. With one wrong entry
# the order of the search, another tangent and masks. A little for what is there once.
RIGHT, WRONG, ONCE = 7.0, 9.5, 1.0
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
    assert peak / x.nbytes < most + ONCE
