"""Random directions: what a certificate states holds, by simulation and on functions whose gradients are known."""

import math
import zlib

import numpy as np
import pytest

from gradcheck import Outcome, check_gradient
from gradcheck.numerics.tangents import random_units
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import ArrayEvidence, Certificate, Residual, bound_of

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


def bound(sizes, delta):
    """What residuals of these sizes (K,) prove of one row."""
    return float(bound_of(sizes[:, None], delta)[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("directions", "delta"), [(1, 0.1), (4, 0.01), (6, 0.05), (12, 0.05), (24, 0.02)])
def test_a_certificate_is_missed_no_more_often_than_it_states(kind, directions, delta):
    """The true error norm lies above the bound in at most a share delta of 20,000 (2,000 for many) draws."""
    draws = DRAWS if directions <= 6 else 2000
    generator = np.random.default_rng([1, directions, KINDS.index(kind)])

    seen = residuals(error_vector(kind), directions, draws, generator)
    missed = sum(bound(row, delta) < 1.0 for row in seen)

    # Four standard deviations of a binomial count: one in 30,000 for each of the 25 cases.
    assert missed <= draws * delta + 4 * math.sqrt(draws * delta * (1 - delta))


def test_the_constant_is_as_small_as_it_can_be():
    """For two equal and opposite errors and one direction the chance to miss is what is stated, less one share.

    A quarter is kept for later looks, and of one direction none can be left out: of 0.4 three quarters are left.
    """
    seen = residuals(error_vector("paired and opposite"), 1, DRAWS, np.random.default_rng(2))

    missed = sum(bound(row, 0.4) < 1.0 for row in seen)

    # The density of |u1 - u2| falls linearly from 1 at 0 to 0 at 1: 0.3 is missed less 0.3^2 / 2.
    chance = 0.3 - 0.3**2 / 2
    assert missed / DRAWS == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / DRAWS))


def test_half_the_constant_would_be_refused():
    """The simulation can fail: with half the constant pairs are missed more often than stated.

    Of 0.1 it is 2 x 0.075, less the half of its square: 0.139.
    """
    delta = 0.1
    seen = residuals(error_vector("paired and opposite"), 1, DRAWS, np.random.default_rng(3))

    missed = sum(bound(row, delta) / 2 < 1.0 for row in seen)

    assert missed > DRAWS * delta + 4 * math.sqrt(DRAWS * delta * (1 - delta))


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


@pytest.mark.parametrize(("directions", "delta"), [(1, 0.5), (2, 1e-6)])
def test_the_bound_of_few_directions_is_the_formula(directions, delta):
    """sqrt(2) tau / p^(1 / K), tau the largest residual and p the share of this look at the chance, by hand.

    It is 3/4 for one direction, and (1/4) / (K (K - 1)) for more; where all of K count it is over 1 + 1/2 + .. of K
    terms: 1 for one, 3/2 for two.
    """
    sizes = np.array([0.1 * (k + 1) for k in range(directions)])

    share = {1: 3 / 4, 2: 1 / 8 / 1.5}[directions]
    assert bound(sizes, delta) == pytest.approx(
        math.sqrt(2) * sizes[-1] / (share * delta) ** (1 / directions)
    )


@pytest.mark.parametrize("bad", [1, 2, 3])
def test_bad_directions_of_many_are_left_out_at_their_share_of_the_chance(bad):
    """A kink or an edge on one line does not spoil 24: the others, chosen in C(24, k) ways, at 2^-k of it over 2."""
    sizes = np.array([1.0] * (24 - bad) + [math.inf] * bad)

    # All of 24 terms 1 + 1/2 + .. are 2 but for 2^-23.
    chance = 1e-6 / 4 / (24 * 23) / 2 ** (bad + 1) / (1 - 2.0**-24) / math.comb(24, bad)
    assert bound(sizes, 1e-6) == pytest.approx(math.sqrt(2) * chance ** (-1 / (24 - bad)))
    assert bound(np.full(24, math.inf), 1e-6) == math.inf


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


@pytest.mark.slow
@pytest.mark.parametrize("times", [30, 100])
def test_certificates_that_leave_rounding_out_are_missed_no_more_often_than_they_state(times):
    """At a confidence of 1/2 no more than half of the reports bound the error wrongly; here what most would hide.

    Two equal and opposite errors, of so many times what rounding hides of a derivative beside an offset.
    """
    missed = passed = 0
    for seed in range(300):
        rng = np.random.default_rng([6, seed])
        a, x, offset = rng.uniform(0.5, 1.0, 6), rng.normal(size=6), 10.0 ** rng.uniform(3, 9)
        gradient, error = a * np.cos(a * x), np.zeros(6)
        error[rng.choice(6, 2, replace=False)] = (
            times * np.array([1.0, -1.0]) * 3.0 * 2.0**-52 * offset / 0.0078
        )
        wrong = gradient + error

        def f(x, a=a, offset=offset):
            return float(np.sum(np.sin(a * x))) + offset

        report = check_gradient(f, wrong, x, rng=seed, confidence=0.5, rtol=0.0, atol=0.0, resolution=0.5)
        if report.outcome is Outcome.PASS and report.certificate is not None:
            true = np.linalg.norm(error) / np.sqrt(np.mean(wrong**2))
            passed, missed = passed + 1, missed + (true > report.certificate.relative_to_rms)
    assert passed >= 30
    assert missed <= 0.5 * 300


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


def residual(error=0.0, least=0.0):
    """A residual of which a few numbers matter."""
    return Residual(0.0, error, 1.0, 3.0 * error + least)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_residual_exceeds_what_is_allowed(sign):
    """What lies on the edge is right, and nan is no evidence."""
    assert not Residual(8.0 * sign, 2.0, 1.0, 8.0).exceeds
    assert Residual(8.01 * sign, 2.0, 1.0, 8.0).exceeds
    assert not Residual(math.nan, 2.0, 1.0, 8.0).exceeds


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
    worst, other = residual(1.0, least=2.0), residual(0.5, least=3.0)
    evidence = ArrayEvidence(block_of(3), (other, worst), None, smallest_visible=0.25)
    assert evidence.detectable == (5.0 + 3.0) / 0.25
    assert ArrayEvidence(block_of(3), (worst,), None).detectable == 16.0
    assert ArrayEvidence(block_of(3), (), None).detectable == math.inf
    assert ArrayEvidence(block_of(3), (worst,), None, smallest_visible=0.0).detectable == math.inf


@pytest.mark.parametrize(("noise", "outcome"), [(1e-6, Outcome.INCONCLUSIVE), (1e-9, Outcome.PASS)])
def test_noise_is_measured_in_the_units_of_f(noise, outcome):
    """It hides the same part of a gradient of any size, squares that are numbers or not."""
    x = np.random.default_rng(13).normal(size=300)

    def reported(size):
        def f(x):
            if np.iscomplexobj(x):
                raise TypeError("real numbers only")
            seed = zlib.crc32(np.asarray(x).tobytes())
            return size * float(np.sum(np.sin(x))) * (1 + noise * np.random.default_rng(seed).normal())

        return check_gradient(f, size * np.cos(x), x, rng=0)

    usual, huge = reported(1.0), reported(1e200)
    assert usual.outcome is huge.outcome is outcome
    assert huge.detectable == pytest.approx(usual.detectable, rel=1e-6)
    assert usual.detectable < 0.1
