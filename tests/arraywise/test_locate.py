"""Group testing: what is wrong is named, what is right is not, and a budget ends it with what is known."""

from types import SimpleNamespace

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient
from gradcheck.arraywise.locate import COSTLIEST, SAMPLES, SMALL, locate
from gradcheck.parameters.boxes import Box, flat_indices, join_boxes
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import Residual
from gradcheck.results.outcome import Limit

SHAPE = (64, 48)


class Problem:
    """f of a matrix W and a vector b, with its gradient; entries of the gradient span three decades."""

    def __init__(self, *, real=False, seed=0):
        generator = np.random.default_rng(seed)
        self.real = real
        self.weights = 10 ** generator.uniform(-3, 0, SHAPE)
        self.x = {"W": generator.normal(size=SHAPE), "b": generator.normal(size=30)}

    def __call__(self, x):
        if self.real and np.iscomplexobj(x["W"]):
            raise TypeError("real numbers only")
        value = np.sum(self.weights * np.sin(x["W"])) + np.sum(x["b"] ** 2)
        return value.item()

    def gradient(self):
        return {"W": self.weights * np.cos(self.x["W"]), "b": 2 * self.x["b"]}


@pytest.fixture(params=[False, True], ids=["complex step", "real differences"])
def problem(request):
    """The same function, with and without complex numbers."""
    return Problem(real=request.param)


def named(report):
    """The flat indices that the report calls wrong."""
    return {wrong.flat_index for wrong in report.wrong}


def places(where):
    """Flat indices of a boolean mask, or of slices, of W."""
    grid = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    return set(np.ravel(grid[where]).tolist())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_one_wrong_entry_is_named_and_nothing_else(problem, seed):
    """0.1 % in one entry of 3,072, anywhere: FAIL, that entry, far fewer evaluations than 2 an entry."""
    generator = np.random.default_rng(seed)
    at = tuple(int(i) for i in generator.integers(SHAPE))
    gradient = problem.gradient()
    gradient["W"][at] *= 1.001

    report = check_gradient(problem, gradient, problem.x, rng=seed)

    assert report.outcome is Outcome.FAIL
    assert named(report) == places(at)
    # Two searches of 12 splits of 4 evaluations, and what certifies the rest.
    assert report.nfev < 250


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 5, 12])
def test_several_wrong_entries_are_all_named(problem, count):
    """Entries scattered over W, wrong by different factors, one of them a wrong sign that drowns the others."""
    generator = np.random.default_rng(count)
    gradient = problem.gradient()
    wrong = generator.choice(gradient["W"].size, count, replace=False)
    gradient["W"].flat[wrong] *= np.where(
        np.arange(count) == 0, -1.0, 1 + 10.0 ** generator.uniform(-3, -1, count)
    )

    report = check_gradient(problem, gradient, problem.x)

    assert report.outcome is Outcome.FAIL
    assert named(report) == set(wrong.tolist())


def test_right_gradient_has_nothing_named(problem):
    """The neighbour of all that is refused here."""
    for seed in range(10):
        report = check_gradient(problem, problem.gradient(), problem.x, rng=seed)

        assert report.outcome is Outcome.PASS
        assert report.wrong == ()


@pytest.mark.slow
def test_what_the_tolerance_accepts_is_not_accused(problem):
    """Every entry off by a tenth of rtol, and one by a half: PASS."""
    generator = np.random.default_rng(1)
    gradient = {
        name: g * (1 + 1e-7 * generator.normal(size=g.shape)) for name, g in problem.gradient().items()
    }
    gradient["W"][5, 6] *= 1 + 5e-7

    for seed in range(5):
        report = check_gradient(problem, gradient, problem.x, rng=seed)

        assert report.wrong == ()
        assert report.outcome is Outcome.PASS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "words"),
    [
        (np.s_[17, :], 'row 17 of params["W"]'),
        (np.s_[:, 31], 'column 31 of params["W"]'),
        (np.s_[16:32, :], 'params["W"][16:32, :]'),
        (np.s_[32:48, 12:24], 'params["W"][32:48, 12:24]'),
        (np.s_[:, :], 'params["W"]'),
    ],
)
def test_regions_are_called_by_their_name(problem, where, words):
    """A row, a column, rows, a block, the whole array, each 1 % too large: named as such, by a few samples."""
    gradient = problem.gradient()
    gradient["W"][where] *= 1.01

    report = check_gradient(problem, gradient, problem.x, rng=1)

    assert report.outcome is Outcome.FAIL
    assert sum(words in text for text in (*report.diagnosis, *report.notes)) == 1
    about = np.zeros(gradient["W"].shape)[where].size
    assert report.reason.startswith(f"about {about:,} of ")
    assert named(report) <= places(where)


