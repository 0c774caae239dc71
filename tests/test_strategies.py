"""The points for Hypothesis: what is drawn, what is never drawn, and what failing examples shrink to."""

import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

import gradcheck
from gradcheck.strategies import points

PROJECT = Path(__file__).parent.parent
FEW = settings(max_examples=30, derandomize=True, deadline=None, database=None)
SHRUNK = settings(FEW, max_examples=300, phases=[Phase.generate, Phase.shrink])

Pair = namedtuple("Pair", "weights bias")


def spread(x):
    """The ratio of the largest to the smallest entry."""
    return np.abs(x).max() / np.abs(x).min()


# What is drawn


@FEW
@given(x=points((2, 3)))
def test_plain_given_works(x):
    """An array of the shape asked for, float64, without zeros, nan or inf."""
    assert x.shape == (2, 3)
    assert x.dtype == np.float64
    assert np.isfinite(x).all()
    assert (x != 0).all()


@pytest.mark.slow
@FEW
@given(x=points({"W": (3, 2), "layers": [4, (1, 5)], "pair": Pair((2,), ()), "both": ((2,), 1)}))
def test_trees_keep_their_structure(x):
    """Dicts, lists, tuples and namedtuples of shapes; an integer is a length, () a scalar."""
    assert x["W"].shape == (3, 2)
    assert [part.shape for part in x["layers"]] == [(4,), (1, 5)]
    assert isinstance(x["pair"], Pair)
    assert np.ndim(x["pair"].bias) == 0
    assert isinstance(x["both"], tuple)
    assert [part.shape for part in x["both"]] == [(2,), (1,)]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_every_dtype_is_drawn(dtype):
    """The dtype asked for, within the magnitudes asked for, in both parts of a complex number."""

    @FEW
    @given(x=points((3,), dtype=dtype, magnitude=(1e-2, 1e2)))
    def check(x):
        assert x.dtype == dtype
        # 1e-2 is no float16 and no float32: the entry is the nearest number there.
        eps = np.finfo(dtype).eps
        for part in (x.real, x.imag) if np.iscomplexobj(x) else (x,):
            assert (np.abs(part) >= 1e-2 * (1 - eps)).all()
            assert (np.abs(part) <= 1e2).all()

    check()


@pytest.mark.slow
@FEW
@given(x=points((30,), magnitude=(1e-6, 1e6), scaling="well"))
def test_well_scaled_entries_are_of_one_size(x):
    """Within a factor 10, also those that come from a seed."""
    assert spread(x) < 10


@pytest.mark.slow
def test_badly_scaled_entries_span_the_range():
    """Over many decades; never where well scaled points were asked for."""
    wide = find(
        points((30,), magnitude=(1e-6, 1e6), scaling="badly"), lambda x: spread(x) > 1e10, settings=SHRUNK
    )

    assert wide.shape == (30,)


@pytest.mark.slow
@FEW
@given(x=points((40,), kinks=[0.0, 1.0, -3.0], margin=0.25))
def test_entries_keep_away_from_the_kinks(x):
    """No entry lies within the margin of a kink, also those that come from a seed."""
    assert all((np.abs(x - kink) > 0.25).all() for kink in (0.0, 1.0, -3.0))


@FEW
@given(x=points((2,)))
def test_entries_are_short_decimals(x):
    """At most three digits, so that an example can be retyped."""
    for entry in x:
        assert float(f"{entry:.3g}") == entry


