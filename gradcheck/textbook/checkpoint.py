"""Checkpoints of a training: one .npz, without pickle, replaced atomically.

A process killed at any moment leaves the last complete checkpoint, or none, never a part of one. Two trainings may
share a file: each writes whole checkpoints, and takes up none but its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcheck.errors import DataError
from gradcheck.files import read_arrays, replacing

__all__ = ["Checkpoint", "fingerprint", "load_checkpoint", "remove_checkpoint", "save_checkpoint"]

Array = npt.NDArray[Any]

FORMAT = "gradcheck training checkpoint 1"
PARAMETER = "parameter."


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that a training needs to go on.

    fingerprint : of the settings and data that it belongs to.
    params : the parameters.  rng_state : `Generator.bit_generator.state`.
    losses (i,), train_accuracy, test_accuracy, evaluated_at (e,) : as in TrainingResult, after i iterations.
    """

    fingerprint: str
    params: Mapping[str, Array]
    rng_state: Mapping[str, Any]
    losses: Array
    train_accuracy: Array
    test_accuracy: Array
    evaluated_at: Array


RECORDS = ("losses", "train_accuracy", "test_accuracy", "evaluated_at")


def fingerprint(settings: Mapping[str, Any], arrays: Iterable[Array]) -> str:
    """Return a SHA-256 of settings (plain values, as JSON takes them) and of arrays, bit by bit."""
    digest = hashlib.sha256(_to_json(settings).encode())
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` to `path` so that at every moment the old or the new file is there, whole."""
    entries: dict[str, Any] = {name: getattr(checkpoint, name) for name in RECORDS}
    entries |= {PARAMETER + name: value for name, value in checkpoint.params.items()}
    entries |= {
        "format": FORMAT,
        "fingerprint": checkpoint.fingerprint,
        "rng_state": _to_json(checkpoint.rng_state),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        np.savez(file, allow_pickle=False, **entries)


def load_checkpoint(path: Path, expected_fingerprint: str) -> Checkpoint | None:
    """Return the checkpoint at `path`; None where there is none, or one of other settings or data.

    Raises DataError where the file is something else or damaged: to go on would overwrite it.
    """
    if not path.exists():
        return None
    try:
        entries = read_arrays(path)
        state = json.loads(str(entries["rng_state"]))
        records = [entries[name] for name in RECORDS]
        fits = isinstance(state, dict) and all(r.ndim == 1 and r.dtype.kind in "fi" for r in records)
        belongs_to = str(entries["fingerprint"])
        if str(entries["format"]) != FORMAT or not fits:
            raise ValueError("written by something else")
    except (DataError, KeyError, ValueError, RecursionError) as error:
        if not path.exists():  # another training ended just now
            return None
        raise DataError(f"{path}: no checkpoint of a training; delete it or name another file") from error
    if belongs_to != expected_fingerprint:
        return None
    params = {name.removeprefix(PARAMETER): a for name, a in entries.items() if name.startswith(PARAMETER)}
    return Checkpoint(expected_fingerprint, params, state, *records)


def remove_checkpoint(path: Path) -> None:
    """Remove the checkpoint."""
    path.unlink(missing_ok=True)


def _to_json(value: Mapping[str, Any]) -> str:
    # Some bit generators hold arrays in their state, and take lists back.
    return json.dumps(value, sort_keys=True, default=lambda array: array.tolist())
