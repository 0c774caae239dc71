"""Random directions: what a certificate states holds, by simulation and on functions whose gradients are known."""

import math
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient
from gradcheck.arraywise.certificate import DENSITY, certificate_of, scaled_bound
from gradcheck.arraywise.residuals import DirectionalTest, _bar
from gradcheck.function.objective import Objective
from gradcheck.numerics.setting import Setting
from gradcheck.numerics.tangents import NOTHING, Tangents, random_units, tangent_scale
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import ArrayEvidence, Certificate, Residual
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Tolerance

DRAWS = 20_000
ENTRIES = 60


def error_vector(kind, n=ENTRIES):
    """An error vector (n,) of norm 1 of each kind that a wrong gradient has."""
    e = np.zeros(n)
    if kind == "single":
        e[3] = 1.0
    elif kind == "paired and opposite":
        e[[3, 7]] = 1.0, -1.0
    elif kind == "sparse":
        e[:40:8] = 1.0, -2.0, 3.0, 0.5, 1.5
    elif kind == "dense":
        e[:] = 1.0
    elif kind == "of all sizes":
        e[:] = (-0.7) ** np.arange(n)
    return e / np.linalg.norm(e)


KINDS = ("single", "paired and opposite", "sparse", "dense", "of all sizes")


def residuals(e, directions, draws, generator):
    """|e.u| for each direction of each draw, ascending: (draws, directions)."""
    parts = [
        np.abs(random_units(generator, directions * e.size * 500).reshape(500, directions, e.size) @ e)
        for _ in range(draws // 500)
    ]
    return np.sort(np.concatenate(parts), axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("directions", "delta"), [(1, 0.1), (4, 0.01), (6, 0.05), (12, 0.05), (24, 0.02)])
def test_a_certificate_is_missed_no_more_often_than_it_states(kind, directions, delta):
    """The true error norm lies above the bound in at most a share delta of 20,000 (2,000 for many) draws."""
    draws = DRAWS if directions <= 6 else 2000
    generator = np.random.default_rng([1, directions, KINDS.index(kind)])

    seen = residuals(error_vector(kind), directions, draws, generator)
    missed = sum(scaled_bound(row.tolist(), delta) < 1.0 for row in seen)

    # Four standard deviations of a binomial count: one in 30,000 for each of the 25 cases.
    assert missed <= draws * delta + 4 * math.sqrt(draws * delta * (1 - delta))


def test_the_constant_is_as_small_as_it_can_be():
    """For two equal and opposite errors and one direction the stated chance to miss is the true one."""
    seen = residuals(error_vector("paired and opposite"), 1, DRAWS, np.random.default_rng(2))

    missed = sum(scaled_bound(row.tolist(), 0.1) < 1.0 for row in seen)

    # The density of u1 - u2 falls linearly from 1 at 0, so that a tenth is missed less a twentieth of it or so.
    assert 0.09 * DRAWS < missed < 0.105 * DRAWS


def test_half_the_constant_would_be_refused():
    """The simulation can fail: with half the constant, pairs are missed twice as often as stated."""
    seen = residuals(error_vector("paired and opposite"), 1, DRAWS, np.random.default_rng(3))

    missed = sum(scaled_bound(row.tolist(), 0.1) / 2 < 1.0 for row in seen) / DRAWS

    assert missed > 0.15


def test_plain_signs_would_miss_opposite_errors_half_the_time():
    """Why the sizes are random too: +-1 cancels a pair in half of the directions, +-U(0.5, 1.5) in none."""
    e = error_vector("paired and opposite")
    generator = np.random.default_rng(4)

    signs = np.abs(generator.choice([-1.0, 1.0], (2000, ENTRIES)) @ e)
    sizes = residuals(e, 1, 2000, generator)

    assert np.mean(signs == 0) == pytest.approx(0.5, abs=0.05)
    assert not (sizes == 0).any()


def test_units_are_what_the_derivation_assumes():
    """0.5 <= |u| <= 1.5, both signs alike, and no interval more probable than half its length."""
    u = random_units(np.random.default_rng(5), 200_000)

    share, edges = np.histogram(u, bins=np.linspace(-1.5, 1.5, 31))

    assert np.abs(u).min() >= 0.5
    assert np.abs(u).max() <= 1.5
    # A bin of 0.1 holds 5 %: 10,000 of 200,000, with a standard deviation below 100.
    assert share.max() < 200_000 * 0.5 * (edges[1] - edges[0]) + 500
    assert abs(np.mean(u > 0) - 0.5) < 0.005


@pytest.mark.parametrize(("directions", "delta"), [(1, 0.5), (4, 1e-6), (11, 1e-9)])
def test_the_bound_of_few_directions_is_the_formula(directions, delta):
    """sqrt(2) tau delta^(-1/K), tau the largest residual, by hand."""
    sizes = [0.1 * (k + 1) for k in range(directions)]

    assert scaled_bound(sizes, delta) == pytest.approx(DENSITY * sizes[-1] * delta ** (-1 / directions))


def test_one_bad_direction_of_many_is_left_out_and_two_of_twelve_are_not():
    """A kink or an edge on one line does not spoil 12; a second one does."""
    good = [1.0] * 12

    without = scaled_bound([*good[:11], math.inf], 1e-6)

    # By hand: the eleven others, chosen in 12 ways, at half the chance.
    assert without == pytest.approx(math.sqrt(2) * (1e-6 / 2 / 12) ** (-1 / 11))
    assert scaled_bound([*good[:10], math.inf, math.inf], 1e-6) == math.inf
    assert scaled_bound([1.0, 1.0, math.inf], 1e-6) == math.inf


def quadratic(n, seed):
    """f, its gradient, and x: a sum of squares with weights over two decades, computed in real numbers alone."""
    generator = np.random.default_rng(seed)
    weights = 10 ** generator.uniform(-2, 0, n)
    x = generator.normal(size=n)

    def f(x):
        return float(weights @ np.real_if_close(x) ** 2)

    return f, lambda x: 2 * weights * x, x


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1e-8, 1e-7, 3e-7, 9e-7])
def test_certificates_of_whole_checks_hold(kind, size):
    """An error too small to be called wrong is never larger than the certificate says, real or by complex step."""
    f, df, x = quadratic(300, 6)
    g = df(x)
    rms = np.sqrt(np.mean(g**2))
    wrong = g + size * rms * error_vector(kind, 300) * math.sqrt(300 if kind == "dense" else 1)
    true = np.linalg.norm(wrong - g) / np.sqrt(np.mean(wrong**2))

    def real_only(x):
        if np.iscomplexobj(x):
            raise TypeError("real numbers only")
        return f(x)

    for seed in range(5):
        for function in (f, real_only):
            report = check_gradient(function, wrong, x, rng=seed)
            if report.certificate is not None and not report.wrong:
                assert true <= report.certificate.relative_to_rms


