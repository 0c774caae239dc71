"""The numbers that a report has of a part that is off by a factor: as directions tell them, or measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck import check_gradient
from gradcheck.examination.claim import Claim
from gradcheck.examination.parts import give_numbers
from gradcheck.function.matrix import Dense
from gradcheck.function.objective import Objective
from gradcheck.joint.direction import Direction, Joint
from gradcheck.numerics.problem import Problem, Scaling, scaling_of
from gradcheck.numerics.setting import Setting
from gradcheck.parameters.boxes import Box, whole_box
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import Region
from gradcheck.results.verdict import Tolerance

PARAMETERS, X = Parameters.of({"W": np.linspace(1.0, 2.0, 12).reshape(3, 4), "b": np.linspace(1.0, 2.0, 8)})
W, B = PARAMETERS.blocks
N = X.size
ROW = Region(W, Box(((1, 2), (0, 4))), True, None, 2.0)
SCALES = np.full(N, 2.0)


def claim_of(*regions: Region, factor: float = 2.0, unit: float = 1.0) -> Claim:
    """A claim about the sum of all squares, in units of `unit`; in these parts it is `factor` times as large."""
    objective = Objective(lambda x: float(np.sum(x["W"] ** 2) + np.sum(x["b"] ** 2)), PARAMETERS)
    f_x, tolerance, claimed = np.atleast_1d(objective.value(X)), Tolerance(1e-6), 2.0 * X
    for region in regions:
        whole = claimed[region.block.slice].reshape(region.block.shape)
        whole[tuple(slice(*span) for span in region.box.ranges)] *= factor
    problem = Problem(objective, X, f_x, SCALES, tolerance, None, 2.0**-52, matrix=Dense(claimed[None, :]))
    setting = Setting(
        objective, X, f_x, SCALES, tolerance, level=1e-15, relative_step=1e-3, gradient_scale=np.full(2, 3.0)
    )
    claim = Claim(problem.in_units(unit), np.random.default_rng(0), np.zeros(N, bool), setting, exact=False)
    claim.regions = [replace(region, factor=factor) for region in regions]
    return claim


def joint(bound: float, *, certified: bool = True) -> Joint:
    """What two directions bound the error by."""
    one, yes = np.ones(1), np.array([certified])
    along = Direction(np.zeros(N), 0.25, one, one, one, one)
    return Joint((along, along), np.full(1, bound), yes, ~yes, one)


def scaling(claim: Claim, **lengths: float) -> Scaling:
    """Lengths of 2, but for some entries."""
    made = scaling_of(claim.problem, claim.still)
    own = np.full(N, 2.0)
    for name, length in lengths.items():
        own[int(name[1:])] = length
    return replace(made, lengths=own)


# The largest of the second row of W are its last two.
LARGEST = [6, 7]


def numbers(claim: Claim, bound: float = 1e-4, *, certified: bool = True, **lengths: float) -> Any:
    """What is judged then, and how many evaluations that took."""
    before = claim.problem.objective.nfev
    give_numbers(claim, joint(bound, certified=certified), scaling(claim, **lengths))
    return claim.judged, claim.problem.objective.nfev - before


@pytest.mark.parametrize("unit", [1.0, 4.0])
def test_directions_tell_the_two_largest_entries(unit: float):
    """Each is what is claimed over the factor, to what directions bound all by over its own length: no evaluation."""
    (told,), spent = numbers(claim_of(ROW, unit=unit), _7=0.5)
    assert spent == 0
    assert told.coordinates.tolist() == LARGEST
    assert told.analytic == pytest.approx(4.0 * X[LARGEST], rel=1e-12)
    found = told.estimate
    assert found.value == pytest.approx(2.0 * X[LARGEST], rel=1e-12)
    assert 3.0 * found.error == pytest.approx(unit * 1e-4 / np.array([2.0, 0.5]), rel=1e-12)
    assert found.step == pytest.approx(0.25 * np.array([2.0, 0.5]), rel=1e-12)
    for part in ("left", "right", "chord"):
        assert getattr(found, part) == pytest.approx(found.value, rel=1e-12)
    for part in ("noise", "sided"):
        assert getattr(found, part).tolist() == found.error.tolist()
    assert (found.truncation + found.kink).tolist() == [0.0, 0.0]
    assert np.isnan(found.curvature).all()
    assert told.judgement.wrong.all()


def test_what_is_negative_is_as_large():
    """By its modulus; the order is that of the places."""
    claim = claim_of(ROW, factor=-2.0)
    claim.analytic[5] *= 10.0
    (told,), _ = numbers(claim)
    assert told.coordinates.tolist() == [5, 7]
    assert told.estimate.value == pytest.approx(np.array([20.0, 2.0]) * X[[5, 7]], rel=1e-12)


@pytest.mark.parametrize(
    ("bound", "parts", "measured"),
    [
        (1e-4, {}, False),
        (1e-4, {"certified": False}, True),  # nothing is bounded
        (1e-4, {"_6": 0.0}, True),  # it does not move
        (2.0 * 0.099 * 2.0 * X[6], {}, False),  # ten bars and a bit
        (2.0 * 0.101 * 2.0 * X[6], {}, True),  # not quite ten
    ],
)
def test_where_directions_tell_too_little_they_are_measured(bound: float, parts: Any, measured: bool):
    """Off by less than ten of the bars, or by nothing that is known."""
    claim = claim_of(ROW)
    (told,), spent = numbers(claim, bound, **parts)
    assert told.coordinates.tolist() == LARGEST
    assert (spent > 0) is measured
    assert claim.still[LARGEST].all() == measured
    assert told.estimate.value == pytest.approx(2.0 * X[LARGEST], rel=1e-9)
    assert (told.estimate.error < 1e-9).all() == measured


def test_where_none_is_wrong_no_part_is():
    """What was taken for a factor is none, or one that the claim holds with; others stay."""
    claim = claim_of(Region(B, whole_box(B), True, None, 2.0))
    right = replace(ROW, factor=3.0)
    claim.regions.append(right)
    (told, _), _ = numbers(claim, certified=False)
    assert told.coordinates.tolist() == [B.stop - 2, B.stop - 1]
    assert [region.block for region in claim.regions] == [B]
    assert claim.factors == {W.name: 3.0}


def test_of_arrays_by_one_factor_that_nothing_bears_out_each_is_sampled():
    """One entry each; where that is right its array is no part, and neither are numbers that were measured before."""
    claim = claim_of(ROW)
    other = Region(B, whole_box(B), True, None, 2.0)  # b is right
    claim.regions.append(other)
    (told,), _ = numbers(claim, certified=False)
    assert told.coordinates.tolist() == [7, B.stop - 1]
    assert claim.regions == [ROW]
    assert claim.factors == {}
    known = claim_of(ROW, Region(B, whole_box(B), True, None, 2.0))
    known.judge(np.array([4]))
    (_, told), _ = numbers(known, certified=False)
    assert told.coordinates.tolist() == [B.stop - 2, B.stop - 1]
    assert len(known.regions) == 2


def test_each_factor_has_its_numbers_once():
    """Of arrays that share one the two largest of all; none of a part of which some were judged, or of no factor."""
    both = claim_of(ROW, Region(B, whole_box(B), True, None, 2.0))
    (told,), _ = numbers(both)
    assert told.coordinates.tolist() == [B.stop - 2, B.stop - 1]
    other = claim_of(ROW, Region(B, whole_box(B), True, None, 2.0))
    other.regions[1] = replace(other.regions[1], factor=3.0)
    assert [part.coordinates.tolist() for part in numbers(other)[0]] == [LARGEST, [B.stop - 2, B.stop - 1]]
    known = claim_of(ROW)
    known.judge(np.array([4]))
    assert len(numbers(known)[0]) == 1
    assert numbers(known)[1] == 0
    # One that was found to be right tells nothing of it.
    unlike = claim_of(ROW)
    unlike.analytic[4] /= 2.0
    unlike.judge(np.array([4]))
    assert [part.coordinates.tolist() for part in numbers(unlike)[0]] == [[4], LARGEST]
    beside = claim_of(ROW)
    beside.judge(np.array([0]))
    assert len(numbers(beside)[0]) == 2
    plain = claim_of()
    plain.regions = [replace(ROW, factor=None)]
    assert numbers(plain) == ([], 0)


@pytest.mark.parametrize(
    ("size", "factor", "rtol", "atol", "outcome"),
    [
        (1e-4, 2.0, None, 1e-3, "PASS"),
        (1e-4, 2.0, None, 1e-4, "FAIL"),
        (1.0, 1.0005, 1e-3, 0.0, "PASS"),
        (1.0, 1.0015, 1e-3, 0.0, "FAIL"),
        (1.0, -1.0, None, 8.0, "PASS"),
    ],
)
@pytest.mark.parametrize("n", [50, 1000])
def test_a_factor_of_all_entries_counts_as_one_of_each_does(
    n: int, size: float, factor: float, rtol: float | None, atol: float, outcome: str
):
    """Where it takes less of the largest than the tolerance lets pass, nothing is wrong."""
    f, right, x = linear(n)
    report = check_gradient(lambda x: size * f(x), size * factor * right, x, rtol=rtol, atol=atol)
    assert report.outcome.value == outcome, report
    if outcome == "FAIL":
        assert report.nfev <= 44
        assert "x numerical in all" in report.diagnosis[0] or factor == 1.0015


@pytest.mark.parametrize("n", [50, 400])
def test_entries_of_which_a_factor_takes_less_than_the_tolerance_are_not_counted(n: int):
    """Of 1.0005 with an atol of 1e-3 those larger than 2 are wrong."""
    f, right, x = linear(n)
    report = check_gradient(f, 1.0005 * right, x, atol=1e-3)
    wrong = int(np.count_nonzero(0.0005 * np.abs(right) > 1e-6 * 1.0005 * np.abs(right) + 1e-3))
    assert 0 < wrong < n
    assert report.reason.startswith(f"{wrong} of {n} entries wrong")


@pytest.mark.parametrize("seed", range(6))
def test_what_was_found_to_be_right_within_a_part_is_not_counted(seed: int):
    """The first 50 of 100 entries twice as large: half of the last row is right, and the count says so."""
    rng = np.random.default_rng(seed)
    data, known = rng.normal(size=(30, 25)), rng.random((30, 25)) < 0.3
    x = {"U": 0.5 * rng.normal(size=(30, 4)), "V": 0.5 * rng.normal(size=(25, 4))}

    def f(p: Any) -> float:
        return float(0.5 * np.sum((known * (data - p["U"] @ p["V"].T)) ** 2))

    left = known * (data - x["U"] @ x["V"].T)
    gradient = {"U": -left @ x["V"], "V": -left.T @ x["U"]}
    gradient["V"].reshape(-1)[:50] *= 2.0
    report = check_gradient(f, gradient, x, rng=seed)
    array = report.arrays[1]
    assert array.wrong == 50 or array.about
    assert max(array.wrong, array.about) <= 56


def linear(n: int) -> Any:
    """A smooth f of n entries, its gradient and a point; f takes no complex numbers."""
    a, x = np.random.default_rng(6).normal(size=(2, n))

    def f(x: np.ndarray) -> float:
        if np.iscomplexobj(x):
            raise TypeError("real numbers")
        return float(a @ np.sin(x))

    return f, a * np.cos(x), x


def test_everything_off_by_a_factor_takes_sixteen_evaluations():
    """28 and more when two entries were measured; what is said of them is within the bars."""
    f, right, x = linear(400)
    report = check_gradient(f, 1.1 * right, x)
    assert report.nfev == 16
    assert report.reason.startswith("400 of 400 entries wrong")
    assert report.diagnosis == ("analytic = 1.1 x numerical in all 400 entries of x",)
    for m in report.wrong:
        assert abs(m.numerical - right[m.flat_index]) <= 3.0 * m.error_bar


@pytest.mark.parametrize(("n", "factor"), [(400, 1.0 / 400.0), (401, 401.0), (365, 365.25), (50, np.pi)])
def test_a_factor_is_known_to_more_digits_than_its_entries(n: int, factor: float):
    """1/400 is told from 1/399 and 1/401, and pi from 22/7, where directions know entries to a thousandth."""
    f, right, x = linear(n)
    report = check_gradient(f, factor * right, x)
    (cause,) = report.causes
    assert cause.value == pytest.approx(factor, rel=1e-6)
    assert cause.bar < 1e-6


@pytest.mark.parametrize("budget", [24, 28, 32, 36, 44, 60, 76, 90, 120])
def test_a_budget_that_may_end_before_the_directions_leaves_numbers(budget: int):
    """Two entries are measured first: what is wrong is never left without one."""
    f, right, x = linear(400)
    report = check_gradient(lambda x: f(x) + 1e7, 1.1 * right, x, max_nfev=budget)
    assert report.outcome.value == "FAIL"
    assert report.wrong
    assert report.nfev <= budget


def layers(seed: int, count: int) -> Any:
    """A network of `count` layers with biases, real numbers only; its gradient and weights."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(20, 5))
    x = {}
    for k in range(count):
        x[f"W{k}"], x[f"b{k}"] = rng.normal(size=(5, 5)) / 2.0, 0.3 * rng.normal(size=5)

    def forward(p: Any) -> list[Any]:
        seen = [inputs]
        for k in range(count):
            seen.append(np.tanh(seen[-1] @ p[f"W{k}"] + p[f"b{k}"]))
        return seen

    def f(p: Any) -> float:
        if any(np.iscomplexobj(array) for array in p.values()):
            raise TypeError("real numbers")
        return float(np.sum(forward(p)[-1] ** 2))

    def gradient(p: Any) -> Any:
        seen, found = forward(p), {}
        back = 2.0 * seen[-1]
        for k in range(count - 1, -1, -1):
            back = back * (1.0 - seen[k + 1] ** 2)
            found[f"W{k}"], found[f"b{k}"] = seen[k].T @ back, back.sum(0)
            back = back @ p[f"W{k}"].T
        return {name: found[name] for name in p}

    return f, gradient, x


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("count", "which"),
    [(k, which) for k in (2, 4) for which in ("all but one", "biases", "some")] + [(8, "all but one")],
)
def test_arrays_that_share_a_factor_beside_right_ones_are_told_by_a_residual_each(
    count: int, seed: int, which: str
):
    """As one factor of everything is: four arrays of eight took a thousand evaluations, more than all their entries."""
    f, gradient, x = layers(seed, count)
    names = list(x)
    wrong = {"all but one": names[:1] + names[2:], "biases": names[1::2], "some": names[:3]}[which]
    claimed = {name: (0.5 if name in wrong else 1.0) * array for name, array in gradient(x).items()}
    report = check_gradient(f, claimed, x, rng=seed)
    # A residual takes two, and one may ask for more.
    assert report.nfev <= (60 if count < 8 else 80)
    assert {array.name for array in report.arrays if array.wrong} == {f'params["{name}"]' for name in wrong}
    assert [array.wrong for array in report.arrays if array.wrong] == [x[name].size for name in wrong]
    assert report.diagnosis[0].startswith("analytic = 1/2 x numerical in all ")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("what", "factor", "most"), [("sign", -2.0, 90), ("three times", 6.0, 90), ("missing", 0.0, 110)]
)
@pytest.mark.parametrize("name", ["W1", "b1"])
def test_one_factor_of_everything_and_another_of_one_array_are_told_apart(
    seed: int, what: str, factor: float, most: int, name: str
):
    """Two mistakes: eight arrays took some 300 to 850 evaluations, and their words were of all entries."""
    f, gradient, x = layers(seed, 4)
    right = gradient(x)
    claimed = {key: (factor if key == name else 2.0) * array for key, array in right.items()}
    report = check_gradient(f, claimed, x, rng=seed)
    assert report.nfev <= most
    size = sum(array.size for array in x.values())
    assert report.reason.startswith(f"{size} of {size} entries wrong") or what == "missing"
    twice, other = report.diagnosis
    assert twice == (
        f"analytic = 2 x numerical in all {size - x[name].size} entries of 7 arrays: a factor 2 too many"
    )
    assert f'params["{name}"]' in other
    assert other.startswith(
        "analytic is 0 in all " if what == "missing" else f"analytic = {factor:g} x numerical in all "
    )


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize(("weight", "bias"), [(2.0, 3.0), (-1.0, 2.0), (0.5, 1.5)])
def test_arrays_that_are_each_off_by_a_factor_of_their_own_are_told_apart(
    count: int, weight: float, bias: float
):
    """And the others are right: 190 to 410 evaluations before, as yet where little of it is left along a direction."""
    counts = []
    for seed in range(5):
        f, gradient, x = layers(seed, count)
        factors = {"W0": weight, "b0": bias}
        claimed = {key: factors.get(key, 1.0) * array for key, array in gradient(x).items()}
        report = check_gradient(f, claimed, x, rng=seed)
        counts.append(report.nfev)
        wrong = {array.name: array.wrong for array in report.arrays if array.wrong}
        assert wrong.keys() == {f'params["{name}"]' for name in factors}
        for name in factors:
            assert f'in all {x[name].size} entries of params["{name}"]' in " ".join(report.diagnosis)
            assert wrong[f'params["{name}"]'] == x[name].size or report.nfev > 80
    assert sorted(counts)[-2] <= 80


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_factor_of_one_array_is_told_beside_an_entry_of_another(count: int):
    """By itself, and the entry is judged: they took some 200 evaluations, and the array was counted "about"."""
    f, gradient, x = layers(1, count)
    claimed = gradient(x) | {"W0": 2.0 * gradient(x)["W0"]}
    claimed["b0"][3] *= 1.5
    report = check_gradient(f, claimed, x)
    assert report.nfev <= 80
    assert {array.name: array.wrong for array in report.arrays if array.wrong} == {
        'params["W0"]': x["W0"].size,
        'params["b0"]': 1,
    }
    assert "about" not in report.reason


def test_a_row_that_two_factors_make_right_is_not_counted():
    """Everything twice, and a row of that by a half: it is right, and the words say how many are not."""
    f, gradient, x = layers(0, 4)
    claimed = {key: 2.0 * array for key, array in gradient(x).items()}
    claimed["W1"][2] *= 0.5
    report = check_gradient(f, claimed, x)
    assert report.nfev <= 250
    size = sum(array.size for array in x.values())
    assert report.reason.startswith(f"{size - 5} of {size} entries wrong")
    assert report.diagnosis == (
        f"analytic = 2 x numerical in all {size - 5} wrong entries of 8 arrays: a factor 2 too many",
    )
