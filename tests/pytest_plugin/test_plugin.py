"""The pytest plugin: the fixture, case files as tests, seeds, the gathered report, replay files."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import hypothesis.strategies
import pytest

import gradcheck.checks.gradient
import gradcheck.html
import gradcheck.pytest_plugin.case_items
import gradcheck.pytest_plugin.checker
import gradcheck.replay.repeat
import gradcheck.report.saved
from gradcheck.report.recipe import REPEATED

# Imported above because of what pytester does: what a run loads it forgets afterwards, and NumPy loads only once.
assert hypothesis.strategies
assert all(hasattr(gradcheck, name) for name in gradcheck.__all__)

pytest_plugins = ["pytester"]

PROJECT = Path(__file__).parents[2]
# Installed, the plugin comes in through its entry point, and may not be named a second time.
INSTALLED = any(point.value == "gradcheck.pytest_plugin" for point in entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "gradcheck.pytest_plugin")

MODEL = """
import numpy as np

def f(x):
    return float(np.sum(x**3))

def df(x):
    return 3 * x**2

def wrong(x):
    return 3.03 * x**2

def kinked(x):
    return float(np.abs(x).sum())

POINT = np.array([1.0, 2.0])
"""
CASE = """
from gradcheck.cases import Case, Mistake, Quantity, Reference

case = Case(
    "3.2",
    "a fact",
    [
        Quantity(
            "f'(5)",
            lambda: {measured},
            [Reference("published", 0.2, atol=1e-9, reason="by hand"), Reference("analytic", 0.2, reason="exact")],
            [Mistake("the sign", lambda: -0.2)],
        ),
        Quantity("f(5)", lambda: 1.0, [Reference("published", 1.0, reason="exact")]),
    ],
)
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """A folder with a model, whose tests are written by each test here; printed as on a machine that is no CI's.

    There pytest repeats whole messages in its summary.
    """
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(model=MODEL)
    pytester.syspathinsert()
    return pytester


def write_case(project, name="fact", measured="0.2"):
    """Write a case file into cases/."""
    path = project.path / "cases" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(CASE.format(measured=measured))
    return path


def call(project, *arguments):
    """Run pytest in this process."""
    return project.runpytest_inprocess(*PLUGIN, *arguments)


def shell(*arguments, **environment):
    """Run pytest in a process of its own, with no plugin but this one and those named; what it printed."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        **environment,
    }
    command = [sys.executable, "-m", "pytest", "-p", "gradcheck.pytest_plugin", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment).stdout


def text_of(result):
    """What a run printed."""
    return result.stdout.str()


# The fixture


def test_a_right_gradient_passes_and_returns_its_report(project):
    """The call returns the report, which is true."""
    project.makepyfile(
        "from model import *\ndef test_it(gradcheck):\n    assert gradcheck(f, df, POINT).nfev > 0\n"
    )

    result = call(project)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["gradcheck: 1 check: 1 passed"])


@pytest.mark.slow
def test_the_fixture_is_called_as_the_module_that_it_hides(project):
    """gradcheck.check_gradient and gradcheck.assert_gradient: of the fixture they are its call."""
    project.makepyfile(
        """
        import gradcheck
        from model import *

        def test_right(gradcheck):
            assert gradcheck.check_gradient(f, df, POINT).nfev > 0
            assert gradcheck.assert_gradient(f, df, POINT)

        def test_wrong(gradcheck):
            gradcheck.check_gradient(f, wrong, POINT)
        """
    )

    result = call(project)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E*FAIL  2 of 2 entries wrong*", "gradcheck: 3 checks: 2 passed, 1 failed"])


def test_a_wrong_gradient_fails_with_name_numbers_diagnosis_and_replay(project):
    """The failure shows the user's line and the report, and no line of the plugin."""
    project.makepyfile("from model import *\ndef test_it(gradcheck):\n    gradcheck(f, wrong, POINT)\n")

    result = call(project)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*gradcheck(f, wrong, POINT)",
            "E*FAIL  2 of 2 entries wrong: x[[]1] off by +1 %",
            "E*x[[]1]  analytic 12.12  numerical 12 +-*",
            "E*looks like: analytic = 1.01 x numerical*",
            "E*seed: *, from the test's name",
            "E*replay: gradcheck replay .gradcheck/test_it-*.json",
            "gradcheck: 1 check: 1 failed",
        ]
    )
    assert "pytest_checks.py" not in text_of(result)


