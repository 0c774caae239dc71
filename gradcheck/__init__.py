"""Verify hand-written derivatives: is the gradient right, where is it wrong, what is wrong with it."""

from __future__ import annotations

from gradcheck._version import __version__

# As `typing` has it, which takes most of the time of `import gradcheck`: Ctrl-C in it would be Python's to answer.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from gradcheck.checks.adjoint import check_adjoint
    from gradcheck.checks.gradient import assert_gradient, check_gradient, derivative, gradient
    from gradcheck.checks.hessian import check_hessian
    from gradcheck.checks.jacobian import check_jacobian
    from gradcheck.checks.planting import Planted, Power, power
    from gradcheck.checks.points import check_points
    from gradcheck.checks.problem import check_problem
    from gradcheck.checks.products import check_hvp, check_jvp, check_vjp
    from gradcheck.checks.taylor import TaylorResult, taylor_test
    from gradcheck.errors import GradientCheckInterrupted, GradientError
    from gradcheck.report.report import Report
    from gradcheck.results.estimate import Estimate
    from gradcheck.results.outcome import Outcome
    from gradcheck.results.summaries import Mismatch


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
    "checks.adjoint": ("check_adjoint",),
    "checks.gradient": ("assert_gradient", "check_gradient", "derivative", "gradient"),
    "checks.hessian": ("check_hessian",),
    "checks.jacobian": ("check_jacobian",),
    "checks.planting": ("Planted", "Power", "power"),
    "checks.points": ("check_points",),
    "checks.problem": ("check_problem",),
    "checks.products": ("check_hvp", "check_jvp", "check_vjp"),
    "checks.taylor": ("TaylorResult", "taylor_test"),
    "errors": ("GradientCheckInterrupted", "GradientError"),
    "report.report": ("Report",),
    "results.estimate": ("Estimate",),
    "results.summaries": ("Mismatch",),
    "results.outcome": ("Outcome",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # to a type checker a name that is not above is an error

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name not in _HOME_OF:
            from difflib import get_close_matches

            close = [] if name.startswith("_") else get_close_matches(name, __all__, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}{meant}")

        value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
        globals()[name] = value  # the next use does not come here
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
