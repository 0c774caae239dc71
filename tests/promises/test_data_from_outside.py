"""Data from outside is bounded: a bomb, a partial download, a redirection end in one line and no more memory."""

import gzip
import hashlib
import http.server
import io
import subprocess
import sys
import textwrap
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gradcheck import files
from gradcheck.cli import main
from gradcheck.errors import DataError
from gradcheck.textbook import fetch_mnist, load_mnist, mnist
from gradcheck.textbook.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def digits(monkeypatch, tmp_path):
    """One file instead of four: 5 labels, with their checksum; its bytes, and an empty cache."""
    raw = b"\0\0\x08\1\0\0\0\5" + bytes([3, 1, 4, 1, 5])
    file = mnist._File("labels-idx1-ubyte", hashlib.sha256(raw).hexdigest(), (5,))
    monkeypatch.setattr(mnist, "FILES", (file,))
    monkeypatch.setattr(mnist, "_cache", lambda: tmp_path / "cache")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return raw


@pytest.fixture
def server():
    """A server on this machine that answers GET as `server.answer(handler)` says."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            """Answer."""
            httpd.answer(self)

        def log_message(self, *_):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        httpd.url = f"http://127.0.0.1:{httpd.server_port}/"
        yield httpd
        httpd.shutdown()
        thread.join()


def whole(raw, announced=None):
    """An answer with these bytes, which may announce more than it sends."""

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(announced or len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    return answer


def redirected(to):
    """An answer that sends elsewhere."""

    def answer(handler):
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.end_headers()

    return answer


def test_a_right_file_is_taken(digits, server, monkeypatch, tmp_path):
    """The neighbour of the refusals: through a redirection within the server, too."""
    server.answer = whole(gzip.compress(digits))
    monkeypatch.setattr(mnist, "MIRRORS", (server.url,))
    direct = server.answer

    def answer(handler):
        (direct if handler.path.startswith("/there") else redirected("/there" + handler.path))(handler)

    server.answer = answer
    fetch_mnist()

    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["labels-idx1-ubyte.gz"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda raw: whole(gzip.compress(raw)[:-5], 10_000), "Incomplete|ended after 2. of 10,000 bytes"),
        (lambda raw: whole(gzip.compress(raw)[:-5]), "cannot be read"),
        (lambda raw: whole(gzip.compress(raw + b"more")), "more than the 13 bytes of labels"),
        (lambda raw: whole(gzip.compress(bytes(10**7))), "more than the 13 bytes of labels"),
        (lambda raw: whole(bytes(10**6)), "more than 65,549 bytes"),
        (lambda raw: whole(gzip.compress(raw[:-1] + b"\0")), "SHA-256 is not the known one"),
        (lambda raw: redirected("file:///etc/passwd"), "redirected from http to file:"),
        (lambda raw: redirected("ftp://127.0.0.1/x"), "redirected from http to ftp:"),
        (lambda raw: redirected("http://example.invalid/x"), "only https is allowed"),
        (lambda raw: redirected("/labels-idx1-ubyte.gz"), "redirected more than 5 times"),
    ],
    ids=[
        "cut off",
        "truncated",
        "longer",
        "a bomb",
        "no end",
        "altered",
        "file",
        "ftp",
        "plain http",
        "in a circle",
    ],
)
def test_what_is_not_the_file_is_not_kept(digits, server, monkeypatch, tmp_path, answer, said):
    """One message with the reason; the cache stays empty."""
    server.answer = answer(digits)
    monkeypatch.setattr(mnist, "MIRRORS", (server.url,))

    with pytest.raises(DataError, match=said):
        fetch_mnist()
    assert not list(tmp_path.glob("cache/*"))


def test_a_cache_that_cannot_be_written_is_known_before(digits, server, monkeypatch, tmp_path):
    """Nothing is downloaded for it."""
    asked = []
    server.answer = asked.append
    monkeypatch.setattr(mnist, "MIRRORS", (server.url,))
    (tmp_path / "cache").write_text("a file")

    with pytest.raises(DataError, match="cache: cannot be written"):
        fetch_mnist()
    assert asked == []


@pytest.mark.parametrize("url", ["http://example.invalid/", "ftp://example.invalid/", "file:///etc/"])
def test_only_https_is_asked(digits, monkeypatch, url):
    """Before anything is sent."""
    monkeypatch.setattr(mnist, "MIRRORS", (url,))

    with pytest.raises(DataError, match="only https is allowed"):
        fetch_mnist()


def test_every_mirror_is_https():
    """The addresses in use."""
    assert mnist.MIRRORS
    assert all(mirror.startswith("https://") for mirror in mnist.MIRRORS)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_longer_file_is_read_no_further(digits, tmp_path, zipped):
    """A file of the folder that was asked for, gzipped or not."""
    raw = bytes(10**7)
    path = tmp_path / ("labels-idx1-ubyte.gz" if zipped else "labels-idx1-ubyte")
    path.write_bytes(gzip.compress(raw) if zipped else raw)

    with pytest.raises(DataError, match=r"altered \(more than the 13 bytes"):
        load_mnist(data=tmp_path)


BOMB = """
    import resource
    from gradcheck.textbook import load_mnist
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        load_mnist(data={folder!r})
    except Exception as error:
        print(type(error).__name__, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is told in other units elsewhere")
def test_a_bomb_takes_no_more_memory_than_the_true_file(tmp_path):
    """A gibibyte of zeros in a megabyte, as the training images: 47 MB are the true file, and twice that is allowed."""
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(2**30), 1))
    program = textwrap.dedent(BOMB).format(folder=str(tmp_path))

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT, check=True
    )

    name, grown = done.stdout.split()
    assert name == "DataError"
    assert int(grown) < 2 * np.prod((60000, 28, 28))


