"""Evidence for many parameters: directions for every array, and a search where they find something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gradcheck._typing import Flat
from gradcheck.arraywise.certificate import certificate_of, scaled_bound
from gradcheck.arraywise.locate import locate
from gradcheck.arraywise.residuals import DirectionalTest
from gradcheck.evidence.averages import AFFORDABLE, averaged
from gradcheck.evidence.complex_test import mark_disputed
from gradcheck.evidence.entries import sweep
from gradcheck.numerics.complex_step import accepts_complex
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.steps import POINTS
from gradcheck.numerics.tangents import root_mean_square
from gradcheck.parameters.boxes import Box, flat_indices
from gradcheck.parameters.tree import Block
from gradcheck.results.certificate import ArrayEvidence, Certificate, Region, Residual, Survey
from gradcheck.results.evidence import Evidence, latest
from gradcheck.results.outcome import Limit
from gradcheck.results.table import concatenate

__all__ = ["LOOKS", "survey"]

# Numbers of directions after which an array may be certified; each of them spends a share of 1 - confidence.
LOOKS = (4, 6, 8, 12, 18, 24, 32)
# So many looks where even the last would not do.
HOPELESS = 4
# Sampled entries of a region that are judged one by one.
JUDGED = 4
# Searches of one array: what a first tangent hid behind larger errors, a second shows.
SEARCHES = 3
# Entries with less room between their bounds than this part of their scale are swept instead.
NARROW = 0.1
# A real difference confirms the complex step only where it knows two digits itself.
CONFIRMS = 1e-2


def survey(
    setting: Setting, analytic: Flat, *, confidence: float, rng: np.random.Generator, location_budget: int
) -> Survey:
    """Test every array with random directions; locate and judge what is wrong; certify the rest.

    confidence : of all certificates together. location_budget : evaluations of f for one search.
    """
    examiner = _Examiner(setting, analytic, confidence, rng, location_budget)
    arrays: list[ArrayEvidence] = []
    interrupted = False
    try:
        examiner.judge_the_immovable()
        for block in setting.parameters.blocks:
            arrays.append(examiner.examine(block))
    except KeyboardInterrupt:
        interrupted = True
    arrays += [ArrayEvidence(b, (), None) for b in setting.parameters.blocks[len(arrays) :]]
    # A sample of a region may be a suspect of the next search.
    judged = latest(concatenate(examiner.judged))
    return Survey(tuple(arrays), judged, tuple(examiner.regions), interrupted or judged.interrupted)


class _Examiner:
    """The examination of one gradient; keeps what was judged one by one, and what directions no longer move."""

    def __init__(
        self, setting: Setting, analytic: Flat, confidence: float, rng: np.random.Generator, budget: int
    ) -> None:
        size = np.array([_rms(analytic[b.slice]) for b in setting.parameters.blocks])
        self.setting = replace(setting, gradient_scale=size)
        self.given, self.confidence, self.rng, self.budget = analytic, confidence, rng, budget
        # The chance to be wrong, shared by all certificates that might be issued.
        self.delta = (1.0 - confidence) / (len(setting.parameters.blocks) * (SEARCHES + 1) * len(LOOKS))
        self.takes_complex = accepts_complex(setting.objective)
        self.still = ~np.isfinite(analytic)
        self.analytic = np.where(self.still, 0.0, analytic)
        self.regions: list[Region] = []
        # Suspects that proved to be right within the tolerance, and how far off they may be.
        self.excused: dict[int, float] = {}
        self.judged: list[Evidence] = []
        self.judge([])

    def judge(self, entries: Sequence[int]) -> Evidence:
        """One by one, and kept; an interruption is one of everything."""
        at = np.array(sorted(entries), np.intp)
        evidence = sweep(self.setting, self.given[at], at)
        self.judged.append(evidence)
        if evidence.interrupted:
            raise KeyboardInterrupt
        return evidence

    def judge_the_immovable(self) -> None:
        """Entries that are not finite (some of them), and those that bounds hold nearly still."""
        single = np.flatnonzero(self.still)[:16].tolist()
        if self.setting.room is not None:
            left, right = self.setting.room
            narrow = (np.minimum(left, right) < NARROW * self.setting.scales) & ~self.still
            self.still |= narrow
            single += np.flatnonzero(narrow & (left + right > 0)).tolist()
        self.judge(single)

    def examine(self, block: Block) -> ArrayEvidence:
        """Directions; where one exceeds its bar the search, and other directions for what is left.

        At last a gradient that exceeds its bar, but by no more than errors within the tolerance make together, is
        certified as it is.
        """
        may_be_exact = True
        begun = self.setting.objective.nfev
        last = self.setting.objective.nfev + self.budget
        for attempt in range(SEARCHES + 1):
            if self.still[block.slice].all():
                return ArrayEvidence(block, (), None)
            # Where no search can follow, what the tolerance explains is no reason for one.
            tolerant = attempt == SEARCHES or self.setting.objective.nfev >= last
            inside = np.flatnonzero(self.still[block.slice]) + block.start
            directional = DirectionalTest(self.setting, self.analytic, block, inside)
            needed = directional.scaled(self.setting.tolerance.resolution)
            tests = self.test(directional, needed, may_be_exact, tolerant=tolerant)
            if tests.exceeds is None or tolerant:
                break
            budget = last - self.setting.objective.nfev
            if budget > 0 and not self._search(tests, budget) and tests.exact:
                # Where nothing is wrong after all, f is not analytic.
                may_be_exact = False
        certificate = certificate_of(tests.directional, tests.residuals, self.confidence, self.delta)
        if certificate is not None:
            certificate = self._with_the_excused(certificate, tests.directional)
        if tests.exceeds is None and self._judged_singly(block, certificate, begun):
            return ArrayEvidence(block, (), None)
        return ArrayEvidence(
            block,
            tuple(tests.residuals),
            certificate if tests.exceeds is None else None,
            tests.directional.smallest_visible,
            Limit.BUDGET if tests.unfinished else None,
        )

    def _judged_singly(self, block: Block, certificate: Certificate | None, begun: int) -> bool:
        """Judge the entries of an array that directions leave open, if that takes no more than twice what they did.

        begun : the evaluations before them; of a single array all count, of several only its own.
        """
        resolution = self.setting.tolerance.resolution
        if certificate is not None and certificate.relative_to_rms <= resolution:
            return False
        entries = np.flatnonzero(~self.still[block.slice]) + block.start
        objective = self.setting.objective
        before = begun if len(self.setting.parameters.blocks) > 1 else 0
        if POINTS * entries.size > min(AFFORDABLE * (objective.nfev - before), objective.remaining):
            return False
        evidence = self.judge(entries.tolist())
        self.judged[-1], _ = averaged(self.setting, evidence, before)
        self.still[entries] = True
        return True

    def test(
        self, directional: DirectionalTest, needed: float, may_be_exact: bool, *, tolerant: bool
    ) -> _Tests:
        """As many directions as make the bound meet what is needed, or until one exceeds its bar."""
        tests = _Tests(directional, tolerant)
        looks: Sequence[int] = LOOKS
        enough = min(needed / scaled_bound([1.0] * looks[1], self.delta), 2.0 * directional.least)
        tangents = directional.tangents(self._seeds(1))
        (first,) = directional.real(tangents, enough=enough)
        exact = self._confirmed(directional, tangents, first) if may_be_exact else None
        tests.exact = exact is not None
        tests.add(tangents, exact or (first,))
        # The sizes of the next residuals are taken to be up to a third larger than the first.
        expected = 1.3 * tests.residuals[0].size
        if scaled_bound([expected] * looks[-1], self.delta) > 2.0 * needed:
            looks = looks[:HOPELESS]
        for look in looks:
            if look < looks[-1] and scaled_bound([expected] * look, self.delta) > needed > 0:
                continue
            if tests.exceeds is not None:
                break
            if look == len(tests.residuals):
                break
            tangents = directional.tangents(self._seeds(look - len(tests.residuals)))
            if self.setting.objective.remaining < len(tangents) * (1 if exact else 6):
                tests.unfinished = True
                break
            measured = directional.by_complex_step(tangents) if exact else None
            tests.add(
                tangents, measured or directional.real(tangents, first.step, max(enough, 6.0 * first.error))
            )
            if needed == 0 or scaled_bound(sorted(r.size for r in tests.residuals), self.delta) <= needed:
                break
        return tests

    def _confirmed(
        self, directional: DirectionalTest, tangents: Sequence[Flat], first: Residual
    ) -> tuple[Residual, ...] | None:
        """The complex step along the first tangent, where f takes complex numbers and the real difference agrees.

        That tangent moves every entry of the array.
        """
        if not self.takes_complex or self.setting.objective.remaining < 1:
            return None
        if not 3.0 * first.error <= CONFIRMS * first.weight:
            return None
        exact = directional.by_complex_step(tangents)
        if exact is None:
            self.takes_complex = False
            return None
        apart = abs(exact[0].value - first.value)
        return exact if apart <= 3.0 * (first.error + exact[0].error) else None

    def _search(self, tests: _Tests, budget: int) -> bool:
        """Locate and judge; whether anything is wrong, or may be where the budget ended the search."""
        assert tests.exceeds is not None
        block = tests.directional.block
        tangent, residual = tests.exceeds
        found = locate(
            tests.directional, tangent, residual, exact=tests.exact, budget=budget, generator=self.rng
        )
        samples = [entry for _, entries in found.dense for entry in entries[:JUDGED]]
        evidence = self.judge([*found.suspects, *samples])
        if tests.exact:
            evidence = self.judged[-1] = mark_disputed(self.setting, evidence)
            if evidence.interrupted:
                raise KeyboardInterrupt
        wrong = set(evidence.wrong.tolist())
        self.still[found.suspects] = True
        off = np.abs(evidence.analytic - evidence.estimate.value) + 3.0 * evidence.estimate.error
        right = evidence.judgement.verified
        self.excused |= dict(zip(evidence.coordinates[right].tolist(), off[right].tolist(), strict=True))
        accused = not wrong.isdisjoint(found.suspects) or bool(evidence.judgement.inconclusive.any())
        for box, entries in found.dense:
            # A region whose samples are right within rtol differs a little throughout: that is not wrong.
            if wrong.intersection(entries):
                self._set_aside(block, box, throughout=True)
                accused = True
        for box in found.open:
            self._set_aside(block, box, throughout=False)
        return accused or bool(found.open)

    def _with_the_excused(self, certificate: Certificate, directional: DirectionalTest) -> Certificate:
        """The bound with what the suspects add that were found to be within the tolerance."""
        mine = [k for k in self.excused if directional.block.start <= k < directional.block.stop]
        if not mine or directional.rms == 0:
            return certificate
        sizes = np.array([self.excused[k] for k in mine])
        scaled = sizes * directional.scale[np.array(mine, np.intp) - directional.block.start]
        return replace(
            certificate,
            bound=float(np.hypot(certificate.bound, np.linalg.norm(scaled))),
            relative_to_rms=float(
                np.hypot(certificate.relative_to_rms, np.linalg.norm(sizes) / directional.rms)
            ),
        )

    def _set_aside(self, block: Block, box: Box, *, throughout: bool) -> None:
        self.still[flat_indices(block, box)] = True
        self.regions.append(Region(block, box, throughout))

    def _seeds(self, count: int) -> list[int]:
        return [int(seed) for seed in self.rng.integers(2**62, size=count)]


@dataclass
class _Tests:
    """The directions of one array so far.

    exceeds : the first tangent along which something is wrong, and its residual. exact : by the complex step.
    unfinished : the budget did not suffice.
    """

    directional: DirectionalTest
    tolerant: bool
    residuals: list[Residual] = field(default_factory=list)
    exceeds: tuple[Flat, Residual] | None = None
    exact: bool = False
    unfinished: bool = False

    def add(self, tangents: Sequence[Flat], residuals: Sequence[Residual]) -> None:
        """Note the residuals along some tangents."""
        self.residuals += residuals
        for k, residual in enumerate(residuals):
            if self.exceeds is None and (not residual.accepted if self.tolerant else residual.exceeds):
                self.exceeds = (tangents[k], residual)


def _rms(values: Flat) -> float:
    return root_mean_square(values[np.isfinite(values)])
