"""The cross entropy: the printed losses, the gradient, the mean over a batch, soft targets, and the curve log(1/x)."""

import math

import numpy as np

import gradcheck
from gradcheck.cases import Case, Figure, Mistake, Quantity, Reference
from gradcheck.mutations import ALL_NEGATED, SHIFTED
from gradcheck.textbook import (
    cross_entropy,
    cross_entropy_error,
    cross_entropy_label,
    cross_entropy_label_published,
    cross_entropy_onehot,
    cross_entropy_published,
    numerical_gradient,
)
from reference import analytic, published, symbolic
from reference.scipy_oracle import approx_gradient

Y1, Y2, T = published.OUTPUT_1.value, published.OUTPUT_2.value, published.TARGET.value
# Not y1 itself for the gradient: it holds zeros, and y - h would leave the domain of the logarithm.
INSIDE = (Y1 + 0.01) / 1.1
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
            Reference("analytic", -math.log(probability + 1e-7), rtol=4 * ULP, reason=ONE_TERM),
        ],
        [
            Mistake("the sign", lambda: np.sum(T * np.log(y + 1e-7))),
            Mistake("no delta", lambda: -math.log(probability)),
            Mistake("delta 1e-8", lambda: -np.sum(T * np.log(y + 1e-8))),
            Mistake("log to base 2", lambda: -np.sum(T * np.log2(y + 1e-7))),
            Mistake("no logarithm", lambda: -np.sum(T * y)),
        ],
    )


def gradient():
    return numerical_gradient(lambda y: cross_entropy_error(y, T), INSIDE.copy())


# Three samples of four classes: a mean over classes is not one over samples.
THREE = np.array([[0.1, 0.2, 0.3, 0.4], [0.6, 0.15, 0.15, 0.1], [0.25, 0.5, 0.05, 0.2]])
THREE_LABELS = np.array([2, 0, 3])
THREE_ONEHOT = np.eye(4)[THREE_LABELS]
SOFT = np.array([[0.5, 0.5, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4], [0.0, 0.25, 0.0, 0.75]])


def on_paper(y, t, *, inside=1e-7, outside=0.0):
    """-sum t (log(y + inside) + outside) / N, term by term."""
    terms = [
        share * (math.log(p + inside) + outside)
        for row, targets in zip(y, t, strict=True)
        for p, share in zip(row, targets, strict=True)
        if share
    ]
    return -math.fsum(terms) / len(y)


def mean_loss(name, function, targets, onehot, wrong):
    """A form of the mean loss on three samples; the same of the first alone."""
    corrected = {} if "printed" not in name else {"inside": 0.0, "outside": 1e-7}
    return Quantity(
        f"mean, {name}; and of one sample",
        lambda: [function(THREE, targets), function(THREE[0], targets[0])],
        [
            Reference(
                "analytic",
                [on_paper(THREE, onehot, **corrected), on_paper(THREE[:1], onehot[:1], **corrected)],
                rtol=4 * ULP,
                reason=MEAN,
            )
        ],
        [
            Mistake("the sum", lambda: [3 * function(THREE, targets), function(THREE[0], targets[0])]),
            Mistake(
                "the mean over classes",
                lambda: [0.75 * function(THREE, targets), function(THREE[0], targets[0])],
            ),
            Mistake(
                "1e-14 larger",
                lambda: [(1 + 1e-14) * function(THREE, targets), function(THREE[0], targets[0])],
            ),
            *wrong,
        ],
    )


def other_delta(**deltas):
    """delta elsewhere, or another one."""
    return lambda: [on_paper(THREE, THREE_ONEHOT, **deltas), on_paper(THREE[:1], THREE_ONEHOT[:1], **deltas)]


OUTSIDE = Mistake("delta outside of the logarithm", other_delta(inside=0.0, outside=1e-7))
INSIDE_DELTA = Mistake("delta inside of the logarithm", other_delta())
NO_DELTA = Mistake("no delta", other_delta(inside=0.0))
LARGEST_ENTRY = Mistake(
    "the largest entry for the label, as printed",
    lambda: [cross_entropy_published(THREE, SOFT), cross_entropy_published(THREE[0], SOFT[0])],
)
LARGEST = np.eye(4)[SOFT.argmax(axis=1)]


