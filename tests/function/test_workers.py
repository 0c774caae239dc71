"""Workers, budgets and progress: the same report however f is called, and never more calls than were allowed."""

import os
import threading
import time

import joblib
import numpy as np
import pytest

from gradcheck import Outcome, check_gradient
from gradcheck.errors import WorkerError
from gradcheck.function.workers import in_workers, workers

RNG = np.random.default_rng(0)
SMALL = {"a": RNG.normal(size=(6, 5)), "b": RNG.normal(size=4)}
LARGE = {"a": RNG.normal(size=(30, 20)), "b": RNG.normal(size=150)}


def f(x):
    """Real numbers only, so that directions are real differences: sums of elementary functions."""
    if np.iscomplexobj(x["a"]):
        raise TypeError("real numbers only")
    return float(np.sum(np.sin(x["a"])) + np.sum(x["b"] ** 4))


def right(x):
    """The gradient of f."""
    return {"a": np.cos(x["a"]), "b": 4 * x["b"] ** 3}


def one_wrong(x):
    """One entry off by 1 %."""
    g = right(x)
    g["a"][3, 4] *= 1.01
    return g


def without_seconds(report):
    """All that a report says, apart from the time it took."""
    told = report.to_dict()
    del told["seconds"]
    return told


@pytest.mark.parametrize("x", [SMALL, LARGE], ids=["sweep", "directions"])
@pytest.mark.parametrize("gradient", [right, one_wrong])
def test_the_report_is_the_same_whatever_the_number_of_workers(x, gradient):
    """Processes and threads, one, two and three of them: every number alike, evaluations too."""
    alone = without_seconds(check_gradient(f, gradient, x, n_jobs=1))
    expected = "PASS" if gradient is right else "FAIL"

    assert alone["outcome"] == expected
    assert without_seconds(check_gradient(f, gradient, x, n_jobs=2)) == alone
    with joblib.parallel_config(backend="threading", n_jobs=3):
        assert without_seconds(check_gradient(f, gradient, x)) == alone


def test_workers_are_really_used():
    """With two threads f runs in threads other than the caller's; with n_jobs=1 in no other."""
    seen = set()

    def watched(x):
        seen.add(threading.get_ident())
        return f(x)

    check_gradient(watched, right, SMALL, n_jobs=1)
    assert seen == {threading.get_ident()}
    with joblib.parallel_config(backend="threading"):
        check_gradient(watched, right, SMALL, n_jobs=2)
    assert len(seen) > 1


def test_none_is_one_worker_unless_a_context_says_otherwise():
    """joblib's own convention."""
    assert workers(None) == workers(1) == 1
    with joblib.parallel_config(backend="threading", n_jobs=3):
        assert workers(None) == 3
        assert workers(1) == 1
    assert workers(2) == 2


def test_evaluations_are_counted_where_they_are_made():
    """nfev is the number of calls that f saw, in threads as without."""
    for n_jobs in (1, 2):
        calls = []

        def counted(x, calls=calls):
            calls.append(1)
            return f(x)

        with joblib.parallel_config(backend="threading"):
            report = check_gradient(counted, one_wrong, LARGE, n_jobs=n_jobs)
        assert report.nfev == len(calls)  # list.append is atomic


def test_points_off_the_domain_are_told_by_workers_too():
    """log of a negative number raises in a worker: as without workers."""

    def picky(x):
        if x.min() < 0:
            raise ValueError("outside")
        return float(np.sum(np.sqrt(x)))

    x = np.full(4, 1e-9)
    gradient = 0.5 / np.sqrt(x)

    alone = without_seconds(check_gradient(picky, gradient, x, n_jobs=1))
    with joblib.parallel_config(backend="threading"):
        assert without_seconds(check_gradient(picky, gradient, x, n_jobs=2)) == alone


