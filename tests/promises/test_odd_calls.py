"""Whatever a public function is called with, it gives a verdict or one clear message of its own."""

import decimal
import inspect
import re
import traceback
from pathlib import Path

import numpy as np
import pytest

import gradcheck
from gradcheck.errors import GradcheckError

PACKAGE = str(Path(gradcheck.__file__).parent)
X = np.array([1.0, 2.0, 3.0])
CYCLIC: list = [1.0]
CYCLIC.append(CYCLIC)


def f(x):
    """The sum of squares."""
    return float(np.sum(np.square(x)))


def twice(x):
    """Its gradient."""
    return 2 * np.asarray(x)


CALLS = {
    gradcheck.check_gradient: (f, twice, X),
    gradcheck.check_points: (f, twice, [X, X + 1]),
    gradcheck.check_jacobian: (np.square, lambda x: np.diag(2 * np.asarray(x).ravel()), X),
    gradcheck.check_hessian: (twice, lambda x: 2 * np.eye(np.size(x)), X),
    gradcheck.check_jvp: (np.square, lambda x, v: 2 * x * v, X),
    gradcheck.check_vjp: (np.square, lambda x, u: 2 * x * u, X),
    gradcheck.check_hvp: (twice, lambda x, v: 2 * v, X),
    gradcheck.check_adjoint: (twice, twice, X),
    gradcheck.check_problem: (f, X),
    gradcheck.taylor_test: (f, twice, X),
    gradcheck.gradient: (f, X),
    gradcheck.derivative: (np.sin, 1.0),
    gradcheck.power: (f, twice, X),
}
NEEDED = {gradcheck.check_problem: {"jac": twice}}
OPTIONS = (
    "args",
    "bounds",
    "constraints",
    "max_nfev",
    "max_seconds",
    "method",
    "resolution",
    "rng",
    "sparsity",
    "vectorized",
)


class Opaque:
    """What says no when NumPy asks."""

    def __array__(self, *_, **__):
        raise RuntimeError("no array of me")


def returning(value):
    """A function of anything that returns it."""
    return lambda *_: value


ODD = {
    "None": None,
    "a ragged list": [[1.0, 2.0], [3.0]],
    "a list in itself": CYCLIC,
    "text": "abc",
    "nothing": [],
    "nan": np.nan,
    "a large integer": 10**400,
    "a module": np,
    "an opaque object": Opaque(),
    "memory": memoryview(b"abc"),
    "flags": np.array([True, False]),
    "a matrix": np.ones((2, 2)),
    "decimals": [decimal.Decimal("0.1")] * 3,
    "returns None": returning(None),
    "returns a ragged list": returning([[1.0], [1.0, 2.0]]),
    "returns an opaque object": returning(Opaque()),
    "returns a module": returning(np),
    "returns nan": returning(np.full(3, np.nan)),
}
# Of numbers a ragged list is a point of several arrays, as good as a dict of them: these are none.
NO_TREE = {
    "a ragged list": [[1.0, 2.0], ["a"]],
    "returns a ragged list": returning([[1.0], [1.0, "a"]]),
}
# What Python or NumPy say of a value when nobody looked at it before.
RAW = re.compile(
    r"object is not|not supported|unsupported operand|\(\) argument|^could not convert|iteration over|^setting an"
    r"|^only |unpack|truth value|ufunc|has no attribute|cannot pickle|recursion|inconsistent|too large"
)


def odd_calls(check):
    """Each argument, and each option that a check may have, in turn; what is called, and how."""
    given, needed = CALLS[check], NEEDED.get(check, {})
    for k, name in enumerate(list(inspect.signature(check).parameters)[: len(given)]):
        for what, value in ODD.items():
            value = NO_TREE.get(what, value) if name in ("x", "points") else value
            yield f"{name} is {what}", [*given[:k], value, *given[k + 1 :]], needed
    for name in OPTIONS:
        for what, value in ODD.items():
            yield f"{name} is {what}", given, needed | {name: value}


@pytest.mark.slow
@pytest.mark.parametrize("check", CALLS, ids=lambda check: check.__name__)
@pytest.mark.filterwarnings("ignore")
def test_an_odd_argument_is_a_verdict_or_one_message(check):
    """ValueError, TypeError or an error of this package, raised by it, in words about the argument."""
    unclear = {}
    for what, arguments, options in odd_calls(check):
        try:
            str(check(*arguments, **options))
        except (ValueError, TypeError, GradcheckError) as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            ours = place.filename.startswith(PACKAGE) and re.search(
                r"must|cannot be read|returned", str(error)
            )
            if not ours and (RAW.search(str(error)) or not place.filename.startswith(PACKAGE)):
                unclear[what] = f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})"
        except Exception as error:
            unclear[what] = repr(error)

    assert unclear == {}


def test_a_function_in_the_place_of_its_gradient_is_told():
    """The differences of grad are what a Hessian is compared with; of f itself they are the gradient."""
    for check, second in (
        (gradcheck.check_hessian, lambda x: 2 * np.eye(3)),
        (gradcheck.check_hvp, lambda x, v: 2 * v),
    ):
        report = check(f, second, X)

        assert report.outcome == "INCONCLUSIVE"
        assert (
            report.reason == "grad returned shape () where x has shape (3,): it must be the gradient, not f"
        )
        assert check(twice, second, X)
