"""Nothing that belongs to the caller is changed, whatever f does: arrays, generators, settings, files, folders.

300 examples at every run, always the same; with --hypothesis-profile=nightly 5,000 others each time.
"""

import decimal
import hashlib
import os
import random
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import gradcheck
from gradcheck.html import render

NIGHTLY = settings.default.max_examples > 500
PROPERTY = settings(
    max_examples=5000 if NIGHTLY else 300,
    deadline=None,
    derandomize=not NIGHTLY,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture(autouse=True, scope="module")
def own_folder(tmp_path_factory):
    """A working directory in which nobody else writes: what is new in it is the check's."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("nothing"))
    yield
    os.chdir(before)


def surroundings():
    """All that a check might change beside its arguments, as values by name."""
    warned = [
        (action, str(text), kind, str(module), line) for action, text, kind, module, line in warnings.filters
    ]
    return {
        # The words of the generator and how many of them are used up.
        "np.random": (digest(np.random.get_state()[1]), np.random.get_state()[2]),  # noqa: NPY002 -- the global state is what must not change
        "random": hash(random.getstate()),
        "errstate": np.geterr(),
        "errcall": np.geterrcall(),
        "print options": {name: str(value) for name, value in np.get_printoptions().items()},
        "warnings": warned,
        "rcParams": hash(str(sorted(mpl.rcParams.items(), key=str))),
        "cwd": os.getcwd(),
        "files": sorted(os.listdir()),
        "environment": dict(os.environ),
        "open files": open_files(),
        "import path": list(sys.path),
        "decimal": str(decimal.getcontext()),
        "recursion": sys.getrecursionlimit(),
    }


def open_files():
    """What is open under which number, where the system tells."""
    found = {}
    for number in os.listdir("/proc/self/fd") if Path("/proc/self/fd").exists() else []:
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # the one of the listing
            continue
    return found


def changes(before, after):
    """What differs between two of `surroundings`, by name: as it was, and as it is."""
    # A file that is closed meanwhile was left open by an earlier test, and collected as garbage.
    still = {number: name for number, name in before["open files"].items() if number in after["open files"]}
    before = before | {"open files": still}
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


def digest(array):
    """The bytes of an array, and what else it is."""
    return hashlib.sha256(array.tobytes()).hexdigest(), array.shape, array.dtype.str, array.flags.writeable


def frozen(tree):
    """The digests of all arrays of a tree."""
    if isinstance(tree, dict):
        return {name: frozen(value) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [frozen(value) for value in tree]
    return digest(np.asarray(tree))


class End(BaseException):
    """No Exception."""


KINDS = [
    "float64", "float32", "longdouble", "float16", "int", "complex", "read-only",
    "columns", "strided", "dict", "list", "scalar", "nan", "empty",
]  # fmt: skip
CHECKS = [
    "gradient", "sweep", "directions", "complex", "estimate", "jacobian", "hessian",
    "jvp", "vjp", "hvp", "adjoint", "taylor", "points", "problem",
    "power",
]  # fmt: skip
MISHAPS = [
    "none", "ValueError", "KeyboardInterrupt", "SystemExit", "End", "MemoryError", "nan",
    "inf", "text", "None", "shape", "writes into x", "warns",
]  # fmt: skip


def point(kind, n, generator):
    """An x of this kind."""
    x = generator.normal(size=n)
    made = {
        "int": lambda: np.arange(1, n + 1),
        "complex": lambda: x + 1j,
        "columns": lambda: np.asfortranarray(generator.normal(size=(n, 2))),
        "strided": lambda: generator.normal(size=2 * n)[::-2],
        "dict": lambda: {"W": x, "b": x[:1].copy()},
        "list": lambda: x.tolist(),
        "scalar": lambda: float(x[0]),
        "nan": lambda: np.append(x, np.nan),
        "empty": lambda: x[:0],
    }
    if kind == "read-only":
        x.flags.writeable = False
        return x
    return made[kind]() if kind in made else x.astype(kind)


class Mishap:
    """Wraps a function; at its call number `at` something happens."""

    def __init__(self, function, what, at):
        self.function, self.what, self.at, self.calls = function, what, at, 0

    def __call__(self, x, *args):
        self.calls += 1
        result = self.function(x, *args)
        if self.calls != self.at or self.what == "none":
            return result
        errors = {e.__name__: e for e in (ValueError, KeyboardInterrupt, SystemExit, End, MemoryError)}
        if self.what in errors:
            raise errors[self.what]("a mishap")
        if self.what == "warns":
            warnings.warn("a mishap", stacklevel=2)
            return result
        if self.what == "writes into x":
            for array in x.values() if isinstance(x, dict) else [x]:
                if isinstance(array, np.ndarray) and array.flags.writeable:
                    array[...] = 0
            return result
        return {"nan": np.nan, "inf": np.inf, "text": "text", "None": None, "shape": np.ones((2, 3))}[
            self.what
        ]


def scalar(x):
    """A smooth function of one array or of a dict of them."""
    return sum(np.sum(np.abs(v) ** 2) + np.sum(np.sin(np.real(v))) for v in leaves(x))


def slope(x):
    """Its gradient."""
    if isinstance(x, dict):
        return {name: slope(v) for name, v in x.items()}
    return 2 * np.asarray(x) + np.cos(np.real(x))


def leaves(x):
    """The arrays of x."""
    return [np.asarray(v) for v in (x.values() if isinstance(x, dict) else [x])]


def squares(x):
    """A function of many outputs."""
    return np.asarray(x) ** 2 + np.sin(x)


def factor(x):
    """Its derivative, entry by entry."""
    return 2 * np.asarray(x) + np.cos(x)


def call(check, x, f, g, seed):
    """Make the check; f is of one output or of many, and g its derivative, as the check takes them."""
    options = {"rng": seed}
    if check == "estimate":
        return gradcheck.gradient(f, x, rng=seed)
    if check in ("gradient", "sweep", "directions", "complex"):
        return gradcheck.check_gradient(f, g, x, method={"gradient": "auto"}.get(check, check), **options)
    if check == "points":
        return gradcheck.check_points(f, g, [x, x], **options)
    if check == "problem":
        return gradcheck.check_problem(f, x, jac=g, **options)
    if check == "power":
        return gradcheck.power(f, g, x, rng=seed)
    if check == "taylor":
        return gradcheck.taylor_test(f, g, x, **options)
    many = {
        "jacobian": (gradcheck.check_jacobian, lambda x: np.diag(np.ravel(g(x)))),
        "hessian": (gradcheck.check_hessian, lambda x: np.diag(np.ravel(g(x)))),
        "jvp": (gradcheck.check_jvp, lambda x, v: g(x) * v),
        "hvp": (gradcheck.check_hvp, lambda x, v: g(x) * v),
        "vjp": (gradcheck.check_vjp, lambda x, u: g(x) * u),
    }
    if check in many:
        judge, derivative = many[check]
        return judge(f, derivative, x, **options)
    return gradcheck.check_adjoint(lambda v: 2 * f(v), lambda v: 2 * g(v), x, **options)


@pytest.mark.slow
@given(
    check=st.sampled_from(CHECKS),
    kind=st.sampled_from(KINDS),
    n=st.integers(1, 12),
    what=st.sampled_from(MISHAPS),
    who=st.sampled_from("fg"),
    at=st.integers(1, 40),
    errors=st.sampled_from(["warn", "raise", "ignore"]),
    action=st.sampled_from(["ignore", "error"]),
    seed=st.integers(0, 2**32 - 1),
)
@example("gradient", "float64", 3, "End", "f", 5, "raise", "error", 0)
@example("jacobian", "longdouble", 3, "KeyboardInterrupt", "f", 5, "raise", "error", 0)
@PROPERTY
def test_a_check_changes_nothing(check, kind, n, what, who, at, errors, action, seed):
    """Odd points, and a mishap at a random call: hashes of the arrays and of all that surrounds them are the same."""
    x = point(kind, n, np.random.default_rng(seed))
    linear = check == "adjoint"
    of_one = check in (
        "gradient",
        "sweep",
        "directions",
        "complex",
        "estimate",
        "taylor",
        "points",
        "problem",
        "power",
    )
    f, g = (scalar, slope) if of_one else (np.asarray, np.asarray) if linear else (squares, factor)
    before = frozen(x)
    for _ in range(2):
        wrapped = (Mishap(f, what, at), g) if who == "f" else (f, Mishap(g, what, 1 + at % 3))
        loaded = len(sys.modules)
        changed = changes_by(lambda: str(call(check, x, *wrapped, seed)), errors, action)  # noqa: B023 -- called at once
        # A module that is loaded for the first time leaves what it leaves, filters of warnings for one.
        if len(sys.modules) == loaded:
            break

    assert changed == {}
    assert frozen(x) == before


def changes_by(run, errors, action):
    """What a call changes that may end in any exception, under such settings."""
    with warnings.catch_warnings(), np.errstate(all=errors):
        warnings.simplefilter(action)
        before = surroundings()
        with suppress(Exception, KeyboardInterrupt, SystemExit, End):
            run()
        return changes(before, surroundings())


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_pages_plots_and_files_change_nothing_else(tmp_path, monkeypatch, n_jobs):
    """What is made of a report: only the file that was named is new."""
    monkeypatch.chdir(tmp_path)
    x = np.array([1.0, 2.0, 3.0])
    report = gradcheck.check_gradient(scalar, lambda x: 1.1 * slope(x), x, n_jobs=n_jobs)
    render([], [report])  # loads matplotlib, which has settings of its own
    before, arrays = surroundings(), frozen(x)

    render([], [report])
    report.plot()
    report._repr_html_()
    report.to_json()
    assert changes(before, surroundings()) == {}
    assert frozen(x) == arrays

    report.save("report.json")
    assert os.listdir() == ["report.json"]


left_open = []


@pytest.mark.parametrize(
    "change",
    [
        lambda x, patch: patch.chdir("/"),
        lambda x, patch: patch.setenv("GRADCHECK_LEFT", "something"),
        lambda x, patch: patch.setitem(mpl.rcParams, "svg.hashsalt", "left"),
        lambda x, patch: patch.syspath_prepend("left"),
        lambda x, patch: np.random.random(),  # noqa: NPY002 -- the global state is what must not change
        lambda x, patch: warnings.simplefilter("once"),
        lambda x, patch: np.seterr(over="print"),
        lambda x, patch: x.__setitem__(0, 5.0),
        lambda x, patch: setattr(x.flags, "writeable", False),
        lambda x, patch: Path("left").touch(),
        lambda x, patch: left_open.append(open(os.devnull)),  # noqa: SIM115
    ],
)
def test_the_property_sees(change, monkeypatch, tmp_path):
    """Each thing that it is there to see, changed on purpose."""
    monkeypatch.chdir(tmp_path)
    x, state = np.ones(3), np.random.get_state()  # noqa: NPY002 -- the global state is what must not change
    with warnings.catch_warnings(), np.errstate():
        before, arrays = surroundings(), frozen(x)
        change(x, monkeypatch)
        seen = changes(before, surroundings()) or frozen(x) != arrays
    np.random.set_state(state)  # noqa: NPY002 -- the global state is what must not change
    for file in left_open:
        file.close()

    assert seen
