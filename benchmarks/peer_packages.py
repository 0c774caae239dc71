"""Derivatives as they are published: SciPy, scikit-learn, statsmodels, astropy and ASE, each as a function of a vector.

Each problem's gradient is the package's own, at a point drawn from a fixed seed. That it is right is held by
tests/corpora/test_peers.py against `scipy.differentiate`, which takes no part in the comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.corpus import Problem, libraries
from benchmarks.corpus.model import complex_step

Array = np.ndarray
CATEGORY = "packages"
F = Callable[[Array], float]
Gradient = Callable[[Array], Array]


def problems() -> list[Problem]:
    """Those of every package that is installed; the ones of the verdicts' corpus first."""
    found = []
    if find_spec("sklearn") and find_spec("statsmodels"):
        found += [_problem(p.name, p.f, p.grad, p.x) for p in libraries.problems()]
    for package, make in (
        ("scipy", _scipy),
        ("sklearn", _sklearn),
        ("statsmodels", _statsmodels),
        ("astropy", _astropy),
        ("ase", _ase),
    ):
        if find_spec(package):
            found += make()
    return found


def _problem(name: str, f: F, grad: Gradient, x: Array) -> Problem:
    x = np.array(x, float)  # C order: the peers get the flat vector
    return Problem(name, CATEGORY, f, grad, x, grad(x), lambda: grad(x))


def _named(package: str, name: str, f: F, grad: Gradient, x: Array) -> Problem:
    return _problem(f"{package} {name}, n={x.size}", f, grad, x)


def _scipy() -> list[Problem]:
    from scipy import interpolate, optimize, special

    rng = np.random.default_rng(71)
    spline = interpolate.CubicSpline(np.arange(9.0), rng.normal(size=9))
    inside = rng.uniform(0.1, 7.9, 6)
    surface = interpolate.RectBivariateSpline(
        np.arange(7.0), np.arange(6.0), rng.normal(size=(7, 6)), kx=4, ky=4
    )

    def on_surface(p: Array) -> Array:
        return np.append(surface.ev(p[:3], p[3:], dx=1), surface.ev(p[:3], p[3:], dy=1))

    return [
        _named("SciPy", "rosen_der", optimize.rosen, optimize.rosen_der, rng.normal(size=50)),
        _named("SciPy", "rosen_der", optimize.rosen, optimize.rosen_der, rng.normal(size=400)),
        _named("SciPy", "logsumexp", lambda x: float(special.logsumexp(x)), special.softmax, 3 * rng.normal(size=30)),
        _named("SciPy", "CubicSpline", lambda x: float(np.sum(spline(x))), lambda x: spline(x, 1), inside),
        _named("SciPy", "RectBivariateSpline", lambda p: float(np.sum(surface.ev(p[:3], p[3:]))), on_surface,
               rng.uniform(0.3, 4.7, 6)),
        _named("SciPy", "Dawson", lambda x: float(np.sum(special.dawsn(x))), lambda x: 1 - 2 * x * special.dawsn(x),
               rng.normal(size=5)),
        _named("SciPy", "ellipk", lambda x: float(np.sum(special.ellipk(x))),
               lambda m: (special.ellipe(m) - (1 - m) * special.ellipk(m)) / (2 * m * (1 - m)),
               rng.uniform(0.1, 0.9, 5)),
    ]  # fmt: skip


