"""Two linear operators, and pairs of inner products with the rounding that was measured."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
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


def budget(most: int | None, seconds: float | None, bar: Progress) -> Callable[[], None]:
    """What counts an application of either operator, and raises BudgetSpentError where none is left.

    Time counts once the first of them are made.
    """
    made, end = itertools.count(), math.inf if seconds is None else time.monotonic() + seconds

    def count() -> None:
        before = next(made)
        if (most is not None and before >= most) or (before >= LEAST_BUDGET and time.monotonic() > end):
            raise BudgetSpentError
        bar.evaluated(1)

    return count


class Operator:
    """One of the two functions, on arrays of its own; `given` has the shape and dtype of its argument.

    argument : what that is called. count : is called before each application.
    digits : the name of the dtype that the numbers of its answers show.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        given: Array,
        name: str,
        argument: str,
        count: Callable[[], None],
    ) -> None:
        self.function, self.given, self.name, self.argument = function, given, name, argument
        self.count = count
        self.calls = 0
        self.changed = False
        self.returns = given.dtype
        self.digits = "float64"

    def __call__(self, argument: Array) -> Array:
        """What the function returns, in double precision at least. Raises BudgetSpentError at the end of the budget."""
        self.count()
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
            raise TypeError(f"what {self.name} returned: {error}") from None
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
class Pair:
    """<A x, y> and <x, A^H y>: how far apart, E, and the root of the sum of squares of their terms.

    test : of which it is one.
    """

    left: complex
    right: complex
    error: float
    weight: float
    test: DotProduct
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


@dataclass(frozen=True, eq=False)
class DotProduct:
    """Pairs whose entries are weighed in one way, and the rounding of both operators as it was measured.

    x, y : the weights. a_noise, b_noise : what rounding leaves in A x and A^H y then.
    """

    a: Operator
    b: Operator
    over_reals: bool
    a_noise: Array
    b_noise: Array
    x: Any = 1.0
    y: Any = 1.0

    def arguments(self, generator: np.random.Generator) -> tuple[Array, Array]:
        """Random x and y, weighed."""
        return self.a.random(generator, self.x), self.b.random(generator, self.y)

    def pair(self, x: Array, y: Array) -> Pair:
        """One pair; E adds the rounding of both operators and of both sums in quadrature."""
        left, right = self.a(x) * y.conj(), x * self.b(y).conj()
        if self.over_reals:
            left, right = left.real, right.real
        weight = max(_norm(left), _norm(right))
        error = self._error(x, y, weight)
        return Pair(complex(left.sum()), complex(right.sum()), error, weight, self, x, y)

    def _error(self, x: Array, y: Array, weight: float) -> float:
        """E of a pair of arguments, which have the sizes by which the rounding was measured."""
        noise = math.hypot(_norm(self.a_noise * np.abs(y)), _norm(self.b_noise * np.abs(x)))
        return noise + rounding(self.a, self.b) * math.log2(2 + x.size + y.size) * weight

    def with_noise_of(self, pair: Pair, others: list[Pair]) -> list[Pair]:
        """The others, where they are of this test, with the rounding that multiples of one pair's arguments show.

        Where terms cancel to a few roundings, what the contract saw of these may be small by chance.
        """
        noises, eps = [], rounding(self.a, self.b)
        for operator, argument, known, weight in (
            (self.a, pair.x, self.a_noise, self.y),
            (self.b, pair.y, self.b_noise, self.x),
        ):
            value = operator(argument)
            noise = rounding_of(operator, [(argument, 1.0, value)], np.abs(value))
            noises.append(np.maximum(known, _smooth(noise, np.abs(value), eps, weight)))
        wider = replace(self, a_noise=noises[0], b_noise=noises[1])
        return [
            replace(p, test=wider, error=wider._error(p.x, p.y, p.weight)) if p.test is self else p
            for p in others
        ]

    def entry(self, x: Array, y: Array, i: int, j: int) -> Mismatch | None:
        """A[i, j] as both operators have it, or None where they agree on it.

        Over the reals a complex entry has parts of its own: the one that differs most.
        """
        parts_x = [1.0, 1j] if self.over_reals and self.a.is_complex else [1.0]
        parts_y = [1.0, 1j] if self.over_reals and self.b.is_complex else [1.0]
        of_x, of_y = np.broadcast_to(self.x, x.shape), np.broadcast_to(self.y, y.shape)
        units = [
            (only(of_x * p, j, x.dtype), only(of_y * q, i, y.dtype), p, q) for p in parts_x for q in parts_y
        ]
        shown = [(self.pair(one, other), p, q) for one, other, p, q in units]
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


def rounding(a: Operator, b: Operator) -> float:
    """The unit roundoff of the coarser of the two."""
    return max(eps_of(a.coarsest), eps_of(b.coarsest))


