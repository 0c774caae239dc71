"""The power of a check: which mistakes it would have caught, by planting them.

Not called `power`: importing it would put the module where the package has the function.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Unpack

import numpy as np

from gradcheck._typing import Flat
from gradcheck.checks.gradient import check_gradient
from gradcheck.checks.hessian import gradient_alone
from gradcheck.driver.options import GivenToGradients, told, with_options_of
from gradcheck.errors import GradientCheckInterrupted, GradientError
from gradcheck.function.contract import check_callables
from gradcheck.mutations import Mutation, standard_mutations
from gradcheck.numerics.tangents import root_mean_square
from gradcheck.parameters.tree import Parameters
from gradcheck.report.data import plain
from gradcheck.report.report import Report
from gradcheck.results.outcome import Outcome
from gradcheck.results.words import columns, count, error_text, number

SCHEMA = "gradcheck-power/1"
CAUGHT, INCONCLUSIVE, MISSED = "caught", "inconclusive", "missed"
ACCEPTED, NOT_APPLICABLE = "accepted", "not applicable"
RESULTS = {Outcome.FAIL: CAUGHT, Outcome.INCONCLUSIVE: INCONCLUSIVE, Outcome.PASS: MISSED}
# As a person reads the table: what is wrong with the check first.
ORDER = (MISSED, INCONCLUSIVE, ACCEPTED, CAUGHT)


@dataclass(frozen=True)
class Planted:
    """One planted mistake, and what the check said of it.

    Attributes
    ----------
    result
        "caught" (FAIL); "inconclusive" (no pass either); "missed" (PASS); "accepted" (PASS, and the mistake
        is within rtol and atol in every entry); "not applicable" (it changes nothing in this gradient).
    size
        of its largest change of an entry, relative to that entry or to its array's root mean square where
        that is larger; inf where the array is zero or the entry is no longer finite, nan if not applicable.
    detectable
        what the report on the gradient as given states for that array, in the same unit.
    reason
        the first line of the check, or why the mistake does not apply.
    """

    name: str
    result: str
    size: float
    detectable: float
    reason: str

    @property
    def times_detectable(self) -> float:
        """The size in units of what is detectable: above 1, a mistake of one entry is promised to be seen."""
        return self.size / self.detectable if self.detectable > 0 else math.nan


@dataclass(frozen=True)
class Power:
    """What a check is worth: its report on the gradient as given, and on each planted mistake.

    True where at least one mistake was caught and none was missed. nfev : evaluations of f in all. interrupted : the
    user ended it, and further mistakes were not planted; then it is not True.
    """

    report: Report
    planted: tuple[Planted, ...]
    nfev: int
    interrupted: bool = False

    @property
    def missed(self) -> list[Planted]:
        """The mistakes that passed although they exceed the accepted tolerance, largest first."""
        return sorted((p for p in self.planted if p.result == MISSED), key=lambda p: -p.size)

    def __bool__(self) -> bool:
        return not (self.missed or self.interrupted) and any(p.result == CAUGHT for p in self.planted)

    def __str__(self) -> str:
        return "\n".join([_summary(self), *_table(self.planted), *_footer(self)])

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold; nan and inf become None. `report` is `Report.to_dict`."""
        return {
            "schema": SCHEMA,
            "power": bool(self),
            "interrupted": self.interrupted,
            "planted": [plain(asdict(p)) for p in self.planted],
            "nfev": self.nfev,
            "report": self.report.to_dict(),
        }


