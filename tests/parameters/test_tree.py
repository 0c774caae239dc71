"""Trees of arrays become one flat vector with names, and back, and never lose or change a number."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradcheck import Outcome, Report, check_gradient, check_points, check_problem
from gradcheck.parameters.tree import Parameters


@dataclasses.dataclass(frozen=True)
class Layer:
    """A tree as users write them."""

    W: Any
    b: Any


class Pair(NamedTuple):
    """A named tuple: rebuilt with positional arguments."""

    first: Any
    second: Any


TREES = {
    "array": (np.array([1.0, 2.0, 3.0]), ["x[0]", "x[1]", "x[2]"]),
    "matrix": (np.ones((1, 2)), ["x[0, 0]", "x[0, 1]"]),
    "scalar": (3.0, ["x"]),
    "numpy scalar": (np.float64(3.0), ["x"]),
    "array of shape ()": (np.array(3.0), ["x"]),
    "list of numbers": ([1.0, 2.0], ["x[0]", "x[1]"]),
    "nested list of numbers": ([[1.0, 2.0]], ["x[0, 0]", "x[0, 1]"]),
    "tuple of numbers": ((1.0, 2.0), ["x[0]", "x[1]"]),
    "dict": ({"W": np.ones((1, 2)), "b": 1.0}, ['params["W"][0, 0]', 'params["W"][0, 1]', 'params["b"]']),
    "dict with other keys": ({1: 1.0, ("a", 2): 2.0}, ["params[1]", "params[('a', 2)]"]),
    "dict with odd keys": ({'a"b': 1.0, "c\nd": 2.0}, [r'params["a\"b"]', r'params["c\nd"]']),
    "list of arrays": ([np.ones(2), np.ones(1)], ["params[0][0]", "params[0][1]", "params[1][0]"]),
    "tuple of arrays": ((np.ones(1), 2.0), ["params[0][0]", "params[1]"]),
    "named tuple": (Pair(np.ones(1), 2.0), ["params.first[0]", "params.second"]),
    "dataclass": (Layer(np.ones(1), 2.0), ["params.W[0]", "params.b"]),
    "nested": (
        {"layers": [Layer(np.ones(1), 0.5), Layer(np.ones(1), 0.5)]},
        ['params["layers"][0].W[0]', 'params["layers"][0].b', 'params["layers"][1].W[0]', 'params["layers"][1].b'],
    ),
    "complex": (np.array([1 + 2j]), ["x[0].real", "x[0].imag"]),
    "complex scalar": (1 + 2j, ["x.real", "x.imag"]),
    "with an empty array": ({"W": np.ones(1), "none": np.empty((0, 3))}, ['params["W"][0]']),
}  # fmt: skip


def same(one: Any, other: Any) -> None:
    """Hold that two trees have the same names, shapes and numbers."""
    a, b = Parameters.of(one)[0], Parameters.of(other)[0]
    assert [(p.name, p.shape) for p in a.blocks] == [(p.name, p.shape) for p in b.blocks]
    for v, w in zip(a.arrays(one), b.arrays(other), strict=True):
        np.testing.assert_array_equal(v, w)


@pytest.mark.parametrize("kind", TREES)
def test_every_real_is_named_as_a_person_would_write_it(kind):
    """The name of each entry, in order."""
    tree, names = TREES[kind]
    parameters, flat = Parameters.of(tree)
    assert [parameters.name(k) for k in range(parameters.size)] == names
    assert flat.size == parameters.size == len(names)


@pytest.mark.parametrize("kind", TREES)
def test_a_tree_is_rebuilt_as_it_was(kind):
    """Same containers, same shapes, same numbers."""
    tree, _ = TREES[kind]
    parameters, flat = Parameters.of(tree)
    again = parameters.unflatten(flat)
    same(again, tree)
    if not isinstance(tree, float | complex | np.ndarray) and "of numbers" not in kind:
        assert type(again) is type(tree)


@pytest.mark.parametrize("kind", [k for k in TREES if "of numbers" not in k])
def test_names_can_be_typed_into_python(kind):
    """A name, evaluated, is the entry that it names."""
    tree, names = TREES[kind]
    _, flat = Parameters.of(tree)
    for k, name in enumerate(names):
        # flat is looked up by position; the name by Python itself, in the caller's tree.
        assert eval(name, {"x": tree, "params": tree}) == flat[k]


@pytest.mark.parametrize("wrap", [np.array, float], ids=["arrays of shape ()", "numbers"])
def test_a_pair_of_scalars_matches_a_pair_of_scalars(wrap):
    """Two numbers in a tuple read as one array of two, or as two arrays: x says which, and grad may do either."""
    x = (wrap(1.0), wrap(2.0))
    assert check_gradient(lambda p: p[0] ** 2 + p[1] ** 2, lambda p: (2 * p[0], 2 * p[1]), x)
    nested = (wrap(1.0), (np.array(2.0), np.array(3.0)))
    product = check_gradient(
        lambda p: p[0] * p[1][0] * p[1][1],
        lambda p: (p[1][0] * p[1][1], (p[0] * p[1][1], p[0] * p[1][0])),
        nested,
    )
    assert product.outcome is Outcome.PASS


def test_a_subclass_of_dict_is_given_as_a_dict():
    """The keys and their order are kept."""
    tree = OrderedDict(b=1.0, a=2.0)
    parameters, flat = Parameters.of(tree)
    assert list(parameters.unflatten(flat)) == ["b", "a"]


arrays = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.complex128, np.int64]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    elements=st.integers(-1000, 1000),
)
numbers = st.floats(-1e300, 1e300) | st.integers(-1000, 1000)
trees = st.recursive(
    arrays | numbers,
    lambda inner: st.one_of(
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.builds(Pair, inner, inner),
        st.builds(Layer, inner, inner),
    ),
    max_leaves=6,
)


def read(tree: Any) -> tuple[Parameters, np.ndarray]:
    """Read a tree, or drop the example: lists of unequal lists of numbers, and trees without any number."""
    try:
        return Parameters.of(tree)
    except (ValueError, TypeError) as error:
        assume("holds no numbers" not in str(error) and "cannot be read as an array" not in str(error))
        raise


@pytest.mark.slow
@given(tree=trees)
def test_flatten_and_unflatten_are_inverse(tree):
    """For any tree that is accepted: there and back gives the same vector, and the same numbers in the tree."""
    parameters, flat = read(tree)
    again = parameters.unflatten(flat)
    same(again, tree)
    np.testing.assert_array_equal(parameters.flatten(again), flat)
    assert len({parameters.name(k) for k in range(parameters.size)}) == parameters.size


@pytest.mark.slow
@given(tree=trees)
def test_the_caller_shares_no_memory_with_what_f_gets(tree):
    """Writing into a rebuilt tree never reaches the tree that was given."""
    parameters, flat = read(tree)
    mine, yours = parameters.arrays(parameters.unflatten(flat)), parameters.arrays(tree)
    assert not any(np.shares_memory(a, b) for a in mine for b in yours)


# Dtypes.


@pytest.mark.parametrize(
    "dtype", [np.float64, np.float32, np.float16, np.longdouble, np.complex128, np.complex64]
)
def test_f_gets_the_dtype_that_was_given(dtype):
    """Float32 parameters stay float32: f computes in what its user computes in."""
    x = np.array([1.5, -2.25], dtype)
    parameters, flat = Parameters.of(x)
    again = parameters.unflatten(flat)
    assert again.dtype == dtype
    np.testing.assert_array_equal(again, x)


def test_longdouble_loses_no_digit():
    """1 + 1e-18 is not 1 in extended precision."""
    third = np.longdouble(1) / np.longdouble(3)
    parameters, flat = Parameters.of(np.array([third]))
    assert flat.dtype == np.longdouble
    assert parameters.unflatten(flat)[0] == third


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint32, np.bool_])
def test_integers_become_float64_with_a_note(dtype):
    """x + h would be truncated; the note names array and dtype."""
    parameters, flat = Parameters.of({"n": np.array([0, 1], dtype), "w": np.ones(2)})
    assert parameters.unflatten(flat)["n"].dtype == np.float64
    assert parameters.notes == (f'params["n"] was given as {np.dtype(dtype)} and converted to float64',)


def test_floats_are_not_remarked_upon():
    """No conversion, no note."""
    assert Parameters.of(np.ones(2, np.float32))[0].notes == ()


def test_a_note_on_integers_reaches_the_report():
    """The check passes and says what it did."""
    report = check_gradient(lambda x: float(x @ x), lambda x: 2 * x, np.array([1, 2]))
    assert report.outcome is Outcome.PASS
    assert "x was given as int64 and converted to float64" in report.notes


def test_foreign_byte_order_is_read():
    """A big-endian file, mapped."""
    x = np.array([1.0, -2.0], ">f8")
    parameters, flat = Parameters.of(x)
    np.testing.assert_array_equal(flat, [1.0, -2.0])
    assert parameters.unflatten(flat).dtype == np.float64


def test_a_complex_entry_is_its_real_and_its_imaginary_part():
    """The order of the pair, and its way back."""
    parameters, flat = Parameters.of(np.array([1 + 2j, 3 - 4j]))
    np.testing.assert_array_equal(flat, [1.0, 2.0, 3.0, -4.0])
    assert parameters.unflatten(np.array([5.0, 6.0, 7.0, 8.0])).tolist() == [5 + 6j, 7 + 8j]


@pytest.mark.parametrize("z", [np.array([1 + 2j, 3 - 1j]), 1 + 2j, np.array([1 + 2j], np.complex64)])
def test_the_gradient_of_a_complex_entry_is_that_of_steepest_ascent(z):
    """|z|^2 has df/dRe + i df/dIm = 2 z; its conjugate, JAX's convention, is refused."""

    def f(z: Any) -> float:
        return float(np.sum(np.abs(z) ** 2))

    assert check_gradient(f, lambda z: 2 * z, z).outcome is Outcome.PASS
    conjugate = check_gradient(f, lambda z: 2 * np.conj(z), z)
    assert conjugate.outcome is Outcome.FAIL
    assert all(m.name.endswith(".imag") for m in conjugate.wrong)


