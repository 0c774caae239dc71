"""Saving a check and doing it again: what comes back, what cannot, and what is refused; comparing two reports."""

import base64
import copy
import importlib
import itertools
import json
import pickle
import subprocess
import sys
from collections import namedtuple
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import Bounds
from scipy.sparse import csr_array

from gradcheck import (
    Outcome,
    check_gradient,
    check_hessian,
    check_hvp,
    check_jacobian,
    check_jvp,
    check_points,
    check_vjp,
)
from gradcheck.errors import DataError, ReplayError
from gradcheck.replay.changes import compare_reports
from gradcheck.replay.repeat import repeat
from gradcheck.report.reading import read_report
from gradcheck.report.saved import load
from gradcheck.report.storage import decode, encode, missing_parts

PROJECT = Path(__file__).parents[2]

Pair = namedtuple("Pair", "weights bias")


@dataclass(frozen=True)
class Layer:
    """Parameters as a dataclass."""

    weights: np.ndarray
    name: str = "first"


def cube(x, scale=1.0):
    """The sum of cubes."""
    return float(scale * np.sum(x**3))


def right(x, scale=1.0):
    """Its gradient."""
    return 3 * scale * x**2


def wrong(x, scale=1.0):
    """One per cent too large."""
    return 3.03 * scale * x**2


def cube_of_tree(params):
    """The sum of cubes."""
    return cube(params["W"])


def wrong_of_tree(params):
    """One per cent too large."""
    return {"W": wrong(params["W"])}


class Holder:
    """A namespace."""

    @staticmethod
    def cube(x):
        """The sum of cubes."""
        return cube(x)


class Model:
    """A function as a method, a class method, and an object."""

    @classmethod
    def of_class(cls, x):
        """The sum of cubes."""
        return cube(x)

    def method(self, x):
        """The same."""
        return cube(x)

    __call__ = method


MODEL = Model()
by_lambda = lambda x: cube(x)  # noqa: E731 (a name that is not its own)


def same(one, two):
    """Whether two reports say the same, but for the time that they took."""
    return str(replace(one, seconds=0.0)) == str(replace(two, seconds=0.0)) and one.nfev == two.nfev


def saved_and_repeated(tmp_path, report):
    """What comes of a saved report."""
    return repeat(load(report.save(tmp_path / "deep" / "er" / "check.json")))


# What comes back


@pytest.mark.parametrize("grad", [right, wrong])
def test_a_check_is_repeated_to_the_last_number(tmp_path, grad):
    """The same outcome, numbers and count of evaluations, for a PASS and for a FAIL."""
    report = check_gradient(cube, grad, np.array([[1.0, 2.0], [0.1, -3.0]]), args=(2.5,), rng=7)

    again = saved_and_repeated(tmp_path, report)

    assert same(again, report)
    assert again.outcome is (Outcome.PASS if grad is right else Outcome.FAIL)


def test_options_are_kept(tmp_path):
    """rtol lets the wrong gradient through again; bounds, method and budget come back."""
    options = {
        "rtol": 0.1,
        "resolution": 0.5,
        "method": "directions",
        "max_nfev": 500,
        "bounds": [(0.5, 3.0)] * 3,
        "confidence": 0.99,
    }
    report = check_gradient(cube, wrong, np.array([1.0, 2.0, 2.5]), **options)

    again = saved_and_repeated(tmp_path, report)

    assert again.outcome is Outcome.PASS
    assert again.method == "directions"
    assert same(again, report)
    assert str(report.certificate) == str(again.certificate)


def test_scipy_bounds_are_kept(tmp_path):
    """A scipy.optimize.Bounds comes back as one."""
    report = check_gradient(cube, right, np.array([1.0, 2.0]), bounds=Bounds([0.0, 0.0], [np.inf, 3.0]))

    assert same(saved_and_repeated(tmp_path, report), report)


