"""A replay file is data until its user says otherwise, and what others wrote is shown, not obeyed."""

import base64
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gradcheck.cli import main
from gradcheck.errors import DataError, ReplayError, UntrustedReplayError
from gradcheck.replay.repeat import repeat
from gradcheck.report.saved import load
from gradcheck.results.words import visible

PROJECT = Path(__file__).parents[2]

MODEL = """
from os import system
from pathlib import Path
Path("IMPORTED").touch()

def f(x):
    return float((x**3).sum())

def df(x):
    return 3 * x**2
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a model, whose import leaves a mark, and check.json, a saved check of it."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    (folder / "trusted_model.py").write_text(MODEL)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    call("check", "trusted_model:f", "trusted_model:df", "--x", "[1.0, 2.0]", "--save", "check.json")
    forget(folder)
    yield folder
    forget(folder)


def forget(folder):
    """Nothing of the model stays imported."""
    for name in ("trusted_model", "elsewhere_model"):
        sys.modules.pop(name, None)
    (folder / "IMPORTED").unlink(missing_ok=True)


def call(*arguments, **environment):
    """Call the command in this process."""
    return CliRunner().invoke(main, [str(a) for a in arguments], env=environment)


def crafted(path, **parts):
    """The saved check with some of its parts exchanged, as another file beside it."""
    document = json.loads(path.read_text()) | parts
    other = path.with_name("crafted.json")
    other.write_text(json.dumps(document))
    return other


# What may be imported


def test_what_is_imported_is_printed_first(project):
    """A file of the project needs no flag; what is imported, and from where, stands before the report."""
    result = call("replay", "check.json")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[:2] == [
        "replay imports trusted_model:f from trusted_model.py",
        "replay imports trusted_model:df from trusted_model.py",
    ]


@pytest.mark.parametrize(
    "reference",
    ["subprocess:check_output", "os:system", "sys:exit", "numpy:exp", "builtins:exec"],
)
def test_what_lies_outside_the_project_needs_trust(project, reference):
    """Nothing is imported, not even the project's own module: exit status 2, one line that says what and how."""
    path = crafted(project / "check.json", f={"import": reference})

    result = call("replay", path)

    assert f"it imports {reference} from" in result.stderr
    assert result.stderr.endswith("outside this project; look at the file, then repeat with --trust\n")
    assert not (project / "IMPORTED").exists()
    with pytest.raises(UntrustedReplayError):
        repeat(load(path))
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["--trust", "y", "n"])
def test_a_module_beside_a_file_from_elsewhere_needs_trust(project, monkeypatch, answer):
    """It runs with --trust, or where the user says yes at a terminal; not where the user says no."""
    away = project.parent / "downloads"
    away.mkdir()
    (away / "elsewhere_model.py").write_text(MODEL.replace("IMPORTED", str(away / "IMPORTED")))
    parts = {name: {"import": f"elsewhere_model:{name}", "root": "."} for name in ("f",)} | {
        "grad": {"import": "elsewhere_model:df", "root": "."}
    }
    path = crafted(project / "check.json", **parts).rename(away / "crafted.json")

    assert call("replay", path).exit_code == 2
    assert not (away / "IMPORTED").exists()
    if answer == "--trust":
        result = call("replay", "--trust", path)
    else:
        monkeypatch.setattr("gradcheck.cli.commands.at_a_terminal", lambda: True)
        result = CliRunner().invoke(main, ["replay", str(path)], input=f"{answer}\n")
        assert "Go on?" in result.stderr
    assert result.exit_code == (2 if answer == "n" else 0)
    assert (away / "IMPORTED").exists() == (answer != "n")


def test_a_folder_from_elsewhere_on_the_import_path_needs_trust(project):
    """The module is the project's, but what it imports in turn would be looked for there first."""
    away = project.parent / "downloads"
    away.mkdir()
    path = crafted(project / "check.json", x={"list": [1.0, {"root": "../downloads", "array": "a0"}]})

    result = call("replay", path)

    assert result.exit_code == 2
    assert "it imports from" in result.stderr
    assert not (project / "IMPORTED").exists()


