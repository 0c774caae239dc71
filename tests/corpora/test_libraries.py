"""Derivatives of published libraries: each check judges those of two or more, as they are and with a mistake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.fft
from scipy.optimize import NonlinearConstraint, rosen, rosen_der, rosen_hess, rosen_hess_prod
from scipy.special import softmax

import gradcheck
from gradcheck import Outcome

CHECKS = ("check_gradient", "check_jacobian", "check_jvp", "check_vjp", "check_adjoint", "check_hessian", "check_hvp",
          "taylor_test", "check_problem", "check_points")  # fmt: skip
EXTRAS = {"scikit-learn": "libraries", "statsmodels": "libraries", "astropy": "libraries", "autograd": "autograd",
          "jax": "jax"}  # fmt: skip
X = np.array([0.3, -0.4, 0.8, 0.5, -0.2])


@dataclass(frozen=True)
class Pair:
    """A check of a right derivative, and of the same with a mistake at the places that are named."""

    right: Any
    wrong: Any
    places: set[str]


EXAMPLES: dict[tuple[str, str], Callable[[], Pair]] = {}


def example(check: str, library: str) -> Callable[[Callable[[], Pair]], Callable[[], Pair]]:
    """List an example under its check and library."""

    def listed(build: Callable[[], Pair]) -> Callable[[], Pair]:
        assert (check, library) not in EXAMPLES
        EXAMPLES[check, library] = build
        return build

    return listed


def need(module: str, library: str) -> Any:
    """The module, or a skip that says what to install."""
    reason = f"{library} is not installed: pip install '.[{EXTRAS[library]}]'"
    return pytest.importorskip(module, reason=reason)


@pytest.mark.slow
@pytest.mark.parametrize(("check", "library"), EXAMPLES)
def test_a_librarys_derivative_passes_and_a_planted_mistake_is_named(check, library):
    """The library's own derivative is PASS; with one mistake it is FAIL, and that place is named."""
    pair = EXAMPLES[check, library]()

    assert pair.right.outcome is Outcome.PASS, str(pair.right)
    assert pair.wrong.outcome is Outcome.FAIL, str(pair.wrong)
    if isinstance(pair.wrong, gradcheck.TaylorResult):
        # One direction has one number: the remainder falls as h for a wrong derivative, as h^2 for a right one.
        assert pair.wrong.order == pytest.approx(1.0, abs=0.1)
        assert "the derivative along v is off by" in pair.wrong.reason
    else:
        assert {mismatch.name for mismatch in pair.wrong.wrong} == pair.places


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_has_examples_of_two_libraries(check):
    """None of the checks is tried on functions of our own alone."""
    assert len({library for name, library in EXAMPLES if name == check}) >= 2


def logit() -> tuple[Any, Any]:
    """A logistic regression of statsmodels with 40 observations, and parameters (4,)."""
    api = need("statsmodels.api", "statsmodels")
    rng = np.random.default_rng(1)
    exog = np.column_stack([np.ones(40), rng.normal(size=(40, 3))])
    return api.Logit((rng.random(40) < 0.4).astype(float), exog), np.array([0.1, -0.4, 0.8, 0.3])


def poisson() -> tuple[Any, Any]:
    """A Poisson regression of statsmodels with 50 observations, and parameters (3,)."""
    api = need("statsmodels.api", "statsmodels")
    rng = np.random.default_rng(2)
    exog = np.column_stack([np.ones(50), rng.normal(size=(50, 2))])
    return api.Poisson(rng.poisson(2.0, 50), exog), np.array([0.5, 0.2, -0.1])


def linear_loss() -> tuple[Any, Any, dict[str, Any]]:
    """A penalised logistic loss of scikit-learn, coefficients (5,), and the keywords of its methods."""
    need("sklearn", "scikit-learn")
    from sklearn._loss.loss import HalfBinomialLoss
    from sklearn.linear_model._linear_loss import LinearModelLoss

    rng = np.random.default_rng(0)
    data = {"X": rng.normal(size=(30, 4)), "y": rng.integers(0, 2, 30).astype(float), "l2_reg_strength": 0.5}
    return LinearModelLoss(base_loss=HalfBinomialLoss(), fit_intercept=True), rng.normal(size=5), data


