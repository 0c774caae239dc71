"""`power` says of each planted mistake what `check_gradient` says of it, at little further cost."""

from __future__ import annotations

import copy
import dataclasses
import json

import numpy as np
import pytest

import gradcheck
from gradcheck import Outcome, check_gradient, power
from gradcheck import mutations as m

X = np.array([0.3, -1.2, 2.0, 0.7])


def f(x):
    """Give a sum of exponentials and cubes."""
    return float(np.sum(np.exp(x) + x**3))


def df(x):
    """Give its gradient."""
    return np.exp(x) + 3 * x**2


def coarse(x):
    """Give f on a grid of 3e-4: the bar of its derivative is some 1e-2 of the gradient."""
    return float(np.round(f(x) / 3e-4) * 3e-4)


def bilinear(params):
    """Give a function of a square matrix and a vector."""
    return float(np.sum(np.exp(params["W"] @ params["b"])) + np.sum(params["W"] ** 2))


def d_bilinear(params):
    """Give its gradient."""
    e = np.exp(params["W"] @ params["b"])
    return {"W": np.outer(e, params["b"]) + 2 * params["W"], "b": params["W"].T @ e}


PARAMS = {
    "W": np.random.default_rng(0).standard_normal((3, 3)),
    "b": np.random.default_rng(1).standard_normal(3),
}


def results(found: gradcheck.Power) -> dict[str, str]:
    """Give the result of each mutation by its name."""
    return {p.name: p.result for p in found.planted}


@pytest.mark.slow
def test_a_precise_check_catches_every_standard_mistake():
    """Of a smooth f, all are caught that are not within rtol; those that change nothing say so."""
    found = power(f, df, X)

    assert found
    assert found.missed == []
    assert found.report.outcome is Outcome.PASS
    by_name = results(found)
    # A relative change of 6e-8 where rtol is 1e-6; a vector has no rows and no transpose.
    assert by_name.pop("float32 rounding") == "accepted"
    idle = ("square array transposed", "one row zeroed", "one array zeroed", "one small entry x 2")
    assert {by_name.pop(name) for name in idle} == {"not applicable"}
    assert set(by_name.values()) == {"caught"}
    assert "gradient at another point" in by_name


def test_what_a_coarse_f_hides_is_missed_and_makes_the_power_false():
    """Of an f rounded to 3e-4, a factor 1 + 1e-4 passes, one of 1.1 does not."""
    mutations = [m.all_scaled(1.1), m.all_scaled(1 + 1e-4)]
    found = power(coarse, df, X, mutations, resolution=0.1)

    assert found.report.outcome is Outcome.PASS
    assert [p.result for p in found.planted] == ["caught", "missed"]
    assert [p.name for p in found.missed] == ["all x 1.0001"]
    assert not found
    assert found.missed[0].times_detectable < 1 < found.planted[0].times_detectable
    assert power(f, df, X, mutations)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "grad", "x", "options"),
    [
        (f, df, X, {}),
        (coarse, df, X, {"resolution": 0.1}),
        (f, df, X, {"method": "directions"}),
        (bilinear, d_bilinear, PARAMS, {}),
        (bilinear, d_bilinear, PARAMS, {"rtol": 0.02, "rng": 5}),
        (f, df, X, {"bounds": [(0.2, None), (None, None), (2.0, 2.0), (0.0, 1.0)]}),
        (lambda x: float(np.sum(np.abs(x))), np.sign, np.array([1.0, -2.0]), {"subgradient": True}),
    ],
)
def test_each_answer_is_that_of_the_check_itself(function, grad, x, options):
    """Remembering the values of f changes no outcome: each mistake is given to check_gradient as well."""
    found = power(function, grad, x, **options)

    tried = [p for p in found.planted if p.result != "not applicable"]
    assert len(tried) >= 15
    mutations = m.standard_mutations(grad)
    seeds = np.random.default_rng(options.get("rng", 0)).integers(2**62, size=len(mutations))
    for planted, mutation, seed in zip(found.planted, mutations, seeds, strict=True):
        if planted.result == "not applicable":
            continue
        wrong = mutation.apply(grad(x), x, np.random.default_rng(seed))
        report = check_gradient(function, wrong, x, **options)
        answers = {"caught": Outcome.FAIL, "inconclusive": Outcome.INCONCLUSIVE}
        assert report.outcome is answers.get(planted.result, Outcome.PASS), planted
        assert planted.reason == report.reason


@pytest.mark.slow
def test_the_values_of_f_are_used_again():
    """Twenty mistakes cost a quarter of twenty sweeps at most; every call is counted.

    Each is looked at from as near as its size asks, at steps that are powers of four: six evaluations each.
    """
    calls = []

    def counted(x):
        calls.append(x)
        return f(x)

    found = power(counted, df, X)

    assert found.nfev == len(calls)
    assert found.report.nfev < found.nfev <= 20 * check_gradient(f, df, X, method="sweep").nfev / 4


