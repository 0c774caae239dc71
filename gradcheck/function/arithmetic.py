"""Whose floating-point settings hold: this package's own while it computes, the caller's while f and grad run at x."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

# The settings of whoever called the check that is under way in this thread; None outside of checks and while f runs.
_callers: ContextVar[Mapping[str, Any] | None] = ContextVar("_callers", default=None)


def own_arithmetic(function: Callable[P, R]) -> Callable[P, R]:
    """Let `function` compute beyond the range of floats in silence, whatever the caller's np.errstate says.

    An overflow makes inf, which no decision takes for agreement: a warning adds nothing, and under `-W error` or
    np.errstate(all="raise") it would end the check.
    """

    @functools.wraps(function)
    def quiet(*args: P.args, **options: P.kwargs) -> R:
        # A check inside a check, such as that of a constraint, has the same caller.
        outer = _callers.get()
        token = _callers.set(np.geterr() if outer is None else outer)
        try:
            with np.errstate(all="ignore"):
                return function(*args, **options)
        finally:
            _callers.reset(token)

    return quiet


@contextmanager
def callers_arithmetic(noted: Callable[[Exception], None] | None = None) -> Iterator[None]:
    """The settings of the check's caller, for f and grad at x: what they warn of or raise there is for the caller.

    noted : is called with what they raise.
    """
    settings = _callers.get() or {}
    token = _callers.set(None)  # f may call a check of its own
    try:
        with np.errstate(**settings):
            yield
    except Exception as error:
        if noted is not None:
            noted(error)
        raise
    finally:
        _callers.reset(token)