@pytest.mark.slow
@pytest.mark.parametrize(
    "lines",
    [
        "report = check_gradient(f, wrong, POINT)\n    other = check_gradient(f, kinked, POINT)\n    assert report",
        "assert check_gradient(f, wrong, POINT)",
        "assert check_gradient(f, wrong, POINT).outcome == 'PASS'",
        "reports = [check_gradient(f, wrong, POINT)]\n    assert (\n        reports[0]\n    )",
    ],
)
@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "1")], ids=["here", "xdist"])
def test_a_bare_assert_shows_the_report(project, lines, workers):
    """The report's text, once, and no dump of its fields; of no report that the assertion is not about."""
    project.makepyfile(
        f"from gradcheck import check_gradient\nfrom model import *\ndef test_it():\n    {lines}\n"
    )

    result = call(project, *workers)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E  *assert *<*FAIL*",
            "*- gradcheck -*",
            "FAIL  2 of 2 entries wrong: x[[]1] off by +1 %",
            "*x[[]1]  analytic 12.12  numerical 12 +-*",
            "  looks like: analytic = 1.01 x numerical*",
        ]
    )
    assert "ArraySummary(" not in text_of(result)
    assert text_of(result).count("looks like") == 1


def test_an_assertion_about_something_else_shows_no_report(project):
    """A report that the failing line does not name is not shown, nor is any where nothing was asserted."""
    project.makepyfile(
        "from gradcheck import assert_gradient, check_gradient\nfrom model import *\n"
        "def test_other():\n    report = check_gradient(f, wrong, POINT)\n    assert 1 == 2\n"
        "def test_error():\n    report = check_gradient(f, wrong, POINT)\n    report.nothing\n"
        "def test_said_once():\n    assert_gradient(f, wrong, POINT)\n"
    )

    result = call(project)

    result.assert_outcomes(failed=3)
    assert "- gradcheck -" not in text_of(result)
    assert text_of(result).count("looks like") == 1


@pytest.mark.parametrize(
    ("marker", "test", "said"),
    [
        ("0.5", "gradcheck(f, df, POINT)", r"takes its options by name, such as rtol=1e-4, not \(0.5,\)"),
        (
            "rtol=0.5",
            "assert_gradient(f, df, POINT)",
            r"calls assert_gradient, and its marker's options \(rtol\)",
        ),
        ("rtol=0.5", "gradcheck(f, df, POINT)", None),
        ("", "assert_gradient(f, df, POINT)", None),
        ("rtol=0.5", "check_gradient(f, df, POINT)", None),
    ],
)
def test_a_marker_that_would_do_nothing_is_refused(project, marker, test, said):
    """Options without a name, and those of a test that judges without the fixture; what is no option selects alone."""
    fixture = "gradcheck" if test.startswith("gradcheck") else ""
    project.makepyfile(
        "import pytest\nfrom gradcheck import assert_gradient, check_gradient\nfrom model import *\n"
        f"@pytest.mark.gradcheck({marker})\ndef test_it({fixture}):\n    {test}\n"
    )
    result = call(project)
    if said is None:
        result.assert_outcomes(passed=1)
        return
    assert result.ret == 1
    assert re.search(said, text_of(result))
    assert "Traceback" not in text_of(result)


def test_assert_gradient_hides_its_frames_and_counts(project):
    """The user's line and the report, as with the fixture; the closing line counts passes and failures."""
    project.makepyfile(
        "from gradcheck import assert_gradient\nfrom model import *\n"
        "def test_right():\n    assert_gradient(f, df, POINT)\n"
        "def test_wrong():\n    assert_gradient(f, wrong, POINT)\n"
    )

    result = call(project, "--gradcheck-report=report.json")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*assert_gradient(f, wrong, POINT)",
            "E*FAIL  2 of 2 entries wrong: x[[]1] off by +1 %",
            "gradcheck: 2 checks: 1 passed, 1 failed; report: report.json",
        ]
    )
    assert "def assert_gradient" not in text_of(result)
    told = json.loads((project.path / "report.json").read_text())
    assert [check["outcome"] for check in told["checks"]] == ["PASS", "FAIL"]
    assert told["checks"][1]["test"].endswith("::test_wrong")


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["check_gradient(raises, df, POINT)", "assert_gradient(f, raises, POINT)",
                                   "gradcheck(raises, df, POINT)"])  # fmt: skip
def test_an_error_in_the_users_function_shows_the_users_lines(project, asked):
    """Where it was called from and where it was raised; no frame between the two, unless all are asked for."""
    project.makepyfile(
        "from gradcheck import assert_gradient, check_gradient\nfrom model import *\n"
        "def raises(x):\n    raise KeyError('no such weight')\n"
        f"def test_it(gradcheck):\n    {asked}\n"
    )

    for options, shown in (((), False), (("--full-trace",), True)):
        result = call(project, *options)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f">*{asked}", ">*raise KeyError('no such weight')"])
        assert ("contract.py" in text_of(result)) is shown


