"""What gradients have every check has: a table of checks and features, each cell tried or said to have no meaning."""

from __future__ import annotations

import html
import json
import re
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import matplotlib.figure
import numpy as np
import pytest

import gradcheck
from gradcheck import Outcome
from gradcheck.replay.repeat import repeat
from gradcheck.report.data import SCHEMA
from gradcheck.report.saved import load

NOISES = 4e-6, 1e-5
X = np.array([0.3, -0.7, 1.1, 0.4])
MATRIX = np.random.default_rng(1).normal(size=(3, 4))
# What the functions below saw: the kinds of numbers, the shapes of x, the threads.
SEEN: list[tuple[str, tuple[int, ...], int]] = []


def note(x: Any) -> None:
    """Remember a call."""
    SEEN.append((np.asarray(x).dtype.kind, np.shape(x), threading.get_ident()))


def value(x: Any) -> Any:
    """Sum of exp(x) sin(x), of one point or, along a last axis, of many."""
    note(x)
    return np.sum(np.exp(x) * np.sin(x), axis=0)


def slopes(x: Any) -> Any:
    """The gradient of `value`."""
    note(x)
    return np.exp(x) * (np.sin(x) + np.cos(x))


def wrong_slopes(x: Any) -> Any:
    """Twice as large."""
    return 2.0 * slopes(x)


def curvatures(x: Any) -> Any:
    """The Hessian of `value`."""
    return np.diag(2.0 * np.exp(x) * np.cos(x))


def wrong_curvatures(x: Any) -> Any:
    """Twice as large."""
    return 2.0 * curvatures(x)


def curvature(x: Any, v: Any) -> Any:
    """Its product with v."""
    return curvatures(x) @ v


def wrong_curvature(x: Any, v: Any) -> Any:
    """Twice as large."""
    return 2.0 * curvature(x, v)


def outputs(x: Any) -> Any:
    """Three sums of sines, of one point or of many."""
    note(x)
    return np.tensordot(MATRIX, np.sin(x), 1)


def matrix(x: Any) -> Any:
    """The Jacobian of `outputs`."""
    return MATRIX * np.cos(x)


def wrong_matrix(x: Any) -> Any:
    """Twice as large."""
    return 2.0 * matrix(x)


def push(x: Any, v: Any) -> Any:
    """J v."""
    return matrix(x) @ v


def wrong_push(x: Any, v: Any) -> Any:
    """Twice as large."""
    return 2.0 * push(x, v)


def pull(x: Any, u: Any) -> Any:
    """J^T u."""
    return matrix(x).T @ u


def wrong_pull(x: Any, u: Any) -> Any:
    """Twice as large."""
    return 2.0 * pull(x, u)


def forward(x: Any) -> Any:
    """A x."""
    return MATRIX @ x


def adjoint(y: Any) -> Any:
    """A^T y."""
    return MATRIX.T @ y


def wrong_adjoint(y: Any) -> Any:
    """Twice as large."""
    return 2.0 * adjoint(y)


def points(rng: np.random.Generator) -> Any:
    """A sampler."""
    return rng.uniform(0.2, 1.2, 4)


