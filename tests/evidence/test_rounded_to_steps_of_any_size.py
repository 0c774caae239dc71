"""F of which a part is rounded, and then scaled: its steps are powers of neither two nor ten."""

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient, check_jacobian, check_vjp


def single(a):
    """In float32."""
    return np.asarray(a, np.float32)


def losses(samples, unit, n, seed):
    """The mean of logistic losses in float32 beside a penalty in float64: (f, its gradient, that of the penalty, x)."""
    rng = np.random.default_rng(seed)
    a, y = single(rng.normal(size=(samples, n)) / np.sqrt(n)), rng.random(samples) < 0.5
    x = single(rng.normal(size=n)).astype(float)

    def f(x):
        z = a @ single(x)
        return unit * float(np.logaddexp(np.float32(0), z).sum() - z[y].sum()) / samples + 0.005 * (x @ x)

    def grad(x):
        residual = 1.0 / (1.0 + np.exp(-(a @ single(x)))) - y
        return unit * (a.T @ single(residual)).astype(float) / samples + 0.01 * x

    return f, grad, lambda x: 0.01 * x, x


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("n", [2, 5, 12, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("samples", "unit"), [(10, 1.0), (64, 1.0), (80, 1.0), (100, 1.0), (64, 0.7)])
def test_a_mean_of_losses_in_float32_beside_a_penalty_is_judged_by_both(samples, unit, n):
    """Between two steps f has the slope of the penalty alone, and the complex step sees nothing else.

    The right gradient FAILed, and that of the penalty PASSed, in up to 12 of 12 where a step is no power of two.
    """
    right, alone = [], []
    for seed in range(6):
        f, grad, penalty, x = losses(samples, unit, n, seed)
        right.append(check_gradient(f, grad, x).outcome)
        alone.append(check_gradient(f, penalty, x).outcome)
    assert Outcome.FAIL not in right
    assert right.count(Outcome.PASS) >= 5
    assert Outcome.PASS not in alone
    assert alone.count(Outcome.FAIL) >= 5


GRIDS = {
    "a quotient": lambda v, q: np.round(v / q) * q,
    "a unit": lambda v, q: 0.7 * (np.round(v / q) * q),
    "an offset": lambda v, q: 3.3 + np.round(v / q) * q - 1.1,
}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("step", [1e-6, 1e-10])
@pytest.mark.parametrize(("seeds", "least"), [(5, 3), pytest.param(30, 33, marks=pytest.mark.slow)])
def test_values_on_a_grid_of_any_step_are_not_called_flat(grid, step, seeds, least):
    """A stencil that lies on one tread shows no slope, where longer ones on that line do."""
    outcomes = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        a, y, x = rng.normal(size=(30, 4)), rng.random(30) < 0.5, rng.normal(size=4)

        def f(w, a=a, y=y):
            return GRIDS[grid]((np.logaddexp(0, a @ w) - y * (a @ w)).mean(), step)

        def grad(w, a=a, y=y):
            return (0.7 if grid == "a unit" else 1.0) * a.T @ (1 / (1 + np.exp(-(a @ w))) - y) / 30

        outcomes.append(check_gradient(f, grad, x).outcome)
        wrong = check_gradient(f, lambda w, grad=grad: grad(w) + np.array([0, 0.3, 0, 0]), x)
        assert wrong.outcome is not Outcome.PASS

        def several(w, f=f):
            return np.array([f(w), f(-w), f(w / 2)])

        def rows(w, grad=grad):
            return np.array([grad(w), -grad(-w), grad(w / 2) / 2])

        outcomes.append(check_vjp(several, lambda w, u, rows=rows: rows(w).T @ u, x).outcome)
    assert Outcome.FAIL not in outcomes
    assert outcomes.count(Outcome.PASS) >= least


AFTER = {
    "a unit": (lambda h: 0.7 * h, lambda h: 0.7 + 0.0 * h),
    "an offset": (lambda h: h - 3.3, lambda h: 1.0 + 0.0 * h),
    "a root": (lambda h: np.sqrt(2.0 + h), lambda h: 0.5 / np.sqrt(2.0 + h)),
}


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("m", [3, *(pytest.param(m, marks=pytest.mark.slow) for m in (20, 100))])
def test_what_is_done_to_outputs_in_float32_leaves_their_noise(after, m):
    """Where nearly all show some, those that happen to lie in a line have it as well."""
    outcomes = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        w, x = (single(rng.normal(size=shape) * by).astype(float) for shape, by in (((m, 6), 0.3), (6, 1.0)))
        f, slope = AFTER[after]

        def outputs(x, w=w, f=f):
            return f(np.tanh(single(w) @ single(x)).astype(float))

        h = np.tanh(w @ x)
        jacobian = (slope(h) * (1.0 - h * h))[:, None] * w
        outcomes.append(check_jacobian(outputs, jacobian, x).outcome)
        jacobian[m // 2, 2] *= -1.0
        assert check_jacobian(outputs, jacobian, x).outcome is Outcome.FAIL
    assert Outcome.FAIL not in outcomes
    assert outcomes.count(Outcome.PASS) >= 5


@pytest.mark.parametrize("divide", [int, pytest.param(np.int64, marks=pytest.mark.slow), float])
@pytest.mark.parametrize("size", [3e-4, 3e-3])
def test_a_sum_in_float32_is_not_flat_whatever_it_is_divided_by(size, divide):
    """Embeddings as they are drawn at a start: f is claimed to change by less than a rounding of its sum."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        e = single(size * rng.normal(size=(40, 6)))
        i, j = rng.integers(0, 40, (2, 30))

        def f(e, i=i, j=j):
            return np.logaddexp(0, -(e[i] * e[j]).sum(axis=1)).sum() / divide(30)

        grad = np.zeros(e.shape)
        off = -1.0 / (1.0 + np.exp((e[i].astype(float) * e[j]).sum(axis=1))) / 30
        np.add.at(grad, i, off[:, None] * e[j])
        np.add.at(grad, j, off[:, None] * e[i])
        assert check_gradient(f, single(grad), e, rng=seed).outcome is not Outcome.FAIL


@pytest.mark.parametrize(
    ("samples", "unit", "n", "seed"), [(64, 0.7, 6, 3), (10, 1.0, 4, 19), (64, 0.7, 2, 24)]
)
def test_values_that_rise_as_beside_a_kink_by_luck_are_rounded_all_the_same(samples, unit, n, seed):
    """All but the first few rise by as many steps each; beyond a kink f never rises by less again."""
    f, grad, penalty, x = losses(samples, unit, n, seed)

    def real(x):
        if np.iscomplexobj(x):
            raise TypeError("real numbers only")
        return f(x)

    assert check_gradient(real, grad, x, rng=seed).outcome is Outcome.PASS
    assert check_gradient(real, penalty, x, rng=seed).outcome is not Outcome.PASS


@pytest.mark.slow
@pytest.mark.parametrize(("cells", "size"), [(1e3, 1e-3), (1e4, 1e-4)])
def test_jumps_that_add_up_to_nothing_leave_the_slope_beside_x(cells, size):
    """A table of random numbers, read at the cell that x lies in: its mean slope is 0, and so is that between jumps.

    Called rounded, f was INCONCLUSIVE in up to half, at three times the evaluations.
    """
    outcomes, spent = [], []
    for seed in range(20):
        rng = np.random.default_rng(1000 + seed)
        x = (np.floor(rng.normal(size=8) * cells) + rng.uniform(0.15, 0.85, 8)) / cells
        a, table = rng.normal(size=(8, 8)), size * rng.normal(size=(8, 100_003))

        def f(x, a=a, table=table):
            read = table[np.arange(8), np.floor(x * cells).astype(int) % 100_003]
            return np.sum(np.sin(a @ x)) + np.sum(read)

        right = a.T @ np.cos(a @ x)
        report = check_gradient(f, right, x, rng=seed)
        outcomes.append(report.outcome)
        spent.append(report.nfev)
        assert check_gradient(f, right + 0.5 * (np.arange(8) == 3), x, rng=seed).outcome is not Outcome.PASS
    assert Outcome.FAIL not in outcomes
    assert outcomes.count(Outcome.PASS) >= 18
    assert np.median(spent) <= 40


def test_what_oscillates_on_the_way_is_not_rounded():
    """A cosine of a time stamp of 1.6e9: a change that stays three times by chance is no jump."""
    for seed in range(20):
        rng = np.random.default_rng(1000 + seed)
        begin, period = 1.6e9 + rng.uniform(0, 100), rng.uniform(50, 90)
        height, level = rng.uniform(1, 2), rng.normal()
        t = 1.6e9 + np.sort(rng.uniform(0, 300, 40))
        y = height * np.cos(2 * np.pi * (t - begin) / period) + level + 0.1 * rng.normal(size=40)

        def f(x, t=t, y=y):
            return np.sum((x[0] * np.cos(2 * np.pi * (t - x[2]) / x[1]) + x[3] - y) ** 2)

        def grad(x, t=t, y=y):
            u = 2 * np.pi * (t - x[2]) / x[1]
            left = 2 * (x[0] * np.cos(u) + x[3] - y)
            by_u = -x[0] * np.sin(u)
            parts = np.cos(u), by_u * -u / x[1], by_u * -2 * np.pi / x[1], np.ones(t.size)
            return np.array([left @ part for part in parts])

        x = np.array([1.1 * height, period, begin + 1, level])
        assert check_gradient(f, grad, x, rng=seed).outcome is Outcome.PASS
        assert check_gradient(f, -grad(x), x, rng=seed).outcome is Outcome.FAIL
