"""Taylor remainders: how they fall with the step, and what mistake in the slope would have shown in them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gradcheck._typing import Values
from gradcheck.numerics.tangents import root_mean_square

# A remainder counts where it is this many times what noise explains; three of them make an order.
CLEAR, LEAST = 10.0, 3
# Steps from which the order is taken: the smallest that are clear.
FITTED = 4


class Remainders:
    """The remainders on both sides of x, as norms over the outputs, and the order with which they fall.

    steps : (k,). right, left : (k, m) remainders. noise : (k,) what noise explains of them. slope : |J v|. expected :
    the order of a right derivative. scaled : whether x says how long a step is. moves : (k,) what f moves by between
    both sides, halved, or None where noise is as large as f; of_f : (k,) its noise.
    """

    def __init__(
        self,
        steps: Values,
        right: Values,
        left: Values,
        noise: Values,
        slope: float,
        expected: int,
        scaled: bool,
        moves: Values | None,
        of_f: Values,
    ) -> None:
        self.scaled, self.moves, self.of_f = scaled, moves, of_f
        self.steps, self.noise, self.slope, self.expected = steps, noise, slope, expected
        self.sizes = np.array([np.maximum(norm(a), norm(b)) for a, b in zip(right, left, strict=True)])
        self.odd = np.array([norm((a - b) / 2.0) for a, b in zip(right, left, strict=True)])
        self.even = np.array([norm((a + b) / 2.0) for a, b in zip(right, left, strict=True)])
        self.known = np.isfinite(self.sizes)
        self.order = self.order_of(self.sizes)

    def clear(self, sizes: Values, noise: Values | None = None) -> NDArray[np.intp]:
        """The smallest steps at which something stands out of the noise, without a gap above them."""
        clear = self.known & (sizes > CLEAR * (self.noise if noise is None else noise))
        first = int(np.argmax(clear)) if clear.any() else 0
        hidden = np.flatnonzero(~clear[first:])
        last = first + int(hidden[0]) if hidden.size else clear.size
        return np.arange(max(first, last - FITTED), last)

    def order_of(self, sizes: Values, noise: Values | None = None) -> float:
        """The power of the step with which something falls; nan where too few of it are clear of the noise."""
        rows = self.clear(sizes, noise)
        if rows.size < LEAST:
            return math.nan
        return float(np.polyfit(np.log(self.steps[rows]), np.log(sizes[rows]), 1)[0])

    @property
    def linear(self) -> bool:
        """Whether the remainder never stands out of the noise."""
        return self.clear(self.sizes).size < LEAST

    def seen_along(self) -> float:
        """The smallest mistake, relative to the slope, that would have shown: what a remainder ~ h would exceed.

        In the odd part, f(x + h v) - f(x - h v) less 2 h J v, from which all that is even has gone; at as many steps as
        make an order, and by twice as much, so that what is of a higher order there does not hide it.
        """
        size = self.slope
        if self.scaled or size == 0:
            size = max(size, float(self.sizes[self.known][0]) / float(self.steps[self.known][0]))
        each = np.maximum(self.odd, CLEAR * self.noise) / self.steps / size
        return 2.0 * float(np.sort(each[self.known])[LEAST - 1]) if size > 0 else math.inf


def norm(values: Values) -> float:
    """The root of the sum of squares; inf where a value is not finite."""
    # The largest is taken out first, so that no square overflows or vanishes.
    return root_mean_square(values) * math.sqrt(np.size(values)) if np.isfinite(values).all() else math.inf
