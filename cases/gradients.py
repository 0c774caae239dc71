"""The gradients of x0^2 + x1^2 at the three points of the chapter; of a 3 x 3 argument; and what is left behind.

The sum of squares hides a transposed result, and the step: a square argument whose entries weigh differently, and a sum
of cubes, do not.
"""

import contextlib

import numpy as np

import gradcheck
from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.mutations import ALL_NEGATED, SWAPPED, one_scaled
from gradcheck.textbook import numerical_gradient
from reference import analytic, published, symbolic
from reference.scipy_oracle import approx_gradient


def f(x):
    return x[0] ** 2 + x[1] ** 2


def one_sided(point, h=1e-4):
    return np.array([(f(point + step) - f(point)) / h for step in h * np.eye(point.size)])


def not_restored(point, h=1e-4):
    """Leave each coordinate at x - h before the next is perturbed."""
    x, gradient = point.copy(), np.zeros_like(point)
    for i in range(x.size):
        x[i] = point[i] + h
        plus = f(x)
        x[i] = point[i] - h
        gradient[i] = (plus - f(x)) / (2 * h)
    return x  # what the caller would find


def gradient_at(point, printed):
    def gradient():
        return numerical_gradient(f, point.copy())

    return Quantity(
        f"gradient at ({point[0]:g}, {point[1]:g})",
        gradient,
        [
            Reference(
                "published",
                printed,
                atol=published.GRADIENTS.half_unit,
                reason="half a unit of the eighth digit, to which the chapter prints arrays",
            ),
            Reference(
                "analytic",
                analytic.sum_of_squares_gradient(point),
                atol=1e-10,
                reason="no truncation for a parabola; rounding of f <= 25, 3.6e-15, over h = 1e-4: 4e-11",
            ),
            *(
                Reference("SymPy", slopes, atol=1e-10, reason="as of the analytic value")
                for slopes in symbolic.gradients(f, point)
            ),
            Reference(
                "approx_fprime",
                lambda: approx_gradient(f, point),
                atol=1e-6,
                reason="its forward step 1.5e-8: rounding of f <= 25, 3.6e-15, over the step: 2.4e-7",
            ),
            Reference(
                "gradcheck",
                lambda: gradcheck.gradient(f, point),
                atol=1e-10,
                reason="three of its own error bars; and the rounding of the chapter's difference, as above",
            ),
        ],
        [
            Mistake.planted(ALL_NEGATED, gradient, point, name="the sign"),
            Mistake("one-sided, h = 1e-4", lambda: one_sided(point)),
            Mistake.planted(SWAPPED, gradient, point),
        ],
    )


# Each entry has its own weight, and one term couples two of them.
SQUARE = np.arange(1.0, 10.0).reshape(3, 3) / 4
WEIGHTS = np.array([[1.0, -2.0, 3.0], [5.0, -1.0, 2.0], [-4.0, 7.0, 1.0]])


def weighted(X):
    return np.sum(WEIGHTS * X**2) + X[0, 1] * X[2, 0]


def weighted_gradient():
    """On paper: 2 W X, and what the coupled term adds."""
    gradient = 2 * WEIGHTS * SQUARE
    gradient[0, 1] += SQUARE[2, 0]
    gradient[2, 0] += SQUARE[0, 1]
    return gradient


def of_square():
    return numerical_gradient(weighted, SQUARE.copy())


def cubes(x):
    return np.sum(x**3)


CUBE_POINT = np.array([0.5, -0.25, 0.125])


def of_cubes(**step):
    return numerical_gradient(cubes, CUBE_POINT.copy(), **step)


def point_afterwards():
    point = np.array([3.0, 4.0])
    numerical_gradient(f, point)
    return point


def raising_at(call):
    """f, but its so-many-th call raises."""
    calls = 0

    def raising(x):
        nonlocal calls
        calls += 1
        if calls == call:
            raise ArithmeticError("planted")
        return f(x)

    return raising


def left_as_printed(f, x, h=1e-4):
    """The chapter's loop, which restores x only where f returned."""
    for i in range(x.size):
        saved = x[i]
        x[i] = saved + h
        f(x)
        x[i] = saved - h
        f(x)
        x[i] = saved


def points_after_an_error(gradient=numerical_gradient):
    """What the caller finds after f raised at its first, second, third, fourth call."""
    points = []
    for call in (1, 2, 3, 4):
        points.append(np.array([3.0, 4.0]))
        with contextlib.suppress(ArithmeticError):
            gradient(raising_at(call), points[-1])
    return points


def probed():
    """Where f is asked, in order, and whether in the caller's own array."""
    x = np.array([1.0, 2.0])
    seen = []

    def watching(point):
        seen.append([*point, float(point is x)])
        return 0.0

    numerical_gradient(watching, x, h=0.25)
    return seen


