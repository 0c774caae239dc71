"""The gradient on a grid of 18 x 18 points, and the arrows of -gradient."""

import numpy as np

import gradcheck
from gradcheck.cases import Case, Figure, Mistake, Quantity, Reference
from gradcheck.mutations import ALL_NEGATED, one_scaled
from gradcheck.textbook import gradient_field, gradient_for_anydim_published
from reference import analytic, published
from reference.scipy_oracle import approx_gradient

GRID = np.meshgrid(published.GRID_AXIS.value, published.GRID_AXIS.value)


def bowl(x):
    return x[0] ** 2 + x[1] ** 2


def coupled(x):
    """A function that is no sum of terms in one variable each."""
    return x[0] ** 2 * x[1]


# Two rows of three points, (4, 1), (4, 2), (4, 3) and (5, 1), (5, 2), (5, 3).
OBLONG = np.array([[4, 4, 4], [5, 5, 5]]), np.array([[1, 2, 3], [1, 2, 3]])


def approximate(f):
    points = np.stack([axis.ravel() for axis in GRID], axis=1)
    return np.array([approx_gradient(f, point) for point in points]).T.reshape(2, 18, 18)


def references(f, exact, largest, scipy_truncation):
    return [
        Reference(
            "analytic",
            exact,
            atol=1e-10,
            reason=f"no third derivative by one variable, so no truncation; rounding of |f| <= {largest} over h",
        ),
        Reference(
            "approx_fprime",
            lambda: approximate(f),
            atol=1e-6,
            reason=f"its forward step 1.5e-8: truncation {scipy_truncation}, rounding over the step 1e-7",
        ),
        Reference(
            "gradcheck",
            lambda: gradcheck.gradient(lambda points: np.sum(f(points)), np.array(GRID)),
            atol=1e-10,
            reason="three of its own error bars, for the sum of f over all points, of which each has its own "
            "two variables; and the rounding of the chapter's difference, as above",
        ),
    ]


def field_of_bowl():
    return np.array(gradient_field(bowl, *GRID))


def draw_field(figure):
    g0, g1 = gradient_field(bowl, *GRID)
    axes = figure.add_subplot(xlabel="$x_0$", ylabel="$x_1$", title="$-$gradient of $x_0^2 + x_1^2$")
    axes.quiver(*GRID, -g0, -g1, np.hypot(g0, g1), cmap="viridis")
    # The chapter's cut: the arrows at 2.25 are computed, and not shown.
    axes.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal")
    axes.grid(alpha=0.3)


case = Case(
    "4",
    "The gradient field on the grid of 18 x 18 points",
    [
        Quantity(
            "grid",
            lambda: gradient_field(bowl, *GRID)[0].shape,
            [Reference("published", (18, 18), reason="a count: from -2 to 2.25 in steps of 0.25, both ways")],
            [Mistake("flattened", lambda: (324,))],
        ),
        Quantity(
            "field of x0^2 + x1^2",
            field_of_bowl,
            references(bowl, analytic.sum_of_squares_gradient(GRID), "10.1", "1.5e-8"),
            [
                Mistake.planted(ALL_NEGATED, field_of_bowl, np.array(GRID), name="the sign"),
                Mistake("x0 and x1 exchanged", lambda: field_of_bowl()[::-1]),
                Mistake.planted(one_scaled(1.001), field_of_bowl, np.array(GRID), name="one entry 0.1 % off"),
            ],
        ),
        Quantity(
            "field of x0^2 x1",
            lambda: np.array(gradient_field(coupled, *GRID)),
            references(coupled, [2 * GRID[0] * GRID[1], GRID[0] ** 2], "11.4", "3.4e-8"),
            [
                Mistake("each row taken for one point, as printed", lambda: row_by_row()),
            ],
        ),
        Quantity(
            "field of x0^2 x1 on 2 x 3 points, given as integers",
            lambda: np.array(gradient_field(coupled, *OBLONG)),
            [
                Reference(
                    "analytic",
                    [[[8, 16, 24], [10, 20, 30]], [[16, 16, 16], [25, 25, 25]]],
                    atol=2e-10,
                    reason="2 x0 x1 and x0^2; rounding of |f| <= 75, 1.4e-14, over 2h: 7e-11",
                )
            ],
            [
                Mistake("transposed", lambda: np.array(gradient_field(coupled, *OBLONG)).reshape(2, 3, 2)),
                Mistake("read by columns", lambda: by_columns(gradient_field(coupled, *OBLONG))),
                Mistake("1e-9 off", lambda: np.array(gradient_field(coupled, *OBLONG)) + 1e-9),
            ],
        ),
    ],
    claim=(
        "Arrows of minus the gradient point to the lowest place, and are the longer the farther they are "
        "from it."
    ),
    wrong=(
        "Each row of the array of points is taken for one point: right for a sum of squares, wrong for "
        "any function that couples its coordinates."
    ),
    figures=[
        Figure(
            "arrows",
            draw_field,
            alt="Arrows of minus the gradient on a grid of 18 x 18 points, cut at 2 in both directions: all "
            "point to the "
            "origin, and they are the shorter the nearer they are to it.",
            source="img_03: the same arrows, grid and cut, in one colour.",
        )
    ],
)


def by_columns(field):
    return np.array([np.ravel(part, order="F").reshape(part.shape) for part in field])


def row_by_row():
    rows = np.array([axis.ravel() for axis in GRID])
    return gradient_for_anydim_published(lambda row: np.sum(row**2 * row[::-1]), rows).reshape(2, 18, 18)
