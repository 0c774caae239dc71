"""Verify hand-written derivatives: is the gradient right, where is it wrong, what is wrong with it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck.adjoint import check_adjoint
    from gradcheck.checks import assert_gradient, check_gradient, derivative, gradient
    from gradcheck.errors import GradientCheckInterrupted, GradientError
    from gradcheck.estimate import Estimate
    from gradcheck.hessian import check_hessian
    from gradcheck.jacobian import check_jacobian
    from gradcheck.planting import Planted, Power, power
    from gradcheck.points import check_points
    from gradcheck.problem import check_problem
    from gradcheck.products import check_hvp, check_jvp, check_vjp
    from gradcheck.report import Mismatch, Report
    from gradcheck.taylor import TaylorResult, taylor_test
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
    "TaylorResult",
    "__version__",
    "assert_gradient",
    "check_adjoint",
    "check_gradient",
    "check_hessian",
    "check_hvp",
    "check_jacobian",
    "check_jvp",
    "check_points",
    "check_problem",
    "check_vjp",
    "derivative",
    "gradient",
    "power",
    "taylor_test",
]

# Imported at the first use (PEP 562): pytest loads this package for its plugin in every run, the shell for every
# completion, and neither should wait for NumPy and SciPy.
_HOMES = {
    "adjoint": ("check_adjoint",),
    "checks": ("assert_gradient", "check_gradient", "derivative", "gradient"),
    "errors": ("GradientCheckInterrupted", "GradientError"),
    "estimate": ("Estimate",),
    "hessian": ("check_hessian",),
    "jacobian": ("check_jacobian",),
    "planting": ("Planted", "Power", "power"),
    "points": ("check_points",),
    "problem": ("check_problem",),
    "products": ("check_hvp", "check_jvp", "check_vjp"),
    "report": ("Mismatch", "Report"),
    "taylor": ("TaylorResult", "taylor_test"),
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
