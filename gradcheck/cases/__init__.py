"""Case files: the facts of a text with their references, and how they are run.

What a case is made of stands in `gradcheck.cases.case`; `run_case` runs one, `discover` finds them.
"""

from gradcheck.cases.case import Case, Figure, Mistake, Quantity, Reference
from gradcheck.cases.context import Context
from gradcheck.cases.discovery import LoadedCase, discover
from gradcheck.cases.figures import SaveFigure
from gradcheck.cases.results import CaseInterrupted, CaseResult, Row
from gradcheck.cases.run import run_case

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
