"""The entries of a Jacobian as one flat vector: their names, and judged entries as evidence."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from gradcheck.parameters.matrix_names import JacobianNames
from gradcheck.results.estimate import join
from gradcheck.results.evidence import Entries, Evidence, take
from gradcheck.results.verdict import Judgement

__all__ = ["as_evidence"]


def as_evidence(parts: list[Entries], names: JacobianNames) -> Evidence:
    """Judged entries as evidence about the flat vector of J; each entry once, as it was judged last."""
    n = names.blocks[0].shape[1]
    judged = {
        f.name: np.concatenate([getattr(p.judgement, f.name) for p in parts]) for f in fields(Judgement)
    }
    places = np.concatenate([p.rows.astype(np.int64) * n + p.columns for p in parts])
    everything = Evidence(
        places,
        np.concatenate([p.analytic for p in parts]),
        join([p.estimate for p in parts]),
        Judgement(**judged),
    )
    _, last = np.unique(places[::-1], return_index=True)
    return everything if last.size == places.size else take(everything, np.sort(places.size - 1 - last))