@pytest.mark.parametrize("seed", range(5))
def test_a_suspect_that_is_within_the_tolerance_counts_in_the_certificate(seed):
    """The largest entry is off by 0.5 % where 1 % is accepted: PASS, and the bound is not below that error."""
    f, df, x = quadratic(300, 12)
    g = df(x)
    wrong = g.copy()
    wrong[np.abs(g).argmax()] *= 1.005

    report = check_gradient(f, wrong, x, rtol=1e-2, resolution=0.1, rng=seed)

    assert report.outcome is Outcome.PASS
    assert np.linalg.norm(wrong - g) / np.sqrt(np.mean(wrong**2)) <= report.certificate.relative_to_rms


def test_right_gradient_is_certified_and_a_doubled_one_is_not():
    """PASS with a certificate below the resolution; FAIL without one for what is wrong throughout."""
    f, df, x = quadratic(300, 7)

    right = check_gradient(f, df, x)
    doubled = check_gradient(f, lambda x: 2 * df(x), x)

    assert right.outcome is Outcome.PASS
    assert right.certificate.relative_to_rms < 1e-3
    assert right.certificate.confidence == 1 - 1e-6
    assert doubled.outcome is Outcome.FAIL
    assert doubled.certificate is None


def test_a_finer_resolution_and_a_higher_confidence_cost_more_directions():
    """The bound is at most the resolution, however the confidence is chosen."""
    f, df, x = quadratic(300, 8)

    def real_only(x):
        if np.iscomplexobj(x):
            raise TypeError("real numbers only")
        return f(x)

    # A little off, by far more than the processor's rounding, so that it does not decide how many are needed.
    given = df(x) * (1 + 1e-10)
    coarse = check_gradient(real_only, given, x, resolution=1e-3)
    fine = check_gradient(real_only, given, x, resolution=3e-8)
    sure = check_gradient(real_only, given, x, resolution=3e-8, confidence=1 - 1e-12)

    assert coarse.outcome is fine.outcome is sure.outcome is Outcome.PASS
    assert fine.certificate.relative_to_rms <= 3e-8
    assert sure.certificate.relative_to_rms <= 3e-8
    assert coarse.certificate.directions < fine.certificate.directions < sure.certificate.directions


def test_a_resolution_that_the_noise_hides_is_inconclusive():
    """Noise of 1e-6 hides errors of 1e-5; that is said, and the gradient is not accused."""
    f, df, x = quadratic(300, 9)
    generator = np.random.default_rng(0)
    values = {}

    def noisy(x):
        # Repeatable, as f must be: the same noise at the same point.
        key = x.tobytes()
        return f(x) * (1 + 1e-6 * values.setdefault(key, generator.normal()))

    report = check_gradient(noisy, df, x, resolution=1e-5)

    assert report.outcome is Outcome.INCONCLUSIVE
    assert "noise of f" in report.reason
    assert report.wrong == ()


