"""Gradient descent on x0^2 + x1^2 from (-3, 4): the printed end, the path; learning rates too large and too small.

The same descent is driven by SciPy's gradient, and one on another function by that on paper.
"""

import numpy as np

from gradcheck.cases import Case, Figure, Mistake, Quantity, Reference
from gradcheck.textbook import gradient_descent
from reference import analytic, published
from reference.scipy_oracle import approx_gradient

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


def driven_by(gradient):
    """Where 100 steps along another gradient end."""
    x = START.copy()
    for _ in range(STEPS):
        x = x - 0.1 * gradient(x)
    return x


def one_sided(x, h=1e-4):
    """Forward differences of the chapter's step."""
    return np.array([(f(x + step) - f(x)) / h for step in h * np.eye(2)])


def path(lr=0.1):
    """Every x, in units of (-3, 4) 0.8^k."""
    points = gradient_descent(f, START, lr=lr, step_num=STEPS, history=True)[1]
    return points / (START * 0.8 ** np.arange(STEPS + 1)[:, None])[: len(points)]


# A function that is no sum of squares: each step depends on the one before.
BANANA_START = (-1.0, 0.5)


def banana(x):
    return (1 - x[0]) ** 2 + (x[1] - x[0] ** 2) ** 2


def banana_gradient(x):
    """On paper."""
    inner = x[1] - x[0] ** 2
    return np.array([-2 * (1 - x[0]) - 4 * x[0] * inner, 2 * inner])


def banana_path(gradient, rates=(0.1,) * 10):
    """Ten steps along a gradient from outside."""
    points = [np.array(BANANA_START)]
    for rate in rates:
        points.append(points[-1] - rate * gradient(points[-1]))
    return points


def banana_descent(lr=0.1):
    return gradient_descent(banana, BANANA_START, lr=lr, step_num=10, history=True)[1]


def draw_path(figure):
    path = gradient_descent(f, START, lr=0.1, step_num=STEPS, history=True)[1]
    axes = figure.add_subplot(xlabel="$x_0$", ylabel="$x_1$", title="Descent from (-3, 4), lr 0.1, 100 steps")
    grid = np.meshgrid(np.linspace(-5, 5, 101), np.linspace(-5, 5, 101))
    axes.contour(*grid, f(grid), levels=[1, 4, 9, 16, 25], colors="0.75", linewidths=0.8)
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.axvline(0, color="0.5", linewidth=0.8)
    axes.plot(*path.T, "o-", markersize=4, linewidth=0.8)
    axes.set_aspect("equal")


def draw_rates(figure):
    axes = figure.add_subplot(
        xlabel="step", ylabel="|x| / |start|", title="One rate that works, and two that fail"
    )
    for lr, style, said in ((1.1, "--", ": too large"), (1e-10, ":", ": too small"), (0.1, "-", "")):
        points = gradient_descent(f, START, lr=lr, step_num=STEPS, history=True)[1]
        sizes = np.linalg.norm(points, axis=1) / np.linalg.norm(START)
        axes.semilogy(sizes, style, label=f"lr {lr:g}{said}")
    axes.legend()


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
                Reference(
                    "approx_fprime",
                    lambda: driven_by(lambda x: approx_gradient(f, x)),
                    atol=1.6e-8,
                    reason="a descent by SciPy's gradient ends where that is 0: forward differences of step 1.5e-8 "
                    "find the minimum half a step away, 7.5e-9; twice that",
                ),
            ],
            [
                Mistake("uphill", lambda: analytic.sum_of_squares_descent(START, -0.1, STEPS)),
                Mistake("one step too few", lambda: descend(steps=STEPS - 1)),
                Mistake("lr 1e-9 larger", lambda: descend(lr=0.1 + 1e-9)),
                Mistake("one-sided, h = 1e-4", lambda: driven_by(one_sided)),
            ],
        ),
        Quantity(
            "path of 100 steps, in units of (-3, 4) 0.8^k",
            path,
            [
                Reference(
                    "analytic",
                    np.ones((STEPS + 1, 2)),
                    atol=1e-10,
                    reason="each step multiplies x by 0.8; rounding of f over h adds some 1e-12, relative",
                )
            ],
            [
                Mistake("without the end, as printed", lambda: path()[:-1]),
                Mistake("lr 1e-9 larger", lambda: path(lr=0.1 + 1e-9)),
                Mistake("one step late", lambda: path()[[0, *range(STEPS)]] / 0.8),
            ],
        ),
        Quantity(
            "x after the default 100 steps of the default lr 0.01",
            lambda: gradient_descent(f, START),
            [
                Reference(
                    "analytic",
                    analytic.sum_of_squares_descent(START, 0.01, 100),
                    rtol=1e-10,
                    reason="(-3, 4) times 0.98^100; rounding of f over h, as above",
                )
            ],
            [
                Mistake("lr 1e-9 larger", lambda: gradient_descent(f, START, lr=0.01 + 1e-9)),
                Mistake("101 steps", lambda: gradient_descent(f, START, step_num=101)),
            ],
        ),
        Quantity(
            "path of ten steps on (1 - x0)^2 + (x1 - x0^2)^2",
            banana_descent,
            [
                Reference(
                    "analytic",
                    lambda: banana_path(banana_gradient),
                    atol=2e-8,
                    reason="truncation h^2 |f'''| / 6 with f''' = 24 x0: 4e-8, times lr 0.1, while the path turns; "
                    "then it converges",
                ),
                Reference(
                    "approx_fprime",
                    lambda: banana_path(lambda x: approx_gradient(banana, x)),
                    atol=1e-7,
                    reason="its forward step 1.5e-8 times f'' / 2 up to 7: 1e-7, times lr 0.1, in each of ten steps",
                ),
            ],
            [
                Mistake(
                    "the gradient at the start, again and again",
                    lambda: banana_path(lambda _: banana_gradient(BANANA_START)),
                ),
                Mistake(
                    "a rate that decays by 1e-6 a step",
                    lambda: banana_path(banana_gradient, 0.1 * (1 - 1e-6) ** np.arange(10)),
                ),
                Mistake("lr 0.100001", lambda: banana_descent(lr=0.100001)),
            ],
        ),
        Quantity(
            "path of no step",
            lambda: gradient_descent(f, START, step_num=0, history=True)[1],
            [Reference("the start alone", [START], reason="nothing is computed")],
            [Mistake("one step", lambda: gradient_descent(f, START, lr=0.1, step_num=1, history=True)[1])],
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
    claim=(
        "100 steps x - lr grad with lr = 0.1 lead from (-3, 4) to (-6.1e-10, 8.1e-10); a rate too large "
        "passes the lowest place, one too small converges to some local value."
    ),
    wrong="The form that keeps the path moves the caller's starting point. A rate too small converges to nothing here: "
    "it hardly moves.",
    figures=[
        Figure(
            "path",
            draw_path,
            alt="The points of the descent from (-3, 4): on a straight line to the origin, ever closer.",
            source="img_04: the same points and axes, without the circles of equal height.",
        ),
        Figure(
            "rates",
            draw_rates,
            alt="The distance from the minimum over 100 steps: at lr 0.1 it falls to 2e-10 of that at the start, at "
            "1.1 it grows to 8e7 times it, at 1e-10 it stays.",
        ),
    ],
)
