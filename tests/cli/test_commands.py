"""The commands check, new, replay and diff: what they print, exit status, one clear line for bad input."""

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gradcheck import check_gradient
from gradcheck.cli import main

PROJECT = Path(__file__).parents[2]

MODEL = """
import functools
import numpy as np

START = np.array([1.0, 2.0])

def loss(x):
    return float(np.sum(x**3))

def right(x):
    return 3 * x**2

def wrong(x):
    return 3.03 * x**2

def both(x):
    return loss(x), right(x)

def tree(p):
    return float(np.sum(p["W"] ** 2) + np.sum(p["b"]))

def tree_gradient(p):
    return {"W": 2 * p["W"], "b": np.ones_like(p["b"])}

def kinked(x):
    return float(np.abs(x).sum())

def beyond(x):
    return 2 + 0 * x

def raises(x):
    raise RuntimeError("no\\nsuch luck")

class Namespace:
    loss = staticmethod(loss)

class Object:
    def method(self, x):
        return loss(x)

OBJECT = Object()
PARTIAL = functools.partial(loss)

def scaled(x, c, d=0.0):
    return c * (x**3).sum() + d

def scaled_gradient(x, c, d=0.0):
    return 3 * c * x**2

def halved(x, c, d=0.0):
    return 3 * x**2

ARGUMENTS = (2.0, 1.0)

def outside(x):
    if x[0] > 1.0:
        raise AssertionError("outside")
    return (x**3).sum()

def pair(x):
    return np.array([x[0] * x[1], x[0]])

def its_jacobian(x):
    return np.array([[x[1], x[0]], [1.0, 0.0]])

def hessian(x):
    return np.diag(6 * x)

HESSIAN = hessian(np.array([1.0, 2.0]))

def stacked(x):
    return np.sum(x**3, axis=0)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with model.py as the working directory; nothing of it stays imported or on the import path."""
    (tmp_path / "model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("COLUMNS", raising=False)
    yield tmp_path
    for name in ("model", "other", "test_model"):
        sys.modules.pop(name, None)


def call(*arguments, **environment):
    """Call the command in this process."""
    return CliRunner().invoke(main, arguments, env=environment)


def shell(*arguments, **environment):
    """Call the command in a process of its own."""
    command = [sys.executable, "-m", "gradcheck", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


# check


@pytest.mark.parametrize(("grad", "status", "outcome"), [("right", 0, "PASS"), ("wrong", 1, "FAIL")])
def test_check_judges_functions_of_the_working_directory(project, grad, status, outcome):
    """The report on the standard output; exit status 0 for PASS alone."""
    result = call("check", "model:loss", f"model:{grad}", "--x", "[1.0, 2.0]")

    assert result.exit_code == status
    assert result.stdout.startswith(outcome)
    assert ("analytic 12.12  numerical 12 +-" in result.stdout) == (outcome == "FAIL")


def test_inconclusive_is_exit_1(project):
    """A kink is no PASS; the words say what to do, and the option that they name works."""
    arguments = ["check", "model:kinked", "numpy:sign", "--x", "[0.0, 1.0]"]

    assert call(*arguments).exit_code == 1
    assert call(*arguments).stdout.startswith("INCONCLUSIVE")


def test_without_grad_f_returns_value_and_gradient(project):
    """MODULE:F alone is a value_and_grad."""
    assert call("check", "model:both", "--x", "[1.0, 2.0]").exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("x", ["[1.0, 2.0]", "[1, 2]", "2.5", "[[1.0], [2.0]]", "point.npy", "model:START"])
def test_the_point_is_json_a_file_or_a_name(project, x):
    """Numbers and nested lists, .npy, MODULE:NAME."""
    np.save("point.npy", [1.0, 2.0])

    assert call("check", "model:loss", "model:right", "--x", x).exit_code == 0
    assert call("check", "model:Namespace.loss", "model:wrong", "--x", x).exit_code == 1


@pytest.mark.parametrize(
    "x", ['{"W": [[1.0, 2.0]], "b": [0.5]}', "{'W': [(1., 2.)], 'b': [.5]}", "point.npz"]
)
def test_a_point_of_several_arrays_is_a_dict(project, x):
    """A JSON object, one as Python writes it, or an .npz gives a dict of arrays."""
    np.savez("point.npz", W=[[1.0, 2.0]], b=[0.5])

    result = call("check", "model:tree", "model:tree_gradient", "--x", x)

    assert result.exit_code == 0
    assert 'params["W"]' in result.stdout


def test_options_reach_the_check(project):
    """rtol, method, seed and budget."""
    point = ["--x", "[1.0, 2.0]"]

    assert (
        call("check", "model:loss", "model:wrong", *point, "--rtol", "0.1", "--resolution", "0.5").exit_code
        == 0
    )
    result = call(
        "check", "model:loss", "model:right", *point, "--method", "directions", "--seed", "9", "--json", "-"
    )
    told = json.loads(result.stdout)
    assert (told["method"], told["seed"], told["outcome"]) == ("directions", 9, "PASS")
    assert result.stderr.startswith("PASS")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "right", "wrong"),
    [
        (["--args", "[2.0]"], "scaled model:scaled_gradient", "scaled model:halved"),
        (["--args", "model:ARGUMENTS"], "scaled model:scaled_gradient", "scaled model:halved"),
        (["--bounds", "[[null, 1.0], [-1, null]]"], "outside model:right", "outside model:wrong"),
        (["--jacobian"], "pair model:its_jacobian", "pair model:hessian"),
        (["--hessian", "model:hessian"], "loss model:right", "loss model:wrong"),
        (["--hessian", "model:HESSIAN"], "loss model:right", "loss model:wrong"),
        (["--vectorized"], "stacked model:right", "stacked model:wrong"),
        (
            ["--n-jobs", "1", "--max-seconds", "9", "--confidence", "0.99"],
            "loss model:right",
            "loss model:wrong",
        ),
    ],
)
def test_each_option_means_what_it_means_to_the_function(project, arguments, right, wrong):
    """With the option a right derivative passes and a wrong one does not."""
    for functions, status in ((right, 0), (wrong, 1)):
        f, grad = functions.split()
        result = call("check", f"model:{f}", grad, "--x", "[1.0, 2.0]", *arguments)
        assert (result.exit_code, result.stderr) == (status, "")


