"""Checking products with a Jacobian: J v, J^T u, and H v."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from gradcheck._typing import Flat
from gradcheck.checks.hessian import asymmetry, flat_gradient, whole_gradient
from gradcheck.checks.jacobian import Asked, judge_jacobian, repeated
from gradcheck.checks.linear import Answers, UserProduct
from gradcheck.checks.vjp import Pullback, at_one_point, judge_vjp, parts_of
from gradcheck.driver.options import Given, Options, finished, told
from gradcheck.function.contract import changed, check_callables
from gradcheck.function.matrix import Matrix
from gradcheck.function.objective import NotScalarError
from gradcheck.function.vector_contract import called
from gradcheck.numerics.tangents import opposed
from gradcheck.parameters.leaves import as_array, eps_of
from gradcheck.parameters.tree import Parameters
from gradcheck.report.report import Report
from gradcheck.results.finding import Finding

# Up to so many columns, asking for each takes no more products than random tangents do.
COLUMNS = 5


@told
def check_jvp(
    f: Callable[..., Any],
    jvp: Callable[..., Any],
    x: Any,
    *,
    args: Sequence[Any] = (),
    vectorized: bool = False,
    **options: Unpack[Given],
) -> Report:
    """Judge a forward product, jvp(x, v) = J v.

    Returns a Report with one array, J: mistakes are named J[i, j]. A jvp that is not linear in v is FAIL.

    Parameters
    ----------
    f
        f(x, *args) -> an array of m real numbers, of any shape.
    jvp
        jvp(x, v, *args) -> an array of f's shape, for a tangent v with the structure of x.
    x
        as in `check_jacobian`.
    args
        further arguments of f and jvp, a tuple.
    vectorized, options
        as in `check_jacobian`: random tangents test all rows at once, and tell which columns are wrong.
    """
    chosen = Options.of(options)
    check_callables(f=f, jvp=jvp)
    call, recipe, at = repeated(chosen, "check_jvp(f, jvp, x", f, jvp, x, args, vectorized=vectorized)
    f_x = _value(f, *at, vectorized=bool(vectorized))
    push = Pushforward(jvp, *at, f_x.shape, chosen.rtol, "jvp", "tangent")
    asked = Asked(f, push.claim(), *at, what="jvp", spent=1, vectorized=bool(vectorized), extra=push.findings)
    report = judge_jacobian(asked, chosen, call)
    return finished(replace(report, ngev=push.calls), recipe)


@told
def check_hvp(
    grad: Callable[..., Any],
    hvp: Callable[..., Any],
    x: Any,
    *,
    args: Sequence[Any] = (),
    vectorized: bool = False,
    **options: Unpack[Given],
) -> Report:
    """Judge a product with a Hessian, hvp(x, v) = H v, against differences of the gradient; and its symmetry.

    Parameters
    ----------
    grad
        grad(x, *args) -> gradient with the structure of x, taken to be right.
    hvp
        hvp(x, v, *args) -> H v with the structure of x: what `scipy.optimize.minimize` takes as hessp.
    x
        as in `check_jacobian`.
    args
        further arguments of grad and hvp, a tuple.
    vectorized
        grad takes k points at once, along a last axis more than x has, and returns arrays with one more, too.
    options
        as in `check_jacobian`. Returns a Report with one array, H.
    """
    chosen = Options.of(options)
    check_callables(grad=grad, hvp=hvp)
    call, recipe, at = repeated(chosen, "check_hvp(grad, hvp, x", grad, hvp, x, args, vectorized=vectorized)
    parameters = recipe.parameters
    f = whole_gradient(grad, parameters, vectorized=bool(vectorized))
    # As the gradient is: of x's shape where x is one array, flat where it is a tree.
    single = len(parameters.blocks) == 1 and parameters.blocks[0].name == "x"
    shape = parameters.blocks[0].shape if single else (parameters.size,)
    product = flat_gradient(hvp, parameters)
    push = Pushforward(product, *at, shape, chosen.rtol, "hvp", "tangent")

    asked = Asked(
        f, push.claim(), *at, what="hvp", symbol="H", vectorized=bool(vectorized), extra=push.findings,
        after=partial(asymmetry, chosen),
    )  # fmt: skip
    report = judge_jacobian(asked, chosen, call)
    return finished(replace(report, ngev=push.calls), recipe)


@told
def check_vjp(
    f: Callable[..., Any],
    vjp: Callable[..., Any],
    x: Any,
    *,
    args: Sequence[Any] = (),
    vectorized: bool = False,
    **options: Unpack[Given],
) -> Report:
    """Judge a backward product, vjp(x, u) = J^T u: backpropagation of a cotangent.

    Returns a Report with one array, J: mistakes are named J[i, j]. A vjp that is not linear in u is FAIL.

    Parameters
    ----------
    f
        f(x, *args) -> an array of m real numbers, of any shape.
    vjp
        vjp(x, u, *args) -> J^T u with the structure of x, for a cotangent u of f's shape.
    x
        as in `check_jacobian`.
    args
        further arguments of f and vjp, a tuple.
    vectorized, options
        as in `check_jacobian`. For at most 100 outputs every row of J is asked for; beyond, random cotangents stand
        for all rows, and tell which of them are wrong.
    """
    chosen = Options.of(options)
    check_callables(f=f, vjp=vjp)
    call, recipe, at = repeated(chosen, "check_vjp(f, vjp, x", f, vjp, x, args, vectorized=vectorized)
    f_x = _value(f, *at, vectorized=bool(vectorized))
    dtype = f_x.dtype if f_x.dtype.kind == "f" else recipe.flat.dtype
    pull = Pullback(vjp, *at, f_x.shape, chosen.rtol, "vjp", "cotangent", dtype=dtype)
    return finished(judge_vjp(f, pull, f_x, chosen, call, vectorized=bool(vectorized)), recipe)


@dataclass
class Pushforward(UserProduct):
    """v -> J v, of the shape of what f returns; dtype : the coarsest in which it answered."""

    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float64))

    def claim(self) -> Any:
        """The Jacobian that is judged: of a few columns a function that asks for each, else a LinearOperator (m, n).

        Where all entries are known, plain differences of two evaluations a column may bear them out.
        """
        n = self.x.size
        if 0 < n <= COLUMNS:
            return lambda *_: np.stack([self.product(unit) for unit in np.eye(n)], axis=1)
        return LinearOperator((math.prod(self.shape), n), matvec=self.product, dtype=np.float64)

    def product(self, argument: Flat) -> Flat:
        """J v (m,)."""
        v = np.array(argument, self.x.dtype).ravel()
        along = self.parameters.unflatten(v.copy())
        result = self.called(along)
        self.overwrites |= bool(changed(self.parameters, along, self.parameters.on_grid(v)))
        try:
            array = as_array(result)
        except (ValueError, TypeError) as error:
            raise NotScalarError(f"{self.what} cannot be read as an array: {error}") from None
        if array.dtype.kind not in "fiub" or array.shape not in (self.shape, (math.prod(self.shape),)):
            wanted = f"real numbers of shape {self.shape} are needed"
            raise NotScalarError(f"{self.what} returns {array.dtype} of shape {array.shape}; {wanted}")
        if array.dtype.kind == "f":
            self.dtype = max(self.dtype, array.dtype, key=lambda d: float(np.finfo(d).eps))
        with np.errstate(
            over="ignore"
        ):  # of a longdouble beyond float64; what becomes infinite is seen to be so
            return np.array(array, np.float64).ravel()

    def findings(self, matrix: Matrix, dtype: str) -> list[Finding]:
        """What it does to its arguments, and whether it is linear in its tangent."""
        scales = self.parameters.scales(self.x)
        one, other = (scales * part for part in opposed(np.random.default_rng(1), self.x.size))
        dtype = max((dtype, str(self.dtype)), key=eps_of)
        # A product with a Hessian answers in the space of x, array by array.
        answers = Answers({"": slice(0, matrix.shape[0])}, dtype=dtype)
        if self.what == "hvp":
            answers = Answers(parts_of(self.parameters), scales, dtype)
        return self.contract(one, other, answers)


def _value(
    f: Callable[..., Any], parameters: Parameters, x: Flat, args: Sequence[Any], *, vectorized: bool
) -> NDArray[Any]:
    """What f returns at x: the space of the products; empty where it is no array, which the contract says."""
    single = at_one_point(f, parameters) if vectorized else f
    result = called(single, parameters.unflatten(x.copy()), args, "f")
    try:
        return as_array(result)
    except (ValueError, TypeError):
        return np.empty(0)
