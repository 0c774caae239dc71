"""The central difference of 0.01 x^2 + 0.1 x: the printed 0.1999999999990898 at x = 5; and the step, by its truncation.

Of a parabola the central difference is exact whatever the step. The step shows where the third derivative is not 0:
x^3 comes out as 3 x^2 + h^2, and sin x as cos x times sin(h) / h.
"""

import math

import numpy as np

import gradcheck
from gradcheck.cases import Case, Figure, Mistake, Quantity, Reference
from gradcheck.mutations import ALL_NEGATED, all_scaled
from gradcheck.textbook import numerical_diff
from reference import analytic, published, symbolic
from reference.scipy_oracle import approx_gradient

H = 1e-4


def parabola(x):
    return 0.01 * x**2 + 0.1 * x


def derivative(x):
    def difference():
        return numerical_diff(parabola, x)

    return Quantity(
        f"f'({x})",
        difference,
        [
            Reference(
                "analytic",
                analytic.parabola_derivative(x),
                atol=1e-11,
                reason="no truncation for a parabola; rounding of f near 1, some 1e-16, over h = 1e-4",
            ),
            Reference(
                "approx_fprime",
                lambda: approx_gradient(lambda v: parabola(v[0]), [x])[0],
                atol=5e-8,
                reason="its forward step 1.5e-8: rounding of f near 1, some 1e-16, over the step: 1e-8",
            ),
            *(
                Reference("SymPy", slope, atol=1e-11, reason="as of the analytic value")
                for slope in symbolic.gradients(parabola, x)
            ),
            Reference(
                "gradcheck",
                lambda: gradcheck.derivative(parabola, x),
                atol=1e-11,
                reason="three of its own error bars; and the rounding of the chapter's difference, as above",
            ),
        ],
        [
            Mistake("one-sided", lambda: (parabola(x + H) - parabola(x)) / H),
            Mistake.planted(all_scaled(2.0), difference, x, name="h for 2h"),
            Mistake.planted(ALL_NEGATED, difference, x, name="the sign"),
            Mistake("h = 1e-17", lambda: numerical_diff(parabola, float(x), h=1e-17)),
        ],
    )


def cube(x):
    return x**3


# The third derivative of f(x + h) shows in these as h^2.
STEPS = (1e-1, 1e-2, 1e-3)


def at_steps(f, x):
    """The difference at the default step, and at the three given ones."""
    return [numerical_diff(f, x), *(numerical_diff(f, x, h=h) for h in STEPS)]


def step_of(name, f, x, exact, limit):
    """f at x: exact(h) is what the central difference must give on paper, limit what it tends to."""
    return Quantity(
        f"{name} at {x:g}: steps 1e-4 (the default), 0.1, 0.01, 0.001",
        lambda: at_steps(f, x),
        [
            Reference(
                "analytic",
                [exact(h) for h in (H, *STEPS)],
                atol=4e-12,
                reason="rounding of f near 1, 1.1e-16 and 2.2e-16, over 2h = 2e-4: 1.7e-12 at most; twice that",
            ),
        ],
        [
            Mistake("default 1.01e-4", lambda: [numerical_diff(f, x, h=1.01 * H), *at_steps(f, x)[1:]]),
            Mistake("default 1e-3", lambda: [numerical_diff(f, x, h=1e-3), *at_steps(f, x)[1:]]),
            Mistake("the derivative itself: no truncation", lambda: [limit] * 4),
            Mistake("always the default step", lambda: [numerical_diff(f, x)] * 4),
        ],
    )


def draw_tangents(figure):
    axes = figure.add_subplot(xlabel="x", ylabel="f", title="$f(x) = 0.01 x^2 + 0.1 x$")
    x = np.linspace(0.0, 20.0, 101)
    axes.plot(x, parabola(x), label="f")
    for at, style in ((5, "--"), (10, "-.")):
        slope = numerical_diff(parabola, at)
        (line,) = axes.plot(
            x, parabola(at) + slope * (x - at), style, linewidth=1, label=f"at {at}: {slope!r}"
        )
        axes.plot(at, parabola(at), "o", color=line.get_color())
    axes.legend(title="tangents, by the central difference")