def test_the_complex_step_and_a_subgradient_are_asked_for(project):
    """--method complex judges by complex steps; --subgradient accepts a slope between those of a kink, and no other."""
    bars = []
    for method in ("complex", "sweep"):
        told = call(
            "check", "model:stacked", "model:right", "--x", "[1.0, 2.0]", "--method", method, "--json", "-"
        )
        bars.append(json.loads(told.stdout)["arrays"][0]["error_bar"])
    assert bars[0] < bars[1] / 100  # no difference is taken, so that nothing cancels

    at_a_kink = ["check", "model:kinked", "numpy:sign", "--x", "[0.0]"]  # 0 lies between the slopes -1 and 1
    assert call(*at_a_kink).exit_code == 1
    assert call(*at_a_kink, "--subgradient").exit_code == 0
    assert call("check", "model:kinked", "model:beyond", "--x", "[0.0]", "--subgradient").exit_code == 1


def test_every_option_of_the_function_is_one_of_the_command():
    """What `check_gradient` takes by name the command takes too; `rng` is `--seed` there."""
    takes = {
        name for name, p in inspect.signature(check_gradient).parameters.items() if p.kind is p.KEYWORD_ONLY
    }

    assert takes - {"rng"} <= {parameter.name for parameter in main.commands["check"].params}


def test_the_report_repeats_the_command(project):
    """`again:` is the command as it was typed, in the text and in the JSON."""
    arguments = [
        "check",
        "model.py:loss",
        "model:right",
        "--x",
        "[1.0, 2.0]",
        "--atol",
        "1e-9",
        "--json",
        "a.json",
    ]

    again = shlex.join(["gradcheck", *arguments])
    assert call(*arguments).stdout.splitlines()[-1].endswith(f"again: {again}")
    assert json.loads(Path("a.json").read_text())["call"] == again