def test_a_home_is_no_project(project, monkeypatch):
    """Where a home holds a .git, what was downloaded into a folder of it is not trusted for that."""
    monkeypatch.setenv("HOME", str(project.parent))
    (project.parent / ".git").mkdir()
    (project / "pyproject.toml").unlink()
    away = project.parent / "downloads"
    away.mkdir()
    (away / "elsewhere_model.py").write_text(MODEL)
    path = crafted(project / "check.json", f={"import": "elsewhere_model:f", "root": "../downloads"})

    assert call("replay", "check.json").exit_code == 0
    forget(project)
    assert call("replay", path).exit_code == 2
    os.chdir("..")
    assert call("replay", path).exit_code == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["gone", "", ".gone", "..gone", "gone/gone", "go\0ne", "gone.by", "a." * 50_000]
)
@pytest.mark.parametrize("trust", [[], ["--trust"]])
def test_a_module_that_is_nowhere_is_not_imported(project, module, trust):
    """Nor is any other of the file: what is not there yet could be anything by then. One line, not too long."""
    path = crafted(project / "check.json", grad={"import": f"{module}:df"})

    result = call("replay", *trust, path)

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert len(result.stderr) < 3000
    assert "cannot import" in result.stderr
    assert trust or not (project / "IMPORTED").exists()


# What is decoded


@pytest.mark.slow
@pytest.mark.parametrize(
    "value",
    [
        {"call": {"import": "subprocess:check_output"}, "items": [{"list": ["touch", "RAN"]}]},
        {"call": {"import": "os:system"}, "items": ["touch RAN"]},
        {"call": {"import": "builtins:exec"}, "items": ["open('RAN', 'w')"]},
        {
            "call": {"import": "pathlib:Path.touch"},
            "items": [{"call": {"import": "pathlib:Path"}, "items": ["RAN"]}],
        },
        {"call": {"import": "subprocess:Popen"}, "fields": [["args", {"list": ["touch", "RAN"]}]]},
        {
            "call": {"call": {"import": "operator:attrgetter"}, "items": ["system"]},
            "items": [{"import": "os:x"}],
        },
        {"call": {"import": "trusted_model:f"}, "items": [1.0]},
        {"import": "trusted_model:Path.cwd.__globals__"},
        {"import": "trusted_model:system"},
        {"import": "trusted_model:Path"},
        {"import": "importlib:sys.exit"},
        {"list": [{"unknown": 1}]},
        {"dict": [[1]]},
        {"dict": [[{"list": []}, 1]]},
        {"array": ["a0"]},
    ],
    ids=lambda value: re.sub(r"\W+", " ", json.dumps(value))[:50],
)
@pytest.mark.parametrize("part", ["x", "args", "options"])
def test_only_what_the_encoder_writes_is_decoded(project, value, part):
    """Whatever is trusted, no callable is called but namedtuples, dataclasses and Bounds: one line, exit status 2."""
    path = crafted(project / "check.json", **{part: value})

    result = call("replay", "--trust", path)

    assert not (project / "RAN").exists()
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr
    with pytest.raises((DataError, ReplayError, TypeError)):
        repeat(load(path), trust=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "test",
    [
        "--version",
        "-x",
        "-p=evil",
        "@arguments",
        "../outside.py::test",
        "/etc/passwd",
        "nothing.py",
        "\0",
        "",
    ],
)
def test_a_test_is_never_an_option(project, test):
    """The node id must name a file below the root folder."""
    (project / "arguments").write_text("--version")
    (project.parent / "outside.py").write_text("def test(): open('RAN', 'w')")
    path = crafted(project / "check.json", f={"missing": "a lambda"}, test=test, rootdir=".")

    result = call("replay", "--trust", path)

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert not re.search(r"pytest \d", result.output)
    assert not (project / "RAN").exists()


@pytest.mark.parametrize("rootdir", [None, "gone", "\0", "check.json"])
def test_a_root_folder_that_is_gone_is_one_line(project, rootdir):
    """The message names it."""
    path = crafted(project / "check.json", f={"missing": "a lambda"}, test="a.py::test", rootdir=rootdir)

    result = call("replay", "--trust", path)

    assert result.exit_code == 2
    assert "root folder of its test is gone" in result.stderr
    assert len(result.stderr.splitlines()) == 1


# Sizes and damage


def numbers(count, dtype="<f8", data=b""):
    """Arrays as a replay file holds them, which say that there are so many numbers."""
    return {"a0": {"dtype": dtype, "shape": [count], "base64": base64.b64encode(data).decode()}}


def deep(levels=100_000):
    """JSON nested so deeply."""
    return "[" * levels + "]" * levels


def header(count):
    """A .npy file whose header tells of so many numbers that are not there."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (count,)})
    return file.getvalue()


def archive(content, compressed=False, name="a0.npy"):
    """An .npz with one file in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as opened:
        opened.writestr(name, content)
    return file.getvalue()


