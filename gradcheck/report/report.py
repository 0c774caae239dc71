"""A report: what a check found, and the forms in which it is shown."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gradcheck.report.data import ReportData
from gradcheck.report.text import report_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Report(ReportData):
    """The outcome of a check, with its evidence; true in a boolean context for PASS alone.

    The numbers behind it (`evidence`, for figures), the arguments (`recipe`, for `save`) and the reports that it
    gathers (`parts`) are part neither of the dictionary nor of a comparison.

    Attributes
    ----------
    outcome, reason
        The decision and why.
    arrays
        What was found, array by array.
    wrong
        The wrong entries, worst first.
    diagnosis, causes
        What kind of mistake fits, best first, as sentences and as data.
    notes
        What else there is to say: conversions, kinks, entries that were not checked.
    nfev, ngev, seconds
        All evaluations of f and of grad, the first two of `functions`, and the wall time.
    max_error
        The largest relative disagreement, in the unit of `detectable`.
    detectable
        The smallest relative mistake of one entry that would have been seen, the worst of all arrays.
    certificates
        What random directions prove, one an array that they passed; all hold together at their confidence.
    undecided, advice
        Why an undecided check is, as data, and what would decide it.
    interrupted
        Whether it was ended early by the user, or by max_nfev.
    seed, call
        What repeats it.
    functions
        What is called f and grad here; of several checks further functions follow.
    calls
        How often each of the functions was called, by its name.
    """

    def __str__(self) -> str:
        return report_text(self)

    def __repr__(self) -> str:
        return f"<Report: {str(self).partition(chr(10))[0]}>"

    def _repr_html_(self) -> str:
        """The report for a notebook."""
        from gradcheck.report.html import snippet

        return snippet(self)

    def plot(self, ax: Axes | None = None) -> Figure:
        """A matplotlib Figure of what was measured; with `ax` one panel of it, drawn there.

        Raises ValueError where nothing was measured, TypeError for an `ax` that is none.

        Parameters
        ----------
        ax
            Axes of matplotlib to draw into.
        """
        from gradcheck.report.plots import plot

        return plot(self, ax)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write what repeats the check to `path`, one file of JSON; `gradcheck replay` reads it.

        Raises ValueError for a report that no check made.

        Parameters
        ----------
        path
            where; its name ends in .json. Folders that are missing are made.
        """
        from gradcheck.report.saved import save

        return save(self, path)
