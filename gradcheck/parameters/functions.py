"""What x makes of a number: a factor that the chain rule leaves out, or that stands one time too often."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice, product

import numpy as np

from gradcheck._typing import Flat, Index
from gradcheck.parameters.tree import Parameters

# What the derivative by another parameter is multiplied with: x as log x, as a logit, as a square root, ...
CHAIN: dict[str, Callable[[Flat], Flat]] = {
    "{}": lambda t: t,
    "1/{}": lambda t: 1.0 / t,
    "{}^2": lambda t: t**2,
    "1/{}^2": lambda t: 1.0 / t**2,
    "2 {}": lambda t: 2.0 * t,
    "1/(2 {})": lambda t: 0.5 / t,
    "{}^3": lambda t: t**3,
    "sqrt({})": np.sqrt,
    "1/sqrt({})": lambda t: 1.0 / np.sqrt(t),
    "{0} (1 - {0})": lambda t: t * (1.0 - t),
    "1/({0} (1 - {0}))": lambda t: 1.0 / (t * (1.0 - t)),
    "(1 - {}^2)": lambda t: 1.0 - t**2,
    "1/(1 - {}^2)": lambda t: 1.0 / (1.0 - t**2),
    "(1 + {}^2)": lambda t: 1.0 + t**2,
    "(1 - {})": lambda t: 1.0 - t,
    "(1 + {})": lambda t: 1.0 + t,
    "exp({})": np.exp,
    "exp(-{})": lambda t: np.exp(-t),
    "exp(2 {})": lambda t: np.exp(2.0 * t),
    "exp(-2 {})": lambda t: np.exp(-2.0 * t),
    "exp({}/2)": lambda t: np.exp(t / 2.0),
    "exp(-{}/2)": lambda t: np.exp(-t / 2.0),
    "(1 - exp(-{}))": lambda t: 1.0 - np.exp(-t),
    "(1 + exp({}))": lambda t: 1.0 + np.exp(t),
    "(1 + exp(-{}))": lambda t: 1.0 + np.exp(-t),
    "1/(1 - tanh({})^2)": lambda t: np.cosh(t) ** 2,
    "(1 - tanh({})^2)": lambda t: 1.0 / np.cosh(t) ** 2,
    "1/(s (1 - s)), s the sigmoid of {}": lambda t: 2.0 + 2.0 * np.cosh(t),
}
# People write the derivative of a sigmoid s as s (1 - s), and that of tanh as 1 - tanh^2. Given x for these values, or
# values for x, it is multiplied with one of these.
VALUES: dict[str, Callable[[Flat], Flat]] = {
    "{0} (1 - {0})/(s (1 - s)), s the sigmoid of {0},": lambda t: t * (1.0 - t) / _of_sigmoid(t),
    "t (1 - t)/(s (1 - s)), s the sigmoid of {0}, t that of s,": lambda t: (
        _of_sigmoid(1.0 / (1.0 + np.exp(-t))) / _of_sigmoid(t)
    ),
    "(1 - {0}^2)/(1 - tanh({0})^2)": lambda t: (1.0 - t**2) * np.cosh(t) ** 2,
    "(1 - tanh(t)^2)/(1 - t^2), t = tanh({0}),": lambda t: (np.cosh(t) / np.cosh(np.tanh(t))) ** 2,
}
# The first of them, that are looked for of a norm; and those of an entry that a short number may be: 4 is 2 x, x^2 and
# 3 + x, and some other entry nearly always.
PLAIN, SHORT = 4, 2
# Coordinates among which one is looked for that a factor is told by.
FEW = 20
# A number is short that is a fraction of no larger numbers, or has no more decimals. Near 1 it is many functions.
LARGEST, DECIMALS, NEARLY_ONE = 20, 3, 1e-2
# What an entry is multiplied with besides: the derivative by a deviation, of the logarithm of a variance.
TIMES = {"": 1.0, "-": -1.0, "2 ": 2.0, "1/2 ": 0.5}
# What rounding leaves of a number that was computed in two ways.
ROUNDED = 1e-9
# Numbers that differ by less, relative to them, are one.
LIKE = 1e-6
# So often may one of all that are tried come as near by accident.
ACCIDENT = 1e-3


def _of_sigmoid(t: Flat) -> Flat:
    """The derivative of a sigmoid."""
    return 0.5 / (1.0 + np.cosh(t))


def told_by_x(names: Parameters, x: Flat, at: Index, c: float, spread: float) -> str:
    """What a factor c is by x: `exp(-x[1])`, `|x|`; "" where nothing tells, or several do.

    names : of the coordinates x. at : those that it is a factor by. spread : what is unknown of it, relative to it.
    """
    near, mine = 3.0 * spread + ROUNDED, np.unique(at)
    tried = 3 * len(CHAIN) + len(CHAIN) * (x.size if x.size <= FEW else 0)
    if near * tried > ACCIDENT or abs(c - 1.0) < NEARLY_ONE or not np.isfinite(x).all():
        return ""
    fraction = _short(c, near)
    first = SHORT if fraction or _typed(c, near) else None
    if mine.size == 1:
        for (words, value), (times, k) in product(islice(_functions(x[mine[0]]), first), TIMES.items()):
            usual = k == 1.0 or (first is None and (k == -1.0 or words.startswith("exp")))
            if usual and abs(k * value - c) <= near * abs(c):
                return times + words.format(names.name(int(mine[0])))
    found = []
    # A root of a short number, or a power of ten, is more than 2 or 100 that x may hold as well.
    power = math.log10(abs(c))
    alone = fraction or _short(c * c, 3.0 * near) or abs(power - round(power)) <= near
    for name, value, most in _bases(names, x, mine) if not alone else ():
        those = islice(_functions(value), most if first is None else first)
        found += [words.format(name) for words, t in those if abs(t - c) <= near * abs(c)]
    return found[0] if len(found) == 1 else ""


def _short(c: float, near: float) -> bool:
    """Whether it is a fraction of small numbers."""
    small = min(abs(c), 1.0 / abs(c))
    return abs(float(Fraction(small).limit_denominator(LARGEST)) - small) <= near


def _typed(c: float, near: float) -> bool:
    """Whether it is what people type, of at most so many decimals."""
    units = abs(c) * 10.0**DECIMALS
    return bool(abs(units - np.rint(units)) <= near * units)


def _functions(value: float) -> Iterator[tuple[str, float]]:
    with np.errstate(all="ignore"):
        yield from ((words, float(chain(np.array([value]))[0])) for words, chain in CHAIN.items())


def _bases(names: Parameters, x: Flat, at: Index) -> Iterator[tuple[str, float, int | None]]:
    """The name and value of each coordinate, of the norm and the sum of the array of some; of how many functions."""
    if x.size <= FEW:
        yield from ((names.name(j), float(value), None) for j, value in enumerate(x))
    b = names.block_of(int(at[0]))
    if b.size > 1 and b.holds(at).all():
        yield f"|{b.name}|", float(np.linalg.norm(x[b.slice])), PLAIN
        yield f"sum({b.name})", float(np.sum(x[b.slice])), PLAIN


def whole_numbers_tell(x: Flat, ratio: Flat) -> bool:
    """Whether x holds several whole numbers, each with one ratio of its own: any simple function of them is whole."""
    if not np.array_equal(x, np.rint(x)) or np.ptp(x) == 0:
        return False
    _, which = np.unique(x, return_inverse=True)
    mean = np.bincount(which, ratio.astype(float)) / np.bincount(which)
    return bool(np.allclose(ratio, mean[which], rtol=LIKE, atol=0.0))
