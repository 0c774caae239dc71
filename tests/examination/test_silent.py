"""Arrays that are claimed to do nothing: right ones cost a direction of their own, wrong ones are seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient, check_jacobian, check_jvp, check_vjp


def network(seed: int, used: int, unused: int, outputs: int) -> tuple[Any, Any, dict[str, np.ndarray]]:
    """tanh(A a) of two arrays a and b, its Jacobian, and a point."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(outputs, used)) / np.sqrt(used)

    def jac(p: Any) -> Any:
        return {
            "a": (1.0 - np.tanh(weights @ p["a"]) ** 2)[:, None] * weights, "b": np.zeros((outputs, unused)),
        }  # fmt: skip

    x = {"a": rng.normal(size=used), "b": rng.normal(size=unused)}
    return lambda p: np.tanh(weights @ p["a"]), jac, x


@pytest.mark.parametrize(("used", "unused", "outputs"), [(3, 12, 5), (10, 5, 12), (50, 50, 100)])
def test_a_jacobian_with_an_array_that_f_does_not_use_passes_as_a_gradient_does(used, unused, outputs):
    """394 and more evaluations before, or INCONCLUSIVE after six thousand."""
    f, jac, x = network(0, used, unused, outputs)
    report = check_jacobian(f, jac, x)
    assert report.outcome is Outcome.PASS
    assert report.nfev <= 20


def test_what_rounds_along_with_an_array_is_no_slope():
    """(f + s) - s with s the sum of the unused one: it moves f by roundings."""
    f, jac, x = network(1, 50, 50, 100)
    report = check_jacobian(lambda p: (f(p) + p["b"].sum()) - p["b"].sum(), jac, x)
    assert report.outcome is Outcome.PASS
    assert report.nfev <= 40


@pytest.mark.parametrize("slope", [1e-4, 1e-1])
def test_a_jacobian_that_forgets_an_array_is_refused(slope: float):
    """In one output of a hundred."""
    f, jac, x = network(2, 50, 50, 100)

    def uses_both(p: Any) -> np.ndarray:
        out = f(p)
        out[17] += slope * p["b"][3]
        return out

    report = check_jacobian(uses_both, jac, x)
    assert report.outcome is Outcome.FAIL
    assert [m.name for m in report.wrong] == ['J[17, 53] (f[17], params["b"][3])']


def test_a_slope_of_an_array_far_smaller_than_the_others_is_relative_to_them():
    """x of 3e7 and of 1e-6: what b adds to f is below its rounding, its slope a tenth of the other is not."""
    x = {"a": np.array([3e7]), "b": np.array([-1.3e-6, 3.1e-6, 1.9e-6, -1.4e-6, 1.2e-6])}

    def f(p: Any) -> float:
        return float(np.sin(p["a"] / 3e7).sum() * 2e7)

    slope = float(2e7 / 3e7 * np.cos(1.0))
    right = {"a": np.array([slope]), "b": np.zeros(5)}
    wrong = {"a": np.array([slope]), "b": np.array([0.0, 0.0, 0.0, 0.1 * slope, 0.0])}
    assert check_gradient(f, right, x).outcome is not Outcome.FAIL
    assert check_gradient(f, wrong, x).outcome is not Outcome.PASS


def test_products_with_one_output_know_their_row():
    """A right jvp of f = (g(a),), which does not use b: the check raised an AssertionError."""
    x = {"a": np.linspace(1.0, 2.0, 3), "b": np.linspace(1.0, 2.0, 5)}

    def f(p: Any) -> np.ndarray:
        return np.array([np.sin(p["a"]).sum()])

    report = check_jvp(f, lambda p, v: np.array([np.cos(p["a"]) @ v["a"]]), x)
    assert report.outcome is Outcome.PASS
    assert report.nfev <= 30
    wrong = check_jvp(f, lambda p, v: np.array([np.cos(p["a"]) @ v["a"] + 1e-3 * v["b"][2]]), x)
    assert [m.name for m in wrong.wrong] == ['J[0, 5] (f[0], params["b"][2])']