def test_an_f_that_is_no_number_near_x_is_reported_by_workers_too():
    """f returns two numbers in the middle of the check: the same words with one worker and with two, and no hang."""

    def strange(x):
        return float(np.sum(x**2)) if np.all(x == 1.0) else np.ones(2)

    for n_jobs in (1, 2):
        with joblib.parallel_config(backend="threading"):
            report = check_gradient(strange, lambda x: 2 * x, np.ones(3), n_jobs=n_jobs)
        assert report.outcome is Outcome.INCONCLUSIVE
        assert report.reason.startswith("f must return one real number; it returned ndarray of shape (2,)")


def test_points_are_dealt_out_and_put_back_in_order():
    """Five rows of three points among four workers: each value where it belongs."""

    def evaluate(rows, offsets):
        return 10.0 * rows[:, None] + offsets, ""

    offsets = np.arange(15.0).reshape(5, 3) / 100
    with joblib.parallel_config(backend="threading"):
        values, complaint = in_workers(evaluate, np.array([4, 2, 0, 1, 3]), offsets, 4)

    assert complaint == ""
    np.testing.assert_array_equal(values, 10.0 * np.array([[4], [2], [0], [1], [3]]) + offsets)


def test_dask_cluster_gives_the_same_report():
    """joblib's dask backend on a local cluster: what leaving one machine looks like."""
    distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    alone = without_seconds(check_gradient(f, one_wrong, SMALL))

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        assert without_seconds(check_gradient(f, one_wrong, SMALL)) == alone


@pytest.mark.parametrize(("x", "method"), [(SMALL, "sweep"), (LARGE, "directions")])
@pytest.mark.parametrize("budget", [24, 40, 70, 100])
def test_a_budget_of_evaluations_is_never_exceeded(x, method, budget):
    """Whatever the budget: not one call more; a right gradient passes or is undecided, never accused."""
    calls = []

    def counted(x):
        calls.append(1)
        return f(x)

    report = check_gradient(counted, right, x, method=method, max_nfev=budget)

    assert report.nfev == len(calls) <= budget
    assert report.outcome is not Outcome.FAIL
    if budget == 24 and method == "sweep":  # directions settle it with less
        assert report.outcome is Outcome.INCONCLUSIVE
        assert "budget" in report.reason


def test_a_budget_of_seconds_ends_a_slow_check():
    """A clock that advances 1 s a call of f: 30 s are a few evaluations beyond the least, not hundreds."""
    x, method = SMALL, "sweep"
    now = [0.0]

    def slow(x):
        now[0] += 1.0
        return f(x)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: now[0])
        short = check_gradient(slow, right, x, method=method, max_seconds=30)
        spent = now[0]
        long = check_gradient(slow, right, x, method=method, max_seconds=10_000)

    assert short.outcome is Outcome.INCONCLUSIVE
    assert "budget" in short.reason
    # One line of six evaluations may have been begun.
    assert spent <= 36
    assert long.outcome is Outcome.PASS


def test_f_at_x_is_evaluated_once_where_it_agrees_and_every_other_point_once():
    """An expensive f is not called again for what is known: that differences bear the gradient out shows f repeats."""
    points = {}

    def watched(x):
        key = x["a"].tobytes() + x["b"].tobytes()
        points[key] = points.get(key, 0) + 1
        return f(x)

    for x, gradient in ((SMALL, right), (LARGE, right)):
        points.clear()
        report = check_gradient(watched, gradient, x)
        assert report.outcome is Outcome.PASS
        at_x = x["a"].tobytes() + x["b"].tobytes()
        assert points.pop(at_x) == 1
        assert set(points.values()) == {1}


