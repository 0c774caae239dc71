"""What Taylor remainders show: of the noise of f, and which mistakes would have shown in them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gradcheck.numerics.outputs import Noise
from gradcheck.numerics.remainders import Remainders, unexplained

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


def seen(right: Any, left: Any, *, noise: float = 0.0, slope: float = 1.0, **parts: Any) -> Remainders:
    """Remainders of one output at steps of 1, 1/2, 1/4, ..."""
    right, left = np.array(right, float)[:, None], np.array(left, float)[:, None]
    k, own = right.size, parts.pop("own", 0)
    return Remainders(
        STEPS[:k], right, left, np.full(k, noise), np.array([slope]), 3, own, np.zeros(k), np.full(k, noise),
        np.array([parts.pop("bend", 1.0)]),
    )  # fmt: skip


def test_what_f_moves_by_beyond_the_size_of_x_is_no_part_of_its_slope():
    """Noise of 0.01, ten times that clear of it at 1, 1/2 and 1/4, and twice as much: 0.8; of the slope of 1, or 4."""
    far, near = [8.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]
    assert seen(far, far, noise=0.01, own=0).seen_along() == pytest.approx(0.8 / 8.0)
    assert seen(far, far, noise=0.01, own=1).seen_along() == pytest.approx(0.8)
    assert seen(near, near, noise=0.01, own=1).seen_along() == pytest.approx(0.8 / 4.0)
    # Where x does not say how long a step is no step is near; nor is a slope seen where nothing moves.
    assert seen(near, near, noise=0.01, own=None).seen_along() == pytest.approx(0.8)
    assert seen([0.0] * 4, [0.0] * 4, slope=0.0).seen_along() == math.inf


def test_a_curvature_is_known_by_two_steps():
    """At one the next even power may cancel its mistake: 2 |even| / h^2 is 0, 4 and 16 here."""
    even = [0.0, 0.5, 0.5]
    assert seen(even, even).seen_across() == pytest.approx(4.0)
    assert seen(even, even, bend=2.0).seen_across() == pytest.approx(2.0)
    assert seen(even, even, bend=0.0).seen_across() == math.inf
    # Three times the noise may hide it.
    assert seen([0.0] * 3, [0.0] * 3, noise=0.01).seen_across() == pytest.approx(0.24)


@pytest.mark.parametrize(("own", "first"), [(2, 2), (4, 0), (None, None)])
def test_steps_that_are_longer_than_x_is_large_come_first(own, first):
    """Of four the two smallest are its own; of an x of 0 none is."""
    level, no = np.full(1, 1e-9), np.zeros(1, bool)
    noises = Noise(level, np.ones(1), np.array(["float64"], object), no, np.zeros((8, 1)))
    change = np.stack([STEPS[:4], -STEPS[:4]])[:, :, None]

    found = Remainders.of(
        STEPS[:4], change,
        f_x=np.ones(1), slope=np.full(1, 0.9), bend=0.0, expected=2, length=1.0, own=own, noises=noises,
    )  # fmt: skip

    assert found.own == first
    assert found.odd == pytest.approx(0.1 * STEPS[:4])