@told
@with_options_of(check_gradient)
def power(
    f: Callable[..., Any],
    grad: Any,
    x: Any,
    mutations: Sequence[Mutation] | None = None,
    **options: Unpack[GivenToGradients],
) -> Power:
    """Would `check_gradient(f, grad, x, **options)` have caught a sign flip, a factor 1.001, a zeroed entry?

    Each mutation is planted into the gradient at x, and the result judged by the same check.

    The values of f are used again where one is asked for twice: twenty mistakes cost as much as a few checks.
    Raises GradientError where the gradient as given is FAIL: nothing can be planted into what is wrong already; and
    GradientCheckInterrupted, whose `report` is the Power as far as it was known, for KeyboardInterrupt.

    Parameters
    ----------
    f, grad, x, options
        as for `check_gradient`; max_nfev holds for each check.
    mutations
        default `standard_mutations`, with the gradient at another point where grad is a callable. The entries that
        they hit are drawn from rng, too; a Generator is copied.
    """
    _validate(f, mutations)
    asked: dict[str, Any] = {**options}
    rng = asked.pop("rng", 0)
    parameters, flat = Parameters.of(x)
    memory = _Memory(f, parameters, has_gradient=grad is True)
    seed = int(np.random.default_rng().integers(2**62)) if rng is None else rng

    def check(f: Callable[..., Any], grad: Any) -> Report:
        # A Generator would give each check other directions: a copy starts each where the first one did.
        return check_gradient(f, grad, x, rng=copy.deepcopy(seed), **asked)

    try:
        report = check(memory.first, grad)
    except GradientCheckInterrupted as stop:
        raise GradientCheckInterrupted(Power(stop.report, (), memory.nfev, interrupted=True)) from None
    if report.outcome is Outcome.FAIL:
        raise GradientError(report)
    alone = gradient_alone(f, grad, parameters)

    def gradient_of(point: Any) -> Any:
        return alone(point, *asked.get("args", ()))

    is_callable = grad is True or callable(grad)
    given = gradient_of(parameters.unflatten(flat.copy())) if is_callable else grad
    if mutations is None:
        mutations = standard_mutations(gradient_of if is_callable else None)
    right, before = copy.deepcopy(given), _arrays(parameters, given)
    seeds = np.random.default_rng(copy.deepcopy(seed)).integers(2**62, size=len(mutations))
    planted: list[Planted] = []
    try:
        for mutation, s in zip(mutations, seeds, strict=True):
            at, generator = parameters.unflatten(flat.copy()), np.random.default_rng(s)
            wrong, why = _mutated(mutation, right, at, generator)
            if wrong is None:
                found = Planted(mutation.name, NOT_APPLICABLE, math.nan, math.nan, why)
            else:
                after, judged = _arrays(parameters, wrong), check(memory.recall, wrong)
                found = _judged(mutation.name, report, judged, before, after)
            planted.append(found)
    except KeyboardInterrupt:  # the report of one that is interrupted is on a mistake: nobody should read it
        raise GradientCheckInterrupted(Power(report, tuple(planted), memory.nfev, interrupted=True)) from None
    return Power(report, tuple(planted), memory.nfev)


def _validate(f: Any, mutations: Any) -> None:
    check_callables(f=f)
    if mutations is None:
        return
    if not isinstance(mutations, Sequence) or not all(isinstance(m, Mutation) for m in mutations):
        raise TypeError(f"mutations must be a sequence of Mutation objects, not {mutations!r}")
    if not mutations:
        raise ValueError("mutations is empty: nothing would be planted")


class _Memory:
    """f, whose values at the points of the first check are remembered by a digest of the point."""

    def __init__(self, f: Callable[..., Any], parameters: Parameters, *, has_gradient: bool) -> None:
        self._f, self._parameters, self._has_gradient = f, parameters, has_gradient
        self._values: dict[bytes, Any] = {}
        self.nfev = 0

    def first(self, x: Any, *args: Any) -> Any:
        """What f returns; it is called in any case, for the check looks whether it repeats itself."""
        key = self._digest(x)
        self.nfev += 1
        result = self._f(x, *args)
        if not self._has_gradient:
            self._values[key] = result
        elif isinstance(result, tuple | list):  # what is no pair the check tells
            self._values[key] = result[0]
        return result

    def recall(self, x: Any, *args: Any) -> Any:
        """The value of f, from memory where it is known."""
        key = self._digest(x)
        if key not in self._values:
            self.first(x, *args)
        return self._values[key]

    def _digest(self, x: Any) -> bytes:
        digest = hashlib.blake2b(digest_size=16)
        for array in self._parameters.arrays(x, "x"):
            digest.update(repr(array.shape).encode())
            digest.update(array.tobytes())
        return digest.digest()