@pytest.mark.parametrize("method", ["auto", "sweep", "directions", "complex"])
@pytest.mark.parametrize("kind", ["array", "list", "scalar", "tree", "fixed", "pair", "points", "problem"])
def test_a_real_gradient_of_complex_entries_has_imaginary_parts_of_0(kind: str, method: Any):
    """Right where f uses the real parts alone, in any form in which it is given; wrong where f uses both."""
    z = np.array([1 + 2j, 3 - 1j])

    def judged(f: Callable[[Any], float], grad: Callable[[Any], Any]) -> Report:
        if kind == "points":
            return check_points(f, grad, [z, z + 1], method=method)
        if kind == "problem":
            return check_problem(f, z, jac=grad, method=method)
        if kind == "tree":
            return check_gradient(lambda p: f(p["z"]), lambda p: {"z": grad(p["z"])}, {"z": z}, method=method)
        forms: dict[str, Any] = {"fixed": grad(z), "pair": True, "list": lambda z: grad(z).tolist()}
        value = (lambda z: (f(z), grad(z))) if kind == "pair" else f
        return check_gradient(value, forms.get(kind, grad), z[0] if kind == "scalar" else z, method=method)

    right = judged(lambda z: float(np.sum(np.real(z) ** 2)), lambda z: 2 * np.real(z))
    assert right.outcome is Outcome.PASS
    wrong = judged(lambda z: float(np.sum(np.abs(z) ** 2)), lambda z: 2 * np.real(z))
    assert wrong.outcome is Outcome.FAIL
    assert {m.name.partition(" at ")[0].rpartition(".")[2] for m in wrong.wrong} == {"imag"}


