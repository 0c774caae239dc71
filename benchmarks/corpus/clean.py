"""The smooth problems: hand-written functions, and those of SciPy."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from benchmarks.corpus import losses, smooth
from benchmarks.corpus.model import Problem, analytic

SEED = 20240


def problems() -> list[Problem]:
    """Every clean problem that needs no library but SciPy; n from 1 to 1,000."""
    return [*_of_one_variable(), *_of_vectors(), *_of_data(), *_of_matrices(), *_large()]


def _rng(tag: int) -> np.random.Generator:
    return np.random.default_rng([SEED, tag])


def positive_definite(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a symmetric matrix with eigenvalues above 1."""
    half = rng.normal(size=(n, n)) / np.sqrt(n)
    return half @ half.T + np.eye(n)


def labelled(
    rows: int, features: int, classes: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw inputs and class labels."""
    return rng.normal(size=(rows, features)), rng.integers(classes, size=rows)


def weights(features: int, hidden: int, classes: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw the parameters of a two-layer network."""
    return {
        "W1": rng.normal(size=(features, hidden)) / np.sqrt(features),
        "b1": 0.1 * rng.normal(size=hidden),
        "W2": rng.normal(size=(hidden, classes)) / np.sqrt(hidden),
        "b2": 0.1 * rng.normal(size=classes),
    }


def _of_one_variable() -> list[Problem]:
    each = smooth.elementwise
    return [
        analytic("exp, n=1", each(np.exp, np.exp), np.array([0.7])),
        analytic("square at 1e6, n=1", each(lambda x: x**2, lambda x: 2 * x), np.array([1e6])),
        analytic("x^7 - x, n=1", each(lambda x: x**7 - x, lambda x: 7 * x**6 - 1), np.array([-1.3])),
        analytic("straight line, n=1", each(lambda x: 3 * x + 2, lambda x: 0 * x + 3), np.array([0.4])),
        analytic(
            "Runge, n=1",
            each(lambda x: 1 / (1 + 25 * x**2), lambda x: -50 * x / (1 + 25 * x**2) ** 2),
            np.array([0.15]),
        ),
        analytic(
            "softplus, n=1",
            each(lambda x: np.log1p(np.exp(x)), lambda x: 1 / (1 + np.exp(-x))),
            np.array([-4.0]),
        ),
        analytic(
            "Gaussian tail, f = 1e-28, n=2",
            each(lambda x: np.exp(-(x**2)), lambda x: -2 * x * np.exp(-(x**2))),
            np.array([8.0, 8.1]),
        ),
        analytic("logistic map, 6 rounds, n=2", smooth.logistic_map(6), np.array([3.2, 0.3])),
    ]


def _of_vectors() -> list[Problem]:
    rng, each = _rng(1), smooth.elementwise
    n10, n20 = rng.normal(size=10), rng.normal(size=20)
    return [
        analytic("sum of sines, n=10", each(np.sin, np.cos), n10),
        analytic(
            "sum of exponentials, n=20", each(lambda x: np.exp(2 * x), lambda x: 2 * np.exp(2 * x)), n20
        ),
        analytic("sum of logarithms, n=10", each(np.log, lambda x: 1 / x), np.exp(n10)),
        analytic("sum of x^0.7, n=10", each(lambda x: x**0.7, lambda x: 0.7 * x**0.7 / x), np.exp(n10)),
        analytic(
            "rational, n=10",
            each(lambda x: (1 + x) / (1 + x**2), lambda x: (1 - 2 * x - x**2) / (1 + x**2) ** 2),
            n10,
        ),
        analytic(
            "entropy, n=20",
            each(lambda x: x * np.log(x), lambda x: np.log(x) + 1),
            rng.dirichlet(np.ones(20)),
        ),
        analytic("norm, n=3", smooth.norm(), np.array([3.0, -4.0, 12.0])),
        analytic("norm, n=50", smooth.norm(), rng.normal(size=50)),
        analytic("p-norm, n=10", smooth.p_norm(3.5), np.exp(n10)),
        analytic("log-sum-exp, n=5", smooth.logsumexp(), 3 * rng.normal(size=5)),
        analytic("log-sum-exp, n=100", smooth.logsumexp(), 3 * rng.normal(size=100)),
        analytic("divergence, n=20", smooth.divergence(rng.dirichlet(np.ones(20))), n20),
        analytic("scipy rosen, n=2", (optimize.rosen, optimize.rosen_der), np.array([-1.2, 1.0])),
        analytic("scipy rosen, n=10", (optimize.rosen, optimize.rosen_der), 1 + 0.3 * n10),
        analytic("Rosenbrock pairs, a=1e4, n=20", smooth.rosenbrock_chain(1e4), 1 + 0.3 * n20),
        analytic("Himmelblau, n=2", smooth.himmelblau(), np.array([1.5, -2.5])),
        analytic("Beale, n=2", smooth.beale(), np.array([1.0, 1.3])),
        analytic("Powell, n=4", smooth.powell(), np.array([3.0, -1.0, 0.5, 1.0])),
        analytic("Ackley, smoothed, n=10", smooth.ackley_like(), n10),
        analytic("Griewank, n=5", smooth.griewank_like(), n10[:5]),
        analytic("coupled chain, n=30", smooth.coupled_chain(), rng.normal(size=30)),
        analytic("only three of ten matter, n=10", smooth.first_few(3), n10, note="seven zero entries"),
        analytic("gradient over nine decades, n=10", smooth.weighted_powers(10.0 ** -np.arange(10)), n10),
        analytic("van der Pol, Runge-Kutta, n=3", smooth.oscillator(), np.array([1.0, 0.5, 1.2])),
    ]


def _of_data() -> list[Problem]:
    rng = _rng(2)
    A, b = rng.normal(size=(30, 8)), rng.normal(size=30)
    y = np.where(rng.random(40) < 0.5, -1.0, 1.0)
    X10, counts = rng.normal(size=(40, 10)), rng.poisson(2.0, size=40).astype(float)
    times = np.linspace(0.0, 4.0, 25)
    inputs, labels = labelled(20, 5, 3, rng)
    net = weights(5, 4, 3, rng)
    stretched = np.diag(10.0 ** np.linspace(0, 8, 20))
    return [
        analytic("quadratic, n=3", smooth.quadratic(positive_definite(3, rng), b[:3]), rng.normal(size=3)),
        analytic("quadratic, n=30", smooth.quadratic(positive_definite(30, rng), b), rng.normal(size=30)),
        analytic("quadratic, condition 1e8, n=20", smooth.quadratic(stretched, b[:20]), rng.normal(size=20)),
        analytic("least squares, n=8", losses.least_squares(A, b), rng.normal(size=8)),
        analytic(
            "exponential decay fit, n=3", losses.decay_fit(times, np.exp(-times)), np.array([1.3, 0.8, 0.1])
        ),
        analytic("Student loss, n=8", losses.student(A, b), rng.normal(size=8)),
        analytic("logistic regression, n=10", losses.logistic_regression(X10, y, 0.1), rng.normal(size=10)),
        analytic(
            "Poisson regression, n=10", losses.poisson_regression(X10, counts), 0.3 * rng.normal(size=10)
        ),
        analytic(
            "softmax regression, n=15", losses.softmax_regression(inputs, labels), rng.normal(size=(5, 3))
        ),
        analytic("tanh network, n=39", losses.network(inputs, labels), net, note="a dict of four arrays"),
        analytic("Gaussian likelihood, n=2", losses.gaussian(b), np.array([0.3, -0.2])),
        analytic("mixture likelihood, n=5", losses.mixture(b), np.array([-1.0, 0.8, 0.1, -0.3, 0.4])),
    ]


def _of_matrices() -> list[Problem]:
    rng = _rng(3)
    square = rng.normal(size=(5, 5))
    atoms = np.array([[0, 0, 0], [1.2, 0, 0], [0, 1.1, 0.3], [0.4, 0.5, 1.3]]) + 0.05 * rng.normal(
        size=(4, 3)
    )
    factors = {"U": rng.normal(size=(6, 2)), "V": rng.normal(size=(5, 2))}
    return [
        analytic("trace of X^3, 5 x 5", smooth.trace_cube(), square),
        analytic("tanh of a bilinear form, 5 x 5", smooth.bilinear_tanh(square[0], square[1]), square),
        analytic("orthogonality, 6 x 4", smooth.orthogonality(), rng.normal(size=(6, 4)) / 2),
        analytic(
            "softmax regression, 4 x 4", losses.softmax_regression(*labelled(15, 4, 4, rng)), square[:4, :4]
        ),
        analytic("factorisation, n=22", losses.factorisation(rng.normal(size=(6, 5))), factors),
        analytic("Lennard-Jones, 4 atoms", smooth.lennard_jones(), atoms),
    ]


def _large() -> list[Problem]:
    rng = _rng(4)
    X100, y100 = rng.normal(size=(200, 100)), np.where(rng.random(200) < 0.5, -1.0, 1.0)
    inputs, labels = labelled(16, 30, 10, rng)
    net = weights(30, 24, 10, rng)
    vector = np.concatenate([leaf.ravel() for leaf in net.values()])
    return [
        analytic("scipy rosen, n=100", (optimize.rosen, optimize.rosen_der), 1 + 0.3 * rng.normal(size=100)),
        analytic(
            "scipy rosen, n=1000", (optimize.rosen, optimize.rosen_der), 1 + 0.3 * rng.normal(size=1000)
        ),
        analytic(
            "logistic regression, n=100",
            losses.logistic_regression(X100, y100, 1.0),
            rng.normal(size=100) / 10,
        ),
        analytic("smoothed variation, n=200", smooth.roughness(0.1), rng.normal(size=200)),
        analytic("log-sum-exp, n=1000", smooth.logsumexp(), rng.normal(size=1000)),
        analytic("tanh network, flat, n=994", losses.flat_network(inputs, labels, net), vector),
    ]