# The function that is called often, what is right, what is wrong.
Parts = tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]
CHECKS: dict[str, tuple[Callable[..., Any], Parts]] = {
    "check_gradient": (gradcheck.check_gradient, (value, slopes, wrong_slopes)),
    "check_jacobian": (gradcheck.check_jacobian, (outputs, matrix, wrong_matrix)),
    "check_jvp": (gradcheck.check_jvp, (outputs, push, wrong_push)),
    "check_vjp": (gradcheck.check_vjp, (outputs, pull, wrong_pull)),
    "check_hvp": (gradcheck.check_hvp, (slopes, curvature, wrong_curvature)),
    "check_hessian": (gradcheck.check_hessian, (slopes, curvatures, wrong_curvatures)),
    "check_gradient, hessian": (
        lambda f, second, x, **options: gradcheck.check_gradient(f, slopes, x, hessian=second, **options),
        (value, curvatures, wrong_curvatures),
    ),
    "check_points": (
        lambda f, grad, x, **options: gradcheck.check_points(f, grad, points, count=2, **options),
        (value, slopes, wrong_slopes),
    ),
    "check_problem": (
        lambda f, jac, x, **options: gradcheck.check_problem(
            f, x, jac=jac, constraints={"type": "eq", "fun": outputs, "jac": matrix}, **options
        ),
        (value, slopes, wrong_slopes),
    ),
    "check_adjoint": (gradcheck.check_adjoint, (forward, adjoint, wrong_adjoint)),
    "taylor_test": (gradcheck.taylor_test, (value, slopes, wrong_slopes)),
}

# Cells that have no meaning, and why.
NONE = {
    ("check_adjoint", "plain differences"): "nothing is differentiated: A is linear",
    ("check_adjoint", "complex step"): "nothing is differentiated",
    ("check_adjoint", "averages"): "nothing is differentiated",
    (
        "check_adjoint",
        "workers",
    ): "an inner product needs both results, one after the other, a few dozen in all",
    ("check_adjoint", "vectorized"): "the operators are asked for one argument at a time, a few dozen in all",
    ("check_adjoint", "figure"): "a handful of inner products, which the text holds",
    (
        "check_problem",
        "vectorized",
    ): "fun and the constraints are those of scipy.optimize.minimize: one point a call",
    (
        "check_gradient, hessian",
        "vectorized",
    ): "grad would have to be of one point, as always, and of many at once",
    ("taylor_test", "plain differences"): "it looks at the remainders of all steps, not at entries",
    ("taylor_test", "complex step"): "it looks at the remainders of all steps, which are real",
    ("taylor_test", "averages"): "it takes the order over all steps at once",
    ("taylor_test", "diagnosis"): "one number is known of all entries: its reason says how far it is off",
}
FEATURES: dict[str, Callable[[str], None]] = {}


def feature(name: str) -> Callable[[Callable[[str], None]], None]:
    """Enter a test of one column of the table."""
    return lambda test: FEATURES.update({name: test})


def run(check: str, *, wrong: bool = False, **options: Any) -> Any:
    """The report on a right or a wrong derivative."""
    function, (f, right, other) = CHECKS[check]
    SEEN.clear()
    return function(f, other if wrong else right, X, **options)


def parts_of(report: Any) -> int:
    """How many checks a report gathers."""
    return max(len(getattr(report, "parts", ())), 1)


@feature("plain differences")
def _(check: str) -> None:
    """Two evaluations an entry of x bear a right derivative out: 2 n, f(x), and for a product the shape of f."""
    report = run(check)
    assert report.outcome is Outcome.PASS
    assert report.nfev <= parts_of(report) * (2 * X.size + 2)


@feature("complex step")
def _(check: str) -> None:
    """f gets complex numbers, and what is wrong is wrong."""
    report = run(check, method="complex")
    assert report.outcome is Outcome.PASS
    assert "c" in {kind for kind, *_ in SEEN}
    assert run(check, wrong=True, method="complex").outcome is Outcome.FAIL


@feature("averages")
def _(check: str) -> None:
    """Noise that hides what a stencil sees is averaged out, which a note says."""
    function, (f, right, other) = CHECKS[check]

    def noisy(level: float) -> Callable[[Any], Any]:
        def rough(x: Any) -> Any:
            if np.iscomplexobj(x):
                raise TypeError("real numbers only")
            return f(x) * (1.0 + level * np.sin(1e12 * np.sum(x)))

        return rough

    said = []
    for (
        level
    ) in NOISES:  # of some functions a stencil is enough in the first, of others all is hidden in the second
        for seed in range(2):
            report = function(noisy(level), right, X, method="sweep", rng=seed)
            assert report.outcome is not Outcome.FAIL
            said += report.notes
    assert any("verified by averages of several differences" in text for text in said)
    assert function(noisy(NOISES[0]), other, X, method="sweep").outcome is Outcome.FAIL


