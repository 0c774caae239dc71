"""What any product with a Jacobian must hold: linear in its argument, wherever that lies in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat
from gradcheck.function.contract import changed
from gradcheck.function.matrix import Matrix
from gradcheck.function.objective import NotScalarError
from gradcheck.numerics.tangents import opposed, root_mean_square
from gradcheck.parameters.leaves import DOUBLE, eps_of
from gradcheck.parameters.tree import Parameters
from gradcheck.report.recipe import Recipe
from gradcheck.results.finding import Finding
from gradcheck.results.outcome import Outcome
from gradcheck.results.verdict import DEFAULT_RTOL
from gradcheck.results.words import error_text

# Where the same numbers may lie: as transpose() leaves them (as every second of a row, for one axis), and all in one
# place, as broadcasting (expand) makes them, which is what the backward pass of a sum hands on.
LAYOUTS = ("transposed", "expanded")
# What it means that a cotangent is not used.
NOT_USED = "the incoming gradient is not multiplied in"

# So many times as large as one argument is the other: what cuts off at a size shows. No more, as products that are
# differences of a function have a step for what is about 1.
LARGE = 16.0

# An array of which the answers are so many roundings of another's, and what they move f by, holds rounding alone.
NOTHING = 64.0
# Multiples of an argument round otherwise than it does; over a power of two those do that hardly change beside one
# argument, too: 1 - 2^-25 times u is u or the number below it, by the leading digits of u alone.
MULTIPLES = tuple(1.0 + k / 16.0 for k in range(1, 16, 2))
# By these nothing rounds otherwise: what is off is no rounding where a product differs there by this part of it.
EXACT, PART = (2.0, -1.0), 1.0 / 16.0
# Twice the largest rounding that multiples show: they are few.
SURE = 2.0

# An argument of a product, its weight in a sum, and the product of it.
Term = tuple[Any, float, NDArray[Any]]


def told(space: Parameters, x: Parameters, flat: Flat, size: Flat, dtype: str) -> dict[str, slice]:
    """The arrays that hold more than rounding where answers have this size; a bias before a mean holds none.

    space : of the answers, which in that of x count by what they move f by. dtype : in which they round. One array
    alone needs no name.
    """
    parts = {b.name if len(space.blocks) > 1 else "": b.slice for b in space.blocks}
    with np.errstate(all="ignore"):
        moved = np.nan_to_num(size * units_of(space, x, flat))
    effects = {name: root_mean_square(moved[part]) for name, part in parts.items() if moved[part].size}
    least = NOTHING * float(np.finfo(dtype).eps) * max(effects.values(), default=0.0)
    return {name: parts[name] for name, effect in effects.items() if effect >= least}


def units_of(space: Parameters, x: Parameters, flat: Flat) -> Any:
    """What an entry of this space counts as: the scale of a coordinate of x; 1 of an output."""
    return x.scales(flat) if space is x else 1.0


def accepted_of(dtype: str, rtol: float | None) -> float:
    """What products may be off by, relative to their terms: what is accepted of a derivative, and rounding."""
    usual = DEFAULT_RTOL.get(dtype, DEFAULT_RTOL["float64"])
    return usual if rtol is None else max(rtol, usual)


@dataclass
class UserProduct:
    """J v, or J^T u, as a user's function gives it; remembers what it did to x and to v or u.

    what, argument : what the function, and v or u, are called, the latter `tangent` or `cotangent`. space : the
    structure of v or u. answers : that of the product. dtype : the coarsest of any of them.
    """

    function: Callable[..., Any]
    recipe: Recipe
    space: Parameters
    answers: Parameters
    rtol: float | None
    what: str
    argument: str
    dtype: np.dtype[Any] = DOUBLE
    changes: str = ""
    overwrites: bool = False
    calls: int = 0

    def product(self, argument: Flat) -> Flat:
        """The product, flat. Raises NotScalarError where the answer has another structure."""
        return self.at(self.space.unflatten(np.array(argument, self.space.dtype).ravel()))

    def at(self, argument: Any) -> Flat:
        """The same for v or u as the function gets it, wherever that lies in memory."""
        self.calls += 1
        given, kept = self.recipe.x, self.space.flatten(argument)
        result = self.function(given, argument, *self.recipe.args)
        self.changes = self.changes or changed(self.recipe.parameters, given, self.recipe.flat)
        self.overwrites |= bool(changed(self.space, argument, kept))
        try:
            flat = self.argument == "tangent" and self.answers.is_array  # as scipy.optimize has it
            if flat and getattr(result, "shape", None) == (self.answers.size,):
                result = np.reshape(result, self.answers.blocks[0].shape)
            answer, arrays = self.answers.flatten(result, self.what), self.answers.arrays(result)
        except (ValueError, TypeError) as error:
            raise NotScalarError(str(error)) from None
        dtypes = [self.dtype, *(array.dtype for array in arrays), *(b.real_dtype for b in self.space.blocks)]
        self.dtype = max((dtype for dtype in dtypes if dtype.kind == "f"), key=eps_of)
        return answer

    def findings(self, _: Matrix, dtype: str) -> list[Finding]:
        """What it does to its arguments, and whether it is linear; dtype : in which its matrix was computed."""
        # In sixty-fourths, so that 2 a + b is exact in any dtype.
        units = units_of(self.space, self.recipe.parameters, self.recipe.flat)
        one, other = (
            units * np.round(64.0 * part) / 64.0
            for part in opposed(np.random.default_rng(1), self.space.size)
        )
        dtype = max((dtype, str(self.dtype)), key=eps_of)
        rtol = accepted_of(dtype, self.rtol)
        found = [Finding(f"{self.what} changes x: {self.changes}", Outcome.FAIL)] if self.changes else []
        try:
            a, b = self.product(one), self.product(LARGE * other)
            size = np.abs(2.0 * a) + np.abs(b)
            parts = told(self.answers, self.recipe.parameters, self.recipe.flat, size, dtype)
            text = self._not_linear(one, LARGE * other, a, b, rtol, parts)
        except NotScalarError as error:  # of another shape than before
            text = str(error)
        found += [Finding(text, Outcome.FAIL)] if text else []
        if self.overwrites:
            more = "a caller that needs it again sees it changed"
            found.append(Finding(f"{self.what} writes into its {self.argument}: {more}"))
        elif self.argument == "cotangent" and not found:
            found += other_layouts(self.at, np.asarray(self.space.unflatten(one)), rtol=rtol, parts=parts)
        return found

    def _not_linear(
        self, one: Flat, other: Flat, a: Flat, b: Flat, rtol: float, parts: Mapping[str, slice]
    ) -> str:
        """In what it is not, by the products a and b of one and other, that of 2 one + other, and of 0."""
        product, what, argument = self.product, self.what, self.argument
        both, size = product(2.0 * one + other), np.abs(2.0 * a) + np.abs(b)
        off = first_off(both, 2.0 * a + b, size, rtol, parts)
        if off is not None and first_off(product(one), a, np.abs(a), rtol, parts) is not None:
            off = None  # it differs from call to call, which is said elsewhere
        if off is not None:
            terms = [(one, 2.0, a), (other, 1.0, b), (2.0 * one + other, 1.0, both)]
            slack = rounding_of(product, terms, np.abs(both - (2.0 * a + b)))
            off = first_off(both, 2.0 * a + b, size, rtol, parts, slack)
        if off is not None:
            name, k = off
            at, mine = f" for {name}" if name else "", {name: parts[name]}
            if first_off(both, a, size, rtol, mine) is None and first_off(b, a, size, rtol, mine) is None:
                text = f"{what} does not use its {argument}{at}: it returns the same for different ones"
                return f"{text}; {NOT_USED}" if argument == "cotangent" else text
            said = f"entry {k} of the product of 2 a + b is {both[k]:.8g}, not {2.0 * a[k] + b[k]:.8g}"
            return f"{what} is not linear in its {argument}{at}: {said}"
        try:
            with np.errstate(all="ignore"):
                none = product(np.zeros_like(one))
        except Exception as error:
            return f"{what} raises for a {argument} of zeros: {error_text(error)}"
        off = first_off(none, np.zeros_like(a), size, rtol, parts)
        if off is None:
            return ""
        return f"{what} of a {argument} of zeros is not zero: entry {off[1]} is {none[off[1]]:.8g}"


def not_scaled(
    one: Flat, scaled: Flat, factor: float, *, rtol: float, parts: Mapping[str, slice]
) -> list[Finding]:
    """Whether the backward pass of a function of one output scales with the gradient that comes in.

    one, scaled : what it returns for 1 and for `factor`. parts : the arrays that are compared, see `told`.
    """
    off = first_off(scaled, factor * one, np.abs(factor * one), rtol, parts)
    if off is None:
        return []
    name, k = off
    at = f" for {name}" if name else ""
    if first_off(scaled, one, np.abs(one), rtol, {name: parts[name]}) is None:
        text = f"the backward pass does not use its cotangent{at}: {NOT_USED}"
        return [Finding(text, Outcome.FAIL)]
    said = f"entry {k} is {one[k]:.8g} for 1 and {scaled[k]:.8g} for {factor:g}"
    return [Finding(f"the backward pass is not linear in its cotangent{at}: {said}", Outcome.FAIL)]


def other_layouts(
    product: Callable[[NDArray[Any]], Flat],
    cotangent: NDArray[Any],
    *,
    rtol: float,
    parts: Mapping[str, slice],
) -> list[Finding]:
    """Whether a vjp gives the same wherever the numbers of its cotangent lie in memory.

    product : of a cotangent as it lies. parts : the arrays that are compared, see `told`.
    """
    for layout in LAYOUTS:
        given = laid_out(cotangent, layout)
        if given.strides == np.ascontiguousarray(given).strides:
            continue  # one entry, or one row
        plain = np.array(given, order="C")
        expected = product(plain)
        try:
            result = product(given)
        except Exception as error:
            said = error_text(error)
            return [Finding(f"vjp raises for a cotangent that is {layout} in memory: {said}", Outcome.FAIL)]
        off = first_off(result, expected, np.abs(expected), rtol, parts)
        if off is not None:
            # A softmax of equal cotangents is 0 but for rounding: others, no two alike, tell how large the terms are.
            weights = np.random.default_rng(0).uniform(-1.5, 1.5, given.shape)
            size = np.abs(expected) + np.abs(product((weights * given).astype(given.dtype)))
            slack = rounding_of(product, [(plain, 1.0, expected)], np.abs(result - expected))
            off = first_off(result, expected, size, rtol, parts, slack)
        if off is None:
            continue
        k = off[1]
        if first_off(product(plain.copy()), expected, np.abs(expected), rtol, parts) is not None:
            return []  # it differs from call to call, which is said elsewhere
        text = f"vjp reads its cotangent with other strides than it has: for one that is {layout} in memory"
        return [Finding(f"{text} entry {k} is {result[k]:.8g}, not {expected[k]:.8g}", Outcome.FAIL)]
    return []


def laid_out(values: NDArray[Any], layout: str) -> NDArray[Any]:
    """A copy that lies in memory as `layout` says; for "expanded" of the first of its numbers."""
    if layout == "expanded":
        return np.lib.stride_tricks.as_strided(values.ravel()[:1].copy(), values.shape, (0,) * values.ndim)
    if values.ndim == 1:
        out = np.zeros(2 * values.size, values.dtype)[::2]
        out[...] = values
        return out
    return np.array(values, order="F")


def rounding_of(
    product: Callable[[Any], NDArray[Any]], terms: Sequence[Term], apart: NDArray[Any]
) -> NDArray[Any]:
    """What roundings inside a product may leave in a sum of its answers: twice what multiples of its arguments show.

    However little of the result they leave: where p is nearly 1, p (u - p u) has few digits of the u that cancels.
    terms : (argument, weight in the sum, product of it). apart : what the sum is off by; where exact multiples differ
    as well it is no rounding, and 0 is returned.
    """
    rounding, uneven = np.zeros(apart.shape), np.zeros(apart.shape)
    with np.errstate(all="ignore"):
        for argument, weight, value in terms:
            at = {c: weight * np.abs(product(c * argument) / c - value) for c in (1.0, *EXACT, *MULTIPLES)}
            rounding += np.max([at[c] for c in MULTIPLES], axis=0)
            # Sums whose order depends on threads round otherwise in a second call as well.
            uneven = np.maximum(uneven, np.max([at[c] for c in EXACT], axis=0) - SURE * at[1.0])
        return np.where(uneven <= PART * apart, SURE * rounding, 0.0)


def rounding_of_pair(
    forward: Callable[[Any], NDArray[Any]], backward: Callable[[Any], NDArray[Any]], x: Flat, y: Flat
) -> float:
    """How far apart roundings inside two products may leave y.(A x) and x.(A' y): three times what multiples show."""
    parts = []
    for product, argument, other in ((forward, x, y), (backward, y, x)):
        value = product(argument)
        parts.append(other * rounding_of(product, [(argument, 1.0, value)], np.abs(value)))
    terms = np.concatenate(parts)
    return 3.0 * root_mean_square(terms) * math.sqrt(terms.size)


def first_off(
    value: Flat, expected: Flat, size: Flat, rtol: float, parts: Mapping[str, slice], slack: Any = 0.0
) -> tuple[str, int] | None:
    """The array and the entry that is off by most, relative to its size or the root mean square of its array's.

    What differs by less than the smallest normal number does not count: below it values lose digits. slack : nor does
    so much of each entry.
    """
    smallest = float(np.finfo(np.result_type(value, np.float16)).tiny)
    worst: tuple[float, str, int] = (1.0, "", -1)
    spare = np.broadcast_to(np.nan_to_num(slack), value.shape)
    for name, part in parts.items():
        with np.errstate(all="ignore"):
            usual = root_mean_square(np.nan_to_num(size[part]))
            apart = np.abs(value[part] - expected[part])
            apart = np.where(apart > spare[part], apart - spare[part], 0.0 * apart)
            excess = np.where(apart < smallest, 0.0, apart / (rtol * np.maximum(size[part], usual)))
        excess = np.nan_to_num(excess, nan=np.inf)
        k = int(np.argmax(excess))
        if excess[k] > worst[0]:
            worst = (float(excess[k]), name, (part.start or 0) + k)
    return None if worst[2] < 0 else (worst[1], worst[2])
