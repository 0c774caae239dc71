"""Verify hand-written derivatives: is the gradient right, where is it wrong, what is wrong with it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck.checks import assert_gradient, check_gradient, derivative, gradient
    from gradcheck.errors import GradientCheckInterrupted, GradientError
    from gradcheck.estimate import Estimate
    from gradcheck.planting import Planted, Power, power
    from gradcheck.report import Mismatch, Report
    from gradcheck.verdict import Outcome

__version__ = "0.1.0"

__all__ = [
    "Estimate",
    "GradientCheckInterrupted",
    "GradientError",
    "Mismatch",
    "Outcome",
    "Planted",
    "Power",
    "Report",
    "__version__",
    "assert_gradient",
    "check_gradient",
    "derivative",
    "gradient",
    "power",
]

# Imported at the first use (PEP 562): pytest loads this package for its plugin in every run, the shell for every
# completion, and neither should wait for NumPy and SciPy.
_HOMES = {
    "checks": ("assert_gradient", "check_gradient", "derivative", "gradient"),
    "errors": ("GradientCheckInterrupted", "GradientError"),
    "estimate": ("Estimate",),
    "planting": ("Planted", "Power", "power"),
    "report": ("Mismatch", "Report"),
    "verdict": ("Outcome",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value  # the next use does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