def test_progress_is_shown_only_when_asked_for(capsys):
    """A bar on stderr that ends with as many evaluations as the report counts; nothing otherwise."""
    check_gradient(f, right, LARGE)
    silent = capsys.readouterr()
    report = check_gradient(f, right, LARGE, progress=True)
    shown = capsys.readouterr()

    assert silent.out == silent.err == shown.out == ""
    assert "gradcheck" in shown.err
    assert report.outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"n_jobs": 0}, ValueError, "n_jobs must be an integer other than 0"),
        ({"n_jobs": 1.5}, ValueError, "n_jobs must be an integer other than 0"),
        ({"max_seconds": 0}, ValueError, "max_seconds must be a number above 0"),
        ({"max_seconds": np.nan}, ValueError, "max_seconds must be a number above 0"),
        ({"max_seconds": "1"}, ValueError, "max_seconds must be a number above 0"),
        ({"progress": "yes"}, TypeError, "progress must be True or False"),
    ],
)
def test_bad_arguments_are_named(options, error, words):
    """The argument, its value and what is allowed."""
    with pytest.raises(error, match=words):
        check_gradient(f, right, SMALL, **options)


LOCK = threading.Lock()


def dies(x):
    """Ends the process that calls it anywhere but at x."""
    if not np.array_equal(x, [1.0, 2.0, 3.0]):
        os._exit(1)
    return float(np.sum(x**2))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (dies, "a worker process ended while it called f; n_jobs=1 calls it in this process"),
        (lambda x, lock=LOCK: float(np.sum(x**2)), "f cannot be sent to another process: .*lock.*; n_jobs=1"),
    ],
    ids=["dies", "holds a lock"],
)
def test_what_no_process_can_do_is_one_clear_error(function, said):
    """A worker that dies, a function that cannot be pickled; the next check has workers again."""
    x = np.array([1.0, 2.0, 3.0])

    with pytest.raises(WorkerError, match=said) as raised:
        check_gradient(function, lambda x: 2 * x, x, n_jobs=2, method="sweep")
    assert len(str(raised.value).splitlines()) == 1
    assert check_gradient(lambda x: float(np.sum(x**2)), lambda x: 2 * x, x, n_jobs=2, method="sweep")


def test_a_backend_that_cannot_send_the_check_is_one_clear_error():
    """That of plain pickle; the threads beside it can."""
    x = np.array([1.0, 2.0, 3.0])
    options = {"n_jobs": 2, "method": "sweep"}

    with (
        joblib.parallel_config(backend="multiprocessing"),
        pytest.raises(WorkerError, match="joblib's backend cannot"),
    ):
        check_gradient(lambda x: float(np.sum(x**2)), lambda x: 2 * x, x, **options)
    with joblib.parallel_config(backend="threading"):
        assert check_gradient(lambda x: float(np.sum(x**2)), lambda x: 2 * x, x, **options)


@pytest.mark.parametrize(
    ("shape", "n_jobs", "most"),
    [((3, 6), 64, 3), ((1, 6), 64, 3), ((1, 1), 64, 1), ((40, 6), 2, 2), ((3, 6), 10**400, 3)],
)
def test_there_are_never_more_workers_than_work(monkeypatch, shape, n_jobs, most):
    """Three entries are no work for 64 processes, each of which takes a second to start."""
    asked = []
    parallel = joblib.Parallel

    def counted(n_jobs):
        asked.append(n_jobs)
        return parallel(n_jobs=n_jobs, backend="threading")

    monkeypatch.setattr(joblib, "Parallel", counted)

    in_workers(lambda rows, offsets: (offsets, ""), np.arange(shape[0]), np.zeros(shape), n_jobs)

    assert asked == [most]


@pytest.mark.parametrize("n_jobs", [10**400, -(10**400), 64, -1, -2])
def test_any_number_of_workers_may_be_asked_for(n_jobs):
    """More than any machine has, or fewer than none: the same report."""
    x = np.array([1.0, 2.0, 3.0])
    arguments = (lambda x: float(np.sum(x**2)), lambda x: 2 * x, x)
    alone = without_seconds(check_gradient(*arguments, method="sweep"))

    with joblib.parallel_config(backend="threading"):
        assert without_seconds(check_gradient(*arguments, method="sweep", n_jobs=n_jobs)) == alone
