"""Exit status 0 only where something was checked and passed; 2 and one line for what cannot be used; 130 for Ctrl-C."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gradcheck.cli import main

PROJECT = Path(__file__).parents[2]
# The other outputs fail everywhere.
FULL = pytest.param(
    "/dev/full",
    marks=pytest.mark.skipif(
        not os.path.exists("/dev/full"), reason="a full device is /dev/full, which this system has not"
    ),
)

MODEL = """
import os, sys, time

def f(x):
    return float((x**3).sum())

def df(x):
    return 3 * x**2

def leaves(x):
    sys.exit(0)

def leaves_later(x):
    if (x != [1.0, 2.0]).any():
        sys.exit(0)
    return f(x)

class Odd(BaseException):
    pass

def odd(x):
    raise Odd("neither an Exception nor an exit")

def slow(x):
    time.sleep(0.05)
    return f(x)

def talks(x):
    print("f was called")
    return f(x)

def silent(x):
    sys.stdout = None
    return f(x)

def mute(x):
    sys.stderr.close()
    raise ValueError("said to nobody")

class Odder(Exception):
    def __str__(self):
        sys.exit(0)

def odder(x):
    raise Odder

def __getattr__(name):
    if name == "looked_at":
        sys.exit(0)
    if name == "raises":
        raise RuntimeError("not today")
    raise AttributeError(name)
"""

CASE = """
import sys, time
from gradcheck.cases import Case, Quantity, Reference

def measure():
    {body}
    return 1.0

case = Case(
    section="1", title="one",
    quantities=[Quantity("q", measure, references=[Reference("r", 1.0, rtol=1e-9, reason="exact")])],
)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a model and a case; nothing of it stays imported or on the import path."""
    (tmp_path / "exit_model.py").write_text(MODEL)
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "one.py").write_text(CASE.format(body="pass"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("exit_model", None)


def call(*arguments):
    """Call the command in this process."""
    return CliRunner().invoke(main, [str(a) for a in arguments])


def started(*arguments, **options):
    """The command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.Popen(
        [sys.executable, "-m", "gradcheck", *arguments],
        text=True,
        env=environment,
        stderr=subprocess.PIPE,
        **options,
    )


def one_line(result):
    """The one line on the standard error."""
    (line,) = result.stderr.splitlines()
    return line


CHECK = ["check", "exit_model:f", "exit_model:df", "--x", "[1.0, 2.0]"]


def test_a_pass_is_0(project):
    """The neighbour of all the refusals below."""
    assert call(*CHECK).exit_code == 0
    assert call("run").exit_code == 0


@pytest.mark.parametrize("place", [1, 2])
@pytest.mark.parametrize("name", ["leaves", "leaves_later", "odd"])
def test_a_function_that_ends_the_program_is_no_pass(project, name, place):
    """sys.exit(0) in f or grad, at x or beside it, or an exception of any kind: exit status 2, one line."""
    arguments = list(CHECK)
    arguments[place] = f"exit_model:{name}"

    result = call(*arguments)

    if (name, place) == ("leaves_later", 2):  # as a gradient it is only called at x, and is no gradient
        assert result.exit_code == 1
        return
    assert result.exit_code == 2
    assert one_line(result).startswith("Error: SystemExit: 0" if "leaves" in name else "Error: Odd: neither")
    assert "exit_model.py:" in result.stderr


@pytest.mark.parametrize("place", [1, 2, 4])
@pytest.mark.parametrize(
    ("name", "said"), [("looked_at", "SystemExit: 0"), ("raises", "RuntimeError: not today")]
)
def test_a_module_that_ends_the_program_when_it_is_asked_for_a_name_is_no_pass(project, place, name, said):
    """f, grad and x alike: exit status 2, one line, with the place."""
    arguments = list(CHECK)
    arguments[place] = f"exit_model:{name}"

    result = call(*arguments)

    assert result.exit_code == 2
    place_of_it = r" \(at \S*exit_model\.py:\d+\)"
    assert re.fullmatch(rf"Error: cannot import exit_model: {said}{place_of_it}", one_line(result))