def marginal_likelihood() -> tuple[Callable[[Any], Any], Callable[[Any], Any], Any]:
    """The log marginal likelihood of a Gaussian process of scikit-learn, its gradient, and log parameters (2,)."""
    process = need("sklearn.gaussian_process", "scikit-learn")
    kernel = process.kernels.RBF(0.7) + process.kernels.WhiteKernel(0.1)
    points = np.random.default_rng(1).normal(size=(12, 1))
    fitted = process.GaussianProcessRegressor(kernel, optimizer=None).fit(points, np.sin(points[:, 0]))
    return (
        lambda theta: fitted.log_marginal_likelihood(theta, clone_kernel=True),
        lambda theta: fitted.log_marginal_likelihood(theta, eval_gradient=True, clone_kernel=True)[1],
        np.array([-0.3, -1.5]),
    )


def added(value: Any, place: Any, amount: float) -> Any:
    """A copy of an array with one entry (or row, or column) moved."""
    out = np.array(value, float)
    out[place] += amount
    return out


@example("check_gradient", "statsmodels")
def _() -> Pair:
    model, params = logit()
    return Pair(
        gradcheck.check_gradient(model.loglike, model.score, params),
        gradcheck.check_gradient(model.loglike, lambda p: added(model.score(p), 2, 0.1), params),
        {"x[2]"},
    )


@example("check_gradient", "scikit-learn")
def _() -> Pair:
    loss, coef, data = linear_loss()

    def right(coef):
        return loss.loss_gradient(coef, **data)

    def penalty_forgotten(coef):
        value, gradient = right(coef)
        return value, gradient - 0.5 * np.append(coef[:-1], 0.0)

    return Pair(
        gradcheck.check_gradient(right, True, coef),
        gradcheck.check_gradient(penalty_forgotten, True, coef),
        {f"x[{i}]" for i in range(4)},  # the intercept has no penalty
    )


@example("check_gradient", "jax")
def _() -> Pair:
    jax = need("jax", "jax")
    from gradcheck.interop.jax import check_function

    def doubled(factor):
        rule = jax.custom_vjp(lambda x: 2.0 * x)
        rule.defvjp(lambda x: (2.0 * x, None), lambda _, u: (factor * u,))
        return lambda p: jax.nn.logsumexp(rule(p["a"])) * p["b"]

    x = {"a": X, "b": np.float64(1.5)}
    return Pair(
        check_function(doubled(2.0), x),
        check_function(doubled(1.0), x),
        {f'params["a"][{i}]' for i in range(5)},
    )


@example("check_jacobian", "statsmodels")
def _() -> Pair:
    model, params = logit()

    def one_observation_twice(p):
        return added(model.score_obs(p), 11, model.score_obs(p)[11])

    return Pair(
        gradcheck.check_jacobian(model.loglikeobs, model.score_obs, params),
        gradcheck.check_jacobian(model.loglikeobs, one_observation_twice, params),
        {f"J[11, {j}]" for j in range(4)},
    )


@example("check_jacobian", "scikit-learn")
def _() -> Pair:
    kernels = need("sklearn.gaussian_process.kernels", "scikit-learn")
    points = np.random.default_rng(2).normal(size=(3, 2))
    kernel = kernels.ConstantKernel(2.0) * kernels.RBF([0.7, 1.3]) + kernels.WhiteKernel(0.1)

    def values(theta):
        return kernel.clone_with_theta(theta)(points)

    def derivative(theta):
        return kernel.clone_with_theta(theta)(points, eval_gradient=True)[1]

    def by_the_parameter_itself(theta):
        # The gradient of a kernel is by the logarithms of its parameters.
        out = derivative(theta)
        out[:, :, 3] /= np.exp(theta[3])
        return out

    return Pair(
        gradcheck.check_jacobian(values, derivative, kernel.theta),
        gradcheck.check_jacobian(values, by_the_parameter_itself, kernel.theta),
        {f"J[{4 * i}, 3] (f[{i}, {i}], x[3])" for i in range(3)},  # white noise is on the diagonal alone
    )


@example("check_jacobian", "astropy")
def _() -> Pair:
    models = need("astropy.modeling.models", "astropy")
    grid = np.linspace(-2.0, 3.0, 7)
    params = np.array([1.2, 0.3, 0.8])

    def values(p):
        return models.Gaussian1D.evaluate(grid, *p)

    def derivative(p):
        return np.array(models.Gaussian1D.fit_deriv(grid, *p)).T

    def by_the_variance(p):
        out = derivative(p)
        out[:, 2] /= 2.0 * p[2]
        return out

    return Pair(
        gradcheck.check_jacobian(values, derivative, params),
        gradcheck.check_jacobian(values, by_the_variance, params),
        {f"J[{i}, 2]" for i in range(7)},
    )