def soft_gradient():
    return numerical_gradient(lambda y: cross_entropy(y, SOFT), THREE.copy())


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
                *(
                    Reference("SymPy", slopes, atol=4e-8, reason="as of the analytic value")
                    for slopes in symbolic.gradients(
                        lambda y: -sum(t * symbolic.log(p + 1e-7) for t, p in zip(T, y, strict=True)),
                        INSIDE,
                    )
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
        mean_loss("one-hot targets", cross_entropy_onehot, THREE_ONEHOT, THREE_ONEHOT, [OUTSIDE, NO_DELTA]),
        mean_loss("labels", cross_entropy_label, THREE_LABELS, THREE_ONEHOT, [OUTSIDE, NO_DELTA]),
        mean_loss("either: one-hot", cross_entropy, THREE_ONEHOT, THREE_ONEHOT, [OUTSIDE]),
        mean_loss("either: labels", cross_entropy, THREE_LABELS, THREE_ONEHOT, [OUTSIDE]),
        mean_loss("soft targets", cross_entropy_onehot, SOFT, SOFT, [LARGEST_ENTRY]),
        mean_loss("either: soft", cross_entropy, SOFT, SOFT, [LARGEST_ENTRY]),
        mean_loss(
            "labels, as printed",
            cross_entropy_label_published,
            THREE_LABELS,
            THREE_ONEHOT,
            [INSIDE_DELTA, NO_DELTA],
        ),
        mean_loss(
            "either, as printed: labels",
            cross_entropy_published,
            THREE_LABELS,
            THREE_ONEHOT,
            [INSIDE_DELTA, NO_DELTA],
        ),
        mean_loss(
            "either, as printed: one-hot", cross_entropy_published, THREE_ONEHOT, THREE_ONEHOT, [INSIDE_DELTA]
        ),
        mean_loss("either, as printed: the largest of soft ones", cross_entropy_published, SOFT, LARGEST, []),
        Quantity(
            "one sample, soft targets",
            lambda: cross_entropy_error(THREE[1], SOFT[1]),
            [Reference("analytic", on_paper(THREE[1:2], SOFT[1:2]), rtol=4 * ULP, reason=MEAN)],
            [
                Mistake(
                    "the largest entry for the label", lambda: cross_entropy_error(THREE[1], [0, 0, 0, 1])
                ),
                Mistake(
                    "a quarter: the mean over classes", lambda: cross_entropy_error(THREE[1], SOFT[1]) / 4
                ),
            ],
        ),
        Quantity(
            "gradient of the mean by y, soft targets",
            soft_gradient,
            [
                Reference(
                    "analytic",
                    analytic.cross_entropy_gradient(THREE, SOFT),
                    atol=1.2e-6,
                    reason="truncation h^2 |f'''| / 6 = 1e-8 t / (9 y^3): 5.6e-7 where t = 0.5, y = 0.1; twice that",
                ),
                Reference(
                    "approx_fprime",
                    lambda: approx_gradient(lambda y: cross_entropy(y, SOFT), THREE),
                    atol=1.5e-6,
                    reason="its forward step 1.5e-8: truncation 1.5e-8 t / (6 y^2), 1.2e-7; rounding 2e-8; and ours",
                ),
            ],
            [
                Mistake("of the largest entry", lambda: analytic.cross_entropy_gradient(THREE, LARGEST)),
                Mistake("the sum over the batch", lambda: 3 * soft_gradient()),
                Mistake("1e-5 larger", lambda: soft_gradient() * (1 + 1e-5)),
            ],
        ),
    ],
    claim=(
        "-sum t log(y + 1e-7) is 0.51 where the right class has 0.6 and 2.30 where it has 0.1; over a "
        "batch it is the mean, for one-hot targets and for labels."
    ),
    wrong=(
        "The forms for labels add 1e-7 to the logarithm, not to its argument: log 0 stays infinite. The "
        "form for either kind replaces soft targets by their largest entry."
    ),
    figures=[
        Figure(
            "log-reciprocal",
            draw_log_reciprocal,
            alt="The curve y = log(1/x) from x = 0.1 to 1.45: it falls from 2.3 to 0 at x = 1, then below.",
            source="img_01: the same curve, drawn through 28 points, with a dashed line at 0.",
        )
    ],
)