@pytest.mark.parametrize("size", [1e-250, 1e-200, 1e200, 1e250])
@pytest.mark.parametrize("takes_complex", [True, False])
def test_the_size_of_a_gradient_neither_overflows_nor_underflows(size, takes_complex):
    """The squares of these derivatives leave the floating-point range; the directions do not notice."""
    x = np.random.default_rng(13).normal(size=300)
    wrong = size * np.cos(x)
    wrong[17] *= 1.01

    def f(x):
        if np.iscomplexobj(x) and not takes_complex:
            raise TypeError("real numbers only")
        return size * np.sum(np.sin(x))

    assert check_gradient(f, size * np.cos(x), x).outcome is Outcome.PASS
    assert [w.flat_index for w in check_gradient(f, wrong, x).wrong] == [17]


@pytest.mark.parametrize("wrong_by", [0.0, 0.5])
def test_f_that_takes_complex_numbers_but_is_not_analytic_is_judged_by_real_differences(wrong_by):
    """abs of a complex number is not differentiable: nothing is taken from it, right gradients pass all the same."""
    generator = np.random.default_rng(10)
    x = generator.normal(size=400)
    g = x + 0.5 * np.sign(x)
    g[17] += wrong_by

    report = check_gradient(lambda x: (0.5 * np.sum(x**2) + 0.5 * np.sum(np.abs(x))).real, g, x)
    softened = check_gradient(lambda x: 0.5 * np.sum(x**2) + 0.5 * np.sum(abs(x)), g, x)

    expected = Outcome.FAIL if wrong_by else Outcome.PASS
    assert report.outcome is softened.outcome is expected
    assert [w.flat_index for w in report.wrong] == ([17] if wrong_by else [])


def test_seed_decides_everything():
    """The same seed gives the same report to the last digit; another seed other directions."""
    f, df, x = quadratic(300, 11)
    g = df(x)
    g[5] *= 1.001

    one, same, other = (check_gradient(f, g, x, rng=seed).to_dict() for seed in (1, 1, 2))

    for report in (one, same, other):
        del report["seconds"]
    assert one == same
    assert one["certificates"] != other["certificates"]


def test_two_bad_directions_of_twenty_four_are_left_out():
    """Three counts are tried, each with a third of the chance, and 276 pairs may be the two."""
    sizes = [1.0] * 22 + [math.inf] * 2

    assert scaled_bound(sizes, 1e-6) == pytest.approx(math.sqrt(2) * (1e-6 / 3 / 276) ** (-1 / 22))
    assert scaled_bound([1.0] * 21 + [math.inf] * 3, 1e-6) == math.inf
    assert scaled_bound([1.0] * 21 + [math.inf] * 2, 1e-6) == math.inf
    assert scaled_bound([1.0] * 10 + [math.inf], 1e-6) == math.inf


# One residual: what it allows and what is left of it.


def residual(value=0.0, error=0.0, weight=0.0, rounding=0.0, least=0.0, spread=0.0, limit=Limit.NONE):
    """A residual of which a few numbers matter."""
    return Residual(value, error, weight, rounding, 0.125, limit, least, spread)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_residual_is_loud_beyond_three_bars_and_the_larger_of_rounding_and_least(sign):
    """3 * 2 + max(0.5, 2) = 8 is allowed, in either order of the two; what lies on the edge is right."""
    for rounding, least in ((0.5, 2.0), (2.0, 0.5)):
        edge = residual(8.0 * sign, 2.0, rounding=rounding, least=least)
        beyond = residual(8.01 * sign, 2.0, rounding=rounding, least=least)
        assert edge.allowed == 8.0
        assert not edge.exceeds
        assert beyond.exceeds
        assert edge.size == 14.0


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("which", ["rounding", "least", "spread"])
def test_a_residual_is_accepted_up_to_the_largest_of_three(which, sign):
    """3 * 2 and 4 for what rounding, the smallest mistake worth a search, or the tolerance may leave."""
    parts = {"rounding": 0.5, "least": 0.25, "spread": 0.125, which: 4.0}
    assert residual(10.0 * sign, 2.0, **parts).accepted
    assert not residual(10.01 * sign, 2.0, **parts).accepted


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_excess_of_a_residual_is_its_size_in_bars_and_rounding(sign):
    """12 over 3 * 1 + 1; what is allowed for mistakes and the tolerance has no part in it. 0 is none of nothing."""
    assert residual(12.0 * sign, 1.0, rounding=1.0, least=50.0, spread=50.0).excess == 3.0
    assert residual(3.0 * sign, 0.25, rounding=0.25).excess == 3.0
    assert residual(2e-300 * sign).excess == math.inf
    assert residual(0.0).excess == 0.0
    assert residual(1.0, math.inf).excess == 0.0
    assert math.isnan(residual(math.nan, 1.0).excess)


def test_nan_is_neither_loud_nor_accepted_and_may_be_of_any_size():
    """No evidence either way."""
    unknown = residual(math.nan, 1.0)
    assert not unknown.exceeds
    assert not unknown.accepted
    assert unknown.size == math.inf
    assert residual(1.0, math.inf).size == math.inf


