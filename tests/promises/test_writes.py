"""No output is cut short before the new one is complete: a write that fails or is killed leaves what was there."""

import errno
import functools
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import gradcheck
from gradcheck.cases.case import Figure
from gradcheck.cases.figures import figure_writer
from gradcheck.cli import main
from gradcheck.files import ABANDONED_AFTER, check_writable, replacing, write_text
from gradcheck.html import render
from gradcheck.report.saved import load
from gradcheck.textbook.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

PROJECT = Path(__file__).parents[2]
# Processes killed for each output. More: GRADCHECK_KILLS=50 python -m pytest tests/promises/test_writes.py -k kill
KILLS = int(os.environ.get("GRADCHECK_KILLS", "2"))


def cubes(scale):
    """A check of a gradient, right for scale 3."""
    return gradcheck.check_gradient(
        lambda x: float(np.sum(x**3)), lambda x: scale * x**2, np.array([1.0, 2.0])
    )


def checkpoint(size):
    """A checkpoint of so many losses."""
    records = np.zeros(size), np.ones(1), np.ones(1), np.zeros(1, int)
    return Checkpoint({"iterations": 10}, {"W": np.eye(2)}, {"state": 1}, *records)


def draw(size, path):
    """A figure of a case."""
    figure = Figure(
        "parabola", lambda canvas: canvas.subplots().plot(np.arange(size) ** 2), alt="A parabola."
    )
    figure_writer(path.parent, path.suffix[1:])(path.stem.partition("-")[0], figure, figure.draw)


# For each output: its name, and what writes an old (1) or a new (2) one to a path.
OUTPUTS = {
    "Report.save": ("check.json", lambda k, path: cubes(2 + k).save(path)),
    "JSON": ("rows.json", lambda k, path: write_text(path, cubes(2 + k).to_json())),
    "HTML": ("page.html", lambda k, path: write_text(path, render([], [cubes(2 + k)]))),
    "checkpoint": ("training.npz", lambda k, path: save_checkpoint(path, checkpoint(10 * k))),
    "figure, png": ("case-parabola.png", lambda k, path: draw(5 * k, path)),
    "figure, svg": ("case-parabola.svg", lambda k, path: draw(5 * k, path)),
}


class Full:
    """A file on a disk that has room for `room` bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        """Write what there is room for, and fail for the rest."""
        self.file.write(bytes(data)[: self.room])
        self.room -= len(bytes(data))
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(bytes(data))

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()


@pytest.fixture
def disk(monkeypatch):
    """Set `disk.room` to so many bytes, and every file that is opened to be written gets no more."""
    opened = pathlib.Path.open

    class Disk:
        room = None

    def open_there(path, mode="r", *arguments, **options):
        file = opened(path, mode, *arguments, **options)
        return file if Disk.room is None or "r" in mode else Full(file, Disk.room)

    monkeypatch.setattr(pathlib.Path, "open", open_there)
    return Disk


@pytest.mark.slow
@pytest.mark.parametrize("share", ["nothing", "one byte", "half", "all but one"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_a_full_disk_leaves_the_old_file(tmp_path, disk, name, share):
    """Whatever there was room for, the old file is as it was and nothing lies beside it; with room, the new one."""
    file, write = OUTPUTS[name]
    path = tmp_path / file
    write(2, path)
    size = path.stat().st_size
    write(1, path)
    old = path.read_bytes()

    disk.room = {"nothing": 0, "one byte": 1, "half": size // 2, "all but one": size - 10}[share]
    with pytest.raises(OSError, match="No space left"):
        write(2, path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]

    disk.room = None
    write(2, path)
    assert path.read_bytes() != old
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file sizes for a process")
def test_a_limit_of_the_system_is_kept_to_as_well(tmp_path):
    """The same with a real limit: EFBIG after 100 bytes."""
    path = tmp_path / "page.html"
    path.write_text("old")
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "from gradcheck.files import write_text\n"
        f"write_text({str(path)!r}, 'new' * 1000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT, check=False
    )

    assert "File too large" in done.stderr
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("output", ["--json", "--save"])
def test_the_command_says_so_in_one_line(tmp_path, monkeypatch, disk, output):
    """Exit status 2, although the gradient is right; the old file stays."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("small_model.py").write_text("def f(x):\n    return x**2\ndef df(x):\n    return 2 * x\n")
    Path("out.json").write_text("old")
    arguments = ["check", "small_model:f", "small_model:df", "--x", "1.5", output, "out.json"]
    disk.room = 10

    result = CliRunner().invoke(main, arguments)

    sys.modules.pop("small_model")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line == f"Error: {output}: cannot write {Path('out.json').absolute()}: No space left on device"
    assert Path("out.json").read_text() == "old"


