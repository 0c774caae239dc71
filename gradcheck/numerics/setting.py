"""What is known of f before the evidence is gathered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck._typing import Flat, Mask
from gradcheck.function.objective import Objective
from gradcheck.function.vector_objective import VectorObjective
from gradcheck.parameters.tree import Parameters
from gradcheck.results.verdict import Tolerance


@dataclass(frozen=True)
class Setting:
    """What is known before the evidence is gathered; shared by sweep, directions and locate.

    x : the flat point. f_x : f there. level : noise of one value of f. relative_step : first step over scale.
    scales : (size,) unit of the steps for each coordinate. room : how far each may go, left and right.
    gradient_eps : the unit roundoff in which the analytic gradient was computed.
    slope : what f changes along a random direction, per scaled unit.
    gradient_scale : (size,) the size of each array's gradient, where too few entries are measured to tell.
    """

    objective: Objective
    x: Flat
    f_x: Any
    level: float
    relative_step: float
    scales: Flat
    tolerance: Tolerance
    room: tuple[Flat, Flat] | None = None
    subgradient: bool = False
    gradient_eps: float = float(np.finfo(np.float64).eps)
    gradient_scale: Flat | None = None
    slope: float = 0.0

    @property
    def parameters(self) -> Parameters:
        """The structure of x."""
        return self.objective.parameters


@dataclass(frozen=True)
class VectorSetting:
    """What is known of f before the evidence is gathered, for m outputs and n coordinates.

    f_x, level, begin : (m,) f there, its noise, and the first step relative to the scales. scales : (n,).
    room : (n,) how far each coordinate may go, left and right. jac_eps : unit roundoff of the analytic side.
    symbol : what the matrix is called. still : (m,) outputs that never moved where their noise was measured.
    """

    objective: VectorObjective
    x: Flat
    f_x: Flat
    level: Flat
    begin: Flat
    scales: Flat
    tolerance: Tolerance
    room: tuple[Flat, Flat] | None
    subgradient: bool
    jac_eps: float
    symbol: str = "J"
    still: Mask | None = None

    @property
    def parameters(self) -> Parameters:
        """The structure of x."""
        return self.objective.parameters