def test_a_residual_allows_for_no_mistake_and_no_tolerance_unless_it_is_told_of_them():
    """The defaults are none."""
    plain = Residual(0.5, 0.0, 1.0, 0.0, 0.125, Limit.NONE)
    assert (plain.least, plain.spread) == (0.0, 0.0)
    assert plain.exceeds
    assert not plain.accepted


def test_the_rest_of_a_tangent_has_what_is_left():
    """Values subtract, bars and roundings add up, weights and spreads are parts of a sum of squares."""
    whole = Residual(10.0, 1.0, 5.0, 0.5, 0.125, Limit.KINK, 2.0, 13.0)
    part = Residual(4.0, 0.25, 4.0, 0.25, 0.75, Limit.NOISE, 9.0, 12.0)
    assert whole.less(part) == Residual(6.0, 1.25, 3.0, 0.75, 0.125, Limit.NONE, 2.0, 5.0)
    # Rounding may make a part heavier than the whole.
    assert part.less(whole).weight == part.less(whole).spread == 0.0


# What the directions of one array say together.


@pytest.mark.parametrize(
    ("confidence", "words"),
    [(1 - 1e-6, "99.9999"), (0.5, "50"), (0.95, "95"), (1.0, "100"), (1 - 1e-9, "99.9999999")],
)
def test_a_certificate_reads_as_a_sentence(confidence, words):
    """The bound with two digits, the confidence with as many as it needs."""
    certificate = Certificate('params["W"]', 1.0, 2.34e-7, confidence, 6)
    assert str(certificate) == (
        'the error of params["W"] is below 2.3e-07 of its root mean square entry, '
        f"confidence {words} % (6 directions)"
    )


@pytest.mark.parametrize(("count", "words"), [(1, "1 direction"), (2, "2 directions")])
def test_a_certificate_counts_its_directions(count, words):
    """One is no plural."""
    assert str(Certificate("x", 1.0, 1e-6, 0.5, count)).endswith(f" % ({words})")


def block_of(n, name="x"):
    """An array of n entries behind five others, and the parameters of both."""
    parameters, _ = Parameters.of({"first": np.ones(5), name: np.ones(n)})
    return parameters.blocks[1]


def test_what_every_direction_would_have_shown_is_detectable():
    """The worst of them: allowed 5 and a bar of 3 over what an entry leaves at the least."""
    worst, other = residual(0.0, 1.0, least=2.0), residual(0.0, 0.5, least=3.0)
    evidence = ArrayEvidence(block_of(3), (other, worst), None, smallest_visible=0.25)
    assert evidence.detectable == (5.0 + 3.0) / 0.25
    assert ArrayEvidence(block_of(3), (worst,), None).detectable == 16.0
    assert ArrayEvidence(block_of(3), (), None).detectable == math.inf
    assert ArrayEvidence(block_of(3), (worst,), None, smallest_visible=0.0).detectable == math.inf


def test_the_limit_of_an_array_is_that_of_most_directions():
    """What ended the directions comes before what most of them met."""
    three = tuple(residual(limit=limit) for limit in (Limit.NOISE, Limit.KINK, Limit.KINK))
    assert ArrayEvidence(block_of(3), three, None).limit is Limit.KINK
    assert ArrayEvidence(block_of(3), three, None, ended=Limit.BUDGET).limit is Limit.BUDGET


def estimated(limit, left=math.nan, right=math.nan, error=0.5):
    """One line of an estimate, as far as its bar is read."""
    parts = {"error": error, "left": left, "right": right, "limit": limit}
    return SimpleNamespace(**{name: [None, part] for name, part in parts.items()})


@pytest.mark.parametrize("limit", [Limit.KINK, Limit.JUMP])
def test_at_a_kink_every_slope_between_the_two_may_be_meant(limit):
    """The jump of the slope is added to the bar; where a slope is unknown nothing is known."""
    assert _bar(estimated(limit, -1.0, 2.0), 1) == 3.5
    assert _bar(estimated(limit, 2.0, -1.0), 1) == 3.5
    assert _bar(estimated(limit, -1.0), 1) == math.inf
    assert _bar(estimated(Limit.NOISE, -1.0, 2.0), 1) == 0.5


# Tangents.


def test_a_tangent_moves_its_own_array_by_random_parts_of_its_scale():
    """Half to one and a half scales in each entry, nothing elsewhere, and nothing in what stays still."""
    scale = np.array([1.0, 10.0, 0.1, 5.0])
    tangents = Tangents(9, block_of(4), scale, [3, 4], np.array([7]))
    assert len(tangents) == 2
    for tangent in (tangents[0], tangents[1]):
        assert (tangent[:5] == 0).all()
        assert tangent[7] == 0.0
        sizes = np.abs(tangent[5:] / scale)[[0, 1, 3]]
        assert (sizes >= 0.5).all()
        assert (sizes <= 1.5).all()
    assert (tangents[0] != tangents[1])[[5, 6, 8]].all()


