"""Smooth problems whose f is disturbed: a large constant, noise, rounding, float32. The gradient stays right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.corpus.model import Pair, Problem, flat, in_longdouble, like

F = Callable[[Any], float]
# Disturbed are all clean problems up to this size whose value is of a size that six decimals leave digits of: as many
# points for each disturbance as for the clean functions.
LARGEST, VALUES = 100, (0.1, 1e4)
# It amplifies the rounding of a float32 x beyond what a right gradient in float32 is held to.
CHAOTIC = "logistic map, 6 rounds, n=2"


def offset(f: F) -> F:
    """Add 1e6: the digits of f are spent on the constant."""
    return lambda x: f(x) + 1e6


def noisy(size: float) -> Callable[[F], F]:
    """Multiply by 1 + size * z, z standard normal and drawn from the bits of x: f stays deterministic."""
    return lambda f: lambda x: f(x) * (1 + size * _normal(x))


def rounded(f: F) -> F:
    """Round to eight significant digits, as a printed or logged value."""
    return lambda x: float(f"{f(x):.7e}")


def to_decimals(digits: int) -> Callable[[F], F]:
    """Round to a number of decimals."""
    return lambda f: lambda x: float(np.round(f(x), digits))


def cast_result(f: F) -> F:
    """Compute in float64 and return float32, as a framework's loss does."""
    return lambda x: float(np.float32(f(x)))


def in_float32(f: F) -> F:
    """Compute in float32, whatever the dtype of x."""
    return lambda x: float(f(_as_float32(x)))


# Each disturbance in turn; a category may hold several.
DISTURBANCES: tuple[tuple[str, str, Callable[[F], F]], ...] = (
    ("offset by 1e6", "+ 1e6", offset),
    ("noise 1e-9", "noise 1e-9", noisy(1e-9)),
    ("noise 1e-8", "noise 1e-8", noisy(1e-8)),
    ("rounded", "eight digits", rounded),
    ("rounded", "six decimals", to_decimals(6)),
    ("float32", "returns float32", cast_result),
    ("float32", "computes in float32", in_float32),
)


def problems(clean: Iterable[Problem]) -> list[Problem]:
    """Every disturbance of every base, and the bases with x itself in float32."""
    low, high = VALUES
    found = []
    for base in (p for p in clean if p.n <= LARGEST and low <= abs(p.f(p.x)) <= high and p.name != CHAOTIC):
        single = at_float32(base)
        for category, name, disturb in DISTURBANCES:
            start = single if category == "float32" else base
            found.append(
                replace(start, name=f"{base.name}, {name}", category=category, f=disturb(start.f), note=name)
            )
        found.append(_float32_throughout(single))
    return found


def pairs(clean: Iterable[Pair]) -> list[Pair]:
    """Every disturbance of every clean pair."""
    return [
        replace(pair, name=f"{pair.name}, {name}", category=category, phi=disturb(pair.phi))
        for pair in clean
        for category, name, disturb in DISTURBANCES
    ]


def _as_float32(x: Any) -> Any:
    if isinstance(x, dict):
        return {key: leaf.astype(np.float32) for key, leaf in x.items()}
    return np.asarray(x).astype(np.float32)


def at_float32(p: Problem) -> Problem:
    """Move x to the nearest point that float32 holds, so that f and the truth mean the same point."""
    x = like(p.x, flat(_as_float32(p.x)).astype(np.float64))
    true = in_longdouble(p.grad, x)
    return replace(p, x=x, true=true, witness=lambda: p.grad(x))


def _float32_throughout(p: Problem) -> Problem:
    """Give f and the gradient a float32 x, which both follow."""
    return replace(
        p, name=f"{p.name}, x in float32", category="float32", x=_as_float32(p.x), note="x in float32"
    )


def _normal(x: Any) -> float:
    digest = hashlib.blake2b(flat(x).tobytes(), digest_size=16).digest()
    first = (int.from_bytes(digest[:8], "little") + 0.5) / 2**64
    second = int.from_bytes(digest[8:], "little") / 2**64
    return float(np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * second))