@pytest.mark.slow
def test_a_refused_argument_shows_the_call_and_a_bug_of_ours_where_it_is(project):
    """A TypeError is about the user's line; another exception of the package's own is not hidden."""
    project.makepyfile(
        "import gradcheck.checks.gradient as inside\nfrom model import *\n"
        "def test_option():\n    inside.check_gradient(f, df, POINT, seed=3)\n"
        "def test_bug(monkeypatch):\n    monkeypatch.setattr(inside, 'Parameters', None)\n"
        "    inside.check_gradient(f, df, POINT)\n"
    )

    result = call(project, "-k", "option")
    result.stdout.fnmatch_lines([">*seed=3)", "E*there is no option 'seed' (did you mean rng?)*"])
    assert "options.py" not in text_of(result)
    call(project, "-k", "bug").stdout.fnmatch_lines([">*Parameters.of(x)", "*gradient.py:*: AttributeError"])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "1")], ids=["here", "xdist"])
def test_the_summary_begins_with_the_reason(project, workers):
    """Not with the name of an exception, which leaves no room for it in a line of a terminal."""
    project.makepyfile(
        "from gradcheck import assert_gradient, check_gradient\nfrom model import *\n"
        "def test_a(gradcheck):\n    gradcheck(f, wrong, POINT)\n"
        "def test_b():\n    assert_gradient(f, wrong, POINT)\n"
        "def test_c():\n    assert check_gradient(f, wrong, POINT)\n"
        "def test_d():\n    raise ValueError('not ours')\n"
    )

    summary = [line for line in text_of(call(project, *workers)).splitlines() if line.startswith("FAILED")]
    reasons = [line.partition(" - ")[2] for line in summary]
    assert len(reasons) == 4
    assert all(reason.startswith("FAIL  2 of 2") for reason in reasons[:3])
    assert reasons[3].startswith("ValueError: not ours")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("imports", "drawn"),
    [
        ("import gradcheck", "st.floats(0.5, 2.0)"),
        ("import gradcheck\nfrom gradcheck.strategies import points", "points(())"),
    ],
)
def test_the_first_example_is_in_time(project, imports, drawn):
    """NumPy and SciPy are imported before the clock of Hypothesis runs: nothing of it is left to the first example."""
    project.makepyfile(
        f"import sys\nfrom hypothesis import given, settings, strategies as st\n{imports}\n"
        "@settings(max_examples=1, database=None, deadline=None)\n"
        f"@given({drawn})\n"
        "def test_it(x):\n"
        "    assert 'gradcheck.checks.gradient' in sys.modules and 'scipy' in sys.modules\n"
    )

    assert "1 passed" in shell("-q")


@pytest.mark.slow
def test_other_tests_of_hypothesis_wait_for_nothing(project):
    """A module that does not know the package gets nothing imported."""
    project.makepyfile(
        "import sys\nfrom hypothesis import given, settings, strategies as st\n"
        "@settings(max_examples=1, database=None)\n@given(st.floats(0.5, 2.0))\n"
        "def test_it(x):\n    assert 'gradcheck.checks.gradient' not in sys.modules\n"
    )

    assert "1 passed" in shell("-q")


# Arguments of each method of the fixture, with a factor of the derivative.
METHODS = {
    "check_adjoint": "lambda x: A @ x, lambda y: {0} * A.T @ y, np.zeros(3)",
    "check_hessian": "df, lambda x: {0} * np.diag(6 * x), POINT",
    "check_hvp": "df, lambda x, v: {0} * 6 * x * v, POINT",
    "check_jacobian": "df, lambda x: {0} * np.diag(6 * x), POINT",
    "check_jvp": "df, lambda x, v: {0} * 6 * x * v, POINT",
    "check_points": "f, lambda x: {0} * df(x), [POINT, 2 * POINT]",
    "check_problem": "f, POINT, jac=lambda x: {0} * df(x)",
    "check_vjp": "df, lambda x, u: {0} * 6 * x * u, POINT",
    "taylor_test": "f, lambda x: {0} * df(x), POINT",
}


