"""The comparison with other checkers: they are asked fairly, entries are what they claim, the counts are right."""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from importlib import metadata
from importlib.util import find_spec

import numpy as np
import pytest
from scipy.differentiate import derivative

from benchmarks import peer_corpus, peer_counts, peer_docs, peer_figure, peer_packages, peers
from benchmarks.corpus import Problem, flat, like
from benchmarks.peer_corpus import FINE, HIDDEN, KINK, RIGHT, WRONG
from benchmarks.peer_counts import Result
from benchmarks.peer_tools import TOOLS, Answer, Question, Said, Tool, ask, installed, version
from benchmarks.peer_tools.model import ACCEPTED, CRASHED, INCONCLUSIVE, REJECTED, UNFINISHED, by_entry
from gradcheck import mutations

X = np.array([1.2, -0.7, 2.0])


def f(x):
    """Give a sum of x^2 sin x."""
    return float(np.sum(np.sin(x) * x**2))


def gradient():
    """Give its gradient, by hand."""
    return np.cos(X) * X**2 + 2 * X * np.sin(X)


def doubled():
    """Give the gradient with one entry twice as large: more than any of the tools' tolerances."""
    wrong = gradient()
    wrong[1] *= 2
    return wrong


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_accepts_a_right_gradient_and_rejects_a_wrong_one(name):
    """Each adapter asks its tool about f and the gradient that it is given, and counts the evaluations."""
    if not installed(TOOLS[name]):
        pytest.skip(f"{TOOLS[name].package} is not installed")
    right, wrong = (ask(TOOLS[name], Question(f, X, g), 60.0) for g in (gradient(), doubled()))

    assert (right.verdict, wrong.verdict) == (ACCEPTED, REJECTED)
    assert right.nfev >= 2
    assert wrong.places in (None, (1,))
    assert version(TOOLS[name])


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_is_given_trees(name):
    """Parameters in a dict reach f as a dict, whatever the tool makes of them."""
    if not installed(TOOLS[name]):
        pytest.skip(f"{TOOLS[name].package} is not installed")
    tree, wrong = ({"a": v[:2].reshape(2, 1), "b": v[2:]} for v in (gradient(), doubled()))

    def of_tree(p):
        assert p["a"].shape == (2, 1)
        return f(np.concatenate([p["a"].ravel(), p["b"]]))

    x = {"a": X[:2].reshape(2, 1), "b": X[2:]}
    assert [ask(TOOLS[name], Question(of_tree, x, g), 60.0).verdict for g in (tree, wrong)] == [
        ACCEPTED,
        REJECTED,
    ]


def tool(check):
    """Make a tool of a function."""
    return Tool("made up", "numpy", "numpy", "as it likes", check)


def test_a_tool_that_raises_has_crashed():
    """An exception is no verdict, and its words are kept."""
    answer = ask(tool(lambda q: 1 / 0), Question(f, X, gradient()), 1.0)

    assert answer.verdict == CRASHED
    assert "division" in answer.words


def test_a_tool_that_is_late_is_stopped_whatever_it_does():
    """Even if it catches exceptions, and even inside an f that never returns; one in time is not disturbed."""

    def endless(_):
        while True:
            pass

    def stubborn(question):
        try:
            question.f(question.x)
        except Exception:  # a tool that swallows what stops it, as some do
            return Said(ACCEPTED)
        return Said(REJECTED)

    late, in_time = (ask(tool(stubborn), Question(g, X, gradient()), 0.1) for g in (endless, f))
    assert (late.verdict, late.nfev) == (UNFINISHED, 1)
    assert (in_time.verdict, in_time.nfev) == (REJECTED, 1)


def test_a_tool_that_makes_another_exception_of_lateness_is_late_too():
    """As frameworks do that call back from C++; an exception of its own is a crash."""

    def wrapping(question):
        try:
            question.f(question.x)
        except BaseException as error:
            raise RuntimeError("callback failed") from error

    def endless(_):
        while True:
            pass

    def failing(_):
        raise ValueError("no")

    verdicts = [ask(tool(wrapping), Question(g, X, gradient()), 0.1).verdict for g in (endless, failing)]
    assert verdicts == [UNFINISHED, CRASHED]


