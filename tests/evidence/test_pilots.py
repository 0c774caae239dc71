"""A few entries of each array are measured first, and where noise asks for longer steps these serve the others."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

import gradcheck

Vector = NDArray[np.float64]
Check = tuple[Callable[[Vector], float], Callable[[Vector], Vector], Vector]
N = 60
# Entries that find their steps by themselves take three to five stencils of six evaluations each.
EACH = 12


def _alike() -> Check:
    """f bends along lengths of 1, whatever x is."""
    x = np.random.default_rng(5).normal(size=N)
    return (lambda x: float(logsumexp(x))), (lambda x: np.asarray(softmax(x))), x


def _by_their_scales() -> Check:
    """f bends along lengths of four decades, those of x."""
    unit = np.logspace(-2, 2, N)
    x = unit * np.random.default_rng(5).uniform(0.5, 1.0, N)
    return (
        (lambda x: float(logsumexp(x / unit))),
        (lambda x: np.asarray(softmax(x / unit)) / unit),
        x,
    )


@pytest.mark.parametrize("of", [_alike, _by_their_scales])
@pytest.mark.parametrize("factor", [1.0, 1.2])
def test_steps_that_served_a_few_serve_all(of: Callable[[], Check], factor: float) -> None:
    """Right or wrong in one entry, in fewer evaluations than steps that grow anew take."""
    f, gradient, x = of()
    claim = gradient(x)
    claim[37] *= factor
    report = gradcheck.check_gradient(lambda x: round(f(x), 7), lambda x: claim, x, method="sweep")
    assert [m.flat_index for m in report.wrong] == ([] if factor == 1.0 else [37])
    assert report.outcome is (gradcheck.Outcome.PASS if factor == 1.0 else gradcheck.Outcome.FAIL), report
    assert report.nfev <= EACH * N