def test_an_exception_without_a_text_is_no_pass(project):
    """One whose text ends the program when it is asked for."""
    result = call("check", "exit_model:odder", *CHECK[2:])

    assert result.exit_code == 2
    assert one_line(result).startswith("Error: Odder: (its text cannot be read) (at")


@pytest.mark.parametrize(
    "error", [SystemExit(0), RuntimeError("a mistake of ours"), RecursionError("too deep")]
)
def test_whatever_else_ends_a_command_is_one_line(project, monkeypatch, error):
    """The rule behind these: the exit status is what a command returns, and anything that it raises is 2."""

    def fails(*_):
        raise error

    monkeypatch.setattr("gradcheck.cli.tables.show_text", fails)

    result = call(*CHECK)

    assert result.exit_code == 2
    assert one_line(result).startswith(f"Error: {type(error).__name__}: {error} (at ")


def test_a_replay_that_ends_the_program_is_no_pass(project):
    """The function was mended into one that leaves."""
    call(*CHECK, "--save", "check.json")
    sys.modules.pop("exit_model")
    (project / "exit_model.py").write_text(MODEL.replace("return 3 * x**2", "sys.exit(0)"))

    result = call("replay", "check.json")

    assert result.exit_code == 2
    assert "SystemExit: 0" in one_line(result)


@pytest.mark.parametrize("body", ["sys.exit(0)", "raise BaseException('odd')"])
def test_a_case_that_ends_the_program_fails(project, body):
    """Its row is a FAIL, and the run goes on."""
    (project / "cases" / "two.py").write_text(CASE.format(body=body))

    result = call("run")

    assert result.exit_code == 1
    assert "1 passed, 1 failed" in result.stdout


@pytest.mark.parametrize(
    ("command", "option"),
    [("check", "--json"), ("check", "--save"), ("run", "--json"), ("run", "--html"), ("run", "--figures")],
)
@pytest.mark.parametrize("target", ["folder.json", "file/x.json", "n" * 300 + ".json"])
def test_a_bad_target_is_refused_before_the_work(project, command, option, target):
    """f is never called, no case is run: exit status 2, one line that names the option."""
    (project / "folder.json").mkdir()
    (project / "file").write_text("old")
    if (option, target) == ("--figures", "folder.json"):
        return  # a folder is right there
    (project / "cases" / "one.py").write_text(CASE.format(body="open('RAN', 'w')"))
    arguments = ["check", "exit_model:leaves", *CHECK[2:]] if command == "check" else ["run"]

    result = call(*arguments, option, target)

    assert result.exit_code == 2
    assert one_line(result).startswith(f"Error: {option}: cannot write")
    assert not (project / "RAN").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["check", "--json", "one.json", "--save", "./one.json"], "--json and --save: only one can be one.json"),
        (["check", "--json", "link.json", "--save", "one.json"], "--json and --save: only one can be one.json"),
        (["run", "--json", "one.json", "--html", "one.json"], "--json and --html: only one can be one.json"),
        (["run", "--json", "cases/one.py"], "--json: cannot write cases/one.py: that is the name of a Python file"),
        (["run", "--json", "code.json"], "--json: cannot write code.json: that is the name of a Python file"),
        (["check", "--html", "w.npy"], "--html: cannot write w.npy: that is an input of this command"),
        (["check", "--json", "array.json"], "--json: cannot write array.json: that is an input of this command"),
        (["check", "--json", "/dev/tty"], "--json: cannot write /dev/tty: No such device or address"),
    ],
)  # fmt: skip
def test_an_output_that_would_be_lost_is_refused_before_the_work(project, options, said):
    """Two outputs of one file, in the place of a source, or where there is no terminal."""
    (project / "link.json").symlink_to("one.json")
    (project / "code.json").symlink_to("cases/one.py")
    (project / "array.json").symlink_to("w.npy")
    np.save(project / "w.npy", np.ones(2))
    if "/dev/tty" in options and can_be_opened("/dev/tty"):
        return  # somebody sits there
    command, *targets = options
    arguments = ["check", "exit_model:leaves", *CHECK[2:]] if command == "check" else ["run"]
    arguments += ["--x", "w.npy"] if "input" in said else []
    files = {file: file.read_bytes() for file in (project / "w.npy", project / "cases" / "one.py")}

    result = call(*arguments, *targets)

    assert result.exit_code == 2
    assert one_line(result) == f"Error: {said}"
    assert all(file.read_bytes() == before for file, before in files.items())