def test_the_fixture_has_every_check_as_a_method():
    """None is missing, and each says what it is."""
    public = {name for name in gradcheck.__all__ if name.startswith("check_")} - {"check_gradient"}
    assert set(METHODS) == public | {"taylor_test"}
    for name in METHODS:
        assert f"gradcheck.{name}" in getattr(gradcheck.pytest_plugin.checker.Checker, name).__doc__


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_method_of_the_fixture_passes_and_refuses(project, name):
    """A right derivative passes and is returned as by the function; a wrong one fails its test; both are reported."""
    lines = ["from model import *", "A = np.arange(1.0, 7.0).reshape(2, 3)"]
    for test, factor in (("right", 1.0), ("wrong", 1.1)):
        arguments = METHODS[name].format(factor)
        lines += [
            f"def test_{test}(gradcheck):",
            f"    assert gradcheck.{name}({arguments}).seed == gradcheck.seed",
        ]
    project.makepyfile("\n".join(lines))
    project.makeini("[pytest]\ngradcheck_rtol = 1e-5")

    result = call(project, "--gradcheck-report=report.json")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*FAIL  *",
            "E*seed: * from the test's name",
            "E*replay: gradcheck replay .gradcheck*"
            if name in REPEATED
            else "E*again: pytest test_*::test_wrong --gradcheck-seed=*",
        ]
    )
    right, wrong = json.loads((project.path / "report.json").read_text())["checks"]
    assert (right["outcome"], wrong["outcome"]) == ("PASS", "FAIL")
    assert f"gradcheck.{name}(" in wrong["report"]["call"]
    assert wrong["report"]["reason"] in wrong["text"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["check_adjoint", "check_points", "taylor_test"])
def test_a_page_shows_checks_without_figures(project, name):
    """These keep no measurements that could be drawn: the page has their text."""
    project.makepyfile(
        "from model import *\nA = np.arange(1.0, 7.0).reshape(2, 3)\n"
        f"def test_wrong(gradcheck):\n    gradcheck.{name}({METHODS[name].format(1.1)})\n"
    )

    call(project, "--gradcheck-report=report.html").assert_outcomes(failed=1)

    page = (project.path / "report.html").read_text(encoding="utf-8")
    assert "test_wrong" in page
    assert f"gradcheck.{name}(" in page


def test_methods_take_the_markers_options_and_the_policy(project):
    """With rtol=0.2 a derivative off by 10 % passes, without it is refused; what is undecided may be skipped."""
    project.makepyfile(
        "import pytest\nfrom model import *\n"
        "def jac(x):\n    return 1.1 * np.diag(6 * x)\n"
        "@pytest.mark.gradcheck(rtol=0.2)\n"
        "def test_wide(gradcheck):\n    gradcheck.check_jacobian(df, jac, POINT)\n"
        "def test_own(gradcheck):\n    gradcheck.check_jacobian(df, jac, POINT, rtol=0.2)\n"
        "def test_narrow(gradcheck):\n    gradcheck.check_jacobian(df, jac, POINT)\n"
        "@pytest.mark.gradcheck(inconclusive='skip')\n"
        "def test_kink(gradcheck):\n    gradcheck.taylor_test(kinked, np.zeros(2), np.zeros(2))\n"
    )

    call(project).assert_outcomes(passed=2, failed=1, skipped=1)


def test_the_replay_file_of_a_failing_test_repeats_it(project):
    """The file named in the message repeats the check with the functions of the module; git ignores it."""
    project.makepyfile("from model import *\ndef test_it(gradcheck):\n    gradcheck(f, wrong, POINT)\n")
    path = re.search(r"gradcheck replay (\S+\.json)", text_of(call(project)))[1]

    saved = gradcheck.report.saved.load(project.path / path)
    report = gradcheck.replay.repeat.repeat(saved)

    assert saved.test == "test_the_replay_file_of_a_failing_test_repeats_it.py::test_it"
    assert str(report).splitlines()[0] == "FAIL  2 of 2 entries wrong: x[1] off by +1 %"
    assert (project.path / ".gradcheck" / ".gitignore").read_text() == "*\n"


def test_a_passing_check_leaves_no_file(project):
    """Only failures leave something behind."""
    project.makepyfile("from model import *\ndef test_it(gradcheck):\n    gradcheck(f, df, POINT)\n")

    call(project)

    assert not (project.path / ".gradcheck").exists()


def test_a_folder_that_cannot_be_written_does_not_hide_the_failure(project):
    """The report is shown, with a line that says why there is no replay file."""
    project.makepyfile("from model import *\ndef test_it(gradcheck):\n    gradcheck(f, wrong, POINT)\n")
    (project.path / ".gradcheck").write_text("a file")

    result = call(project)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*FAIL  2 of 2*", "E*no replay file: *"])