def archive(path, compressed=False, **members):
    """An .npz of these members, each the bytes of a .npy file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as opened:
        for name, content in members.items():
            opened.writestr(f"{name}.npy", content)


def npy(array, count=None):
    """A .npy file, whose header may tell of another count."""
    file = io.BytesIO()
    shape = array.shape if count is None else (count,)
    np.lib.format.write_array_header_1_0(
        file, {"descr": array.dtype.str, "fortran_order": False, "shape": shape}
    )
    return file.getvalue() + array.tobytes()


@pytest.mark.parametrize(
    "damaged",
    [
        {"losses": npy(np.zeros(3), 10**12)},
        {"losses": npy(np.zeros((3, 3)))},
        {"losses": npy(np.array(["text"]))},
        {"rng_state": npy(np.array("[" * 100_000))},
        {"rng_state": npy(np.array("5"))},
        {"rng_state": npy(np.array("{"))},
        {"settings": npy(np.array("[]"))},
        {"format": npy(np.array("another"))},
        {"format": b"no array"},
        {"settings": b"\x93NUMPY\1\0\x10\0__import__('os')"},
        {"W": npy(np.zeros(2), -1)},
        {"W": b"\x93NUMPY\3\0" + bytes(100)},
    ],
    ids=lambda damaged: "".join(damaged),
)
def test_a_crafted_checkpoint_is_one_line(tmp_path, damaged):
    """DataError with its name, and the file is kept."""
    path = tmp_path / "training.npz"
    records = np.zeros(3), np.ones(1), np.ones(1), np.zeros(1, int)
    save_checkpoint(path, Checkpoint({"iterations": 10}, {"W": np.eye(2)}, {"state": 1}, *records))
    assert load_checkpoint(path, {"iterations": 10}) is not None
    with zipfile.ZipFile(path) as opened:
        members = {name.removesuffix(".npy"): opened.read(name) for name in opened.namelist()}
    archive(path, **(members | damaged))

    with pytest.raises(DataError, match=r"training\.npz: no checkpoint of a training") as raised:
        load_checkpoint(path, {"iterations": 10})
    assert len(str(raised.value).splitlines()) == 1
    assert path.exists()


def test_a_compressed_archive_is_read_up_to_a_limit(tmp_path, monkeypatch):
    """Beyond it nothing is decompressed; below it, and for what is not compressed, all is."""
    zeros = np.zeros(10_000)
    archive(tmp_path / "packed.npz", compressed=True, a=npy(zeros))
    archive(tmp_path / "plain.npz", a=npy(zeros))
    np.testing.assert_array_equal(files.read_arrays(tmp_path / "packed.npz")["a"], zeros)

    monkeypatch.setattr(files, "MOST_DECOMPRESSED", 50_000)
    with pytest.raises(DataError, match="more than 50,000 bytes when decompressed"):
        files.read_arrays(tmp_path / "packed.npz")
    np.testing.assert_array_equal(files.read_arrays(tmp_path / "plain.npz")["a"], zeros)


@pytest.mark.parametrize(
    "content",
    [
        b"(" * 100_000,
        b"x = " + b"-" * 100_000 + b"1",
        b"\xff\xfe",
        b"a\0b",
        b"\0" * 1000,
        b"raise SystemExit(0)",
        b"1/0",
        b"case = 1",
    ],
    ids=["deep", "long", "no text", "nul", "nuls", "leaves", "raises", "no case"],
)
def test_a_crafted_case_file_is_one_line(tmp_path, monkeypatch, content):
    """What does not load is a CaseError that names the file: exit status 2, whatever it is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crafted.py").write_bytes(content)

    result = CliRunner().invoke(main, ["run", "crafted.py"])

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("Error: crafted.py")