@dataclasses.dataclass
class Derived:
    """What the class sets itself is a part of f, and no parameter."""

    a: Any
    total: float = dataclasses.field(init=False)
    unit: float = dataclasses.field(init=False, default=2.0)

    def __post_init__(self):
        self.total = float(np.sum(self.a))


@dataclasses.dataclass
class Demanding:
    """It is not made of its fields alone."""

    a: Any
    extra: dataclasses.InitVar[int]


def test_fields_that_a_class_sets_itself_are_set_again_at_each_point():
    """f sees the total of the point; a gradient has the other fields; a wrong one is refused."""
    x = Derived(np.array([1.0, 2.0]))
    assert [b.name for b in Parameters.of(x)[0].blocks] == ["params.a"]

    def f(p: Derived) -> float:
        return p.unit * p.total**2

    assert check_gradient(f, lambda p: Derived(4 * p.total * np.ones(2)), x).outcome is Outcome.PASS
    assert check_gradient(f, lambda p: Derived(5 * p.total * np.ones(2)), x).outcome is Outcome.FAIL
    x.unit = 3.0
    with pytest.raises(TypeError, match=r"params.unit has init=False.*pass its arrays as a dict"):
        Parameters.of(x)
    with pytest.raises(
        TypeError, match=r"params\[0\] is a dataclass that cannot be made again \(InitVar 'extra'"
    ):
        Parameters.of([Demanding(np.ones(2), 3)])


