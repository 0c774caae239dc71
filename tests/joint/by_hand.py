"""A joint test of a linear f, and what a line and a direction show, part by part: for tests by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gradcheck.function.matrix import Dense
from gradcheck.function.objective import Objective
from gradcheck.joint.direction import Direction
from gradcheck.joint.few_points import taken_by_four
from gradcheck.joint.joint import JointTest
from gradcheck.numerics.line_fit import LineFit
from gradcheck.numerics.problem import Problem, scaling_of
from gradcheck.parameters.tree import Parameters
from gradcheck.results.verdict import Tolerance

EPS = 2.0**-52
STEP = 0.01


def joint_test(rows: int, *, columns: int = 4, x: Any = None, fixed: Any = None, **options: Any) -> JointTest:
    """A test of f(x) = A x, all entries 1; resolution 1e-3, delta 1e-6 of all rows together."""
    x = np.linspace(1.0, 2.0, columns) if x is None else np.asarray(x, float)
    matrix = np.ones((rows, x.size))
    parameters, flat = Parameters.of(x)
    objective = Objective(lambda x: matrix @ np.real(x), parameters, several=True, **options)
    claim = Problem(
        objective,
        flat,
        objective.at(x)[0],
        parameters.scales(flat),
        Tolerance(1e-6),
        None,
        EPS,
        matrix=Dense(matrix),
    )
    scaling = scaling_of(claim, np.zeros(x.size, bool))
    test = JointTest(claim, scaling, np.random.default_rng(0), 1e-6, exact=False, fixed=fixed)
    test.along.__dict__["rounding_of_x"] = np.zeros(rows)
    test.along.sizes = np.ones(rows)
    return test


def close(values: Any, rel: float = 1e-12) -> Any:
    """Relative to them alone: roundings are smaller than what `approx` lets pass by itself."""
    return pytest.approx(values, rel=rel, abs=0.0)


def row(values: Any, rows: int, kind: type = float) -> Any:
    """One value for each row."""
    return np.broadcast_to(np.asarray(values, kind), rows).copy()


def fitted(rows: int, **parts: Any) -> LineFit:
    """What a quiet line shows, but for some parts."""
    given: dict[str, Any] = {
        "value": 1.0, "outer": 1.0, "error": 1e-9, "noise": 1e-16, "floor": 1e-16, "least_noise": 1e-16, "spread": 1.0,
        "last": 1e-16,
        "flat": False, "kink": 0.0, "kink_error": 1.0, "size": 1.0, "moved": True,
    }  # fmt: skip
    masks = ("flat", "moved")
    plain = {
        name: row(parts.get(name, value), rows, bool if name in masks else float)
        for name, value in given.items()
    }
    shape = (4, rows)
    more = {name: np.broadcast_to(np.asarray(parts.get(name, 0.0), float), shape) for name in ("odd", "even")}
    bends = np.broadcast_to(np.asarray(parts.get("bends", 0.0), float), (3, rows))
    return LineFit(step=parts.get("step", STEP), bends=bends, **plain, **more)


def direction(rows: int, fit: LineFit | None, **parts: Any) -> Direction:
    """A direction that agrees, but for some parts."""
    given: dict[str, Any] = {"weight": 1.0, "residual": 0.0, "error": 1e-9, "allowed": 1e-8}
    plain = {name: row(parts.pop(name, value), rows) for name, value in given.items()}
    return Direction(np.ones(4), parts.pop("step", STEP), fit=fit, **plain, **parts)


def share(looks: int, left_out: int) -> float:
    """What part of the chance a bound has, of so many residuals without so many: docs/certificate.md.

    Three quarters are the first look's; the other looks share one, and in each that of k is half of that of k - 1.
    """
    look = 3 / 4 if looks == 1 else (1 / 4) * (1 / (looks - 1) - 1 / looks)
    return look * 2.0**-left_out / sum(2.0**-k for k in range(looks))


def bound(count: int, delta: float) -> float:
    """The norm that so many residuals of 1 prove, any of them left out."""
    return proves([1.0] * count, delta)


def proves(sizes: Any, delta: float) -> float:
    """The same of residuals of several sizes: the largest k of them left out."""
    count = len(sizes)
    return min(
        size * math.sqrt(2) * (math.comb(count, k) / (share(count, k) * delta)) ** (1 / (count - k))
        for k, size in enumerate(sorted(sizes, reverse=True))
    )


def needs(test: JointTest, count: int) -> float:
    """What a residual may be for just so many directions, where 1e-3 is needed."""
    return 1e-3 / (1.3 * bound(count, test.along.delta)) * (1 - 1e-9)


def taken_by_shortest(test: JointTest, told: Direction) -> Any:
    """What the four points take that a direction of eight chooses."""
    step, fit = test.along.short_of([told])
    return taken_by_four(fit, step)


class Steps:
    """Stands for `Directions.first`: answers with what is prepared, and remembers the steps."""

    def __init__(self, test: JointTest, *answers: Direction | None) -> None:
        self.asked: list[float] = []
        self.answers = list(answers)
        test.along.first = self

    def __call__(self, step: float | None) -> Direction | None:
        assert step is not None
        self.asked.append(step)
        return self.answers.pop(0)


class _Limited(Objective):
    """With a budget that is told by hand."""

    left = 0

    @property
    def remaining(self) -> int:
        return self.left


def limit(test: JointTest, left: int) -> None:
    """Leave so many evaluations."""
    test.problem.objective.__class__ = _Limited
    vars(test.problem.objective)["left"] = left


def scattered(size: float) -> Direction:
    """Two rows of noise of this size."""
    return direction(2, fitted(2, noise=1e-6, flat=True, spread=size, bends=size))
