"""The central difference of 0.01 x^2 + 0.1 x: the printed 0.1999999999990898 at x = 5."""

import gradcheck
from gradcheck.cases import Case, Mistake, Quantity, Reference
from gradcheck.mutations import ALL_NEGATED, all_scaled
from gradcheck.textbook import numerical_diff
from reference import analytic, published
from reference.scipy_oracle import approx_gradient

H = 1e-4


def parabola(x):
    return 0.01 * x**2 + 0.1 * x


def derivative(x, published_references=()):
    def difference():
        return numerical_diff(parabola, x)

    return Quantity(
        f"f'({x})",
        difference,
        [
            *published_references,
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


case = Case(
    "3.2",
    "The central difference of 0.01 x^2 + 0.1 x",
    [
        derivative(
            5,
            [
                Reference(
                    "published",
                    published.PARABOLA_DERIVATIVE.value,
                    atol=1.2e-12,
                    reason="two units in the last place of f(5) = 0.75, if a platform's power rounds "
                    "otherwise: 2.2e-16, over 2h",
                )
            ],
        ),
        derivative(10),
    ],
)