def can_be_opened(path):
    """Whether it can be written here."""
    try:
        with open(path, "wb"):
            return True
    except OSError:
        return False


def test_html_and_json_may_be_the_standard_output(project):
    """One of them: then all else goes to the standard error. Both: exit status 2."""
    page, rows, both = (
        call("run", *options)
        for options in (["--html", "-"], ["--json", "-"], ["--html", "-", "--json", "-"])
    )

    assert page.exit_code == rows.exit_code == 0
    assert page.stdout.startswith("<!DOCTYPE html>")
    assert page.stdout.rstrip().endswith("</html>")
    assert json.loads(rows.stdout)["counts"]["PASS"] == 1
    assert "1 passed" in page.stderr
    assert both.exit_code == 2
    assert "only one can be the standard output" in one_line(both)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["-", "/dev/stdout", "/dev/fd/1"])
def test_what_f_prints_is_no_part_of_the_document(project, target):
    """It goes to the standard error; the standard output is JSON, by any of its names."""
    (project / "cases" / "one.py").write_text(CASE.format(body="print('q was called')"))

    for command, said in (
        (["check", "exit_model:talks", *CHECK[2:]], "f was called"),
        (["run"], "q was called"),
    ):
        with started(*command, "--json", target, stdout=subprocess.PIPE) as process:
            told, errors = process.communicate()
        assert process.returncode == 0
        assert json.loads(told)
        assert said in errors


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "mkfifo"), reason="the document is read from a named pipe, which this system has not"
)
def test_a_pipe_gets_the_document_as_it_is(project):
    """No file takes its place: as with `--json >(reader)` of a shell."""
    reading, writing = os.pipe()
    with started(
        *CHECK, "--json", f"/dev/fd/{writing}", stdout=subprocess.PIPE, pass_fds=[writing]
    ) as process:
        os.close(writing)
        with open(reading) as pipe:
            assert json.loads(pipe.read())["outcome"] == "PASS"
        process.communicate()
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "status"), [("silent", 0), ("mute", 2)])
def test_streams_that_f_takes_away_are_its_own_affair(project, name, status):
    """The report is printed all the same; without a standard error the exit status alone tells."""
    with started("check", f"exit_model:{name}", *CHECK[2:], stdout=subprocess.PIPE) as process:
        told, errors = process.communicate()

    assert process.returncode == status
    assert ("PASS" in told) == (status == 0)
    assert errors == ""


@pytest.mark.parametrize("width", ["0", "-5", "many"])
def test_a_width_that_is_none_hides_nothing(project, monkeypatch, width):
    """COLUMNS=0, as some shells set it."""
    monkeypatch.setenv("COLUMNS", width)

    assert "1 passed" in call("run").stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [["run"], ["list"], CHECK, ["--help"], ["run", "--json", "-"], ["run", "--html", "-"]]
)
@pytest.mark.parametrize("output", [FULL, "closed", "pipe"])
def test_a_standard_output_that_fails_is_one_line(project, command, output):
    """Full, closed, or a pipe that nobody reads: exit status 2."""
    if output == "closed":
        words = " ".join(f"'{word}'" for word in [sys.executable, "-m", "gradcheck", *command])
        environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
        done = subprocess.run(
            f"{words} >&-", shell=True, stderr=subprocess.PIPE, text=True, env=environment, check=False
        )
        status, said = done.returncode, done.stderr
    elif output == "pipe":
        reading, writing = os.pipe()
        os.close(reading)
        with started(*command, stdout=writing) as process:
            os.close(writing)
            said = process.communicate()[1]
            status = process.returncode
    else:
        with open(output, "w") as full, started(*command, stdout=full) as process:
            said = process.communicate()[1]
            status = process.returncode

    lines = [line for line in said.splitlines() if line.startswith("Error: ")]
    assert status == 2, said
    assert len(lines) == 1, said
    assert "Traceback" not in said
    assert "Exception ignored" not in said


