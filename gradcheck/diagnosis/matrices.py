"""A Jacobian, a Hessian or a product as the subject of a diagnosis: one array J (m, n)."""

from __future__ import annotations

import numpy as np

from gradcheck._typing import Flat
from gradcheck.diagnosis.along import Along
from gradcheck.diagnosis.explanations import Diagnosis, diagnose
from gradcheck.diagnosis.scope import Subject
from gradcheck.function.matrix import Dense, Matrix, Sparse
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import Survey
from gradcheck.results.evidence import Evidence

__all__ = ["diagnose_matrix"]

# Entries of J that are held at once: 32 MB. Of larger ones nothing is said.
LARGEST = 4_000_000


def diagnose_matrix(
    setting: Setting, names: Parameters, matrix: Matrix, evidence: Evidence | Survey
) -> Diagnosis:
    """What kind of mistake fits; names : those of the entries of J, as one array (m, n)."""
    judged = evidence.judged if isinstance(evidence, Survey) else evidence
    if not judged.judgement.wrong.any() or names.size > LARGEST:
        return Diagnosis()
    along = Along.of(setting)
    subject = Subject(
        names, _known(matrix, judged), setting.x, setting.f_x, setting.tolerance, matrix=True, along=along
    )
    return diagnose(subject, evidence)


def _known(matrix: Matrix, judged: Evidence) -> Flat:
    """The entries of J (m n,), nan where only products with it are known and nobody asked."""
    if isinstance(matrix, Dense):
        return np.asarray(matrix.array, np.float64).ravel()
    if isinstance(matrix, Sparse):
        return np.asarray(matrix.array.toarray(), np.float64).ravel()
    m, n = matrix.shape
    values = np.full(m * n, np.nan)
    values[judged.coordinates] = judged.analytic
    return values