def test_of_products_with_several_outputs_nothing_is_claimed_of_a_part_of_x():
    """Arrays of scales that lie 1e17 apart: one does not move beside the other, and the check does not fail over it."""
    x = {"a": 1e10 * np.linspace(1.0, 3.0, 4), "b": 1e-7 * np.linspace(1.0, 3.0, 4)}
    weights = np.random.default_rng(0).normal(size=(3, 8))

    def f(p: Any) -> np.ndarray:
        return weights @ np.concatenate([np.sin(p["a"] / 1e10), np.sin(p["b"] / 1e-7)])

    def jvp(p: Any, v: Any) -> np.ndarray:
        slopes = [np.cos(p["a"] / 1e10) / 1e10 * v["a"], np.cos(p["b"] / 1e-7) / 1e-7 * v["b"]]
        return weights @ np.concatenate(slopes)

    assert check_jvp(f, jvp, x).outcome is not Outcome.FAIL


def layer(outputs: int, bias: int, unused: int = 0) -> tuple[Any, Any, dict[str, np.ndarray]]:
    """tanh(A a + B b) with an array that it may not use, its Jacobian by arrays, and a point."""
    rng = np.random.default_rng(0)
    weights, biases = rng.normal(size=(outputs, 60)) / 8.0, rng.normal(size=(outputs, bias))
    x = {"a": rng.normal(size=60), "b": rng.normal(size=bias), "c": rng.normal(size=unused)}

    def f(p: Any) -> np.ndarray:
        return np.tanh(weights @ p["a"] + biases @ p["b"] / np.sqrt(bias))

    slope = (1.0 - f(x) ** 2)[:, None]
    right = {
        "a": slope * weights, "b": slope * biases / np.sqrt(bias), "c": np.zeros((outputs, unused)),
    }  # fmt: skip
    return f, right, x


@pytest.mark.parametrize(("bias", "most"), [(50, 360), pytest.param(150, 960, marks=pytest.mark.slow)])
def test_a_forgotten_array_is_named_column_by_column(bias: int, most: int):
    """INCONCLUSIVE before, or `at least` what a search had found; that another array is not used is no part of it."""
    f, right, x = layer(30, bias, unused=20)
    assert check_jacobian(f, right, x).nfev <= 20
    report = check_jacobian(f, right | {"b": 0.0 * right["b"]}, x)
    assert report.reason.startswith(f"{30 * bias:,} of {30 * (80 + bias):,} entries wrong")
    assert report.diagnosis[0].startswith(f"analytic is 0 in J[:, 60:{60 + bias}], ")
    assert report.certificate is not None
    assert report.nfev <= most


def test_of_a_large_forgotten_array_a_sample_tells():
    """Twelve columns of 400, each of which moves every output."""
    f, right, x = layer(30, 400)
    report = check_jacobian(f, right | {"b": 0.0 * right["b"]}, x)
    assert report.reason.startswith("about 12,000 of 13,800 entries wrong")
    assert report.diagnosis[0].startswith("analytic is 0 in J[:, 60:460], ")
    assert report.nfev <= 130


def test_a_forgotten_array_is_named_beside_another_mistake():
    """Two entries of the other one; both were INCONCLUSIVE."""
    f, right, x = layer(30, 50, unused=20)
    wrong = right | {"a": right["a"].copy(), "b": 0.0 * right["b"]}
    wrong["a"][3, 7] += 0.1
    wrong["a"][8, 50] += 0.1
    report = check_jacobian(f, wrong, x)
    assert report.reason.startswith("1,502 of 3,900 entries wrong")
    assert report.certificate is not None


@pytest.mark.parametrize(
    ("each", "how", "most"),
    [pytest.param(3, "160 of 6,400", 2000, marks=pytest.mark.slow), (6, "about 280 of 11,200", 700)],
)
def test_where_everything_is_forgotten_all_of_it_is_wrong(each: int, how: str, most: int):
    """Each output has entries of its own: `at least` a few of them before, or thousands of evaluations."""
    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(40, each)), "b": rng.normal(size=40)}
    zeros = {"a": np.zeros((40, 40 * each)), "b": np.zeros((40, 40))}
    report = check_jacobian(lambda p: np.tanh(p["a"].sum(axis=1) + p["b"]), zeros, x)
    assert report.reason.startswith(f"{how} entries wrong")
    assert report.nfev <= most


@pytest.mark.parametrize("columns", [[7], [7, 300]])
def test_a_few_columns_of_a_large_array_that_is_claimed_to_do_nothing_are_found(columns: list[int]):
    """In one output each; no sample shows them."""
    f, right, x = layer(30, 20, unused=400)

    def uses_some(p: Any) -> np.ndarray:
        out = f(p)
        for row, column in enumerate(columns):
            out[row] += 0.3 * p["c"][column]
        return out

    report = check_jacobian(uses_some, right, x)
    assert {m.name.split(" ")[1].rstrip("]") for m in report.wrong} == {str(80 + k) for k in columns}
    assert report.certificate is not None
    assert report.nfev <= 100