def test_a_file_is_named_by_its_path(project):
    """model.py:loss, also in another folder."""
    (project / "deep").mkdir()
    (project / "deep" / "other.py").write_text(MODEL.replace("x**3", "x**2"))

    at = ["--x", "[1.0, 2.0]"]
    assert call("check", "model.py:loss", f"{project / 'model.py'}:right", *at).exit_code == 0
    assert call("check", "deep/other.py:loss", "model:right", *at).exit_code == 1
    # Two modules cannot have one name: the other one is not taken for it.
    (project / "deep" / "model.py").write_text(MODEL)
    assert "another module model is" in call("check", "deep/model.py:loss", "model:right", *at).stderr


@pytest.mark.parametrize("name", ["a-b", "1", "my model", "model.v2", "한글"])
def test_a_file_may_have_any_name(project, monkeypatch, name):
    """A path names it, for f, its gradient and x; what it raises is told, and what it has not is not found."""
    (project / f"{name}.py").write_text(MODEL)
    file = f"{name}.py"

    assert call("check", f"{file}:loss", f"{file}:right", "--x", f"{file}:START").exit_code == 0
    assert call("check", f"./{file}:loss", f"{file}:wrong", "--x", f"{file}:START").exit_code == 1
    assert "has no nothing" in call("check", f"{file}:nothing", "--x", "1").stderr
    (project / f"bad {name}.py").write_text("1 / 0")
    told = call("check", f"bad {file}:loss", "--x", "1")
    assert (told.exit_code, told.stderr.count("\n")) == (2, 1)
    assert f"cannot import bad {name}" in told.stderr
    assert "ZeroDivisionError" in told.stderr
    for module in (name, f"bad {name}"):
        sys.modules.pop(module, None)


@pytest.mark.slow
def test_a_page_and_a_figure_are_written(project):
    """--html FILE is a page with the report and its figures, --plot FILE the figure."""
    wrong = ["check", "model:loss", "model:wrong", "--x", "[1.0, 2.0]"]

    assert call(*wrong, "--html", "page.html", "--plot", "figure.png").exit_code == 1
    page = Path("page.html").read_text()
    assert "2 of 2 entries wrong" in page
    assert "<svg" in page
    assert Path("figure.png").read_bytes().startswith(b"\x89PNG")
    assert call(*wrong, "--plot", "figure.svg").exit_code == 1
    assert "<svg" in Path("figure.svg").read_text()
    nothing = call("check", "model:pair", "model:right", "--x", "[1.0, 2.0]", "--plot", "none.png")
    assert (nothing.exit_code, Path("none.png").exists()) == (1, False)
    assert nothing.stderr.startswith("--plot: there is nothing to plot")


def test_json_and_save_write_what_diff_reads(project):
    """--json FILE holds the report, --save FILE what repeats it."""
    point = ["--x", "[1.0, 2.0]"]
    call("check", "model:loss", "model:wrong", *point, "--json", "wrong.json", "--save", "deep/wrong.json")
    call("check", "model:loss", "model:right", *point, "--json", "right.json")

    better, worse = call("diff", "deep/wrong.json", "right.json"), call("diff", "right.json", "wrong.json")

    assert (better.exit_code, worse.exit_code) == (0, 1)
    assert "better outcome: FAIL -> PASS" in better.stdout
    assert "worse  newly wrong: x[0], x[1]" in worse.stdout
    same = call("diff", "right.json", "right.json")
    assert (same.exit_code, same.stdout) == (0, "no difference\n")


