"""Two linear operators, and pairs of inner products with the rounding that was measured."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck._typing import Array
from gradcheck.checks.linear import accepted_of, rounding_of
from gradcheck.function.matrix import dtype_by_digits
from gradcheck.function.objective import BudgetSpentError
from gradcheck.function.progress import Progress
from gradcheck.function.repeat import REORDERED, SINGLE
from gradcheck.numerics.tangents import random_units, root_mean_square
from gradcheck.parameters.leaves import UNKNOWN, as_array, eps_of, widened
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Outcome
from gradcheck.results.summaries import Mismatch

# Rows whose sizes differ by more are weighed alike in some of the pairs: of a small one the sum over all shows little.
SPREAD = 1e3
# Of what is weighed rounding is no more than this part of what is accepted.
HIDDEN = 1e-2
# Each operator is applied four times before the first pair, and once more where both spaces are complex.
LEAST_BUDGET = 10
# Roundings that the order of a sum may make: in single precision more than two calls may differ by elsewhere.
ORDER = 1e3
# By how much of its size a solver that stops early may be off.
EARLY = 1e-3


def numbers(value: Any, name: str) -> Array:
    """An argument of an operator. Raises TypeError or ValueError for what is none."""
    try:
        array = as_array(value)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    if array.dtype == object and not isinstance(value, np.ndarray):
        raise TypeError(f"{name} must be one array of real or complex numbers, not a {type(value).__name__}")
    if array.dtype.kind not in "fc":
        needed = UNKNOWN if widened(array) is not array else ""
        raise TypeError(f"{name} must hold real or complex numbers, not {array.dtype} {needed}".rstrip())
    if array.size == 0:
        raise ValueError(f"{name} must hold at least one number, not shape {array.shape}")
    return array


class Calls:
    """The applications of both operators, within a budget; time counts once the first of them are made."""

    def __init__(self, most: int | None, seconds: float | None, bar: Progress) -> None:
        self.left, self.bar, self.made = math.inf if most is None else most, bar, 0
        self.end = math.inf if seconds is None else time.monotonic() + seconds

    def count(self) -> None:
        """One more. Raises BudgetSpentError where none is left."""
        if self.left < 1 or (self.made >= LEAST_BUDGET and time.monotonic() > self.end):
            raise BudgetSpentError
        self.left, self.made = self.left - 1, self.made + 1
        self.bar.evaluated(1)


class Operator:
    """One of the two functions, on arrays of its own; `given` has the shape and dtype of its argument.

    argument : what that is called. digits : the name of the dtype that the numbers of its answers show.
    """

    def __init__(
        self, function: Callable[[Any], Any], given: Array, name: str, argument: str, budget: Calls
    ) -> None:
        self.function, self.given, self.name, self.argument = function, given, name, argument
        self.budget = budget
        self.calls = 0
        self.changed = False
        self.returns = given.dtype
        self.digits = "float64"

    def __call__(self, argument: Array) -> Array:
        """What the function returns, in double precision at least. Raises BudgetSpentError at the end of the budget."""
        self.budget.count()
        self.calls += 1
        mine = argument.astype(self.given.dtype)
        kept = mine.copy()
        try:
            returned = self.function(mine)
        except Exception as error:
            error.add_note(f"gradcheck: raised by {self.name}")
            raise
        try:
            result = as_array(returned).copy()
        except TypeError as error:
            raise TypeError(f"{self.name} returned what is none: {error}") from None
        self.changed |= not np.array_equal(mine, kept)
        self.returns = result.dtype
        if result.dtype.kind not in "fciub":
            return result
        # Sums in single precision, and squares in any, would overflow where the operator does not.
        return result.astype(np.result_type(result.dtype, np.float64))

    @property
    def is_complex(self) -> bool:
        """Whether its argument is."""
        return self.given.dtype.kind == "c"

    @property
    def coarsest(self) -> str:
        """The name of the coarsest dtype in which it rounds, as far as its arguments and answers show."""
        dtypes = (self.given.dtype, self.returns, np.dtype(self.digits))
        return str(max((np.finfo(d).dtype for d in dtypes if d.kind in "fc"), key=eps_of))

    @property
    def accepted(self) -> float:
        """What its results may be off by, relative to their terms."""
        return accepted_of(self.coarsest, None)

    def random(self, generator: np.random.Generator, weight: Any = 1.0) -> Array:
        """A random argument as the operator gets it, entries +-U(0.5, 1.5) times a weight, in double precision."""
        shape = self.given.shape
        values = random_units(generator, self.given.size).reshape(shape)
        if self.is_complex:
            values = values + 1j * random_units(generator, self.given.size).reshape(shape)
        rounded = np.asarray(values * weight, self.given.dtype)
        return rounded.astype(np.result_type(self.given.dtype, np.float64))


@dataclass(frozen=True)
class Weights:
    """How the entries of x and y are weighed, and what rounding leaves in A x and A^H y then."""

    x: Any
    y: Any
    a_noise: Array
    b_noise: Array


@dataclass(frozen=True)
class Pair:
    """<A x, y> and <x, A^H y>: how far apart, E, and the root of the sum of squares of their terms."""

    left: complex
    right: complex
    error: float
    weight: float
    weights: Weights
    x: Array
    y: Array

    @property
    def distance(self) -> float:
        """How far apart the two are."""
        return abs(self.left - self.right)

    @property
    def apart(self) -> float:
        """Relative to the terms."""
        return self.distance / self.weight

    @property
    def bar(self) -> float:
        """What is no mistake, relative to the terms: 3 E."""
        return 3.0 * self.error / self.weight


class DotProduct:
    """Pairs, with the rounding of both operators as it was measured."""

    def __init__(self, a: Operator, b: Operator) -> None:
        self.a, self.b = a, b
        self.over_reals = not (a.is_complex and b.is_complex)
        self.weights: list[Weights] = []

    @property
    def eps(self) -> float:
        """The unit roundoff of the coarser of the two."""
        return max(eps_of(self.a.coarsest), eps_of(self.b.coarsest))

    def contract(self, generator: np.random.Generator, rtol: float) -> Finding | None:
        """What is wrong with the functions themselves; measures their rounding. rtol : what is accepted of a pair."""
        noises, sizes = [], []
        for operator, partner in ((self.a, self.b), (self.b, self.a)):
            name = operator.name
            one, other = operator.random(generator), operator.random(generator)
            # Of opposite signs in each entry, so that a modulus, too, is seen not to be linear.
            other = np.where(one.real * other.real > 0, -other, other)
            first, again, second = operator(one), operator(one), operator(other)
            misfit = _misfit(operator, partner, first)
            if misfit is not None:
                return misfit
            both = operator(one + other)
            if not all(np.isfinite(v).all() for v in (first, second, both)):
                return Finding(f"{name} returns nan or inf", Outcome.FAIL)
            if operator.changed:
                return Finding(f"{name} changes its argument", Outcome.FAIL)
            operator.digits = dtype_by_digits(np.stack([first.real, first.imag]), "float64")
            size = _rms(np.maximum(np.abs(first), np.abs(second)))
            # What two calls differ by, sums in another order, is rounding too.
            differs = np.abs(first - again)
            order = max(ORDER * self.eps, REORDERED * SINGLE)
            if float(differs.max()) > max(order, rtol) * size:
                return Finding(f"{name} differs between two calls with the same argument", Outcome.FAIL)
            # The sum of the arguments is itself rounded, which A passes on: no more than its own terms round.
            noise = np.maximum(np.abs(both - (first + second)), differs)
            most = max(operator.accepted, rtol) * size
            if float(noise.max()) > most:
                terms = [(one, 1.0, first), (other, 1.0, second), (one + other, 1.0, both)]
                rounding = rounding_of(operator, terms, noise)
                if (noise > np.maximum(rounding, most)).any():
                    return _not_linear(name, float(noise.max()) / size)
                noise = np.maximum(noise, rounding)
            noises.append(noise)
            sizes.append(np.maximum(np.abs(first), np.abs(second)))
            if not self.over_reals:
                turned = np.abs(operator(1j * one) - 1j * first)
                self.over_reals = float(turned.max()) > operator.accepted * size
        a_noise, b_noise = (self._smooth(*pair) for pair in zip(noises, sizes, strict=True))
        self.weights = [Weights(1.0, 1.0, a_noise, b_noise)]
        self._weigh(noises, sizes, generator)
        return None

    def _smooth(self, noise: Array, size: Array, weight: Any = 1.0) -> Array:
        """The noise of each entry: no less than is typical, nor than rounding of the typical entry, as they weigh."""
        noise, size = noise * weight, size * weight
        least = max(_rms(noise), self.eps * _rms(size), float(np.finfo(size.dtype).smallest_subnormal))
        return np.asarray(np.maximum(np.maximum(noise, least), self.eps * size) / weight)

    def _weigh(self, noises: list[Array], sizes: list[Array], generator: np.random.Generator) -> None:
        """Other weights for y where rows differ much in size, and for x where columns do."""
        (a_noise, b_noise), (rows, columns) = noises, sizes
        for size, noise, operator in ((rows, a_noise, self.b), (columns, b_noise, self.a)):
            # Of what rounding hides, or is nothing, the size is not known: it is weighed as the others are.
            known = (size > 0) & (noise <= HIDDEN * operator.accepted * size)
            if not known.any() or size[known].max() <= SPREAD * size[known].min():
                continue
            # Around 1, and within half of the exponents of the operator's dtype.
            most = math.sqrt(float(np.finfo(operator.given.dtype).max))
            usual = float(np.median(size[known]))
            weight = np.where(known, np.clip(usual / np.where(known, size, usual), 1.0 / most, most), 1.0)
            own = self._smooth(noise, size, weight)
            one, other = (operator.random(generator, weight) for _ in range(2))
            first, second = operator(one), operator(other)
            rounding = np.abs(operator(one + other) - (first + second))
            if not np.isfinite(rounding).all():
                continue
            mine = self._smooth(rounding, np.maximum(np.abs(first), np.abs(second)))
            if operator is self.b:
                self.weights.append(Weights(1.0, weight, own, mine))
            else:
                self.weights.append(Weights(weight, 1.0, mine, own))

    def arguments(self, weights: Weights, generator: np.random.Generator) -> tuple[Array, Array]:
        """Random x and y, weighed."""
        return self.a.random(generator, weights.x), self.b.random(generator, weights.y)

    def pair(self, weights: Weights, x: Array, y: Array) -> Pair:
        """One pair; E adds the rounding of both operators and of both sums in quadrature."""
        left, right = self.a(x) * y.conj(), x * self.b(y).conj()
        if self.over_reals:
            left, right = left.real, right.real
        weight = max(_norm(left), _norm(right))
        error = self._error(weights, x, y, weight)
        return Pair(complex(left.sum()), complex(right.sum()), error, weight, weights, x, y)

    def _error(self, weights: Weights, x: Array, y: Array, weight: float) -> float:
        """E of a pair of arguments, which have the sizes by which the rounding was measured."""
        noise = math.hypot(_norm(weights.a_noise * np.abs(y)), _norm(weights.b_noise * np.abs(x)))
        return noise + self.eps * math.log2(2 + x.size + y.size) * weight

    def with_noise_of(self, pair: Pair, others: list[Pair]) -> list[Pair]:
        """The others, where they share the weights of a pair, with the rounding that multiples of its arguments show.

        Where terms cancel to a few roundings, what the contract saw of these may be small by chance.
        """
        noises, weights = [], pair.weights
        for operator, argument, known, weight in (
            (self.a, pair.x, weights.a_noise, weights.y),
            (self.b, pair.y, weights.b_noise, weights.x),
        ):
            value = operator(argument)
            rounding = rounding_of(operator, [(argument, 1.0, value)], np.abs(value))
            noises.append(np.maximum(known, self._smooth(rounding, np.abs(value), weight)))
        wider = replace(weights, a_noise=noises[0], b_noise=noises[1])
        return [
            replace(p, weights=wider, error=self._error(wider, p.x, p.y, p.weight))
            if p.weights is weights
            else p
            for p in others
        ]

    def entry(self, weights: Weights, x: Array, y: Array, i: int, j: int) -> Mismatch | None:
        """A[i, j] as both operators have it, or None where they agree on it.

        Over the reals a complex entry has parts of its own: the one that differs most.
        """
        parts_x = [1.0, 1j] if self.over_reals and self.a.is_complex else [1.0]
        parts_y = [1.0, 1j] if self.over_reals and self.b.is_complex else [1.0]
        of_x, of_y = np.broadcast_to(weights.x, x.shape), np.broadcast_to(weights.y, y.shape)
        units = [
            (only(of_x * p, j, x.dtype), only(of_y * q, i, y.dtype), p, q) for p in parts_x for q in parts_y
        ]
        shown = [(self.pair(weights, one, other), p, q) for one, other, p, q in units]
        pair, p, q = max(shown, key=lambda s: s[0].distance / s[0].error)
        if pair.distance <= 3.0 * pair.error:
            return None
        size = float(of_x.ravel()[j]) * float(of_y.ravel()[i])
        row, column = ([int(k) for k in np.unravel_index(at, v.shape)] for at, v in ((i, y), (j, x)))
        y_part, x_part = (".imag" if part == 1j else "" for part in (q, p))
        name = f"A[{i}{y_part}, {j}{x_part}]"
        name += "" if x.ndim == y.ndim == 1 else f" (y{row}, x{column})"
        # Of a complex entry the part that differs more.
        apart = pair.right - pair.left
        imaginary = abs(apart.imag) > abs(apart.real)
        analytic, numerical = ((v.imag if imaginary else v.real) / size for v in (pair.right, pair.left))
        name += ".imag" if imaginary else ""
        return Mismatch(name, (i, j), i * x.size + j, analytic, numerical, pair.error / size)


def _misfit(operator: Operator, partner: Operator, answer: Array) -> Finding | None:
    """Why an answer is no argument of the other operator; None for one that is."""
    name = operator.name
    if answer.shape != partner.given.shape or answer.dtype.kind not in "fciub":
        text = f"{name} returns shape {answer.shape} where {partner.argument} has {partner.given.shape}"
        return Finding(text, Outcome.FAIL)
    if answer.dtype.kind == "c" and not partner.is_complex:
        text = f"{name} returns complex numbers where {partner.argument} is real"
        return Finding(f"{text}: return the real part, or pass a complex {partner.argument}", Outcome.FAIL)
    return None


def _not_linear(name: str, off: float) -> Finding:
    """No operator, or one that is solved for and stops early; nothing that is not linear by design is so little off."""
    text = f"A(a + b) is off A a + A b by {off:.1e} of its size"
    if off > EARLY:
        return Finding(f"{name} is not linear: {text}", Outcome.FAIL)
    advice = f"a solver that stops early? let it go on, or pass rtol={10.0 * off:.0e}"
    return Finding(f"{name} is linear only nearly: {text}: {advice}", Outcome.INCONCLUSIVE)


def _rms(values: Array) -> float:
    return root_mean_square(np.abs(values).ravel()) if np.isfinite(values).all() else math.inf


def _norm(values: Array) -> float:
    """The root of the sum of squares; the largest is taken out first, so that none overflows or vanishes."""
    return _rms(values) * math.sqrt(values.size)


def only(values: Array, k: int, dtype: Any = None) -> Array:
    """Zeros but for one entry."""
    out = np.zeros_like(values, dtype)
    out.reshape(-1)[k] = values.reshape(-1)[k]
    return out
