"""The logistic function: its values, its derivative, and arguments whose exponential would overflow."""

import math
import warnings

import numpy as np

from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.textbook import numerical_gradient, sigmoid
from reference import analytic, symbolic
from reference.scipy_oracle import approx_gradient

POINTS = np.array([[-3.0, -1.0, -0.25], [0.0, 0.5, 2.0]])
LARGE = np.array([-745.0, -710.0, -40.0, 40.0, 710.0, 800.0])
COMPLEX_STEP = 1e-20


def by_tanh(a):
    """The same function, written otherwise: (1 + tanh(a / 2)) / 2."""
    return [0.5 * (1 + math.tanh(0.5 * value)) for value in np.ravel(a)]


def derivative():
    """By the chapter's central difference, in each point's own place: the sum over the points is differentiated."""
    return numerical_gradient(lambda a: np.sum(sigmoid(a)), POINTS.copy())


def warned(function):
    """How many warnings the function gives at the large arguments."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(LARGE)
    return len(caught)


def as_printed(a):
    return 1 / (1 + np.exp(-a))


case = Case(
    "5.1",
    "The logistic function and its derivative",
    [
        Quantity(
            "values",
            lambda: sigmoid(POINTS).ravel(),
            [
                Reference(
                    "analytic",
                    by_tanh(POINTS),
                    rtol=4e-15,
                    reason="an exponential and a quotient, a hyperbolic tangent: some units in the last place; "
                    "at -3 the sum "
                    "with tanh loses ten of them",
                )
            ],
            [
                Mistake("sigmoid(-a)", lambda: sigmoid(-POINTS).ravel()),
                Mistake("1e-14 larger", lambda: sigmoid(POINTS).ravel() * (1 + 1e-14)),
                Mistake("tanh", lambda: np.tanh(POINTS).ravel()),
            ],
        ),
        Quantity(
            "values at large arguments",
            lambda: sigmoid(LARGE),
            [
                Reference(
                    "analytic",
                    [math.exp(-745), math.exp(-710), math.exp(-40), 1.0, 1.0, 1.0],
                    rtol=4e-16,
                    reason="exp(a) below, 1 above, to the last place: the other terms are smaller than that",
                )
            ],
            [Mistake("0 and 1", lambda: (LARGE > 0) * 1.0)],
        ),
        Quantity(
            "warnings at large arguments",
            lambda: warned(sigmoid),
            [Reference("none", 0, reason="a count: the exponential of -|a| does not overflow")],
            [Mistake("as printed: exp overflows", lambda: warned(as_printed))],
        ),
        Quantity(
            "derivative",
            derivative,
            [
                Reference(
                    "analytic",
                    analytic.sigmoid_derivative(POINTS),
                    atol=5e-10,
                    reason="truncation h^2 |f'''| / 6 with |f'''| <= 1/8: 2.1e-10; rounding of a sum of 3 over "
                    "h: 4e-12",
                ),
                *(
                    Reference("SymPy", slopes, atol=5e-10, reason="as of the analytic value")
                    for slopes in symbolic.gradients(
                        lambda a: sum(1 / (1 + symbolic.exp(-each)) for each in a.flat), POINTS
                    )
                ),
                Reference(
                    "approx_fprime",
                    lambda: approx_gradient(lambda a: np.sum(sigmoid(a)), POINTS),
                    atol=1e-7,
                    reason="its forward step 1.5e-8: truncation below 1e-9, rounding of 3, 4e-16, over the step: "
                    "3e-8",
                ),
            ],
            [
                Mistake("y for y (1 - y)", lambda: sigmoid(POINTS)),
                Mistake("one-sided, h = 1e-4", lambda: (sigmoid(POINTS + 1e-4) - sigmoid(POINTS)) / 1e-4),
                Mistake("1e-8 larger", lambda: derivative() * (1 + 1e-8)),
            ],
        ),
        Quantity(
            "derivative, by the complex step",
            lambda: sigmoid(POINTS + 1j * COMPLEX_STEP).imag / COMPLEX_STEP,
            [
                Reference(
                    "analytic",
                    analytic.sigmoid_derivative(POINTS),
                    rtol=4e-15,
                    reason="no difference is taken: rounding of a few operations",
                )
            ],
            [Mistake("|a| in the exponential", lambda: sigmoid(POINTS).imag / COMPLEX_STEP)],
        ),
    ],
    claim="The hidden layer's activation is 1 / (1 + exp(-a)).",
    wrong="As printed it warns of an overflow from -710 down.",
)
