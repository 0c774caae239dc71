"""What the remainders of a Taylor test say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der, rosen_hess

from gradcheck import Outcome, taylor_test
from gradcheck.driver.taylor_verdict import hides, verdict
from gradcheck.numerics.remainders import Remainders
from gradcheck.results.verdict import Tolerance

STEPS = 0.5 ** np.arange(12)
TOLERANCE = Tolerance(1e-6)


def seen(odd: Any, even: Any, *, expected: int = 2, noise: float = 1e-12, moves: Any = STEPS) -> Remainders:
    """Remainders of an f with a slope and a curvature of 1."""
    right, left = np.asarray(even + odd)[:, None], np.asarray(even - odd)[:, None]
    every = np.full(STEPS.size, noise)
    return Remainders(STEPS, right, left, every, np.ones(1), expected, 0, moves, every, np.ones(1))


@pytest.mark.parametrize(
    ("odd", "outcome"),
    [(0.0, Outcome.PASS), (1.0, Outcome.FAIL), (0.3, Outcome.INCONCLUSIVE)],
)
def test_an_odd_part_is_a_mistake_where_it_falls_as_h(odd, outcome):
    """Beside a square: none at all; h / 10; and h^0.3 / 1e7, which stands out of the noise of 1e-8 later than all."""
    size = {0.0: 0.0, 1.0: 0.1, 0.3: 8e-8}[odd]
    told = seen(size * (STEPS / STEPS[-1] if odd == 0.3 else STEPS) ** odd, 0.01 * STEPS**2, noise=1e-8)
    assert told.order >= 0.5
    assert verdict(told, TOLERANCE)[0] is outcome


@pytest.mark.parametrize(
    ("moves", "outcome"),
    [(STEPS, Outcome.FAIL), (1.0 + 0.0 * STEPS, Outcome.INCONCLUSIVE), (None, Outcome.INCONCLUSIVE)],
)
def test_a_mistake_is_one_where_f_moves_as_h(moves, outcome):
    """What varies faster than the steps has no slope there; nor has noise as large as f."""
    assert verdict(seen(0.1 * STEPS, 0.01 * STEPS**2, moves=moves), TOLERANCE)[0] is outcome


@pytest.mark.parametrize(("noise", "hidden"), [(1e-6, False), (1e-4, True)])
def test_where_a_curvature_is_claimed_it_has_to_show_as_well(noise, hidden):
    """Ten times the noise is seen of the slope over 1/4: 8e-5 and 8e-3; of v.Hv six times it over 1/4 squared."""
    assert hides(seen(0.0 * STEPS, 0.0 * STEPS, noise=noise), TOLERANCE) is hidden
    assert hides(seen(0.0 * STEPS, 0.0 * STEPS, noise=noise, expected=3), TOLERANCE) is hidden
    # What is left of the even part is no curvature of 1 that would have shown.
    assert hides(seen(0.0 * STEPS, 1e-3 * STEPS**2, noise=1e-6, expected=3), TOLERANCE)
    assert not hides(seen(0.0 * STEPS, 1e-3 * STEPS**2, noise=1e-6), TOLERANCE)


def test_what_stands_out_at_a_step_or_two_is_not_called_noise():
    """In float32 at x of 1e-3 the remainder shows over steps that are longer than x alone, as the table says."""
    x = (1e-3 * np.random.default_rng(1000).normal(size=4)).astype(np.float32)
    report = taylor_test(rosen, rosen_der, x, hessian=lambda x: -rosen_hess(x), rng=0)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason.startswith(
        "the remainder stands out of the noise at 1 step, too few to tell its order"
    )


@pytest.mark.parametrize(("factor", "said"), [(0.5, "100 %"), (2.0, "50 %"), (1.25, "20 %")])
def test_a_mistake_is_told_as_a_part_of_what_is_claimed(factor, said):
    """Half of the derivative lacks as much again, twice of it has half too much, a quarter more a fifth."""
    x = np.array([0.3, -0.2])

    report = taylor_test(
        lambda x: float(x @ x + x.sum()), lambda x: factor * (2 * x + 1), x, tangent=np.ones(2)
    )

    assert report.outcome is Outcome.FAIL
    assert report.reason.endswith(f", {said} of what is claimed")
