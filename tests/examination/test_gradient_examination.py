"""Places and patterns: each wrong entry is named, nothing else is, and it costs what is said."""

from typing import Any

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient
from gradcheck.examination import search


def network(real):
    """README's network: (f, gradient as a flat vector, x as a dict, names and sizes)."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 784)), rng.normal(size=(100, 10))
    params = {"W1": rng.normal(size=(784, 50)) / 28, "b1": np.zeros(50)}
    params |= {"W2": rng.normal(size=(50, 10)) / 7, "b2": np.zeros(10)}

    def loss(p):
        value = np.mean((np.tanh(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"] - y) ** 2)
        return float(value) if real else value

    hidden = np.tanh(x @ params["W1"] + params["b1"])
    out = 2 * (hidden @ params["W2"] + params["b2"] - y) / y.size
    inner = out @ params["W2"].T * (1 - hidden**2)
    gradient = {"W1": x.T @ inner, "b1": inner.sum(axis=0), "W2": hidden.T @ out, "b2": out.sum(axis=0)}
    return loss, gradient, params


def planted(gradient, places, factor=1.05):
    """A copy with some entries of W1 off by a factor, and their flat indices."""
    wrong = {name: array.copy() for name, array in gradient.items()}
    wrong["W1"].flat[places] *= factor
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize(("count", "most"), [(1, (28, 13)), (3, (62, 26)), (10, (152, 66))])
def test_wrong_entries_of_forty_thousand_are_named(real, count, most):
    """All of them and no other, with so many evaluations in the median: real, and by the complex step."""
    f, gradient, x = network(real)
    spent = []
    for seed in range(9):
        sizeable = np.flatnonzero(np.abs(gradient["W1"]) > 0.1 * np.sqrt(np.mean(gradient["W1"] ** 2)))
        places = np.random.default_rng(seed).choice(sizeable, count, replace=False)
        report = check_gradient(f, planted(gradient, places), x, rng=seed)
        assert report.outcome is Outcome.FAIL
        assert {m.flat_index for m in report.wrong} == set(places.tolist())
        spent.append(report.nfev)
    assert np.median(spent) <= most[0 if real else 1]


def test_where_one_direction_is_known_to_be_too_few_two_prove_more():
    """Of values of 1e5 rounding leaves so much that no look is taken after the first, nor is one of the last two.

    A right gradient of 200 then takes 14 evaluations and a wrong entry 26; with a look after each direction 18 and 30
    at half of the seeds.
    """
    for seed in range(6):
        rng = np.random.default_rng(seed)
        a, x = rng.uniform(0.5, 1.0, 200), rng.normal(size=200)
        gradient = a * np.cos(a * x)

        def f(x, a=a):
            return float(np.sum(np.sin(a * x))) + 1e5

        right = check_gradient(f, gradient, x, rng=seed)
        assert right.outcome is Outcome.PASS
        assert right.nfev <= 14
        gradient[7] *= 1.5
        wrong = check_gradient(f, gradient, x, rng=seed)
        assert [m.flat_index for m in wrong.wrong] == [7]
        assert wrong.nfev <= 26


def test_rounding_asks_for_no_third_direction():
    """A loss of 2 rounds by 4e-16, and small weights of 784 inputs move it by little: the step is as long as two ask.

    By the step that three would do with it takes 18 at most seeds.
    """
    spent = []
    rng = np.random.default_rng(0)
    x, labels = rng.uniform(size=(20, 784)), rng.integers(10, size=20)
    params = {"W1": 0.01 * rng.normal(size=(784, 20)), "W2": 0.01 * rng.normal(size=(20, 10))}

    def forward(p):
        z = 1.0 / (1.0 + np.exp(-x @ p["W1"]))
        y = np.exp(z @ p["W2"])
        return z, y / y.sum(axis=1, keepdims=True)

    def loss(p):
        return -float(np.log(forward(p)[1][np.arange(20), labels]).mean())

    def gradient(p):
        z, y = forward(p)
        y[np.arange(20), labels] -= 1.0
        dz = y / 20 @ p["W2"].T * z * (1.0 - z)
        return {"W1": x.T @ dz, "W2": z.T @ y / 20}

    for seed in range(12):
        report = check_gradient(loss, gradient, params, rng=seed)
        assert report.outcome is Outcome.PASS
        spent.append(report.nfev)
    assert np.median(spent) == 14
    assert max(spent) <= 18


def test_the_right_one_passes_with_fourteen_evaluations():
    """The neighbour of the test above; six where f takes complex numbers."""
    for real, most in ((True, 14), (False, 6)):
        f, gradient, x = network(real)
        report = check_gradient(f, gradient, x)
        assert report.outcome is Outcome.PASS
        assert report.nfev <= most


@pytest.mark.slow
def test_two_hundred_arrays_cost_no_more_than_one():
    """196 arrays of several sizes: a certificate for each, from the same directions."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=int(n)) for n in rng.integers(5, 400, 196)]
    gradient = [np.cos(part) for part in x]
    report = check_gradient(lambda x: float(sum(np.sin(part).sum() for part in x)), gradient, x)

    assert report.outcome is Outcome.PASS
    assert report.nfev <= 18
    assert len(report.certificates) == 196
    gradient[100][3] *= 1.01
    wrong = check_gradient(lambda x: float(sum(np.sin(part).sum() for part in x)), gradient, x)
    assert [m.name for m in wrong.wrong] == ["params[100][3]"]
    assert wrong.nfev <= 32


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "where", "factor", "most"),
    [
        ("W1", np.s_[17, :], 1.01, (28, 56)),
        ("W1", np.s_[:, 31], 1.01, (28, 58)),
        ("W2", np.s_[:, :], 2.0, (44, 70)),
        # At 0, where directions say what the entries should be.
        ("b1", np.s_[:], -1.0, (38, 68)),
        ("b1", np.s_[:], 1.01, (32, 60)),
        ("W1", np.s_[17, :], 0.0, (32, 72)),
        ("W1", np.s_[:, 31], 0.0, (32, 72)),
        ("W1", np.s_[:, :], 0.0, (36, 66)),
        # Steps from 0 are looked at again nearer to it.
        ("b2", np.s_[:], 0.0, (36, 190)),
    ],
)
@pytest.mark.parametrize("real", [False, True])
def test_a_part_that_is_off_by_one_factor_is_told_as_a_part(name, where, factor, most, real):
    """A row, a column, an array, a sign, 0: a few entries are judged, the rest is certified; with real numbers, too."""
    f, gradient, x = network(real)
    wrong = {key: array.copy() for key, array in gradient.items()}
    wrong[name][where] *= factor
    report = check_gradient(f, wrong, x, rng=1)

    assert report.outcome is Outcome.FAIL
    # By a factor, which directions bear out; what is 0 is told by a sample.
    about = "" if factor else "about "
    assert report.reason.startswith(f"{about}{np.size(wrong[name][where]):,} of ")
    assert any(f'params["{name}"]' in sentence for sentence in report.diagnosis)
    assert {m.name.split("[")[1] for m in report.wrong} == {f'"{name}"]'}
    assert report.nfev <= most[real]


