"""Checking second derivatives: a Hessian is the Jacobian of a gradient, and symmetric."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Unpack

import numpy as np
import scipy.sparse

from gradcheck.checks.jacobian import Asked, judge_jacobian
from gradcheck.checks.linear import rounding_of_pair
from gradcheck.driver.combine import combine, in_turn
from gradcheck.driver.options import Given, Options, finished, told
from gradcheck.function.contract import is_pair
from gradcheck.function.matrix import Dense, Matrix, Sparse, values_at
from gradcheck.function.objective import NotScalarError
from gradcheck.numerics.tangents import ROUNDING, root_mean_square
from gradcheck.parameters.leaves import as_array
from gradcheck.parameters.tree import Parameters
from gradcheck.report.report import Report
from gradcheck.results.entries import Entries, latest
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Outcome
from gradcheck.results.verdict import DEFAULT_RTOL
from gradcheck.results.words import count

# Smaller numbers have lost digits, by any order of computing them.
SMALLEST = float(np.finfo(float).tiny)


@told
def check_hessian(
    grad: Callable[..., Any],
    hess: Any,
    x: Any,
    *,
    args: Sequence[Any] = (),
    sparsity: Any = None,
    vectorized: bool = False,
    **options: Unpack[Given],
) -> Report:
    """Judge the Hessian of a scalar function against differences of its gradient, and its symmetry.

    Returns a Report with one array, H; an asymmetric H is FAIL, with the pair that differs most.

    Parameters
    ----------
    grad
        grad(x, *args) -> gradient with the structure of x. It is taken to be right: `check_gradient` judges it, and
        `check_gradient(..., hessian=hess)` both.
    hess
        hess(x, *args) -> H[i, j] = d2f / dx_i dx_j: an array (n, n) or of x's shape twice; a scipy.sparse matrix; a
        LinearOperator. Or one of these itself.
    x
        as in `check_jacobian`, an array or a tree of arrays; then H is over the flat vector of all its entries.
    args
        further arguments of grad and hess, a tuple.
    vectorized
        grad takes k points at once, along a last axis more than x has, and returns arrays with one more, too.
    sparsity, options
        as in `check_jacobian`.
    """
    if not callable(grad):
        raise TypeError(
            f"grad must be callable: its differences are what hess is compared with; got {grad!r:.60}"
        )
    if hess is None:
        raise TypeError("hess must be a callable or a Hessian, not None")
    asked = Asked.of(
        "check_hessian(grad, hess, x", grad, hess, x, args, options, vectorized=vectorized, sparsity=sparsity
    )
    asked = of_gradient(asked, what="hess")
    return finished(judge_jacobian(asked), asked.recipe)


def of_gradient(asked: Asked, **more: Any) -> Asked:
    """The check of a derivative of a gradient; more : as of `Asked`."""
    f = whole_gradient(asked.f, asked.recipe.parameters, vectorized=asked.vectorized)
    return replace(asked, f=f, symbol="H", after=partial(asymmetry, asked.options), **more)


def gradient_alone(f: Any, grad: Any, parameters: Parameters) -> Callable[..., Any]:
    """The gradient as a function that returns nothing else, of f and grad as `check_gradient` takes them."""

    def gradient(x: Any, *args: Any) -> Any:
        result = f(x, *args) if grad is True else grad(x, *args)
        if grad is True and not isinstance(result, tuple | list):
            raise TypeError(f"with grad=True f must return (value, gradient); it returned {result!r:.60}")
        return result[1] if grad is True or is_pair(result, parameters) else result

    return gradient


def whole_gradient(
    grad: Callable[..., Any], parameters: Parameters, *, vectorized: bool = False
) -> Callable[..., Any]:
    """The gradient as one array: as it is where x is one, the flat vector where x is a tree.

    An answer of another size than x is refused: f may be given in its place by mistake.
    """

    def flat(given: Any, x: Any) -> Any:
        if parameters.is_array:
            return given
        try:
            if vectorized:
                arrays = zip(parameters.arrays(given), parameters.blocks, strict=True)
                return np.concatenate([np.asarray(part).reshape(b.size, -1) for part, b in arrays])
            if any(np.iscomplexobj(part) for part in parameters.arrays(x, "x")):  # by the complex step
                return np.concatenate([np.ravel(part) for part in parameters.arrays(given)])
            return parameters.flatten(given)
        except (ValueError, TypeError) as error:  # ours, and not what grad raised
            raise NotScalarError(str(error)) from None

    def gradient(x: Any, *args: Any) -> Any:
        given = flat(grad(x, *args), x)
        points = parameters.arrays(x, "x")[0].shape[-1] if vectorized else 1
        try:
            shape = as_array(given).shape
        except TypeError:
            return given  # it is refused where the values of any function are read
        if math.prod(shape) != parameters.size * points:
            x_has = parameters.blocks[0].shape
            text = f"grad returned shape {shape} where x has shape {x_has}: it must be the gradient, not f"
            raise NotScalarError(text)
        return given

    return gradient


def asymmetry(options: Options, matrix: Matrix, dtype: str, judged: Entries | None) -> list[Finding]:
    """A finding where H[i, j] and H[j, i] differ by more than rtol of the larger and rounding explain.

    An entry may be what is left of terms that cancel: added in two orders it differs by what a third of the digits of
    others in its rows hold, and a row of which nothing is left by some roundings of the other.

    dtype : in which the matrix was computed. judged : entries that were measured; of a grad that is noise below their
    bars H may be as well.
    """
    eps, atol = float(np.finfo(dtype).eps), options.atol
    rtol = DEFAULT_RTOL.get(dtype, DEFAULT_RTOL["float64"]) if options.rtol is None else options.rtol
    if isinstance(matrix, Dense | Sparse):
        array: Any = scipy.sparse.csc_array(matrix.array)
        apart = abs(array - array.T).tocoo()
        if apart.nnz == 0:
            return []
        i, j = apart.coords
        one, other = matrix.entries(i, j), matrix.entries(j, i)
        rms = matrix.norms(np.ones(matrix.shape[1])) / math.sqrt(matrix.shape[1])
        rounding = eps ** (2 / 3) * np.minimum(rms[i], rms[j]) + ROUNDING * eps * np.maximum(rms[i], rms[j])
        allowed = rtol * np.maximum(np.abs(one), np.abs(other)) + rounding + atol
        if judged is not None:
            found = latest(judged)
            for entries in (i, j), (j, i):
                wanted = np.ravel_multi_index(entries, matrix.shape)
                allowed = allowed + values_at(found.coordinates, 3.0 * found.estimate.error, wanted)
        excess = apart.data / np.maximum(allowed, SMALLEST)
        k = int(np.argmax(excess))
        if excess[k] <= 1.0:
            return []
        pairs = int((excess > 1.0).sum()) // 2
        a, b = sorted((int(i[k]), int(j[k])))
        upper, lower = matrix.entries(np.array([a, b]), np.array([b, a]))
        text = f"H[{a}, {b}] is {upper:.8g}, H[{b}, {a}] is {lower:.8g}"
        return [Finding(f"hess is not symmetric in {count(pairs, 'pair')}: {text}", Outcome.FAIL)]
    generator = np.random.default_rng(0)
    u, v = generator.standard_normal((2, matrix.shape[1]))
    hu, hv = matrix.product(u), matrix.product(v)
    terms = np.concatenate([u * hv, v * hu])
    weight = root_mean_square(terms) * float(np.sqrt(terms.size))
    apart_by = abs(float(u @ hv - v @ hu))
    if apart_by <= max(max(rtol, ROUNDING * eps) * weight + atol, SMALLEST):
        return []
    if apart_by <= rounding_of_pair(matrix.product, matrix.product, v, u):
        return []
    return [Finding(f"hess is not symmetric: u.Hv is {u @ hv:.8g}, v.Hu is {v @ hu:.8g}", Outcome.FAIL)]


def and_hessian(
    report: Report, f: Any, grad: Any, hess: Any, x: Any, args: Sequence[Any], options: Options
) -> Report:
    """The report of a gradient, and that of its Hessian, as one; budgets are for both together.

    Parameters
    ----------
    f, grad
        as `check_gradient` takes them.
    """
    gradient = gradient_alone(f, grad, Parameters.of(x)[0])
    same = {
        name: getattr(options, name)
        for name in ("rtol", "atol", "resolution", "bounds", "rng", "n_jobs", "progress")
    }
    second = partial(check_hessian, gradient, hess, x, args=args, **same)
    seconds = None if options.max_seconds is None else options.max_seconds - report.seconds
    checks: dict[str, Callable[..., Report]] = {"gradient": lambda **_: report, "hessian": second}
    reports = in_turn(checks.items(), max_nfev=options.max_nfev, max_seconds=seconds)
    call = report.call.replace("(f, grad, x", "(f, grad, x, hessian=hess", 1)
    left_out = () if "hessian" in reports else ("the Hessian",)
    functions = {"gradient": report.functions, "hessian": ("f" if grad is True else "grad", "hess")}
    return combine(
        reports,
        method=report.method,
        seed=report.seed,
        call=call,
        left_out=left_out,
        max_nfev=options.max_nfev,
        functions=functions,
        references={"hessian": "gradient"},
    )