def test_what_is_saved_is_repeated_or_said_not_to_be(project):
    """A method of an object that the module holds is; what has no name there is told when it is saved."""
    point = ["model:right", "--x", "[1.0, 2.0]", "--save", "s.json"]
    assert call("check", "model:OBJECT.method", *point).stderr == ""
    assert call("replay", "s.json").exit_code == 0
    told = call("check", "model:PARTIAL", *point)
    assert told.exit_code == 0
    assert (
        "s.json holds the report, but cannot be repeated: it needs an object of type partial" in told.stderr
    )
    assert "it needs an object of type partial" in call("replay", "s.json").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere:f", "--x", "1"], "cannot import nowhere: ModuleNotFoundError"),
        (["model:nothing", "--x", "1"], "has no nothing"),
        (["model", "--x", "1"], "'model': expected MODULE:NAME"),
        (["model:loss", "model:nothing", "--x", "1"], "has no nothing"),
        (["model:loss", "model:right", "--x", "[1.0,"], "neither a file .npy or .npz, nor JSON"),
        (["model:loss", "model:right", "--x", "nowhere.npy"], "--x: cannot read nowhere.npy"),
        (["model:loss", "model:right", "--x", "empty.npy"], "--x: cannot read empty.npy"),
        (["model:loss", "model:right", "--x", "pickled.npy"], "--x: cannot read pickled.npy"),
        (["model:loss", "model:right", "--x", '"text"'], "TypeError: --x holds"),
        (["model:loss", "model:right", "--x", "[]"], "ValueError: --x holds no numbers"),
        (["model:START", "model:right", "--x", "1"], "model:START: a function is needed, not"),
        (["model:loss", "model:right", "--x", "1", "--rtol", "-1"], "ValueError: --rtol must be"),
        (["model:loss", "model:right", "--x", "1", "--seed", "-1"], "--seed must be 0 or more, not -1"),
        (["model:loss", "model:right", "--x", "1", "--max-nfev", "5"], "--max-nfev must be at least 24"),
        (["model:loss", "model:right", "--x", "1", "--n-jobs", "0"], "(-1 is every processor), not 0"),
        (
            ["model:loss", "model:right", "--x", "1", "--max-seconds", "0"],
            "--max-seconds must be a number above 0, not",
        ),
        (["model:pair", "--x", "1", "--vectorized"], "--vectorized: MODULE:GRAD is needed"),
        (
            ["model:loss", "model:START", "--x", "1", "--hessian", "model:right"],
            "--hessian: MODULE:GRAD must be a function, not",
        ),
        (["model:loss", "model:right", "--x", "1", "--save", "a.npz"], "--save: FILE must end in .json"),
        (["model:loss", "model:right", "--x", "1", "--save", "model.py/a.json"], "cannot write model.py"),
        (
            ["model:raises", "model:right", "--x", "1"],
            "RuntimeError: no such luck gradcheck: raised by f at x",
        ),
        (["model:losss", "--x", "1"], "has no losss; did you mean model:loss?"),
        (["modle:loss", "--x", "1"], "did you mean model:loss?"),
        (["models/loss.py:f", "--x", "1"], "models/loss.py: there is no such file"),
        (["model:loss", "model:right", "--x", "1", "--args", "[1.0"], "--args: '[1.0' is neither JSON"),
        (["model:loss", "model:right", "--x", "1", "--args", "1.0"], "--args: expected a list"),
        (["model:loss", "model:right", "--x", "1", "--bounds", "low"], "--bounds: 'low' is neither JSON"),
        (["model:loss", "model:right", "--x", "1", "--bounds", "[1]"], "ValueError: --bounds"),
        (["model:loss", "model:right", "--x", "1", "--plot", "a.bmp"], "--plot: FILE must end in .png"),
        (["model:pair", "--jacobian", "--x", "[1, 2]"], "--jacobian: MODULE:GRAD is needed"),
        (["broken:f", "--x", "1"], "cannot import broken: SyntaxError"),
        (["leaves:f", "--x", "1"], "cannot import leaves: SystemExit"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(project, arguments, said):
    """No traceback: one line on the standard error that names what is wrong."""
    (project / "empty.npy").write_bytes(b"")
    np.save("pickled.npy", np.array([{}]), allow_pickle=True)
    (project / "broken.py").write_text("def f(x)\n")
    (project / "leaves.py").write_text("raise SystemExit(0)\n")

    result = call("check", *arguments)

    assert result.exit_code == 2
    assert said.split(" gradcheck:")[0] in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["model:loss"], "without MODULE:GRAD, F must return (value, gradient); it returned"),
        (["model:both", "model:right"], "for a pair of value and gradient leave MODULE:GRAD out)"),
        (["model:stacked", "model:right", "--method", "sweep", "--max-seconds", "1e-9"],
         "the budget was used up\n  nothing is known of the gradient there yet: raise --max-nfev (or --max-seconds)"),
        (["model:kinked", "numpy:sign", "--x", "[0.0]"], "pass --subgradient to accept any slope between"),
        (["model:rounded", "numpy:exp"], "pass --resolution 0."),
    ],
)  # fmt: skip
def test_what_is_advised_can_be_typed(project, arguments, said):
    """In the words of the command, which has no max_nfev; the JSON has those of the function."""
    text = (project / "model.py").read_text()
    (project / "model.py").write_text(
        text + "\ndef rounded(x):\n    return round(float(np.exp(x).sum()), 3)\n"
    )
    point = [] if "--x" in arguments else ["--x", "[1.0, 2.0]"]

    result = call("check", *arguments, *point, "--json", "a.json")

    assert result.exit_code == 1
    assert said in result.stdout
    options = "grad=True|max_nfev|subgradient=True|resolution="
    assert not re.search(options, result.stdout)
    assert re.search(options, (project / "a.json").read_text())