@pytest.mark.slow
@pytest.mark.parametrize("output", [FULL, "pipe"])
def test_a_standard_output_that_fails_takes_no_file_away(project, output):
    """Every file that was asked for is written, of every case; then one line and exit status 2, as without files."""
    (project / "cases" / "two.py").write_text(CASE.format(body="pass"))
    commands = {
        "check": [*CHECK, "--json", "c.json", "--html", "c.html", "--save", "s.json", "--plot", "c.svg"],
        "run": ["run", "-v", "--json", "r.json", "--html", "r.html"],
        "document": [*CHECK, "--json", "-", "--save", "d.json"],
    }
    said = {}
    for name, command in commands.items():
        if output == "pipe":
            reading, stdout = os.pipe()
            os.close(reading)
        else:
            stdout = os.open(output, os.O_WRONLY)
        with started(*command, stdout=stdout) as process:
            os.close(stdout)
            said[name] = process.communicate()[1]
            assert process.returncode == 2

    for name in ("c.html", "s.json", "c.svg", "r.html", "d.json"):
        assert (project / name).stat().st_size > 0, name
    assert json.loads((project / "c.json").read_text())["outcome"] == "PASS"
    assert json.loads((project / "r.json").read_text())["counts"]["PASS"] == 2
    for text in (said["check"], said["run"]):
        assert [line[:7] for line in text.splitlines()] == ["Error: "]


def test_a_file_that_fails_takes_no_other_away(project, monkeypatch):
    """A disk that is full by the time that the page is written: the rest is there, and the page is told of."""
    from gradcheck.cli import outputs

    write = outputs.put_bytes

    def full(option, file, data):
        if option == "--json":
            raise outputs.BadInput("--json: cannot write: No space left on device")
        write(option, file, data)

    monkeypatch.setattr(outputs, "put_bytes", full)

    result = call(*CHECK, "--json", "c.json", "--html", "c.html")

    assert result.exit_code == 2
    assert result.stdout.startswith("PASS")
    assert one_line(result) == "Error: --json: cannot write: No space left on device"
    assert (project / "c.html").exists()
    assert not (project / "c.json").exists()


def test_a_run_without_files_ends_with_its_reader(project, monkeypatch):
    """`gradcheck run | head -1`: nobody gets what further cases would give."""
    for name in ("two", "three"):
        (project / "cases" / f"{name}.py").write_text(CASE.format(body=f"__import__('os').mkdir('{name}')"))

    def closed(*_, **__):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("gradcheck.cli.tables.show_case_line", closed)

    assert call("run").exit_code == 2
    assert not (project / "two").exists()
    assert call("run", "--json", "r.json").exit_code == 2
    assert (project / "two").exists()
    assert (project / "three").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["new", "n" * 300], "too long"),
        (["run", "n" * 300], "n: "),  # too long, and for Python 3.14 no such file
        (["run", "-k", "(" * 5000 + "a"], "-k: none of the "),
        (["run", "-k", "[" * 5000 + "a"], "-k: none of the "),
        ([*CHECK[:3], "--x", "[" * 100_000], "neither a file"),
        ([*CHECK[:3], "--x", "lies.npz"], "cannot read lies.npz"),
        ([*CHECK[:3], "--x", "lies.npy"], "tells of 8,000,000,000,000 bytes"),
        ([*CHECK[:3], "--x", "object.npy"], "only pickle could read"),
        ([*CHECK[:3], "--x", "cases/one.py"], "neither a file"),
        (["diff", "cases", "cases"], "cases: Is a directory"),
        (["check", "sys:nothing", *CHECK[2:]], "module sys (built in) has no nothing"),
        (["run", "--data", "n" * 300], "no such folder"),
        (["run", "endless"], "endless/two.py: no file"),
        ([*CHECK[:3], "--x", "endless/x.npz"], "no file"),
        (["diff", "endless/x.json", "endless/x.json"], "more than 1,000,000 bytes"),
    ],
)
def test_odd_input_is_one_line_and_exit_2(project, monkeypatch, arguments, said):
    """Names that are no names, nesting without end, files that lie about their size or have no end."""
    monkeypatch.setattr("gradcheck.files.MOST_JSON", 10**6)
    (project / "endless").mkdir()
    for name in ("two.py", "x.npz", "x.json"):
        (project / "endless" / name).symlink_to("/dev/zero")
    with open("lies.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
        )
    (project / "lies.npz").write_bytes((project / "lies.npy").read_bytes())
    np.save("object.npy", np.array([{}]), allow_pickle=True)

    result = call(*arguments)

    assert result.exit_code == 2
    assert said in one_line(result)