def contract(
    a: Operator, b: Operator, generator: np.random.Generator, rtol: float
) -> tuple[Finding | None, list[DotProduct]]:
    """What is wrong with the functions themselves; and the tests, for which their rounding is measured.

    rtol : what is accepted of a pair.
    """
    noises, sizes = [], []
    over_reals = not (a.is_complex and b.is_complex)
    for operator, partner in ((a, b), (b, a)):
        one, other = operator.random(generator), operator.random(generator)
        # Of opposite signs in each entry, so that a modulus, too, is seen not to be linear.
        other = np.where(one.real * other.real > 0, -other, other)
        first, again, second = operator(one), operator(one), operator(other)
        found = _misfit(operator, partner, first)
        if found is not None:
            return found, []
        both = operator(one + other)
        found = _of_calls(operator, rounding(a, b), rtol, (first, again, second, both))
        if found is not None:
            return found, []
        size = _rms(np.maximum(np.abs(first), np.abs(second)))
        # The sum of the arguments is itself rounded, which A passes on: no more than its own terms round; and what two
        # calls differ by, sums in another order, is rounding too.
        noise = np.maximum(np.abs(both - (first + second)), np.abs(first - again))
        most = max(operator.accepted, rtol) * size
        if float(noise.max()) > most:
            terms = [(one, 1.0, first), (other, 1.0, second), (one + other, 1.0, both)]
            explained = rounding_of(operator, terms, noise)
            if (noise > np.maximum(explained, most)).any():
                return _not_linear(operator.name, float(noise.max()) / size), []
            noise = np.maximum(noise, explained)
        noises.append(noise)
        sizes.append(np.maximum(np.abs(first), np.abs(second)))
        if not over_reals:
            turned = np.abs(operator(1j * one) - 1j * first)
            over_reals = float(turned.max()) > operator.accepted * size
    eps = rounding(a, b)
    plain = DotProduct(
        a, b, over_reals, *(_smooth(*measured, eps) for measured in zip(noises, sizes, strict=True))
    )
    return None, [plain, *_weighed(plain, noises, sizes, generator)]


def _of_calls(
    operator: Operator, eps: float, rtol: float, answers: tuple[Array, Array, Array, Array]
) -> Finding | None:
    """What is wrong with answers to a, to a again, to b and to a + b; notes the digits that these show."""
    first, again, second, both = answers
    name = operator.name
    if not all(np.isfinite(v).all() for v in (first, second, both)):
        return Finding(f"{name} returns nan or inf", Outcome.FAIL)
    if operator.changed:
        return Finding(f"{name} changes its argument", Outcome.FAIL)
    operator.digits = dtype_by_digits(np.stack([first.real, first.imag]), "float64")
    size = _rms(np.maximum(np.abs(first), np.abs(second)))
    if float(np.abs(first - again).max()) > max(ORDER * eps, REORDERED * SINGLE, rtol) * size:
        return Finding(f"{name} differs between two calls with the same argument", Outcome.FAIL)
    return None


def _smooth(noise: Array, size: Array, eps: float, weight: Any = 1.0) -> Array:
    """The noise of each entry: no less than is typical, nor than rounding of the typical entry, as they weigh."""
    noise, size = noise * weight, size * weight
    least = max(_rms(noise), eps * _rms(size), float(np.finfo(size.dtype).smallest_subnormal))
    return np.asarray(np.maximum(np.maximum(noise, least), eps * size) / weight)


def _weighed(
    plain: DotProduct, noises: list[Array], sizes: list[Array], generator: np.random.Generator
) -> Iterator[DotProduct]:
    """Tests with other weights for y where rows differ much in size, and for x where columns do."""
    (a_noise, b_noise), (rows, columns), eps = noises, sizes, rounding(plain.a, plain.b)
    for size, noise, operator in ((rows, a_noise, plain.b), (columns, b_noise, plain.a)):
        # Of what rounding hides, or is nothing, the size is not known: it is weighed as the others are.
        known = (size > 0) & (noise <= HIDDEN * operator.accepted * size)
        if not known.any() or size[known].max() <= SPREAD * size[known].min():
            continue
        # Around 1, and within half of the exponents of the operator's dtype.
        most = math.sqrt(float(np.finfo(operator.given.dtype).max))
        usual = float(np.median(size[known]))
        weight = np.where(known, np.clip(usual / np.where(known, size, usual), 1.0 / most, most), 1.0)
        own = _smooth(noise, size, eps, weight)
        one, other = (operator.random(generator, weight) for _ in range(2))
        first, second = operator(one), operator(other)
        left = np.abs(operator(one + other) - (first + second))
        if not np.isfinite(left).all():
            continue
        mine = _smooth(left, np.maximum(np.abs(first), np.abs(second)), eps)
        if operator is plain.b:
            yield replace(plain, a_noise=own, b_noise=mine, y=weight)
        else:
            yield replace(plain, a_noise=mine, b_noise=own, x=weight)


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