@pytest.mark.slow
def test_equal_and_opposite_errors_are_both_named(problem):
    """They cancel for signs +-1 in half of the directions; here never."""
    for seed in range(10):
        gradient = problem.gradient()
        gradient["W"][3, 4] += 1e-3
        gradient["W"][40, 41] -= 1e-3

        report = check_gradient(problem, gradient, problem.x, rng=seed)

        assert named(report) == places(([3, 40], [4, 41]))


def test_entries_that_are_not_finite_are_named_beside_the_wrong_ones(problem):
    """nan and inf are wrong, and do not hide what else is."""
    gradient = problem.gradient()
    gradient["W"][0, 0], gradient["W"][1, 1] = np.nan, np.inf
    gradient["W"][9, 9] *= 1.01

    report = check_gradient(problem, gradient, problem.x)

    assert report.outcome is Outcome.FAIL
    assert named(report) == places(([0, 1, 9], [0, 1, 9]))


def test_a_budget_ends_the_search_with_what_is_known():
    """Too few evaluations to name the entry: never PASS."""
    problem = Problem(real=True)
    gradient = problem.gradient()
    gradient["W"][40, 7] *= 1.5
    for budget in (24, 30, 40, 60, 80):
        report = check_gradient(problem, gradient, problem.x, max_nfev=budget, rng=3)
        assert report.nfev <= budget
        assert report.outcome is not Outcome.PASS

    enough = check_gradient(problem, gradient, problem.x, max_nfev=400, rng=3)
    assert named(enough) == places((40, 7))