def test_a_few_wrong_entries_of_a_row_do_not_make_it_all_wrong():
    """Three of fifty are named, and no part is; of two of six samples that are right none is made of the rest."""
    f, gradient, x = network(real=False)
    wrong = {name: array.copy() for name, array in gradient.items()}
    wrong["W1"][17, [3, 20, 44]] *= -1.0
    report = check_gradient(f, wrong, x)
    assert {m.name for m in report.wrong} == {f'params["W1"][17, {k}]' for k in (3, 20, 44)}
    assert report.evidence.regions == ()


def test_a_row_that_is_wrong_without_one_factor_is_named_by_a_sample():
    """Each entry off by another part: all six samples are wrong, and the rest of the row is said to be."""
    f, gradient, x = network(real=False)
    wrong = {name: array.copy() for name, array in gradient.items()}
    wrong["W1"][17] *= np.random.default_rng(0).uniform(1.1, 3.0, 50)
    report = check_gradient(f, wrong, x)
    (region,) = report.evidence.regions
    assert (str(region), region.size) == ('row 17 of params["W1"]', 50)
    assert report.nfev <= 40


@pytest.mark.parametrize("seed", range(3))
def test_beside_a_large_offset_eight_points_certify_where_four_never_would(seed):
    """1e5 beside what a network of three layers computes rounds to 1.5e-11; nearer points know less of the slope."""
    rng = np.random.default_rng(3)
    inputs, out = rng.normal(size=(32, 20)), rng.normal(size=(32, 3))
    x = {}
    for k, (rows, columns) in enumerate(((20, 12), (12, 12), (12, 3))):
        x[f"W{k}"] = rng.normal(size=(rows, columns)) * np.sqrt(2 / rows)
        x[f"b{k}"] = 0.1 * rng.normal(size=columns)

    def layers(p):
        first = np.tanh(inputs @ p["W0"] + p["b0"])
        second = np.tanh(first @ p["W1"] + p["b1"])
        return first, second, second @ p["W2"] + p["b2"] - out

    def f(p):
        return float(np.mean(layers(p)[2] ** 2)) + 1e5

    first, second, off = layers(x)
    third = 2 * off / off.size
    inner = (third @ x["W2"].T) * (1 - second**2)
    outer = (inner @ x["W1"].T) * (1 - first**2)
    gradient = {"W0": inputs.T @ outer, "b0": outer.sum(0), "W1": first.T @ inner, "b1": inner.sum(0)}
    gradient |= {"W2": second.T @ third, "b2": third.sum(0)}
    report = check_gradient(f, gradient, x, rng=seed)
    assert report.outcome is Outcome.PASS
    assert report.nfev <= 130
    gradient["W1"][3, 7] += 0.01 * np.sqrt(np.mean(gradient["W1"] ** 2))
    assert check_gradient(f, gradient, x, rng=seed).outcome is not Outcome.PASS


def square(share):
    """A claim about tanh(W y) with some entries of W off; W is 40 x 40, beside an array that is right."""
    rng = np.random.default_rng(5)
    params = {"W": rng.normal(size=(40, 40)) / 6, "b": rng.normal(size=40)}
    y = rng.normal(size=40)

    def f(p):
        return np.sum(np.tanh(p["W"] @ y + p["b"]) * np.arange(1, 41))

    inner = (1 - np.tanh(params["W"] @ y + params["b"]) ** 2) * np.arange(1, 41)
    gradient = {"W": np.outer(inner, y), "b": inner}
    return f, gradient | {"W": gradient["W"] * share}, params