def test_a_tangent_is_as_precise_as_its_scale():
    """Long doubles where x is one."""
    for dtype in (np.float64, np.longdouble):
        assert Tangents(9, block_of(4), np.ones(4, dtype), [3])[0].dtype == dtype


def test_a_tangent_is_kept_while_it_is_asked_for_and_comes_back_from_its_seed():
    """Memory for one at a time; a worker gets the seeds alone."""
    tangents = Tangents(9, block_of(4), np.ones(4), [3, 4])
    first = tangents[0]
    assert tangents[0] is first
    second = tangents[1].copy()
    assert tangents[0] is not first
    assert (tangents[0] == first).all()
    assert tangents.__getstate__()["_last"] is None
    sent = pickle.loads(pickle.dumps(tangents))
    assert (sent[1] == second).all()
    assert (sent[0] == first).all()


# The directional test of one array.


def setting_of(f, x, **known):
    """What a check knows before the evidence: scales of one unless they are given."""
    parameters, flat = Parameters.of({"first": np.ones(5), "x": np.asarray(x, float)})
    objective = Objective(lambda p: f(p["x"]), parameters)
    defaults = {"level": 1e-16, "relative_step": 1e-3, "tolerance": Tolerance(rtol=1e-6)}
    scales = np.concatenate([np.full(5, 7.0), np.broadcast_to(known.pop("scales", 1.0), flat.size - 5)])
    f_x = known.pop("f_x", None)
    f_x = f(flat[5:]) if f_x is None else f_x
    return Setting(objective, flat, f_x, **(defaults | {"scales": scales} | known))


def gauge_of(f, x, g, still=NOTHING, **known):
    """The directional test of the second array, with a gradient of 9 in each entry of the first."""
    setting = setting_of(f, x, **known)
    analytic = np.concatenate([np.full(5, 9.0), np.asarray(g, float)])
    return DirectionalTest(setting, analytic, setting.parameters.blocks[1], np.asarray(still, np.intp))


def along(*v):
    """A tangent that moves the second array alone."""
    return np.concatenate([np.zeros(5), v])


@pytest.mark.parametrize(
    ("scales", "g", "expected"),
    [
        # Three decades or fewer: the median for all, over the largest effect.
        ([1.0, 2.0, 4.0], [0.5, -3.0, 1.0], [1 / 3] * 3),
        ([2e-3, 1.0, 900.0], [0.25, 0.25, 0.25], [4.0] * 3),
        # Beyond them each keeps its own.
        ([0.5e-3, 1.0, 1.0], [1.0, -1.0, 1.0], [0.5e-3, 1.0, 1.0]),
        ([1.0, 1.0, 1100.0], [1.0, 1.0, -1.0], [1 / 1100, 1 / 1100, 1.0]),
        ([2e-3, 1.0, 1100.0], [0.0, 2.0, 0.0], [0.5, 0.5, 550.0]),
        # Relative to the median: 10.
        ([5e-3, 10.0, 5000.0], [0.0, 1.0, 0.0], [5e-4, 1.0, 1.0]),
        # A gradient of zero says nothing.
        ([1.0, 3.0, 3.0], [0.0, 0.0, 0.0], [3.0] * 3),
    ],
)
def test_a_tangent_is_scaled_by_x_and_by_the_largest_effect(scales, g, expected):
    """The scale of x over |g_i| times it, by hand; the other array has no part in it."""
    setting = setting_of(np.sum, np.ones(3), scales=scales)
    analytic = np.concatenate([np.full(5, 1e6), g])
    assert tangent_scale(setting, analytic, setting.parameters.blocks[1]) == pytest.approx(expected)


def test_what_a_mistake_leaves_at_the_least_is_measured_by_the_larger_of_entry_and_array():
    """g = (3, 4): root mean square sqrt(12.5), scale 1/4, and |u| is a half at the least."""
    directional = gauge_of(np.sum, [1.0, 1.0], [3.0, -4.0], tolerance=Tolerance(rtol=1e-2, atol=0.5))
    rms = math.sqrt(12.5)
    assert directional.rms == pytest.approx(rms)
    assert directional.smallest_visible == pytest.approx(0.5 * 0.25 * rms)
    assert directional.least == pytest.approx(0.5 * 0.25 * (1e-2 * rms + 0.5))


def test_other_scales_may_be_asked_for():
    """The same array along tangents of another shape."""
    setting = setting_of(np.sum, np.ones(2))
    given = np.array([2.0, 3.0])
    directional = DirectionalTest(
        setting, np.concatenate([np.zeros(5), [3.0, 4.0]]), setting.parameters.blocks[1], scale=given
    )
    assert directional.scale is given


