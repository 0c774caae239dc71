"""Run a case: the same rows on the command line, in pytest and in a script."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.cases.case import REFUSES, Case, Figure, Quantity, Reference
from gradcheck.cases.comparison import Comparison, as_numbers, compare
from gradcheck.cases.context import Context
from gradcheck.cases.discovery import LoadedCase, on_import_path, what_and_where
from gradcheck.cases.figures import SaveFigure
from gradcheck.cases.results import CaseInterrupted, CaseResult, Row
from gradcheck.errors import DataError
from gradcheck.report.report import Report
from gradcheck.results.outcome import Outcome

# More elements than a person reads: the row then shows the worst one, and its place.
SHOWN_IN_FULL = 12


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
    run = _Run(loaded, replace(context or Context(), sources=[]))
    try:
        run.make(save_figure)
    except KeyboardInterrupt:
        raise CaseInterrupted(replace(run.result(), complete=False)) from None
    return run.result()


@dataclass
class _Run:
    """A case that is run, and what it has given so far.

    arguments : what its functions are called with: what `prepare` returned, or nothing.
    """

    loaded: LoadedCase
    context: Context
    started: float = field(default_factory=time.perf_counter)
    arguments: tuple[Any, ...] = ()
    rows: list[Row] = field(default_factory=list)
    figures: list[Path] = field(default_factory=list)
    reports: list[tuple[str, Report]] = field(default_factory=list)

    def make(self, save_figure: SaveFigure | None) -> None:
        """Every row and figure, in the order of the case."""
        case = self.loaded.case
        with on_import_path(self.loaded.root):
            if case.prepare is not None:
                state = self._attempt(case.prepare, self.context)
                if isinstance(state, Comparison):
                    self.rows += [self._row(*names, state) for names in case.row_names()]
                    return
                self.arguments = (state,)
            for quantity in case.quantities:
                self.rows.extend(self._rows(quantity))
            if save_figure is not None:
                for figure in case.figures:
                    self._draw(figure, save_figure)

    def result(self) -> CaseResult:
        """What there is so far, as of a run that came to its end."""
        case = self.loaded.case
        planted = any(quantity.mistakes for quantity in case.quantities)
        return CaseResult(
            self.loaded.name,
            self.loaded.path,
            case.section,
            case.title,
            tuple(self.rows),
            time.perf_counter() - self.started,
            tuple(self.context.sources),
            () if planted else ("no planted mistake: nothing shows that this case can fail",),
            tuple(self.figures),
            tuple(self.reports),
            claim=case.claim,
            wrong=case.wrong,
        )

    def _attempt(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function of the case's own gives; a Comparison in its place where it raised."""
        try:
            return function(*arguments)
        except DataError as error:  # the data are at fault, not the code under test
            return Comparison(Outcome.INCONCLUSIVE, problem=str(error))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit, too: nothing that a case does ends the run
            return Comparison(Outcome.FAIL, problem="raised " + what_and_where(error, self.loaded.path))

    def _measured(self, name: str, measure: Callable[..., Any]) -> Any:
        """What a function of the case measures; of a Report, which is kept under the name, whether it passes."""
        value = self._attempt(measure, *self.arguments)
        if not isinstance(value, Report):
            return value
        self.reports.append((name, value))
        # A comparison is between numbers: whether the check passed. Undecided is neither.
        if value.outcome is Outcome.INCONCLUSIVE:
            return Comparison(value.outcome, problem=value.reason)
        return value.outcome is Outcome.PASS

    def _rows(self, quantity: Quantity) -> Iterator[Row]:
        """The rows of one quantity."""

        def made(name: str, judged: Callable[..., Row], *given: Any) -> Row:
            """A row; a FAIL where an object of the case's own raised when it was read or shown."""
            row = partial(self._row, quantity.name, name)
            found = self._attempt(judged, row, *given)
            return found if isinstance(found, Row) else row(found)

        measured = self._measured(quantity.name, quantity.measure)
        if isinstance(measured, np.ndarray):
            measured = measured.copy()  # a reference may go on working in the array that was measured
        judges: list[tuple[Reference, Any]] = []
        for reference in quantity.references:
            expected = reference.expected
            if callable(expected):
                expected = self._attempt(expected, *self.arguments)
            judges.append((reference, expected))
            yield made(reference.name, _reference_row, reference, measured, expected)
        for mistake in quantity.mistakes:
            wrong = self._measured(f"{quantity.name}, refuses: {mistake.name}", mistake.measure)
            yield made(f"{REFUSES}{mistake.name}", _mistake_row, wrong, judges)

    def _draw(self, figure: Figure, save: SaveFigure) -> None:
        drawn = self._attempt(
            save, self.loaded.name, figure, lambda canvas: figure.draw(canvas, *self.arguments)
        )
        if isinstance(drawn, Comparison):
            self.rows.append(self._row(f"figure {figure.name}", "drawn", drawn))
        elif drawn is not None:
            self.figures.append(drawn)

    def _row(
        self,
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
            self.loaded.name,
            self.loaded.case.section,
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


def _compare(measured: Any, expected: Any, reference: Reference) -> Comparison:
    return compare(measured, expected, rtol=reference.rtol, atol=reference.atol, kind=reference.kind)


def _reference_row(row: Callable[..., Row], reference: Reference, measured: Any, expected: Any) -> Row:
    for what, value in (("the measurement", measured), ("the reference", expected)):
        if isinstance(value, Comparison):
            raised = replace(value, problem=f"{what}: {value.problem}")
            return row(raised, measured, reason=reference.reason)
    comparison = _compare(measured, expected, reference)
    return row(comparison, measured, expected, reason=reference.reason, kind=reference.kind)


def _mistake_row(row: Callable[..., Row], measured: Any, judges: list[tuple[Reference, Any]]) -> Row:
    """A planted mistake passes when a reference refuses it.

    An exception is no refusal: the mistake was then not measured, perhaps for a typing error.
    """
    if isinstance(measured, Comparison):
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


def _value(value: Any, index: tuple[int, ...] | None) -> Any:
    """The value as numbers and lists; of a long array only the worst element."""
    if as_numbers(value) is None:
        return None
    array = np.asarray(value)
    if array.size > SHOWN_IN_FULL:
        return array[index].item() if index is not None else None
    return array.tolist()