def test_random_directions_catch_a_transposed_matrix_in_a_large_problem():
    """Above a hundred parameters each mistake is a check of its own."""
    x = np.random.default_rng(2).standard_normal((12, 12))
    found = power(f, df, x, [m.TRANSPOSED, m.ONE_NEGATED, m.one_scaled(1.1)])

    assert found.report.method == "directions"
    assert set(results(found).values()) == {"caught"}
    assert found.nfev > 4 * found.report.nfev / 2


def test_the_accepted_tolerance_is_not_a_miss():
    """With rtol = 0.01, a factor 1.001 passes as asked; 1.1 is caught, and the power is true."""
    found = power(f, df, X, [m.all_scaled(1.001), m.all_scaled(1.1)], rtol=0.01)

    assert results(found) == {"all x 1.001": "accepted", "all x 1.1": "caught"}
    assert found


def test_a_check_that_can_only_be_undecided_has_no_power():
    """Any slope between -1 and 1 is undecided at the kink of |x|: nothing missed, but nothing caught."""
    found = power(
        lambda x: float(np.sum(np.abs(x))), np.array([0.5, 0.5]), np.zeros(2), [m.ALL_NEGATED, m.ALL_ZEROED]
    )

    assert set(results(found).values()) == {"inconclusive"}
    assert found.missed == []
    assert not found


def test_a_wrong_gradient_is_refused():
    """A mistake planted into a gradient that is wrong already would say nothing."""
    with pytest.raises(gradcheck.GradientError, match=r"^FAIL  4 of 4 entries wrong"):
        power(f, lambda x: 2 * df(x), X)


def test_sizes_are_relative_to_the_entry_or_its_array():
    """On paper: gradient (3, 4), root mean square 3.54; a factor 1.01 is 0.01, a lost 3 is 3 / 3.54, nan infinite."""
    x = np.array([1.5, 2.0])
    found = power(
        lambda x: float(x @ x), lambda x: 2 * x, x, [m.all_scaled(1.01), m.ALL_ZEROED, m.ONE_NAN, m.offset()]
    )

    sizes = [p.size for p in found.planted]
    # 0.04 added to 3, where the root mean square is larger. Rounding of the factor: some 1e-16 over 1e-2.
    np.testing.assert_allclose(sizes, [0.01, 1.0, np.inf, 0.04 / np.sqrt(12.5)], rtol=1e-12)
    assert all(p.detectable == found.report.detectable for p in found.planted)
    zero = power(lambda x: float(np.sum(x**2)), np.zeros(2), np.zeros(2), [m.offset()])
    assert zero.planted[0].size == np.inf


def test_a_mistake_in_an_array_is_measured_by_what_is_detectable_there():
    """The vector exceeds its bar, the matrix is not; a mistake in the vector has the vector's detectable error."""
    params = {"a": np.full(3, 1e-6), "b": np.ones(2)}

    def loss(p):
        return float(np.sum(p["a"]) + 1e3 * np.sum(np.exp(p["b"])))

    only_b = m.Mutation("b doubled", lambda g, x, rng: {"a": g["a"], "b": 2 * g["b"]})
    found = power(loss, lambda p: {"a": np.ones(3), "b": 1e3 * np.exp(p["b"])}, params, [only_b])

    a, b = found.report.arrays
    assert a.detectable != b.detectable
    assert found.planted[0].detectable == b.detectable
    # Twice itself: 1, whatever the root mean square.
    assert found.planted[0].size == pytest.approx(1.0, rel=1e-12)
    # In both, it stands out most where less is detectable.
    both = power(
        loss, lambda p: {"a": np.ones(3), "b": 1e3 * np.exp(p["b"])}, params, [m.all_scaled(2.0)]
    ).planted[0]
    assert both.detectable == min(a.detectable, b.detectable)


def test_a_mutation_that_cannot_be_applied_says_why():
    """The gradient at another point may not exist: named, and not counted as caught."""

    def grad(x):
        if np.any(x != X):
            raise ArithmeticError("no gradient here")
        return df(x)

    found = power(f, grad, X, [m.stale(grad), m.ALL_NEGATED])

    assert results(found) == {"gradient at another point": "not applicable", "all negated": "caught"}
    assert found.planted[0].reason == "ArithmeticError: no gradient here"
    assert "not applicable: gradient at another point" in str(found)


@pytest.mark.slow
def test_a_pair_of_value_and_gradient_is_understood():
    """f with grad=True, and a grad that returns a pair: as in check_gradient, with args."""

    def both(x, a):
        return a * f(x), a * df(x)

    alone = power(lambda x: 2.0 * f(x), lambda x: 2.0 * df(x), X)
    for found, more in (
        # An f that returns its gradient is always called twice at x.
        (power(both, True, X, args=(2.0,)), 1),
        (power(lambda x, a: a * f(x), both, X, args=(2.0,)), 0),
    ):
        assert results(found) == results(alone)
        assert found.report.nfev == alone.report.nfev + more