@pytest.mark.slow
def test_entries_differ():
    """A random array is no constant: its entries tell a transposed gradient from a right one."""
    constant = []

    @settings(
        max_examples=60,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(x=points((6, 6)))
    def collect(x):
        constant.append(np.unique(x).size < 12)

    collect()
    # Hypothesis tries simple values, such as all ones, first and now and then.
    assert sum(constant) < 0.5 * len(constant)


# Failing examples shrink


def test_shapes_shrink():
    """A mistake that shows in any array is shown in a single 1.0."""
    smallest = find(points(array_shapes(max_dims=3, max_side=12)), lambda x: True, settings=SHRUNK)

    np.testing.assert_array_equal(smallest, [1.0])


@pytest.mark.slow
def test_a_mistake_of_large_arrays_shrinks_to_the_smallest():
    """A shape of many entries shrinks to the fewest that fail, all of them simple but one."""
    smallest = find(
        points(array_shapes(max_dims=2, max_side=30)),
        lambda x: x.size >= 3 and np.abs(x).max() > 20,
        settings=SHRUNK,
    )

    assert smallest.size == 3
    # Short decimals: one digit each.
    assert all(float(f"{entry:.1g}") == entry for entry in smallest.ravel())
    assert np.abs(smallest).max() <= 100


@pytest.mark.slow
def test_the_entry_that_matters_is_left():
    """Of a tree only the guilty entry departs from 1.0."""
    smallest = find(points({"W": (2, 2), "b": (3,)}), lambda x: x["b"][1] < -0.3, settings=SHRUNK)

    np.testing.assert_array_equal(smallest["W"], np.ones((2, 2)))
    np.testing.assert_array_equal(smallest["b"], [1.0, -1.0, 1.0])


def test_examples_shrink_to_well_scaled_points():
    """A failure that has nothing to do with scales is shown without them."""
    assert spread(find(points((4,), magnitude=(1e-9, 1e9)), lambda x: True, settings=SHRUNK)) == 1


@pytest.mark.slow
def test_a_wrong_gradient_is_found_and_a_right_one_is_not_blamed():
    """The strategy with `check_gradient`: the mistake in negative entries shrinks to one of them."""

    def f(x):
        return float(np.sum(x * np.abs(x)))

    def falsified(x, grad):
        return gradcheck.check_gradient(f, grad, x).outcome is gradcheck.Outcome.FAIL

    smallest = find(
        points(st.integers(1, 4), magnitude=(0.1, 100), kinks=[0.0]),
        lambda x: falsified(x, lambda x: 2 * x),
        settings=FEW,
    )
    np.testing.assert_array_equal(smallest, [-1.0])

    @settings(FEW, max_examples=20)
    @given(x=points(st.integers(1, 4), magnitude=(0.1, 100)))
    def right(x):
        assert not falsified(x, lambda x: 2 * np.abs(x))

    right()


# Bad arguments


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"shape": "3"}, TypeError, "shape must be"),
        ({"shape": []}, TypeError, "shape must be"),
        ({"shape": 2.0}, TypeError, "shape must be"),
        ({"shape": (0,)}, ValueError, "at least 1"),
        ({"shape": {"W": (2, -1)}}, ValueError, "at least 1"),
        ({"dtype": int}, TypeError, "dtype must be"),
        ({"dtype": "longdouble"}, TypeError, "dtype must be"),
        ({"magnitude": 1.0}, TypeError, "magnitude must be a pair"),
        ({"magnitude": (0, 1)}, ValueError, "magnitude must be"),
        ({"magnitude": (2, 1)}, ValueError, "magnitude must be"),
        ({"magnitude": (1, np.inf)}, ValueError, "magnitude must be"),
        ({"magnitude": (np.nan, 1)}, ValueError, "magnitude must be"),
        ({"magnitude": (1, 1e6), "dtype": "float16"}, ValueError, "magnitude must be"),
        ({"scaling": "good"}, ValueError, "scaling must be one of"),
        ({"margin": -1}, ValueError, "margin must be"),
        ({"margin": None}, ValueError, "margin must be a finite number >= 0, not None"),
        ({"kinks": 0.0}, TypeError, r"kinks must be a list of numbers, not 0\.0"),
        ({"kinks": ["a"]}, TypeError, "kinks must be a list of numbers"),
        ({"dtype": "double64"}, TypeError, "dtype must be one of float16, .*, not 'double64'"),
        ({"margin": np.nan}, ValueError, "margin must be"),
        ({"kinks": [0.0], "margin": 2000}, ValueError, "away from the kinks"),
    ],
)
def test_arguments_that_cannot_be_drawn_from_are_refused(arguments, error, said):
    """Each names the argument, its value and what is allowed, when the strategy is made."""
    with pytest.raises(error, match=said):
        points(**({"shape": (2,)} | arguments))


def test_a_strategy_of_shapes_must_give_shapes():
    """What a strategy draws is looked at as a shape given outright is."""
    with pytest.raises(TypeError, match=r"an integer or a tuple of integers, not 1\.5"):
        find(points(st.just(1.5)), lambda x: True)


@pytest.mark.slow
def test_hypothesis_is_imported_by_this_module_alone():
    """`import gradcheck` and a check do without Hypothesis."""
    code = (
        "import sys, gradcheck; gradcheck.check_gradient(lambda x: x**2, lambda x: 2 * x, 1.0); "
        "print('hypothesis' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT
    )

    assert result.stdout == "False\n"


@pytest.mark.slow
def test_without_hypothesis_it_is_said_how_to_get_it():
    """In one line of its own, not by a name in the middle of this package."""
    code = "import sys; sys.modules['hypothesis'] = None; import gradcheck.strategies"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=PROJECT
    )

    assert result.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: gradcheck.strategies needs hypothesis, which is not installed: pip install hypothesis"
    )
