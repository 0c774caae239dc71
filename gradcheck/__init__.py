"""Verify hand-written derivatives: is the gradient right, where is it wrong, what is wrong with it."""

from gradcheck.checks import assert_gradient, check_gradient, derivative, gradient
from gradcheck.errors import GradientCheckInterrupted, GradientError
from gradcheck.estimate import Estimate
from gradcheck.report import Mismatch, Report
from gradcheck.verdict import Outcome

__version__ = "0.1.0"

__all__ = [
    "Estimate",
    "GradientCheckInterrupted",
    "GradientError",
    "Mismatch",
    "Outcome",
    "Report",
    "__version__",
    "assert_gradient",
    "check_gradient",
    "derivative",
    "gradient",
]
