"""Run cases: the same rows on the command line, in pytest and in a script.

The parts of a case (`gradcheck.cases.case`) and `discover` (`gradcheck.cases.discovery`) are imported from here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.cases.case import REFUSES, Case, Context, Figure, Mistake, Quantity, Reference
from gradcheck.cases.comparison import Comparison, as_numbers, compare
from gradcheck.cases.discovery import LoadedCase, discover, on_import_path, what_and_where
from gradcheck.errors import DataError
from gradcheck.report.report import Report
from gradcheck.results.outcome import Outcome, overall

__all__ = [
    "Case",
    "CaseInterrupted",
    "CaseResult",
    "Context",
    "Figure",
    "LoadedCase",
    "Mistake",
    "Quantity",
    "Reference",
    "Row",
    "SaveFigure",
    "discover",
    "run_case",
]

# More elements than a person reads: the row then shows the worst one, and its place.
SHOWN_IN_FULL = 12


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
        """Keep the rows that were done."""
        super().__init__(f"interrupted in case {result.name}")
        self.result = result


# save_figure(case name, figure, draw) -> the file written, or None where there is none
SaveFigure = Callable[[str, Figure, Callable[[Any], None]], Path | None]


def run_case(
    loaded: LoadedCase, context: Context | None = None, *, save_figure: SaveFigure | None = None
) -> CaseResult:
    """Run one case: a row for each reference and for each planted mistake, whatever happens.

    An exception in the case's own functions gives FAIL rows that say what was raised and where; a missing
    data set (DataError) gives INCONCLUSIVE ones.

    Parameters
    ----------
    loaded : LoadedCase
        What `discover` gives.
    context : Context, optional
        What the case may ask of the run; its `sources` are left alone. Default `Context()`.
    save_figure : callable, optional
        Called as `save_figure(case name, figure, draw)` for every figure, where `draw` fills a matplotlib Figure; it
        returns the file written, if any. Without it nothing is drawn.

    Returns
    -------
    CaseResult
        With `complete` True.

    Raises
    ------
    CaseInterrupted
        With the rows so far, on KeyboardInterrupt.

    Examples
    --------
    >>> from pathlib import Path
    >>> from gradcheck.cases import Case, LoadedCase, Mistake, Quantity, Reference, run_case
    >>> half = Reference("by hand", 0.5, reason="a binary fraction: the same bits")
    >>> quantity = Quantity("1 / 2", lambda: 1 / 2, [half], [Mistake("whole numbers", lambda: 1 // 2)])
    >>> result = run_case(LoadedCase("half", Path("half.py"), Path(), Case("1", "One half", [quantity])))
    >>> [(row.reference, row.outcome.value) for row in result.rows]
    [('by hand', 'PASS'), ('refuses: whole numbers', 'PASS')]
    """
    if not isinstance(loaded, LoadedCase):
        own = ", as LoadedCase(name, path, root, case)" if isinstance(loaded, Case) else ""
        raise TypeError(
            f"loaded must be a LoadedCase, which discover gives{own}; not a {type(loaded).__name__}"
        )
    context = replace(context or Context(), sources=[])
    rows: list[Row] = []
    figures: list[Path] = []
    reports: list[tuple[str, Report]] = []
    started = time.perf_counter()

    def result() -> CaseResult:
        case = loaded.case
        seconds = time.perf_counter() - started
        planted = any(quantity.mistakes for quantity in case.quantities)
        notes = () if planted else ("no planted mistake: nothing shows that this case can fail",)
        return CaseResult(
            loaded.name,
            loaded.path,
            case.section,
            case.title,
            tuple(rows),
            seconds,
            tuple(context.sources),
            notes,
            tuple(figures),
            tuple(reports),
            claim=case.claim,
            wrong=case.wrong,
        )

    try:
        with on_import_path(loaded.root):
            state = _attempt(loaded, loaded.case.prepare, context) if loaded.case.prepare else None
            if isinstance(state, _Raised):
                rows += [_row(loaded, *names, state) for names in loaded.case.row_names()]
                return result()
            arguments = () if loaded.case.prepare is None else (state,)
            for quantity in loaded.case.quantities:
                rows.extend(_rows(loaded, quantity, arguments, reports))
            for figure in loaded.case.figures if save_figure is not None else ():
                drawn = _attempt(loaded, _draw, save_figure, loaded.name, figure, arguments)
                if isinstance(drawn, _Raised):
                    rows.append(_row(loaded, f"figure {figure.name}", "drawn", drawn))
                elif drawn is not None:
                    figures.append(drawn)
    except KeyboardInterrupt:
        raise CaseInterrupted(replace(result(), complete=False)) from None
    return result()


class _Raised(Comparison):
    """An exception of the case's own code, in the place of a value or of a comparison with it."""


def _attempt(loaded: LoadedCase, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except DataError as error:  # the data are at fault, not the code under test
        return _Raised(Outcome.INCONCLUSIVE, problem=str(error))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, too: nothing that a case does ends the run
        return _Raised(Outcome.FAIL, problem="raised " + what_and_where(error, loaded.path))


def _rows(
    loaded: LoadedCase, quantity: Quantity, arguments: tuple[Any, ...], reports: list[tuple[str, Report]]
) -> Iterator[Row]:
    """The rows of one quantity; the Reports that its functions return are added to `reports`."""

    def attempt(name: str, function: Callable[..., Any]) -> Any:
        value = _attempt(loaded, function, *arguments)
        if not isinstance(value, Report):
            return value
        reports.append((name, value))
        # A comparison is between numbers: whether the check passed. Undecided is neither.
        if value.outcome is Outcome.INCONCLUSIVE:
            return _Raised(value.outcome, problem=value.reason)
        return value.outcome is Outcome.PASS

    def made(name: str, judged: Callable[..., Row], *given: Any) -> Row:
        """A row; a FAIL where an object of the case's own raised when it was read or shown."""
        row = partial(_row, loaded, quantity.name, name)
        found = _attempt(loaded, judged, row, *given)
        return found if isinstance(found, Row) else row(found)

    measured = attempt(quantity.name, quantity.measure)
    if isinstance(measured, np.ndarray):
        measured = measured.copy()  # a reference may go on working in the array that was measured
    judges: list[tuple[Reference, Any]] = []
    for reference in quantity.references:
        expected = reference.expected
        if callable(expected):
            expected = _attempt(loaded, expected, *arguments)
        judges.append((reference, expected))
        yield made(reference.name, _reference_row, reference, measured, expected)
    for mistake in quantity.mistakes:
        wrong = attempt(f"{quantity.name}, refuses: {mistake.name}", mistake.measure)
        yield made(f"{REFUSES}{mistake.name}", _mistake_row, wrong, judges)


def _compare(measured: Any, expected: Any, reference: Reference) -> Comparison:
    return compare(measured, expected, rtol=reference.rtol, atol=reference.atol, kind=reference.kind)


def _reference_row(row: Callable[..., Row], reference: Reference, measured: Any, expected: Any) -> Row:
    for what, value in (("the measurement", measured), ("the reference", expected)):
        if isinstance(value, _Raised):
            raised = replace(value, problem=f"{what}: {value.problem}")
            return row(raised, measured, reason=reference.reason)
    comparison = _compare(measured, expected, reference)
    return row(comparison, measured, expected, reason=reference.reason, kind=reference.kind)


def _mistake_row(row: Callable[..., Row], measured: Any, judges: list[tuple[Reference, Any]]) -> Row:
    """A planted mistake passes when a reference refuses it.

    An exception is no refusal: the mistake was then not measured, perhaps for a typing error.
    """
    if isinstance(measured, _Raised):
        return row(replace(measured, problem=f"the planted mistake: {measured.problem}"))
    fit = [
        (ref, exp) for ref, exp in judges if _compare(_expected_value(exp), exp, ref).outcome is Outcome.PASS
    ]
    found = [(reference, expected, _compare(measured, expected, reference)) for reference, expected in fit]
    refusals = [part for part in found if part[2].outcome is Outcome.FAIL]
    if refusals:
        (_, expected, comparison), names = refusals[0], [reference.name for reference, _, _ in refusals]
        refused = replace(comparison, outcome=Outcome.PASS, problem="")
        reason = f"refused by {', '.join(map(repr, names))}: {comparison.problem}"
        return row(refused, measured, expected, reason=reason)
    text = (
        "no reference refuses this planted mistake"
        if fit
        else "no reference to judge the planted mistake with"
    )
    return row(Comparison(Outcome.FAIL, problem=text), measured)


def _expected_value(expected: Any) -> Any:
    """Return the number inside an expected value: that of an estimate, or the value itself."""
    return getattr(expected, "value", expected)


def _draw(save: SaveFigure, case: str, figure: Figure, arguments: tuple[Any, ...]) -> Path | None:
    return save(case, figure, lambda canvas: figure.draw(canvas, *arguments))


def _row(
    loaded: LoadedCase,
    quantity: str,
    reference: str,
    comparison: Comparison,
    measured: Any = None,
    expected: Any = None,
    *,
    reason: str = "",
    kind: str = "close",
) -> Row:
    array = as_numbers(measured)
    return Row(
        loaded.name,
        loaded.case.section,
        quantity,
        reference,
        _value(measured, comparison.index),
        _value(_expected_value(expected), comparison.index),
        comparison.difference,
        comparison.tolerance,
        reason,
        comparison.outcome,
        comparison.problem,
        () if array is None else array.shape,
        comparison.index,
        kind,
    )


def _value(value: Any, index: tuple[int, ...] | None) -> Any:
    """The value as numbers and lists; of a long array only the worst element."""
    if as_numbers(value) is None:
        return None
    array = np.asarray(value)
    if array.size > SHOWN_IN_FULL:
        return array[index].item() if index is not None else None
    return array.tolist()


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
        rows = [_row_of(event["row"]) for event in events if event["case"]["path"] == path]
        told: dict[str, Any] = {
            name: case[name] for name in ("name", "section", "title", "seconds", "complete")
        }
        told |= {name: tuple(case[name]) for name in ("sources", "notes")}
        results.append(CaseResult(path=Path(path), rows=tuple(rows), **told))
    return results


def _row_of(told: dict[str, Any]) -> Row:
    shape, index = tuple(told["shape"]), told["index"]
    place = None if index is None else tuple(index)
    return Row(**(told | {"outcome": Outcome(told["outcome"]), "shape": shape, "index": place}))
