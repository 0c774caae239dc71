"""JAX: what `jax.grad`, `jax.vjp` and `jax.jvp` make of a function, with its custom_vjp and custom_jvp rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Unpack

import numpy as np

from gradcheck.checks.products import check_jvp
from gradcheck.driver.options import Given
from gradcheck.interop.adapter import called, check_call, judge, leaves_of, noted, optional
from gradcheck.parameters.leaves import widened
from gradcheck.report.report import Report

jax = optional("jax")

__all__ = ["check_function"]


def check_function(
    f: Callable[..., Any],
    x: Any,
    *,
    args: Sequence[Any] = (),
    mode: str = "reverse",
    x64: bool = True,
    **options: Unpack[Given],
) -> Report:
    """Judge what JAX makes of f, jitted or not.

    Parameters
    ----------
    f : callable
        f(x, *args) -> an array, or a pytree of them. One real number is judged by `gradcheck.check_gradient`, more by
        `gradcheck.check_vjp`.
    x : pytree
        Of real or complex arrays. Its leaves are named by their paths, `params["layers.0.w"]`.
    args : sequence, optional
        Further arguments, not differentiated.
    mode : {"reverse", "forward"}, optional
        "reverse" (jax.grad, custom_vjp) or "forward" (jax.jvp, custom_jvp; by `gradcheck.check_jvp`, for real x).
        Default "reverse".
    x64 : bool, optional
        x is cast to float64 (complex128), and f runs with 64 bits; False leaves JAX as it is set, which is noted.
        Default True.
    options
        As for the check in question.

    Returns
    -------
    Report
        f is the function, and grad or vjp what JAX makes of it.

    Raises
    ------
    ValueError
        For another mode.
    TypeError
        Where f returns no array.
    TypeError, ValueError
        For arguments that cannot be used, as the check in question.
    GradientCheckInterrupted
        For KeyboardInterrupt; its `report` holds what was known.

    Notes
    -----
    For complex x JAX's gradient, df/dRe - i df/dIm, is conjugated: reports show df/dRe + i df/dIm.
    """
    check_call(f, args)
    if mode not in ("reverse", "forward"):
        raise ValueError(f"mode must be 'reverse' or 'forward', not {mode!r}")
    with _x64(x64):
        paths, structure = jax.tree_util.tree_flatten_with_path(x)
        arrays = [_array(leaf, x64) for _, leaf in paths]
        # Of bfloat16, which NumPy has not, in float16: f rounds x to 8 bits, and steps are as long as that there alone.
        # Others stay as they come: the complex step has more than x.
        own = [array.dtype if array.dtype.kind == "V" else None for array in arrays]
        arrays = [array.astype(np.float16) if array.dtype.kind == "V" else array for array in arrays]
        coarse = next((dtype for dtype in own if dtype is not None), None)
        names = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in paths]
        if len(set(names)) < len(names):  # {"a": {"b": ...}, "a.b": ...}
            names = [jax.tree_util.keystr(path) for path, _ in paths]
        single = len(paths) == 1 and not paths[0][0]
        point = arrays[0] if single else dict(zip(names, arrays, strict=True))
        returned: set[str] = set()

        def tree(x: Any) -> Any:
            leaves = [x] if single else x.values()
            pairs = zip(leaves, own, strict=True)
            return structure.unflatten([jax.numpy.array(a, dtype) for a, dtype in pairs])

        def untree(x: Any) -> Any:
            leaves = [widened(np.array(leaf)) for leaf in jax.tree.leaves(x)]
            return leaves[0] if single else dict(zip(names, leaves, strict=True))

        def outputs(x: Any) -> Any:
            out = f(x, *args)
            parts = jax.tree.leaves(out)
            parts = parts[0] if len(parts) == 1 else parts or out
            leaves = leaves_of(parts, _is_array, "f", "an array of JAX")
            one = leaves[0] if len(leaves) == 1 else jax.numpy.concatenate([a.ravel() for a in leaves])
            returned.add(str(one.dtype))
            return one

        def value(x: Any) -> Any:
            out = np.array(outputs(tree(x)))
            # What a loss in float32 makes of bfloat16 shows more digits than are known.
            return widened(out if coarse is None or out.dtype.kind == "c" else out.astype(coarse))

        def pullback(x: Any, cotangent: Any) -> Any:
            out, vjp = jax.vjp(outputs, tree(x))
            (product,) = vjp(jax.numpy.asarray(np.conj(cotangent), out.dtype))
            return jax.tree.map(np.conj, untree(product))

        def pushforward(x: Any, tangent: Any) -> Any:
            return widened(np.array(jax.jvp(outputs, (tree(x),), (tree(tangent),))[1]))

        call = "gradcheck.interop.jax.check_function(f, x" + (", mode='forward'" if mode == "forward" else "")
        if mode == "forward":
            report = called(check_jvp(value, pushforward, point, **options), call)
        else:
            report = judge(value, pullback, point, call, options)
        return noted(report, _about_precision(arrays, returned))


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


def _x64(wanted: bool) -> Any:
    # jax.experimental.enable_x64 in older versions.
    home = jax if hasattr(jax, "enable_x64") else jax.experimental
    return home.enable_x64(True) if wanted else nullcontext()


def _array(leaf: Any, x64: bool) -> Any:
    array = np.array(jax.numpy.asarray(leaf))
    if not x64:
        return array
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _about_precision(arrays: list[Any], returned: set[str]) -> list[str]:
    half = {"bfloat16", "float16"}
    single = {"float32", "complex64", *half}
    if any(str(a.dtype) in single for a in arrays):
        rounded = "half" if any(str(a.dtype) in half for a in arrays) else "single"
        return [f"x64 is off: x is rounded to {rounded} precision, and small mistakes cannot be seen"]
    if returned & single:
        return [f"f returns {', '.join(sorted(returned & single))} where x is float64: it casts within"]
    return []
