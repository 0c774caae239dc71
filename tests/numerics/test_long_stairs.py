"""Outputs of half precision stay where they are at all points near x: they are looked at farther away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient, check_jacobian
from gradcheck.numerics.noise import LONGER, estimate_noise
from gradcheck.numerics.rounding import WIDER

Array = np.ndarray
SPACING = 1e-6


def bfloat16(values: Array) -> Array:
    """Values rounded to eight bits, ties to even."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    kept = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return kept.view(np.float32).astype(float)


def float16(values: Array) -> Array:
    """Values rounded to eleven bits."""
    return np.asarray(values).astype(np.float16).astype(float)


def looked_at(
    f: Callable[[float], float], *, claimed: bool, longest: float = np.inf
) -> tuple[float, bool, list[float]]:
    """The level, whether the output counts as constant, and the spacings beyond the widest that were asked for."""
    asked: list[float] = []

    def at(offsets: Array) -> Array:
        if offsets.size == 8:
            asked.append(float(offsets[1]))
        return np.array([[f(t)] for t in offsets.tolist()])

    noise = estimate_noise(at, SPACING, back=False, claimed=lambda: np.array([claimed]), longest=longest)
    beyond = [at / (WIDER * SPACING) for at in asked if at > 1.01 * WIDER * SPACING]
    return float(noise.level[0]), bool(noise.constant[0]), beyond


def stairs(t: float) -> float:
    """Steps of 0.004 that are 0.01 of x long: a bfloat16 of slope 0.4."""
    return 1.0 / 3.0 + 0.004 * np.floor(t / 0.01 + 0.37)


def test_the_steps_of_long_stairs_are_the_noise():
    """Half a step at the least; the spacing after the one at which they show is the last."""
    level, constant, beyond = looked_at(stairs, claimed=True)
    assert 0.002 <= level <= 0.008
    assert not constant
    assert beyond == pytest.approx(LONGER[:2])


@pytest.mark.parametrize(
    ("f", "claimed", "longest"),
    [
        (stairs, False, np.inf),
        (stairs, True, 0.9 * LONGER[-1]),
        (lambda _: 1.0 / 3.0, True, np.inf),
    ],
    ids=["none is claimed to move", "no room", "constant"],
)
def test_what_is_not_claimed_to_move_or_cannot_go_or_never_moves_is_looked_at_no_farther(f, claimed, longest):
    """The rounding of 1/3 is its level."""
    level, constant, beyond = looked_at(f, claimed=claimed, longest=longest)
    assert (constant, beyond) == (True, [])
    assert level <= 2.0**-52


@pytest.mark.parametrize("kink", [0.005, 0.05, 0.2])
def test_what_is_flat_and_goes_on_at_a_kink_is_no_stairs(kink):
    """However far the kink: a mask that was forgotten is told by the flat part."""
    level, constant, _ = looked_at(lambda t: 1.0 / 3.0 + max(0.0, np.sin(t - kink)), claimed=True)
    assert constant
    assert level <= 2.0**-52


def test_one_that_moves_by_few_jumps_is_looked_at_whatever_is_claimed():
    """Of two parts one is rounded more finely, and jumps within the widest points."""
    level, constant, _ = looked_at(lambda t: stairs(t) + 1e-5 * np.floor(t / 7e-4 + 0.5), claimed=False)
    assert level >= 0.002
    assert not constant


def maps(seed: int, m: int, n: int) -> tuple[Callable[[Array], Array], Array, Array]:
    """A layer tanh(A x + b) + 0.3 A x, its Jacobian, and x."""
    rng = np.random.default_rng(seed)
    a, b, x = rng.normal(size=(m, n)) / np.sqrt(n), rng.normal(size=m), rng.normal(size=n)
    jacobian = a * (1.3 - np.tanh(a @ x + b) ** 2)[:, None]
    return lambda x: np.tanh(a @ x + b) + 0.3 * (a @ x), jacobian, x


def outcomes(of: Callable[[int], tuple[Callable[[Array], Array], Array, Array]]) -> tuple[Counter, Counter]:
    """Those of the right Jacobians, and of twice those, of twelve seeds."""
    right, wrong = Counter(), Counter()
    for seed in range(12):
        f, jacobian, x = of(seed)
        right[check_jacobian(f, jacobian, x, rng=seed).outcome] += 1
        wrong[check_jacobian(f, 2.0 * jacobian, x, rng=seed).outcome] += 1
    return right, wrong


@pytest.mark.slow
@pytest.mark.parametrize(("m", "n"), [(4, 3), (12, 12), (4, 60)])
@pytest.mark.parametrize("rounded", [bfloat16, float16])
def test_right_jacobians_of_half_precision_do_not_fail(rounded, m, n):
    """Of all outputs, and of one among others in float64: 5 to 19 of 20 FAILed, "f does not use them there"."""

    def every(seed):
        f, jacobian, x = maps(seed, m, n)
        return lambda x: rounded(f(x)), jacobian, x

    def one(seed):
        f, jacobian, x = maps(seed, m, n)
        among = np.arange(m) == seed % m
        return lambda x: np.where(among, rounded(f(x)), f(x)), jacobian, x

    for of in (every, one):
        right, wrong = outcomes(of)
        assert right[Outcome.FAIL] == 0
        assert wrong[Outcome.PASS] == 0
        assert wrong[Outcome.FAIL] >= 4


@pytest.mark.slow
def test_a_right_gradient_of_a_loss_over_rounded_activations_does_not_fail():
    """In float64: "f is flat at x" was said of 30 in 420."""
    said = Counter()
    for seed in range(20):
        f, jacobian, x = maps(seed, 3, 5)
        u = np.random.default_rng(seed).normal(size=3)
        said[check_gradient(lambda x, f=f, u=u: u @ bfloat16(f(x)), u @ jacobian, x, rng=seed).outcome] += 1
    assert said[Outcome.FAIL] == 0


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("rounded", "rows", "width"), [(bfloat16, 16, 6), (float16, 4, 30)])
def test_right_gradients_of_losses_over_products_in_half_precision_do_not_fail(rounded, rows, width, dtype):
    """As in mixed precision, weights and products are cast and their sums are not: 66 of 480 FAILed."""
    right, wrong = Counter(), Counter()
    for seed in range(10):
        rng = np.random.default_rng(seed)
        data, w = rng.normal(size=(rows, width)), rng.normal(size=(width, 4)).astype(dtype)

        def product(w, data=data):
            return rounded(rounded(data).astype(np.float32) @ rounded(w).astype(np.float32)).astype(
                np.float32
            )

        def grad(w, data=data):
            return data.T @ (1.0 - np.tanh(data @ w) ** 2)

        def f(w):
            return dtype(np.sum(np.tanh(product(w)), dtype=np.float32))

        right[check_gradient(f, grad, w, rng=seed).outcome] += 1
        wrong[check_gradient(f, lambda w: 3.0 * grad(w), w, rng=seed).outcome] += 1
    assert right[Outcome.FAIL] == 0
    assert wrong[Outcome.PASS] == 0
    assert wrong[Outcome.FAIL] >= 3


def test_points_far_away_lie_within_the_bounds():
    """An f that stays is not asked beyond them."""
    f, jacobian, x = maps(3, 4, 3)

    def within(at):
        assert (np.abs(at - x) <= 0.05).all()
        return bfloat16(f(at))

    bounds = (x - 0.05, x + 0.05)
    assert check_jacobian(within, jacobian, x, bounds=bounds, rng=0).outcome is Outcome.INCONCLUSIVE