@pytest.mark.slow
def test_it_works_below_given_and_shows_the_shrunk_example(project):
    """Hypothesis takes the fixture without a health check; the replay file holds the smallest example."""
    pytest.importorskip("hypothesis", reason="Hypothesis belongs to the test extra")
    project.makepyfile(
        """
        from hypothesis import given, settings, strategies as st
        from model import *

        @settings(max_examples=20, database=None)
        @given(st.integers(1, 50))
        def test_it(gradcheck, n):
            gradcheck(f, df if n < 3 else wrong, np.full(n, 2.0))
        """
    )

    result = call(project)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*3 of 3 entries wrong*", "*n=3*"])
    (path,) = (project.path / ".gradcheck").glob("*.json")
    assert gradcheck.replay.repeat.repeat(gradcheck.report.saved.load(path)).arrays[0].shape == (3,)


def test_fixtures_of_any_scope_may_check(project):
    """A check in a fixture of the module belongs to the test that is being set up, and fails it."""
    project.makepyfile(
        """
        import pytest
        from model import *

        @pytest.fixture(scope="module")
        def checked(gradcheck):
            gradcheck(f, wrong, POINT)

        def test_it(checked):
            pass
        """
    )

    result = call(project)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E*FAIL  2 of 2*", "gradcheck: 1 check: 1 failed"])


# INCONCLUSIVE

KINK = "from model import *\ndef test_it(gradcheck):\n    gradcheck(kinked, np.sign, np.array([0.0, 2.0]))\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "outcome"),
    [(None, "failed"), ("fail", "failed"), ("skip", "skipped"), ("pass", "passed")],
)
def test_inconclusive_is_what_the_option_says(project, option, outcome):
    """By default a check without a verdict fails its test; skipped and passed it is counted all the same."""
    project.makepyfile(KINK)

    result = call(project, "-rs", *([] if option is None else [f"--gradcheck-inconclusive={option}"]))

    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines(["gradcheck: 1 check: 1 inconclusive"])
    assert ("a kink at x" in text_of(result)) == (outcome != "passed")


def test_a_wrong_gradient_fails_whatever_inconclusive_means(project):
    """--gradcheck-inconclusive=pass lets no FAIL through."""
    project.makepyfile("from model import *\ndef test_it(gradcheck):\n    gradcheck(f, wrong, POINT)\n")

    call(project, "--gradcheck-inconclusive=pass").assert_outcomes(failed=1)


def test_an_unknown_policy_is_a_usage_error(project):
    """--gradcheck-inconclusive takes one of three words."""
    assert call(project, "--gradcheck-inconclusive=maybe").ret == pytest.ExitCode.USAGE_ERROR


# Seeds and options

SEEDS = """
import pytest

@pytest.mark.parametrize("k", [1, 2])
def test_it(gradcheck, k):
    print(f"seed {k}: {gradcheck.seed}")

@pytest.mark.gradcheck(seed=7)
def test_marked(gradcheck):
    print(f"seed 3: {gradcheck.seed}")
"""


def seeds(result):
    """The seeds that the three tests printed."""
    return [int(seed) for seed in re.findall(r"seed \d: (\d+)", text_of(result))]


@pytest.mark.slow
def test_seeds_come_from_the_names_of_the_tests(project):
    """Each test has its own; a rerun has the same; a marker gives one; the option overrides all."""
    project.makepyfile(SEEDS)

    first, again = seeds(call(project, "-s")), seeds(call(project, "-s"))

    assert first == again
    assert len(set(first)) == 3
    assert first[2] == 7
    given = call(project, "-s", "--gradcheck-seed=11")
    assert seeds(given) == [11, 11, 11]
    given.stdout.fnmatch_lines(["gradcheck: seed 11 in every check"])


@pytest.mark.slow
def test_the_seed_does_not_depend_on_the_run(project):
    """The hash of a name is the same in every process, also with other tests or another hash seed."""
    project.makepyfile(SEEDS)
    stdout = shell("-s", "-k", "test_it", PYTHONHASHSEED="12")

    there = [int(seed) for seed in re.findall(r"seed \d: (\d+)", stdout)]
    assert there == seeds(call(project, "-s"))[:2]