def many_crafted(good):
    """Replay files that are damaged or lie about their size: name -> text, or (text, bytes of the .npz beside it)."""
    document = json.loads(good)
    old = document | {"schema": "gradcheck-replay/1", "arrays": "crafted.npz"}

    def changed(**parts):
        return json.dumps(document | parts)

    def reported(**parts):
        return changed(report=document["report"] | parts)

    found = {
        "deep": deep(),
        "deep in a report": '{"schema": "gradcheck-replay/3", "report": ' + deep() + "}",
        "arrays null": changed(arrays=None),
        "arrays a list": changed(arrays=[1]),
        "1e12 numbers": changed(arrays=numbers(10**12)),
        "1e30 numbers": changed(arrays=numbers(10**30)),
        "negative": changed(arrays=numbers(-1)),
        "objects": changed(arrays=numbers(1, "O", b"12345678")),
        "letters without end": changed(arrays=numbers(0, "<U999999999")),
        "nothing, many times": changed(arrays=numbers(10**12, "<U0")),
        "no dtype": changed(arrays=numbers(1, "nonsense", b"12345678")),
        "not base64": changed(arrays={"a0": {"dtype": "<f8", "shape": [1], "base64": "%%%%"}}),
        "schema a list": changed(schema=["gradcheck-replay/3"]),
        "seed": changed(seed={"dict": [["bit_generator", "seterr"]]}),
        "seed of a generator": changed(seed={"dict": [["bit_generator", "PCG64"], ["state", 5]]}),
        "options": changed(options={"dict": [["n_jobs", 10**6]]}),
        "options unknown": changed(options={"dict": [["nothing", 1]]}),
        "max_nfev": changed(options={"dict": [["max_nfev", "many"]]}),
        "f a number": changed(f=1),
        "args text": changed(args="text"),
        "x deep": changed(x=None).replace('"x": null', '"x": ' + '{"list": [' * 5000 + "]}" * 5000),
        "report null": changed(report=None),
        "report of another kind": reported(schema="other"),
        "outcome": reported(outcome="FINE"),
        "arrays of the report": reported(arrays=[{"name": 1}]),
        "wrong": reported(wrong=[[]]),
        "counts": reported(nfev="many"),
        "seconds": reported(seconds=None),
        "large": reported(max_error=10**400),
        "no folder": changed(f={"import": "trusted_model:f", "root": "\ud800"}),
        "no root folder": changed(rootdir="\ud800"),
        "lists": "[" + "[]," * 2 * 10**7 + "[]]",
        "a number": changed(seed=None).replace('"seed": null', '"seed": ' + "9" * 5000),
        "dimensions": changed(arrays={"a0": {"dtype": "<f8", "shape": [1] * 10**5, "base64": "AAAAAAAAAAA="}}),
        "a fraction of a shape": changed(arrays={"a0": {"dtype": "<f8", "shape": [1.5], "base64": "AAAAAAAAAAA="}}),
        "a letter of a shape": changed(arrays={"a0": {"dtype": "<f8", "shape": "1", "base64": "AAAAAAAAAAA="}}),
        "truncated": good[:-300],
        "empty": "",
        "bytes": "\udcff\udcfe",
        "npz: 1e12 numbers": (json.dumps(old), archive(header(10**12))),
        "npz: a bomb": (json.dumps(old), archive(header(2**28) + bytes(2**31), compressed=True)),
        "npz: no zip": (json.dumps(old), b"PK\3\4" + bytes(100)),
        "npz: no header": (json.dumps(old), archive(b"\x93NUMPY\1\0\xff\xff{")),
        "npz: code": (json.dumps(old), archive(b"\x93NUMPY\1\0\x20\0__import__('os').system('x')   ")),
        "npz: nothing in it": (json.dumps(old), archive(b"", name="other.npy")),
    }  # fmt: skip
    for name in [*document, *document["report"]]:
        for value in (None, 5, "x", [], {}, [[]], {"a": None}):
            if name in document and name not in (
                "versions",
                "test",
                "rootdir",
                "seed",
                "grad",
                "x",
                "args",
                "options",
            ):
                found[f"{name} = {value!r}"] = changed(**{name: value})
    return found