# Memory layouts.


@pytest.mark.parametrize(
    "x",
    [
        np.arange(6.0).reshape(2, 3).T,
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(12.0)[::2],
        np.arange(6.0)[::-1],
        np.arange(24.0).reshape(2, 3, 4)[:, ::2, 1:3],
        np.broadcast_to(np.arange(3.0), (1, 3)),
    ],
    ids=["transposed", "Fortran", "strided", "reversed", "block", "broadcast by one"],
)
def test_any_layout_is_read_in_index_order(x):
    """Entries are named by their index, whatever lies where in memory."""
    parameters, flat = Parameters.of(x)
    for k in range(parameters.size):
        assert flat[k] == x[parameters.block_of(k).index(k)]
    same(parameters.unflatten(flat), x)


def test_a_read_only_array_is_copied():
    """f gets an array that it may write to, and the caller's stays."""
    x = np.arange(3.0)
    x.flags.writeable = False
    parameters, flat = Parameters.of(x)
    parameters.unflatten(flat)[0] = 7.0
    assert x[0] == 0.0


@pytest.mark.parametrize(
    "x",
    [
        np.broadcast_to(np.float64(1.0), (3,)),
        np.broadcast_to(np.arange(3.0), (2, 3)),
        np.lib.stride_tricks.sliding_window_view(np.arange(5.0), 3),
    ],
    ids=["one number", "rows", "windows"],
)
def test_an_array_that_overlaps_itself_is_refused(x):
    """Changing one entry would change others; the error says what to do."""
    with pytest.raises(ValueError, match=r"x overlaps itself in memory .*pass a copy"):
        Parameters.of(x)
    Parameters.of(x.copy())


# What is refused.


@pytest.mark.parametrize("x", [np.array([]), {}, [], (), {"W": np.empty((0, 3))}], ids=repr)
def test_nothing_to_differentiate_is_refused(x):
    """A gradient of no entries would be right whatever it is."""
    with pytest.raises(ValueError, match="x holds no numbers"):
        Parameters.of(x)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ("abc", r"x holds <U3 \(str\)"),
        (None, r"x is None; real or complex numbers are needed"),
        ({"W": np.ones(1), "b": None}, r'params\["b"\] is None; real or complex numbers are needed'),
        (np.array(["2020-01-01"], "M8[D]"), r"x holds datetime64"),
        (np.zeros(2, [("a", float)]), r"x holds \[\('a'"),
        (object(), r"x holds object \(object\)"),
        ({1.0, 2.0}, r"x holds object \(set\)"),
    ],
    ids=["str", "None", "None inside", "dates", "records", "object", "set"],
)
def test_what_is_no_number_is_refused_by_name(x, words):
    """TypeError naming the place and what is there."""
    with pytest.raises(TypeError, match=words):
        Parameters.of(x)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_point_that_is_not_finite_is_refused_by_name(value):
    """The error names the entry."""
    with pytest.raises(ValueError, match=rf'x is not finite: params\["b"\]\[1\] is {value}'):
        Parameters.of({"W": np.ones(2), "b": np.array([0.0, value])})