def test_a_generator_starts_where_it_stood_before_the_check(tmp_path):
    """The state is saved as it was before the check used it."""
    generator = np.random.default_rng(5)
    generator.normal(size=3)
    report = check_gradient(cube, wrong, np.array([1.0, 2.0]), rng=generator, method="directions")

    assert same(saved_and_repeated(tmp_path, report), report)


def test_the_point_is_the_one_that_was_checked(tmp_path):
    """What the caller does to x, or to an array given as grad, after the check changes nothing."""
    x, grad = np.array([1.0, 2.0]), np.array([3.0, 12.0])
    report = check_gradient(cube, grad, x)
    x[:] = grad[:] = 0.0

    again = saved_and_repeated(tmp_path, report)

    assert again.outcome is Outcome.PASS
    np.testing.assert_array_equal(report.recipe.x, [1.0, 2.0])


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        "text",
        0.1,
        2**70,
        np.float32(0.1),
        1 + 2j,
        [1.0, [2, "x"]],
        (1, (2,)),
        {"W": 1.0, 3: {"missing": [None], "import": "x", "root": "y"}},
        Pair(1.0, (2.0,)),
        Layer(4.0, "missing"),
        np.sin,
        np.linalg.norm,
        Holder.cube,
        Model.of_class,
        MODEL,
        MODEL.method,
        by_lambda,
        Outcome,
        np.datetime64("2026-01-01"),
    ],
    ids=lambda value: getattr(value, "__qualname__", type(value).__name__),
)
def test_values_come_back_as_they_were(tmp_path, value):
    """Numbers, text, containers, dataclasses, and whatever has a name to import; also through JSON."""
    arrays = {}
    told = json.loads(json.dumps(encode(value, arrays, tmp_path), allow_nan=False))

    assert missing_parts(told) == []
    back = decode(told, arrays)
    assert isinstance(back, type(value))
    assert back == value


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_json_lacks_come_back(tmp_path, value):
    """nan and the infinities are kept as arrays."""
    arrays = {}

    np.testing.assert_equal(decode(encode(value, arrays, tmp_path), arrays), value)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16", "i4", "?", ">f8", np.longdouble])
def test_arrays_keep_their_dtype_and_shape(tmp_path, dtype):
    """Through the .npz; the file holds a copy."""
    value = np.arange(6).reshape(2, 3).astype(dtype)
    arrays = {}
    told = encode({"a": value, "empty": value[:0], "scalar": np.array(2.0)}, arrays, tmp_path)
    np.savez(tmp_path / "a.npz", **arrays)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        back = decode(told, dict(file))

    np.testing.assert_array_equal(back["a"], value)
    assert back["a"].dtype == value.dtype
    assert back["empty"].shape == (0, 3)
    assert back["scalar"].shape == ()


@pytest.mark.slow
def test_functions_are_found_in_another_process_and_folder(tmp_path):
    """A module that lies beside a test is imported from there, wherever the command is called."""
    (tmp_path / "src" / "package").mkdir(parents=True)
    (tmp_path / "src" / "package" / "__init__.py").write_text("")
    text = "import numpy as np\ndef f(x):\n    return float(np.sum(x**2))\ndef df(x):\n    return 2.1 * x\n"
    (tmp_path / "src" / "package" / "model.py").write_text(text)
    save = (
        "import sys; sys.path.insert(0, 'src'); import gradcheck; from package import model\n"
        "gradcheck.check_gradient(model.f, model.df, [1.0, 2.0]).save('out/check.json')"
    )
    environment = {"PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, "-c", save], check=True, cwd=tmp_path, env=environment)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [sys.executable, "-m", "gradcheck", "replay", "../out/check.json", "--trust"]

    result = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=elsewhere, env=environment
    )

    assert result.returncode == 1
    assert "looks like: analytic = 1.05 x numerical" in result.stdout
    assert json.loads((tmp_path / "out/check.json").read_text())["f"] == {
        "import": "package.model:f",
        "root": "../src",
    }