def _sklearn() -> list[Problem]:
    from sklearn._loss import HalfMultinomialLoss, HalfPoissonLoss
    from sklearn.gaussian_process import GaussianProcessClassifier, kernels
    from sklearn.linear_model._huber import _huber_loss_and_gradient
    from sklearn.linear_model._linear_loss import LinearModelLoss
    from sklearn.neighbors import NeighborhoodComponentsAnalysis

    rng = np.random.default_rng(72)
    X = rng.normal(size=(60, 24))
    classes, counts = rng.integers(6, size=60).astype(float), rng.poisson(2.0, 60).astype(float)

    def linear(name: str, base: Any, y: Array, coef: Array) -> Problem:
        model = LinearModelLoss(base, fit_intercept=True)

        def loss_gradient(w: Array) -> tuple[float, Array]:
            # scikit-learn wants the classes' coefficients in Fortran order.
            shaped = w.reshape(coef.shape, order="F")
            return model.loss_gradient(np.asfortranarray(shaped), X, y, l2_reg_strength=0.1)

        return _named(
            "scikit-learn", name, lambda w: float(loss_gradient(w)[0]),
            lambda w: np.asarray(loss_gradient(w)[1]).ravel(order="F"), coef.ravel(order="F"),
        )  # fmt: skip

    def huber(w: Array) -> tuple[float, Array]:
        return _huber_loss_and_gradient(w, X[:, :5], X[:, 0] + rng_noise, 1.35, 0.01, np.ones(60))

    rng_noise = 0.1 * rng.standard_t(2, 60)
    nca = NeighborhoodComponentsAnalysis(n_components=2)
    nca.n_iter_ = 0
    same = classes[:, None] == classes[None, :]

    def neighbours(w: Array) -> tuple[float, Array]:
        value, gradient = nca._loss_grad_lbfgs(w, X[:, :6], same, sign=1.0)
        return float(value), np.asarray(gradient)

    process = GaussianProcessClassifier(kernels.ConstantKernel(1.2) * kernels.RBF([1.0, 1.5]), optimizer=None)
    process.fit(X[:20, :2], X[:20, 2] > 0)
    evidence = partial(process.base_estimator_.log_marginal_likelihood, clone_kernel=False)
    found = [
        linear("multinomial loss", HalfMultinomialLoss(n_classes=6), classes, 0.3 * rng.normal(size=(6, 25))),
        linear("Poisson loss", HalfPoissonLoss(), counts, 0.1 * rng.normal(size=25)),
        _named("scikit-learn", "Huber regression", lambda w: float(huber(w)[0]), lambda w: huber(w)[1],
               np.append(0.5 * rng.normal(size=6), 0.8)),
        _named("scikit-learn", "neighbourhood components", lambda w: neighbours(w)[0], lambda w: neighbours(w)[1],
               0.3 * rng.normal(size=12)),
        _named("scikit-learn", "Gaussian process classifier", lambda t: float(evidence(t)),
               lambda t: evidence(t, eval_gradient=True)[1], process.base_estimator_.kernel_.theta + 0.1),
    ]  # fmt: skip
    return [*found, *_multilayer(X, classes)]


def _multilayer(X: Array, classes: Array) -> list[Problem]:
    """scikit-learn's networks, by the loss and gradient that its own L-BFGS is given."""
    return [_network(X, np.eye(6)[classes.astype(int)], classes, name) for name in ("logistic", "tanh")]


def _network(X: Array, targets: Array, classes: Array, activation: str) -> Problem:
    from sklearn.neural_network import MLPClassifier

    net = MLPClassifier((12,), activation=activation, solver="lbfgs", max_iter=1, alpha=0.01, random_state=0)
    net.fit(X, classes)
    widths = (X.shape[1], 12, targets.shape[1])

    def both(w: Array) -> tuple[float, Array]:
        layers = [np.empty((len(X), k)) for k in widths[1:]]
        coefs, intercepts = [np.empty(pair) for pair in pairwise(widths)], [np.empty(k) for k in widths[1:]]
        deltas = [np.empty_like(layer) for layer in layers]
        return net._loss_grad_lbfgs(w, X, targets, None, [X, *layers], deltas, coefs, intercepts)

    start = np.concatenate([leaf.ravel() for leaf in (*net.coefs_, *net.intercepts_)])
    return _named(
        "scikit-learn",
        f"MLP, {activation}",
        lambda w: float(both(w)[0]),
        lambda w: np.array(both(w)[1]),
        start,
    )


