"""HIPS autograd: what `autograd.grad` and `make_jvp` make of a function of NumPy arrays, with its rules."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from numbers import Number
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from gradcheck.checks.products import check_jvp
from gradcheck.driver.options import Given
from gradcheck.interop.adapter import called, check_call, judge, leaves_of, optional
from gradcheck.report.report import Report

autograd = optional("autograd")
optional("autograd.numpy")

# What lies there is no rule of the user's.
OWN = Path(autograd.__file__).parent

__all__ = ["check_function"]


def check_function(
    f: Callable[..., Any],
    x: Any,
    *,
    args: Sequence[Any] = (),
    mode: str = "reverse",
    **options: Unpack[Given],
) -> Report:
    """Judge what autograd makes of f.

    Parameters
    ----------
    f : callable
        f(x, *args) -> an array, computed with `autograd.numpy`, or a tuple, list or dict of them, nested too. One real
        number is judged by `gradcheck.check_gradient`, more by `gradcheck.check_vjp`.
    x : array_like or tree
        An array, or a dict, list or tuple of them.
    args : sequence, optional
        Further arguments, not differentiated.
    mode : {"reverse", "forward"}, optional
        "reverse" (autograd.grad, defvjp) or "forward" (autograd.make_jvp, defjvp; by `check_jvp`, for real x). Default
        "reverse".
    options
        As for the check in question.

    Returns
    -------
    Report
        f is the function, and grad or vjp what autograd makes of it.

    Raises
    ------
    ValueError
        For another mode.
    TypeError
        Where f returns something else.
    TypeError, ValueError
        For arguments that cannot be used, as the check in question.
    GradientCheckInterrupted
        For KeyboardInterrupt; its `report` holds what was known.

    Notes
    -----
    For complex x autograd's gradient, df/dRe - i df/dIm, is conjugated: reports show df/dRe + i df/dIm.

    Examples
    --------
    >>> import autograd.numpy as anp
    >>> import numpy as np
    >>> from gradcheck.interop.autograd import check_function
    >>> report = check_function(lambda x: anp.sum(anp.sin(x) ** 2), np.array([0.5, 1.0]))
    >>> report.outcome.value
    'PASS'
    """
    check_call(f, args)
    if mode not in ("reverse", "forward"):
        raise ValueError(f"mode must be 'reverse' or 'forward', not {mode!r}")

    def joined(x: Any) -> Any:
        leaves = leaves_of(f(x, *args), _is_number, "f", "a number or an array")
        numpy = autograd.numpy
        return leaves[0] if len(leaves) == 1 else numpy.concatenate([numpy.ravel(leaf) for leaf in leaves])

    def value(x: Any) -> Any:
        return np.array(joined(x))

    def pullback(x: Any, cotangent: Any) -> Any:
        vjp, _ = autograd.make_vjp(joined)(x)
        return _conjugate(_pulled_back(vjp, np.conj(cotangent)))

    def pushforward(x: Any, tangent: Any) -> Any:
        return np.array(autograd.make_jvp(joined)(x)(tangent)[1])

    call = "gradcheck.interop.autograd.check_function(f, x"
    if mode == "forward":
        return called(check_jvp(value, pushforward, x, **options), call + ", mode='forward'")
    return judge(value, pullback, x, call, options)


def _is_number(leaf: Any) -> bool:
    """Whether it is a number, or an array of some, or one that autograd follows."""
    if isinstance(leaf, autograd.extend.Box):
        return not isinstance(leaf._value, dict | tuple | list)
    return isinstance(leaf, Number) or (isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biufc")


def _pulled_back(vjp: Callable[[Any], Any], cotangent: Any) -> Any:
    """What the backward pass gives. Raises ValueError where autograd cannot add up what the rules return.

    What a rule itself raises is left alone.
    """
    try:
        return vjp(cotangent)
    except (ValueError, TypeError) as error:
        frames = traceback.extract_tb(error.__traceback__)[1:]
        if not all(Path(frame.filename).is_relative_to(OWN) for frame in frames):
            raise
        text = (
            "the backward pass cannot add up what the rules return: one has another shape than its argument"
        )
        raise ValueError(f"{text}, a sum over a broadcast axis is missing? ({error})") from error


def _conjugate(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _conjugate(part) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_conjugate(part) for part in tree)
    return np.conj(tree)
