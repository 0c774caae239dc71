"""Entries one by one: by the complex step where it can be relied on, by stencils, by averages where noise is large."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck._typing import Flat, Index
from gradcheck.evidence.averages import averaged
from gradcheck.evidence.complex_test import by_complex_step, verify_by_complex_step
from gradcheck.evidence.entries import noise_share, sweep
from gradcheck.evidence.farther import verify_farther
from gradcheck.numerics.setting import Setting
from gradcheck.results.entries import Entries
from gradcheck.results.finding import Finding
from gradcheck.results.words import count

# From here on one complex step a coordinate, and the seven evaluations that bear it out, are fewer than six a
# coordinate.
COMPLEX_FROM = 3
# The part of the resolution that noise may take of a first step where the complex step is asked.
QUIET = 0.01


def one_by_one(
    setting: Setting, given: Flat, entries: Index, method: str, rng: Any
) -> tuple[Entries, list[Finding]]:
    """Judge each of the entries by itself; and what there is to say about how.

    given : (k,) what is claimed of them.
    """
    # Where noise is so small that a real difference can bear it out; nan is no reason to ask.
    calm = noise_share(setting, given, entries) <= QUIET * setting.tolerance.resolution
    if method == "complex" or (method == "auto" and setting.x.size >= COMPLEX_FROM and calm):
        found = by_complex_step(setting, given, entries, rng, trusted=method == "complex")
        if found is not None:
            return found, []
    notes: list[Finding] = []
    if method == "complex":
        text = "the complex step does not agree with real differences, which were used instead"
        notes.append(Finding(text))
    evidence = sweep(setting, given, entries)
    for verify, how in (
        (verify_by_complex_step, "by the complex step, real differences being too noisy"),
        (verify_farther, "by longer steps, noise hiding too much over short ones"),
        (averaged, "by averages of several differences, one being too noisy"),
    ):
        if evidence.interrupted:
            break
        open_ = evidence.judgement.inconclusive
        try:
            evidence = verify(setting, evidence)
        except KeyboardInterrupt:
            evidence = replace(evidence, interrupted=True)
        verified = int(np.count_nonzero(open_ & evidence.judgement.verified))
        if verified:
            verb = "was" if verified == 1 else "were"
            notes.append(Finding(f"{count(verified, 'entry')} {verb} verified {how}"))
    return evidence, notes