@example("check_jvp", "statsmodels")
def _() -> Pair:
    model, params = logit()
    return Pair(
        gradcheck.check_jvp(model.loglikeobs, lambda p, v: model.score_obs(p) @ v, params),
        gradcheck.check_jvp(
            model.loglikeobs, lambda p, v: added(model.score_obs(p) @ v, 7, 0.1 * v[3]), params
        ),
        {"J[7, 3]"},
    )


def softmax_product(x: Any, v: Any) -> Any:
    """J v, and as J is symmetric J^T v too."""
    s = softmax(x)
    return s * v - s * (s @ v)


@example("check_jvp", "scipy")
def _() -> Pair:
    return Pair(
        gradcheck.check_jvp(softmax, softmax_product, X),
        gradcheck.check_jvp(softmax, lambda x, v: added(softmax_product(x, v), 1, 0.01 * v[4]), X),
        {"J[1, 4]"},
    )


@example("check_jvp", "jax")
def _() -> Pair:
    jax = need("jax", "jax")
    from gradcheck.interop.jax import check_function

    def sine(factor):
        rule = jax.custom_jvp(jax.numpy.sin)
        rule.defjvp(lambda x, v: (jax.numpy.sin(x[0]), jax.numpy.cos(x[0]) * factor * v[0]))
        return rule

    one_off = np.array([1.0, 1.0, 1.01, 1.0, 1.0])
    return Pair(
        check_function(sine(1.0), X, mode="forward"),
        check_function(sine(one_off), X, mode="forward"),
        {"J[2, 2]"},
    )


@example("check_vjp", "statsmodels")
def _() -> Pair:
    model, params = logit()

    def last_one_forgotten(p, u):
        return model.score_obs(p)[:39].T @ u[:39]

    return Pair(
        gradcheck.check_vjp(model.loglikeobs, lambda p, u: model.score_obs(p).T @ u, params),
        gradcheck.check_vjp(model.loglikeobs, last_one_forgotten, params),
        {f"J[39, {j}]" for j in range(4)},
    )


@example("check_vjp", "scipy")
def _() -> Pair:
    return Pair(
        gradcheck.check_vjp(softmax, softmax_product, X),
        gradcheck.check_vjp(softmax, lambda x, u: added(softmax_product(x, u), 1, 0.01 * u[4]), X),
        {"J[4, 1]"},
    )


@example("check_vjp", "autograd")
def _() -> Pair:
    need("autograd", "autograd")
    import autograd.numpy as anp
    from autograd.extend import defvjp, primitive

    from gradcheck.interop.autograd import check_function

    def cumulative(axis_forgotten):
        total = primitive(lambda x: np.cumsum(x))
        defvjp(total, lambda _, x: lambda u: u if axis_forgotten else np.cumsum(u[::-1])[::-1])
        return lambda x: anp.exp(total(x))

    x = X[:3]
    return Pair(
        check_function(cumulative(False), x),
        check_function(cumulative(True), x),
        {"J[1, 0]", "J[2, 0]", "J[2, 1]"},
    )


@example("check_vjp", "jax")
def _() -> Pair:
    jax = need("jax", "jax")
    from gradcheck.interop.jax import check_function

    def clipped(rule):
        f = jax.custom_vjp(lambda x: x * jax.nn.sigmoid(x))
        f.defvjp(lambda x: (f(x), x), lambda x, u: (rule(x) * u,))
        return f

    def right(x):
        s = jax.nn.sigmoid(x)
        return s + x * s * (1 - s)

    return Pair(
        check_function(clipped(right), X),
        check_function(clipped(lambda x: right(x).at[3].multiply(0.9)), X),
        {"J[3, 3]"},
    )


@example("check_adjoint", "scipy")
def _() -> Pair:
    def forward(x):
        return scipy.fft.dct(x, norm="ortho")

    def adjoint(y):
        return scipy.fft.idct(y, norm="ortho")

    return Pair(
        gradcheck.check_adjoint(forward, adjoint, np.zeros(9)),
        gradcheck.check_adjoint(forward, lambda y: added(adjoint(y), 3, 0.1 * y[7]), np.zeros(9)),
        {"A[7, 3]"},
    )


