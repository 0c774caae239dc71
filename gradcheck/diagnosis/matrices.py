"""A claim as the subject of a diagnosis: a gradient; a Jacobian, a Hessian or a product as one array J (m, n)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Flat
from gradcheck.diagnosis.explanations import diagnose
from gradcheck.diagnosis.scope import Subject
from gradcheck.diagnosis.untold import same_beside
from gradcheck.function.matrix import MOST_ENTRIES, Dense, Matrix, Sparse, by_entries, one_row
from gradcheck.function.repeat import Repeat
from gradcheck.numerics.problem import Problem
from gradcheck.parameters.tree import Parameters
from gradcheck.results.cause import Cause, Extent, Kind
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import as_told
from gradcheck.results.evidence import Evidence
from gradcheck.results.verdict import Tolerance, judge


def explained(problem: Problem, evidence: Evidence, again: Repeat | None) -> tuple[Cause, ...]:
    """What kind of mistake fits what is claimed: a gradient, named as x is, or a matrix.

    again : asks for the derivative elsewhere, at most four times, only where nothing else explains it.
    """
    names, wrong = problem.names, np.count_nonzero(evidence.entries.judgement.wrong)
    if not wrong or (names is not None and names.size > MOST_ENTRIES):
        return ()
    analytic = one_row(problem.matrix) if names is None else _known(problem.matrix, evidence.entries)
    subject = Subject(
        problem.named, analytic, problem.x, problem.f_x[0] if names is None else problem.f_x, problem.tolerance,
        matrix=names is not None, setting=None if evidence.interrupted else problem,
    )  # fmt: skip
    grad = None if again is None or again.at is None or evidence.interrupted else again.elsewhere
    causes = diagnose(subject, evidence, grad)
    return causes + same_beside(subject, evidence, causes, grad)


def _known(matrix: Matrix, judged: Entries) -> Flat:
    """The entries of J (m n,), nan where only products with it are known and nobody asked."""
    matrix = by_entries(matrix)
    if isinstance(matrix, Dense):
        return np.asarray(matrix.array, np.float64).ravel()
    if isinstance(matrix, Sparse):
        return np.asarray(matrix.array.toarray(), np.float64).ravel()
    m, n = matrix.shape
    values = np.full(m * n, np.nan)
    values[judged.coordinates] = judged.analytic
    return values


def diagnose_operator(
    names: Parameters, claimed: NDArray[Any], known: NDArray[Any], accepted: float, tolerance: Tolerance
) -> tuple[Cause, ...]:
    """What fits all entries (m, n) of a linear operator, which are known to `accepted` of themselves.

    It depends on no point. names : those of a real one; a complex one has two parts an entry.
    """
    bars = accepted * np.maximum(np.abs(claimed), np.abs(known)).ravel() / 3.0
    double = np.result_type(claimed, known, np.float64)
    parts = 2 if double.kind == "c" else 1
    analytic, numerical = (_reals(side.astype(double)) for side in (claimed, known))
    nothing = np.zeros(analytic.size)
    estimate = as_told(numerical, np.repeat(bars, parts), nothing)
    judgement = judge(analytic, estimate, nothing, tolerance)
    subject = _of_operator(names, analytic, double, tolerance)
    entries = Entries(np.arange(analytic.size), analytic, estimate, judgement)
    causes = diagnose(subject, Evidence(entries))
    if parts == 1:
        return causes
    # Half of a conjugate is a convention for gradients.
    causes = tuple(c for c in causes if c.kind is not Kind.CONJUGATE or c.value == 1.0)
    wrong = int(judgement.wrong.reshape(-1, parts).any(axis=1).sum())
    return tuple(_of_both_parts(c, claimed.size, wrong) for c in causes)


def _of_operator(names: Parameters, analytic: Flat, dtype: np.dtype[Any], tolerance: Tolerance) -> Subject:
    """A complex one is told as the gradient by one complex array is: it is no matrix of reals."""
    block = names.blocks[0]
    m, n = block.shape
    if dtype.kind != "c":
        return Subject(names, analytic, np.full(n, np.nan), np.full(m, np.nan), tolerance, matrix=True)
    whole = Parameters((replace(block, dtype=dtype, stop=analytic.size),), (), lambda v: v[0])
    return Subject(whole, analytic, np.full(analytic.size, np.nan), np.nan, tolerance)


def _of_both_parts(c: Cause, size: int, wrong: int) -> Cause:
    """The same with complex entries counted, and not their parts."""
    if c.place.tells and c.place.extent is not Extent.ALL:
        return c
    return replace(c, place=replace(c.place, count=size if c.place.extent is Extent.ALL else wrong))


def _reals(values: NDArray[Any]) -> Flat:
    """The parts of all entries, one after the other."""
    parts = (values.real, values.imag) if values.dtype.kind == "c" else (values,)
    return np.asarray(np.stack(parts, axis=-1), np.float64).ravel()