@pytest.mark.parametrize("size", [1e-280, 1e-200, 1e200, 1e280])
def test_sizes_whose_squares_leave_the_floating_point_range_are_sizes(size):
    """g = (3, 4) times anything: the root mean square is sqrt(12.5) times that, and bounds are relative as ever."""
    directional = gauge_of(np.sum, [1.0, 1.0], [3.0 * size, 4.0 * size])
    assert directional.rms == pytest.approx(math.sqrt(12.5) * size, rel=1e-9, abs=0)
    assert directional.relative(1e-9) == pytest.approx(4e-9 / math.sqrt(12.5), rel=1e-9, abs=0)


def test_a_bound_relative_to_the_root_mean_square_is_scaled_by_the_narrowest_entry():
    """Scales of x 1e-4, 1, 1 with g = (0, 4, 0): s = (1e-4, 1, 1) / 4. Both ways."""
    directional = gauge_of(np.sum, np.ones(3), [0.0, 4.0, 0.0], scales=[1e-4, 1.0, 1.0])
    rms = math.sqrt(16.0 / 3.0)
    assert directional.relative(1e-9) == pytest.approx(1e-9 / 0.25e-4 / rms, rel=1e-9, abs=0)
    assert directional.scaled(0.5) == pytest.approx(0.5 * 0.25e-4 * rms)


def test_entries_that_stay_still_have_no_part_in_the_sizes():
    """The first of three is left alone, however large; of nothing there is no size."""
    directional = gauge_of(np.sum, np.ones(3), [0.0, 3.0, 4.0], still=[5], scales=[1e-9, 1.0, 1.0])
    assert directional.rms == pytest.approx(math.sqrt(12.5))
    assert directional.relative(1.0) == pytest.approx(4.0 / math.sqrt(12.5))
    nothing = gauge_of(np.sum, np.ones(2), [3.0, 4.0], still=[5, 6], slope=0.0)
    assert (nothing.rms, nothing.least) == (0.0, 0.0)
    assert nothing.relative(1e-9) == math.inf
    assert nothing.scaled(1e-9) == 0.0


def test_where_the_gradient_is_zero_throughout_the_slope_says_what_is_small():
    """As in a sweep: what f changes along a random direction, per scale of x."""
    assert gauge_of(np.sum, np.ones(3), np.zeros(3), slope=6.0, scales=[1.0, 2.0, 4.0]).rms == 3.0


def test_an_array_that_is_said_to_do_nothing_is_measured_until_it_is_told_from_0():
    """A slope of 1e-3 beside one of 1e6 elsewhere, in noise that hides it at the first step; the rest exceeds its bar.

    Where what is small were known it would be good enough at once, and far below what is worth a search.
    """

    def said(nothing):
        directional = gauge_of(lambda x: 1e-3 * x[0] + 1.0, [1.0], [0.0], slope=1e6, level=1e-7)
        assert directional.nothing
        directional.nothing = nothing
        (found,) = directional.real([along(1.0)], enough=0.1)
        return found

    told, crude = said(True), said(False)
    assert told.value == pytest.approx(-1e-3)
    assert 3 * told.error <= 0.1 * 1e-3 < 3 * crude.error
    assert (told.least, crude.least) == (0.0, 0.5)
    assert told.exceeds
    assert not crude.exceeds


def test_a_residual_is_the_gradient_along_the_tangent_less_the_derivative():
    """f = 2 x0 + 3 x1 and g = (2.5, 3): along (1, 2) the residual is 0.5; six evaluations."""
    directional = gauge_of(
        lambda x: 2 * x[0] + 3 * x[1], [1.0, 1.0], [2.5, 3.0], tolerance=Tolerance(rtol=1e-3, atol=1e-2),
        gradient_eps=1e-7,
    )  # fmt: skip
    (found,) = directional.real([along(1.0, 2.0)])
    weight = math.hypot(2.5, 6.0)
    assert found.value == pytest.approx(0.5)
    assert 0 < found.error < 1e-9
    assert found.weight == pytest.approx(weight)
    assert found.rounding == pytest.approx(64 * 1e-7 * weight)
    assert found.least == directional.least
    assert found.spread == pytest.approx(1e-3 * weight + 1e-2 * math.sqrt(5.0))
    assert found.exceeds
    assert directional.setting.objective.nfev == 6


def test_each_tangent_has_its_own_residual():
    """Two at once say what each says alone."""
    directional = gauge_of(lambda x: np.sum(x**2), [1.0, 2.0], [2.0, 4.5])
    both = directional.real([along(1.0, 0.0), along(0.5, 1.0)])
    assert [r.value for r in both] == pytest.approx([0.0, 0.5], abs=1e-8)
    assert [r.weight for r in both] == pytest.approx([2.0, math.hypot(1.0, 4.5)])


def cusp(x):
    """No step is small enough at 0."""
    return float(abs(x[0]) ** 0.5)


