"""Random maps, products, Hessians, kinks and adjoints: a part of `python -m benchmarks.fuzz`, and tests of it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import gradcheck
from benchmarks import fuzz
from benchmarks.corpus.expressions import Entries
from benchmarks.corpus.random_maps import (
    SPAN,
    Example,
    RandomMap,
    agreed,
    complex_jacobian,
    example,
    kinked,
    row_units,
)
from gradcheck import Outcome

# Others than those that the command begins with.
FIRST = 1_000_000
CHECKS = {
    "check_jacobian", "check_jvp", "check_vjp", "check_hessian", "check_hvp", "check_adjoint", "check_gradient",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("vector", 200), ("scalar", 60), ("kink", 60), ("adjoint", 60)])
def test_no_right_one_fails_and_what_is_detectable_does_not_pass(kind, count):
    """Right ones whose |x_i| span 1e8 or less in each array, and wrong ones of any span."""
    found = list(itertools.islice((one for k in itertools.count(FIRST) for one in fuzz.said(kind, k)), count))
    assert [one for one in found if one.fault and one.fault not in (fuzz.BEYOND, fuzz.WIDER)] == []
    right, wrong = ([one.outcome for one in found if one.right is side] for side in (True, False))
    # A checker that never decides has no fault either; without `subgradient` a kink is open.
    assert right.count("PASS") >= (0.4 if kind == "kink" else 0.75) * len(right)
    assert wrong.count("FAIL") >= 0.5 * len(wrong)


@pytest.mark.slow
def test_every_check_is_drawn():
    """Of functions of many outputs and of one."""
    drawn = {e.check for scalar in (False, True) for k in range(60) if (e := example(k, scalar=scalar))}
    assert drawn | {"check_adjoint"} == CHECKS


@pytest.mark.slow
@pytest.mark.parametrize(("always", "fault"), [(Outcome.PASS, "wrong PASS"), (Outcome.FAIL, "right FAIL")])
@pytest.mark.parametrize("kind", ["vector", "scalar", "kink", "adjoint"])
def test_a_check_that_always_says_the_same_is_caught(monkeypatch, kind, always, fault):
    """The property can fail, of every kind."""
    for name in CHECKS:
        check = getattr(gradcheck, name)

        def stubborn(*given: Any, check: Any = check, **options: Any) -> Any:
            return replace(check(*given, **options), outcome=always, detectable=1e-3)

        monkeypatch.setattr(gradcheck, name, stubborn)
    faults = (
        one.fault for k in range(100) for one in fuzz.said(kind, k) if one.right is (always is Outcome.FAIL)
    )
    assert fault in faults


def test_the_same_number_draws_the_same_example():
    """A fault can be looked at again."""
    one, again = (example(7, scalar=False) for _ in range(2))
    assert one is not None
    assert again is not None
    assert str(one.map) == str(again.map)
    assert np.array_equal(one.wrong, again.wrong)


def test_referees_that_disagree_are_seen():
    """One entry off by a millionth, and one of a row that is small beside the others."""
    J = np.array([[1.0, 2.0], [1e-9, 3e-9]])
    assert agreed(J, J * (1 + 1e-8))
    for i in (0, 1):
        wrong = J.copy()
        wrong[i, 0] *= 1 + 1e-6
        assert not agreed(J, wrong)
    assert not agreed(J, np.where(J > 1, np.nan, J))


def test_the_complex_step_has_its_own_step_for_each_entry():
    """Of x^3 at 1e-200 and at 1e90."""
    x = np.array([1e-90, 1e90])
    assert np.allclose(complex_jacobian(lambda x: x**3, x, x), np.diag(3 * x**2), rtol=1e-15, atol=0)


def sine(offset: float = 0.0, note: str = "") -> Example:
    """The sine of one number, with what was planted to be off by 10 %."""
    x, one = np.array([0.3]), np.ones(1)
    body = Entries("x", 1, 1.0, None)
    mine = RandomMap(body, x, one, one, np.array([offset]), (1,), False, note)
    return Example(mine, np.ones((1, 1)), np.full((1, 1), 1.1), "", "check_jacobian")


def test_a_mistake_that_moves_no_digit_of_f_has_no_size():
    """0.03 beside 1e15; a tenth of the entry beside nothing."""
    assert fuzz.sizes(sine(), near=False) == pytest.approx(0.1)
    assert fuzz.sizes(sine(offset=1e15), near=False) == 0.0


def test_what_f_computes_is_told_from_what_a_check_makes_up():
    """A report with f's own slope is f's; one with another is not."""
    e = sine()
    wrong = gradcheck.check_jacobian(e.map.f, np.array([[1.5]]), e.map.x)
    assert wrong.outcome is Outcome.FAIL
    assert fuzz.excused(e, wrong)
    made_up = replace(wrong, wrong=(replace(wrong.wrong[0], numerical=1.25),))
    assert not fuzz.excused(e, made_up)
    assert not fuzz.excused(sine(note="eight digits", offset=1e8), made_up)


def test_f_that_is_the_same_at_all_points_has_the_slope_0():
    """Where another slope would move it by many roundings: 1e-3 moves 1, and 1e-15 does not."""

    def with_values(f: Any) -> Any:
        return SimpleNamespace(map=SimpleNamespace(f=f, x=np.array([0.3])))

    assert fuzz.as_computed(with_values(np.ones_like), 0, 0, 1e-3, 0.0)
    assert not fuzz.as_computed(with_values(np.ones_like), 0, 0, 1e-15, 0.0)
    assert not fuzz.as_computed(with_values(lambda x: 1.0 + 1e-3 * x), 0, 0, 1e-3, 0.0)


@pytest.mark.parametrize("kind", ["vector:200187"])
def test_a_slope_that_noise_hides_as_far_as_it_lasts_is_no_fault(kind):
    """Noise of 1e8, and a slope of 1e7 within 1 of x: farther away it is another."""
    e = example(int(kind.partition(":")[2]), scalar=False)
    assert fuzz._hidden(e, 6, 2)
    assert not fuzz._hidden(e, 6, 1)


@pytest.mark.parametrize(
    ("stated", "fault"), [(0.05, "wrong PASS"), (0.2, "wrong PASS below its stated size")]
)
def test_a_wrong_one_that_passes_is_judged_by_what_its_own_report_states(stated, fault):
    """Off by 0.1; the report of the right one states 1e-6."""
    e, plain = sine(), gradcheck.check_jacobian(sine().map.f, np.ones((1, 1)), np.array([0.3]))
    said = SimpleNamespace(outcome=Outcome.PASS, detectable=stated, reason="")
    assert fuzz._missed(e, plain, said)[0] == fault


def test_spans_and_units_are_those_that_the_page_states():
    """Of each array, zeros left out; the root mean square of the row where the entry is smaller."""
    e = sine()
    assert e.map.span == 1.0
    assert replace(e.map, x={"a": np.array([1e-5, 0.0, 2e4]), "b": np.ones(1)}).span == pytest.approx(2e9)
    assert replace(e.map, x=np.array([1.0, 1e8])).span <= SPAN
    assert row_units(np.array([[3.0, 0.0], [0.0, 0.0]])) == pytest.approx(
        np.array([[3.0, np.sqrt(4.5)], [0, 0]])
    )


@pytest.mark.slow
def test_a_refused_entry_of_a_second_array_is_asked_of_f():
    """scalar:11003228: entries of b, of which f as it is computed has the slope that the report has."""
    with np.errstate(all="ignore"):
        (right, _) = fuzz.said("scalar", 11_003_228)
    assert right.outcome in ("FAIL", "INCONCLUSIVE")
    assert right.fault == ""


def test_a_kink_beside_which_f_rounds_to_0_is_not_drawn():
    """(1 + tanh u) / 2 is 0 all around x, where the formula has slopes of 1e-208: the values are a referee, too."""
    assert kinked(300_240) is None
    assert kinked(0) is not None or kinked(4) is not None


@pytest.mark.slow
@pytest.mark.parametrize("seed", [10003100, 10003192, 10003504])
def test_a_kink_nearer_than_any_step_is_not_taken_for_a_minimum(seed):
    """Found by random functions: a slope between those of both sides passed, for |t| bends f more the shorter t is."""
    assert [said.fault for said in fuzz.judged_kink(seed, str(seed))] == [""] * 4


def test_what_moves_f_little_by_small_entries_alone_is_no_rounding():
    """Found by random functions: 1.8e98 of entries of 1e-12, beside one of 1e9 in their array, was taken for 0."""
    with np.errstate(all="ignore"):
        right, wrong = fuzz.said("scalar", 41_000_982)
    assert right.outcome == "PASS"
    assert wrong.outcome != "PASS"