def test_an_explicit_rng_is_left_alone(project):
    """rng in the call is the caller's; the message then names no other seed."""
    project.makepyfile(
        "from model import *\ndef test_it(gradcheck):\n    gradcheck(f, wrong, POINT, rng=5)\n"
    )

    result = call(project, "--gradcheck-seed=11")

    result.stdout.fnmatch_lines(["E*rng=5)"])
    assert "seed: " not in text_of(result)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ini", "marker", "options", "outcome"),
    [
        ("", "", "", "failed"),
        ("gradcheck_rtol = 0.1", "", "", "passed"),
        ("", "@pytest.mark.gradcheck(rtol=0.1)", "", "passed"),
        ("", "", ", rtol=0.1", "passed"),
        ("gradcheck_rtol = 0.1", "@pytest.mark.gradcheck(rtol=1e-3)", "", "failed"),
        ("", "@pytest.mark.gradcheck(rtol=0.1)", ", rtol=1e-3", "failed"),
    ],
)
def test_the_closest_option_counts(project, ini, marker, options, outcome):
    """A gradient off by 1 % passes at rtol 0.1: the call's before the marker's before the ini file's."""
    project.makeini(f"[pytest]\n{ini}\n")
    project.makepyfile(
        f"import pytest\nfrom model import *\n{marker}\n"
        f"def test_it(gradcheck):\n    gradcheck(f, wrong, POINT{options})\n"
    )

    call(project).assert_outcomes(**{outcome: 1})


@pytest.mark.parametrize("value", ["much", "-1", "nan", "2"])
def test_an_unusable_rtol_is_a_usage_error(project, value):
    """gradcheck_rtol must be a number between 0 and 1."""
    project.makeini(f"[pytest]\ngradcheck_rtol = {value}\n")

    result = call(project)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"gradcheck_rtol must be a number between 0 and 1, not '{value}'" in result.stderr.str()


def test_the_marker_is_registered_and_selects(project):
    """--strict-markers knows it; -m gradcheck takes checks and case rows, and nothing else."""
    write_case(project)
    project.makepyfile(KINK + "def test_other():\n    pass\n")

    result = call(project, "--strict-markers", "-m", "gradcheck", "-k", "not test_it")

    result.assert_outcomes(passed=4, deselected=2)
    assert "@pytest.mark.gradcheck(" in text_of(call(project, "--markers"))


# Case files


def test_each_row_of_a_case_is_an_item(project):
    """References and planted mistakes have readable ids; the case runs once for all of them."""
    path = write_case(project, measured="count()")
    path.write_text(
        "from pathlib import Path\n\ndef count():\n    file = Path('runs')\n"
        "    file.write_text(file.read_text() + '.' if file.exists() else '.')\n    return 0.2\n"
        + path.read_text()
    )

    result = call(project, "-v", "cases")

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "cases/fact.py::f'(5) - published PASSED*",
            "cases/fact.py::f'(5) - analytic PASSED*",
            "cases/fact.py::f'(5) - refuses: the sign PASSED*",
            "cases/fact.py::f(5) - published PASSED*",
            "gradcheck: 4 rows of 1 case: 4 passed",
        ]
    )
    assert (project.path / "runs").read_text() == "."


def test_a_wrong_row_fails_with_its_numbers_and_reason(project):
    """The message says how far off, how much was allowed and why, and how to run it again; no traceback."""
    write_case(project, measured="0.25")

    result = call(project)

    result.assert_outcomes(failed=2, passed=2)
    result.stdout.fnmatch_lines(
        [
            "FAIL  fact: f'(5), published",
            "  measured 0.25, not 0.2: off by 0.05, 1e-09 allowed",
            "  the tolerance: by hand",
            "  again: gradcheck run cases/fact.py",
        ]
    )
    assert "Traceback" not in text_of(result)


def test_rows_are_selected_by_name_and_by_id(project):
    """-k and a node id take single rows."""
    write_case(project)

    call(project, "-k", "published").assert_outcomes(passed=2, deselected=2)
    call(project, "cases/fact.py::f'(5) - refuses: the sign").assert_outcomes(passed=1)


def test_a_case_file_named_on_the_command_line_is_no_test_module(project):
    """pytest takes every file that is named for a test module; a case file is loaded once, as a case."""
    path = write_case(project)
    path.write_text("from pathlib import Path\n\nPath('loaded').mkdir()\n" + path.read_text())  # fails twice

    call(project, "cases/fact.py").assert_outcomes(passed=4)


def test_a_case_without_its_data_is_inconclusive(project):
    """INCONCLUSIVE rows fail by default, and are skipped where the run says so."""
    no_data = "(_ for _ in ()).throw(__import__('gradcheck.errors').errors.DataError('fetch it'))"
    write_case(project, measured=no_data)

    call(project, "-k", "analytic").assert_outcomes(failed=1, deselected=3)
    call(project, "-k", "analytic", "--gradcheck-inconclusive=skip").assert_outcomes(skipped=1, deselected=3)


