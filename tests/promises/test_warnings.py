"""No warning and no crash of our own arithmetic, under `-W error` and np.errstate(all="raise") neither."""

import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse

import gradcheck
from gradcheck import Outcome
from gradcheck.cases.comparison import compare
from gradcheck.function.arithmetic import callers_arithmetic, own_arithmetic
from gradcheck.html import render

X = np.array([1.0, 2.0, 3.0])


def cubes(x):
    """The sum of cubes."""
    return np.sum(x**3)


def right(x):
    """Its gradient."""
    return 3 * x**2


def spread(x):
    """Slopes that are 200 decades apart."""
    return np.tanh(x[0]) + x[0] + x[1]


CHECKS = {
    "values that underflow": lambda: gradcheck.check_gradient(
        lambda x: np.sum(np.exp(x)), np.exp, np.array([-700.0, 1.0, 600.0])
    ),
    "a large Jacobian": lambda: gradcheck.check_jacobian(
        lambda x: 1e200 * np.sin(x), lambda x: np.diag(1e200 * np.cos(x)), X
    ),
    "a large jvp": lambda: gradcheck.check_jvp(
        lambda x: 1e200 * np.sin(x), lambda x, v: 1e200 * np.cos(x) * v, X
    ),
    "bounds as wide as floats": lambda: gradcheck.check_gradient(cubes, right, X, bounds=[(-1e308, 1e308)] * 3),
    "a large Taylor test": lambda: gradcheck.taylor_test(
        lambda x: 1e160 * np.sum(np.sin(x)), lambda x: 1e160 * np.cos(x), X
    ),
    "a small Taylor test": lambda: gradcheck.taylor_test(
        lambda x: 1e-100 * np.sum(np.sin(x)), lambda x: 1e-100 * np.cos(x), X
    ),
    "a large Hessian": lambda: gradcheck.check_hessian(
        lambda x: 1e180 * np.sin(x), lambda x: np.diag(1e180 * np.cos(x)), X
    ),
    "a sparse Jacobian": lambda: gradcheck.check_jacobian(
        lambda x: np.sin(x), lambda x: scipy.sparse.diags_array(np.cos(x)), np.linspace(0.0, 1.0, 150)
    ),
    "an exploding neighbourhood": lambda: gradcheck.check_gradient(
        lambda x: np.exp(600.0 * x[0]), lambda x: 600.0 * np.exp(600.0 * x), np.array([1.0])
    ),
    "directions": lambda: gradcheck.check_gradient(
        lambda x: np.sum(np.exp(-(x**2))), lambda x: -2 * x * np.exp(-(x**2)), np.linspace(-20.0, 20.0, 150)
    ),
    "float32": lambda: gradcheck.check_gradient(
        lambda x: np.sum(np.exp(x)), np.exp, np.array([-60.0, 1.0], np.float32)
    ),
    "points": lambda: gradcheck.check_points(lambda x: np.sum(np.exp(x)), np.exp, [X, -100 * X]),
    "a problem": lambda: gradcheck.check_problem(cubes, X, jac=right, hess=lambda x: np.diag(6 * x)),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_a_check_gives_its_verdict(name):
    """The same one as without: PASS or INCONCLUSIVE for a right derivative, never an exception or a warning."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected = CHECKS[name]()
    assert expected.outcome is not Outcome.FAIL
    # f itself underflows at x here: what it then raises is for the caller, and comes out of the check.
    modes = ["warn"] if "under" in name or name in ("directions", "points") else ["warn", "raise"]
    for mode in modes:
        with warnings.catch_warnings(), np.errstate(all=mode, under="ignore" if mode == "warn" else mode):
            warnings.simplefilter("error")
            assert str(CHECKS[name]()).splitlines()[0] == str(expected).splitlines()[0]


def test_the_most_distant_sizes_are_no_division_by_zero():
    """A step of 1e-300 of one entry beside 1e230 of another: undecided, and no ZeroDivisionError."""
    x = np.array(
        [-1.3781210920126207e235, -1.7135890948837819e-273, -5.283226149240927e-190, -4.276950519691076e79]
    )
    given = np.array([1.0, 1.0, 0.0, 0.0])

    report = gradcheck.check_gradient(spread, given, x, method="directions")

    assert report.outcome is not Outcome.FAIL


@pytest.mark.slow
def test_pages_figures_and_comparisons_are_silent_too():
    """What is made of a report, and a row of a case, under np.errstate(all="raise")."""
    tiny = gradcheck.check_gradient(
        lambda x: 1e-300 * np.sum(x**3), lambda x: 2e-300 * x**2, X, method="sweep"
    )
    assert tiny.outcome is Outcome.FAIL

    with np.errstate(all="raise"):
        assert "</html>" in render([], [tiny])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        letters = gradcheck.check_gradient(
            lambda p: np.sum(p["重み"] ** 3),
            lambda p: {"重み": 2 * p["重み"] ** 2},
            {"重み": X},
            method="sweep",
        )
        assert "重み" in render([], [letters])  # matplotlib's font has none of these letters
    with np.errstate(all="raise"):
        tiny.plot()
        assert compare(1e200, 1.7e308, rtol=1e-3).outcome is Outcome.FAIL
        assert (
            compare(np.array([1e-300, 1e-308]), np.array([1e-300, 1e-308]), rtol=1e-9).outcome is Outcome.PASS
        )


SHAPES = {
    "sin": (np.sin, np.cos),
    "x": (lambda x: 1.0 * x, lambda x: 1.0 + 0 * x),
    "x^2": (lambda x: x * x, lambda x: 2 * x),
    "x^3": (lambda x: x**3, lambda x: 3 * x**2),
    "exp": (np.exp, np.exp),
}


def odd(seed):
    """A check of a function at a point whose entries may be 600 decades apart; its own arithmetic is silent."""
    draw = np.random.default_rng(seed)
    n = int(draw.integers(1, 9)) if draw.random() < 0.8 else 120
    spread = draw.choice([1, 30, 150, 300])
    x = np.sign(draw.normal(size=n)) * 10.0 ** draw.uniform(-spread, spread, n)
    x[draw.random(n) < 0.1] = 0
    if draw.random() < 0.2:
        x = x.astype(np.longdouble)
    h, dh = SHAPES[draw.choice(list(SHAPES))]
    scale, factor = 10.0 ** draw.choice([0, 0, 100, -100, 200, -200]), draw.choice([1.0, 1.0, 1.01, -1, 0])

    def many(x):
        with np.errstate(all="ignore"):
            return scale * h(x)

    def slopes(x):
        with np.errstate(all="ignore"):
            return factor * scale * dh(x)

    def one(x):
        with np.errstate(all="ignore"):
            return np.sum(many(x))

    options = {"rng": int(seed)}
    checks = [
        lambda: gradcheck.check_gradient(one, slopes, x, **options),
        lambda: gradcheck.check_gradient(one, slopes, x, method="sweep", **options),
        lambda: gradcheck.check_gradient(one, slopes, x, method="directions", **options),
        lambda: gradcheck.check_gradient(one, slopes, x, method="complex", **options),
        lambda: gradcheck.check_gradient(one, slopes, x, bounds=[(v, None) for v in x.tolist()], **options),
        lambda: gradcheck.check_jacobian(many, lambda x: np.diag(slopes(x)), x, **options),
        lambda: gradcheck.check_hessian(many, lambda x: np.diag(slopes(x)), x, **options),
        lambda: gradcheck.check_jvp(many, lambda x, v: slopes(x) * v, x, **options),
        lambda: gradcheck.check_vjp(many, lambda x, u: slopes(x) * u, x, **options),
        lambda: gradcheck.check_adjoint(lambda v: scale * v, lambda v: factor * scale * v, x, **options),
        lambda: gradcheck.taylor_test(one, slopes, x, **options),
        lambda: gradcheck.check_points(one, slopes, [x, x], **options),
        lambda: gradcheck.check_problem(one, x, jac=slopes, **options),
    ]
    return checks[seed % len(checks)]()


@pytest.mark.slow
@pytest.mark.parametrize("start", [0, 218, 494, 629, 1214])
def test_points_of_every_size_get_a_verdict(start):
    """Thirteen checks, one of each kind: whatever the sizes, no warning and no exception."""
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        for seed in range(start, start + 13):
            assert isinstance(odd(seed).outcome, Outcome), seed


# Whose settings hold


@pytest.mark.parametrize(
    "settings", [{"all": "raise"}, {"all": "ignore"}, {"over": "call", "under": "print"}]
)
def test_f_and_grad_run_under_the_callers_settings_at_x(settings):
    """And at points that the check chose in silence; afterwards all is as it was."""
    seen = {}

    def watched(function, name):
        def call(x):
            where = "x" if np.array_equal(x, X) else "elsewhere"
            seen.setdefault((name, where), []).append(np.geterr())
            return function(x)

        return call

    with np.errstate(**settings):
        given = np.geterr()
        gradcheck.check_gradient(watched(cubes, "f"), watched(right, "grad"), X)
        gradcheck.check_jacobian(watched(lambda x: x**2, "F"), watched(lambda x: np.diag(2 * x), "jac"), X)
        assert np.geterr() == given

    for name in ("f", "grad", "F", "jac"):
        assert all(state == given for state in seen[name, "x"][:2])
    for name in ("f", "F"):
        assert all(set(state.values()) == {"ignore"} for state in seen[name, "elsewhere"])


def test_an_overflow_of_f_at_x_is_the_callers():
    """It is raised as f's, with a note that says so; the neighbour of all the silence above."""

    def overflows(x):
        return np.sum(x * 1e308) * 1e10

    with np.errstate(all="raise"), pytest.raises(FloatingPointError) as raised:
        gradcheck.check_gradient(overflows, right, X)
    assert raised.value.__notes__ == ["gradcheck: raised by f at x"]


def test_a_check_inside_f_has_the_settings_of_f():
    """f may check something of its own, under settings of its own; both calls come back to what they had."""
    seen = []

    @own_arithmetic
    def inner():
        with callers_arithmetic():
            seen.append(np.geterr()["over"])

    @own_arithmetic
    def outer():
        with callers_arithmetic():
            seen.append(np.geterr()["over"])
            with np.errstate(over="print"):
                inner()
            seen.append(np.geterr()["over"])
        seen.append(np.geterr()["over"])
        inner()

    with np.errstate(over="raise"):
        outer()
        seen.append(np.geterr()["over"])

    assert seen == ["raise", "print", "raise", "ignore", "raise", "raise"]


# Numbers that NumPy does not know, and extended precision


@pytest.mark.slow
@pytest.mark.parametrize(
    "check",
    [
        lambda x, wrong: gradcheck.check_gradient(cubes, lambda x: wrong * right(x), x),
        lambda x, wrong: gradcheck.check_jacobian(lambda x: x**2, lambda x: np.diag(2 * wrong * x), x),
        lambda x, wrong: gradcheck.check_hessian(right, lambda x: np.diag(6 * wrong * x), x),
        lambda x, wrong: gradcheck.check_gradient(cubes, right, x, hessian=lambda x: np.diag(6 * wrong * x)),
        lambda x, wrong: gradcheck.check_vjp(lambda x: x**2, lambda x, u: 2 * wrong * x * u, x),
        lambda x, wrong: gradcheck.check_jvp(lambda x: x**2, lambda x, v: 2 * wrong * x * v, x),
        lambda x, wrong: gradcheck.check_hvp(right, lambda x, v: 6 * wrong * x * v, x),
        lambda x, wrong: gradcheck.check_problem(cubes, x, jac=lambda x: wrong * right(x)),
        lambda x, wrong: gradcheck.check_points(cubes, lambda x: wrong * right(x), [x]),
        lambda x, wrong: gradcheck.taylor_test(cubes, lambda x: wrong * right(x), x),
        lambda x, wrong: gradcheck.check_adjoint(lambda x: 2 * x, lambda y: 2 * wrong * y, x),
    ],
    ids=[
        "gradient",
        "jacobian",
        "hessian",
        "gradient and hessian",
        "vjp",
        "jvp",
        "hvp",
        "problem",
        "points",
        "taylor",
        "adjoint",
    ],
)
def test_longdouble_works_in_every_check(check):
    """A right derivative passes, and one that is 1 % too large fails."""
    x = np.array([1, 2, 3], np.longdouble)

    assert check(x, 1).outcome is Outcome.PASS
    assert check(x, np.longdouble("1.01")).outcome is Outcome.FAIL


@pytest.mark.slow
@pytest.mark.parametrize("number", [Fraction(1, 10**6), Decimal("1e-6"), np.float32(1e-6)])
@pytest.mark.parametrize("name", ["rtol", "atol", "resolution"])
def test_tolerances_may_be_any_real_number(number, name):
    """Fractions and decimals as floats: a mistake of 1 % fails, none passes."""
    options = {name: number}

    assert gradcheck.check_gradient(cubes, right, X, **options).outcome is Outcome.PASS
    assert gradcheck.check_gradient(cubes, lambda x: 1.01 * right(x), X, **options).outcome is Outcome.FAIL
    assert (
        gradcheck.check_jacobian(lambda x: x**2, lambda x: np.diag(2 * x), X, **options).outcome
        is Outcome.PASS
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [Fraction(1, 10**5), Decimal("1e-5"), np.longdouble(1e-5)])
@pytest.mark.parametrize("name", ["rtol", "resolution"])
@pytest.mark.parametrize(
    "check",
    [
        lambda wrong, **options: gradcheck.check_adjoint(lambda x: 2 * x, lambda y: 2 * wrong * y, X, **options),
        lambda wrong, **options: gradcheck.check_jvp(lambda x: x**2, lambda x, v: 2 * wrong * x * v, X, **options),
        lambda wrong, **options: gradcheck.check_vjp(lambda x: x**2, lambda x, u: 2 * wrong * x * u, X, **options),
        lambda wrong, **options: gradcheck.check_hvp(right, lambda x, v: 6 * wrong * x * v, X, **options),
        lambda wrong, **options: gradcheck.check_hessian(right, lambda x: np.diag(6 * wrong * x), X, **options),
        lambda wrong, **options: gradcheck.check_points(cubes, lambda x: wrong * right(x), [X], **options),
        lambda wrong, **options: gradcheck.check_problem(cubes, X, jac=lambda x: wrong * right(x), **options),
    ],
    ids=["adjoint", "jvp", "vjp", "hvp", "hessian", "points", "problem"],
)  # fmt: skip
def test_tolerances_of_every_check_may_be(check, name, number):
    """A right derivative passes, one that is 1 % too large fails."""
    assert check(1.0, **{name: number}).outcome is Outcome.PASS
    assert check(1.01, **{name: number}).outcome is Outcome.FAIL


@pytest.mark.parametrize("seconds", [1e308, np.inf, Fraction(100), Decimal(100)])
def test_any_number_of_seconds_is_a_budget(seconds):
    """Infinity is none."""
    assert gradcheck.check_gradient(cubes, right, X, max_seconds=seconds)
    assert gradcheck.check_problem(cubes, X, jac=right, hess=lambda x: np.diag(6 * x), max_seconds=seconds)
    assert gradcheck.check_points(cubes, right, [X, X], max_seconds=seconds)


@pytest.mark.parametrize("z", [X + 1j, 1.0 + 1.0j, {"z": X - 2j, "x": X}])
def test_the_gradient_of_complex_numbers(z):
    """Of |z|^2 it is 2 z, df/dRe + i df/dIm, within three errors, which are real."""

    def energy(z):
        return sum(np.sum(np.abs(v) ** 2) for v in (z.values() if isinstance(z, dict) else [z]))

    found = gradcheck.gradient(energy, z)

    names = z if isinstance(z, dict) else {None: z}
    for name, value in names.items():
        got, error = (part[name] if name else part for part in (found.value, found.error))
        assert np.shape(got) == np.shape(error) == np.shape(value)
        assert np.isrealobj(error)
        assert np.all(np.abs(got - 2 * np.asarray(value)) <= 3 * error)
        assert np.all(error < 1e-8)


# One clear message
MATRIX = np.ones((1, 2), int).view(np.matrix)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: gradcheck.check_gradient(cubes, (v for v in X), X), TypeError, "a generator is used up"),
        (lambda: gradcheck.check_problem(cubes, X, jac=right, constraints={"type": "eq"}), TypeError, "`fun`"),
        (lambda: gradcheck.check_problem(cubes, X, jac=right, bounds=[(np.nan, 9)] * 3), ValueError, "of x0.*nan"),
        (lambda: gradcheck.check_gradient(cubes, right, X, bounds=[(np.nan, 9)] * 3), ValueError, r"of x\[.*nan"),
        (lambda: gradcheck.check_problem(cubes, X, jac=right, bounds=[(9, 0)] * 3), ValueError, "bounds of x0.*above"),
        (lambda: gradcheck.check_problem(cubes, X * np.nan, jac=right), ValueError, "x0 is not finite: x0.0. is nan"),
        (lambda: gradcheck.derivative(np.sin, None), TypeError, "^t is None"),
        (lambda: gradcheck.derivative(np.sin, np.nan), ValueError, "^t is not finite: t is nan"),
        (lambda: gradcheck.derivative(np.sin, 1j), TypeError, "^t must be one real number, not 1j"),
        (lambda: gradcheck.derivative(np.sin, 1.0, bounds=(2, 3)), ValueError, "^t lies outside its bounds: t is 1.0"),
        (lambda: gradcheck.derivative(lambda t: None), TypeError, "^phi must return one real number"),
        (lambda: gradcheck.derivative(lambda t: np.nan), ValueError, r"^phi\(t\) is nan"),
        (lambda: gradcheck.derivative(3), TypeError, "^phi must be callable, not int"),
        (lambda: gradcheck.gradient(3, X), TypeError, "^f must be callable, not int"),
        (lambda: gradcheck.check_adjoint(np.eye(3), right, X), TypeError, "forward must be callable, not ndarray"),
        (lambda: gradcheck.check_adjoint(right, None, X), TypeError, "adjoint must be callable, not NoneType"),
        (lambda: gradcheck.check_gradient(cubes, right, X).plot(3), TypeError, "ax must be Axes .*not 3"),
        (lambda: gradcheck.taylor_test(cubes, right, X).plot(3), TypeError, "ax must be Axes .*not 3"),
        (lambda: gradcheck.check_problem(cubes, X, jac="2piont"), ValueError, "jac must be a function, '2-point'"),
        (lambda: gradcheck.check_problem(cubes, X, jac=right, hess="cd"), ValueError, "hess must be a function"),
        (
            lambda: gradcheck.check_jacobian(lambda x: x**2, lambda x: np.diag(2 * x), X, sparsity="2-point"),
            TypeError,
            r"sparsity must be a matrix \(3, 3\), dense or sparse, not '2-point'",
        ),
        (lambda: gradcheck.check_gradient(cubes, right, X, rtol=Decimal("nan")), ValueError, "rtol"),
        (lambda: gradcheck.check_gradient(cubes, right, X, rtol=Decimal("sNaN")), ValueError, "rtol must be a n"),
        (lambda: gradcheck.check_gradient(cubes, right, X, atol=Fraction(10**400)), ValueError, "atol must be"),
        (lambda: gradcheck.check_gradient(cubes, right, X, max_seconds=10**400), ValueError, "max_seconds must"),
        (lambda: gradcheck.check_adjoint(cubes, right, X, max_nfev=Decimal("nan")), ValueError, "max_nfev must"),
        (lambda: gradcheck.check_adjoint(cubes, right, X, pairs="6"), ValueError, "pairs must be a whole number"),
        (lambda: gradcheck.check_adjoint(cubes, right, X, rng="6"), TypeError, "rng must be a seed"),
        (lambda: gradcheck.check_points(cubes, right, [X], rng=-1), ValueError, "rng must be a seed"),
        (lambda: gradcheck.gradient(cubes, X, rng=MATRIX), TypeError, "rng must be a seed"),
        (lambda: gradcheck.gradient(cubes, X, rng=[0.5]), TypeError, "rng must be a seed"),
        (lambda: gradcheck.power(cubes, right, X, rng="6"), TypeError, "rng must be a seed"),
        (lambda: gradcheck.check_jvp(np.sin, np.cos, X, args=5), TypeError, "args must be a tuple"),
        (lambda: gradcheck.check_jacobian(np.sin, np.cos, X, args="text"), TypeError, "args must be a tuple"),
        (lambda: gradcheck.taylor_test(cubes, right, X, args=None), TypeError, "args must be a tuple"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(call, error, said):
    """The argument, its value and what is allowed."""
    with pytest.raises(error, match=said):
        call()


@pytest.mark.parametrize(
    ("grad", "said"),
    [
        (
            lambda x: (None, right(x)),
            "grad returns a pair of a NoneType and a ndarray: a gradient, or (",
        ),
        (lambda x: ("text", right(x)), "grad returns a pair of a str and a ndarray"),
        (lambda x: (v for v in right(x)), "grad holds object (generator)"),
        (lambda x: {"x": right(x)}, "grad is a dict"),
    ],
)
def test_a_gradient_that_is_none_fails_with_what_it_is(grad, said):
    """And nothing is called raised by grad that grad did not raise."""
    report = gradcheck.check_gradient(cubes, grad, X)

    assert report.outcome is Outcome.FAIL
    assert report.reason.startswith(said)


@pytest.mark.parametrize("check", [gradcheck.check_hessian, gradcheck.check_hvp])
def test_a_gradient_of_another_structure_is_not_called_raised_by_f(check):
    """It was refused by this package; the neighbour, an exception of the gradient itself, is noted as such."""
    tree = {"a": X, "b": X}

    report = check(lambda x: {"a": x["a"]}, lambda x, *v: np.eye(6), tree)
    with pytest.raises(KeyError) as raised:
        check(lambda x: x["c"], lambda x, *v: np.eye(6), tree)

    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason == 'grad has another structure than x: it lacks params["b"]'
    assert raised.value.__notes__ == ["gradcheck: raised by f at x"]


def test_an_f_that_changes_its_shape_is_undecided():
    """After the calls at x: no exception, as for a function of one number."""
    calls = []

    def changing(x):
        calls.append(1)
        return x**2 if len(calls) < 4 else (x**2)[:1]

    report = gradcheck.check_jacobian(changing, lambda x: np.diag(2 * x), X)

    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.reason.startswith("at a point near x: f returned shape (1,), and shape (3,) at x")