@pytest.mark.parametrize(
    ("lines", "share", "words"),
    [
        (np.s_[:, ::2], -1.0, 'analytic = -numerical in columns 0, 2, 4, 6 and 16 more of params["W"]'),
        (np.s_[::3], 2.0, 'analytic = 2 x numerical in rows 0, 3, 6, 9 and 10 more of params["W"]'),
        (np.s_[::3], None, "the wrong entries are rows 0, 3, 6, 9 and 10 more"),
    ],
)
def test_lines_that_are_wrong_among_others_are_named_together(lines, share, words):
    """By one factor or not: a residual a line tells which, a few entries are judged, and the rest is certified."""
    mistake = np.ones((40, 40))
    own = np.random.default_rng(0).uniform(1.1, 3.0, mistake[lines].shape)
    mistake[lines] = own if share is None else share
    f, gradient, x = square(mistake)
    report = check_gradient(f, gradient, x, rng=2)
    assert report.outcome is Outcome.FAIL
    assert sum(max(a.about, a.wrong) for a in report.arrays) == int((mistake != 1).sum())
    assert report.diagnosis[0].startswith(words)
    assert len(report.certificates) == 2
    assert report.nfev <= 700


@pytest.mark.parametrize(("lines", "others"), [(np.s_[3], False), (np.s_[:], False), (np.s_[3], True)])
def test_a_part_that_is_off_by_a_factor_is_borne_out_by_directions_without_it(lines, others):
    """The test of the gradient without it goes on: f is asked nothing twice, and what is left of each entry bounded.

    With another row off by as much besides, of which each entry has a part of its own, it is said of the first alone.
    """
    mistake = np.ones((40, 40))
    mistake[lines] = 1.7
    if others:
        mistake[9] = np.random.default_rng(0).uniform(1.4, 3.0, 40)
    f, gradient, x = square(mistake)
    points = []

    def noted(p):
        points.append(b"".join(np.asarray(array).tobytes() for array in p.values()))
        return f(p)

    report = check_gradient(noted, gradient, x, rng=2)
    assert report.outcome is Outcome.FAIL
    factors = [region.borne_out for region in report.evidence.regions]
    assert [factor for factor in factors if factor is not None] == pytest.approx([1.7], rel=1e-6)
    assert (None in factors) is others
    if not others:
        assert len(set(points)) == len(points) == report.nfev
        (region,) = report.evidence.regions
        wrong = gradient["W"][lines]
        assert abs(wrong / region.factor - wrong / 1.7).max() <= region.bar <= 1e-3 * abs(wrong).max()
        assert report.nfev <= 30
        judged = report.evidence.entries
        assert judged.coordinates.size == 2
        assert judged.judgement.wrong.all()


SYMMETRIC: dict[str, tuple[Any, int]] = {
    "folded": (lambda g: np.triu(g) + np.triu(g, 1), 90),
    "folded downwards": (lambda g: np.tril(g) + np.tril(g, -1), 90),
    "its diagonal too": (lambda g: 2.0 * np.triu(g), 100),
    "one triangle": (np.triu, 45),
    "each pair as one": (lambda g: 2.0 * g - np.diag(np.diag(g)), 90),
}


@pytest.mark.parametrize(("mistake", "count"), SYMMETRIC.values(), ids=SYMMETRIC)
@pytest.mark.parametrize("arrays", [1, 2])
def test_a_symmetric_array_taken_for_its_triangle_is_told_by_one_direction(mistake, count, arrays):
    """tr(a S)^3 + sum of sin S with S = (X + X') / 2, and another array; each entry is counted, and the rest right."""
    names = ("A", "B")[:arrays]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x = {name: rng.normal(size=(10, 10)) for name in names} | {"c": rng.normal(size=7)}
        weights = rng.normal(size=(10, 10))

        def f(p: Any, a: Any = weights) -> float:
            sums = [(p[name] + p[name].T) / 2.0 for name in names]
            return float(sum(np.sum(a * s) ** 3 + np.sum(np.sin(s)) for s in sums) + np.sum(np.cos(p["c"])))

        def right(p: Any, a: Any = weights) -> Any:
            found = {"c": -np.sin(p["c"])}
            for name in names:
                s = (p[name] + p[name].T) / 2.0
                found[name] = 3.0 * np.sum(a * s) ** 2 * (a + a.T) / 2.0 + np.cos(s)
            return found

        def wrong(p: Any, right: Any = right) -> Any:
            return right(p) | {name: mistake(right(p)[name]) for name in names}

        assert check_gradient(f, right, x, rng=seed).outcome is Outcome.PASS
        report = check_gradient(f, wrong, x, rng=seed)
        assert [(a.wrong or a.about) for a in report.arrays] == [count] * arrays + [0]
        assert report.nfev <= 70


def log_sum(values: Any, axis: int) -> Any:
    """log of the sum of exp along an axis."""
    return np.log(np.exp(values).sum(axis=axis))