def test_a_step_that_is_given_is_the_first_and_one_more_is_tried():
    """Two stencils where an earlier direction knows the step, as many as it takes where none does."""
    seen = []

    def f(x):
        seen.append(float(x[0]))
        return cusp(x)

    directional = gauge_of(f, [0.0], [1.0], f_x=0.0)
    seen.clear()
    directional.real([along(1.0)], 0.125)
    assert max(seen[:6]) == pytest.approx(1.87 * 0.125)
    assert len(seen) == 12
    seen.clear()
    directional.real([along(1.0)])
    assert len(seen) > 12


def test_steps_shrink_as_far_as_the_domain_asks():
    """The square root at 1e-7, its gradient given as 0, begins at 1e-3: four decades too far on the left."""
    directional = gauge_of(lambda x: math.sqrt(x[0]), [1e-7], [0.0], slope=1.0)
    (found,) = directional.real([along(1.0)])
    assert found.value == pytest.approx(-0.5 / math.sqrt(1e-7), rel=1e-4)


@pytest.mark.parametrize("enough", [0.0, 100.0])
def test_real_differences_are_refined_to_a_tenth_of_the_least_mistake(enough):
    """exp at 0 with a step of 0.1: the first bar is half of what is to be seen, the last a tenth at most."""
    first_bar = (
        3.0 * gauge_of(np.exp, [0.0], [1.0], tolerance=Tolerance(rtol=1.0)).real([along(1.0)], 0.1)[0].error
    )
    # least = 0.5 * rtol for a gradient of 1
    directional = gauge_of(lambda x: math.exp(x[0]), [0.0], [1.0], tolerance=Tolerance(rtol=4.0 * first_bar))
    assert directional.least == pytest.approx(2.0 * first_bar)
    (found,) = directional.real([along(1.0)], 0.1, enough * directional.least)
    assert directional.setting.objective.nfev == 12
    assert 3.0 * found.error <= 0.1 * directional.least


def test_what_is_enough_may_be_finer_than_a_tenth_of_the_least_mistake():
    """The search asks for its own bar."""
    directional = gauge_of(lambda x: math.exp(x[0]), [0.0], [1.0], tolerance=Tolerance(rtol=0.5))
    (coarse,) = directional.real([along(1.0)], 0.1)
    (fine,) = directional.real([along(1.0)], 0.1, 1e-8)
    assert 3.0 * coarse.error > 1e-6
    assert 3.0 * fine.error <= 1e-8


def test_noise_is_met_with_a_wider_step_unless_enough_is_known():
    """A line with noise of 1e-4 at a step of 1e-3: a bar of 0.9, ten times what the least mistake asks for."""
    for enough, points in (((), 12), ((1.0,), 6)):
        directional = gauge_of(
            lambda x: 2.0 * x[0], [1.0], [2.0], level=1e-4, tolerance=Tolerance(rtol=0.0, atol=3.6)
        )
        assert directional.least == pytest.approx(0.9)
        directional.real([along(1.0)], 1e-3, *enough)
        assert directional.setting.objective.nfev == points


@pytest.mark.parametrize("first", [None, 0.05])
def test_real_differences_stay_within_the_bounds(first):
    """Room of 0.01 and 0.04 on the two sides of each entry: no point lies beyond the narrower along the tangent."""
    seen = []

    def f(x):
        seen.append(np.array(x))
        return float(np.sum(np.exp(x)))

    room = np.full(7, 0.04), np.concatenate([np.full(5, 1e-12), [0.01, 0.04]])
    directional = gauge_of(f, [0.0, 0.0], [1.0, 1.0], room=room, f_x=2.0)
    (found,) = directional.real([along(2.0, -1.0)], first)
    assert abs(found.value) <= 3 * found.error + 1e-12
    assert np.abs(np.array(seen)[:, 0]).max() < 0.01
    assert np.abs(np.array(seen)[:, 0]).max() > 1e-7
    # Two in the second entry go half as far.
    seen.clear()
    quick = directional.quick(along(2.0, -1.0), 1.0)
    assert np.abs(np.array(seen)[:, 0]).max() == pytest.approx(0.99 * 0.01)
    assert quick.step == pytest.approx(0.99 * 0.005)
    # What does not move has all the room there is.
    assert directional.quick(along(0.0, 0.0), 1.0).step == 1.0


def test_four_points_are_exact_up_to_the_fourth_degree_and_say_what_they_miss():
    """Along t: f = 2 t + t^3 + t^4 has the slope 2; D(h) = 2 + h^2 and D(h/2) differ by 3/4 h^2, a third in the bar."""
    directional = gauge_of(lambda x: 2 * x[0] + x[0] ** 3 + x[0] ** 4, [0.0], [2.25], level=1e-5)
    found = directional.quick(along(1.0), 0.25)
    assert found.value == pytest.approx(0.25)
    assert found.error == pytest.approx(0.25 * 0.25**2 + 3 * 1e-5 / 0.25)
    assert (found.step, found.limit) == (0.25, Limit.NONE)
    assert directional.setting.objective.nfev == 4


