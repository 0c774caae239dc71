"""Checking products with a Jacobian: J v, J^T u, and H v."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from gradcheck._typing import Flat
from gradcheck.checks.hessian import flat_gradient, of_gradient
from gradcheck.checks.jacobian import Asked, judge_jacobian
from gradcheck.checks.linear import Answers, UserProduct
from gradcheck.checks.vjp import Pullback, judge_vjp, parts_of
from gradcheck.driver.options import Given, finished, told
from gradcheck.function.contract import changed, check_callables
from gradcheck.function.matrix import Matrix
from gradcheck.function.objective import NotScalarError
from gradcheck.function.vector_contract import called
from gradcheck.numerics.tangents import opposed
from gradcheck.parameters.leaves import as_array, eps_of
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
    check_callables(f=f, jvp=jvp)
    asked = Asked.of("check_jvp(f, jvp, x", f, jvp, x, args, options, vectorized=vectorized)
    push = Pushforward(jvp, asked.recipe, _value(asked).shape, asked.options.rtol, "jvp", "tangent")
    asked = replace(asked, jac=push.claim(), what="jvp", spent=1, extra=push.findings)
    return finished(replace(judge_jacobian(asked), ngev=push.calls), asked.recipe)


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
    check_callables(grad=grad, hvp=hvp)
    asked = Asked.of("check_hvp(grad, hvp, x", grad, hvp, x, args, options, vectorized=vectorized)
    parameters = asked.recipe.parameters
    # As the gradient is: of x's shape where x is one array, flat where it is a tree.
    single = len(parameters.blocks) == 1 and parameters.blocks[0].name == "x"
    shape = parameters.blocks[0].shape if single else (parameters.size,)
    product = flat_gradient(hvp, parameters)
    push = Pushforward(product, asked.recipe, shape, asked.options.rtol, "hvp", "tangent")
    asked = of_gradient(asked, jac=push.claim(), what="hvp", extra=push.findings)
    return finished(replace(judge_jacobian(asked), ngev=push.calls), asked.recipe)


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
    check_callables(f=f, vjp=vjp)
    asked = Asked.of("check_vjp(f, vjp, x", f, vjp, x, args, options, vectorized=vectorized)
    f_x = _value(asked)
    dtype = f_x.dtype if f_x.dtype.kind == "f" else asked.recipe.flat.dtype
    pull = Pullback(vjp, asked.recipe, f_x.shape, asked.options.rtol, "vjp", "cotangent", dtype=dtype)
    asked = replace(asked, what="vjp", spent=1, extra=pull.findings)
    return finished(judge_vjp(asked, pull, f_x), asked.recipe)


@dataclass
class Pushforward(UserProduct):
    """v -> J v, of the shape of what f returns; dtype : the coarsest in which it answered."""

    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float64))

    def claim(self) -> Any:
        """The Jacobian that is judged: of a few columns a function that asks for each, else a LinearOperator (m, n).

        Where all entries are known, plain differences of two evaluations a column may bear them out.
        """
        n = self.recipe.flat.size
        if 0 < n <= COLUMNS:
            return lambda *_: np.stack([self.product(unit) for unit in np.eye(n)], axis=1)
        return LinearOperator((math.prod(self.shape), n), matvec=self.product, dtype=np.float64)

    def product(self, argument: Flat) -> Flat:
        """J v (m,)."""
        parameters = self.recipe.parameters
        v = np.array(argument, parameters.dtype).ravel()
        along = parameters.unflatten(v.copy())
        result = self.called(along)
        self.overwrites |= bool(changed(parameters, along, parameters.on_grid(v)))
        try:
            array = as_array(result)
        except TypeError as error:
            raise NotScalarError(f"{self.what}: {error}") from None
        if array.dtype.kind not in "fiub" or array.shape not in (self.shape, (math.prod(self.shape),)):
            wanted = f"real numbers of shape {self.shape} are needed"
            raise NotScalarError(f"{self.what} returns {array.dtype} of shape {array.shape}; {wanted}")
        if array.dtype.kind == "f":
            self.dtype = max(self.dtype, array.dtype, key=eps_of)
        with np.errstate(
            over="ignore"
        ):  # of a longdouble beyond float64; what becomes infinite is seen to be so
            return np.array(array, np.float64).ravel()

    def findings(self, matrix: Matrix, dtype: str) -> list[Finding]:
        """What it does to its arguments, and whether it is linear in its tangent."""
        parameters = self.recipe.parameters
        scales = parameters.scales(self.recipe.flat)
        one, other = (scales * part for part in opposed(np.random.default_rng(1), parameters.size))
        dtype = max((dtype, str(self.dtype)), key=eps_of)
        # A product with a Hessian answers in the space of x, array by array.
        answers = Answers({"": slice(0, matrix.shape[0])}, dtype=dtype)
        if self.what == "hvp":
            answers = Answers(parts_of(parameters), scales, dtype)
        return self.contract(one, other, answers)


def _value(asked: Asked) -> NDArray[Any]:
    """What f returns at x: the space of the products; empty where it is no array, which the contract says."""
    result = called(asked.single, asked.recipe.x, asked.recipe.args, "f")
    try:
        return as_array(result)
    except TypeError:
        return np.empty(0)
