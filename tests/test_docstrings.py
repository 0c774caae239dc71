"""What the docstrings of public names say of their arguments and fields: every one, and no other."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

import gradcheck
from gradcheck.driver.options import Options
from gradcheck.textbook import numerical_gradient

FUNCTIONS = {name: getattr(gradcheck, name) for name in gradcheck.__all__}
FUNCTIONS = {name: function for name, function in FUNCTIONS.items() if inspect.isfunction(function)}
METHODS = [gradcheck.Report.plot, gradcheck.Report.save, gradcheck.Report.to_json]
# What "options: as in ..." stands for: those of `check_gradient`, which has a word on each.
OF_GRADIENTS = inspect.signature(gradcheck.check_gradient).parameters
SHARED = {name for name, p in OF_GRADIENTS.items() if p.kind is p.KEYWORD_ONLY}
# Beside `gradcheck` itself; the adapters are read, not imported: their frameworks need not be there.
MODULES = [f"gradcheck.{name}" for name in ("textbook", "cases", "html", "mutations", "strategies")]
ADAPTERS = [
    Path(gradcheck.__file__).parent / "interop" / f"{name}.py" for name in ("autograd", "jax", "torch")
]
# Their examples read all digits, draw a figure, and have Hypothesis search.
LONG = {
    "gradcheck.textbook.load_mnist",
    "gradcheck.html.Gallery",
    "gradcheck.html.figures_of",
    "gradcheck.strategies.points",
}


def public(modules: list[str]) -> Iterator[tuple[str, Any]]:
    """The functions and classes that modules show, and the public methods of these classes."""
    for module in map(importlib.import_module, modules):
        for name in module.__all__:
            value = getattr(module, name)
            if not inspect.isfunction(value) and not inspect.isclass(value):
                continue
            yield f"{module.__name__}.{name}", value
            for method, made in vars(value).items() if inspect.isclass(value) else ():
                shown = not method.startswith("_") or method == "__call__"
                if shown and (inspect.isfunction(made) or isinstance(made, classmethod)):
                    yield f"{module.__name__}.{name}.{method}", getattr(value, method)


PUBLIC = dict(public(MODULES))


def documented(text: str, title: str = "Parameters") -> list[str]:
    """The names in a section of a docstring, in order, without their types."""
    section = re.search(rf"^{title}\n-+\n(.*?)(?=^\S[^\n]*\n-{{3,}}|\Z)", text, re.M | re.S)
    lines = section[1].splitlines() if section is not None else []
    heads = [line.partition(" : ")[0] for line in lines if re.match(r"\S", line)]
    return [name.strip() for head in heads for name in head.split(",")]


def asked_of(value: Any) -> tuple[str, list[str]]:
    """The section that tells what a function or a class is made of, and the names that belong there."""
    if is_dataclass(value):
        return "Attributes", [field.name for field in fields(value)]
    return "Parameters", [name for name in inspect.signature(value).parameters if name != "self"]


def check_documented(takes: list[str], text: str, title: str = "Parameters") -> None:
    """Each once; "options" stands for the shared ones alone, where it is not the name of what is taken."""
    named = documented(text, title)
    assert len(named) == len(set(named))
    missing = set(takes) - set(named)
    if "options" in named and "options" not in takes:
        named.remove("options")
        assert missing
        missing -= SHARED
    assert missing == set()
    assert set(named) <= set(takes)


@pytest.mark.parametrize(
    "function", [*FUNCTIONS.values(), *METHODS], ids=lambda function: function.__qualname__
)
def test_every_argument_is_documented_and_nothing_else(function: Callable[..., Any]):
    """Those of the checks, of numerical derivatives and of reports."""
    _, takes = asked_of(function)
    check_documented(takes, inspect.getdoc(function) or "")


@pytest.mark.parametrize("name", PUBLIC)
def test_the_other_modules_document_their_arguments_and_fields(name: str):
    """Parameters of functions, of methods and of what is constructed; Attributes of dataclasses."""
    section, takes = asked_of(PUBLIC[name])
    check_documented(takes, inspect.getdoc(PUBLIC[name]) or "", section)


@pytest.mark.parametrize("path", ADAPTERS, ids=lambda path: path.stem)
def test_the_adapters_document_their_arguments(path: Path):
    """Without the framework, from the source."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (shown,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in shown]
    assert {function.name for function in functions} == set(shown)
    for function in functions:
        given = function.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        takes = [argument.arg for argument in every if argument is not None]
        check_documented(takes, ast.get_docstring(function) or "")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in LONG else [])
        for name, value in PUBLIC.items()
        if ">>>" in (inspect.getdoc(value) or "")
    ],
)
def test_the_examples_give_what_they_show(name: str):
    """Each by itself, as a reader types it."""
    run_examples(name, PUBLIC[name])


def test_the_example_of_an_adapter_gives_what_it_shows():
    """That of autograd, which is pure Python."""
    pytest.importorskip("autograd")
    run_examples("autograd", importlib.import_module("gradcheck.interop.autograd").check_function)


def run_examples(name: str, value: Any) -> None:
    """Run what a docstring shows, with nothing but what it imports."""
    text = inspect.getdoc(value) or ""
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    said: list[str] = []
    found = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert found.attempted > 0
    assert found.failed == 0, "".join(said)


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

    assert documented(inspect.getdoc(of) or "") == ["x", "z", "more"]
    with pytest.raises(AssertionError):
        test_every_argument_is_documented_and_nothing_else(of)
    assert set(vars(Options())) < SHARED


def test_what_is_missing_in_the_other_modules_would_be_seen():
    """A line taken out of a docstring of theirs, one put in, and a field without a word."""
    _, takes = asked_of(numerical_gradient)
    text = inspect.getdoc(numerical_gradient) or ""
    check_documented(takes, text)
    assert documented(text) == ["f", "x", "h"]
    line = "h : float, optional\n"
    for wrong in (text.replace(line, ""), text.replace(line, f"{line}    That.\nstep : float\n")):
        assert wrong != text
        with pytest.raises(AssertionError):
            check_documented(takes, wrong)

    @dataclass
    class Pair:
        """Two numbers.

        Attributes
        ----------
        first : float
            The one.
        """

        first: float
        _: KW_ONLY
        second: float = 0.0

    section, takes = asked_of(Pair)
    assert (section, takes) == ("Attributes", ["first", "second"])
    with pytest.raises(AssertionError):
        check_documented(takes, inspect.getdoc(Pair) or "", section)
    check_documented(["first"], inspect.getdoc(Pair) or "", section)


def test_the_modules_that_are_looked_at_show_something():
    """A module whose names were not found would have nothing to document."""
    for module in MODULES:
        assert [name for name in PUBLIC if name.startswith(f"{module}.")]
    assert "gradcheck.cases.Mistake.planted" in PUBLIC
    assert "gradcheck.textbook.TwoLayerNet.accuracy" in PUBLIC