@pytest.mark.parametrize("seed", [0, 1, 2, 11, 12, 18, 19])
def test_arrays_along_which_f_is_flat_are_not_searched_for_what_is_wrong_in_another(seed):
    """A hidden Markov model at zeros, without the emission at the first time; one that forgets an array is told so."""
    rng = np.random.default_rng(seed)
    times, k, v = rng.integers(5, 40), rng.integers(2, 6), rng.integers(2, 7)
    seen = rng.integers(0, v, times)

    def f(p: Any) -> float:
        a, b = p["A"] - log_sum(p["A"], 1)[:, None], p["B"] - log_sum(p["B"], 1)[:, None]
        alpha = p["pi"] - log_sum(p["pi"], 0) + b[:, seen[0]]
        for t in seen[1:]:
            alpha = log_sum(alpha[:, None] + a, 0) + b[:, t]
        return float(-log_sum(alpha, 0) + np.sum(np.sin(p["c"])) / 3.0)

    def gradient(first: int, c: float) -> Any:
        found = {name: np.zeros_like(part) for name, part in x.items()}
        for t in seen[first:]:
            found["B"] += (1.0 / v - np.eye(v)[t]) / k
        return found | {"c": np.full(3, c)}

    x = {"pi": np.zeros(k), "A": np.zeros((k, k)), "B": np.zeros((k, v)), "c": np.zeros(3)}
    size = sum(part.size for part in x.values())
    assert check_gradient(f, gradient(0, 1 / 3), x, rng=seed).outcome is Outcome.PASS
    report = check_gradient(f, gradient(1, 1 / 3), x, rng=seed)
    assert [a.name for a in report.arrays if a.wrong or a.about] == ['params["B"]']
    assert report.nfev <= 10 * size + 20
    both = check_gradient(f, gradient(1, 0.0), x, rng=seed)
    assert [a.name for a in both.arrays if a.wrong or a.about] == ['params["B"]', 'params["c"]']


def test_one_entry_beside_a_folded_triangle_is_no_part_of_it():
    """What else is wrong is told by itself, and the triangle not as the one explanation of all."""
    rng = np.random.default_rng(0)
    x, a = rng.normal(size=(9, 9)), rng.normal(size=(9, 9))

    def gradient(x: Any) -> Any:
        g = 3.0 * np.sum(a * (x + x.T) / 2.0) ** 2 * (a + a.T) / 2.0
        g = np.triu(g) + np.triu(g, 1)
        g[4, 4] *= 1.5
        return g

    report = check_gradient(lambda x: float(np.sum(a * (x + x.T) / 2.0) ** 3), gradient, x, rng=0)
    assert report.outcome is Outcome.FAIL
    assert not any("in all 81" in said for said in report.diagnosis)


@pytest.mark.parametrize("shape", [(9, 9), (9, 8)])
@pytest.mark.parametrize("dtype", [float, complex])
def test_one_wrong_entry_of_a_square_array_is_no_triangle(shape, dtype, monkeypatch):
    """What the direction shows is not what a folded triangle would; of complex numbers none is looked for."""
    monkeypatch.setattr(search, "_taken_for", lambda *args: pytest.fail("a triangle was looked for"))
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(dtype)

    def gradient(x: Any) -> Any:
        g = 2.0 * x
        g[2, 3] *= 1.5
        return g

    report = check_gradient(lambda x: float(np.sum(np.abs(x) ** 2)), gradient, x, rng=0)
    assert [w.index for w in report.wrong] == [(2, 3)]


def test_a_triangle_that_was_left_out_is_told_by_its_zeros():
    """What is claimed to be 0 holds all that is wrong: six of it are judged, the rest of x is certified."""
    f, gradient, x = square(np.triu(np.ones((40, 40))))
    report = check_gradient(f, gradient, x, rng=0)
    assert [(a.name, a.about) for a in report.arrays if a.wrong] == [('params["W"]', 780)]
    assert {m.analytic for m in report.wrong} == {0.0}
    assert len(report.certificates) == 2
    assert report.nfev <= 90


def test_zeros_that_are_right_accuse_nobody():
    """A masked weight has the gradient 0: with a wrong entry elsewhere that one is named, and nothing else."""
    mask = np.triu(np.ones((40, 40)))
    f, gradient, x = square(mask)
    masked = dict(gradient)
    masked["W"] = gradient["W"].copy()
    masked["W"][3, 20] *= 1.1
    report = check_gradient(
        lambda p: f({"W": p["W"] * mask + x["W"] * (1 - mask), "b": p["b"]}), masked, x, rng=0
    )
    assert [m.name for m in report.wrong] == ['params["W"][3, 20]']
    assert report.evidence.regions == ()
    # Of two such entries the zeros explain nothing: none of them is judged.
    masked["W"][9, 31] *= 1.2
    two = check_gradient(
        lambda p: f({"W": p["W"] * mask + x["W"] * (1 - mask), "b": p["b"]}), masked, x, rng=0
    )
    assert {m.name for m in two.wrong} == {'params["W"][3, 20]', 'params["W"][9, 31]'}
    assert two.nfev <= 24


@pytest.mark.parametrize("seed", range(3))
def test_a_block_in_a_corner_is_named_to_the_edges_of_its_array(seed):
    """Beyond them there is no line to measure."""
    mistake = np.ones((40, 40))
    mistake[0:7, 31:40] = 1.3
    f, gradient, x = square(mistake)
    (region,) = check_gradient(f, gradient, x, rng=seed).evidence.regions
    assert str(region) == 'params["W"][0:7, 31:40]'


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (3, 4, 5))])
def test_a_row_of_which_most_is_wrong_is_named_entry_by_entry(seed):
    """Six of a sample have to be, not most: more than half of fifty are wrong, each by a part of its own."""
    f, gradient, x = network(real=False)
    wrong = {name: array.copy() for name, array in gradient.items()}
    bad = np.random.default_rng(seed).random(50) < 0.6
    wrong["W1"][17, bad] *= np.random.default_rng(1).uniform(1.1, 3.0, bad.sum())
    report = check_gradient(f, wrong, x, rng=seed)
    assert {m.name for m in report.wrong} == {f'params["W1"][17, {k}]' for k in np.flatnonzero(bad)}
    assert report.evidence.regions == ()