def _statsmodels() -> list[Problem]:
    import statsmodels.api as sm
    from statsmodels.discrete import count_model, discrete_model
    from statsmodels.duration.hazard_regression import PHReg

    rng = np.random.default_rng(73)
    X = np.column_stack([np.ones(40), rng.normal(size=(40, 3))])
    counts, times = rng.poisson(1.5, 40).astype(float), rng.exponential(size=40)
    positive = rng.gamma(2.0, size=40)
    wide = np.column_stack([np.ones(300), rng.normal(size=(300, 119))])
    models: list[tuple[str, Any, int]] = [
        ("GeneralizedPoisson", discrete_model.GeneralizedPoisson(counts, X), 5),
        ("NegativeBinomialP", discrete_model.NegativeBinomialP(counts, X), 5),
        ("ZeroInflatedPoisson", count_model.ZeroInflatedPoisson(counts, X, exog_infl=X[:, :2]), 6),
        ("proportional hazards", PHReg(times, X[:, 1:], status=rng.integers(2, size=40)), 3),
        ("GLM, gamma with log link", sm.GLM(positive, X, sm.families.Gamma(sm.families.links.Log())), 4),
        ("Poisson", discrete_model.Poisson(rng.poisson(2.0, 300).astype(float), wide), 120),
    ]
    found = []
    for name, model, n in models:
        at = 0.2 * rng.normal(size=n) / np.sqrt(n)
        if name in ("GeneralizedPoisson", "NegativeBinomialP"):
            at[-1] = 0.4  # the dispersion
        options = {"scale": 1.0} if name.startswith("GLM") else {}
        found.append(
            _named(
                "statsmodels",
                name,
                lambda p, m=model, o=options: float(m.loglike(p, **o)),
                lambda p, m=model, o=options: np.array(m.score(p, **o)),
                at,
            )
        )
    return found


def _astropy() -> list[Problem]:
    """Least squares on astropy's models, its gradient by their `fit_deriv`."""
    from astropy.modeling import models

    t = np.linspace(0.3, 4.0, 40)
    parameters: dict[str, tuple[float, ...]] = {
        "Gaussian1D": (1.3, 2.1, 0.7),
        "Lorentz1D": (1.3, 2.1, 0.7),
        "Moffat1D": (1.3, 2.1, 0.7, 1.4),
        "Voigt1D": (2.1, 1.3, 0.6, 0.5),
        "Plummer1D": (1.3, 0.7),
        "KingProjectedAnalytic1D": (1.3, 0.7, 6.0),
        "Exponential1D": (1.3, 2.0),
        "Logarithmic1D": (1.3, 2.0),
        "PowerLaw1D": (1.3, 0.8, 1.1),
        "BrokenPowerLaw1D": (1.3, 2.17, 1.1, 2.3),
        "SmoothlyBrokenPowerLaw1D": (1.3, 2.1, 1.1, 2.3, 0.4),
        "ExponentialCutoffPowerLaw1D": (1.3, 0.8, 1.1, 3.0),
        "LogParabola1D": (1.3, 0.8, 1.1, 0.2),
        "Schechter1D": (1.3, 2.1, -0.7),
        "Sine1D": (1.3, 0.4, 0.2),
        "Cosine1D": (1.3, 0.4, 0.2),
        "Tangent1D": (1.3, 0.03, 0.02),
        "ArcTangent1D": (1.3, 0.4, 0.2),
        "ArcSine1D": (8.0, 0.4, 0.2),
        "ArcCosine1D": (8.0, 0.4, 0.2),
    }
    found = [_drude()]
    for name, at in parameters.items():
        x = np.array(at)
        data = getattr(models, name)(*(1.07 * x)).evaluate(t, *(1.07 * x)) + 0.1 * np.sin(7 * t)
        found.append(_least_squares(name, getattr(models, name)(*at), (t,), data, x))
    grid = tuple(axis.ravel() for axis in np.meshgrid(np.linspace(-1, 2, 9), np.linspace(-2, 1.5, 8)))
    for name, at in (("Gaussian2D", (1.3, 0.4, -0.3, 0.8, 1.1, 0.3)), ("Moffat2D", (1.3, 0.4, -0.3, 0.9, 1.6)),
                     ("Lorentz2D", (1.3, 0.4, -0.3, 0.9))):  # fmt: skip
        x = np.array(at)
        data = getattr(models, name)(*at).evaluate(*grid, *(1.07 * x)) + 0.05 * np.cos(5 * grid[0])
        found.append(_least_squares(name, getattr(models, name)(*at), grid, data, x))
    return found


