"""What a check found: a frozen value, with its form as a dictionary and as JSON."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradcheck.directions import Certificate
from gradcheck.measurements import Measurements
from gradcheck.verdict import Outcome
from gradcheck.wording import report_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gradcheck.recipe import Recipe

__all__ = ["ArraySummary", "Mismatch", "Report"]

SCHEMA = "gradcheck-report/1"


@dataclass(frozen=True)
class Mismatch:
    """One wrong entry of the gradient.

    name : as a person would write it, `params["W1"][571, 40]`. index : inside its array.
    flat_index : in the flat vector of all parameters. error_bar : E of the numerical value.
    """

    name: str
    index: tuple[int, ...]
    flat_index: int
    analytic: float
    numerical: float
    error_bar: float


@dataclass(frozen=True)
class ArraySummary:
    """One parameter array in a report; nan where nothing was measured.

    checked : entries judged one by one, or all where directions tested them together.
    max_error : largest |analytic - numerical|. error_bar : largest E. Both in units of f per x.
    detectable : the smallest relative mistake of one entry that would have been seen, in the largest of the
        entry's own size and the array's root mean square.
    """

    name: str
    shape: tuple[int, ...]
    checked: int
    wrong: int
    inconclusive: int
    max_error: float
    error_bar: float
    detectable: float


@dataclass(frozen=True)
class Report:
    """The outcome of a check, with its evidence; true in a boolean context for PASS alone.

    outcome, reason : the decision and why. nfev, ngev : all evaluations of f and of grad. seconds : wall time.
    max_error : the largest relative disagreement, in the unit of `detectable`. detectable : see ArraySummary,
    the worst of all arrays. wrong : worst first. diagnosis : best fit first. seed : what repeats it.
    call : the call that repeats it. certificates : what random directions prove, one an array that they passed;
    all hold together at their confidence. interrupted : ended early by the user, or by max_nfev.
    evidence : the numbers behind it, for figures; recipe : the arguments, for `save`. Neither is part of the
    dictionary nor of a comparison.
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
    certificates: tuple[Certificate, ...] = ()
    interrupted: bool = False
    evidence: Measurements | None = field(default=None, repr=False, compare=False)
    recipe: Recipe | None = field(default=None, repr=False, compare=False)

    @property
    def certificate(self) -> Certificate | None:
        """The weakest of the arrays' certificates; None where not every array has one."""
        if len(self.certificates) < len(self.arrays):
            return None
        return max(self.certificates, key=lambda c: c.relative_to_rms, default=None)

    def __bool__(self) -> bool:
        return self.outcome is Outcome.PASS

    def __str__(self) -> str:
        return report_text(self)

    def _repr_html_(self) -> str:
        """The report for a notebook."""
        from gradcheck.html import snippet

        return snippet(self)

    def plot(self, ax: Axes | None = None) -> Figure:
        """A matplotlib Figure of what was measured; with `ax` one panel of it, drawn there.

        Raises ValueError where nothing was measured.
        """
        from gradcheck.plots import plot

        return plot(self, ax)

    def to_dict(self) -> dict[str, Any]:
        """Plain values only, by the schema of docs/report.md; nan and inf become None."""
        told = asdict(replace(self, evidence=None, recipe=None))
        del told["evidence"], told["recipe"]
        plain = told | {"outcome": self.outcome.value, "seed": _seed_value(self.seed)}
        return {"schema": SCHEMA} | {key: _plain(value) for key, value in plain.items()}

    def to_json(self, indent: int | None = 2) -> str:
        """The dictionary as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write what repeats the check to `path` (.json) and the .npz beside it; `gradcheck replay` reads it."""
        from gradcheck.replay import save

        return save(self, path)


def _seed_value(seed: Any) -> Any:
    return seed if seed is None or isinstance(seed, int) else repr(seed)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, bool | str) or value is None:
        return value
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, int):
        return value
    number = float(value)
    return number if abs(number) < float("inf") else None