@pytest.mark.parametrize("seed", [15, 18, 36])
def test_half_of_an_array_is_not_called_all_of_it(seed):
    """At the second of these seeds the first six of a sample of twelve are wrong by chance."""
    mistake = np.ones((40, 40))
    mistake[::2] = np.random.default_rng(0).uniform(1.1, 3.0, (20, 40))
    f, gradient, x = square(mistake)
    report = check_gradient(f, gradient, x, rng=seed)
    assert sum(a.about or a.wrong for a in report.arrays) == 800


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("axis", [0, 1])
def test_some_lines_by_factors_of_their_own_are_each_told(seed, axis):
    """Three among eighty: by what each leaves by itself; entry by entry they took thousands of evaluations."""
    x = np.random.default_rng(0).normal(size=(80, 80))
    factors = np.ones(80)
    factors[[2, 4, 60]] = 2.0, 5.0, -1.0
    claim = np.cos(x) * (factors[:, None] if axis == 0 else factors)
    report = check_gradient(lambda x: float(np.sum(np.sin(x))), claim, x, rng=seed)
    assert report.reason.removeprefix("about ").startswith("240 of 6,400 entries wrong")
    told = [region.factor for region in report.evidence.regions if region.factor is not None]
    # What two points know of a line may be too little for its factor.
    assert len(told) >= 2
    assert all(min(abs(factor - known) for known in (2.0, 5.0, -1.0)) < 1e-6 for factor in told)
    assert report.nfev <= 300


def scattered(count, seed, real):
    """A gradient of two arrays with half of the entries of W wrong, here and there: (f, claim, x, how many)."""
    rng = np.random.default_rng(seed)
    x = {"W": rng.normal(size=(count, 10)), "b": rng.normal(size=10)}

    def f(p):
        if real and np.iscomplexobj(p["W"]):
            raise TypeError("real numbers only")
        value = np.sum(np.sin(p["W"] + p["b"]))
        return float(value) if real else value

    slope = np.cos(x["W"] + x["b"])
    bad = rng.random(slope.shape) < 0.5
    return f, {"W": np.where(bad, 0.3, 1.0) * slope + bad * slope**2, "b": slope.sum(0)}, x, int(bad.sum())


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("real", [False, True])
def test_where_half_of_the_entries_are_wrong_here_and_there_few_are_looked_for(seed, real):
    """Of two hundred each is judged, for what a sweep takes; of two thousand a sample says how many, within a third."""
    f, claim, x, wrong = scattered(20, seed, real)
    report = check_gradient(f, claim, x, rng=seed)
    assert report.reason.startswith(f"{wrong} of 210 entries wrong")
    assert report.nfev <= 7 * 210
    f, claim, x, wrong = scattered(200, seed, real)
    report = check_gradient(f, claim, x, rng=seed)
    assert report.reason.startswith("about ")
    assert sum(a.about for a in report.arrays) == pytest.approx(wrong, rel=1 / 3)
    assert report.nfev <= 800


