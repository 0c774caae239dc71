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

__all__ = ["Report"]


@dataclass(frozen=True)
class Report(ReportData):
    """The outcome of a check, with its evidence; true in a boolean context for PASS alone.

    outcome, reason : the decision and why. nfev, ngev : all evaluations of f and of grad. seconds : wall time.
    max_error : the largest relative disagreement, in the unit of `detectable`. detectable : see ArraySummary,
    the worst of all arrays. wrong : worst first. diagnosis : best fit first. seed : what repeats it.
    call : the call that repeats it. certificates : what random directions prove, one an array that they passed;
    all hold together at their confidence. interrupted : ended early by the user, or by max_nfev. causes : what
    `diagnosis` says, as data. advice : what would decide an undecided check; undecided : why it is, as data.
    functions : what is called f and grad here.
    evidence : the numbers behind it, for figures; recipe : the arguments, for `save`. Neither is part of the
    dictionary nor of a comparison.
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

        Raises ValueError where nothing was measured.
        """
        from gradcheck.report.plots import plot

        return plot(self, ax)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write what repeats the check to `path`, one file of JSON; `gradcheck replay` reads it."""
        from gradcheck.report.saved import save

        return save(self, path)