case = Case(
    "4",
    "The gradient of x0^2 + x1^2 at three points, and of a matrix",
    [
        *map(gradient_at, published.GRADIENT_POINTS.value, published.GRADIENTS.value),
        Quantity(
            "gradient by a 3 x 3 argument",
            of_square,
            [
                Reference(
                    "analytic",
                    weighted_gradient,
                    atol=1e-10,
                    reason="no truncation for squares; rounding of f = 50 and of its sum, 1e-14, over 2h: 5e-11",
                ),
                Reference(
                    "approx_fprime",
                    lambda: approx_gradient(weighted, SQUARE),
                    atol=2e-6,
                    reason="its forward step 1.5e-8: truncation 1e-7, rounding of 50 over the step: 1e-6",
                ),
                Reference(
                    "gradcheck",
                    lambda: gradcheck.gradient(weighted, SQUARE),
                    atol=1e-10,
                    reason="three of its own error bars; and the rounding of the chapter's difference, as above",
                ),
            ],
            [
                Mistake("transposed", lambda: of_square().T),
                Mistake("rows in reverse", lambda: of_square()[::-1]),
                Mistake("one-sided, h = 1e-4", lambda: weighted_gradient() + WEIGHTS * 1e-4),
                Mistake.planted(one_scaled(1.001), of_square, SQUARE, name="one entry 0.1 % off"),
            ],
        ),
        Quantity(
            "gradient of the sum of cubes: the step h = 1e-4",
            of_cubes,
            [
                Reference(
                    "analytic",
                    3 * CUBE_POINT**2 + 1e-8,
                    atol=1e-12,
                    reason="3 x^2 + h^2, exactly; rounding of f near 0.1, a few 1.4e-17, over 2h: 3e-13 at most",
                )
            ],
            [
                Mistake("h = 1.01e-4", lambda: of_cubes(h=1.01e-4)),
                Mistake("h = 1e-3", lambda: of_cubes(h=1e-3)),
                Mistake("no truncation", lambda: 3 * CUBE_POINT**2),
            ],
        ),
        Quantity(
            "the same with h = 0.01",
            lambda: of_cubes(h=0.01),
            [
                Reference(
                    "analytic",
                    3 * CUBE_POINT**2 + 1e-4,
                    atol=1e-14,
                    reason="3 x^2 + h^2; rounding of f near 0.1, a few 1.4e-17, over 2h = 0.02: 3e-15 at most",
                )
            ],
            [Mistake("the default step", of_cubes), Mistake("h = 0.0101", lambda: of_cubes(h=0.0101))],
        ),
        Quantity(
            "where f is asked: (1, 2), h = 1/4; and in the caller's own array",
            probed,
            [
                Reference(
                    "x + h, x - h, one coordinate after the other",
                    [[1.25, 2.0, 1.0], [0.75, 2.0, 1.0], [1.0, 2.25, 1.0], [1.0, 1.75, 1.0]],
                    reason="sums of quarters: no tolerance",
                )
            ],
            [
                Mistake("in a copy", lambda: [[*point, 0.0] for *point, _ in probed()]),
                Mistake("x - h first", lambda: [probed()[k] for k in (1, 0, 3, 2)]),
                Mistake("f(x) too", lambda: [[1.0, 2.0, 1.0], *probed()]),
            ],
        ),
        Quantity(
            "gradient by a number: x^2 at 3",
            lambda: numerical_gradient(lambda x: float(x) ** 2, np.array(3.0)),
            [Reference("analytic", 6.0, atol=2e-11, reason="rounding of f = 9, 1.8e-15, over 2h: 9e-12")],
            [Mistake("one-sided", lambda: one_sided(np.array([3.0, 0.0]))[0])],
        ),
        Quantity(
            "x afterwards",
            point_afterwards,
            [Reference("the point", [3.0, 4.0], reason="the caller's array is restored, bit for bit")],
            [Mistake("not restored", lambda: not_restored(np.array([3.0, 4.0])))],
        ),
        Quantity(
            "x after f raised at its first, second, third, fourth call",
            points_after_an_error,
            [Reference("the point", [[3.0, 4.0]] * 4, reason="restored, bit for bit, also where f raises")],
            [Mistake("left perturbed, as printed", lambda: points_after_an_error(left_as_printed))],
        ),
    ],
    claim=(
        "The vector of all partial derivatives of x0^2 + x1^2 is (6, 8) at (3, 4), (0, 4) at (0, 2), (6, "
        "0) at (3, 0)."
    ),
    wrong="An array of integers cuts x + h off to x: the gradient at (3, 4) comes out as (25000, 35000).",
)
