"""The partial derivatives of x0^2 + x1^2, one variable held fast, and the surface."""

import numpy as np

import gradcheck
from gradcheck.cases import Case, Figure, Mistake, Quantity, Reference
from gradcheck.mutations import ALL_NEGATED
from gradcheck.textbook import numerical_diff
from reference import analytic, symbolic
from reference.scipy_oracle import approx_gradient

POINT = (3.0, 4.0)


def f(x0, x1):
    return x0**2 + x1**2


def partial(index):
    """Return f as a function of one variable, the other held at its value in POINT."""
    return lambda v: f(*(v if i == index else fixed for i, fixed in enumerate(POINT)))


def derivative(index):
    def difference():
        return numerical_diff(partial(index), POINT[index])

    return Quantity(
        f"df/dx{index} at (3, 4)",
        difference,
        [
            Reference(
                "analytic",
                analytic.sum_of_squares_gradient(POINT)[index],
                atol=1e-10,
                reason="no truncation for a parabola; rounding of f = 25, 3.6e-15, over h = 1e-4: 4e-11",
            ),
            Reference(
                "approx_fprime",
                lambda: approx_gradient(lambda x: f(*x), POINT)[index],
                atol=1e-6,
                reason="its forward step 1.5e-8: rounding of f = 25, 3.6e-15, over the step: 2.4e-7",
            ),
            *(
                Reference("SymPy", slope, atol=1e-10, reason="as of the analytic value")
                for slope in symbolic.gradients(partial(index), POINT[index])
            ),
            Reference(
                "gradcheck",
                lambda: gradcheck.derivative(partial(index), POINT[index]),
                atol=1e-10,
                reason="three of its own error bars; and the rounding of the chapter's difference, as above",
            ),
        ],
        [
            Mistake("the other variable", lambda: numerical_diff(partial(1 - index), POINT[1 - index])),
            Mistake.planted(ALL_NEGATED, difference, POINT[index], name="the sign"),
            Mistake(
                "both move",
                lambda: numerical_diff(lambda v: f(POINT[0] + v, POINT[1] + v), 0.0),
            ),
        ],
    )


def draw_surface(figure):
    x0, x1 = np.meshgrid(np.linspace(-2, 2, 41), np.linspace(-2, 2, 41))
    axes = figure.add_subplot(projection="3d", xlabel="$x_0$", ylabel="$x_1$", zlabel="$f$")
    axes.plot_surface(x0, x1, f(x0, x1), cmap="viridis", linewidth=0)
    axes.set_title("$f(x_0, x_1) = x_0^2 + x_1^2$")
    axes.set(xticks=range(-2, 3), yticks=range(-2, 3), zticks=range(0, 9, 2))
    axes.set_box_aspect(None, zoom=0.95)  # at 1 the label of the vertical axis is cut off


case = Case(
    "3.3",
    "The partial derivatives of x0^2 + x1^2",
    [derivative(0), derivative(1)],
    claim="The partial derivatives of x0^2 + x1^2 have no large error.",
    figures=[
        Figure(
            "surface",
            draw_surface,
            alt="The surface x0^2 + x1^2 for both variables from -2 to 2: a round bowl.",
            source="img_02: the same surface, drawn by SymPy.",
        )
    ],
)
