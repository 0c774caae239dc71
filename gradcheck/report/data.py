"""What a check found: a frozen value, as a dictionary and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Self

from gradcheck.parameters.block import Block
from gradcheck.results.cause import Cause
from gradcheck.results.certificate import Certificate
from gradcheck.results.evidence import Evidence
from gradcheck.results.outcome import Outcome
from gradcheck.results.summaries import ArraySummary, Mismatch
from gradcheck.results.undecided import Undecided

if TYPE_CHECKING:
    from gradcheck.report.recipe import Recipe

SCHEMA = "gradcheck-report/2"


@dataclass(frozen=True)
class ReportData:
    """What a Report holds; `Report` says what each field is, and adds the forms that it takes.

    evidence, blocks : the numbers behind it and their arrays, for figures. recipe : the arguments, for `save`. parts :
    the reports that it gathers, by their keys, the worst first. None of these is part of the dictionary, nor of a
    comparison.

    What a check says beside its outcome and its counts is made when it is first read (`when_read`). Defaults are made
    anew for each report: those of a class would hide that a field is not made yet.
    """

    outcome: Outcome
    reason: str
    arrays: tuple[ArraySummary, ...]
    wrong: tuple[Mismatch, ...]
    diagnosis: tuple[str, ...]
    notes: tuple[str, ...]
    method: str
    nfev: int
    ngev: int
    seconds: float
    max_error: float
    detectable: float
    rtol: float
    atol: float
    resolution: float
    seed: Any
    call: str
    certificates: tuple[Certificate, ...] = field(default_factory=tuple)
    interrupted: bool = field(default_factory=bool)
    evidence: Evidence | None = field(default_factory=type(None), repr=False, compare=False)
    blocks: tuple[Block, ...] = field(default_factory=tuple, repr=False, compare=False)
    recipe: Recipe | None = field(default_factory=type(None), repr=False, compare=False)
    parts: tuple[tuple[str, ReportData], ...] = field(default_factory=tuple, repr=False, compare=False)
    causes: tuple[Cause, ...] = field(default_factory=tuple)
    undecided: Undecided | None = field(default_factory=type(None))
    advice: str = field(default_factory=str)
    functions: tuple[str, ...] = field(default_factory=lambda: ("f", "grad"))

    @classmethod
    def when_read(cls, known: Mapping[str, Any], rest: Callable[[], Mapping[str, Any]]) -> Self:
        """A report of which some fields are known, and the others are made when one of them is first read.

        rest : makes them, by name; it is called with nothing and keeps what it needs until then.
        """
        report = cls.__new__(cls)
        vars(report).update(known, _rest=rest)
        return report

    def __getstate__(self) -> dict[str, Any]:
        # A copy, and what is pickled, holds everything.
        self._read()
        return vars(self).copy()

    def _read(self) -> None:
        """Make the fields that were not made yet."""
        own = vars(self)
        rest = own.get("_rest")
        if rest is not None:
            for name, value in rest().items():
                own.setdefault(name, value)  # what was put in since then stays
            # Only now: another thread that reads meanwhile makes them, too.
            own.pop("_rest", None)

    if not TYPE_CHECKING:  # it would let a reader ask for any name

        def __getattr__(self, name: str) -> Any:
            self._read()
            if name in vars(self):
                return vars(self)[name]
            hint = (
                "" if name.startswith("_") else "; bool(report) is whether it passed, or see report.outcome"
            )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    @property
    def certificate(self) -> Certificate | None:
        """The weakest of the arrays' certificates; None where not every array has one."""
        if len(self.certificates) < len(self.arrays):
            return None
        return max(self.certificates, key=lambda c: c.relative_to_rms, default=None)

    @property
    def calls(self) -> dict[str, int]:
        """How often each of the functions was called, by its name."""
        if not self.parts:
            return dict(zip(self.functions, (self.nfev, self.ngev), strict=True))
        # The parts are in the order of what they found.
        return added([dict.fromkeys(self.functions, 0), *(part.calls for _, part in self.parts)])

    def __bool__(self) -> bool:
        return self.outcome is Outcome.PASS

    def to_dict(self) -> dict[str, Any]:
        """Plain values only, by the schema of docs/report.md; nan and inf become None."""
        told = asdict(replace(self, evidence=None, blocks=(), recipe=None, parts=()))
        del told["evidence"], told["blocks"], told["recipe"], told["parts"]
        seed = self.seed if self.seed is None or isinstance(self.seed, int) else repr(self.seed)
        whole = told | {"outcome": self.outcome.value, "seed": seed, "calls": self.calls}
        return {"schema": SCHEMA} | {key: plain(value) for key, value in whole.items()}

    def to_json(self, indent: int | None = 2) -> str:
        """The dictionary as JSON text.

        Parameters
        ----------
        indent
            of its lines; None is one line.
        """
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)


def added(calls: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The calls of several checks, by the names of the functions in the order in which they come."""
    total: Counter[str] = Counter()
    for each in calls:
        total.update(each)
    return dict(total)


def plain(value: Any) -> Any:
    """A value as JSON holds it; nan and inf become None."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, int | str) or value is None:
        return value
    number = float(value)
    return number if abs(number) < float("inf") else None
