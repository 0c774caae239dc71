"""Case files: the facts of a text with their references, and how they are run.

What a case is made of stands in `gradcheck.cases.case`; `run_case` runs one, `discover` finds them.
"""

from gradcheck.cases.case import Case, Context, Figure, Mistake, Quantity, Reference
from gradcheck.cases.discovery import LoadedCase, discover
from gradcheck.cases.run import CaseInterrupted, CaseResult, Row, SaveFigure, run_case

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
