"""HIPS autograd: what `autograd.grad` makes of a function of NumPy arrays, with its `defvjp` rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

import numpy as np

from gradcheck.driver.options import Given
from gradcheck.interop.adapter import judge, optional
from gradcheck.report.report import Report

autograd = optional("autograd")

__all__ = ["check_function"]


def check_function(
    f: Callable[..., Any], x: Any, *, args: Sequence[Any] = (), **options: Unpack[Given]
) -> Report:
    """Judge what autograd makes of f.

    Parameters
    ----------
    f : callable
        f(x, *args) -> an array, computed with `autograd.numpy`. One real number is judged by
        `gradcheck.check_gradient`, more by `gradcheck.check_vjp`.
    x : array_like or tree
        An array, or a dict, list or tuple of them.
    args : sequence, optional
        Further arguments, not differentiated.
    options
        As for the check in question.

    Returns
    -------
    Report
        f is the function, and grad or vjp what autograd makes of it.

    Raises
    ------
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

    def value(x: Any) -> Any:
        return np.array(f(x, *args))

    def pullback(x: Any, cotangent: Any) -> Any:
        vjp, _ = autograd.make_vjp(lambda x: f(x, *args))(x)
        return _conjugate(vjp(np.conj(cotangent)))

    return judge(value, pullback, x, "gradcheck.interop.autograd.check_function(f, x", options)


def _conjugate(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _conjugate(part) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_conjugate(part) for part in tree)
    return np.conj(tree)