def test_an_error_of_f_names_its_line(project):
    """The line of the user's own function, not of this package."""
    assert re.search(r"\(at \S*model\.py:\d+\)$", call("check", "model:raises", "--x", "1").stderr.strip())


@pytest.mark.parametrize("module", ["direct", "direct.py", "indirect", "odd-name.py"])
def test_an_error_of_an_import_names_its_line(project, module):
    """The innermost one of the user's own files, not of NumPy; what is nowhere has no line."""
    (project / "direct.py").write_text("import numpy as np\n\nnp.linalg.inv(np.zeros((2, 3)))\n")
    (project / "odd-name.py").write_text("import direct\n")
    (project / "indirect.py").write_text("import direct\n")

    assert re.search(
        r"LinAlgError: .* \(at \S*direct\.py:3\)$", call("check", f"{module}:f", "--x", "1").stderr
    )
    assert "(at" not in call("check", "nowhere:f", "--x", "1").stderr


def test_lists_of_different_lengths_are_said_to_be_no_matrix(project):
    """Where F fails of them; one that takes a list of arrays is judged."""
    (project / "model.py").write_text(
        "import numpy as np\n\n\ndef f(x):\n    return float(np.sum(np.square(x)))\n\n\n"
        "def g(x):\n    return 2 * np.asarray(x)\n\n\ndef parts(x):\n    return sum(map(f, x))\n\n\n"
        "def slopes(x):\n    return list(map(g, x))\n"
    )

    said = call("check", "model:f", "model:g", "--x", "[[1, 2], [3]]").stderr
    assert said.endswith("; --x is no matrix, F is called with a list of 2 arrays\n")
    assert "no matrix" not in call("check", "model:f", "model:none", "--x", "[[1, 2], [3, 4]]").stderr
    assert call("check", "model:parts", "model:slopes", "--x", "[[1, 2], [3]]").exit_code == 0


def test_a_function_of_more_arguments_is_told_of_args(project):
    """Where its own arguments are missing; a TypeError of its own is left as it is."""
    (project / "more.py").write_text("def f(x, y):\n    return x + y\n\n\ndef g(x):\n    return x + 'a'\n")

    said = call("check", "more:f", "more:f", "--x", "1.0").stderr
    assert said.endswith("argument: 'y'; functions are called with X and what --args holds\n")
    assert "--args" not in call("check", "more:g", "more:g", "--x", "1.0").stderr