@pytest.mark.slow
def test_the_size_of_a_search_is_logarithmic():
    """A hundred times the entries cost a few splits more, not a hundred times the evaluations."""
    cost = []
    for n in (1000, 100_000):
        generator = np.random.default_rng(n)
        x = generator.normal(size=n)
        gradient = np.cos(x)
        gradient[n // 3] += 0.1
        report = check_gradient(lambda x: np.sum(np.sin(x)).item(), gradient, x)
        assert named(report) == {n // 3}
        cost.append(report.nfev)

    # log2(100) = 7 splits of one evaluation each, and chance in how many directions the noise needs.
    assert cost[1] - cost[0] < 40


def test_complex_parameters_have_their_real_and_imaginary_parts_named():
    """The gradient df/dRe + i df/dIm is wrong in the imaginary part of one entry of 200."""
    generator = np.random.default_rng(0)
    z = generator.normal(size=(20, 10)) + 1j * generator.normal(size=(20, 10))

    def f(z):
        return float(np.sum(np.abs(z) ** 2))

    wrong = 2 * z
    wrong[3, 4] += 0.01j

    assert check_gradient(f, 2 * z, z).outcome is Outcome.PASS
    report = check_gradient(f, wrong, z)
    assert report.outcome is Outcome.FAIL
    assert [w.index[:2] for w in report.wrong] == [(3, 4)]


def test_boxes_are_split_along_their_longest_side_and_joined_again():
    """Halves of a box make the box; boxes that only touch at a corner do not."""
    box = Box(((0, 10), (4, 7)))

    one, other = box.halves(box.axes()[0])

    assert (one.size, other.size, box.size) == (15, 15, 30)
    assert one.joined(other) == box
    assert Box(((0, 2), (0, 2))).joined(Box(((2, 4), (2, 4)))) is None
    assert Box(((0, 2), (0, 2))).joined(Box(((3, 4), (0, 2)))) is None
    ((joined, samples),) = join_boxes([(one, [1]), (other, [2])])
    assert joined == box
    assert sorted(samples) == [1, 2]


def test_a_box_joins_its_neighbour_wherever_that_stands():
    """Of three boxes the first and the last are neighbours along the rows."""
    left, right, below = Box(((0, 2), (0, 2))), Box(((0, 2), (4, 6))), Box(((2, 4), (0, 2)))

    joined = dict(join_boxes([(left, [1]), (right, [2]), (below, [3])]))

    assert joined == {right: [2], Box(((0, 4), (0, 2))): [1, 3]}


def test_the_places_of_a_box_are_those_in_the_flat_vector():
    """A scalar is one place; a part of a matrix behind it is counted from where the matrix begins."""
    parameters, _ = Parameters.of({"s": 1.0, "W": np.zeros((3, 4))})
    scalar, matrix = parameters.blocks

    assert flat_indices(scalar, Box(((0, 1),))).tolist() == [0]
    assert flat_indices(matrix, Box(((1, 3), (2, 3)))).tolist() == [1 + 6, 1 + 10]


def test_boxes_are_named_as_a_person_would():
    """Rows, columns, parts of vectors and of arrays with more axes."""
    parameters, _ = Parameters.of({"W": np.zeros((8, 6)), "v": np.zeros(9), "T": np.zeros((2, 3, 4))})
    blocks = {block.name: block for block in parameters.blocks}

    def words(array, *ranges):
        return Box(ranges).words(blocks[f'params["{array}"]'])

    assert words("W", (0, 8), (2, 3)) == 'column 2 of params["W"]'
    assert words("W", (3, 5), (0, 6)) == 'rows 3..4 of params["W"]'
    assert words("W", (3, 4), (1, 5)) == 'params["W"][3, 1:5]'
    assert words("v", (2, 9)) == 'params["v"][2:9]'
    assert words("T", (0, 1), (0, 3), (2, 4)) == 'params["T"][0, 0:3, 2:4]'


# The search alone, on residuals that are known.


class Known:
    """Tests of one array `W` behind another: the residual along v is errors.v, which exceeds its bar beyond `heard`.

    accepted : (n,) what the tolerance accepts in each entry. remaining : evaluations that f may take yet.
    """

    def __init__(self, errors, *, accepted=0.0, heard=1e-9, remaining=10**6, analytic=1.0, rms=1.0):
        errors = np.asarray(errors, float)
        parameters, _ = Parameters.of({"first": np.ones(5), "W": np.ones(errors.shape)})
        self.block = parameters.blocks[1]
        self.errors = np.concatenate([np.zeros(5), errors.ravel()])
        self.accepted = np.concatenate([np.zeros(5), np.broadcast_to(accepted, errors.shape).ravel()])
        self.heard, self.rms = heard, rms
        self.analytic = np.concatenate([np.zeros(5), np.broadcast_to(analytic, errors.shape).ravel()])
        self.tangent = np.where(np.arange(self.errors.size) < 5, 0.0, 1.0)
        self.setting = SimpleNamespace(
            objective=SimpleNamespace(nfev=0, remaining=remaining),
            relative_step=np.array([0.01]),
            scales=np.arange(1.0, self.errors.size + 1),
        )
        self.tests = []

    def _residual(self, part, step, cost):
        objective = self.setting.objective
        objective.nfev += cost
        objective.remaining -= cost
        self.tests.append(SimpleNamespace(entries=np.flatnonzero(part), step=step, cost=cost))
        spread = float(np.sqrt(np.sum((self.accepted * part) ** 2)))
        return Residual(float(self.errors @ part), 0.0, 1.0, self.heard, step, Limit.NONE, 0.0, spread)

    def by_complex_step(self, tangents):
        return tuple(self._residual(part, 1.0, 1) for part in tangents)

    def quick(self, part, step):
        return self._residual(part, step, 4)

    def real(self, tangents, step, enough):
        self.enough = enough
        return tuple(self._residual(part, step, 6) for part in tangents)

    def search(self, *, exact=True, budget=10**6, step=0.125, error=0.0):
        spread = float(np.sqrt(np.sum((self.accepted * self.tangent) ** 2)))
        value = float(self.errors @ self.tangent)
        whole = Residual(value, error, 1.0, self.heard, step, Limit.NONE, 0.0, spread)
        generator = np.random.default_rng(0)
        return locate(self, self.tangent, whole, exact=exact, budget=budget, generator=generator)

    @property
    def splits(self):
        """Tests of more than one entry: one a split."""
        return [test for test in self.tests if test.entries.size > 1]


def wrong_at(size, *places, by=1.0):
    """An error vector that is `by` at some places."""
    errors = np.zeros(size)
    errors[list(places)] = by
    return errors


def test_one_entry_among_many_takes_one_test_a_split():
    """1,024 entries: ten halvings, and no other test. The place is that in the flat vector."""
    known = Known(wrong_at(1024, 700))
    found = known.search()
    assert found.suspects == [5 + 700]
    assert (found.dense, found.open) == ([], [])
    assert len(known.tests) == 10


@pytest.mark.parametrize("spare", [0, -1])
def test_no_split_begins_that_the_budget_may_not_pay(spare):
    """A split may take 40 evaluations: with 40 one is made, with 39 none, whichever of the two budgets it is."""
    whole = Box(((0, 64),))
    for known, options in (
        (Known(wrong_at(64, 7)), {"budget": COSTLIEST + spare}),
        (Known(wrong_at(64, 7), remaining=COSTLIEST + spare), {}),
    ):
        found = known.search(**options)
        assert len(known.tests) == (1 if spare == 0 else 0)
        assert found.open == [Box(((0, 32),)) if spare == 0 else whole]


def test_all_that_is_loud_when_the_budget_ends_is_told():
    """One wrong entry in each half, and a budget for the first split alone."""
    known = Known(wrong_at(64, 7, 40))
    # The halving and the first sample, which is right or not.
    found = known.search(budget=COSTLIEST)
    assert {box.ranges for box in found.open} == {((0, 32),), ((32, 64),)}
    assert found.suspects == []


def test_the_loudest_part_is_looked_at_first():
    """With a budget that ends early, the larger of two mistakes is the one that is named."""
    for large, small in ((7, 1000), (1000, 7)):
        errors = wrong_at(1024, small, by=0.1) + wrong_at(1024, large)
        found = Known(errors).search(budget=COSTLIEST + 12)
        assert found.suspects == [5 + large]
        assert len(found.open) == 1


def test_splits_of_what_the_tolerance_would_explain_end_after_sixty_without_a_find():
    """Every eighth entry off by what is accepted: boxes beyond their bars, none of them with anything to name."""
    errors = np.zeros(8192)
    errors[::8] = 1.0
    known = Known(errors, accepted=1e6)
    found = known.search()
    assert (found.suspects, found.dense, found.open) == ([], [], [])
    assert len(known.splits) == 60


def test_what_the_tolerance_does_not_explain_is_looked_for_when_patience_is_gone():
    """Behind a louder part that is accepted, one mistake that is not."""
    errors = np.zeros(16384)
    errors[:8192:8] = 1.0
    errors[10_000] = 0.5
    known = Known(errors, accepted=np.where(np.arange(16384) < 8192, 1e6, 0.0))
    assert known.search().suspects == [5 + 10_000]


def test_a_find_renews_the_patience():
    """A region that is wrong throughout, then boxes that the tolerance explains: sixty splits of those again."""
    errors = np.zeros(16384)
    errors[:8192] = 100.0
    errors[8192::8] = 1.0
    known = Known(errors, accepted=1e6)
    found = known.search()
    assert [box for box, _ in found.dense] == [Box(((0, 8192),))]
    # Before the find that of the whole and that of the region.
    assert len(known.splits) == 2 + 60


@pytest.mark.parametrize(("size", "judged"), [(SMALL, True), (SMALL + 1, False)])
def test_a_small_box_that_cannot_be_told_apart_is_judged_entry_by_entry(size, judged):
    """Beyond the bar together, no half of it: sixteen entries are few enough to be judged each by itself."""
    errors = np.full(size, 1.0 / size)
    found = Known(errors, heard=0.9).search()
    assert found.suspects == (list(range(5, 5 + size)) if judged else [])


def test_what_cannot_be_told_apart_is_judged_beside_what_was_found():
    """Sixteen smallest_visible entries, and one that is named by itself."""
    errors = wrong_at(1024, 700, by=5.0)
    errors[:SMALL] = 1.0 / SMALL
    found = Known(errors, heard=0.9).search()
    assert sorted(found.suspects) == [*range(5, 5 + SMALL), 705]


def test_only_sizeable_entries_speak_for_a_region():
    """Six of 64 entries have a gradient, and are wrong; zeros stay right when a column is scaled."""
    sizeable = [3, 10, 20, 33, 47, 60]
    analytic = np.full(64, 0.5)  # below a hundredth of the root mean square
    analytic[sizeable] = 1.5
    known = Known(wrong_at(64, *sizeable), analytic=analytic, rms=100.0)
    ((box, samples),) = known.search().dense
    assert box == Box(((0, 64),))
    assert sorted(samples) == [5 + k for k in sizeable]
    assert all(test.entries.size == 1 for test in known.tests[1:])


def test_where_few_entries_are_sizeable_any_entries_speak():
    """Three of 64 have a gradient, but all are wrong."""
    analytic = np.zeros(64)
    analytic[[3, 20, 40]] = 1.0
    ((box, samples),) = Known(np.ones(64), analytic=analytic).search().dense
    assert box == Box(((0, 64),))
    assert len(set(samples)) == SAMPLES


def test_a_sample_is_stepped_by_its_own_scale():
    """Along one entry the step is the relative step times the scale of x there, over the tangent's speed."""
    known = Known(np.ones(64))
    known.tangent[5:] = np.linspace(0.5, 1.5, 64)
    known.search(exact=False)
    samples = [test for test in known.tests if test.entries.size == 1]
    assert len(samples) == SAMPLES
    for test in samples:
        (at,) = test.entries
        assert test.step == pytest.approx(0.01 * (at + 1) / known.tangent[at])
    assert [test.step for test in known.splits] == [0.125]


def test_an_entry_that_stays_where_it_is_shows_nothing():
    """A tangent of zero there: its residual is zero, and the region is not wrong throughout."""
    known = Known(np.ones(64), analytic=np.arange(64) < 6)
    known.tangent[5:8] = 0.0
    found = known.search(exact=False)
    # Where the six sizeable entries are, all is named one by one; the other half is sampled.
    assert [box for box, _ in found.dense] == [Box(((32, 64),))]
    assert sorted(found.suspects) == list(range(8, 5 + 32))


def test_halves_that_are_not_loud_are_measured_again_more_precisely():
    """By real differences only: from the step of the whole, to its own bar of three errors and a little."""
    known = Known(np.full(64, 1.0 / 64), heard=0.9)
    known.search(exact=False, error=0.01, step=0.25)
    assert [test.cost for test in known.tests] == [4, 6, 6]
    assert [test.step for test in known.tests] == [0.25] * 3
    assert 0.03 < known.enough < 0.04
    exact = Known(np.full(64, 1.0 / 64), heard=0.9)
    exact.search(exact=True)
    assert [test.cost for test in exact.tests] == [1]


def test_boxes_of_arrays_with_other_axes_are_not_joined():
    """That is a mistake of the caller."""
    with pytest.raises(ValueError, match="zip"):
        Box(((0, 2), (0, 2))).joined(Box(((0, 2),)))
