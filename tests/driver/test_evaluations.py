"""What checks cost, in evaluations of f: growth fails a test, in counts that no machine changes.

The bounds are what was counted when they were written, with up to a sixth to spare for other roundings of other
libraries. A change that makes a check cheaper lowers its bound; one that makes it dearer says in its commit why.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import gradcheck
from gradcheck import Outcome
from gradcheck.driver.known import Known


def point(n: int, dtype: Any = float) -> np.ndarray:
    """n numbers of ordinary size."""
    return np.random.default_rng(1).normal(size=n).astype(dtype)


def cubes(x: np.ndarray) -> Any:
    """Sum of x^3 + x^2, of complex numbers as well."""
    return (x * x * x + x * x).sum()


def real_cubes(x: np.ndarray) -> float:
    """The same for those who convert to float."""
    return float(cubes(x))


def slope(x: np.ndarray) -> np.ndarray:
    """The gradient of both."""
    return 3 * x * x + 2 * x


def one_wrong(x: np.ndarray) -> np.ndarray:
    """The gradient with its middle entry off by 10 %."""
    wrong = slope(x)
    wrong[x.size // 2] *= 1.1
    return wrong


def tree(p: dict[str, np.ndarray]) -> float:
    """A function of two arrays."""
    return float(np.tanh(p["W"] @ p["b"]).sum() + (p["b"] ** 2).sum())


def tree_slope(p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Its gradient."""
    inner = 1 / np.cosh(p["W"] @ p["b"]) ** 2
    return {"W": np.outer(inner, p["b"]), "b": p["W"].T @ inner + 2 * p["b"]}


def chain(x: np.ndarray) -> np.ndarray:
    """m = n outputs, each of an entry and its neighbours."""
    return x**2 + np.sin(np.roll(x, 1)) * (np.arange(x.size) > 0)


def chain_jacobian(x: np.ndarray) -> np.ndarray:
    """Its dense Jacobian."""
    return np.diag(2 * x) + np.diag(np.cos(x[:-1]), -1)


def sparse_jacobian(x: np.ndarray) -> scipy.sparse.csr_array:
    """The same with its zeros left out."""
    return scipy.sparse.csr_array(scipy.sparse.diags_array([2 * x, np.cos(x[:-1])], offsets=[0, -1]))


def hessian(x: np.ndarray) -> np.ndarray:
    """Of cubes."""
    return np.diag(6 * x + 2)


WEIGHTS = {"W": point(12).reshape(4, 3), "b": point(3)}
SIZES = (1, 5, 10, 100, 101, 1000, 100_000)
Row = tuple[Callable[[], Any], Outcome | None, int]
# Forty arrays of 250, as the layers of a network.
LAYERS = {f"layer {k}": part for k, part in enumerate(point(10_000).reshape(40, 250))}


def layers(p: dict[str, np.ndarray]) -> float:
    """A smooth function of all of them, in doubles."""
    return float(sum(np.tanh(part.astype(float)).sum() for part in p.values()))


