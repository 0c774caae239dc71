"""Gradient descent on x0^2 + x1^2 from (-3, 4): the printed end; learning rates too large and too small."""

import numpy as np

from gradcheck.cases import Case, Figure, Mistake, Quantity, Reference
from gradcheck.textbook import gradient_descent
from reference import analytic, published

START, END = published.DESCENT_START.value, published.DESCENT_END
STEPS = 100


def f(x):
    return x[0] ** 2 + x[1] ** 2


def descend(lr=0.1, steps=STEPS):
    return gradient_descent(f, START, lr=lr, step_num=steps)


def start_afterwards():
    start = START.copy()
    gradient_descent(f, start, lr=0.1, step_num=STEPS, history=True)
    return start


def distance(lr):
    """How far from the minimum the descent ends, in units of the distance at the start."""
    return np.linalg.norm(descend(lr)) / np.linalg.norm(START)


def draw_path(figure):
    path = gradient_descent(f, START, lr=0.1, step_num=STEPS, history=True)[1]
    axes = figure.add_subplot(xlabel="$x_0$", ylabel="$x_1$", title="Descent from (-3, 4), lr 0.1, 100 steps")
    grid = np.meshgrid(np.linspace(-5, 5, 101), np.linspace(-5, 5, 101))
    axes.contour(*grid, f(grid), levels=[1, 4, 9, 16, 25], colors="0.75", linewidths=0.8)
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.axvline(0, color="0.5", linewidth=0.8)
    axes.plot(*path.T, "o-", markersize=4, linewidth=0.8)
    axes.set_aspect("equal")


case = Case(
    "4.1",
    "Gradient descent on x0^2 + x1^2 from (-3, 4)",
    [
        Quantity(
            "x after 100 steps, lr 0.1",
            descend,
            [
                Reference(
                    "published",
                    END.value,
                    atol=END.half_unit,
                    reason="half a unit of the ninth digit, the last that the chapter prints",
                ),
                Reference(
                    "analytic",
                    analytic.sum_of_squares_descent(START, 0.1, STEPS),
                    rtol=1e-10,
                    reason="each step multiplies x by 0.8; rounding of f over h adds some 1e-12, relative",
                ),
            ],
            [
                Mistake("uphill", lambda: analytic.sum_of_squares_descent(START, -0.1, STEPS)),
                Mistake("one step too few", lambda: descend(steps=STEPS - 1)),
                Mistake("lr 0.1 % too large", lambda: descend(lr=0.1001)),
            ],
        ),
        Quantity(
            "start afterwards",
            start_afterwards,
            [Reference("the start", START, reason="the caller's array is left alone, bit for bit")],
            [Mistake("changed, as printed for the plot", descend)],
        ),
        Quantity(
            "|x| / |start|, lr 1.1",
            lambda: distance(1.1),
            [
                Reference(
                    "diverges",
                    1e6,
                    kind="at_least",
                    reason="each step multiplies x by -1.2: 1.2^100 = 8e7; any rate above 1 is too large",
                )
            ],
            [Mistake("a rate that converges", lambda: distance(0.1))],
        ),
        Quantity(
            "|x| / |start|, lr 1e-10",
            lambda: distance(1e-10),
            [
                Reference(
                    "hardly moves",
                    1 - 2e-8,
                    atol=1e-12,
                    reason="100 steps take off 2e-10 each; rounding of the gradient is far less than that",
                )
            ],
            [Mistake("a rate that converges", lambda: distance(0.1)), Mistake("no step", lambda: 1.0)],
        ),
    ],
    figures=[
        Figure(
            "path",
            draw_path,
            alt="The points of the descent from (-3, 4): on a straight line to the origin, ever closer.",
        )
    ],
)
