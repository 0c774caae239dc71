"""Checkpoints of a training: one .npz, without pickle, replaced atomically.

A process killed at any moment leaves the last complete checkpoint, or none, never a part of one. Two trainings of the
same settings may share a file; that of one is never replaced by one of other settings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck._typing import Array
from gradcheck.errors import DataError
from gradcheck.files import read_arrays, replacing

FORMAT = "gradcheck training checkpoint 2"
PARAMETER = "parameter."
# Letters of a setting that a message quotes; of a longer one, and of arrays, it says only that they differ.
QUOTED = 60


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that a training needs to go on.

    settings : what decides how the training ends, by name: plain values as JSON takes them, fingerprints of arrays.
    params : the parameters.  rng_state : `Generator.bit_generator.state`.
    losses (i,), train_accuracy, test_accuracy, evaluated_at (e,) : as in TrainingResult, after i iterations.
    """

    settings: Mapping[str, Any]
    params: Mapping[str, Array]
    rng_state: Mapping[str, Any]
    losses: Array
    train_accuracy: Array
    test_accuracy: Array
    evaluated_at: Array


RECORDS = ("losses", "train_accuracy", "test_accuracy", "evaluated_at")


def fingerprint(*arrays: Array) -> str:
    """Return a SHA-256 of arrays: their types, shapes and bits."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return f"sha256 {digest.hexdigest()}"


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` to `path` so that at every moment the old or the new file is there, whole.

    Raises DataError, and leaves the file, where it is not of the same settings: another training began meanwhile.
    """
    load_checkpoint(path, checkpoint.settings)
    entries: dict[str, Any] = {name: getattr(checkpoint, name) for name in RECORDS}
    entries |= {PARAMETER + name: value for name, value in checkpoint.params.items()}
    entries |= {
        "format": FORMAT,
        "settings": _to_json(checkpoint.settings),
        "rng_state": _to_json(checkpoint.rng_state),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        np.savez(file, allow_pickle=False, **entries)


def load_checkpoint(path: Path, settings: Mapping[str, Any]) -> Checkpoint | None:
    """Return the checkpoint at `path` of a training with these settings; None where there is none.

    Raises DataError where the file is that of another training, something else or damaged: to go on would overwrite it.
    """
    found = _read(path)
    if found is None:
        return None
    if _to_json(found.settings) != _to_json(settings):
        raise DataError(
            f"{path}: the checkpoint of another training ({_differences(found.settings, settings)}); name another "
            "file, or begin afresh with fresh=True or `gradcheck run --fresh`, which discards it"
        )
    return found


def begin_afresh(path: Path) -> None:
    """Remove the checkpoint at `path`, whatever its settings. Raises DataError where it is something else."""
    if _read(path) is not None:
        path.unlink(missing_ok=True)


def remove_checkpoint(path: Path, settings: Mapping[str, Any]) -> None:
    """Remove the checkpoint of a training with these settings; what else lies there stays."""
    with suppress(DataError):
        if load_checkpoint(path, settings) is not None:
            path.unlink(missing_ok=True)


def _read(path: Path) -> Checkpoint | None:
    if not path.exists():
        return None
    try:
        entries = read_arrays(path)
        state, settings = (json.loads(str(entries[name])) for name in ("rng_state", "settings"))
        records = [entries[name] for name in RECORDS]
        fits = all(isinstance(value, dict) for value in (state, settings))
        fits = fits and all(r.ndim == 1 and r.dtype.kind in "fi" for r in records)
        if str(entries["format"]) != FORMAT or not fits:
            raise ValueError("written by something else")
    except (DataError, KeyError, ValueError, RecursionError) as error:
        if not path.exists():  # another training ended just now
            return None
        raise DataError(f"{path}: no checkpoint of a training; delete it or name another file") from error
    params = {name.removeprefix(PARAMETER): a for name, a in entries.items() if name.startswith(PARAMETER)}
    return Checkpoint(settings, params, state, *records)


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """In words: what is quoted where that helps a reader."""
    parts = []
    for name in wanted:
        there, here = (_to_json(settings.get(name)) for settings in (found, wanted))
        if there == here:
            continue
        long = max(len(there), len(here)) > QUOTED
        parts.append(f"other {name}" if long else f"{name} {there}, now {here}")
    return ", ".join(parts) or "written by another version"


def _to_json(value: Any) -> str:
    # Some bit generators hold arrays in their state, and take lists back.
    return json.dumps(value, sort_keys=True, default=lambda array: array.tolist())