@pytest.mark.parametrize(
    "arguments", [["check"], ["check", "model:loss"], ["replay"], ["diff", "a.json"], ["new"]]
)
def test_usage_errors_exit_2(project, arguments):
    """A missing argument is a usage error."""
    assert call(*arguments).exit_code == 2


@pytest.mark.slow
@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_terminal_is_kept_to_and_a_pipe_is_not_folded(project, width):
    """In a terminal lines are folded at its width; in a pipe each line of the report stays one line."""
    arguments = ["check", "model:loss", "model:wrong", "--x", "[1.0, 2.0]"]

    narrow = call(*arguments, COLUMNS=str(width), FORCE_COLOR="1", TERM="xterm-256color", NO_COLOR="1")
    piped = shell(*arguments)

    shown = re.sub(r"\x1b\[\d+m", "", narrow.stdout)  # NO_COLOR allows bold
    assert max(map(len, shown.splitlines())) <= width
    assert any(
        line.endswith("again: gradcheck check model:loss model:wrong --x '[1.0, 2.0]'")
        for line in piped.stdout.splitlines()
    )
    assert "\x1b" not in piped.stdout


def test_colours_and_no_color(project):
    """The outcome is coloured in a terminal, and not with NO_COLOR."""
    arguments = ["check", "model:loss", "model:right", "--x", "1"]

    assert "\x1b[32mPASS" in call(*arguments, FORCE_COLOR="1", TERM="xterm-256color").stdout
    assert call(*arguments, FORCE_COLOR="1", TERM="xterm-256color", NO_COLOR="1").stdout.startswith("PASS")


# new


def test_a_new_case_runs_and_passes(project):
    """The file that is written passes as it is; so do its planted mistakes."""
    result = call("new", "softmax")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "  gradcheck run cases/softmax.py"
    ran = call("run", "softmax")
    assert ran.exit_code == 0
    assert ran.stdout.splitlines()[-1] == "4 passed, 0 failed, 0 inconclusive"


def test_a_new_case_imports_what_is_public(project):
    """From the package, as docs/writing-cases.md has it."""
    call("new", "quartic")

    assert (
        "from gradcheck.cases import Case, Mistake, Quantity, Reference"
        in (project / "cases" / "quartic.py").read_text()
    )


def test_a_new_case_refuses_a_wrong_gradient(project):
    """With a factor in its gradient, the same file fails."""
    call("new", "softmax")
    path = project / "cases" / "softmax.py"
    path.write_text(path.read_text().replace("return 2 * w", "return 2.001 * w"))

    assert call("run", "softmax").exit_code == 1


def test_a_new_case_may_lie_anywhere(project):
    """CASE may be a path; its folders are made, and the commands in the file name it."""
    assert call("new", "my/facts/softmax.py").exit_code == 0
    assert "gradcheck run my/facts/softmax.py" in (project / "my/facts/softmax.py").read_text()
    assert call("run", "my/facts/softmax.py").exit_code == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("taken", "cases/taken.py: exists already"),
        ("two words", "CASE must be a name"),
        ("3d", "CASE must be a name"),
        ("_u", "that begins with a letter, but not conftest"),
        ("deep/_u.py", "CASE must be a name"),
        ("conftest", "CASE must be a name"),
        ("ch3/softmax", "CASE must be a name"),
        ("../x", "CASE must be a name"),
        ("my-case.py", "CASE must be a name"),
        ("", "CASE must be a name"),
        ("model.py/case.py", "cannot be written"),
    ],
)
def test_a_case_that_cannot_be_written_is_one_line_and_exit_2(project, name, said):
    """Nothing is overwritten."""
    (project / "cases").mkdir()
    (project / "cases" / "taken.py").write_text("mine")

    result = call("new", name)

    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert (project / "cases" / "taken.py").read_text() == "mine"


# replay


