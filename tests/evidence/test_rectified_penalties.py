"""An L1 penalty beside a rectifier, both at 0: the sum of what their rules say may be no slope of f."""

from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient

LAM, LEAK = 0.1, 0.1
# Of some entries f falls from 0 on, by more than the penalty makes up for; of the last there is the penalty alone.
FACTORS = np.array([-1.0, 2.0, -0.5, 0.0])


def penalised(b: Any) -> float:
    """0.1 |b| beside c leaky(b), and sin(b)."""
    return float(np.sum(LAM * np.abs(b) + FACTORS * np.where(b > 0, b, LEAK * b) + np.sin(b)))


def by_rules(slope_at_0: float) -> Any:
    """The sum of the rules: 0 of |b| at 0, and that of one side of the rectifier."""

    def grad(b: Any) -> Any:
        rectified = np.where(b > 0, 1.0, np.where(b < 0, LEAK, slope_at_0))
        return LAM * np.sign(b) + FACTORS * rectified + np.cos(b)

    return grad


@pytest.mark.parametrize("subgradient", [False, True])
@pytest.mark.parametrize("slope_at_0", [LEAK, 1.0])
def test_rules_of_a_penalty_and_a_rectifier_are_not_called_wrong(
    slope_at_0: float, subgradient: bool
) -> None:
    """Of b_0 they say 0.9 where f has 0.8 on the left and 0.1 on the right: 0.1 off, as far as |b_3| is to both."""
    report = check_gradient(penalised, by_rules(slope_at_0), np.zeros(4), subgradient=subgradient)

    assert report.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("added", [0.03, 2 * LAM, 0.3 * (np.arange(4) == 0)])
def test_what_is_off_by_another_amount_is_wrong(added: Any) -> None:
    """0.93, 1.1 and 1.2 for b_0: no rule of two kinks, of which one has a jump of 0.2."""
    report = check_gradient(penalised, lambda b: by_rules(LEAK)(b) + added, np.zeros(4))

    assert report.outcome is Outcome.FAIL


def test_without_a_penalty_the_middle_of_nothing_is_wrong() -> None:
    """b_0 alone: 0.9 is no slope between 0.8 and 0.1, and nothing else shows where it is from."""

    def f(b: Any) -> float:
        return penalised(np.append(b, [0.0, 0.0, 0.0]))

    report = check_gradient(f, lambda b: by_rules(LEAK)(np.append(b, [0.0, 0.0, 0.0]))[:1], np.zeros(1))

    assert report.outcome is Outcome.FAIL
