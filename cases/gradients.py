"""The gradients of x0^2 + x1^2 at the three points of the chapter."""

import numpy as np

import gradcheck
from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.mutations import ALL_NEGATED, SWAPPED
from gradcheck.textbook import numerical_gradient
from reference import analytic, published
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


def point_afterwards():
    point = np.array([3.0, 4.0])
    numerical_gradient(f, point)
    return point


case = Case(
    "4",
    "The gradient of x0^2 + x1^2 at three points",
    [
        *map(gradient_at, published.GRADIENT_POINTS.value, published.GRADIENTS.value),
        Quantity(
            "x afterwards",
            point_afterwards,
            [Reference("the point", [3.0, 4.0], reason="the caller's array is restored, bit for bit")],
            [Mistake("not restored", lambda: not_restored(np.array([3.0, 4.0])))],
        ),
    ],
)
