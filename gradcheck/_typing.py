"""Arrays by what they hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Numbers of any kind and shape.
Array = NDArray[Any]
# Real numbers of any precision and shape.
Values = NDArray[np.floating[Any]]
# (size,) all parameters as one vector.
Flat = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp]