def draw_steps(figure):
    axes = figure.add_subplot(xlabel="step h", ylabel="error of the derivative", title="sin x at 1")
    h, least = np.logspace(-13, 0, 131), 1e-16  # an error of 0 has no place on a logarithmic scale
    one_sided = [(math.sin(1.0 + step) - math.sin(1.0)) / step for step in h]
    central = [numerical_diff(math.sin, 1.0, h=step) for step in h]
    for label, style, slopes in (("f(x + h) - f(x), over h", "--", one_sided), ("central", "-", central)):
        errors = np.abs(np.array(slopes) - math.cos(1.0))
        axes.loglog(h, np.maximum(errors, least), style, linewidth=1, label=label)
    axes.axvline(H, color="0.5", linestyle=":", label="h = 1e-4, the chapter's")
    axes.legend()


case = Case(
    "3.1 and 3.2",
    "The central difference of 0.01 x^2 + 0.1 x, of x^3 and of sin x",
    [
        Quantity(
            "f'(5), all printed digits",
            lambda: numerical_diff(parabola, 5),
            [
                Reference(
                    "published",
                    published.PARABOLA_DERIVATIVE.value,
                    atol=6e-13,
                    reason="one unit in the last place of f(5) = 0.75, if a platform's power rounds otherwise: "
                    "1.1e-16, over 2h = 2e-4: 5.6e-13. The exact 0.2 is 9.1e-13 away",
                )
            ],
            [
                Mistake(
                    "on paper: 0.2, without the rounding of f over h", lambda: analytic.parabola_derivative(5)
                ),
                Mistake("h = 1e-5", lambda: numerical_diff(parabola, 5, h=1e-5)),
            ],
        ),
        derivative(5),
        derivative(10),
        step_of("x^3", cube, 1.0, lambda h: 3.0 + h**2, 3.0),
        step_of("sin x", math.sin, 1.0, lambda h: math.cos(1.0) * math.sin(h) / h, math.cos(1.0)),
        Quantity(
            "entry by entry: x^2 at 1, 2, 3",
            lambda: numerical_diff(np.square, np.array([1.0, 2.0, 3.0])),
            [
                Reference(
                    "analytic",
                    [2.0, 4.0, 6.0],
                    atol=2e-11,
                    reason="rounding of f <= 9, 1.8e-15, over 2h: 9e-12",
                ),
                Reference(
                    "approx_fprime",
                    lambda: approx_gradient(lambda v: np.sum(v**2), [1.0, 2.0, 3.0]),
                    atol=3e-7,
                    reason="its forward step 1.5e-8: truncation 1.5e-8, rounding of 14 over the step: 1.2e-7",
                ),
            ],
            [
                Mistake("one-sided", lambda: [2.0 + H, 4.0 + H, 6.0 + H]),
                Mistake("in another order", lambda: numerical_diff(np.square, np.array([2.0, 3.0, 1.0]))),
            ],
        ),
    ],
    claim=(
        "(f(x + h) - f(x - h)) / 2h with h = 1e-4 gives 0.1999999999990898 for 0.01 x^2 + 0.1 x at 5, "
        "where the derivative is 0.2."
    ),
    figures=[
        Figure(
            "tangents",
            draw_tangents,
            alt="The parabola from 0 to 20 and straight lines that touch it at 5 and at 10, with slopes 0.2 and 0.3.",
        ),
        Figure(
            "steps",
            draw_steps,
            alt="The error against the step: of the one-sided difference it falls with h to 1e-8, of the central one "
            "with h squared to 1e-12, then both rise again as rounding over h. At 1e-4 the central one is off by 1e-9.",
        ),
    ],
)
