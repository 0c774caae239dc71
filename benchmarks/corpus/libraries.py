"""Functions and gradients as scikit-learn, statsmodels and scipy.special have them.

Their gradients are judged as they are. The truth comes from formulas written here for extended precision (by the
complex step), or from mpmath; it shares no code with the library.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
from scipy import special

from benchmarks.corpus.model import Problem, complex_step, flat, like

Array = np.ndarray


def problems() -> list[Problem]:
    """Every library problem; ImportError names the library that is missing."""
    return [*_special(), *_sklearn_losses(), *_gaussian_processes(), *_statsmodels()]


def by_mpmath(f: Callable[[list[Any]], Any], x: Array) -> Array:
    """Differentiate `f`, written for mpmath numbers, with 40 digits."""
    with mpmath.workdps(40):
        point = [mpmath.mpf(float(v)) for v in flat(x)]
        slopes = [
            mpmath.diff(lambda t, i=i: f([*point[:i], t, *point[i + 1 :]]), point[i])
            for i in range(len(point))
        ]
        return like(x, np.array([float(s) for s in slopes]))


def _problem(name: str, f: Any, grad: Any, x: Array, true: Array) -> Problem:
    """Make a problem whose truth was computed apart from the library: its gradient is the witness."""
    return Problem(name, "clean", f, grad, x, true, lambda: grad(x))


def _special() -> list[Problem]:
    x = np.array([0.7, 1.9, 4.2])
    data = np.array([0.2, 0.35, 0.6, 0.55])

    def beta_loss(p: Array) -> float:
        a, b = p
        terms = (a - 1) * np.log(data) + (b - 1) * np.log1p(-data)
        return float(data.size * special.betaln(a, b) - np.sum(terms))

    def beta_grad(p: Array) -> Array:
        a, b = p
        both = special.digamma(a + b)
        return np.array(
            [
                data.size * (special.digamma(a) - both) - np.sum(np.log(data)),
                data.size * (special.digamma(b) - both) - np.sum(np.log1p(-data)),
            ]
        )

    def beta_mp(p: list[Any]) -> Any:
        terms = [
            (p[0] - 1) * mpmath.log(mpmath.mpf(v)) + (p[1] - 1) * mpmath.log1p(-mpmath.mpf(v)) for v in data
        ]
        return data.size * mpmath.log(mpmath.beta(p[0], p[1])) - sum(terms)

    at = np.array([1.4, 2.2])
    slope_erf = 2 / np.sqrt(np.pi)
    return [
        _problem("beta likelihood, n=2", beta_loss, beta_grad, at, by_mpmath(beta_mp, at)),
        _problem(
            "Bessel J0, n=3",
            lambda x: float(np.sum(special.j0(x))),
            lambda x: -special.j1(x),
            x,
            by_mpmath(lambda p: sum(mpmath.besselj(0, v) for v in p), x),
        ),
        _problem(
            "error function, n=3",
            lambda x: float(np.sum(special.erf(x / 2))),
            lambda x: slope_erf / 2 * np.exp(-(x**2) / 4),
            x,
            by_mpmath(lambda p: sum(mpmath.erf(v / 2) for v in p), x),
        ),
        _problem(
            "log gamma, n=3",
            lambda x: float(np.sum(special.gammaln(x))),
            special.digamma,
            x,
            by_mpmath(lambda p: sum(mpmath.loggamma(v) for v in p), x),
        ),
    ]


def _sklearn_losses() -> list[Problem]:
    from sklearn._loss import (
        HalfBinomialLoss,
        HalfGammaLoss,
        HalfMultinomialLoss,
        HalfPoissonLoss,
        HalfTweedieLoss,
    )
    from sklearn.linear_model._linear_loss import LinearModelLoss

    rng = np.random.default_rng(31)
    X, positive = rng.normal(size=(30, 6)), rng.gamma(2.0, size=30)
    binary, classes = (rng.random(30) < 0.5).astype(float), rng.integers(3, size=30).astype(float)
    w = 0.4 * rng.normal(size=7)

    def problem(name: str, base: Any, y: Array, unit_loss: Any, coef: Array = w) -> Problem:
        model = LinearModelLoss(base, fit_intercept=True)

        def value_and_gradient(coef: Array) -> tuple[float, Array]:
            return model.loss_gradient(coef, X, y, l2_reg_strength=0.05)

        def formula(coef: Array) -> Any:
            inner = coef[..., :-1]
            eta = X.astype(coef.dtype) @ inner.T + coef[..., -1]
            return np.mean(unit_loss(eta, y)) + 0.05 * np.sum(inner**2) / 2

        return _problem(
            f"scikit-learn {name}, n={coef.size}",
            lambda c: float(value_and_gradient(c)[0]),
            lambda c: value_and_gradient(c)[1],
            coef,
            complex_step(formula, coef),
        )

    def multinomial(eta: Array, y: Array) -> Array:
        return np.log(np.sum(np.exp(eta), axis=1)) - eta[np.arange(len(y)), y.astype(int)]

    many = np.asfortranarray(0.4 * rng.normal(size=(3, 7)))
    return [
        problem("binomial loss", HalfBinomialLoss(), binary, lambda e, y: np.log1p(np.exp(e)) - y * e),
        problem("Poisson loss", HalfPoissonLoss(), np.round(positive), lambda e, y: np.exp(e) - y * e),
        problem("gamma loss", HalfGammaLoss(), positive, lambda e, y: e + y * np.exp(-e)),
        problem(
            "Tweedie loss",
            HalfTweedieLoss(1.5),
            positive,
            lambda e, y: 2 * np.exp(e / 2) + 2 * y * np.exp(-e / 2),
        ),
        problem("multinomial loss", HalfMultinomialLoss(n_classes=3), classes, multinomial, many),
    ]


def _gaussian_processes() -> list[Problem]:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process import kernels as k

    rng = np.random.default_rng(32)
    X = rng.normal(size=(9, 2))
    y = np.sin(X[:, 0]) + 0.1 * rng.normal(size=9)

    def squares(scale: Any) -> Array:
        d = (X[:, None, :] - X[None, :, :]) / scale
        return np.sum(d**2, axis=2)

    def root(s: Array) -> Array:
        return np.sqrt(np.where(s.real == 0, 1, s)) * (s.real != 0)

    def problem(name: str, kernel: Any, covariance: Any) -> Problem:
        model = GaussianProcessRegressor(kernel=kernel, optimizer=None, alpha=1e-10).fit(X, y)
        theta = model.kernel_.theta + 0.1 * rng.normal(size=model.kernel_.theta.size)

        def formula(theta: Array) -> Any:
            return _log_likelihood(covariance(np.exp(theta)) + 1e-10 * np.eye(9), y)

        return _problem(
            f"scikit-learn Gaussian process, {name}, n={theta.size}",
            lambda t: float(model.log_marginal_likelihood(t, clone_kernel=False)),
            lambda t: model.log_marginal_likelihood(t, eval_gradient=True, clone_kernel=False)[1],
            theta,
            complex_step(formula, theta),
        )

    def matern(s: Array) -> Array:
        r = np.sqrt(np.longdouble(3)) * root(s)
        return (1 + r) * np.exp(-r)

    noise = k.WhiteKernel(0.05)
    eye = np.eye(9)
    return [
        problem(
            "RBF",
            k.ConstantKernel(1.3) * k.RBF([0.8, 1.7]) + noise,
            lambda p: p[0] * np.exp(-squares(p[1:3]) / 2) + p[3] * eye,
        ),
        problem("Matern 3/2", k.Matern(1.2, nu=1.5) + noise, lambda p: matern(squares(p[0])) + p[1] * eye),
        problem(
            "rational quadratic",
            k.RationalQuadratic(1.1, alpha=0.9) + noise,
            # scikit-learn sorts the hyperparameters by name: alpha, then the length scale.
            lambda p: (1 + squares(p[1]) / (2 * p[0])) ** (-p[0]) + p[2] * eye,
        ),
    ]


def _log_likelihood(K: Array, y: Array) -> Any:
    """Log marginal likelihood of a Gaussian process, by a Cholesky factor that follows the dtype of K."""
    n = len(y)
    L = np.zeros_like(K)
    for i in range(n):
        for j in range(i + 1):
            rest = K[i, j] - L[i, :j] @ L[j, :j]
            L[i, j] = np.sqrt(rest) if i == j else rest / L[j, j]
    z = np.zeros(n, K.dtype)
    for i in range(n):
        z[i] = (y[i] - L[i, :i] @ z[:i]) / L[i, i]
    return -np.sum(z**2) / 2 - np.sum(np.log(np.diag(L))) - n * np.log(2 * np.pi) / 2


def _statsmodels() -> list[Problem]:
    from statsmodels.discrete.discrete_model import Logit, MNLogit, NegativeBinomial, Poisson, Probit

    rng = np.random.default_rng(33)
    X = np.column_stack([np.ones(25), rng.normal(size=(25, 3))])
    binary, counts = (rng.random(25) < 0.4).astype(float), rng.poisson(2.0, 25).astype(float)
    classes = rng.integers(3, size=25)
    w = 0.5 * rng.normal(size=4)

    def problem(name: str, model: Any, x: Array, true: Array) -> Problem:
        return _problem(
            f"statsmodels {name}, n={x.size}", lambda p: float(model.loglike(p)), model.score, x, true
        )

    def eta(p: list[Any], i: int) -> Any:
        return sum(mpmath.mpf(float(X[i, j])) * p[j] for j in range(4))

    def probit(p: list[Any]) -> Any:
        return sum(mpmath.log(mpmath.ncdf((2 * binary[i] - 1) * eta(p, i))) for i in range(25))

    def negative_binomial(p: list[Any]) -> Any:
        size = mpmath.exp(-p[4])  # before a fit, statsmodels takes the log of alpha
        total = mpmath.mpf(0)
        for i in range(25):
            mean, y = mpmath.exp(eta(p, i)), mpmath.mpf(float(counts[i]))
            total += mpmath.loggamma(size + y) - mpmath.loggamma(size)
            total += size * mpmath.log(size / (size + mean)) + y * mpmath.log(mean / (size + mean))
        return total

    def logit(p: Array) -> Any:
        e = X @ p
        return np.sum(binary * e - np.log1p(np.exp(e)))

    def multinomial(p: Array) -> Any:
        # statsmodels lists the coefficients class by class, the first class as the base.
        scores = np.column_stack([np.zeros(25, p.dtype), X @ p[:4], X @ p[4:]])
        return np.sum(scores[np.arange(25), classes] - np.log(np.sum(np.exp(scores), axis=1)))

    def poisson(p: Array) -> Any:
        e = X @ p
        return np.sum(counts * e - np.exp(e))

    w8, w5 = 0.5 * rng.normal(size=8), np.append(0.3 * w, -0.5)
    return [
        problem("Logit", Logit(binary, X), w, complex_step(logit, w)),
        problem("Poisson", Poisson(counts, X), w, complex_step(poisson, w)),
        problem("Probit", Probit(binary, X), w, by_mpmath(probit, w)),
        problem("MNLogit", MNLogit(classes, X), w8, complex_step(multinomial, w8)),
        problem("NegativeBinomial", NegativeBinomial(counts, X), w5, by_mpmath(negative_binomial, w5)),
    ]