@pytest.mark.slow
def test_a_script_is_imported_by_its_name(tmp_path):
    """Functions of __main__ are those of the file that was run."""
    script = tmp_path / "script.py"
    script.write_text(
        "import gradcheck\ndef f(x):\n    return x**2\ndef df(x):\n    return 2.0 * x\n"
        "if __name__ == '__main__':\n    gradcheck.check_gradient(f, df, 3.0).save('check.json')\n"
    )
    subprocess.run([sys.executable, script], check=True, cwd=tmp_path, env={"PYTHONPATH": str(PROJECT)})

    assert repeat(load(tmp_path / "check.json"), trust=True).outcome is Outcome.PASS
    sys.modules.pop("script")


def test_the_import_path_is_left_as_it_was(tmp_path):
    """Repeating a check adds nothing to sys.path, also if it fails."""
    path = check_gradient(cube, right, 2.0).save(tmp_path / "check.json")
    before = list(sys.path)

    repeat(load(path))

    assert sys.path == before


def test_the_file_holds_what_others_can_read(tmp_path):
    """Plain JSON with arrays as base64: x, and what was measured entry by entry."""
    report = check_gradient(cube_of_tree, wrong_of_tree, {"W": np.array([1.0, 2.0])}, rng=3)
    report.save(tmp_path / "check.json")

    document = json.loads((tmp_path / "check.json").read_text())
    arrays = {
        name: np.frombuffer(base64.b64decode(told["base64"]), told["dtype"]).reshape(told["shape"])
        for name, told in document["arrays"].items()
    }
    assert [path.name for path in tmp_path.iterdir()] == ["check.json"]
    assert document["report"] == report.to_dict()
    assert document["seed"] == 3
    assert document["x"] == {"dict": [["W", {"array": "a0"}]]}
    np.testing.assert_array_equal(arrays["a0"], [1.0, 2.0])
    np.testing.assert_array_equal(arrays["evidence_analytic"], [3.03, 12.12])
    np.testing.assert_allclose(arrays["evidence_numerical"], [3.0, 12.0], rtol=1e-8)  # f's rounding
    assert (arrays["evidence_error_bar"] < 1e-8).all()


# What cannot be repeated


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (lambda x: x, "<lambda> (tests/replay/test_replay.py:"),
        (partial(cube, scale=2.0), "an object of type partial"),
        (np.random.default_rng(0), "an object of type Generator"),
        (np.array([object()]), "an array of Python objects"),
        ([{"f": (lambda x: x)}], "<lambda>"),
        (Layer(np.ones(2)).__eq__, "Layer.__eq__"),
        (Model().method, "Model.method (tests/replay/test_replay.py:"),
    ],
    ids=["lambda", "partial", "generator", "objects", "nested", "bound method", "method of what has no name"],
)
def test_what_has_no_name_is_said_to_be_missing(tmp_path, monkeypatch, value, said):
    """The description says what it is and where it was defined; decoding it raises ReplayError with these words."""
    monkeypatch.chdir(PROJECT)
    told = encode(value, {}, tmp_path)

    (why,) = missing_parts(told)

    assert said in why
    with pytest.raises(ReplayError, match="cannot be repeated"):
        decode(told, {})


def test_a_local_function_can_be_saved_but_not_repeated(tmp_path):
    """The file still holds x and the report; repeating it is one clear sentence."""
    saved = load(check_gradient(lambda x: cube(x), wrong, [1.0, 2.0]).save(tmp_path / "check.json"))

    assert saved.report["outcome"] == "FAIL"
    with pytest.raises(
        ReplayError, match=r"check\.json: cannot be repeated .* needs .*<lambda> \(.*test_replay\.py:"
    ):
        repeat(saved)


class Unreadable:
    """Raises whatever is asked of it."""

    def __getattribute__(self, name):
        raise RuntimeError(name)


def itself():
    """A list that holds itself."""
    holder = []
    holder.append(holder)
    return holder