def test_after_a_late_check_the_same_problem_is_not_asked_again():
    """Another problem is; and beyond the budget none."""
    asked = []

    def slow_on_the_first(question):
        asked.append(question.x[0])
        return Said(UNFINISHED if question.x[0] == 1 else ACCEPTED)

    entries = [entry(name=str(k), x=np.array([float(k)])) for k in (1, 1, 2)]
    verdicts = [a.verdict for a in peers.answers(tool(slow_on_the_first), entries, 1.0, 60.0)]
    assert verdicts == [UNFINISHED, UNFINISHED, ACCEPTED]
    assert asked == [1, 2]
    assert {a.verdict for a in peers.answers(tool(slow_on_the_first), entries, 1.0, -1.0)} == {UNFINISHED}
    assert asked == [1, 2]


def test_entries_are_judged_only_where_there_is_something_to_judge_by():
    """No finite estimate is inconclusive; a gradient that is not finite is wrong all the same."""
    one, none = np.ones(2), np.array([1.0, np.nan])

    assert by_entry(one, one, 0 * one).verdict == ACCEPTED
    assert by_entry(one, 1.1 * one, 0.05 * one) == Said(REJECTED, (0, 1))
    assert by_entry(one, none, one).verdict == INCONCLUSIVE
    assert by_entry(one, one, none).verdict == INCONCLUSIVE
    assert by_entry(none, one, one) == Said(REJECTED, (1,))
    assert by_entry(np.array([2.0, 1.0]), none, 0 * one) == Said(REJECTED, (0,))


def problem(name="p", x=X, note=""):
    """Make a linear problem, whose gradient is 1 everywhere."""
    ones = np.ones_like(x)
    return Problem(
        name, "clean", lambda p: float(np.sum(p)), lambda p: np.ones_like(p), x, ones, lambda: ones, note
    )


def entry(name="p", x=X):
    """Make an entry of a right gradient."""
    return peer_corpus.Entry(problem(name, x), RIGHT, "", np.ones_like(x))


@pytest.mark.parametrize(
    ("factor", "kind"), [(1.01, WRONG), (np.nan, WRONG), (1.001, FINE), (1 + 1e-6, HIDDEN)]
)
def test_the_size_of_a_mistake_decides_whether_it_counts(factor, kind):
    """From 0.2 % on a mistake counts, 0.1 % stands apart, and less is hidden; its place is known."""
    wrong = np.array([1.0, factor, 1.0])
    found = peer_corpus.wrong_entry(problem(), "one entry", wrong)

    assert found.kind == kind
    assert found.places == {1}


def test_a_mistake_below_the_noise_of_f_is_hidden():
    """1 % of a slope of 1 over steps of 1e-4 changes f by 1e-6: six decimals do not show it, all digits do."""
    x = np.full(3, 1e-4)
    wrong = np.array([1.0, 1.01, 1.0])

    assert peer_corpus.wrong_entry(problem(x=x, note="six decimals"), "one entry", wrong).kind == HIDDEN
    assert peer_corpus.wrong_entry(problem(x=x), "one entry", wrong).kind == WRONG


@pytest.fixture(scope="module")
def entries():
    """Give the quick choice of entries; packages may warn when they are imported."""
    for package in ("sklearn", "statsmodels"):
        if not find_spec(package):
            pytest.skip(f"{package} is not installed: its published derivatives are part of the corpus")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return peer_corpus.entries(0, quick=True)


@pytest.mark.slow
def test_every_category_and_kind_of_mistake_is_there(entries):
    """Right and wrong gradients of all categories, every standard mutation, points on kinks."""
    counted = peer_corpus.counted(entries)

    for category in set(peer_corpus.CATEGORIES) - {peer_corpus.ON_KINK}:
        assert counted[category][RIGHT], category
        assert counted[category][WRONG] + counted[category][FINE], category
    assert counted[peer_corpus.ON_KINK] == {RIGHT: 0, WRONG: 0, FINE: 0, HIDDEN: 0, KINK: 2}
    planted = {m.name for m in mutations.standard_mutations(lambda x: x)}
    assert planted <= {e.mistake for e in entries}
    assert sum(sum(kinds.values()) for kinds in counted.values()) == len(entries)


def test_the_choice_is_the_seeds(entries):
    """Each entry once, all in float64, and wrong by the stated size where it counts."""
    assert len({e.name for e in entries}) == len(entries)
    for e in entries:
        assert flat(e.problem.x).dtype == np.float64
        if e.kind == WRONG:
            assert e.size >= peer_corpus.LEAST
            assert e.places


