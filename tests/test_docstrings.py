"""What the docstrings of public functions say of their arguments: every one, and no other."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

import gradcheck
from gradcheck.driver.options import Options

FUNCTIONS = {name: getattr(gradcheck, name) for name in gradcheck.__all__}
FUNCTIONS = {name: function for name, function in FUNCTIONS.items() if inspect.isfunction(function)}
METHODS = [gradcheck.Report.plot, gradcheck.Report.save, gradcheck.Report.to_json]
# What "options: as in ..." stands for: those of `check_gradient`, which has a word on each.
OF_GRADIENTS = inspect.signature(gradcheck.check_gradient).parameters
SHARED = {name for name, p in OF_GRADIENTS.items() if p.kind is p.KEYWORD_ONLY}


def documented(function: Callable[..., Any]) -> list[str]:
    """The names in the section Parameters of a docstring, in order."""
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}|\Z)", inspect.getdoc(function) or "", re.M | re.S
    )
    lines = section[1].splitlines() if section is not None else []
    return [name.strip() for line in lines if re.match(r"\S", line) for name in line.split(",")]


@pytest.mark.parametrize(
    "function", [*FUNCTIONS.values(), *METHODS], ids=lambda function: function.__qualname__
)
def test_every_argument_is_documented_and_nothing_else(function: Callable[..., Any]):
    """Each once; "options" stands for the shared ones alone, where a function takes them."""
    takes = [name for name in inspect.signature(function).parameters if name != "self"]
    named = documented(function)
    assert len(named) == len(set(named))
    missing = set(takes) - set(named)
    if "options" in named:
        named.remove("options")
        assert missing
        missing -= SHARED
    assert missing == set()
    assert set(named) <= set(takes)


def test_what_is_missing_would_be_seen():
    """An argument without a word, and a word on what is no argument."""

    def of(x: Any, y: Any) -> None:
        """It does.

        Parameters
        ----------
        x
            an array.
        z, more
            nothing.
        """

    assert documented(of) == ["x", "z", "more"]
    with pytest.raises(AssertionError):
        test_every_argument_is_documented_and_nothing_else(of)
    assert set(vars(Options())) < SHARED