@pytest.mark.slow
def test_replay_says_that_it_still_fails_and_then_that_it_passes(project):
    """Exit status 1 as long as the gradient is wrong; after mending it 0, with what changed."""
    call("check", "model:loss", "model:wrong", "--x", "[1.0, 2.0]", "--save", "check.json")

    before = shell("replay", "check.json")
    (project / "model.py").write_text(MODEL.replace("3.03", "3.0"))
    after = shell("replay", "check.json")

    assert (before.returncode, after.returncode) == (1, 0)
    assert before.stdout.startswith(
        "replay imports model:loss from model.py\nreplay imports model:wrong from model.py\nFAIL"
    )
    assert "\nstill FAIL\n" in before.stdout
    assert "\nPASS" in after.stdout
    assert "\npasses now; it was FAIL\n" in after.stdout
    assert "  better outcome: FAIL -> PASS\n" in after.stdout


@pytest.mark.slow
def test_replay_runs_the_test_again_where_the_functions_have_no_name(project):
    """A failing test of two lambdas: its replay file runs the test, from any folder, and sees it mended."""
    test = "from model import *\ndef test_it(gradcheck):\n    gradcheck(lambda x: loss(x), lambda x: wrong(x), START)\n"
    (project / "test_model.py").write_text(test)
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "gradcheck.pytest_plugin"}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", "."],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
    )
    path = project / re.search(r"gradcheck replay (\S+\.json)", ran.stdout)[1]
    os.chdir("/")

    untrusted = shell("replay", str(path), **environment)
    before = shell("replay", "--trust", str(path), **environment)
    (project / "test_model.py").write_text(test.replace("wrong", "right"))
    after = shell("replay", "--trust", str(path), **environment)
    (project / "test_model.py").write_text(test.replace("test_it", "test_other"))
    gone = shell("replay", "--trust", str(path), **environment)

    assert (before.returncode, after.returncode, gone.returncode) == (1, 0, 2)
    assert untrusted.returncode == 2
    assert "outside this project; look at the file, then repeat with --trust" in untrusted.stderr
    assert "<lambda>" in before.stdout
    assert "running its test again: pytest 'test_model.py::test_it'" in before.stdout
    assert "x[1]  analytic 12.12  numerical 12 +-" in before.stdout
    assert "passes now; it was FAIL" in after.stdout
    assert "gave no check" in gone.stderr
    assert len(gone.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "No such file"), ("{", "no JSON"), ("{}", "not a replay file")],
)
@pytest.mark.parametrize("command", [["replay", "bad.json"], ["diff", "bad.json", "bad.json"]])
def test_files_that_cannot_be_used_are_one_line_and_exit_2(project, command, text, said):
    """`replay` and `diff` name the file."""
    if text is not None:
        (project / "bad.json").write_text(text)

    result = call(*command)

    assert result.exit_code == 2
    assert "bad.json: " in result.stderr
    assert (
        said if command[0] == "replay" else said.replace("not a replay file", "holds no report")
    ) in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow
def test_replay_of_a_function_that_raises_is_one_line(project):
    """An error of the mended function is told with its line, not as a crash."""
    call("check", "model:loss", "model:wrong", "--x", "[1.0, 2.0]", "--save", "check.json")
    (project / "model.py").write_text(MODEL.replace("return float(np.sum(x**3))", "return undefined"))

    result = shell("replay", "check.json")

    assert result.returncode == 2
    assert "NameError" in result.stderr
    assert "model.py:" in result.stderr
    assert "Traceback" not in result.stderr


# Help and completion


@pytest.mark.parametrize("command", ["check", "new", "replay", "diff"])
def test_help_has_an_example_and_exit_codes(command):
    """Each command shows how it is called."""
    text = call(command, "--help").stdout

    assert f"  gradcheck {command} " in text
    assert "Exit status:" in text or command == "new"


def test_completion_works(project):
    """What the shell asks for: the commands that begin so."""
    code = "from gradcheck.cli import main; main(prog_name='gradcheck')"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "COMP_WORDS": "gradcheck re", "COMP_CWORD": "1"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**environment, "_GRADCHECK_COMPLETE": "bash_complete"},
    )

    assert result.stdout == "plain,replay\n"
