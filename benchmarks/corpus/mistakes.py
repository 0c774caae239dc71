"""Mistakes in Jacobians and in products with them, as people make them; each knows where it does harm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray
# (J, generator) -> J with a mistake, or None where this J has no place for it.
Mistake = Callable[[Array, np.random.Generator], Array | None]

# The least mistake, of an entry that counts in its row: 0.2 %.
LEAST = 2e-3


def _place(J: Array, rng: np.random.Generator) -> tuple[int, int]:
    """An entry that is at least half as large as the largest of its row, in a row that is not zero."""
    rows = np.flatnonzero(np.abs(J).max(1) > 0)
    i = int(rng.choice(rows))
    large = np.flatnonzero(np.abs(J[i]) >= 0.5 * np.abs(J[i]).max())
    return i, int(rng.choice(large))


def _entry(change: Callable[[float], float]) -> Mistake:
    def mistake(J: Array, rng: np.random.Generator) -> Array:
        i, j = _place(J, rng)
        out = J.copy()
        out[i, j] = change(J[i, j])
        return out

    return mistake


def _row(factor: float) -> Mistake:
    def mistake(J: Array, rng: np.random.Generator) -> Array:
        i, _ = _place(J, rng)
        out = J.copy()
        out[i] *= factor
        return out

    return mistake


def _column(factor: float) -> Mistake:
    def mistake(J: Array, rng: np.random.Generator) -> Array:
        _, j = _place(J, rng)
        out = J.copy()
        out[:, j] *= factor
        return out

    return mistake


def _all(factor: float) -> Mistake:
    return lambda J, _: factor * J


def _transposed(J: Array, _: np.random.Generator) -> Array | None:
    if J.shape[0] != J.shape[1] or np.abs(J - J.T).max() <= 10 * LEAST * np.abs(J).max():
        return None
    return J.T.copy()


def _rows_exchanged(J: Array, rng: np.random.Generator) -> Array | None:
    if len(J) < 2:
        return None
    i, _ = _place(J, rng)
    k = (i + 1) % len(J)
    if np.abs(J[i] - J[k]).max() <= 10 * LEAST * max(np.abs(J[i]).max(), np.abs(J[k]).max()):
        return None
    out = J.copy()
    out[[i, k]] = out[[k, i]]
    return out


def _rolled(J: Array, _: np.random.Generator) -> Array | None:
    """Columns one place too far."""
    out = np.roll(J, 1, axis=1)
    size = np.abs(J).max(1)
    return out if (np.abs(out - J).max(1) > 10 * LEAST * size).any() else None


# By name; of an entry, its row, its column, or all.
MISTAKES: dict[str, Mistake] = {
    "an entry 0.2 % too large": _entry(lambda v: (1 + LEAST) * v),
    "an entry 5 % too small": _entry(lambda v: 0.95 * v),
    "an entry of the other sign": _entry(lambda v: -v),
    "an entry left out": _entry(lambda _: 0.0),
    "a row doubled": _row(2.0),
    "a row left out": _row(0.0),
    "a row 0.2 % too large": _row(1 + LEAST),
    "a column of the other sign": _column(-1.0),
    "a column 1 % too small": _column(0.99),
    "all 0.2 % too large": _all(1 + LEAST),
    "all of the other sign": _all(-1.0),
    "transposed": _transposed,
    "two rows exchanged": _rows_exchanged,
    "columns one place too far": _rolled,
}