def layers_slope(p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Its gradient, in the dtypes of p."""
    return {name: (1 / np.cosh(part.astype(float)) ** 2).astype(part.dtype) for name, part in p.items()}


def one_layer_wrong(p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One entry off by 10 %."""
    wrong = layers_slope(p)
    wrong["layer 3"][7] *= 1.1
    return wrong


def disturbed(size: float) -> Callable[[dict[str, np.ndarray]], float]:
    """The same function, each value off by a part of itself that is drawn anew."""
    rng = np.random.default_rng(0)
    return lambda p: layers(p) * (1 + size * rng.uniform(-1, 1))


class Rectified:
    """The mean squared output of a network of six layers of rectified units, whose kinks lie everywhere about x."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        sizes = (30, *[40] * 5, 10)
        pairs = itertools.pairwise(sizes)
        self.x = {f"W{k}": rng.normal(size=(a, b)) * np.sqrt(2 / a) for k, (a, b) in enumerate(pairs)}
        self.inputs = rng.normal(size=(64, 30))

    def __call__(self, p: dict[str, np.ndarray]) -> float:
        out = self.inputs
        for k in range(5):
            out = np.maximum(out @ p[f"W{k}"], 0)
        return float(np.mean((out @ p["W5"]) ** 2))

    def slope(self, p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """By backpropagation."""
        outs = [self.inputs]
        for k in range(5):
            outs.append(np.maximum(outs[-1] @ p[f"W{k}"], 0))
        last = outs[-1] @ p["W5"]
        back, slopes = 2 * last / last.size, {}
        for k in range(5, -1, -1):
            slopes[f"W{k}"] = outs[k].T @ back
            back = (back @ p[f"W{k}"].T) * (outs[k] > 0)
        return {name: slopes[name] for name in p}

    def wrong(self, p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One entry off by its array's root mean square."""
        slopes = self.slope(p)
        slopes["W2"][3, 7] += np.sqrt(np.mean(slopes["W2"] ** 2))
        return slopes


NET = Rectified()
SINGLE = {name: part.astype(np.float32) for name, part in LAYERS.items()}
LARGE: dict[str, Row] = {
    f"{name}, {kind}": (lambda f=f, g=g, x=x: gradcheck.check_gradient(f(), g, x), outcome, most)
    for name, f, x, bounds in (
        ("40 arrays", lambda: layers, LAYERS, (14, 28)),
        ("40 arrays in float32", lambda: layers, SINGLE, (17, 41)),
        ("40 arrays, noise 1e-12", lambda: disturbed(1e-12), LAYERS, (18, 39)),
        ("40 arrays, noise 1e-9", lambda: disturbed(1e-9), LAYERS, (46, 130)),
        ("40 arrays, eight decimals", lambda: lambda p: round(layers(p), 8), LAYERS, (48, 73)),
    )
    for g, kind, outcome, most in (
        (layers_slope, "right", Outcome.PASS, bounds[0]),
        (one_layer_wrong, "one wrong entry", Outcome.FAIL, bounds[1]),
    )
}
# Six entries of a forgotten array tell that it is.
LARGE |= {
    f"{count} of 40 arrays forgotten": (
        lambda count=count: gradcheck.check_gradient(
            layers,
            {name: part * (int(name.split()[1]) >= count) for name, part in layers_slope(LAYERS).items()},
            LAYERS,
        ),
        Outcome.FAIL,
        most,
    )
    for count, most in ((1, 58), (3, 130), (40, 1473))
}
MIXING = np.random.default_rng(0).normal(size=(1000, 300)) / np.sqrt(300)


def mixed(x: np.ndarray) -> np.ndarray:
    """A thousand outputs, in doubles."""
    return np.tanh(MIXING @ x.astype(float))


def mixed_jacobian(x: np.ndarray) -> np.ndarray:
    """In the dtype of x."""
    return ((1 - mixed(x) ** 2)[:, None] * MIXING).astype(x.dtype)


def one_mixed_wrong(x: np.ndarray) -> np.ndarray:
    """One entry off by 10 %."""
    wrong = mixed_jacobian(x)
    wrong[3, 7] *= 1.1
    return wrong


def mixed_with_noise(seed: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """Each value off by up to 1e-12 of itself."""
    rng = np.random.default_rng(seed)
    return lambda x: mixed(x) * (1 + 1e-12 * rng.uniform(-1, 1, 1000))


LARGE |= {
    f"1000 outputs, {name}, {kind}": (
        lambda f=f, g=g, dtype=dtype: gradcheck.check_jacobian(f(), g, point(300, dtype)),
        outcome,
        most,
    )
    for name, f, dtype, bounds in (
        ("float32", lambda: mixed, np.float32, (45, 102)),
        # With one wrong entry 98 to 109, as another seed has it.
        ("noise 1e-12", mixed_with_noise, float, (50, 109)),
    )
    for g, kind, outcome, most in (
        (mixed_jacobian, "right", Outcome.PASS, bounds[0]),
        (one_mixed_wrong, "one wrong entry", Outcome.FAIL, bounds[1]),
    )
}
LARGE |= {
    "six layers of rectified units, right": (
        lambda: gradcheck.check_gradient(NET, NET.slope, NET.x),
        Outcome.PASS,
        34,
    ),
    "six layers of rectified units, one wrong entry": (
        lambda: gradcheck.check_gradient(NET, NET.wrong, NET.x),
        Outcome.FAIL,
        81,
    ),
}
# Of ten thousand outputs some are small, some hardly move, and some bend little along one direction by accident.
TALL = np.random.default_rng(0).normal(size=(10_000, 50)) / np.sqrt(50)
LARGE |= {
    f"10,000 outputs of 50 numbers, {kind}": (
        lambda f=f: gradcheck.check_jacobian(
            f,
            lambda x: (1 - np.tanh(TALL @ x) ** 2)[:, None] * TALL,
            np.random.default_rng(1).normal(size=50),
        ),
        Outcome.PASS,
        most,
    )
    for kind, f, most in (
        ("complex", lambda x: np.tanh(TALL @ x), 7),
        ("real", lambda x: np.tanh(TALL @ np.real(x)), 18),
    )
}


class Bent:
    """m outputs of n numbers, each a bent function of a product, for those who take real numbers alone."""

    def __init__(self, m: int, n: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.matrix, self.x, self.seed = rng.normal(size=(m, n)) / np.sqrt(n), rng.normal(size=n), seed

    def __call__(self, x: np.ndarray) -> np.ndarray:
        z = self.matrix @ np.real(x)
        return np.tanh(z) + 0.1 * z**2

    def check(self, wrong: float = 1.0) -> Any:
        """The check of its Jacobian, of which one entry is so many times what it should be."""
        z = self.matrix @ self.x
        jacobian = (1 - np.tanh(z) ** 2 + 0.2 * z)[:, None] * self.matrix
        jacobian[len(z) // 3, self.x.size // 2] *= wrong
        return gradcheck.check_jacobian(self, jacobian, self.x, rng=self.seed)


# One of a thousand rows hardly bends along the first direction: by itself it would take 370.
LARGE |= {
    f"1000 outputs of 50 numbers, {kind}": (lambda wrong=wrong: Bent(1000, 50, 3).check(wrong), outcome, most)
    for kind, wrong, outcome, most in (
        ("right", 1.0, Outcome.PASS, 18),
        ("one wrong entry", 1.1, Outcome.FAIL, 24),
    )
}
LARGE |= {
    "100 outputs of 100 numbers, one wrong entry": (
        lambda: Bent(100, 100, 3).check(1.1),
        Outcome.FAIL,
        24,
    )
}
# A sum whose terms all have one sign rounds by far more than what one entry changes it by.
LARGE |= {
    f"a coherent sum of 1e6 terms, seed {seed}": (
        lambda seed=seed: gradcheck.check_gradient(
            lambda x: float(np.cos(x).sum()), lambda x: -np.sin(x), np.linspace(0.3, 2.0, 10**6), rng=seed
        ),
        Outcome.PASS,
        18,
    )
    for seed in range(3)
}
# Name: (a check, the outcome it must have, most evaluations of f, or of grad where that is what is differenced).
RIGHT: dict[str, Row] = {
    f"right gradient, n = {n}, {kind}": (
        lambda f=f, n=n: gradcheck.check_gradient(f, slope, point(n)),
        Outcome.PASS,
        most,
    )
    for f, kind, bounds in (
        (cubes, "complex", (3, 6, 6, 6, 6, 6, 6)),
        (real_cubes, "real", (3, 10, 10, 10, 10, 10, 14)),
    )
    for n, most in zip(SIZES, bounds, strict=True)
}
WRONG: dict[str, Row] = {
    f"one wrong entry, n = {n}, {kind}": (
        lambda f=f, n=n: gradcheck.check_gradient(f, one_wrong(point(n)), point(n)),
        Outcome.FAIL,
        most,
    )
    for f, kind, bounds in ((cubes, "complex", (12, 12, 12)), (real_cubes, "real", (22, 22, 22)))
    for n, most in zip((10, 100, 1000), bounds, strict=True)
}
OTHERS: dict[str, Row] = {
    "a dict of arrays": (lambda: gradcheck.check_gradient(tree, tree_slope, WEIGHTS), Outcome.PASS, 10),
    "every entry of 100": (
        lambda: gradcheck.check_gradient(real_cubes, slope, point(100), method="sweep"),
        Outcome.PASS,
        620,
    ),
    "every entry of 100 by the complex step": (
        lambda: gradcheck.check_gradient(cubes, slope, point(100), method="complex"),
        Outcome.PASS,
        120,
    ),
    "float32, n = 10": (
        lambda: gradcheck.check_gradient(real_cubes, slope, point(10, np.float32)),
        Outcome.PASS,
        21,
    ),
    "float32, n = 300": (
        lambda: gradcheck.check_gradient(real_cubes, slope, point(300, np.float32)),
        Outcome.PASS,
        73,
    ),
    "rounded to eight decimals": (
        lambda: gradcheck.check_gradient(lambda x: round(real_cubes(x), 8), slope, point(10)),
        Outcome.PASS,
        21,
    ),
    "offset by 1e6": (
        lambda: gradcheck.check_gradient(lambda x: real_cubes(x) + 1e6, slope, point(10)),
        Outcome.PASS,
        21,
    ),
    "two points": (
        lambda: gradcheck.check_points(real_cubes, slope, [point(10), 2 * point(10)]),
        Outcome.PASS,
        20,
    ),
    "a dense Jacobian, 10 x 10": (
        lambda: gradcheck.check_jacobian(chain, chain_jacobian, point(10)),
        Outcome.PASS,
        6,
    ),
    "a wrong one": (
        lambda: gradcheck.check_jacobian(
            chain, lambda x: chain_jacobian(x) * (1 + 0.1 * np.eye(10)), point(10)
        ),
        Outcome.FAIL,
        36,
    ),
    "a sparse Jacobian, 1000 x 1000": (
        lambda: gradcheck.check_jacobian(chain, sparse_jacobian, point(1000)),
        Outcome.PASS,
        6,
    ),
    "a Hessian": (lambda: gradcheck.check_hessian(slope, hessian, point(10)), Outcome.PASS, 6),
    "Hessian products": (
        lambda: gradcheck.check_hvp(slope, lambda x, v: hessian(x) @ v, point(10)),
        Outcome.PASS,
        6,
    ),
    "products J v": (
        lambda: gradcheck.check_jvp(chain, lambda x, v: chain_jacobian(x) @ v, point(10)),
        Outcome.PASS,
        7,
    ),
    "products w J": (
        lambda: gradcheck.check_vjp(chain, lambda x, w: chain_jacobian(x).T @ w, point(10)),
        Outcome.PASS,
        7,
    ),
    "a Taylor test": (lambda: gradcheck.taylor_test(cubes, slope, point(10)), Outcome.PASS, 64),
    "a numerical gradient, n = 10": (lambda: gradcheck.gradient(real_cubes, point(10)), None, 150),
    # Seven or fourteen for its noise, one at t, and six.
    "a derivative": (lambda: gradcheck.derivative(np.exp, 1.0), None, 22),
}
CHECKS = RIGHT | WRONG | OTHERS | LARGE


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_a_check_costs_no_more_evaluations_than_it_did(name: str):
    """And decides as it did; nor is the bound so wide that doubled costs would pass."""
    check, outcome, most = CHECKS[name]
    report = check()

    assert getattr(report, "outcome", None) is outcome
    assert report.nfev <= most
    assert most <= 1.5 * report.nfev, "so much cheaper than it was: lower the bound"


@pytest.mark.parametrize(("wrong", "probes"), [(1.1, 0), (1e3, 0), (1e5, 1)])
def test_noise_is_probed_where_the_first_direction_does_not_tell(
    monkeypatch: pytest.MonkeyPatch, wrong: float, probes: int
):
    """Before one wrong entry is named: beside one of 1e5 times its size f hardly moves as it is claimed to."""
    asked, probe = [], Known.probe

    def noted(known: Known) -> Any:
        asked.append(known)
        return probe(known)

    monkeypatch.setattr(Known, "probe", noted)
    report = Bent(100, 100, 3).check(wrong)

    assert report.outcome is Outcome.FAIL
    assert [mistake.index for mistake in report.wrong] == [(33, 50)]
    assert len(asked) == probes


@pytest.mark.parametrize("n", [10, 1000])
@pytest.mark.parametrize("gradient", [slope, one_wrong])
def test_the_evaluations_that_are_told_are_all_that_are_made(n: int, gradient: Callable[..., Any]):
    """`nfev` counts every call of f, complex ones too."""
    calls = 0

    def counted(x: np.ndarray) -> Any:
        nonlocal calls
        calls += 1
        return cubes(x)

    report = gradcheck.check_gradient(counted, gradient, point(n))

    assert report.nfev == calls


def test_a_check_that_evaluates_twice_is_seen(monkeypatch: pytest.MonkeyPatch):
    """The guard can fail: sixteen more evaluations are too many for ten parameters."""
    honest = gradcheck.check_gradient

    def wasteful(*arguments: Any, **options: Any) -> Any:
        report = honest(*arguments, **options)
        return replace(report, nfev=report.nfev + 16)

    monkeypatch.setattr(gradcheck, "check_gradient", wasteful)

    with pytest.raises(AssertionError):
        test_a_check_costs_no_more_evaluations_than_it_did("right gradient, n = 10, real")


def test_the_cost_of_a_right_gradient_does_not_grow_with_its_size():
    """From a hundred parameters to a hundred thousand: the same directions."""
    costs = {gradcheck.check_gradient(real_cubes, slope, point(n)).nfev for n in (101, 1000, 100_000)}

    assert max(costs) - min(costs) <= 12


def test_a_step_that_bounds_hold_is_not_taken_again():
    """Noise asks for longer steps than bounds leave: the same points would be taken anew, 160 in all."""
    rng = np.random.default_rng(1)
    a, x = rng.normal(size=(4, 4)), np.linspace(0.5, 1.5, 4)
    report = gradcheck.check_jacobian(
        lambda x: np.round(a @ np.sin(x), 6),
        lambda x: a * np.cos(x),
        x,
        bounds=(x - 1e-6, x + 1e-6),
        rng=0,
        method="sweep",
    )
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.nfev <= 100
