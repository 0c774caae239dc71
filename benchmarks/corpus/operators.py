"""Linear operators with their adjoints, for the dot-product test: real, complex, over the reals, of all scales."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.signal

Array = np.ndarray
RNG_SEED = 21


@dataclass(frozen=True)
class Operator:
    """A, its adjoint, and arrays of the shapes and dtypes that they take."""

    name: str
    forward: Callable[[Array], Array]
    adjoint: Callable[[Array], Array]
    x: Array
    y: Array

    def dense(self) -> tuple[Array, Array]:
        """Both operators as real matrices, over the real and imaginary parts of x and of y."""
        return _dense(self.forward, self.x), _dense(self.adjoint, self.y)


def _dense(function: Callable[[Array], Array], like: Array) -> Array:
    units = np.eye(like.size).reshape(-1, *like.shape)
    parts = [1.0, 1j] if like.dtype.kind == "c" else [1.0]
    columns = [np.ravel(function((p * u).astype(like.dtype))) for u in units for p in parts]
    return np.stack(
        [c.view(c.real.dtype) if c.dtype.kind == "c" else c for c in map(np.ascontiguousarray, columns)], 1
    )


def operators() -> list[Operator]:
    """Every operator, the same at every call."""
    rng = np.random.default_rng(RNG_SEED)
    found: list[Operator] = []

    def add(
        name: str, forward: Callable[[Array], Array], adjoint: Callable[[Array], Array], x: Array
    ) -> None:
        found.append(Operator(name, forward, adjoint, x, np.zeros_like(forward(x))))

    def matrix(name: str, M: Array, dtype: type = float) -> None:
        M = M.astype(dtype)
        add(name, lambda x: M @ x, lambda y: M.conj().T @ y, np.zeros(M.shape[1], M.dtype))

    A = rng.normal(size=(9, 6))
    C = rng.normal(size=(7, 5)) + 1j * rng.normal(size=(7, 5))
    matrix("matrix", A)
    matrix("a row", A[:1])
    matrix("a column", A[:, :1])
    matrix("a number", A[:1, :1])
    matrix("complex matrix", C, complex)
    matrix("large matrix", rng.normal(size=(300, 120)))
    for scale in (1e-300, 1e-200, 1e-30, 1e30, 1e160, 1e300):
        matrix(f"matrix of {scale:g}", A * scale)
    for scale in (1e-35, 1e-20, 1.0, 1e19, 1e30):
        matrix(f"single precision, {scale:g}", A * scale, np.float32)
    matrix("complex64", C, np.complex64)
    matrix("rows from 1e-8 to 1e8", A * 10.0 ** np.linspace(-8, 8, 9)[:, None])
    matrix("columns from 1e-8 to 1e8", A * 10.0 ** np.linspace(-8, 8, 6))
    matrix("lower triangle", np.tril(rng.normal(size=(8, 8))))
    matrix("a permutation", np.eye(10)[rng.permutation(10)])
    sparse = np.where(rng.random((40, 30)) < 0.1, rng.normal(size=(40, 30)), 0.0)
    matrix("sparse", sparse)
    add("fft", np.fft.fft, lambda y: y.shape[-1] * np.fft.ifft(y), np.zeros(12, complex))
    add("fft2", np.fft.fft2, lambda y: y.size * np.fft.ifft2(y), np.zeros((4, 6), complex))
    add(
        "unitary fft",
        lambda x: np.fft.fft(x, norm="ortho"),
        lambda y: np.fft.ifft(y, norm="ortho"),
        np.zeros(15, complex),
    )
    add("rfft", np.fft.rfft, lambda y: 16 * np.fft.ifft(np.append(y, np.zeros(7))).real, np.zeros(16))
    add("conj", np.conj, np.conj, np.zeros(5, complex))
    add("real part", lambda z: (C @ z).real, lambda y: C.conj().T @ y, np.zeros(5, complex))
    add("imaginary part", lambda z: z.imag, lambda y: 1j * y, np.zeros(6, complex))
    add("complex of real", lambda x: C @ x, lambda y: (C.conj().T @ y).real, np.zeros(5))
    add("times i", lambda z: 1j * z, lambda y: -1j * y, np.zeros(6, complex))
    add(
        "dct",
        lambda x: scipy.fft.dct(x, norm="ortho"),
        lambda y: scipy.fft.idct(y, norm="ortho"),
        np.zeros(14),
    )
    add("difference", np.diff, lambda y: -np.diff(y, prepend=0.0, append=0.0), np.zeros(16))
    add(
        "difference of rows",
        lambda x: np.diff(x, axis=0),
        lambda y: -np.diff(y, axis=0, prepend=0.0, append=0.0),
        np.zeros((5, 4)),
    )
    add("cumulative sum", np.cumsum, lambda y: np.cumsum(y[::-1])[::-1], np.zeros(11))
    k = rng.normal(size=4)
    add("convolution, full", lambda x: np.convolve(x, k), lambda y: np.correlate(y, k, "valid"), np.zeros(12))
    add(
        "convolution, valid",
        lambda x: np.convolve(x, k, "valid"),
        lambda y: np.correlate(y, k, "full"),
        np.zeros(12),
    )
    add(
        "two-dimensional convolution",
        lambda x: scipy.signal.convolve2d(x, A[:3, :3]),
        lambda y: scipy.signal.correlate2d(y, A[:3, :3], "valid"),
        np.zeros((6, 5)),
    )
    add("padding", lambda x: np.pad(x, (2, 3)), lambda y: y[2:-3], np.zeros(7))
    add("every second", lambda x: x[::2], lambda y: np.stack([y, np.zeros_like(y)], 1).ravel(), np.zeros(12))
    index = rng.integers(0, 8, 30)
    add("gather", lambda x: x[index], lambda y: np.bincount(index, y, 8), np.zeros(8))
    add("scatter", lambda x: np.bincount(index, x, 8), lambda y: y[index], np.zeros(30))
    edges, w = rng.integers(0, 12, (40, 2)), 10 ** rng.uniform(-3, 3, 40)

    def divergence(y: Array) -> Array:
        out = np.zeros(12)
        np.add.at(out, edges[:, 0], w * y)
        np.add.at(out, edges[:, 1], -w * y)
        return out

    add("edges of a graph", lambda x: w * (x[edges[:, 0]] - x[edges[:, 1]]), divergence, np.zeros(12))
    add("transpose", lambda x: x.T.copy(), lambda y: y.T.copy(), np.zeros((3, 5)))
    add("sum over an axis", lambda x: x.sum(0), lambda y: np.broadcast_to(y, (4, 5)).copy(), np.zeros((4, 5)))
    add(
        "mean of all",
        lambda x: np.atleast_1d(x.mean()),
        lambda y: np.full((4, 5), y[0] / 20),
        np.zeros((4, 5)),
    )
    add(
        "mask",
        lambda x: np.where(np.arange(9) % 3 == 0, 0.0, x),
        lambda y: np.where(np.arange(9) % 3 == 0, 0.0, y),
        np.zeros(9),
    )
    S = rng.normal(size=(6, 6)) + 4 * np.eye(6)
    add("solve", lambda x: np.linalg.solve(S, x), lambda y: np.linalg.solve(S.T, y), np.zeros(6))
    add("matrix on both sides", lambda X: A @ X @ S, lambda Y: A.T @ Y @ S.T, np.zeros((6, 6)))
    return found
