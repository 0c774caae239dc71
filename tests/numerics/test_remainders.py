"""What Taylor remainders show of the noise of f."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck.numerics.remainders import unexplained

STEPS = 0.5 ** np.arange(24)


def test_a_jump_and_a_cubic_are_no_noise():
    """1 + 3 h + 5 h^2 - h^3 leaves nothing, by the roots 1, 1/2, 1/4 and 1/8 of the weights; nor does nan."""
    smooth = np.stack([1.0 + 3.0 * STEPS + 5.0 * STEPS**2 - STEPS**3, -3.0 * STEPS])[:, :, None]

    assert unexplained(smooth, np.full(1, 2.0**-52)) == 0.0
    smooth[0] = np.nan
    assert unexplained(smooth, np.full(1, 2.0**-52)) == 0.0
    assert unexplained(smooth[:, :3], np.full(1, 2.0**-52)) == 0.0


@pytest.mark.parametrize("sigma", [1e-300, 1e-9, 1e200])
def test_noise_is_told_to_a_factor_of_two(sigma):
    """Twice its standard deviation, of outputs of any size, beside a slope."""
    rng = np.random.default_rng(0)
    found = [
        unexplained(sigma * (STEPS[:, None] + rng.normal(size=(2, 24, 3))), np.zeros(1)) / sigma
        for _ in range(50)
    ]

    assert np.median(found) == pytest.approx(2.0, rel=0.2)
    assert (np.array(found) > 0.6).all()
    assert (np.array(found) < 5.0).all()
