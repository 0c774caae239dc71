"""Half the sum of squared errors: the two printed losses, and the gradient by the output."""

import numpy as np

import gradcheck
from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.mutations import ALL_NEGATED, one_scaled
from gradcheck.textbook import numerical_gradient, sum_squares_error
from reference import analytic, published, symbolic
from reference.scipy_oracle import approx_gradient

Y1, Y2, T = published.OUTPUT_1.value, published.OUTPUT_2.value, published.TARGET.value

SUMMATION = "ten terms, added in an order that is the library's own: some units in the last place"
# Spacing of float64 numbers relative to their size.
ULP = float(np.finfo(float).eps)


def loss(y, name, printed, exact):
    return Quantity(
        name,
        lambda: sum_squares_error(y, T),
        [
            Reference("published", printed.value, rtol=4 * ULP, reason=SUMMATION),
            Reference("paper", exact, rtol=4 * ULP, reason=SUMMATION),
        ],
        [
            Mistake("the factor 1/2", lambda: np.sum((y - T) ** 2)),
            Mistake("mean for sum", lambda: 0.5 * np.mean((y - T) ** 2)),
            Mistake("no square", lambda: 0.5 * np.sum(np.abs(y - T))),
        ],
    )


def gradient():
    return numerical_gradient(lambda y: sum_squares_error(y, T), Y1.copy())


case = Case(
    "2.1",
    "Half the sum of squared errors, and its gradient",
    [
        # On paper: (0.1^2 + 0.05^2 + 0.4^2 + 0.05^2 + 0.1^2 + 0.1^2) / 2; 0.9 and 0.6 for 0.4 and a 0.1.
        loss(Y1, "E(y1)", published.SUM_SQUARES_ERROR_1, 0.195 / 2),
        loss(Y2, "E(y2)", published.SUM_SQUARES_ERROR_2, 1.195 / 2),
        Quantity(
            "E of both together: the sum, no mean",
            lambda: sum_squares_error([Y1, Y2], [T, T]),
            [Reference("paper", (0.195 + 1.195) / 2, rtol=4 * ULP, reason=SUMMATION)],
            [Mistake("the mean", lambda: (0.195 + 1.195) / 4)],
        ),
        Quantity(
            "dE/dy at y1",
            gradient,
            [
                Reference(
                    "analytic",
                    analytic.sum_squares_error_gradient(Y1, T),
                    atol=1e-11,
                    reason="no truncation for a parabola; rounding of E near 0.1 over h = 1e-4: about 1e-12",
                ),
                *(
                    Reference("SymPy", slopes, atol=1e-11, reason="as of the analytic value")
                    for slopes in symbolic.gradients(lambda y: sum((y - T) ** 2) / 2, Y1)
                ),
                Reference(
                    "approx_fprime",
                    lambda: approx_gradient(lambda y: sum_squares_error(y, T), Y1),
                    atol=3e-8,
                    reason="its forward step 1.5e-8: truncation 7e-9, rounding of E over the step some 1e-9",
                ),
                Reference(
                    "gradcheck",
                    lambda: gradcheck.gradient(lambda y: sum_squares_error(y, T), Y1),
                    atol=1e-11,
                    reason="three of its own error bars; and the rounding of the chapter's difference, as above",
                ),
            ],
            [
                Mistake.planted(ALL_NEGATED, gradient, Y1, name="the sign"),
                Mistake(
                    "one-sided, h = 1e-4",
                    lambda: [
                        (sum_squares_error(Y1 + step, T) - sum_squares_error(Y1, T)) / 1e-4
                        for step in 1e-4 * np.eye(Y1.size)
                    ],
                ),
                Mistake.planted(one_scaled(1.001), gradient, Y1, name="one entry 0.1 % off"),
            ],
        ),
    ],
    claim=(
        "Half the sum of squared differences is small where the largest output is the right one, 0.0975, "
        "and large where it is not, 0.5975."
    ),
)