@pytest.mark.slow
def test_one_stratum_is_drawn_again_by_the_same_seed():
    """Another seed draws other problems."""
    problems = [problem(str(k), np.arange(1.0, 4.0) * k) for k in range(1, 30)]

    def drawn(seed):
        return [e.name for e in peer_corpus._stratified(problems, np.random.default_rng(seed), 2)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def slope(p, i):
    """Differentiate f along one coordinate by scipy.differentiate: the best of three first steps by its own error."""
    x = flat(p.x).astype(float)

    def phi(t):
        values = np.empty(np.shape(t))
        for k, value in np.ndenumerate(t):
            moved = x.copy()
            moved[i] = value
            values[k] = p.f(like(p.x, moved))
        return values

    scale = max(abs(x[i]), 1e-3)
    tried = [derivative(phi, x[i], initial_step=h * scale) for h in (1e-1, 1e-2, 1e-3)]
    return float(min(tried, key=lambda r: r.error).df)


def off(p, gradient, i):
    """Compare one entry of a gradient with scipy.differentiate, relative as the mistakes' sizes are."""
    return abs(slope(p, i) - gradient[i]) / max(abs(gradient[i]), float(np.sqrt(np.mean(gradient**2))))


@pytest.mark.slow
def test_published_derivatives_are_right(entries):
    """Against scipy.differentiate, three entries each; 1e-6 is a hundred times its own error on these functions."""
    published = [
        e.problem for e in entries if e.problem.category == peer_packages.CATEGORY and e.kind == RIGHT
    ]

    assert len(published) >= 8
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for p in published:
            for i in np.unique(np.linspace(0, p.n - 1, 3).astype(int)):
                assert off(p, flat(p.grad(p.x)), i) < 1e-6, (p.name, i)


def test_the_derivative_of_astropys_drude_profile_is_wrong():
    """As released in 8.0.2; the right one, by the complex step, stands beside it."""
    if not find_spec("astropy") or metadata.version("astropy") != "8.0.2":
        pytest.skip("astropy 8.0.2 is not installed: other releases may have mended its derivative")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (p,) = [p for p in peer_packages._astropy() if p.name == peer_packages.DRUDE]
        wrong = peer_packages.drude_as_published()

    assert off(p, p.grad(p.x), 1) < 1e-6
    assert off(p, wrong, 1) > 0.1


BASE = Result("gradcheck", "p", "clean", RIGHT, "", 4, ACCEPTED, False, 20, 0.5)


def test_counts_of_hand_made_results():
    """Every verdict on every kind falls into its own column; a mistake that is hidden counts nowhere else."""
    said = [
        BASE,
        replace(BASE, verdict=REJECTED, nfev=30),
        replace(BASE, verdict=INCONCLUSIVE, nfev=40),
        replace(BASE, verdict=CRASHED, nfev=1),
        replace(BASE, kind=WRONG, mistake="a", verdict=REJECTED, named=True),
        replace(BASE, kind=WRONG, mistake="b", verdict=REJECTED),
        replace(BASE, kind=WRONG, mistake="c", verdict=ACCEPTED),
        replace(BASE, kind=WRONG, mistake="d", verdict=UNFINISHED, nfev=900),
        replace(BASE, kind=FINE, mistake="e", verdict=REJECTED),
        replace(BASE, kind=FINE, mistake="f", verdict=ACCEPTED),
        replace(BASE, kind=HIDDEN, mistake="g", verdict=ACCEPTED),
        replace(BASE, kind=KINK, verdict=ACCEPTED),
        replace(BASE, kind=KINK, verdict=INCONCLUSIVE),
    ]
    (row,) = peer_counts.rows(said)

    assert (row.right, row.false_alarms, row.inconclusive_right, row.lost_right) == (4, 1, 1, 1)
    assert (row.wrong, row.missed, row.inconclusive_wrong, row.lost_wrong) == (4, 1, 0, 1)
    assert (row.caught, row.named, row.crashed, row.unfinished) == (2, 1, 1, 1)
    assert (row.fine, row.fine_asked, row.hidden, row.hidden_asked, row.kinks) == (1, 2, 0, 1, 1)
    assert row.median_nfev == 20  # of 20, 30, 40 and three times 20
    assert row.total_nfev == 20 + 30 + 40 + 1 + 20 + 20 + 20 + 900


@pytest.mark.parametrize(
    ("verdict", "places", "named"),
    [(REJECTED, (1,), True), (REJECTED, (0, 1), False), (REJECTED, None, False), (ACCEPTED, (1,), False)],
)
def test_a_place_is_named_only_if_it_is_wrong(verdict, places, named):
    """One right entry among those that are told spoils it, and without a rejection nothing was told."""
    wrong = peer_corpus.wrong_entry(problem(), "one entry", np.array([1.0, 2.0, 1.0]))
    answer = Answer(verdict, places, "", 7, 0.1)

    assert peers.result(TOOLS["gradcheck"], wrong, answer).named is named


def test_what_is_right_at_a_kink():
    """There is no derivative: accepting a gradient is the one wrong answer, and no answer is not right either."""
    right = {
        v: replace(BASE, kind=KINK, verdict=v).correct for v in (ACCEPTED, REJECTED, INCONCLUSIVE, CRASHED)
    }

    assert right == {ACCEPTED: False, REJECTED: True, INCONCLUSIVE: True, CRASHED: False}


def test_entries_where_a_peer_is_better_are_found():
    """By name, with what the peer is worth on the problem; not where both are wrong, nor where the peer alone is."""
    peer = replace(BASE, tool="peer")
    said = [
        replace(BASE, verdict=INCONCLUSIVE, words="noise"),
        peer,
        replace(BASE, kind=WRONG, mistake="a", verdict=ACCEPTED),
        replace(peer, kind=WRONG, mistake="a", verdict=ACCEPTED),
        replace(BASE, kind=WRONG, mistake="b", verdict=REJECTED),
        replace(peer, kind=WRONG, mistake="b", verdict=ACCEPTED),
        replace(BASE, problem="q"),
        replace(peer, problem="q", verdict=REJECTED),
    ]
    (found,) = peer_counts.better(said, "gradcheck")

    assert (found.problem, found.kind, found.said, found.mistakes) == ("p", RIGHT, INCONCLUSIVE, ())
    assert found.peers == (("peer", 1, 3),)


def test_evaluations_are_compared_where_both_answered():
    """By n, as the median of ratios; without an answer of the peer there is none."""
    peer = replace(BASE, tool="peer", nfev=10)
    said = [
        BASE,
        peer,
        replace(BASE, problem="q", n=50, nfev=5),
        replace(peer, problem="q", n=50, verdict=CRASHED),
    ]

    costs = peer_counts.costs(said, "gradcheck", "peer")
    assert [(c.low, c.high, c.problems, c.ratio, c.fewer) for c in costs] == [
        (1, 9, 1, 2.0, 0),
        (1, 1000, 1, 2.0, 0),
    ]


def test_tools_that_are_asked_again_take_the_place_of_what_they_said():
    """The others' answers stay; a run of other entries is refused."""

    def record(tool, verdict, right=1):
        said = asdict(replace(BASE, tool=tool, verdict=verdict))
        return {
            "corpus": {"clean": right},
            "tools": [{"name": tool}],
            "results": [said],
            "seconds": 1.0,
            "date": verdict,
        }

    both = record("a", ACCEPTED)
    for part in ("tools", "results"):
        both[part] += record("b", ACCEPTED)[part]
    found = peers.merged(both, record("a", REJECTED))

    assert [(r["tool"], r["verdict"]) for r in found["results"]] == [("a", REJECTED), ("b", ACCEPTED)]
    assert [t["name"] for t in found["tools"]] == ["a", "b"]
    assert found["date"] == REJECTED
    with pytest.raises(ValueError, match="other entries"):
        peers.merged(both, record("a", REJECTED, right=2))


def test_a_marked_part_is_replaced(tmp_path):
    """What stands around it stays; a document without the marks is refused."""
    path = tmp_path / "page.md"
    path.write_text("a\n<!-- peers: begin, by a script -->\nold\n<!-- peers: end -->\nb\n")
    peer_docs.replace(path, "peers", "new \\1")

    assert path.read_text() == "a\n<!-- peers: begin, by a script -->\nnew \\1\n<!-- peers: end -->\nb\n"
    with pytest.raises(ValueError, match="no part marked 'other'"):
        peer_docs.replace(path, "other", "new")


@pytest.mark.slow
def test_the_figure_shows_every_tool(tmp_path):
    """A bar a tool, drawn to a file."""
    counted = peer_counts.rows([BASE, replace(BASE, tool="peer", verdict=REJECTED)])
    peer_figure.save(counted, tmp_path / "peers.svg")

    text = (tmp_path / "peers.svg").read_text()
    assert text.count('<g id="patch_') >= 2 * 2 * 4
