"""Random maps, each named by one integer: R^n -> R^m of the nodes of `expressions`, gradients, kinks, operators.

The Jacobian that a person would write follows by reverse mode, the truth by the same in extended precision, and a
second truth by the complex step, which shares no derivative formula. What the two do not agree about is not drawn.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks.corpus.expressions import (
    BINARY,
    DIRECTIONS,
    FASTEST,
    PERIODIC,
    REDUCTIONS,
    UNARY,
    Binary,
    Entries,
    Linear,
    Node,
    Reduced,
    Unary,
    arrays_of,
)
from benchmarks.corpus.model import Tree, flat, like

Array = np.ndarray

# What the Jacobian of a person and the referees may be apart, of the entry or of 1e-6 of its row: a tenth of what the
# check accepts.
AGREED = 1e-7
# Within an array |x_i| span no more than this, where a right derivative must not fail.
SPAN = 1e8
# Radians that the argument of a sine may run through where f is noisy: docs/limits.md.
SLOW = 20.0
# What f does to its values, by name: f -> f that is noisy, rounded or of float32; and how much of a value that hides.
DISTURBED: dict[str, tuple[Callable[[Callable[..., Array]], Callable[..., Array]], float]] = {
    "": (lambda f: f, float(np.finfo(float).eps)),
    "float32 inside": (lambda f: lambda x: f(_single(x)).astype(float), float(np.finfo(np.float32).eps)),
    "float32 result": (
        lambda f: lambda x: f(x).astype(np.float32).astype(float),
        float(np.finfo(np.float32).eps),
    ),
    "eight digits": (lambda f: lambda x: _digits(f(x), 8), 1e-8),
    "noise 1e-8": (lambda f: lambda x: _noisy(x, f(x)), 1e-8),
}


def _single(x: Tree) -> Tree:
    if isinstance(x, dict):
        return {key: leaf.astype(np.float32) for key, leaf in x.items()}
    return np.asarray(x).astype(np.float32)


def _digits(values: Array, count: int) -> Array:
    return np.array([float(f"{v:.{count - 1}e}") for v in np.ravel(values)]).reshape(np.shape(values))


def _noisy(x: Tree, values: Array) -> Array:
    """Normal numbers from the bits of x: f stays deterministic, each output with noise of its own."""
    z = np.random.default_rng(zlib.crc32(flat(x).tobytes())).normal(size=np.shape(values))
    return np.asarray(values * (1 + 1e-8 * z))


def scale_of(values: np.ndarray) -> np.ndarray:
    """The size of each entry of an array; of those that are 0 the median of the others, or 1."""
    sizes = np.abs(values)
    some = sizes[sizes > 0]
    return np.where(sizes > 0, sizes, np.median(some) if some.size else 1.0)


@dataclass(frozen=True)
class RandomMap:
    """factors * body(x / units) + offsets, of `shape`; it and its Jacobian follow the dtype of x.

    units : as x. factors, offsets : one an output. complex : whether f takes complex numbers.
    """

    body: Node
    x: Tree
    units: Tree
    factors: Array
    offsets: Array
    shape: tuple[int, ...]
    complex: bool
    note: str = ""

    def __str__(self) -> str:
        return (
            f"{self.factors.tolist()} * {self.body} + {self.offsets.tolist()} of x / {flat(self.units).tolist()}"
            f" -> {self.shape}, {self.note or 'clean'}{'' if self.complex else ', real only'}"
        )

    def _inner(self, x: Tree) -> dict[str, Array]:
        units = arrays_of(self.units)
        return {key: v / units[key].astype(v.real.dtype) for key, v in arrays_of(x).items()}

    def analytic(self, x: Tree) -> Array:
        """The values (m,), in the dtype of x."""
        value = self.body.forward(self._inner(x), None, None)[0]
        kind = value.real.dtype
        return self.factors.astype(kind) * value + self.offsets.astype(kind)

    def f(self, x: Tree) -> Array:
        """What is given to a check."""
        if not self.complex and any(map(np.iscomplexobj, arrays_of(x).values())):
            raise TypeError("real numbers only")
        disturb = DISTURBED[self.note][0]
        if any(map(np.iscomplexobj, arrays_of(x).values())) and not self.note:
            return self.analytic(x).reshape(self.shape)
        return disturb(lambda x: self.analytic(x).reshape(self.shape))(x)

    def jac(self, x: Tree) -> Array:
        """(m, n), by reverse mode."""
        inner = self._inner(x)
        rows = []
        for i in range(self.body.length):
            gradients = {key: np.zeros_like(v) for key, v in inner.items()}
            value, pull = self.body.forward(inner, gradients, None)
            unit = np.zeros_like(value)
            unit[i] = self.factors[i]
            pull(unit)
            units = arrays_of(self.units)
            rows.append(np.concatenate([np.ravel(gradients[k] / units[k].astype(gradients[k].real.dtype))
                                        for k in inner]))  # fmt: skip
        return np.stack(rows)

    @property
    def span(self) -> float:
        """The largest |x_i| of an array over its smallest that is not zero."""
        sizes = [np.abs(a[a != 0]) for a in arrays_of(self.x).values()]
        return max((float(s.max() / s.min()) for s in sizes if s.size), default=1.0)

    @property
    def noise(self) -> Array:
        """What of each output is rounded or noise (m,)."""
        return DISTURBED[self.note][1] * np.abs(self.analytic(self.x))

    def calm(self) -> bool:
        """Whether no sine in it runs through more than a few dozen periods while x changes by its scale.

        As `Function.calm`, and where x is 0, too; where f is noisy steps are long, and fewer periods may lie in them.
        """
        inner, units = self._inner(self.x), arrays_of(self.units)
        parts = np.split(flat(self.x), np.cumsum([v.size for v in inner.values()])[:-1])
        scales = {key: scale_of(part) for key, part in zip(inner, parts, strict=True)}
        arguments = [n.inner for n in self.body.walk() if isinstance(n, Unary) and n.name in PERIODIC]
        rng = np.random.default_rng(0)
        for _ in range(DIRECTIONS):
            moved = {
                key: value
                + 1e-30j
                * rng.choice([-1.0, 1.0], value.shape)
                * scales[key].reshape(value.shape)
                / units[key]
                for key, value in inner.items()
            }
            speeds = [np.abs(node.forward(moved, None, None)[0].imag).max() / 1e-30 for node in arguments]
            if not all(speed <= (SLOW if self.note else FASTEST) for speed in speeds):
                return False
        return True


@dataclass(frozen=True)
class Example:
    """A map, its right Jacobian (m, n) at x, and a wrong one."""

    map: Any
    right: Array
    wrong: Array
    mistake: str
    check: str
    symmetric: bool = field(default=False)


def point(rng: np.random.Generator) -> tuple[Tree, Tree]:
    """X, one array or a dict of two, and the units in which its entries enter."""
    keys = ("x",) if rng.random() < 0.7 else ("W", "b")
    kind = rng.choice(["plain", "scaled", "wide", "thirty"], p=[0.4, 0.25, 0.25, 0.1])
    arrays, units = {}, {}
    for key in keys:
        n = int(rng.choice([1, 2, 3, 5, 8, 20, 60, 130], p=[0.12, 0.18, 0.2, 0.2, 0.15, 0.09, 0.04, 0.02]))
        shape: tuple[int, ...] = (n,)
        if rng.random() < 0.2:
            shape = () if n == 1 else (n // 2, 2) if n % 2 == 0 else (1, n)
        decades = {"plain": 0.0, "scaled": rng.uniform(-8, 8), "wide": rng.uniform(-4, 4), "thirty": 0.0}[
            kind
        ]
        spread = {"plain": 0.5, "scaled": 0.5, "wide": 4.0, "thirty": 15.0}[kind]
        exponents = decades + rng.uniform(-spread, spread, shape)
        x = np.asarray(rng.choice([-1.0, 1.0], shape) * 10.0**exponents)
        if rng.random() < 0.15:
            x = np.asarray(np.where(rng.random(shape) < rng.choice([0.2, 0.5, 1.0]), 0.0, x))
        own = rng.random() < 0.6
        unit = 10.0 ** np.round(exponents) if own else np.full(shape, 10.0 ** np.round(decades))
        # Now and then an entry enters as it is.
        arrays[key], units[key] = x, np.asarray(np.where(rng.random(shape) < 0.05, 1.0, unit))
    return (arrays["x"], units["x"]) if keys == ("x",) else (arrays, units)


def _leaf(rng: np.random.Generator, x: dict[str, Array]) -> Node:
    key = sorted(x)[int(rng.integers(len(x)))]
    return Entries(key, x[key].size, 1.0, int(rng.integers(10)) if rng.random() < 0.5 else None)


def vector(rng: np.random.Generator, x: dict[str, Array], depth: int) -> Node:
    """A node of any length."""
    kind = rng.choice(["unary", "binary", "linear", "leaf"], p=[0.4, 0.25, 0.25, 0.1]) if depth else "leaf"
    if kind == "leaf":
        return _leaf(rng, x)
    inner = vector(rng, x, depth - 1)
    if kind == "unary":
        return Unary(str(rng.choice(list(UNARY))), inner)
    if kind == "linear":
        return Linear(inner, int(rng.choice([1, 2, 3, 4, 6, 12])), int(rng.integers(10)))
    other = vector(rng, x, depth - 1)
    if other.length not in (1, inner.length):
        other = Reduced(str(rng.choice(REDUCTIONS)), other)
    return Binary(str(rng.choice(list(BINARY))), inner, other)


def draw_map(rng: np.random.Generator, *, scalar: bool) -> RandomMap:
    """Any map; `scalar` for one number."""
    x, units = point(rng)
    arrays = arrays_of(x)
    body = vector(rng, arrays, int(rng.integers(1, 4)))
    if scalar:
        body = Reduced(str(rng.choice(REDUCTIONS)), body)
        if rng.random() < 0.25:
            body = Unary(str(rng.choice(list(UNARY))), body)
    elif rng.random() < 0.3:
        m = int(rng.choice([1, 2, 5, 9, 30, 120], p=[0.1, 0.25, 0.25, 0.2, 0.15, 0.05]))
        body = Linear(body, m, int(rng.integers(10)))
    m = body.length
    factors = np.full(m, 10.0 ** float(rng.choice([0, 0, 0, 0, 0, -3, 3, -8, 8, -150, 100, -280, 280])))
    if m > 1 and rng.random() < 0.2:
        factors = factors * 10.0 ** rng.integers(-6, 7, m)
    offsets = np.zeros(m)
    if rng.random() < 0.25:
        size = float(rng.choice([1.0, -1e3, 1e6])) * factors
        offsets = size if rng.random() < 0.5 else np.where(np.arange(m) == int(rng.integers(m)), size, 0.0)
    shape: tuple[int, ...] = (m,)
    if scalar or (m == 1 and rng.random() < 0.5):
        shape = ()
    elif m % 2 == 0 and rng.random() < 0.3:
        shape = (m // 2, 2)
    note = "" if rng.random() < 0.7 else str(rng.choice(list(DISTURBED)[1:]))
    if note.startswith("float32"):
        x = like(x, flat(x).astype(np.float32).astype(float))
        if np.abs(factors).max() > 1e8 or np.abs(factors).min() < 1e-8:
            factors, offsets = np.ones(m), np.zeros(m)
    return RandomMap(body, x, units, factors, offsets, shape, bool(rng.random() < 0.5), note)


def complex_jacobian(f: Callable[[Tree], Array], x: Tree, scales: Array) -> Array:
    """(m, n) by the complex step in extended precision; f : follows the dtype of x, (m,)."""
    columns = []
    base = flat(x).astype(np.clongdouble)
    for j in range(base.size):
        there = base.copy()
        step = np.longdouble(1e-30) * np.longdouble(scales[j])
        there[j] += 1j * step
        columns.append(np.imag(np.ravel(f(like(x, there)))) / step)
    return np.stack(columns, 1).astype(float)


def _scales(x: Tree) -> Array:
    sizes = np.abs(flat(x))
    return np.where(sizes > 0, sizes, 1.0)


def agreed(truth: Array, other: Array) -> bool:
    """Whether two Jacobians are finite and the same."""
    if not (np.isfinite(truth).all() and np.isfinite(other).all()):
        return False
    row = np.abs(truth).max(1, keepdims=True)
    return bool((np.abs(other - truth) <= AGREED * np.maximum(np.abs(truth), 1e-6 * row)).all())


def row_units(J: Array) -> Array:
    """What a mistake in each entry is relative to: the entry, or the root mean square of its row."""
    top = np.abs(J).max(1, keepdims=True)
    with np.errstate(all="ignore"):
        rms = top * np.sqrt(np.mean((J / np.where(top > 0, top, 1.0)) ** 2, 1, keepdims=True))
    return np.maximum(np.abs(J), rms)


def plant(rng: np.random.Generator, J: Array) -> tuple[str, Array]:
    """A mistake, and the Jacobian with it."""
    m, n = J.shape
    unit = row_units(J)
    size = 10.0 ** -float(rng.choice([0, 0.5, 1, 2, 3, 4, 5, 6, 7]))
    i, j = int(rng.integers(m)), int(rng.integers(n))
    kinds = ["entry", "entry of its row", "row", "column", "all", "sign", "zero", "pair", "row 0", "exchange"]
    kind = str(rng.choice(kinds))
    out = J.copy()
    if kind == "entry":
        out[i, j] *= 1 + size
    elif kind == "entry of its row":
        out[i, j] += size * unit[i, j]
    elif kind == "row":
        out[i] *= 1 + size
    elif kind == "column":
        out[:, j] *= 1 + size
    elif kind == "all":
        out *= 1 + size
    elif kind == "sign":
        out[i, j] *= -1
    elif kind == "zero":
        out[i, j] = 0.0
    elif kind == "pair":
        k = int(rng.integers(n))
        out[i, j] += size * unit[i, j]
        out[i, k] -= size * unit[i, k]
    elif kind == "row 0":
        out[i] = 0.0
    elif m > 1 and rng.random() < 0.5:
        k = int(rng.integers(m))
        out[[i, k]] = J[[k, i]]
    else:
        k = int(rng.integers(n))
        out[:, [j, k]] = J[:, [k, j]]
    return f"{kind} {size:.1g} at [{i}, {j}]", out


def example(seed: int, *, scalar: bool) -> Example | None:
    """The example of this number; None where the referees do not agree, or nothing is wrong with the wrong one."""
    rng = np.random.default_rng([seed, scalar])
    with np.errstate(all="ignore"):
        if not scalar and rng.random() < 0.15:
            return _hessian(rng)
        mine = draw_map(rng, scalar=scalar)
        value = mine.f(mine.x)
        if not (np.isfinite(value).all() and np.abs(value).max() < 1e290):
            return None
        if np.prod(mine.analytic(mine.x).shape) * flat(mine.x).size > 20_000:
            return None
        right = mine.jac(mine.x)
        wide = mine.jac(like(mine.x, flat(mine.x).astype(np.longdouble))).astype(float)
        if not (
            agreed(wide, right) and agreed(wide, complex_jacobian(mine.analytic, mine.x, _scales(mine.x)))
        ):
            return None
        if np.abs(right).max() > 1e290:
            return None
        mistake, wrong = plant(rng, right)
    check = "check_gradient" if scalar else str(rng.choice(["check_jacobian", "check_jvp", "check_vjp"]))
    return Example(mine, right, wrong, mistake, check)


@dataclass(frozen=True)
class Gradient:
    """The gradient of a random scalar map, as a map of its own; its Jacobian is a Hessian."""

    of: RandomMap

    def __str__(self) -> str:
        return f"gradient of {self.of}"

    x = property(lambda self: self.of.x)
    span = property(lambda self: self.of.span)
    note = ""
    shape = property(lambda self: np.shape(self.of.x))

    def analytic(self, x: Tree) -> Array:
        """The flat gradient."""
        return self.of.jac(x)[0]

    def f(self, x: Tree) -> Tree:
        """What is given to a check: the gradient, of the structure of x."""
        if any(map(np.iscomplexobj, arrays_of(x).values())) and not self.of.complex:
            raise TypeError("real numbers only")
        return like(x, self.analytic(x))

    def jac(self, x: Tree) -> Array:
        """The Hessian by the complex step."""
        return complex_jacobian(self.analytic, x, _scales(x))

    @property
    def noise(self) -> Array:
        return float(np.finfo(float).eps) * np.abs(self.analytic(self.x))

    def calm(self) -> bool:
        return self.of.calm()


def _hessian(rng: np.random.Generator) -> Example | None:
    inner = replace(draw_map(rng, scalar=True), note="")
    mine = Gradient(inner)
    if flat(inner.x).size > 60 or not np.isfinite(mine.analytic(mine.x)).all():
        return None
    H = mine.jac(mine.x)
    # Its second referee is its symmetry: both triangles come from different columns.
    if (
        not np.isfinite(H).all()
        or not 0 < np.abs(H).max() < 1e250
        or np.abs(mine.analytic(mine.x)).max() > 1e250
    ):
        return None
    size = np.sqrt(np.outer(np.abs(np.diag(H)), np.abs(np.diag(H))))
    if not (np.abs(H - H.T) <= AGREED * np.maximum(np.abs(H), 1e-6 * size)).all():
        return None
    H = (H + H.T) / 2
    mistake, wrong = plant(rng, H)
    return Example(mine, H, wrong, mistake, str(rng.choice(["check_hessian", "check_hvp"])), symmetric=True)


@dataclass(frozen=True)
class Kinked:
    """Smooth(x) + M |x - x0| or M max(0, x - x0), whose kinks x lies on in some entries."""

    smooth: RandomMap
    M: Array
    rectifier: bool
    at: Array

    @property
    def x(self) -> Tree:
        return self.smooth.x

    def f(self, x: Tree) -> Array:
        d = flat(x) - flat(self.x)
        bent = np.maximum(d, 0.0) if self.rectifier else np.abs(d)
        return np.asarray(
            self.smooth.f(x) + (self.M @ np.where(self.at, bent, 0.0)).reshape(self.smooth.shape)
        )

    def jac(self, theta: Array) -> Array:
        """The Jacobian with the slopes theta (m, n), 0 to 1, between those on the left and on the right."""
        low = 0.0 if self.rectifier else -1.0
        slopes = low + theta * (1.0 - low)
        return self.smooth.jac(self.x) + np.where(self.at, self.M * slopes, 0.0)


def _lost(smooth: RandomMap, right: Array) -> bool:
    """Whether an output that should move stays where it is: (1 + tanh u) / 2 has no slope where it rounds to 0.

    All around x, or on both sides along one entry, though that should move it by far more than its noise.
    """
    x, scales = flat(smooth.x), _scales(smooth.x)
    here = np.ravel(smooth.f(smooth.x))
    along = np.zeros(right.shape, bool)
    for k, step in enumerate(np.concatenate([np.diag(1e-2 * scales), np.diag(-1e-2 * scales)])):
        along[:, k % x.size] |= np.ravel(smooth.f(like(smooth.x, x + step))) != here
    moved = along.any(1)
    shown = np.abs(right) * 1e-2 * scales > 1e3 * smooth.noise[:, None]
    return bool(((here == 0) & ~moved & (right != 0).any(1)).any() or (shown & ~along).any())


def kinked(seed: int) -> tuple[Kinked, Array, Array, str] | None:
    """A map on kinks, a Jacobian within its slopes, one outside them, and the check."""
    rng = np.random.default_rng([seed, 3])
    scalar = bool(rng.random() < 0.5)
    with np.errstate(all="ignore"):
        smooth = replace(draw_map(rng, scalar=scalar), note="", complex=False)
        if smooth.span > SPAN or flat(smooth.x).size > 30 or smooth.body.length > 30:
            return None
        if np.abs(smooth.factors).max() > 1e10 or np.abs(smooth.factors).min() < 1e-10:
            return None
        right = smooth.jac(smooth.x)
        truth = complex_jacobian(smooth.analytic, smooth.x, _scales(smooth.x))
        if not (smooth.calm() and np.isfinite(smooth.f(smooth.x)).all() and agreed(truth, right)):
            return None
        if _lost(smooth, right):
            return None
        n = flat(smooth.x).size
        at = rng.random(n) < rng.choice([0.3, 1.0])
        if not at.any():
            at[int(rng.integers(n))] = True
        unit = row_units(right)
        # Kinks as large as the slopes of their row, so that none is lost beside it.
        M = np.where(rng.random(right.shape) < 0.8, rng.uniform(0.5, 2.0, right.shape), 0.0) * unit
        mine = Kinked(smooth, M, bool(rng.random() < 0.5), at)
        bent = (M > 0) & at
        # Away from rounding: what f moves by within a hundredth of x must stand out of its digits.
        if not bent.any() or (M * _scales(smooth.x) * 1e-2 <= 1e6 * smooth.noise[:, None])[bent].any():
            return None
        one = rng.random()
        within = np.where(bent, one if rng.random() < 0.5 else rng.random(right.shape), 0.0)
        outside = within.copy()
        i, j = (int(k) for k in rng.choice(np.argwhere(bent)))
        outside[i, j] = rng.choice([1.0 + 10.0 ** rng.uniform(-1, 3), -(10.0 ** rng.uniform(-1, 3))])
    check = "check_gradient" if scalar else str(rng.choice(["check_jacobian", "check_jvp", "check_vjp"]))
    return mine, mine.jac(within), mine.jac(outside), check


@dataclass(frozen=True)
class Operator:
    """A chain of linear maps over the reals, with its adjoint by hand: the adjoints in reverse."""

    names: tuple[str, ...]
    parts: tuple[tuple[Callable[[Array], Array], Callable[[Array], Array]], ...]
    x: Array
    y: Array

    def forward(self, x: Array) -> Array:
        for part, _ in self.parts:
            x = part(x)
        return x.astype(self.y.dtype)

    def adjoint(self, y: Array) -> Array:
        for _, back in reversed(self.parts):
            y = back(y)
        return y.astype(self.x.dtype)

    def dense(self, adjoint: Callable[[Array], Array]) -> tuple[Array, Array]:
        """Both as matrices over the real and imaginary parts."""
        return _dense(self.forward, self.x), _dense(adjoint, self.y)


def _dense(function: Callable[[Array], Array], given: Array) -> Array:
    units = np.eye(given.size).reshape(-1, *given.shape)
    parts = [1.0, 1j] if given.dtype.kind == "c" else [1.0]
    columns = [np.ravel(function((p * u).astype(given.dtype))) for u in units for p in parts]
    both = [np.concatenate([c.real, c.imag]) if np.iscomplexobj(c) else c for c in columns]
    if given.dtype.kind == "c":
        both = both[::2] + both[1::2]
    return np.stack(both, 1).astype(float)


def operator(seed: int) -> tuple[Operator, Callable[[Array], Array], str] | None:
    """An operator, a wrong adjoint of it, and what is wrong; None where nothing is."""
    rng = np.random.default_rng([seed, 4])
    n = int(rng.choice([1, 2, 3, 5, 8, 16, 40]))
    single = bool(rng.random() < 0.2)
    is_complex = bool(rng.random() < 0.5)
    x = np.zeros(n, complex if is_complex else float)
    names, parts = [], []
    value = x
    for _ in range(int(rng.integers(1, 4))):
        name, part, back = _link(rng, value, single)
        names.append(name)
        parts.append((part, back))
        value = part(value)
    kinds = {"f": np.float32, "c": np.complex64} if single else {"f": np.float64, "c": np.complex128}
    mine = Operator(
        tuple(names), tuple(parts), x.astype(kinds[x.dtype.kind]), value.astype(kinds[value.dtype.kind])
    )
    with np.errstate(all="ignore"):
        forward, back = mine.dense(mine.adjoint)
        top = np.abs(forward).max()
        eps = np.finfo(mine.x.dtype).eps
        limits = (1e-30, 1e30) if single else (1e-290, 1e290)
        if not limits[0] < top < limits[1] or np.abs(forward - back.T).max() > 1e3 * eps * top:
            return None
        mistake, wrong = _wrong_adjoint(rng, mine)
        there = mine.dense(wrong)[1] if mistake != "shape" else None
        if there is not None:
            if not np.isfinite(there).all():
                return None
            apart = np.abs(there.T - forward)
            size = np.abs(forward)
            # Of 5 % of an entry that counts in its row and in its column, for single precision, and 0.2 % for double.
            counts = (size >= 0.1 * size.max(0)) & (size >= 0.1 * size.max(1, keepdims=True))
            if not (apart > (0.1 if single else 2e-3) * size.max())[
                counts & (size >= 0.1 * size.max())
            ].any():
                return None
    return mine, wrong, mistake


def _link(rng: np.random.Generator, value: Array, single: bool) -> tuple[str, Any, Any]:
    """One linear map of arrays like `value`, and its adjoint over the reals."""
    n, is_complex = value.size, value.dtype.kind == "c"
    most = 8 if single else 100
    kind = str(
        rng.choice(["matrix", "fft", "conj", "real", "scale", "diagonal", "roll", "cumsum", "complexify"])
    )
    if kind == "matrix":
        m = int(rng.choice([1, 2, 4, 7, 20]))
        M = rng.normal(size=(m, n)) + (1j * rng.normal(size=(m, n)) if is_complex else 0)
        return f"matrix {m}x{n}", lambda x: M @ x, lambda y: M.conj().T @ y
    if kind == "fft" and is_complex:
        return "fft", lambda x: np.fft.fft(x, norm="ortho"), lambda y: np.fft.ifft(y, norm="ortho")
    if kind == "conj" and is_complex:
        return "conj", np.conj, np.conj
    if kind == "real" and is_complex:
        return "real", lambda x: x.real.copy(), lambda y: y.astype(complex)
    if kind == "complexify" and not is_complex:
        c = complex(*rng.normal(size=2))
        return "complexify", lambda x: c * x, lambda y: (np.conj(c) * y).real
    if kind == "scale":
        s = 10.0 ** float(rng.integers(-most, most + 1))
        return f"x {s:g}", lambda x: s * x, lambda y: s * y
    if kind == "diagonal":
        d = 10.0 ** rng.uniform(-3, 3, n) * rng.choice([-1.0, 1.0], n)
        return "diagonal", lambda x: d * x, lambda y: d * y
    if kind == "roll":
        k = int(rng.integers(1, 5))
        return f"roll {k}", lambda x: np.roll(x, k), lambda y: np.roll(y, -k)
    return "cumsum", np.cumsum, lambda y: np.cumsum(y[::-1])[::-1]


def _wrong_adjoint(rng: np.random.Generator, o: Operator) -> tuple[str, Callable[[Array], Array]]:
    kind = str(rng.choice(["factor", "sign", "entry", "entry 0", "conj", "roll", "one link", "shape"]))
    j = int(rng.integers(o.x.size))
    if kind == "factor":
        c = float(rng.choice([1.002, 0.5, 2.0, 1.2] if o.x.dtype.itemsize // (2 if o.x.dtype.kind == "c" else 1) > 4
                             else [0.5, 2.0, 1.2]))  # fmt: skip
        return f"factor {c:g}", lambda y: (c * o.adjoint(y)).astype(o.x.dtype)
    if kind == "sign":
        return kind, lambda y: -o.adjoint(y)
    if kind in ("entry", "entry 0"):
        scale = np.ones(o.x.size)
        scale[j] = 1.2 if kind == "entry" else 0.0
        return f"{kind} {j}", lambda y: (scale * o.adjoint(y)).astype(o.x.dtype)
    if kind == "conj":
        return kind, lambda y: o.adjoint(np.conj(y))
    if kind == "roll":
        return kind, lambda y: np.roll(o.adjoint(y), 1)
    if kind == "shape":
        return kind, lambda y: np.append(o.adjoint(y), 0.0)
    k = int(rng.integers(len(o.parts)))

    def without(y: Array) -> Array:
        for at, (part, back) in reversed(list(enumerate(o.parts))):
            del part
            y = 1.1 * back(y) if at == k else back(y)
        return y.astype(o.x.dtype)

    return f"link {o.names[k]} x 1.1", without
