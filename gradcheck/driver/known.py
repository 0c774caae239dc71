"""What is asked of a check, and what is known so far."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck._typing import Flat
from gradcheck.driver.options import Options
from gradcheck.driver.prepare import contradicted, prepare, unmoved
from gradcheck.evidence.farther import BITS_BY_CHANCE
from gradcheck.function.contract import Inspection, inspect_again
from gradcheck.function.objective import Objective
from gradcheck.numerics.problem import Problem
from gradcheck.parameters.bounds import room_within
from gradcheck.parameters.leaves import eps_of
from gradcheck.results.cause import Cause
from gradcheck.results.evidence import Evidence
from gradcheck.results.finding import Finding
from gradcheck.results.verdict import Tolerance

# Noise of one value, in units of f(x), at which f is asked again whether it is a function of x; and in units of what x
# moves f by, so that this is not asked where f(x) is nearly 0.
ERRATIC, SLIGHT = 1e-3, 1e-9
# Scales of so many coordinates, 2 MB, are made once.
KEPT = 2**18


def _held_by(dtype: np.dtype[Any], values: Any) -> bool:
    """Whether numbers are those of a coarser type, and some with more bits than chance gives a number of any type."""
    values = np.ravel(np.asarray(values, np.float64))
    with np.errstate(over="ignore"):
        held = values.astype(dtype) == values
    most = min(BITS_BY_CHANCE, np.finfo(dtype).nmant)
    mantissa = np.frexp(values)[0] * 2.0**most
    return bool(held.all() and (mantissa != np.rint(mantissa)).any())


@dataclass
class Known:
    """What is asked, and what has been found so far.

    It grows in this order, and an interruption leaves the rest as it is here.
    x : (n,). room : (n,), (n,) to the left and the right.
    accused : whether the complex step along a joint direction says that something is wrong.
    ready : whether what measuring from near takes was asked for.
    about : what there is to say of how the evidence was gathered.
    rounded : whether f was seen to be rounded to what short steps do not show.
    """

    objective: Objective
    options: Options
    x: Flat
    findings: list[Finding] = field(default_factory=list)
    inspection: Inspection | None = None
    setting: Problem | None = None
    accused: bool = False
    ready: bool = False
    evidence: Evidence | None = None
    about: list[Finding] = field(default_factory=list)
    causes: tuple[Cause, ...] = ()
    interrupted: bool = False
    rounded: bool = False

    def __post_init__(self) -> None:
        self.room = room_within(self.options.bounds, self.objective.parameters, self.x)

    @property
    def final(self) -> bool:
        """Whether nothing can be measured any more."""
        return any(finding.final for finding in self.findings)

    @property
    def inspected(self) -> Inspection:
        """What the first calls gave, once they were made."""
        assert self.inspection is not None
        return self.inspection

    @cached_property
    def problem(self) -> Problem:
        """The derivative under test, once the first calls were made; of a large x its scales are not kept beside it."""
        looked, x = self.inspected, self.x
        assert looked.matrix is not None
        scales = self.objective.parameters.scales(x) if x.size <= KEPT else None
        return Problem(
            self.objective, x, looked.f_x, scales, self.tolerance, self.room, eps_of(looked.computes_in),
            self.options.subgradient, looked.names, matrix=looked.matrix,
        )  # fmt: skip

    @property
    def ngev(self) -> int:
        """Calls of the derivative."""
        return self.inspection.ngev if self.inspection is not None else 0

    @property
    def coarse(self) -> str:
        """What is of a coarser type than float64: `f`, by x or by its value; the `derivative` alone; or nothing."""
        if self.inspection is None or self.inspection.computes_in == "float64":
            return ""
        dtype = np.dtype(self.inspection.computes_in)
        by_x = any(eps_of(b.real_dtype) >= eps_of(dtype) for b in self.objective.parameters.blocks)
        return "f" if by_x or _held_by(dtype, self.inspection.f_x) else "derivative"

    @property
    def tolerance(self) -> Tolerance:
        """What is accepted, as far as it is known in which arithmetic f computes."""
        if self.setting is not None:
            return self.setting.tolerance
        dtypes = () if self.inspection is None else (self.inspection.computes_in,)
        return Tolerance.for_dtypes(dtypes, *self.options.tolerances)

    def rounded_by(self, rounding: Flat) -> Known:
        """What is known after the first calls, of an f that is rounded by so much (m,), which no short step shows."""
        looked = replace(self.inspected, rounding=np.maximum(self.inspected.rounding, rounding))
        findings = [*map(Finding, self.objective.parameters.notes), *looked.findings]
        other = Known(self.objective, self.options, self.x, findings, looked, rounded=True)
        other.problem = self.problem
        return other

    def take(self, other: Known) -> None:
        """Know what another knows instead."""
        vars(self).update(vars(other))

    def probe(self) -> Problem | None:
        """Measure the noise of f near x; None where nothing can be measured."""
        setting, findings = prepare(self.problem, self.options.rng, self.inspected.rounding)
        if np.all(setting.still) and not findings:
            findings = contradicted(setting, self.options.rng) if self.room is None else ()
            if not findings:
                setting, said = unmoved(setting)
                findings = (said,)
        self.setting = setting
        self.findings += findings
        return None if self.final else setting

    def prepared(self) -> Problem | None:
        """What is to be known before f is measured from near: that it repeats itself, and its noise; None at an end."""
        if self.ready:
            return self.setting
        self.ready = True
        if self.repeats() and self.setting is None:
            self.probe()
        if not self.final:
            self.findings += self._erratic()
        return None if self.final else self.setting

    def repeats(self) -> bool:
        """Whether f goes on to be judged once it was called at x again, if nobody has."""
        looked = self.inspected
        if not (looked.repeated or self.objective.ended):
            self.inspection = replace(looked, repeated=True)
            self.findings += self._again()
        again = looked.again
        if not self.final and again is not None and any(finding.random for finding in self.findings):
            # The derivative differs by chance, as f does.
            again.random = True
            self.findings += [found for found in again.findings(self.tolerance, self.room) if found.final]
        return not self.final

    def _again(self) -> tuple[Finding, ...]:
        """What one more call of f at x adds."""
        return inspect_again(self.objective, self.inspected, self.x, self.room)

    def _erratic(self) -> list[Finding]:
        """What two more calls at x show of an f so noisy that it may be no function of x, but take turns, for one."""
        setting = self.setting
        assert setting is not None
        size = np.max(np.abs(setting.f_x))
        erratic = bool(np.all(setting.level > np.maximum(ERRATIC * size, SLIGHT * setting.slope)))
        for _ in range(2 if erratic else 0):
            found = [finding for finding in self._again() if finding.final]
            if found:
                return found
        return []