@pytest.mark.parametrize("check", [check_jvp, check_vjp])
def test_products_that_forget_an_array_are_as_matrices_are(check):
    """A jvp and a vjp of more outputs than are asked for one by one."""
    f, right, x = layer(120, 50)
    J = np.hstack([right["a"], 0.0 * right["b"]])
    product = {
        check_jvp: lambda _, v: J @ np.concatenate([v["a"], v["b"]]),
        check_vjp: lambda _, u: {"a": (J.T @ u)[:60], "b": (J.T @ u)[60:], "c": np.zeros(0)},
    }[check]
    report = check(f, product, x)
    assert report.reason.startswith("6,000 of 13,200 entries wrong")
    assert report.nfev <= 700


def normalised(seed: int, dtype: type, steps: int) -> tuple[Any, Any, Any]:
    """A layer, a normalisation over the batch and another layer, after some steps of descent: b0 does nothing."""
    rng = np.random.default_rng(seed)
    x, y = (rng.standard_normal((32, n)).astype(dtype) for n in (10, 5))
    p = {
        "W0": np.sqrt(0.2) * rng.standard_normal((10, 16)), "b0": np.zeros(16), "g": np.ones(16), "be": np.zeros(16),
        "W1": 0.35 * rng.standard_normal((16, 5)), "b1": np.zeros(5),
    }  # fmt: skip
    p = {k: v.astype(dtype) for k, v in p.items()}

    def run(p: Any, back: bool) -> Any:
        z = x @ p["W0"] + p["b0"]
        i = 1 / np.sqrt(z.var(0) + dtype(1e-5))
        n = (z - z.mean(0)) * i
        h = np.tanh(p["g"] * n + p["be"])
        r = (h @ p["W1"] + p["b1"]).astype(float) - y
        if not back:
            return (r**2).mean()
        d1 = (2 * r / r.size).astype(dtype)
        q = d1 @ p["W1"].T * (1 - h * h)
        e = q * p["g"]
        dz = i * (e - e.mean(0) - n * (e * n).mean(0))
        return {
            "W0": x.T @ dz, "b0": dz.sum(0), "g": (q * n).sum(0), "be": q.sum(0), "W1": h.T @ d1, "b1": d1.sum(0),
        }  # fmt: skip

    for _ in range(steps):
        down = run(p, True)
        p = {k: v - dtype(0.1) * down[k] for k, v in p.items()}
    return lambda p: run(p, False), lambda p: run(p, True), p


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 5, 50])
def test_a_bias_before_a_normalisation_does_nothing_whatever_its_size(steps: int) -> None:
    """Of 1e-18 after some descent: 450 evaluations before, and of 40 in float32 none passed."""
    for seed in range(4):
        f, grad, p = normalised(seed, np.float64, steps)
        report = check_gradient(f, grad, p, rng=seed)
        assert report.outcome is Outcome.PASS
        assert report.nfev <= 90  # one of four takes longer steps, where what is 0 may be more than rounding
        wrong = check_gradient(f, {**grad(p), "be": np.zeros(16)}, p, rng=seed)
        assert wrong.outcome is Outcome.FAIL
    passed = 0
    for seed in range(8):
        f, grad, p = normalised(seed, np.float32, steps)
        outcome = check_gradient(f, grad, p, rng=seed).outcome
        assert outcome is not Outcome.FAIL
        passed += outcome is Outcome.PASS
    assert passed >= 4


@pytest.mark.parametrize("size", [1e-18, 1e-9, 1.0])
def test_an_array_of_any_size_that_does_something_is_seen(size: float) -> None:
    """sin(a) + sin(b / size), where b of that size is claimed to do nothing."""
    rng = np.random.default_rng(0)
    x = {"a": rng.standard_normal(30), "b": size * rng.standard_normal(30)}

    def f(p: Any) -> float:
        return float(np.sum(np.sin(p["a"])) + np.sum(np.sin(p["b"] / size)))

    report = check_gradient(f, {"a": np.cos(x["a"]), "b": np.zeros(30)}, x)
    assert report.outcome is Outcome.FAIL
    assert {wrong.name[:11] for wrong in report.wrong} == {'params["b"]'}