def _least_squares(name: str, model: Any, inputs: tuple[Array, ...], data: Array, x: Array) -> Problem:
    def residuals(p: Array) -> Array:
        return np.asarray(model.evaluate(*inputs, *p), float) - data

    def grad(p: Array) -> Array:
        return np.array(
            [np.sum(column) for column in np.asarray(model.fit_deriv(*inputs, *p)) * residuals(p)]
        )

    return _named("astropy", name, lambda p: float(np.sum(residuals(p) ** 2)) / 2, grad, x)


DRUDE = "astropy Drude1D, n=3"


def _drude() -> Problem:
    """Drude1D with a right gradient, by the complex step: in astropy 8.0.2 `fit_deriv` is wrong in x_0."""
    from astropy.modeling import models

    t, at, data = _drude_data()

    def f(p: Array) -> Any:
        return np.sum((models.Drude1D.evaluate(t, *p) - data) ** 2) / 2

    return _problem(DRUDE, lambda p: float(f(p)), lambda p: complex_step(f, p), at)


def _drude_data() -> tuple[Array, Array, Array]:
    from astropy.modeling import models

    t, at = np.linspace(0.3, 4.0, 40), np.array([1.3, 2.1, 0.7])
    return t, at, models.Drude1D.evaluate(t, *(1.07 * at)) + 0.1 * np.sin(7 * t)


def drude_as_published() -> Array:
    """Astropy's own gradient of the problem DRUDE."""
    from astropy.modeling import models

    t, at, data = _drude_data()
    return _least_squares("Drude1D", models.Drude1D(*at), (t,), data, at).grad(at)


def _ase() -> list[Problem]:
    """Energies of ASE's calculators; the gradient is minus the forces."""
    from ase import Atoms
    from ase.build import bulk, molecule
    from ase.calculators.emt import EMT
    from ase.calculators.lj import LennardJones
    from ase.calculators.morse import MorsePotential

    rng = np.random.default_rng(74)

    def problem(name: str, atoms: Any, calculator: Any) -> Problem:
        atoms.rattle(0.08, rng=rng)
        atoms.calc = calculator

        def at(positions: Array) -> Any:
            atoms.set_positions(positions.reshape(-1, 3))
            return atoms

        return _named(
            "ASE", name, lambda p: float(at(p).get_potential_energy()), lambda p: -at(p).get_forces().ravel(),
            atoms.get_positions().ravel(),
        )  # fmt: skip

    grid = 1.12 * np.stack(np.meshgrid(*[np.arange(3.0)] * 3), axis=-1).reshape(-1, 3)
    return [
        problem("Lennard-Jones, 7 atoms", Atoms("Ar7", grid[[0, 1, 3, 4, 9, 10, 13]]), LennardJones(rc=20.0)),
        problem("Lennard-Jones, 27 atoms", Atoms("Ar27", grid), LennardJones(rc=20.0)),
        problem("Morse, 4 atoms", Atoms("Ar4", grid[[0, 1, 3, 9]]), MorsePotential()),
        problem("EMT, copper, 4 atoms", bulk("Cu", cubic=True), EMT()),
        problem("EMT, ethanol's heavy atoms", molecule("CH3CH2OH")[:3], EMT()),
    ]
