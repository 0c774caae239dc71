"""Data from outside is bounded: a bomb, a partial download, a redirection end in one line and no more memory."""

import gzip
import hashlib
import http.server
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from gradcheck.errors import DataError
from gradcheck.textbook import fetch_mnist, load_mnist, mnist

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