@example("check_adjoint", "jax")
def _() -> Pair:
    jax = need("jax", "jax")
    kernel = np.array([1.0, -2.0, 0.5], np.float32)

    def forward(x):
        return np.array(jax.numpy.convolve(x, kernel, mode="full"))

    def adjoint(y):
        (back,) = jax.linear_transpose(lambda x: jax.numpy.convolve(x, kernel, mode="full"), x)(y)
        return np.array(back)

    x = np.zeros(6, np.float32)
    return Pair(
        gradcheck.check_adjoint(forward, adjoint, x),
        gradcheck.check_adjoint(forward, lambda y: added(adjoint(y), 2, y[3]).astype(np.float32), x),
        {"A[3, 2]"},
    )


@example("check_hessian", "statsmodels")
def _() -> Pair:
    model, params = poisson()
    return Pair(
        gradcheck.check_hessian(model.score, model.hessian, params),
        gradcheck.check_hessian(model.score, lambda p: added(model.hessian(p), (1, 1), 0.5), params),
        {"H[1, 1]"},
    )


@example("check_hessian", "scipy")
def _() -> Pair:
    return Pair(
        gradcheck.check_gradient(rosen, rosen_der, X, hessian=rosen_hess),
        gradcheck.check_gradient(rosen, rosen_der, X, hessian=lambda x: added(rosen_hess(x), (3, 3), 1.0)),
        {"hessian: H[3, 3]"},
    )


@example("check_hvp", "scipy")
def _() -> Pair:
    return Pair(
        gradcheck.check_hvp(rosen_der, rosen_hess_prod, X),
        gradcheck.check_hvp(rosen_der, lambda x, v: added(rosen_hess_prod(x, v), 3, v[1]), X),
        {"H[3, 1]"},
    )


@example("check_hvp", "scikit-learn")
def _() -> Pair:
    loss, coef, data = linear_loss()

    def product(coef, v):
        return loss.gradient_hessian_product(coef, **data)[1](v)

    def gradient(coef):
        return loss.gradient(coef, **data)

    return Pair(
        gradcheck.check_hvp(gradient, product, coef),
        gradcheck.check_hvp(gradient, lambda c, v: added(product(c, v), 2, -0.5 * v[2]), coef),
        {"H[2, 2]"},
    )


@example("check_hvp", "autograd")
def _() -> Pair:
    need("autograd", "autograd")
    import autograd
    import autograd.numpy as anp

    def f(x):
        return anp.sum(anp.exp(x) * anp.sin(x[::-1]))

    def product(x, v):
        return autograd.make_hvp(f)(x)[0](v)

    return Pair(
        gradcheck.check_hvp(autograd.grad(f), product, X),
        gradcheck.check_hvp(autograd.grad(f), lambda x, v: added(product(x, v), 0, 0.1 * v[2]), X),
        {"H[0, 2]"},
    )


@example("taylor_test", "statsmodels")
def _() -> Pair:
    model, params = logit()
    return Pair(
        gradcheck.taylor_test(model.loglike, model.score, params, hessian=model.hessian),
        gradcheck.taylor_test(model.loglike, lambda p: model.score_obs(p)[1:].sum(axis=0), params),
        set(),
    )


@example("taylor_test", "scikit-learn")
def _() -> Pair:
    likelihood, derivative, theta = marginal_likelihood()
    return Pair(
        gradcheck.taylor_test(likelihood, derivative, theta),
        gradcheck.taylor_test(likelihood, lambda t: derivative(t) / np.exp(t), theta),
        set(),
    )


@example("check_problem", "scipy")
def _() -> Pair:
    def product(x):
        return x[0] * x[1]

    def gradient(x):
        return added(np.zeros(5), [0, 1], 1.0) * x[[1, 0, 2, 3, 4]]

    right, wrong = (
        gradcheck.check_problem(
            rosen,
            X,
            jac=rosen_der,
            hessp=rosen_hess_prod,
            constraints=NonlinearConstraint(product, 0.0, 1.0, jac=lambda x, sign=sign: sign * gradient(x)),
        )
        for sign in (1.0, np.array([1.0, -1.0, 1.0, 1.0, 1.0]))
    )
    return Pair(right, wrong, {"constraints[0].jac: J[0, 1]"})


