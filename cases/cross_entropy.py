"""The cross entropy: the two printed losses, the gradient, the mean over a batch, and the curve log(1/x)."""

import math

import numpy as np

import gradcheck
from gradcheck.cases import Case, Figure, Mistake, Quantity, Reference
from gradcheck.mutations import ALL_NEGATED, SHIFTED
from gradcheck.textbook import (
    cross_entropy,
    cross_entropy_error,
    cross_entropy_label,
    cross_entropy_onehot,
    numerical_gradient,
)
from reference import analytic, published
from reference.scipy_oracle import approx_gradient

Y1, Y2, T = published.OUTPUT_1.value, published.OUTPUT_2.value, published.TARGET.value
BATCH = np.array([Y1, Y2])
# Not y1 itself for the gradient: it holds zeros, and y - h would leave the domain of the logarithm.
INSIDE = (Y1 + 0.01) / 1.1
LABELS = np.array([2, 2])
PROBABILITY = [(0, 1)] * T.size

ULP = float(np.finfo(float).eps)
ONE_TERM = "one logarithm of the one entry where t = 1: some units in the last place"
MEAN = "two logarithms and their mean: some units in the last place"


def loss(y, name, printed, probability):
    return Quantity(
        name,
        lambda: cross_entropy_error(y, T),
        [
            Reference("published", printed.value, rtol=4 * ULP, reason=ONE_TERM),
            Reference(
                "-log p",
                -math.log(probability),
                atol=1.1e-7 / probability,
                reason="the delta = 1e-7 inside the logarithm takes off 1e-7 / p",
            ),
        ],
        [
            Mistake("the sign", lambda: np.sum(T * np.log(y + 1e-7))),
            Mistake("log to base 2", lambda: -np.sum(T * np.log2(y + 1e-7))),
            Mistake("no logarithm", lambda: -np.sum(T * y)),
        ],
    )


def gradient():
    return numerical_gradient(lambda y: cross_entropy_error(y, T), INSIDE.copy())


def mean_loss(name, function, targets):
    expected = -(math.log(0.6 + 1e-7) + math.log(0.1 + 1e-7)) / 2
    return Quantity(
        name,
        lambda: function(BATCH, targets),
        [Reference("analytic", expected, rtol=4 * ULP, reason=MEAN)],
        [Mistake("1/N left out", lambda: len(BATCH) * function(BATCH, targets))],
    )


def draw_log_reciprocal(figure):
    x = np.linspace(0.1, 1.45, 200)
    axes = figure.add_subplot(title="y = log(1/x)", xlabel="x", ylabel="y")
    axes.axhline(0, color="0.7", linestyle="--", linewidth=1)
    axes.plot(x, np.log(1 / x))


case = Case(
    "2.2",
    "Cross entropy of one sample and of a batch, and its gradient",
    [
        loss(Y1, "E(y1)", published.CROSS_ENTROPY_1, 0.6),
        loss(Y2, "E(y2)", published.CROSS_ENTROPY_2, 0.1),
        Quantity(
            "dE/dy at (y1 + 0.01) / 1.1",
            gradient,
            [
                Reference(
                    "analytic",
                    analytic.cross_entropy_gradient(INSIDE, T),
                    atol=4e-8,
                    reason="truncation h^2 |f'''| / 6 = 1e-8 (2 / 0.55^3) / 6 = 2e-8 where t = 1; twice that",
                ),
                Reference(
                    "approx_fprime",
                    lambda: approx_gradient(lambda y: cross_entropy_error(y, T), INSIDE),
                    atol=1e-7,
                    reason="its forward step 1.5e-8: truncation 2e-8, rounding over the step 1e-8; and ours",
                ),
                Reference(
                    "gradcheck",
                    lambda: gradcheck.gradient(
                        lambda y: cross_entropy_error(y, T), INSIDE, bounds=PROBABILITY
                    ),
                    atol=4e-8,
                    reason="three of its own error bars; and the truncation of the chapter's difference, as above",
                ),
            ],
            [
                Mistake.planted(ALL_NEGATED, gradient, INSIDE, name="the sign"),
                Mistake.planted(SHIFTED, gradient, INSIDE, name="each entry in the next one's place"),
                Mistake("1/y left out", lambda: -T),
                Mistake("one-sided, h = 1e-4", lambda: -T * np.log1p(1e-4 / (INSIDE + 1e-7)) / 1e-4),
            ],
        ),
        mean_loss("mean, one-hot targets", cross_entropy_onehot, np.array([T, T])),
        mean_loss("mean, labels", cross_entropy_label, LABELS),
        mean_loss("mean, either: one-hot", cross_entropy, np.array([T, T])),
        mean_loss("mean, either: labels", cross_entropy, LABELS),
    ],
    figures=[
        Figure(
            "log-reciprocal",
            draw_log_reciprocal,
            alt="The curve y = log(1/x) from x = 0.1 to 1.45: it falls from 2.3 to 0 at x = 1, then below.",
        )
    ],
)
