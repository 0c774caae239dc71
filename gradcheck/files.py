"""Files: written whole or not at all, and read without believing what they say of their own size."""

from __future__ import annotations

import glob
import json
import math
import os
import secrets
import stat
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gradcheck.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A write takes seconds: what lies beside a file for longer was left by a process that was killed.
ABANDONED_AFTER = 3600.0
# Letters of a name that its temporary file keeps: file systems take 255 bytes, and a letter may have four.
KEPT = 40
# Bytes that are read from an archive which holds more than its own size: it may be a thousand times smaller.
MOST_DECOMPRESSED = 2**30
# Bytes of a JSON file: three times what the arrays of a saved check may take. Pipes and devices have no size.
MOST_JSON = 2**30
# What a damaged archive or array may end in. SyntaxError, TypeError: a header that is no literal of Python;
# RuntimeError: an encrypted file, or a compression that Python lacks.
DAMAGED = (ValueError, TypeError, SyntaxError, EOFError, OverflowError, RuntimeError, MemoryError)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of `path` when the block has ended and all of it is on the disk.

    Until then, and after an exception or a kill, `path` is as it was. Several processes may write it at once: the last
    to end wins. What is no regular file, such as /dev/fd/3 or a pipe, is written directly.
    """
    target = Path(os.path.realpath(path))  # a link stays, and what it points to is replaced
    mode = _mode(Path(path))  # not of the target: a pipe in /dev/fd points to a name that is none
    if mode is not None and not stat.S_ISREG(mode):
        with Path(path).open("wb") as file:
            yield file
        return
    temporary = _beside(target)
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(
                stat.S_IMODE(mode)
            )  # as it was seen: another process may have removed the file since
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if (
            isinstance(error, OSError) and error.errno is not None
        ):  # of the file that was asked for, not of ours
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise
    _sweep(target)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Put `text` at `path` as `replacing` does. What UTF-8 does not have, a lone surrogate, is written as an escape."""
    with replacing(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def check_writable(path: Path) -> None:
    """Raise the OSError that writing `path` would end in. Makes the folders that are missing, and leaves no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    target = Path(os.path.realpath(path))
    mode = _mode(path)
    if mode is not None and stat.S_ISDIR(mode):
        raise IsADirectoryError(None, "it is a folder", str(path))
    if mode is not None and not os.access(path, os.W_OK):
        raise PermissionError(None, "it may not be written", str(path))
    if mode is not None and (stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode)):
        path.open("r+b", buffering=0).close()  # as /dev/tty cannot be where there is no terminal
    if mode is None or stat.S_ISREG(mode):
        temporary = _beside(target)
        with temporary.open("xb"):
            pass
        temporary.unlink()


def _mode(path: Path) -> int | None:
    """What kind of file lies there; None where there is none. Raises OSError for a name that cannot be one."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _beside(path: Path) -> Path:
    # In the same folder, for os.replace is atomic only within one file system; random, for others may write here, too.
    return path.with_name(f".{path.name[:KEPT]}.{secrets.token_hex(8)}.tmp")


def _sweep(path: Path) -> None:
    """Remove what writers of this file left that were killed."""
    for left in path.parent.glob(f".{glob.escape(path.name[:KEPT])}.*.tmp"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED_AFTER:
                left.unlink()


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises DataError, naming the file, where it is missing, damaged, too deep or large."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_JSON + 1)
        if len(text) > MOST_JSON:
            raise DataError(f"{path}: more than {MOST_JSON:,} bytes, which no report takes")
        return json.loads(text.decode("utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: no JSON, or truncated: {error}") from error
    except (RecursionError, MemoryError) as error:
        raise DataError(f"{path}: nested too deeply, or too large, to be read") from error


def read_array(file: IO[bytes], length: int) -> NDArray[Any]:
    """The array of a .npy file of `length` bytes. Raises ValueError where its header does not tell of just as many."""
    import numpy as np

    version = np.lib.format.read_magic(file)
    headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in headers:
        raise ValueError(f"an array file of version {version}")
    shape, by_columns, dtype = headers[version](file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which only pickle could read")
    told, there = math.prod(shape) * dtype.itemsize, length - file.tell()
    # Before anything is allocated: a header of a hundred bytes may tell of 1e12 numbers.
    if told != there or min(shape, default=0) < 0 or dtype.itemsize == 0:
        raise ValueError(f"its header tells of {told:,} bytes of numbers, and there are {there:,}")
    flat = np.frombuffer(bytearray(file.read(there)), dtype) if there else np.empty(math.prod(shape), dtype)
    return flat.reshape(shape, order="F" if by_columns else "C")


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a .npz file by name. Raises DataError, naming the file, for anything else, or more than is sane."""
    try:
        if path.exists() and not path.is_file():  # of a device there is no end to look for the contents at
            raise ValueError("no file")
        with path.open("rb") as opened, zipfile.ZipFile(opened) as archive:
            members = archive.infolist()
            most = max(MOST_DECOMPRESSED, os.fstat(opened.fileno()).st_size)
            if sum(member.file_size for member in members) > most:
                raise ValueError(f"more than {most:,} bytes when decompressed")
            arrays = {}
            for member in members:
                with archive.open(member) as file:
                    arrays[member.filename.removesuffix(".npy")] = read_array(file, member.file_size)
            return arrays
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (*DAMAGED, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: missing, truncated or altered: {error}") from error
