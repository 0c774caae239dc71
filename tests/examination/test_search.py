"""What is wrong is named, what is right is not, and a budget ends a search with what is known."""

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient

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
    count = np.zeros(gradient["W"].shape)[where].size
    assert report.reason.startswith(f"{count:,} of ")
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
