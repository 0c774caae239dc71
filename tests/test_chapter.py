"""The chapter's cases pass, row by row; and a wrong implementation of any function makes one of them fail."""

import functools
import sys
from pathlib import Path

import numpy as np
import pytest

import gradcheck.textbook as textbook
from gradcheck.cases import Context, discover, run_case
from gradcheck.textbook import losses, networks, numerical
from gradcheck.verdict import Outcome

CASES = Path(__file__).parent.parent / "cases"
LOADED = {loaded.name: loaded for loaded in discover([CASES])}
ROWS = [(name, *row) for name, loaded in LOADED.items() for row in loaded.case.row_names()]


@functools.cache
def result_of(name, workdir):
    """Run a case once for all its rows."""
    return run_case(LOADED[name], Context(fast=True, workdir=workdir))


@pytest.fixture(scope="session")
def workdir(tmp_path_factory):
    """A folder for checkpoints, the same for the whole session."""
    return tmp_path_factory.mktemp("gradcheck")


@pytest.mark.parametrize(
    ("name", "quantity", "reference"), ROWS, ids=[f"{case}: {row} / {ref}" for case, row, ref in ROWS]
)
def test_row_passes(name, quantity, reference, workdir):
    """One quantity of the chapter agrees with one reference, or one planted mistake is refused."""
    rows = [r for r in result_of(name, workdir).rows if (r.quantity, r.reference) == (quantity, reference)]

    assert len(rows) == 1
    assert rows[0].outcome is Outcome.PASS, rows[0].problem


@pytest.mark.parametrize("name", LOADED)
def test_case_plants_a_mistake_and_names_its_section(name):
    """A case that can't fail, or can't be looked up in the chapter, is none."""
    case = LOADED[name].case

    assert any(quantity.mistakes for quantity in case.quantities)
    assert case.section


@pytest.mark.parametrize("name", [name for name, loaded in LOADED.items() if loaded.case.figures])
def test_figures_are_drawn(name, workdir, tmp_path):
    """Every figure of a case can be drawn and written, and says in words what it shows."""
    from gradcheck.figures import figure_writer

    result = run_case(
        LOADED[name], Context(fast=True, workdir=workdir), save_figure=figure_writer(tmp_path, "svg")
    )

    assert len(result.figures) == len(LOADED[name].case.figures)
    for figure, path in zip(LOADED[name].case.figures, result.figures, strict=True):
        assert figure.alt.split("\n")[0] in path.read_text()


# Wrong implementations: for each function, how it goes wrong and which case must see it.


def times(factor):
    """Multiply what the function returns."""

    def wrong(right):
        def scaled(*arguments, **options):
            value = right(*arguments, **options)
            return tuple(factor * part for part in value) if isinstance(value, tuple) else factor * value

        return scaled

    return wrong


def without_mean(right):
    """Sum over the batch where the mean is asked for."""
    return lambda y, t: right(y, t) * len(np.atleast_2d(y))


def one_sided_diff(right):
    """(f(x + h) - f(x)) / h."""
    return lambda f, x, h=1e-4: (f(x + h) - f(x)) / h


def one_sided_gradient(right):
    """(f(x + h) - f(x)) / h, coordinate by coordinate."""

    def gradient(f, x, h=1e-4):
        grad, base = np.zeros_like(x), f(x)
        for index in np.ndindex(x.shape):
            saved = x[index]
            x[index] = saved + h
            grad[index] = (f(x) - base) / h
            x[index] = saved
        return grad

    return gradient


def one_step_too_few(right):
    """Stop the descent before its last step."""

    def descend(f, init_x, lr=0.01, step_num=100, *, history=False):
        return right(f, init_x, lr, step_num - 1, history=history)

    return descend


def delta_outside(right):
    """Add delta to the logarithm instead of its argument."""
    return losses.cross_entropy_label_published


def delta_inside(right):
    """Correct a form that has to stay as printed."""
    return losses.cross_entropy


def whole_array(right):
    """Normalise all rows together."""
    return losses.softmax_whole_array


def by_row(right):
    """Correct a form that has to stay as printed."""
    return losses.softmax


def point_by_point(right):
    """Correct a form that has to stay as printed."""
    return lambda f, X: np.array(numerical.gradient_field(f, *X))


def exchanged(right):
    """Exchange the two derivatives."""
    return lambda f, x0, x1: right(f, x0, x1)[::-1]


WRONG = {
    "sum_squares_error": [(times(-1), "sum_squares_error"), (times(2), "sum_squares_error")],
    "cross_entropy_error": [(times(-1), "cross_entropy"), (times(1 + 1e-9), "cross_entropy")],
    "cross_entropy_onehot": [(times(-1), "cross_entropy"), (without_mean, "cross_entropy")],
    "cross_entropy_label": [
        (times(-1), "cross_entropy"),
        (without_mean, "cross_entropy"),
        (delta_outside, "errata"),
    ],
    "cross_entropy": [
        (times(-1), "cross_entropy"),
        (without_mean, "cross_entropy"),
        (times(-1), "simple_net"),
    ],
    "cross_entropy_label_published": [(times(-1), "errata"), (delta_inside, "errata")],
    "cross_entropy_published": [(times(-1), "simple_net"), (delta_inside, "simple_net")],
    "softmax": [(times(1.001), "simple_net"), (whole_array, "errata")],
    "softmax_whole_array": [(times(1.1), "errata"), (by_row, "errata")],
    "numerical_diff": [(times(-1), "numerical_diff"), (one_sided_diff, "numerical_diff")],
    "numerical_gradient": [
        (times(-1), "gradients"),
        (one_sided_gradient, "gradients"),
        (one_sided_gradient, "simple_net"),
        (times(1 + 1e-6), "gradient_field"),
        (times(-1), "gradient_descent"),
    ],
    "gradient_field": [(times(-1), "gradient_field"), (exchanged, "gradient_field")],
    "gradient_for_anydim_published": [(times(-1), "errata"), (point_by_point, "errata")],
    "gradient_descent": [(times(-1), "gradient_descent"), (one_step_too_few, "gradient_descent")],
}


def replace_everywhere(monkeypatch, right, wrong):
    """Replace a function of the textbook wherever it is bound: in its modules and as a default argument."""
    replaced = 0
    for name, module in list(sys.modules.items()):
        if name.split(".")[:2] == ["gradcheck", "textbook"]:
            for bound in [attribute for attribute, value in vars(module).items() if value is right]:
                monkeypatch.setattr(module, bound, wrong)
                replaced += 1
    for network in (networks.SimpleNet, networks.TwoLayerNet):
        defaults = network.__init__.__kwdefaults__
        for option in [option for option, value in defaults.items() if value is right]:
            monkeypatch.setitem(defaults, option, wrong)
    return replaced


@pytest.mark.parametrize(
    ("function", "mistake", "case"),
    [(function, *how) for function, hows in WRONG.items() for how in hows],
    ids=lambda value: value if isinstance(value, str) else value.__qualname__.split(".")[0],
)
def test_wrong_implementation_fails(function, mistake, case, monkeypatch, workdir):
    """With one function replaced by a wrong one, the case fails on a number, not on an exception."""
    right = getattr(textbook, function)
    assert replace_everywhere(monkeypatch, right, mistake(right)) >= 2  # its own module, and the package

    rows = run_case(discover([CASES / f"{case}.py"])[0], Context(fast=True, workdir=workdir)).rows

    failed = [
        row for row in rows if row.outcome is Outcome.FAIL and not row.reference.startswith("refuses: ")
    ]
    assert any(row.measured is not None for row in failed)