def test_four_points_of_which_one_is_not_finite_say_nothing():
    """The edge of the domain: an infinite bar, which is never exceeded."""
    directional = gauge_of(lambda x: math.sqrt(x[0]), [0.25], [9.0])
    found = directional.quick(along(1.0), 0.5)
    assert math.isnan(found.value)
    assert (found.error, found.step, found.limit) == (math.inf, 0.5, Limit.DOMAIN)
    assert not found.exceeds
    assert directional.quick(along(1.0), 0.125).exceeds


def test_the_complex_step_is_exact_to_the_rounding_of_the_gradient():
    """exp at 0 with g = 1.5: a residual of 0.5 a tangent, a bar of 64/3 roundings of ||g v||, one evaluation."""
    directional = gauge_of(lambda x: np.sum(np.exp(x)), [0.0, 0.0], [1.5, 1.0])
    first, second = directional.by_complex_step([along(1.0, 0.0), along(2.0, 4.0)])
    assert first.value == pytest.approx(0.5, rel=1e-14)
    assert second.value == pytest.approx(1.0, rel=1e-14)
    assert first.error == pytest.approx(64 / 3 * 2.0**-52 * 1.5, rel=1e-9, abs=0)
    assert second.error == pytest.approx(64 / 3 * 2.0**-52 * 5.0, rel=1e-9, abs=0)
    assert directional.setting.objective.nfev == 2


def test_the_length_of_a_complex_step_is_natural_for_x():
    """The median of the scale of x over that of the tangent: g = 4 and x of size 3 make 3 / (3 / 12)."""
    directional = gauge_of(lambda x: np.sum(4.0 * x), [3.0, 3.0], [4.0, 4.0], scales=3.0)
    (found,) = directional.by_complex_step([along(1.0, 1.0)])
    assert found.step == pytest.approx(12.0)
    assert found.limit is Limit.NONE
    # A gradient of 1e-30 makes tangents of 1e30: 1e-20 of them would be no small step.
    flat = gauge_of(lambda x: 1e-30 * np.exp(x[0]), [0.0], [1e-30])
    (found,) = flat.by_complex_step([along(1e30)])
    assert abs(found.value) <= 3 * found.error


def test_without_complex_numbers_there_is_no_complex_step():
    """f refuses them, or returns a real number."""
    for f in (lambda x: float(x[0]), lambda x: abs(x[0])):
        assert gauge_of(f, [1.0], [1.0]).by_complex_step([along(1.0)]) is None


@pytest.mark.parametrize(
    ("f_x", "g", "length"),
    [
        (1.0, [3.0, 4.0], 1.0 / 5.0),  # over this length f changes by its size
        (-1.0, [3.0, 4.0], 1.0 / 5.0),
        (100.0, [3.0, 4.0], 2.0),  # further than x is large
        (0.0, [3.0, 4.0], 2.0),
        (1.0, [0.0, 0.0], 2.0),
        (0.01, [0.03, 0.04], 1.0 / 5.0),
    ],
)
def test_the_first_step_is_a_part_of_the_length_over_which_f_changes(f_x, g, length):
    """A thousandth of |f| over the slope along (1, -1), or of the median scale of x over the tangent."""
    directional = gauge_of(np.sum, [1.0, 1.0], g, f_x=f_x, scales=2.0, slope=1.0)
    assert directional.first_length(along(1.0, -1.0)) == pytest.approx(1e-3 * length)
    # What does not move has no length, though it has a gradient.
    assert directional.first_length(along(0.5, 0.0)) == pytest.approx(
        1e-3 * (min(abs(f_x) / (0.5 * g[0]), 4.0) if f_x and g[0] else 4.0)
    )


def test_certificates_state_the_bound_and_what_it_is_made_of():
    """Four directions with residuals up to 4e-9 at delta 1e-4: sqrt(2) * 4e-9 * 10, over s = 1/4 and the rms of 4."""
    directional = gauge_of(np.sum, [1.0, 1.0], [4.0, 4.0])
    sizes = [residual(v) for v in (1e-9, -4e-9, 2e-9, 3e-9)]
    certificate = certificate_of(directional, sizes, 0.999, 1e-4)
    bound = math.sqrt(2) * 4e-9 * 10
    assert certificate.name == 'params["x"]'
    assert certificate.bound == pytest.approx(bound, rel=1e-9, abs=0)
    assert certificate.relative_to_rms == pytest.approx(bound, rel=1e-9, abs=0)
    assert (certificate.confidence, certificate.directions) == (0.999, 4)
    assert certificate_of(directional, [*sizes, residual(math.nan)], 0.999, 1e-4) is None


def test_an_array_that_f_does_not_use_costs_six_evaluations_a_direction():
    """A derivative of exactly 0 is told from nothing: no bar is too wide for it, and no other step is tried."""
    directional = gauge_of(lambda x: 3.0, [1.0, 2.0], [0.0, 0.0], slope=1.0)
    (found,) = directional.real(directional.tangents([1]))
    assert directional.nothing
    assert found.value == 0.0
    assert directional.setting.objective.nfev == 6