@pytest.mark.parametrize("command", [["run"], CHECK, ["list"], ["replay", "x.json"]])
def test_a_working_directory_that_is_gone_is_one_line(project, monkeypatch, command):
    """Whatever the command."""
    gone = project / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    result = call(*command)

    assert result.exit_code == 2
    assert one_line(result) == "Error: the working directory is gone"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C of another process cannot be sent on Windows")
@pytest.mark.parametrize("command", [["run"], [*CHECK[:1], "exit_model:slow", *CHECK[2:]]])
def test_ctrl_c_is_130(project, command):
    """At any moment from the first line of this package on, while it is still being imported, too."""
    (project / "cases" / "one.py").write_text(CASE.format(body="time.sleep(5)"))
    moments = random.Random(1)
    (project / "started.py").write_text(
        "import os, sys\n"
        "class Finder:\n"
        "    def find_spec(name, path, target=None):\n"
        "        if name == 'gradcheck.cli':\n"
        "            print('ready', flush=True)\n"
        "sys.meta_path.insert(0, Finder)\n"
        "sys.argv[1:] = sys.argv[1:]\n"
        "import runpy; runpy.run_module('gradcheck', run_name='__main__')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "started.py", *command], text=True, env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A shell starts what runs in the background with the signal ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:  # fmt: skip
            assert process.stdout.readline() == "ready\n"
            time.sleep(moments.uniform(0.0, 0.6))
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        if "Exception ignored in: <function _get_module_lock" in said:
            continue  # the interpreter itself loses an interruption that comes while it drops the lock of an import
        assert process.returncode == 130, said
        assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["gradcheck.cli", "click", "numpy", "gradcheck.function.objective", "scipy"]
)
@pytest.mark.parametrize("entry", ["python -m", "script"])
def test_ctrl_c_while_a_module_is_imported_is_130(project, module, entry):
    """From the first module that the command asks for to the last, and nothing is said."""
    start = {
        "python -m": "import runpy; runpy.run_module('gradcheck', run_name='__main__')",
        "script": "from gradcheck.__main__ import run; sys.exit(run())",
    }
    (project / "started.py").write_text(
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(name, path, target=None):\n"
        f"        if name == {module!r}:\n"
        "            raise KeyboardInterrupt\n"
        f"sys.meta_path.insert(0, Finder)\n{start[entry]}\n"
    )

    done = subprocess.run(
        [sys.executable, "started.py", *CHECK], env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr.strip()) == (130, "")


@pytest.mark.parametrize("command", ["check", "run"])
def test_outputs_lie_where_they_were_asked_for(project, command):
    """Although f, or a case, goes to another folder."""
    (project / "exit_model.py").write_text(MODEL.replace("return float(", "os.chdir('/'); return float("))
    (project / "cases" / "one.py").write_text(CASE.format(body="import os; os.chdir('/')"))
    arguments = [*CHECK, "--save", "kept.json"] if command == "check" else ["run", "--html", "kept.html"]

    result = call(*arguments, "--json", "rows.json")

    assert result.exit_code == 0, result.stderr
    assert (project / "rows.json").exists()
    assert len(list(project.glob("kept.*"))) == 1


@pytest.mark.slow
def test_a_function_that_closes_the_standard_output_is_no_pass(project):
    """One line, exit status 2: nobody could read the report."""
    (project / "exit_model.py").write_text(
        MODEL.replace("return float(", "sys.stdout.close(); return float(")
    )

    with started(*CHECK, stdout=subprocess.PIPE) as process:
        _, said = process.communicate()

    assert process.returncode == 2
    assert said.splitlines() == ["Error: the standard output was closed while it was needed"]
