"""The bound that random directions prove."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradcheck.arraywise.residuals import DirectionalTest
from gradcheck.results.certificate import Certificate, Residual

# sup of the density of e.u is at most sqrt(2)/2 / ||e|| for u_i = +-U(0.5, 1.5): see `Certificate`.
DENSITY = math.sqrt(2.0)


def certificate_of(
    directional: DirectionalTest, residuals: Sequence[Residual], confidence: float, delta: float
) -> Certificate | None:
    """The bound that these residuals prove, missed with a chance of delta; None where it is not finite.

    confidence : what the certificate states, of which delta is this bound's share.
    """
    bound = scaled_bound(sorted(r.size for r in residuals), delta)
    if not math.isfinite(bound):
        return None
    return Certificate(directional.block.name, bound, directional.relative(bound), confidence, len(residuals))


def scaled_bound(sizes: Sequence[float], delta: float) -> float:
    """The scaled error norm that directions with residuals up to `sizes` (K,), ascending, prove.

    The chance that all but m stay within tau is at most C(K, m) (sqrt(2) tau / B)^(K - m). With many directions
    the least precise few are better left out: one m for each twelve directions, and the best counts, each with
    its share of delta.
    """
    k = len(sizes)
    options = range(1 + k // 12)
    share = delta / len(options)
    return min(
        DENSITY * sizes[k - m - 1] * math.pow(share / math.comb(k, m), -1.0 / (k - m)) for m in options
    )