def test_many_small_arrays_with_some_wrong_entries_each_are_judged():
    """Thirty of ten: no sample tells of so few what part is wrong."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=10) for _ in range(30)]

    def f(p):
        return float(sum(np.sum(np.sin(np.real(each))) for each in p))

    bad = [rng.random(10) < 0.5 for _ in x]
    claim = [
        np.where(wrong, rng.uniform(1.1, 3.0, 10), 1.0) * np.cos(each)
        for wrong, each in zip(bad, x, strict=True)
    ]
    report = check_gradient(f, claim, x)
    count = sum(int(each.sum()) for each in bad)
    assert report.reason.startswith(f"{count} of 300 entries wrong")
    assert report.nfev <= 8 * 300


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [1.3, None])
def test_a_block_is_named_with_its_edges(share, seed):
    """Eight of its entries are found, and the lines beside their box measured until one holds nothing."""
    mistake = np.ones((40, 40))
    own = np.random.default_rng(0).uniform(1.1, 3.0, (7, 9))
    mistake[10:17, 20:29] = own if share is None else share
    f, gradient, x = square(mistake)
    report = check_gradient(f, gradient, x, rng=seed)
    (region,) = report.evidence.regions
    assert (str(region), region.size) == ('params["W"][10:17, 20:29]', 63)
    assert sum(max(a.about, a.wrong) for a in report.arrays) == 63
    assert len(report.certificates) == 2
    assert report.nfev <= 200


def test_an_array_that_is_wrong_throughout_is_named_by_a_sample():
    """No factor, no lines: all six samples are wrong after eight entries were. Of a scatter each entry is named."""
    f, gradient, x = square(np.random.default_rng(0).uniform(1.1, 2.0, (40, 40)))
    report = check_gradient(f, gradient, x, rng=0)
    (region,) = report.evidence.regions
    assert (str(region), region.size) == ('params["W"]', 1600)
    assert [certificate.name for certificate in report.certificates] == ['params["b"]']
    assert report.nfev <= 200
    some = np.random.default_rng(1).random((40, 40)) < 0.02
    f, gradient, x = square(np.where(some, 1.5, 1.0))
    report = check_gradient(f, gradient, x, rng=0)
    assert {m.flat_index for m in report.wrong} == set(np.flatnonzero(some).tolist())
    assert report.evidence.regions == ()


@pytest.mark.slow
def test_a_search_for_too_many_entries_ends_and_says_where_others_are():
    """A third of 10,000 entries that lie anywhere: those that were found are named, and their array is left open."""
    rng = np.random.default_rng(0)
    x, some = rng.uniform(1.0, 2.0, (100, 100)), rng.random((100, 100)) < 0.3
    report = check_gradient(lambda x: np.sum(x**3), 3 * x**2 * np.where(some, 1.5, 1.0), x, rng=0)
    assert report.outcome is Outcome.FAIL
    assert {m.flat_index for m in report.wrong} < set(np.flatnonzero(some).tolist())
    assert any("the search ended there" in note for note in report.notes)
    assert report.nfev <= 11_000


def test_of_a_forgotten_array_what_is_0_is_right():
    """Half of its entries do nothing: about as many are counted as the sample tells, and the rest of x is certified."""
    x = {"used": np.linspace(1.0, 2.0, 120), "forgotten": np.linspace(1.0, 2.0, 40)}
    counts = np.arange(40) % 4 > 0

    def f(p):
        return np.sum(p["used"] ** 3) + np.sum((p["forgotten"] ** 2)[counts])

    gradient = {"used": 3 * x["used"] ** 2, "forgotten": np.zeros(40)}
    report = check_gradient(f, gradient, x, rng=0)
    assert report.outcome is Outcome.FAIL
    assert {m.name.split("[")[1] for m in report.wrong} == {'"forgotten"]'}
    (region,) = report.evidence.regions
    assert region.size == round(40 * len(report.wrong) / 6)
    # Where one entry of it does something it is found by itself.
    one = check_gradient(lambda p: np.sum(p["used"] ** 3) + p["forgotten"][7] ** 2, gradient, x, rng=0)
    assert [m.name for m in one.wrong] == ['params["forgotten"][7]']


@pytest.mark.slow
def test_an_error_within_rtol_everywhere_passes():
    """40,000 entries off by 0.1 % where 1 % is accepted, as for 64 entries; off by 2 % they fail."""
    for n in (64, 40_000):
        x = np.random.default_rng(0).normal(size=n)

        def f(x):
            return float(np.sum(np.exp(x / 3)))

        right = np.exp(x / 3) / 3
        assert check_gradient(f, right * 1.001, x, rtol=1e-2).outcome is Outcome.PASS
        assert check_gradient(f, right * 1.02, x, rtol=1e-2).outcome is Outcome.FAIL


@pytest.mark.parametrize("n", [60, 101, 110, 150, 300])
@pytest.mark.parametrize("seed", range(4))
def test_one_factor_within_rtol_is_told_whatever_a_direction_happens_to_leave_of_it(n, seed):
    """The first direction may leave less than counts, and another more: 20 evaluations. By 3 % it is FAIL."""
    rng = np.random.default_rng(seed)
    A, x = rng.normal(size=(n, n)) / n**0.5, rng.normal(size=n)

    def f(x):
        return np.sum(np.sin(A @ x))

    right = A.T @ np.cos(A @ x)
    report = check_gradient(f, 1.001 * right, x, rtol=1e-2, rng=seed)
    assert report.outcome is Outcome.PASS
    assert report.nfev <= 20
    assert check_gradient(f, 1.03 * right, x, rtol=1e-2, rng=seed).outcome is Outcome.FAIL


def test_arrays_that_are_claimed_to_do_nothing_are_asked_by_themselves():
    """A bias before a normalisation has the gradient 0: PASS; one that f shows to be used is no PASS."""
    x = {"used": np.linspace(1.0, 2.0, 20), "unused": np.ones(5)}
    gradient = {"used": 3 * x["used"] ** 2, "unused": np.zeros(5)}

    def f(x):
        return float(np.sum(x["used"] ** 3))

    assert check_gradient(f, gradient, x).outcome is Outcome.PASS
    used = check_gradient(lambda x: f(x) + 1e-4 * float(np.sum(x["unused"])), gradient, x)
    assert used.outcome is not Outcome.PASS


@pytest.mark.parametrize("size", [1e-3, 1e-2, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_a_bias_of_0_before_a_normalisation_is_claimed_to_do_nothing_beside_small_weights(seed, size):
    """As nets start: 3e-15 beside slopes of 30, by weights of 0.01. 250 evaluations before."""
    rng = np.random.default_rng(seed)
    inputs, targets = rng.normal(size=(12, 5)), rng.normal(size=(12, 4))
    x = {"W": size * rng.normal(size=(5, 4)), "b": np.zeros(4)}

    def forward(p):
        a = inputs @ p["W"] + p["b"]
        spread = np.sqrt(a.var(0) + 1e-5)
        return (a - a.mean(0)) / spread, spread

    def gradient(p, more=0.0):
        z, spread = forward(p)
        d = 2.0 * (z - targets) / targets.size
        da = (d - d.mean(0) - z * (d * z).mean(0)) / spread
        slopes = inputs.T @ da
        return {"W": slopes, "b": da.sum(0) + more * np.abs(slopes).max()}

    def f(p):
        return float(np.mean((forward(p)[0] - targets) ** 2))

    report = check_gradient(f, gradient, x)
    assert report.outcome is Outcome.PASS
    assert report.nfev <= 60
    # A claim that is no rounding of the others is none of nothing, and one that counts beside them is wrong.
    assert check_gradient(f, lambda p: gradient(p, 1e-9), x).outcome is not Outcome.PASS
    assert check_gradient(f, lambda p: gradient(p, 1e-4), x).outcome is Outcome.FAIL


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 7))
def test_a_gradient_that_is_0_but_for_rounding_is_one_of_0(seed):
    """The bias before a batch normalisation: 3e-18 of 20 entries beside 400 of 4e-3; 1e-5 is wrong."""
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(32, 20)), rng.normal(size=(32, 20))
    rng = np.random.default_rng(seed)
    x = {"W": rng.normal(size=(20, 20)), "b": rng.normal(size=20)}

    def forward(p):
        a = inputs @ p["W"] + p["b"]
        return a, (a - a.mean(0)) / np.sqrt(((a - a.mean(0)) ** 2).mean(0) + 1e-5)

    a, normed = forward(x)
    d = 2 * (normed - targets) / targets.size
    d = (d - d.mean(0) - normed * (d * normed).mean(0)) / np.sqrt(a.var(0) + 1e-5)
    gradient = {"W": inputs.T @ d, "b": d.sum(0)}

    def f(p):
        return np.mean((forward(p)[1] - targets) ** 2)

    assert np.any(gradient["b"] != 0)
    report = check_gradient(f, gradient, x)
    assert report.outcome is Outcome.PASS
    assert report.nfev <= 40
    assert check_gradient(f, gradient | {"b": np.full(20, 1e-5)}, x).outcome is Outcome.FAIL


def test_entries_that_bounds_hold_are_judged_by_themselves():
    """One entry with hardly any room: right it passes, wrong it is named."""
    x = np.linspace(0.5, 1.5, 12)
    bounds = [(None, None)] * 11 + [(1.5 - 1e-3, 1.5 + 1e-3)]
    gradient = 3 * x**2
    assert check_gradient(lambda x: float(np.sum(x**3)), gradient, x, bounds=bounds).outcome is Outcome.PASS
    gradient[11] *= 1.1
    wrong = check_gradient(lambda x: float(np.sum(x**3)), gradient, x, bounds=bounds)
    assert [m.flat_index for m in wrong.wrong] == [11]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("factor", "outcome"), [(1.0, Outcome.PASS), (1.01, Outcome.FAIL)])
def test_a_cube_on_a_grid_through_zero_is_decided(seed, factor, outcome):
    """Entries from -1 to 1, whose first joint direction leaves the noise unknown, and a later one settles."""
    x = np.linspace(-1, 1, 400)

    report = check_gradient(lambda x: (x**3).sum(), lambda x: factor * 3 * x**2, x, rng=seed)

    assert report.outcome is outcome


@pytest.mark.parametrize(("where", "count"), [((3,), 40), ((slice(None), 5), 4), ((slice(None),), 160)])
def test_of_an_array_that_is_nearly_empty_only_what_is_claimed_is_counted_as_wrong(where, count):
    """Rows 1, 3, 8 and 99 of 100 x 40 take part in f: of a row, a column or everything twice too large so many are."""
    used = np.array([1, 3, 8, 99])

    def f(x):
        return np.sum(np.sin(x[used]))

    def grad(x):
        g = np.zeros_like(x)
        g[used] = np.cos(x[used])
        g[where] *= 2.0
        return g

    report = check_gradient(f, grad, np.random.default_rng(0).normal(size=(100, 40)))
    assert report.outcome is Outcome.FAIL
    assert report.reason.startswith((f"about {count} of", f"{count} of"))
    assert "analytic = 2 x numerical" in report.diagnosis[0]


@pytest.mark.parametrize("n", [3, 5, 12, 40, 200])
@pytest.mark.parametrize(
    ("rtol", "off", "outcome"), [(1e-2, 9e-3, Outcome.PASS), (1e-2, 1.1e-2, Outcome.FAIL)]
)
def test_one_entry_that_is_off_by_less_than_a_wide_rtol_is_accepted_at_any_size(n, rtol, off, outcome):
    """Beyond the resolution; of 12 and more it was INCONCLUSIVE, a certificate being as wide as what is accepted."""
    rng = np.random.default_rng(0)
    a, b, x = rng.normal(size=(2 * n, n)), rng.normal(size=2 * n), rng.normal(size=n)
    gradient = a.T @ np.tanh(a @ x - b)
    gradient[np.argmax(np.abs(gradient))] *= 1.0 + off
    for seed in range(3):
        report = check_gradient(lambda x: np.log(np.cosh(a @ x - b)).sum(), gradient, x, rtol=rtol, rng=seed)
        assert report.outcome is outcome, report
        assert report.detectable <= 1.1 * rtol or outcome is Outcome.FAIL


@pytest.mark.parametrize("n", [5, 8, 12])
@pytest.mark.parametrize("near", [1e-6, 1e-8, 1e-10])
def test_entries_beside_one_that_is_far_larger_are_judged_by_themselves(n, near):
    """Beside -1e8 of a barrier near its wall directions see no other entry: of these all may be off by half."""
    rng = np.random.default_rng(0)
    x = np.append(near, rng.uniform(0.1, 0.6, n - 1))
    costs = rng.normal(size=n)

    def f(x):
        return float(costs @ x - np.log(x).sum())

    for seed in range(3):
        forgotten = check_gradient(f, -1.0 / x, x, rng=seed)
        assert {w.flat_index for w in forgotten.wrong} == set(range(1, n))
        right = check_gradient(f, costs - 1.0 / x, x, rng=seed)
        assert right.outcome is Outcome.PASS
        assert right.nfev <= 60 + 8 * n


def test_what_is_small_throughout_or_here_and_there_is_left_to_directions():
    """At a solution all entries are, and of many a few are small by chance: neither takes an evaluation more."""
    rng = np.random.default_rng(0)
    a, target = rng.normal(size=(60, 40)), rng.normal(size=60)
    x, some = np.linalg.lstsq(a, target)[0], np.where(np.arange(40) < 15, 1e-9, 1.0)

    def at_solution(x):
        return float(np.sum((a @ x - target) ** 2))

    def uneven(x):
        return float(np.sum(np.sin(x) * some))

    assert check_gradient(at_solution, 2.0 * a.T @ (a @ x - target), x).nfev <= 20
    assert check_gradient(uneven, np.cos(x) * some, x).nfev <= 20


def nearly(seed, size):
    """Two arrays of 5,050 entries: (f, a gradient off by up to `size` of every entry, x)."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(20, 100))
    x = {"b": rng.normal(size=50), "W": rng.normal(size=(100, 50)) / 10}

    def f(p):
        return float(np.mean(np.sin(inputs @ p["W"] + p["b"])))

    back = np.cos(inputs @ x["W"] + x["b"]) / 1000
    right = {"b": back.sum(0), "W": inputs.T @ back}
    return f, {k: g * (1.0 + size * rng.uniform(-1.0, 1.0, g.shape)) for k, g in right.items()}, x