DRIVER = """
    import contextlib, io, json, resource, sys
    from pathlib import Path
    from click.testing import CliRunner
    from gradcheck.cli import main
    resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
    said = {}
    for path in sorted(Path("crafted").glob("*/crafted.json")):
        for command in (["replay", "--trust", path], ["diff", path, "check.json"]):
            result = CliRunner().invoke(main, [str(part) for part in command])
            said[f"{path.parent.name} {command[0]}"] = [result.exit_code, result.stderr, str(result.exception)]
    print(json.dumps(said))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is limited on Linux only")
def test_crafted_files_end_in_one_line_within_two_gigabytes(project):
    """Damaged, deep, lying: `replay` and `diff` say what is wrong in one line, exit status 2, and run nothing."""
    files = many_crafted((project / "check.json").read_text())
    for k, content in enumerate(files.values()):
        folder = project / "crafted" / str(k)
        folder.mkdir(parents=True)
        text, beside = content if isinstance(content, tuple) else (content, None)
        (folder / "crafted.json").write_text(text, encoding="utf-8", errors="surrogateescape")
        if beside is not None:
            (folder / "crafted.npz").write_bytes(beside)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "OPENBLAS_NUM_THREADS": "1"}
    program = [sys.executable, "-c", "import textwrap; exec(textwrap.dedent('''" + DRIVER + "'''))"]

    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    said, names = json.loads(done.stdout), list(files)
    assert len(said) == 2 * len(files) > 100
    for key, (status, text, raised) in said.items():
        name, command = names[int(key.split()[0])], key.split()[1]
        # A damaged check may hold a report that can be compared all the same.
        allowed = (2,) if command == "replay" or text != "" else (0, 1)
        assert status in allowed, (name, command, text, raised)
        assert text == "" or len(text.splitlines()) == 1, (name, command, text)
        assert "Traceback" not in text


# What others wrote


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b2J", r"\x9b2J"),
        ("a\rb\x08\x7f", r"a\rb\x08\x7f"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"),
        ("\ud800", r"\ud800"),
        ("two\n\tlines, äöü, 漢字", "two\n\tlines, äöü, 漢字"),
    ],
)
def test_what_a_terminal_obeys_is_written_out(text, shown):
    """Lines, tabs and letters of any language stay."""
    assert visible(text) == shown


ESCAPE = "\x1b]0;title\x07\x1b[2J"


@pytest.mark.parametrize("command", ["diff", "replay", "check", "run", "list", "missing"])
def test_no_command_passes_an_escape_sequence_on(project, command):
    """From names and outcomes of reports, titles, keys of a tree, texts of exceptions, and names of files."""
    case = (
        "from gradcheck.cases import Case, Quantity, Reference\n"
        f"E = {ESCAPE!r}\n"
        "def bad():\n    raise ValueError(E + '\\ud800')\n"
        "case = Case(section=E, title='t' + E, quantities=[Quantity('q' + E, bad, "
        "references=[Reference('r' + E, 1.0, reason='why' + E)])])\n"
    )
    (project / "case_file.py").write_text(case)
    (project / "trusted_model.py").write_text(
        MODEL
        + f"\ndef g(p):\n    return f(p[{ESCAPE!r}])\ndef dg(p):\n    return {{{ESCAPE!r}: 3.3 * p[{ESCAPE!r}]**2}}\n"
        f"import numpy\nSTART = {{{ESCAPE!r}: numpy.ones(2)}}\n"
    )
    report = json.loads((project / "check.json").read_text())["report"]
    report["wrong"] = [{"name": f"x{ESCAPE}\ud800"}]
    (project / "after.json").write_text(json.dumps(report | {"method": ESCAPE}))
    arguments = {
        "diff": ["diff", "check.json", "after.json"],
        "replay": ["replay", crafted(project / "check.json", f={"missing": ESCAPE}, test=f"a{ESCAPE}.py")],
        "check": ["check", "trusted_model:g", "trusted_model:dg", "--x", "trusted_model:START"],
        "run": ["run", "case_file.py"],
        "list": ["list", "case_file.py"],
        "missing": ["run", f"no{ESCAPE}such.py"],
    }[command]

    result = call(*arguments)

    assert not set("\x1b\x07\ud800") & set(result.output)
    assert re.search(r"\\(x|u00)1b", result.output)
    assert not isinstance(result.exception, UnicodeError)


@pytest.mark.slow
def test_the_plugin_passes_no_escape_sequence_on(project):
    """In the failure of a test and of a row of a case: from keys of a tree, texts of exceptions, titles."""
    (project / "test_it.py").write_text(
        f"import numpy as np\nE = {ESCAPE!r}\n"
        "def test_it(gradcheck):\n"
        "    def f(p):\n        if (p[E] != 1).any():\n            raise ValueError(E)\n        return 1.0\n"
        "    gradcheck(f, lambda p: {E: p[E]}, {E: np.ones(2)})\n"
    )
    (project / "cases").mkdir()
    (project / "cases" / "one.py").write_text(
        "from gradcheck.cases import Case, Quantity, Reference\n"
        f"E = {ESCAPE!r}\n"
        "def bad():\n    raise ValueError(E)\n"
        "case = Case(section='1', title=E, quantities=[Quantity('q' + E, bad, "
        "references=[Reference('r', 1.0, reason='why' + E)])])\n"
    )
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "gradcheck.pytest_plugin"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--tb=line", "-rA", "-p", "no:cacheprovider", "test_it.py", "cases"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
    )  # fmt: skip

    assert "2 failed" in done.stdout
    assert "\x1b" not in done.stdout
    assert r"\x1b" in done.stdout