def test_an_f_that_does_not_repeat_itself_is_not_hidden_by_the_memory():
    """The check that comes first calls f twice at x, as always."""
    generator = np.random.default_rng(0)
    found = power(lambda x: f(x) + generator.normal(), df, X, [m.ALL_NEGATED])

    assert "differs between two calls" in found.report.reason
    assert results(found) == {"all negated": "inconclusive"}


def test_float32_stays_float32():
    """The mistakes have the dtype of the gradient, and the check the tolerances of float32."""
    x = X.astype(np.float32)
    found = power(lambda x: np.sum(np.exp(x)), np.exp, x, [m.all_scaled(1.1), m.FLOAT32_ROUNDING])

    assert found.report.rtol == 1e-3
    assert results(found) == {"all x 1.1": "caught", "float32 rounding": "not applicable"}


@pytest.mark.parametrize("rng", [0, 7, None, "generator"])
def test_any_seed_will_do_and_a_generator_is_left_alone(rng):
    """Each check starts where the first one did; the caller's Generator is as it was."""
    given = np.random.default_rng(3) if rng == "generator" else rng
    before = copy.deepcopy(given)
    found = power(f, df, X, [m.ALL_NEGATED, m.ONE_ZEROED], rng=given)

    assert set(results(found).values()) == {"caught"}
    # Fewer than three sweeps: values are used again, which they would not be with other directions or noise.
    assert found.nfev < 3 * check_gradient(f, df, X, method="sweep").nfev
    if rng == "generator":
        assert given.bit_generator.state == before.bit_generator.state


def test_a_gradient_in_a_reused_buffer_is_kept():
    """The gradient at another point is computed in the same buffer: the right one must not change with it."""
    buffer = np.empty(4)

    def grad(x):
        buffer[:] = df(x)
        return buffer

    planted, fresh = (power(f, g, X, [m.stale(g)]).planted[0] for g in (grad, df))
    assert planted == fresh
    assert planted.size > 1e-3


@pytest.mark.slow
def test_nothing_of_the_callers_is_changed():
    """Neither x nor a gradient given as an array."""
    x, g = X.copy(), df(X)
    power(f, g, x)

    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(g, df(X))


def test_the_table_puts_what_was_missed_first():
    """A line a mistake, the missed one on top; the first line counts, the last says what it cost."""
    found = power(coarse, df, X, [m.all_scaled(1.1), m.all_scaled(1 + 1e-4), m.TRANSPOSED], resolution=0.1)

    lines = str(found).splitlines()
    assert lines[0] == "2 planted mistakes: 1 caught, 1 missed"
    assert lines[1].split() == ["mistake", "result", "size", "detectable", "size", "/", "detectable"]
    assert lines[2].startswith("  all x 1.0001  missed  0.0001")
    assert lines[3].startswith("  all x 1.1     caught")
    assert lines[4] == "  not applicable: square array transposed"
    assert lines[5].startswith("  the gradient as given: PASS")
    assert lines[6] == f"  {found.nfev} evaluations of f in all"


def test_the_dictionary_is_json():
    """Infinities become null; the report on the gradient as given is in it."""
    found = power(f, df, X, [m.ONE_NAN, m.TRANSPOSED])
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))

    assert told["schema"] == "gradcheck-power/1"
    assert told["power"] is True
    assert told["nfev"] == found.nfev
    assert told["report"]["outcome"] == "PASS"
    assert [p["result"] for p in told["planted"]] == ["caught", "not applicable"]
    assert told["planted"][0]["size"] is None


def test_a_power_is_frozen():
    """A value, as a Report is."""
    found = power(f, df, X, [m.ALL_NEGATED])
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.nfev = 0


def test_an_interruption_among_the_mistakes_gives_no_report_on_one():
    """Before them, the report is on the gradient; after, it would be on a planted mistake: none is given."""
    calls = [0]

    def interrupted(after):
        calls[0] = 0

        def function(x):
            calls[0] += 1
            if calls[0] > after:
                raise KeyboardInterrupt
            return f(x)

        return function

    right = check_gradient(f, df, X, method="directions").nfev
    both = [m.ALL_NEGATED, m.ALL_ZEROED]
    # Values at points that were asked for are remembered.
    for after, outcome in ((right - 1, "INCONCLUSIVE"), (right + 1, "PASS")):
        with pytest.raises(gradcheck.GradientCheckInterrupted) as caught:
            power(interrupted(after), df, X, both, method="directions")
        known = caught.value.report
        assert not known
        assert known.to_dict()["interrupted"]
        assert known.report.outcome.value == outcome
        assert len(known.planted) < len(both)
        assert str(known).startswith("interrupted after ")


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((f, df, X, []), ValueError, "mutations is empty"),
        ((f, df, X, ["all negated"]), TypeError, "sequence of Mutation"),
        ((f, df, X, m.ALL_NEGATED), TypeError, "sequence of Mutation"),
        ((1.0, df, X), TypeError, "f must be callable, not float"),
        ((f, None, X), TypeError, "grad must be"),
    ],
)
def test_bad_arguments_are_named(arguments, error, said):
    """Each by its name, before anything is planted."""
    with pytest.raises(error, match=said):
        power(*arguments)