# Scales and grids.


def test_the_scale_of_an_entry_is_its_own_size():
    """From 1e-8 to 1e8 each entry keeps its scale: steps are relative."""
    x = np.logspace(-8, 8, 17) * np.resize([1.0, -1.0], 17)
    parameters, flat = Parameters.of(x)
    scales = parameters.scales(flat)
    # The smallest 2 % count as large as the next: here the first entry alone, which may be raised to the second's.
    np.testing.assert_array_equal(scales[1:], np.abs(x[1:]))
    assert 1e-8 <= scales[0] <= 1e-7


def test_a_zero_has_the_scale_of_its_array():
    """The median of the others; 1 where all are zero."""
    parameters, flat = Parameters.of({"W": np.array([0.0, 1e-3, 3e-3, 2e-3]), "b": np.zeros(2)})
    scales = parameters.scales(flat)
    assert scales[0] == 2e-3
    assert scales[4:].tolist() == [1.0, 1.0]


def test_points_are_rounded_to_the_dtype_of_their_own_array():
    """A float32 array beside a float64 one: only the first is on the coarse grid."""
    parameters, flat = Parameters.of({"a": np.ones(1, np.float32), "b": np.ones(1)})
    moved = parameters.on_grid(flat + 1e-9)
    assert moved.tolist() == [1.0, 1.0 + 1e-9]


@pytest.mark.parametrize(
    ("x", "names"),
    [
        ([[1.0, 2.0], [3.0]], ["params[0]", "params[1]"]),
        (([1.0, 2.0], [3.0]), ["params[0]", "params[1]"]),
        ([1.0, [2.0, 3.0]], ["params[0]", "params[1]"]),
        ([[[1.0], [2.0]], [[3.0]]], ["params[0]", "params[1]"]),
        ([[[1.0], [2.0, 3.0]], [4.0, 5.0]], ["params[0][0]", "params[0][1]", "params[1]"]),
        ([[1.0, 2.0], [3.0, 4.0]], ["x"]),  # rectangular: one array, as it was
        ([[[1.0], [2.0]], [[3.0], [4.0]]], ["x"]),
        ({"W": [[1.0, 2.0], [3.0]]}, ['params["W"][0]', 'params["W"][1]']),
        ({"W": [[1.0, 2.0], [3.0, 4.0]]}, ['params["W"]']),
    ],
)
def test_ragged_lists_are_lists_of_arrays(x, names):
    """Each part that NumPy reads as an array is one; f gets lists and tuples as they were given."""
    parameters, flat = Parameters.of(x)

    assert [b.name for b in parameters.blocks] == names
    rebuilt = parameters.unflatten(flat)
    if names != ["x"]:
        assert type(rebuilt) is type(x)
    assert parameters.flatten(rebuilt).tolist() == flat.tolist()
    assert parameters.flatten(x).tolist() == flat.tolist()


def test_a_gradient_by_ragged_lists_is_judged():
    """Right and wrong, given as lists; one of another structure is wrong, too."""

    def f(q: Any) -> float:
        return float(q[0][0] ** 2 + q[0][1] * q[1][0])

    def grad(q: Any) -> Any:
        return [[2 * q[0][0], q[1][0]], [q[0][1]]]

    x = [[1.0, 2.0], [3.0]]
    assert check_gradient(f, grad, x).outcome is Outcome.PASS
    wrong = check_gradient(f, lambda q: [[2 * q[0][0], q[1][0]], [1.1 * q[0][1]]], x)
    assert [m.name for m in wrong.wrong] == ["params[1][0]"]
    assert check_gradient(f, lambda q: [[2 * q[0][0], q[1][0]]], x).outcome is Outcome.FAIL