WRITER = """
    import sys
    from pathlib import Path
    sys.path[:0] = [{project!r}, {here!r}]
    from test_writes import OUTPUTS
    import gradcheck.files
    name, path = {name!r}, Path({path!r})
    print("ready", flush=True)
    while True:
        for k in (1, 2):
            OUTPUTS[name][1](k, path)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
@pytest.mark.parametrize("name", ["Report.save", "HTML", "checkpoint"])
def test_kill_9_at_any_moment_leaves_one_whole_file(tmp_path, name):
    """A process that writes two files in turn is killed at random moments; what lies there is one of the two."""
    file, write = OUTPUTS[name]
    path, moments = tmp_path / file, random.Random(0)
    whole = []
    for k in (1, 2):
        write(k, path)
        whole.append(content(name, path))
    names = {"project": str(PROJECT), "here": str(Path(__file__).parent), "name": name, "path": str(path)}
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER).format(**names)], stdout=subprocess.PIPE, text=True
        )
        with process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(moments.uniform(0.0, 0.5))
            process.kill()
        assert content(name, path) in whole


TRAINING = """
    import sys
    sys.path[:0] = [{project!r}, {tests!r}]
    from test_textbook_training import run
    result = run(150, checkpoint={path!r}, checkpoint_every=1)
    print(result.losses.tolist())
"""
MODEL = """
def f(x):
    return float((x**3).sum())
def df(x):
    return 3.3 * x**2