@example("check_problem", "statsmodels")
def _() -> Pair:
    model, params = poisson()

    def fun(p):
        return -model.loglike(p)

    def jac(p):
        return -model.score(p)

    return Pair(
        gradcheck.check_problem(fun, params, jac=jac, hess=lambda p: -model.hessian(p)),
        gradcheck.check_problem(fun, params, jac=jac, hess=model.hessian),
        {f"hess: H[{i}, {j}]" for i in range(3) for j in range(3)},
    )


@example("check_points", "statsmodels")
def _() -> Pair:
    model, params = poisson()
    points = params + np.random.default_rng(0).normal(size=(6, 3)) / 4.0
    points[:, 0] = np.arange(6) / 5.0

    def wrong_at_large(p):
        return added(model.score(p), 2, 1.0 if p[0] == 1.0 else 0.0)

    return Pair(
        gradcheck.check_points(model.loglike, model.score, points),
        gradcheck.check_points(model.loglike, lambda p: wrong_at_large(np.asarray(p)), points),
        {"x[2] at point 5"},
    )


@example("check_points", "scikit-learn")
def _() -> Pair:
    likelihood, derivative, theta = marginal_likelihood()
    points = [theta, theta + 1.0, theta - 0.5]

    def one_noise_forgotten(t):
        return derivative(t) * (np.array([1.0, 0.0]) if t[0] > 0 else 1.0)

    return Pair(
        gradcheck.check_points(likelihood, derivative, points),
        gradcheck.check_points(likelihood, one_noise_forgotten, points),
        {"x[1] at point 1"},
    )


ASTROPY = {
    "Gaussian1D": [1.2, 0.3, 0.8],
    "Lorentz1D": [1.2, 0.3, 0.8],
    "Voigt1D": [0.3, 1.2, 0.8, 0.5],
    "Moffat1D": [1.2, 0.3, 0.8, 1.5],
    "Sine1D": [1.2, 0.3, 0.2],
    "Cosine1D": [1.2, 0.3, 0.2],
    "Tangent1D": [1.2, 0.1, 0.1],
    "ArcSine1D": [5.2, 0.3, 0.2],
    "ArcCosine1D": [5.2, 0.3, 0.2],
    "ArcTangent1D": [1.2, 0.3, 0.2],
    "Exponential1D": [1.2, 0.8],
    "Logarithmic1D": [1.2, 0.8],
    "PowerLaw1D": [1.2, 0.9, 1.5],
    "BrokenPowerLaw1D": [1.2, 1.1, 1.5, 2.5],
    "ExponentialCutoffPowerLaw1D": [1.2, 0.9, 1.5, 2.0],
    "LogParabola1D": [1.2, 0.9, 1.5, 0.4],
    "Schechter1D": [1.0, 1.2, -0.9],
    "KingProjectedAnalytic1D": [1.2, 0.9, 4.0],
    "Drude1D": [1.2, 0.8, 0.3],
    "Gaussian2D": [1.2, 0.3, 0.4, 0.8, 0.9, 0.3],
    "Moffat2D": [1.2, 0.3, 0.4, 0.8, 1.5],
}


@pytest.mark.parametrize("name", ASTROPY)
def test_astropys_own_derivatives(name):
    """`fit_deriv` of a model at parameters that are no defaults: right, but where the complex step contradicts it."""
    # It does: in astropy 6.1.0 and 8.0.2 for the derivative of Drude1D by x_0, and in astropy 6.1.0 for Lorentz1D.
    models = need("astropy.modeling.models", "astropy")
    model, params = getattr(models, name)(), np.array(ASTROPY[name])
    grid = np.linspace(0.5, 3.0, 8)
    at = (grid, grid[::-1] ** 2 / 3.0) if name.endswith("2D") else (grid,)

    def values(p):
        return model.evaluate(*at, *p)

    def derivative(p):
        return np.array(model.fit_deriv(*at, *p)).T

    report = gradcheck.check_jacobian(values, derivative, params)

    off = np.zeros((8, params.size), bool)
    if name != "Voigt1D":  # which is no analytic function: it takes a real part
        true = np.array([values(params + 1e-30j * axis).imag / 1e-30 for axis in np.eye(params.size)]).T
        off = ~np.isclose(
            derivative(params), true, rtol=1e-6, atol=1e-12
        )  # rtol of the check, and zeros to rounding
    assert {m.name for m in report.wrong} == {f"J[{i}, {j}]" for i, j in np.argwhere(off)}
    assert report.outcome is (Outcome.FAIL if off.any() else Outcome.PASS)
