"""Checking products with a Jacobian: J v, J^T u, and H v."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from gradcheck.checks.hessian import of_gradient
from gradcheck.checks.jacobian import Asked, judge_jacobian
from gradcheck.checks.linear import UserProduct
from gradcheck.checks.vjp import judge_vjp
from gradcheck.driver.options import Given, finished, told
from gradcheck.function.contract import check_callables
from gradcheck.function.vector_contract import called
from gradcheck.parameters.leaves import as_array
from gradcheck.parameters.tree import Parameters, one_array
from gradcheck.report.report import Report

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
    x = asked.recipe.parameters
    push = UserProduct(jvp, asked.recipe, x, _outputs(_value(asked), x), asked.options.rtol, "jvp", "tangent")
    asked = replace(asked, jac=_claimed(push), what="jvp", spent=1, extra=push.findings)
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
    x = asked.recipe.parameters
    push = UserProduct(hvp, asked.recipe, x, x, asked.options.rtol, "hvp", "tangent")
    asked = of_gradient(asked, jac=_claimed(push), what="hvp", extra=push.findings)
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
    f_x, x = _value(asked), asked.recipe.parameters
    pull = UserProduct(vjp, asked.recipe, _outputs(f_x, x), x, asked.options.rtol, "vjp", "cotangent")
    asked = replace(asked, what="vjp", spent=1, extra=pull.findings)
    return finished(judge_vjp(asked, pull, f_x), asked.recipe)


def _claimed(push: UserProduct) -> Any:
    """The Jacobian that is judged: of a few columns a function that asks for each, else a LinearOperator (m, n).

    Where all entries are known, plain differences of two evaluations a column may bear them out.
    """
    m, n = push.answers.size, push.space.size
    if n <= COLUMNS:
        return lambda *_: np.stack([push.product(unit) for unit in np.eye(n)], axis=1)
    return LinearOperator((m, n), matvec=push.product, dtype=np.float64)


def _outputs(f_x: NDArray[Any], x: Parameters) -> Parameters:
    """The space of what f returns: an array of its dtype, or of that of x where f returns whole numbers."""
    dtype = f_x.dtype if f_x.dtype.kind == "f" else x.dtype
    return one_array("f(x)", f_x.shape, dtype)


def _value(asked: Asked) -> NDArray[Any]:
    """What f returns at x: the space of the products; empty where it is no array, which the contract says."""
    result = called(asked.single, asked.recipe.x, asked.recipe.args, "f")
    try:
        return as_array(result)
    except TypeError:
        return np.empty(0)