@pytest.mark.slow
def test_a_case_file_that_does_not_load_is_a_collection_error(project):
    """One line that names file and line; the other files are still collected."""
    write_case(project).write_text("from gradcheck.cases import Case\ncase = Case(\n")

    result = call(project)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["cases/fact.py:2: syntax error: *"])
    assert "Traceback" not in text_of(result)


def test_a_folder_of_this_name_may_hold_something_else(project):
    """Without the ini option, a file is a case file if it defines a gradcheck Case."""
    (project.path / "cases").mkdir()
    (project.path / "cases" / "other.py").write_text("Case(1)")
    (project.path / "cases" / "_helper.py").write_text("# gradcheck Case(")
    (project.path / "cases" / "test_real.py").write_text("import gradcheck.cases\ndef test_it():\n    pass\n")
    (project.path / "cases" / "imports.py").write_text(
        "import json, model, nowhere\nfrom . import other\n1 / 0"
    )
    (project.path / "cases" / "no_python.py").write_text("case = = gradcheck")

    call(project).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "text",
    [
        "from facts import case",
        "import facts\nmine = facts.case",
        "from package.inner import case",
        "from package import case",
        "from gradcheck import cases\nK = cases.Case\nfrom facts import case",
    ],
)
def test_a_case_that_was_made_elsewhere_is_found(project, text):
    """As `gradcheck run` finds it: in a module beside the folder, in a package, by a relative import."""
    made = CASE.format(measured="0.2").replace("Case(", "C(").replace("import Case,", "import Case as C,")
    for name in ("facts.py", "package/_made.py"):
        (project.path / name).parent.mkdir(exist_ok=True)
        (project.path / name).write_text(made)
    (project.path / "package" / "__init__.py").write_text("from .inner import case")
    (project.path / "package" / "inner.py").write_text("from ._made import case")
    (project.path / "cases").mkdir()
    (project.path / "cases" / "fact.py").write_text(text)

    call(project, "cases").assert_outcomes(passed=4)