"""
CASE = """
from gradcheck.cases import Case, Quantity, Reference
reference = Reference("r", 1.0, rtol=1e-9, reason="exact")
case = Case(section="1", title="one", quantities=[Quantity("q", lambda: 1.0, references=[reference])])
"""
COMMANDS = {
    "run": ["run", "case.py", "--json", "rows.json", "--html", "page.html"],
    "check": ["check", "model:f", "model:df", "--x", "[1.0, 2.0]", "--json", "rows.json", "--save", "check.json"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
@pytest.mark.parametrize("name", COMMANDS)
def test_kill_9_of_a_command_leaves_whole_files(tmp_path, monkeypatch, name):
    """From its start to its end: every output is that of an earlier run, or the new one, and its reader reads it."""
    monkeypatch.chdir(tmp_path)
    Path("model.py").write_text(MODEL)
    Path("case.py").write_text(CASE)
    command = [sys.executable, "-m", "gradcheck", *COMMANDS[name]]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    started, moments = time.monotonic(), random.Random(2)
    subprocess.run(command, env=environment, capture_output=True, check=False)
    seconds = time.monotonic() - started
    for _ in range(KILLS):
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(moments.uniform(0.0, seconds))
            process.kill()
        rows = json.loads(Path("rows.json").read_text())
        assert rows["schema" if name == "check" else "cases"]
        if name == "run":
            assert Path("page.html").read_text().rstrip().endswith("</html>")
        else:
            assert load("check.json").report["outcome"] == "FAIL"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_kill_9_of_a_training_costs_no_bit_of_it(tmp_path):
    """Killed at a random moment and started again, it ends with the losses of one that nobody killed."""
    names = {"project": str(PROJECT), "tests": str(PROJECT / "tests/textbook")}
    program = textwrap.dedent(TRAINING)
    command = [sys.executable, "-c", program.format(**names, path=str(tmp_path / "c.npz"))]
    moments = random.Random(3)
    started = time.monotonic()
    expected = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds = time.monotonic() - started
    for _ in range(KILLS):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(moments.uniform(0.3 * seconds, seconds))  # Python itself starts in the time before
            process.kill()
        # The next is killed too, and goes on from this one.
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == expected
    assert not (tmp_path / "c.npz").exists()


def content(name, path):
    """What a reader makes of the file, without what differs from run to run."""
    if name == "checkpoint":
        return len(load_checkpoint(path, {"iterations": 10}).losses)
    if name == "HTML":
        text = path.read_text(encoding="utf-8")
        assert text.rstrip().endswith("</html>")
        return "wrong entries" in text
    return load(path).report["outcome"]


@pytest.mark.slow
def test_many_writers_of_one_file_do_not_meet(tmp_path):
    """Eight threads write the same file: all succeed, and it is one of theirs, whole."""
    path, errors = tmp_path / "rows.json", []

    def write(k):
        try:
            for _ in range(20):
                write_text(path, json.dumps([k] * 1000))
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert len(set(json.loads(path.read_text()))) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_another_process_removes_is_written_anew(tmp_path):
    """A training that ends takes its checkpoint away while another writes it."""
    path = tmp_path / "c.bin"
    path.write_bytes(b"old")

    with replacing(path) as file:
        file.write(b"new")
        path.unlink()

    assert path.read_bytes() == b"new"


@pytest.mark.slow
def test_two_trainings_share_a_checkpoint(tmp_path):
    """Two processes train at once on one checkpoint: both end, with the same losses."""
    names = {
        "project": str(PROJECT),
        "tests": str(PROJECT / "tests/textbook"),
        "path": str(tmp_path / "c.npz"),
    }
    program = textwrap.dedent(TRAINING).format(**names)
    start = functools.partial(subprocess.Popen, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    both = [start([sys.executable, "-c", program]) for _ in range(2)]

    (one, said), (two, said_too) = (process.communicate(timeout=120) for process in both)

    assert (said, said_too) == ("", "")
    assert one == two != ""


def test_what_a_killed_process_left_is_removed_later(tmp_path):
    """Once it is older than any write; what another process is writing now stays."""
    path = tmp_path / "page.html"
    old, new = (tmp_path / f".page.html.{part * 8}.tmp" for part in ("01", "02"))
    for file in (old, new):
        file.write_text("part of a page")
    past = time.time() - 2 * ABANDONED_AFTER
    os.utime(old, (past, past))

    write_text(path, "whole")

    assert sorted(tmp_path.iterdir()) == sorted([path, new])


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path):
    """What others were allowed to read they still are."""
    path, link = tmp_path / "rows.json", tmp_path / "latest.json"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)

    write_text(link, "new")

    assert link.is_symlink()
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_an_exception_of_the_writer_leaves_the_old_file(tmp_path):
    """Not the disk alone may fail; KeyboardInterrupt, too."""
    path = tmp_path / "rows.json"
    path.write_text("old")

    def interrupted():
        with replacing(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_file_is_written_directly():
    """A device is not replaced by a file."""
    write_text("/dev/null", "text") if os.path.exists("/dev/null") else None
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("folder", "it is a folder"),
        ("file/x.json", "[Nn]ot a directory|exists"),
        ("n" * 300 + ".json", "too long"),
    ],
)
def test_a_target_that_cannot_be_written_is_known_before(tmp_path, path, said):
    """And what can be written is left as it is."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")

    with pytest.raises(OSError, match=said):
        check_writable(tmp_path / path)
    check_writable(tmp_path / "file")
    check_writable(tmp_path / "new" / "x.json")
    assert (tmp_path / "file").read_text() == "old"
    assert list((tmp_path / "new").iterdir()) == []