def _mutated(mutation: Mutation, given: Any, x: Any, generator: np.random.Generator) -> tuple[Any, str]:
    """The gradient with a mistake in it, or None and why there is none."""
    try:
        return mutation.apply(given, x, generator), "it changes nothing in this gradient"
    except Exception as error:  # the gradient at another point, where there may be none
        return None, error_text(error)


def _arrays(parameters: Parameters, tree: Any) -> dict[str, Flat]:
    """The arrays of a gradient, flat, by their names."""
    values = parameters.flatten(tree)
    return {block.name: values[block.slice] for block in parameters.blocks}


def _judged(
    name: str, given: Report, wrong: Report, before: dict[str, Flat], after: dict[str, Flat]
) -> Planted:
    """What the check said of a mistake; before, after : the arrays of the gradient. given, wrong : their reports."""
    changes = {
        array: after[array] - before[array] for array in before if (after[array] != before[array]).any()
    }
    accepted = all(
        (
            np.abs(change)
            <= given.rtol * np.maximum(np.abs(before[array]), np.abs(after[array])) + given.atol
        ).all()
        for array, change in changes.items()
    )
    result = RESULTS[wrong.outcome]
    if result == MISSED and accepted:
        result = ACCEPTED
    # Without an array where nothing could be measured: nothing is detectable.
    detectable = {array.name: array.detectable for array in given.arrays}
    sizes = [
        (_relative(change, before[name]), detectable.get(name, math.inf)) for name, change in changes.items()
    ]
    # Of the array where it stands out most.
    size, seen = max(sizes, key=lambda pair: (pair[0] / pair[1] if pair[1] > 0 else 0.0, pair[0]))
    return Planted(name, result, size, seen, wrong.reason)


def _relative(change: Flat, old: Flat) -> float:
    if not np.isfinite(change).all():
        return math.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = np.abs(change) / np.maximum(np.abs(old), root_mean_square(old))
    return float(np.max(np.where(change == 0, 0.0, sizes)))


def _summary(result: Power) -> str:
    counts = Counter(p.result for p in result.planted)
    tried = len(result.planted) - counts[NOT_APPLICABLE]
    ended = "interrupted after " if result.interrupted else ""
    first = f"{ended}{tried} planted mistake{'' if tried == 1 else 's'}: {counts[CAUGHT]} caught"
    for kind, words in (
        (MISSED, "missed"),
        (INCONCLUSIVE, "inconclusive"),
        (ACCEPTED, "within the tolerance"),
    ):
        if counts[kind]:
            first += f", {counts[kind]} {words}"
    return first


def _table(planted: Sequence[Planted]) -> list[str]:
    shown = sorted((p for p in planted if p.result != NOT_APPLICABLE), key=lambda p: ORDER.index(p.result))
    rows = [("mistake", "result", "size", "detectable", "size / detectable")]
    rows += [
        (p.name, p.result, number(p.size, 2), number(p.detectable, 2), number(p.times_detectable, 2))
        for p in shown
    ]
    return [f"  {line}" for line in columns(rows, left=2)]


def _footer(result: Power) -> list[str]:
    idle = [p.name for p in result.planted if p.result == NOT_APPLICABLE]
    lines = [f"  not applicable: {', '.join(idle)}"] if idle else []
    report = result.report
    lines.append(f"  the gradient as given: {report.outcome.value}  {report.reason}")
    return [*lines, f"  {count(result.nfev, 'evaluation')} of f in all"]