@pytest.mark.parametrize(
    "size", [2e-7, *(pytest.param(size, marks=pytest.mark.slow) for size in (1e-8, 5e-8, 5e-7, 1e-6))]
)
def test_errors_within_the_tolerance_in_every_entry_are_accepted_without_a_long_search(size):
    """Of one part in a million: it took 2,950 to 26,164 evaluations to find nothing wrong."""
    for seed in range(3):
        f, gradient, x = nearly(seed, size)
        report = check_gradient(f, gradient, x, rng=seed)
        assert report.outcome is Outcome.PASS
        assert report.nfev <= (200 if size < 5e-7 else 400)
        # One that is off by more is found beside them.
        gradient["W"][7, 11] *= 1.001
        report = check_gradient(f, gradient, x, rng=seed)
        assert [w.name for w in report.wrong] == ['params["W"][7, 11]']


def test_errors_that_are_accepted_are_not_called_noise():
    """They add up to more than what a certificate may leave: that, and with which resolution it is decided, is said."""
    f, gradient, x = nearly(0, 1e-3)
    report = check_gradient(f, gradient, x, rtol=1e-3, resolution=1e-3)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "errors within the tolerance" in report.reason
    assert "noise" not in report.reason
    resolution = float(report.reason.split("pass resolution=")[1].split(",")[0].split(" ")[0].rstrip(";"))
    assert check_gradient(f, gradient, x, rtol=1e-3, resolution=resolution).outcome is Outcome.PASS


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "columns", "used"), [(150, 4, 70), (200, 5, 60), (300, 3, 60)])
def test_the_last_of_many_wrong_entries_is_one_more(rows, columns, used):
    """An embedding whose activation is forgotten: of 224 wrong entries "1 of 600" was said, beside 223 names."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        index, target = rng.integers(0, rows, used), rng.normal(size=(used, columns))
        x = rng.normal(size=(rows, columns))

        def backward(x, activation, index=index, target=target):
            found = np.zeros_like(x)
            np.add.at(found, index, activation(x[index] - target))
            return found

        right, wrong = backward(x, np.tanh), backward(x, lambda u: u)
        truly = np.flatnonzero(np.abs(wrong - right) > 1e-6 * np.maximum(np.abs(wrong), np.abs(right)))
        report = check_gradient(
            lambda x, i=index, t=target: np.sum(np.log(np.cosh(x[i] - t))), wrong, x, rng=seed
        )
        (array,) = report.arrays
        assert {w.flat_index for w in report.wrong} <= set(truly.tolist())
        assert truly.size in (array.wrong, array.about) or report.reason.startswith("at least")


@pytest.mark.slow
def test_a_search_beside_errors_within_the_tolerance_goes_on_while_it_finds_something():
    """Thirty entries off by 1e-4, whose sum errors of a millionth in each of 5,050 would explain, are all named."""
    f, gradient, x = nearly(0, 0.0)
    rng = np.random.default_rng(1)
    sizeable = np.flatnonzero(np.abs(gradient["W"]) > 0.3 * np.sqrt(np.mean(gradient["W"] ** 2)))
    at = rng.choice(sizeable, 30, replace=False)
    gradient["W"].flat[at] *= 1.0001
    report = check_gradient(f, gradient, x)
    assert {w.flat_index - 50 for w in report.wrong} == set(at.tolist())
