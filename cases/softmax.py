"""The softmax by row and as printed: its values, its derivatives, and scores whose exponential would overflow."""

import math

import numpy as np

from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.textbook import numerical_gradient, softmax, softmax_whole_array
from reference import analytic
from reference.scipy_oracle import approx_gradient

SCORES = np.array([[0.3, -1.2, 2.0, 0.1], [1.5, 0.2, -0.7, 0.4], [-2.0, 0.6, 0.9, -0.1]])
ROW = SCORES[0]
WEIGHTS = np.array([[1.0, -2.0, 0.5, 3.0], [2.0, 1.0, -1.0, 0.3], [-0.4, 0.7, 1.1, -1.5]])
LARGE = np.array([[1000.0, 999.0, -1000.0], [-1000.0, -1001.0, -3000.0]])


def by_row(a):
    """Each ratio by itself, with the mathematics module."""
    return [[1 / math.fsum(math.exp(other - one) for other in row) for one in row] for row in a]


def by_whole_array(a):
    return [[1 / math.fsum(math.exp(other - one) for other in np.ravel(a)) for one in row] for row in a]


def weighed(form):
    """A scalar to differentiate: the outputs, each with its own weight."""
    return lambda a: np.sum(WEIGHTS * form(a))


def gradient(form):
    return numerical_gradient(weighed(form), SCORES.copy())


def row_gradient():
    """Weights times Jacobian, row by row."""
    return [weights @ analytic.softmax_jacobian(row) for weights, row in zip(WEIGHTS, SCORES, strict=True)]


def whole_gradient():
    return np.tensordot(WEIGHTS, analytic.softmax_whole_array_jacobian(SCORES), axes=2)


VALUES = "a maximum, four exponentials, their sum and a quotient: some units in the last place"


def values(name, form, on_paper, other):
    return Quantity(
        f"{name}: probabilities of three samples",
        lambda: form(SCORES),
        [Reference("analytic", on_paper(SCORES), rtol=4e-15, reason=VALUES)],
        [
            Mistake("the other form", lambda: other(SCORES)),
            Mistake("by column", lambda: form(SCORES.T).T + np.eye(3, 4) * 1e-14),
            Mistake("1e-14 larger", lambda: form(SCORES) * (1 + 1e-14)),
        ],
    )


def large(name, form, on_paper):
    def stable():
        with np.errstate(over="raise", invalid="raise"):
            return form(LARGE)

    def unshifted():
        with np.errstate(over="ignore", invalid="ignore"):
            return np.exp(LARGE) / np.sum(np.exp(LARGE))

    return Quantity(
        f"{name}: scores of 1000",
        stable,
        [Reference("analytic", on_paper, rtol=4e-15, reason=VALUES)],
        [
            Mistake("without the shift", unshifted),
            Mistake("1e-14 larger", lambda: stable() * (1 + 1e-14)),
        ],
    )


def derivative(name, form, on_paper, other):
    return Quantity(
        f"{name}: gradient of a weighed sum of the probabilities",
        lambda: gradient(form),
        [
            Reference(
                "analytic",
                on_paper,
                atol=4e-9,
                reason="truncation h^2 |f'''| / 6 with weights and third derivatives of 2 at most: 3e-9; "
                "rounding 1e-11",
            ),
            Reference(
                "approx_fprime",
                lambda: approx_gradient(weighed(form), SCORES),
                atol=2e-7,
                reason="its forward step 1.5e-8: truncation 1.5e-8, rounding of 3, 4e-16 and its sum's, over the "
                "step: 1e-7",
            ),
        ],
        [
            Mistake("the other form", lambda: gradient(other)),
            Mistake("the sign", lambda: -gradient(form)),
            Mistake("1e-6 larger", lambda: gradient(form) * (1 + 1e-6)),
        ],
    )


ODDS = 1 / (1 + math.exp(-1))

case = Case(
    "4.2",
    "The softmax, by row and as printed",
    [
        values("by row", softmax, by_row, softmax_whole_array),
        values("as printed", softmax_whole_array, by_whole_array, softmax),
        Quantity(
            "one sample: either form",
            lambda: [softmax(ROW), softmax_whole_array(ROW)],
            [Reference("analytic", by_row([ROW]) * 2, rtol=4e-15, reason=VALUES)],
            [Mistake("not normalised", lambda: [np.exp(ROW)] * 2)],
        ),
        Quantity(
            "by row: along the last of three axes",
            lambda: softmax(np.stack([SCORES, -SCORES])),
            [Reference("analytic", [by_row(SCORES), by_row(-SCORES)], rtol=4e-15, reason=VALUES)],
            [
                Mistake(
                    "along the second",
                    lambda: np.exp(SCORES) / np.exp(SCORES).sum(axis=0) * np.ones((2, 1, 1)),
                )
            ],
        ),
        large("by row", softmax, [[ODDS, 1 - ODDS, 0.0]] * 2),
        large("as printed", softmax_whole_array, [[ODDS, 1 - ODDS, 0.0], [0.0, 0.0, 0.0]]),
        derivative("by row", softmax, row_gradient, softmax_whole_array),
        derivative("as printed", softmax_whole_array, whole_gradient, softmax),
    ],
    claim=(
        "The softmax turns scores into probabilities; the largest score is taken off so that exp does not "
        "overflow."
    ),
    wrong=(
        "It divides by the sum over the whole array: of a batch the probabilities add up to 1 together, "
        "not row by row."
    ),
)