@pytest.mark.parametrize(("value", "said"), [(itself(), "RecursionError"), ([Unreadable()], "RuntimeError")])
def test_an_argument_that_cannot_be_read_does_not_hide_the_report(tmp_path, value, said):
    """The report is saved; repeating it says what is missing."""
    report = check_gradient(lambda x, _: cube(x), lambda x, _: wrong(x), [1.0, 2.0], args=(value,))
    saved = load(report.save(tmp_path / "check.json"))

    assert saved.report["outcome"] == "FAIL"
    assert any(said in why for why in saved.missing)


def test_a_function_that_is_gone_is_a_clear_error(tmp_path, monkeypatch):
    """A module or a name that is no longer there is named, with the file."""
    path = check_gradient(cube, right, 2.0).save(tmp_path / "check.json")
    text = path.read_text()

    path.write_text(text.replace(":right", ":renamed"))
    with pytest.raises(ReplayError, match=r"check\.json: module .*test_replay.* has no renamed"):
        repeat(load(path))
    path.write_text(text.replace(f"{__name__}:right", "gone_for_good:right"))
    with pytest.raises(ReplayError, match="cannot import gone_for_good: there is no such module"):
        repeat(load(path))


def test_a_report_without_its_functions_cannot_be_saved(tmp_path):
    """A copy through pickle lost them: ValueError, and no file. A report is sent to other processes all the same."""
    report = check_gradient(lambda x: x**2, lambda x: 2 * x, 3.0)

    for other in (pickle.loads(pickle.dumps(report)), copy.deepcopy(report)):
        assert str(other) == str(report)
        with pytest.raises(ValueError, match="does not know its functions"):
            other.save(tmp_path / "check.json")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_is_named_as_it_was_given(tmp_path):
    """Not a file of ours beside it; what is no path names the argument."""
    report = check_gradient(lambda x: x**2, lambda x: 2 * x, 3.0)
    (tmp_path / "folder.json").mkdir()

    for path in (tmp_path / "folder.json", "/proc/check.json"):
        with pytest.raises(OSError, match=str(path)) as caught:
            report.save(path)
        assert caught.value.filename == str(path)
        assert ".tmp" not in str(caught.value)
    for path in (None, 3, b"check.json"):
        with pytest.raises(TypeError, match=f"path must be a str or a Path, not {path}"):
            report.save(path)


def test_the_path_must_end_in_json(tmp_path):
    """The arrays go beside it under the same name."""
    with pytest.raises(ValueError, match=r"path must end in \.json, not 'check\.npz'"):
        check_gradient(cube, right, 2.0).save(tmp_path / "check.npz")


def test_what_a_check_needs_is_no_part_of_its_dictionary():
    """Neither the dictionary nor a comparison nor the text of a report knows about functions."""
    report = check_gradient(cube, right, 2.0)

    assert "recipe" not in report.to_dict()
    assert "recipe" not in repr(report)
    assert report == replace(report, recipe=None)


# Checks of many outputs


def cubes(x, scale=1.0):
    """Each by itself."""
    return scale * x**3


def slopes(x, scale=1.0):
    """Their Jacobian."""
    return np.diag(3 * scale * x**2)


def wrong_slopes(x, scale=1.0):
    """One entry is 1 % too large."""
    return slopes(x, scale) * (1 + 0.01 * (np.arange(x.size**2).reshape(x.size, -1) == 1 + x.size))


def wrong_product(x, v, scale=1.0):
    """Of that with a vector, or of a vector with it."""
    return wrong_slopes(x, scale) @ v


def wrong_second(x, scale=1.0):
    """Of the sum of cubes; not symmetric either."""
    return np.diag(6 * scale * x) + 0.1 * (np.arange(x.size**2).reshape(x.size, -1) == 1)