@feature("diagnosis")
def _(check: str) -> None:
    """A factor of 2 is called one."""
    report = run(check, wrong=True)
    assert report.outcome is Outcome.FAIL
    assert re.search(r"\b(2|0\.5) x ", " ".join(report.diagnosis)), report.diagnosis


@feature("workers")
def _(check: str) -> None:
    """f runs in more than one thread, and the report is the same."""
    method = {} if check == "taylor_test" else {"method": "sweep"}
    alone = told(run(check, n_jobs=1, **method))
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert told(run(check, n_jobs=2, **method)) == alone
    assert len({thread for *_, thread in SEEN}) > 1


@feature("vectorized")
def _(check: str) -> None:
    """f gets many points at once, and the report is the same."""
    method = {} if check == "taylor_test" else {"method": "sweep"}
    for wrong in (False, True):
        alone = run(check, wrong=wrong, **method)
        together = run(check, wrong=wrong, vectorized=True, **method)
        assert (together.outcome, together.nfev) == (alone.outcome, alone.nfev)
        assert any(len(shape) == 2 and shape[1] > 2 for _, shape, _ in SEEN)


@feature("budget of time")
def _(check: str) -> None:
    """What is used up at once leaves nothing proven, and the budget is named; a budget that is none is refused."""
    report = run(check, max_seconds=1e-9)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "max_seconds" in str(report)
    assert run(check, max_seconds=3600.0).outcome is Outcome.PASS
    with pytest.raises(ValueError, match="max_seconds must be a number above 0"):
        run(check, max_seconds=0.0)


@feature("budget of evaluations")
def _(check: str) -> None:
    """It is kept; and a wrong derivative does not pass for want of it."""
    report = run(check, wrong=True, max_nfev=24)
    assert report.nfev <= 24
    assert report.outcome is not Outcome.PASS


@feature("replay")
def _(check: str) -> None:
    """A saved check is made again from its file: the same numbers, for what is right and what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        for wrong in (False, True):
            report = run(check, wrong=wrong, rng=np.random.default_rng(3))
            again = repeat(load(report.save(Path(folder) / "check.json")), trust=True)
            assert told(again) == told(report)
            assert again.outcome is (Outcome.FAIL if wrong else Outcome.PASS)


@feature("figure")
def _(check: str) -> None:
    """Of what is right and of what is wrong."""
    for wrong in (False, True):
        assert isinstance(run(check, wrong=wrong).plot(), matplotlib.figure.Figure)


@feature("HTML")
def _(check: str) -> None:
    """A notebook shows the outcome and the reason."""
    report = run(check, wrong=True)
    assert "FAIL" in report._repr_html_()
    assert html.escape(report.reason)[:40] in report._repr_html_()


@feature("JSON")
def _(check: str) -> None:
    """By the schema of the page."""
    document = json.loads(run(check, wrong=True).to_json())
    assert document["schema"] == SCHEMA
    assert document["outcome"] == "FAIL"


@feature("an error that says so")
def _(check: str) -> None:
    """An option that is none is named, with what was meant."""
    with pytest.raises(TypeError, match="did you mean rng"):
        run(check, seed=1)


def told(report: Any) -> dict[str, Any]:
    """The dictionary of a report, without what differs from run to run."""
    return {name: part for name, part in report.to_dict().items() if name not in ("seconds", "seed", "call")}


@pytest.mark.slow
@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("check", CHECKS)
def test_every_check_has_every_feature(check: str, name: str):
    """But where the table says that it has no meaning."""
    if (check, name) in NONE:
        assert NONE[check, name]
    else:
        FEATURES[name](check)
