"""What a run of a case tells: a row for each comparison, and all of it as plain values and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.cases.case import REFUSES
from gradcheck.report.report import Report
from gradcheck.results.outcome import Outcome, overall


@dataclass(frozen=True)
class Row:
    """One comparison, or what became of a planted mistake.

    Attributes
    ----------
    case, section : str
        Of which case, by the name of its file.
    quantity, reference : str
        What was compared with what; of a planted mistake "refuses: " and its name.
    measured, expected : number, list or None
        Numbers or nested lists; of an array with more than a dozen entries the worst entry, whose place is `index` in
        an array of shape `shape`. None where there is no value.
    difference, tolerance : float or None
        Of the worst entry, in its unit: how far it is off, and how far it may be. None where nothing could be compared.
    reason : str
        Why the tolerance is what it is; of a planted mistake that is refused, by which references and how.
    outcome : Outcome
        PASS, FAIL or INCONCLUSIVE.
    problem : str
        What went wrong (empty on PASS).
    shape : tuple of int
        Of what was measured.
    index : tuple of int or None
        Of the worst entry; () for a scalar, None where nothing could be compared.
    kind : {"close", "at_least", "at_most"}
        Of the reference.
    """

    case: str
    section: str
    quantity: str
    reference: str
    measured: Any
    expected: Any
    difference: float | None
    tolerance: float | None
    reason: str
    outcome: Outcome
    problem: str = ""
    shape: tuple[int, ...] = ()
    index: tuple[int, ...] | None = None
    kind: str = "close"

    @property
    def is_mistake(self) -> bool:
        """Whether it tells what became of a planted mistake."""
        return self.reference.startswith(REFUSES)

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain values that JSON can hold; infinities and NaN become words.

        Returns
        -------
        dict
            By the names of the fields.
        """
        return {name: _plain(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class CaseResult:
    """All rows of one case, how long they took, which data they used, and which figures were written.

    Attributes
    ----------
    name : str
        That of the file, without .py.
    path : Path
        The file.
    section, title : str
        As in the case.
    rows : tuple of Row
        In the order of `Case.row_names`; a figure that could not be drawn has one as well.
    seconds : float
        Wall time.
    sources : tuple of str
        In words, where the data came from.
    notes : tuple of str
        What else there is to say: a case without planted mistakes.
    figures : tuple of Path
        The files that were written.
    reports : tuple of (str, Report)
        The Reports that its functions returned, planted mistakes among them, each with a name.
    complete : bool
        Whether the case ran to its end; False if it was interrupted.
    claim, wrong : str
        What the source says, and what is wrong in it.
    """

    name: str
    path: Path
    section: str
    title: str
    rows: tuple[Row, ...]
    seconds: float
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    figures: tuple[Path, ...] = ()
    reports: tuple[tuple[str, Report], ...] = ()
    complete: bool = True
    claim: str = ""
    wrong: str = ""

    @property
    def outcome(self) -> Outcome:
        """FAIL if any row fails, else INCONCLUSIVE if any is (or if there is no row), else PASS."""
        return overall(row.outcome for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return what the run gave as plain values that JSON can hold, without the rows, the reports, claim and wrong.

        Returns
        -------
        dict
            name, path, section, title, seconds, sources, notes, figures, outcome and complete.
        """
        names = ("name", "path", "section", "title", "seconds", "sources", "notes", "figures")
        plain = {name: _plain(getattr(self, name)) for name in names}
        return plain | {"outcome": self.outcome.value, "complete": self.complete}


class CaseInterrupted(KeyboardInterrupt):
    """Raised when a run is interrupted.

    Parameters
    ----------
    result : CaseResult
        The rows done so far; kept as the attribute of this name.
    """

    def __init__(self, result: CaseResult) -> None:
        super().__init__(f"interrupted in case {result.name}")
        self.result = result


def _plain(value: Any) -> Any:
    """Turn a value into what JSON can hold."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Outcome):
        return value.value
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else str(value)
    return str(value)


def case_results(events: list[dict[str, Any]]) -> list[CaseResult]:
    """The results of the cases whose rows were told, with these rows, in the order in which they came."""
    cases = {event["case"]["path"]: event["case"] for event in events}
    results = []
    for path, case in cases.items():
        rows = [_row_of(**event["row"]) for event in events if event["case"]["path"] == path]
        told: dict[str, Any] = {
            name: case[name] for name in ("name", "section", "title", "seconds", "complete")
        }
        told |= {name: tuple(case[name]) for name in ("sources", "notes")}
        results.append(CaseResult(path=Path(path), rows=tuple(rows), **told))
    return results


def _row_of(*, outcome: str, shape: list[int], index: list[int] | None, **told: Any) -> Row:
    place = None if index is None else tuple(index)
    return Row(outcome=Outcome(outcome), shape=tuple(shape), index=place, **told)
