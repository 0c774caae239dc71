"""What was checked and with which options: enough to do it again."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck._typing import Flat
from gradcheck.parameters.tree import Parameters

# The checks that a saved report repeats: each takes a function, its derivative (or adjoint; or a gradient and its
# derivative), and x (or the points).
REPEATED = (
    "check_gradient", "check_jacobian", "check_hessian", "check_jvp", "check_vjp", "check_hvp", "check_points",
    "check_problem", "check_adjoint", "taylor_test",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Recipe:
    """The arguments of one call of a check; a report carries it to `Report.save`.

    check : the name of the function, one of `REPEATED`. f, args : as they were given, not copied.
    grad : the callable, True, or a copy of the derivative given.
    parameters, flat : the structure of x and a copy of its values. options : keyword arguments without rng.
    seed : None, an integer, or the state of the Generator as it was before the check; else what was given.

    Functions do not travel between processes: a pickled or deeply copied recipe becomes None.
    """

    check: str
    f: Any
    grad: Any
    parameters: Parameters
    flat: Flat
    args: tuple[Any, ...]
    options: Mapping[str, Any]
    seed: Any

    @classmethod
    def of(
        cls,
        check: str,
        f: Any,
        grad: Any,
        parameters: Parameters,
        flat: Flat,
        args: Any,
        options: dict[str, Any],
        rng: Any,
    ) -> Recipe:
        """Keep what the check is about to use up or what the caller may change later."""
        seed = rng.bit_generator.state if isinstance(rng, np.random.Generator) else rng
        if not (callable(grad) or grad is True):
            try:
                grad = copy.deepcopy(grad)
            except TypeError as error:
                kind = type(grad).__name__
                raise TypeError(f"the derivative must be a callable or numbers, not a {kind}") from error
            except Exception:  # another library's array, which its own rules keep from being copied
                pass
        return cls(check, f, grad, parameters, flat, tuple(args), options, seed)

    @property
    def x(self) -> Any:
        """The point as f was given it: integers are float64."""
        return self.parameters.unflatten(self.flat.copy())

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()