@pytest.mark.slow
def test_gradcheck_cases_names_the_folders(project):
    """With the ini option its folders and files are taken, and whatever stands in them must be a case."""
    write_case(project)
    (project.path / "cases").rename(project.path / "facts")
    (project.path / "facts" / "other.py").write_text("x = 1")
    call(project).assert_outcomes()
    project.makeini("[pytest]\ngradcheck_cases = facts/fact.py\n")
    call(project).assert_outcomes(passed=4)
    project.makeini("[pytest]\ngradcheck_cases = facts\n")

    result = call(project)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["facts/other.py: the file holds no Case*"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nodir", "nodir: no such file or folder"),
        ("cases nodir", "nodir: no such file or folder"),
        ("cases/nofile.py", "cases/nofile.py: no such file or folder"),
        ("empty", "empty: no case file (*.py) in this folder"),
        ("cases/_helper.py", "cases/_helper.py: a case file is a Python file"),
        ("cases/data.txt", "cases/data.txt: a case file is a Python file"),
    ],
)
def test_gradcheck_cases_that_name_no_case_file_are_refused(project, name, said):
    """The run would pass without the cases that it was told of: one error that names them, and no test is run."""
    write_case(project)
    (project.path / "empty").mkdir()
    (project.path / "empty" / "conftest.py").write_text("")
    for file in ("_helper.py", "data.txt"):
        (project.path / "cases" / file).write_text("")

    result = call(project, "-o", f"gradcheck_cases={name}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = result.stderr.str().splitlines()
    assert line.startswith(f"ERROR: gradcheck_cases: {said}")
    call(project, "-o", "gradcheck_cases=cases/fact.py").assert_outcomes(passed=4)


def test_a_case_keeps_nothing_on_disk(project):
    """Checkpoints go to a temporary folder that is gone afterwards."""
    path = write_case(project)
    text = path.read_text().replace(
        "lambda: 1.0", "lambda workdir: workdir.joinpath('kept').write_text('x') * 1.0"
    )
    text = text.replace("lambda:", "lambda workdir:").replace(
        "case = Case(", "case = Case(prepare=where, ", 1
    )
    text = text.replace(
        'prepare=where, \n    "3.2",\n    "a fact",',
        'section="3.2", title="a fact", prepare=where, quantities=',
    )
    path.write_text(
        "import pathlib\n\ndef where(context):\n    pathlib.Path('where').write_text(str(context.workdir))\n"
        "    return context.workdir\n" + text
    )

    call(project).assert_outcomes(passed=4)

    assert not Path((project.path / "where").read_text()).exists()
    assert not (project.path / ".gradcheck").exists()


# The gathered report

BOTH = "from model import *\ndef test_right(gradcheck):\n    gradcheck(f, df, POINT)\n" + (
    "def test_wrong(gradcheck):\n    gradcheck(f, wrong, POINT)\ndef test_none():\n    pass\n"
)


def check_document(document):
    """Assert that both checks and the four rows are in the report."""
    assert document["counts"] == {"PASS": 5, "FAIL": 1, "INCONCLUSIVE": 0}
    assert document["interrupted"] is False
    checks = sorted(document["checks"], key=lambda check: check["test"])
    assert [check["test"].rpartition("::")[2] for check in checks] == ["test_right", "test_wrong"]
    assert [check["report"]["outcome"] for check in checks] == ["PASS", "FAIL"]
    assert checks[0]["replay"] is None
    assert Path(checks[1]["replay"]).is_file()
    assert [case["name"] for case in document["cases"]] == ["fact"]
    references = ["analytic", "published", "published", "refuses: the sign"]
    assert sorted(row["reference"] for row in document["rows"]) == references


def test_the_json_report_holds_every_check_and_row(project):
    """--gradcheck-report=FILE.json: counts, checks with their reports and replay files, cases, rows."""
    write_case(project)
    project.makepyfile(BOTH)

    result = call(project, "--gradcheck-report=out/all.json")

    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines(
        ["gradcheck: 2 checks: 1 passed, 1 failed; 4 rows of 1 case: 4 passed; report: out/all.json"]
    )
    check_document(json.loads((project.path / "out/all.json").read_text()))


@pytest.mark.slow
@pytest.mark.parametrize("spread", ["load", "loadfile"])
def test_workers_report_to_the_same_file(project, spread):
    """Under pytest-xdist the checks of all workers come together, and so do the counts of the last line."""
    pytest.importorskip("xdist", reason="pytest-xdist belongs to the test extra")
    write_case(project)
    project.makepyfile(BOTH)
    stdout = shell("-p", "xdist", "-n", "2", "--dist", spread, "--gradcheck-report=all.json")

    assert "1 failed, 6 passed" in stdout
    assert "gradcheck: 2 checks: 1 passed, 1 failed; 4 rows of 1 case: 4 passed" in stdout
    check_document(json.loads((project.path / "all.json").read_text()))


@pytest.mark.slow
def test_a_run_without_checks_says_so(project):
    """An empty report is no success story; without the option the plugin keeps quiet."""
    project.makepyfile("def test_none():\n    pass\n")

    assert "gradcheck: no checks; report: all.json" in text_of(call(project, "--gradcheck-report=all.json"))
    assert json.loads((project.path / "all.json").read_text())["checks"] == []
    assert "gradcheck:" not in text_of(call(project))


@pytest.mark.slow
def test_the_html_report_names_every_check(project):
    """--gradcheck-report=FILE.html: a page with the same checks and rows."""
    write_case(project)
    project.makepyfile(BOTH)

    call(project, "--gradcheck-report=all.html").assert_outcomes(passed=6, failed=1)

    page = (project.path / "all.html").read_text()
    assert all(word in page for word in ("test_right", "test_wrong", "fact", "the sign"))
    right, wrong = page.split('<details class="part"')[-2:]
    assert "<svg" not in right
    assert "<svg" in wrong


@pytest.mark.parametrize(
    ("file", "said"),
    [("all.txt", "must end in .html or .json, not 'all.txt'"), ("model.py/all.json", "cannot write ")],
)
def test_a_report_that_cannot_be_written_is_refused_before_the_run(project, file, said):
    """A usage error at once, not a lost report at the end."""
    project.makepyfile("def test_none():\n    open('ran', 'w')\n")

    result = call(project, f"--gradcheck-report={file}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()
    assert not (project.path / "ran").exists()


# What it costs where it is not used


@pytest.mark.slow
def test_help_and_other_tests_load_nothing_heavy(project):
    """Neither --help nor a run without checks imports NumPy, SciPy, click or rich."""
    project.makepyfile("def test_none():\n    pass\n")
    heavy = ("numpy", "scipy", "click", "rich", "matplotlib", "hypothesis.strategies")
    code = f"import sys, pytest; pytest.main(sys.argv[1:]); print([m for m in {heavy} if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    for arguments in (["--help"], ["-q"]):
        command = [sys.executable, "-c", code, "-p", "gradcheck.pytest_plugin", *arguments]
        result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        assert "--gradcheck-report" in result.stdout or "1 passed" in result.stdout
        assert result.stdout.splitlines()[-1] == "[]"