MANY = {
    "check_jacobian": (check_jacobian, cubes, wrong_slopes, {"sparsity": np.eye(3), "rtol": 1e-5}),
    "check_jvp": (check_jvp, cubes, wrong_product, {}),
    "check_vjp": (check_vjp, cubes, wrong_product, {"method": "sweep"}),
    "check_hvp": (check_hvp, cubes, wrong_product, {}),
    "check_hessian": (check_hessian, right, wrong_second, {"resolution": 0.01}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MANY)
def test_checks_of_many_outputs_are_repeated(name, tmp_path):
    """Every number of the report again; x is what it was, whatever became of the caller's array."""
    check, function, derivative, options = MANY[name]
    x = np.array([0.5, 1.0, 2.0])
    report = check(function, derivative, x, args=(2.0,), rng=np.random.default_rng(7), **options)
    x[:] = 0.0
    saved = load(report.save(tmp_path / "check.json"))

    again = repeat(saved)

    assert report.outcome is again.outcome is Outcome.FAIL
    assert saved.check == name
    told, retold = report.to_dict(), again.to_dict()
    # A Generator has no number to be told by.
    assert {part for part in told if told[part] != retold[part]} <= {"seconds", "seed"}


def test_a_jacobian_given_as_numbers_is_kept(tmp_path):
    """A copy: what the caller does to it afterwards is no matter; a sparse one is missed by name."""
    x = np.array([0.5, 1.0, 2.0])
    given = slopes(x)
    report = check_jacobian(cubes, given, x)
    given[:] = 0.0

    assert repeat(load(report.save(tmp_path / "check.json"))).outcome is Outcome.PASS
    sparse = check_jacobian(cubes, csr_array(slopes(x)), x).save(tmp_path / "sparse.json")
    with pytest.raises(
        ReplayError, match="cannot be repeated from the file alone: it needs an object of type csr"
    ):
        repeat(load(sparse))


def test_a_check_that_is_none_is_refused(tmp_path):
    """A file names one of the checks, and no other function; one of before names none, and is of a gradient."""
    path = check_gradient(cube, wrong, 2.0).save(tmp_path / "check.json")

    edit(path, check="assert_gradient")
    with pytest.raises(DataError, match="altered: no check 'assert_gradient'; there are check_gradient"):
        load(path)
    edit(path, check=["check_gradient"])
    with pytest.raises(DataError, match="altered: no check"):
        load(path)
    document = json.loads(path.read_text()) | {"schema": "gradcheck-replay/2"}
    del document["check"]
    path.write_text(json.dumps(document))
    assert repeat(load(path)).outcome is Outcome.FAIL


@pytest.mark.parametrize("grad", [right, wrong])
def test_several_checks_as_one_report_are_repeated(tmp_path, grad):
    """Points are saved as they were drawn, and each is checked with the seed that it had."""

    def sampler(rng):
        return rng.normal(size=3)

    for points, more in (([1.0, 2.0], {}), (sampler, {"count": 3}), (np.ones((2, 3)), {"method": "sweep"})):
        report = check_points(cube, grad, points, args=(2.5,), rng=7, **more)
        again = saved_and_repeated(tmp_path, report)
        assert same(replace(again, call=report.call, seed=report.seed), report)
        assert again.outcome is (Outcome.PASS if grad is right else Outcome.FAIL)


def test_options_of_another_check_are_damage(tmp_path):
    """A file that was changed by hand names its own."""
    path = check_gradient(cube, right, np.array([1.0, 2.0])).save(tmp_path / "check.json")
    for name in ("sparsity", "tangent", "rng", "n_jobs"):
        edit(path, options={"dict": [[name, 1]]})
        with pytest.raises(DataError, match="altered: its options are not those of a check"):
            repeat(load(path))


# Damaged files


def edit(path, **parts):
    """Change a replay file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | parts))


def array_of(size, data, dtype="<f8"):
    """An array as a replay file holds it."""
    return {"dtype": dtype, "shape": [size], "base64": base64.b64encode(data).decode()}


def in_the_old_form(path):
    """Turn a replay file into what version 1 was: its arrays beside it."""
    arrays = load(path).arrays
    np.savez(path.with_suffix(".npz"), **arrays)
    edit(path, schema="gradcheck-replay/1", arrays=path.with_suffix(".npz").name)
    return path.with_suffix(".npz")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_text(path.read_text()[:-200]), "no JSON, or truncated"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "no JSON, or truncated"),
        (lambda path: path.write_text("[1]"), "not a replay file"),
        (
            lambda path: path.write_text(path.read_text().replace("gradcheck-replay/3", "other")),
            "not a replay file",
        ),
        (
            lambda path: path.write_text(path.read_text().replace('"grad":', '"gard":')),
            "altered: it lacks grad",
        ),
        (lambda path: edit(path, arrays=None), "altered: its arrays"),
        (
            lambda path: edit(path, arrays={"a0": {"dtype": "<f8", "shape": [2]}}),
            "altered: its arrays: 'base64'",
        ),
        (lambda path: edit(path, arrays={"a0": array_of(2, b"123")}), r"altered: .* \[2\] has 3 bytes"),
        (lambda path: edit(path, arrays={"a0": array_of(10**12, b"")}), r"altered: .*000\] has 0 bytes"),
        (
            lambda path: edit(path, arrays={"a0": array_of(1, b"12345678", "O")}),
            "altered: .* of dtype object",
        ),
        (
            lambda path: edit(path, schema="gradcheck-replay/1"),
            "altered: its arrays are not the name of a file",
        ),
        (
            lambda path: edit(path, schema="gradcheck-replay/4"),
            "written by a newer gradcheck .gradcheck-replay/4",
        ),
        (lambda path: edit(path, schema="gradcheck-replay/x4"), "not a replay file"),
        (lambda path: edit(path, report={}), "holds no report"),
        (lambda path: edit(path, test=["-x"]), "test and rootdir must be text"),
    ],
)
def test_a_damaged_file_is_a_data_error_that_names_it(tmp_path, damage, said):
    """Never a traceback from inside, never another check than the one saved."""
    path = check_gradient(cube, right, [1.0, 2.0]).save(tmp_path / "check.json")
    damage(path)

    with pytest.raises(DataError, match=f"check.*{said}"):
        load(path)


def test_files_of_version_1_are_still_read(tmp_path):
    """The arrays in an .npz beside the JSON, Bounds by their import."""
    report = check_gradient(cube, right, np.array([1.0, 2.0]), bounds=Bounds([0.0, 0.0], [np.inf, 3.0]))
    path = report.save(tmp_path / "check.json")
    kind = {"import": "scipy.optimize._constraints:Bounds"}
    text = path.read_text().replace(" ", "").replace("\n", "")
    items = json.loads(text)["options"]["dict"]
    (bounds,) = [value for name, value in items if name == "bounds"]
    bounds |= {"call": kind, "items": bounds.pop("bounds")}
    edit(path, options={"dict": items})
    in_the_old_form(path)

    assert same(repeat(load(path)), report)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: np.savez(path, a0=np.array([{}]), allow_pickle=True),
    ],
    ids=["gone", "empty", "truncated", "pickled"],
)
def test_damaged_arrays_of_version_1_are_a_data_error(tmp_path, damage):
    """The file with the arrays is named; nothing that is pickled is loaded."""
    path = check_gradient(cube, right, [1.0, 2.0]).save(tmp_path / "check.json")
    damage(in_the_old_form(path))

    with pytest.raises(DataError, match=r"check\.npz: (missing, truncated or altered|No such file)"):
        load(path)


def test_arrays_of_another_file_are_refused(tmp_path):
    """A file that lacks the arrays of its description is a DataError."""
    path = check_gradient(cube, right, [1.0, 2.0]).save(tmp_path / "check.json")
    edit(path, arrays={"other": array_of(1, b"12345678")})

    with pytest.raises(DataError, match=r"check\.json: the array 'a0' is missing"):
        repeat(load(path))


# Two reports


def changes(before, after):
    """The differences as {text before the colon: kind}."""
    found = compare_reports(before.to_dict(), after.to_dict())
    return {change.text.split(":")[0]: change.kind for change in found}


@pytest.fixture
def reports():
    """A right and a wrong gradient of the same function at the same point."""
    x = np.array([1.0, 2.0])
    return tuple(replace(check_gradient(cube, grad, x), seconds=0.01) for grad in (right, wrong))


def test_a_mended_gradient_is_better_and_a_broken_one_worse(reports):
    """Outcome, entries and error, both ways; the entries are named."""
    good, bad = reports

    mended, broken = changes(bad, good), changes(good, bad)

    expected = {"outcome", "wrong entries", "largest relative error"}
    assert {name for name, kind in mended.items() if kind == "better"} == {*expected, "no longer wrong"}
    assert {name for name, kind in broken.items() if kind == "worse"} == {*expected, "newly wrong"}
    texts = [change.text for change in compare_reports(good.to_dict(), bad.to_dict())]
    assert "newly wrong: x[0], x[1]" in texts
    assert "outcome: PASS -> FAIL" in texts


def test_the_same_report_has_no_difference(reports):
    """Also where the numbers move within what cannot be told from none, and the time within a busy machine's."""
    good, bad = reports

    assert changes(good, good) == {}
    assert changes(bad, bad) == {}
    assert changes(good, replace(good, max_error=good.max_error / 100 + 1e-15, seconds=0.1)) == {}


@pytest.mark.parametrize(
    ("field", "value", "name", "kind"),
    [
        ("seconds", 30.0, "time", "slower"),
        ("nfev", 10_000, "evaluations of f", "slower"),
        ("nfev", 1, "evaluations of f", "faster"),
        ("detectable", 0.1, "smallest detectable mistake", "worse"),
        ("detectable", float("nan"), "smallest detectable mistake", "worse"),
        ("detectable", 1e-12, "smallest detectable mistake", "better"),
        ("max_error", 0.5, "largest relative error", "worse"),
        ("rtol", 0.5, "rtol", "other"),
        ("outcome", Outcome.INCONCLUSIVE, "outcome", "worse"),
    ],
)
def test_each_thing_that_changes_is_told(reports, field, value, name, kind):
    """One changed field is one line, of the right kind."""
    good, _ = reports

    assert changes(good, replace(good, **{field: value})) == {name: kind}


def test_inconclusive_lies_between():
    """FAIL -> INCONCLUSIVE is better, PASS -> INCONCLUSIVE is worse."""
    report = check_gradient(cube, right, 2.0)
    ranked = [
        replace(report, outcome=outcome) for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)
    ]

    for one, two in itertools.pairwise(ranked):
        assert changes(one, two) == {"outcome": "better"}
        assert changes(two, one) == {"outcome": "worse"}


def test_other_parameters_are_pointed_out(reports):
    """Reports of two different checks are compared, with a line that says so."""
    other = check_gradient(cube_of_tree, wrong_of_tree, {"W": np.ones(2)})

    assert "the parameters differ" in changes(reports[0], other)


def test_reports_are_read_from_both_kinds_of_file(tmp_path, reports):
    """A replay file and the JSON of a report hold the same; anything else is a DataError."""
    good, _ = reports
    good.save(tmp_path / "replay.json")
    (tmp_path / "report.json").write_text(good.to_json())
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "list.json").write_text("[]")

    assert read_report(tmp_path / "replay.json") == read_report(tmp_path / "report.json") == good.to_dict()
    for name, said in {
        "other.json": "holds no report",
        "list.json": "holds no report",
        "none.json": "No such",
    }.items():
        with pytest.raises(DataError, match=said):
            read_report(tmp_path / name)


def test_this_module_is_importable_by_the_name_it_has():
    """The tests above rely on it: the functions of this module have a name to import."""
    assert importlib.import_module(__name__).cube is cube
