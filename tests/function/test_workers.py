"""Workers, budgets and progress: the same report however f is called, and never more calls than were allowed."""

import os
import sys
import threading
import time

import joblib
import numpy as np
import pytest

from gradcheck import (
    GradientCheckInterrupted,
    Outcome,
    check_gradient,
    check_hvp,
    check_jacobian,
    check_jvp,
    check_vjp,
)
from gradcheck.errors import WorkerError
from gradcheck.function import pool
from gradcheck.function.lines import Lines
from gradcheck.function.objective import Objective
from gradcheck.function.pool import Pool
from gradcheck.function.workers import Kept, dealt, workers
from gradcheck.parameters.tree import Parameters

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


@pytest.mark.slow
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
        assert report.reason.startswith(
            "at a point near x: f must return one real number; it returned ndarray of shape (2,)"
        )


def test_points_are_dealt_out_and_put_back_in_order():
    """Five rows of three points among four workers: each value where it belongs."""

    def evaluate(rows, offsets):
        return 10.0 * rows[:, None] + offsets, ""

    offsets = np.arange(15.0).reshape(5, 3) / 100
    with joblib.parallel_config(backend="threading"):
        rows, flat = np.repeat([4, 2, 0, 1, 3], 3), offsets.reshape(-1, 1)
        parts = [(rows[part], flat[part]) for part in dealt(15, 15, 4)]
        values, complaint = Kept().run(evaluate, (), parts)

    assert [len(part) for part, _ in parts] == [4, 4, 4, 3]
    assert complaint == ""
    expected = 10.0 * np.array([[4], [2], [0], [1], [3]]) + offsets
    np.testing.assert_array_equal(np.concatenate(values).reshape(5, 3), expected)


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.fixture
def asked(monkeypatch):
    """How many workers joblib is asked for each time; they are threads."""
    counts = []

    class Counted(Pool):
        def __init__(self, n_jobs):
            counts.append(n_jobs)
            super().__init__(n_jobs)

    monkeypatch.setattr(pool, "Pool", Counted)
    with joblib.parallel_config(backend="threading"):
        yield counts


@pytest.mark.parametrize(
    ("shape", "n_jobs", "most"),
    [((3, 6), 64, 3), ((1, 6), 64, 3), ((1, 1), 64, 1), ((40, 6), 2, 2), ((3, 6), 10**400, 3)],
)
@pytest.mark.parametrize("outputs", [None, 4])
def test_there_are_never_more_workers_than_work(asked, shape, n_jobs, most, outputs):
    """Three entries are no work for 64 processes, each of which takes a second to start; whatever m is."""
    rows, points = shape
    parameters, x = Parameters.of(np.zeros(rows))
    if outputs is None:
        objective = Objective(lambda x: float(np.sum(x)), parameters, n_jobs=n_jobs)
    else:
        objective = Objective(lambda x: np.full(outputs, np.sum(x)), parameters, several=True, n_jobs=n_jobs)
        objective.value(x)
    axes = objective.every(Lines.axes(parameters, x, np.arange(rows)))
    offsets = np.tile(np.arange(1.0, points + 1), (len(axes), 1))

    values = objective.along(axes, np.arange(len(axes)), offsets)

    assert asked == ([most] if most > 1 else [])
    np.testing.assert_array_equal(values, offsets)


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [10**400, -(10**400), 64, -1, -2])
def test_any_number_of_workers_may_be_asked_for(n_jobs):
    """More than any machine has, or fewer than none: the same report."""
    x = np.array([1.0, 2.0, 3.0])
    arguments = (lambda x: float(np.sum(x**2)), lambda x: 2 * x, x)
    alone = without_seconds(check_gradient(*arguments, method="sweep"))

    with joblib.parallel_config(backend="threading"):
        assert without_seconds(check_gradient(*arguments, method="sweep", n_jobs=n_jobs)) == alone


MATRIX = np.random.default_rng(1).normal(size=(5, 12))
POINT = np.random.default_rng(2).normal(size=12)


def outputs(x):
    """Five outputs of twelve numbers, real alone."""
    if np.iscomplexobj(x):
        raise TypeError("real numbers only")
    return np.sin(MATRIX @ x)


def jacobian(x):
    """That of `outputs`."""
    return np.cos(MATRIX @ x)[:, None] * MATRIX


def one_wrong_row(x):
    """Off by 1 % in one entry."""
    return jacobian(x) * (1 + 0.01 * (np.arange(60).reshape(5, 12) == 31))


CHECKS = {
    "check_jacobian": lambda **options: check_jacobian(outputs, jacobian, POINT, **options),
    "a wrong entry": lambda **options: check_jacobian(outputs, one_wrong_row, POINT, **options),
    "sweep": lambda **options: check_jacobian(outputs, one_wrong_row, POINT, method="sweep", **options),
    "check_jvp": lambda **options: check_jvp(outputs, lambda x, v: jacobian(x) @ v, POINT, **options),
    "check_vjp": lambda **options: check_vjp(outputs, lambda x, u: one_wrong_row(x).T @ u, POINT, **options),
    "check_hvp": lambda **options: check_hvp(lambda x: x**3, lambda x, v: 3 * x**2 * v, POINT, **options),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_every_check_of_several_outputs_has_workers(name):
    """The same report from two processes and from three threads, which f really runs in."""
    seen, check = set(), CHECKS[name]
    alone = without_seconds(check(n_jobs=1))

    assert without_seconds(check(n_jobs=2)) == alone
    with joblib.parallel_config(backend="threading", n_jobs=3):
        assert without_seconds(check()) == alone

        def watched(x):
            seen.add(threading.get_ident())
            return outputs(x)

        check_jacobian(watched, jacobian, POINT, method="sweep")
    assert len(seen) > 1


@pytest.mark.parametrize("budget", [24, 40, 60])
def test_a_budget_holds_for_workers_of_several_outputs_too(budget):
    """Not one call more in threads; a right Jacobian is not accused."""
    calls = []

    def counted(x):
        calls.append(1)
        return outputs(x)

    with joblib.parallel_config(backend="threading"):
        report = check_jacobian(counted, jacobian, POINT, method="sweep", max_nfev=budget, n_jobs=2)

    # All that there is is used: what it does not reach is left open, and not what it does.
    assert report.nfev == len(calls) == budget
    assert report.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("several", [False, True])
def test_an_interruption_of_f_in_a_worker_ends_the_check(several):
    """It is no edge of f's domain, whatever f returns."""
    calls = []

    def interrupted(x):
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return outputs(x) if several else f(x)

    check = check_jacobian if several else check_gradient
    derivative, x = (one_wrong_row, POINT) if several else (one_wrong, SMALL)
    with joblib.parallel_config(backend="threading"), pytest.raises(GradientCheckInterrupted) as caught:
        check(interrupted, derivative, x, method="sweep", n_jobs=2)

    assert caught.value.report.interrupted
    assert "f raised" not in str(caught.value.report)


def stacked(x):
    """`outputs` of k points, (12, k) -> (5, k)."""
    if np.iscomplexobj(x):
        raise TypeError("real numbers only")
    return np.sin(np.tensordot(MATRIX, x, 1))


@pytest.mark.parametrize(
    ("derivative", "method"),
    [(jacobian, "auto"), (jacobian, "sweep"), (one_wrong_row, "auto"), (one_wrong_row, "sweep")],
)
def test_a_vectorized_f_of_several_outputs_is_called_with_many_points(derivative, method):
    """The same report as from one point at a time, in few calls; a last digit may take one direction more."""
    shapes = []

    def watched(x):
        shapes.append(x.shape)
        return stacked(x)

    # Sums in the same order as one at a time: the products of a matrix and a stack may differ in the last digit.
    def single(x):
        return stacked(x[:, None])[:, 0]

    alone = without_seconds(check_jacobian(single, derivative, POINT, method=method))
    together = without_seconds(check_jacobian(watched, derivative, POINT, method=method, vectorized=True))

    assert together["outcome"] == alone["outcome"]
    assert [m["name"] for m in together["wrong"]] == [m["name"] for m in alone["wrong"]]
    assert together["nfev"] == sum(shape[1] for shape in shapes)
    assert abs(together["nfev"] - alone["nfev"]) <= (
        4 if (derivative, method) == (one_wrong_row, "auto") else 0
    )
    assert len(shapes) <= alone["nfev"] / 2
    assert "vectorized=True" in together["call"]


def test_a_vectorized_f_may_be_complex_scalar_valued_or_off_its_domain():
    """The complex step takes all columns at once; one output has only the last axis; points where f raises are nan."""
    shapes = []

    def entire(x):
        shapes.append(x.shape)
        return np.stack([np.sum(x**2, axis=0), np.prod(x, axis=0)])

    x = np.array([1.5, 2.0, 0.5])
    right = np.stack([2 * x, np.prod(x) / x])
    assert check_jacobian(entire, right, x, vectorized=True, method="complex")
    assert (3, 3) in shapes
    assert not check_jacobian(entire, right * [[1], [1.01]], x, vectorized=True, method="complex")
    assert check_jacobian(lambda x: np.sum(x**2, axis=0), 2 * x[None], x, vectorized=True)

    def picky(x):
        if x.min() < 0:
            raise ValueError("outside")
        return np.sqrt(x)

    near = np.full(3, 1e-9)
    report = check_jacobian(picky, np.diag(0.5 / np.sqrt(near)), near, vectorized=True, method="sweep")
    assert report.outcome is check_jacobian(picky, np.diag(0.5 / np.sqrt(near)), near, method="sweep").outcome


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: np.ones(3), "with vectorized=True f must return arrays with a last axis of length 1"),
        (lambda x: "text", "f must return an array of real numbers"),
    ],
)
def test_what_no_vectorized_f_returns_is_told(function, said):
    """One sentence, and no verdict."""
    report = check_jacobian(function, np.eye(3), np.ones(3), vectorized=True)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert said in report.reason


def test_the_workers_of_a_check_stay_until_it_ends(asked):
    """What is sent again and again, x for one, travels once: one pool."""
    assert check_gradient(f, right, LARGE, n_jobs=2)
    assert asked == [2]


@pytest.mark.parametrize(("seconds", "most"), [(1e-4, 1), (0.1, 2)])
def test_one_point_is_worth_a_worker_where_f_is_slow(asked, monkeypatch, seconds, most):
    """Two points of one line: together where f is fast, for to start a worker takes longer; else apart."""
    now = [0.0]

    def timed(x):
        now[0] += seconds
        return float(np.sum(x))

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    parameters, x = Parameters.of(np.zeros(1))
    objective = Objective(timed, parameters, n_jobs=2)
    objective.value(x)
    axes = objective.every(Lines.axes(parameters, x, np.arange(1)))

    assert objective.along(axes, np.arange(1), np.array([[1.0, 2.0]])).tolist() == [[1.0, 2.0]]
    assert asked == ([most] if most > 1 else [])


def _values(parts):
    """Made by a pool of two, part by part."""
    values, _ = Kept().run(lambda k: (k, ""), (), [(k,) for k in range(parts)])
    return values


@pytest.fixture
def sleeps(monkeypatch):
    """The threads that sleep while joblib works."""
    seen = []
    monkeypatch.setattr(joblib.parallel.time, "sleep", lambda _: seen.append(threading.get_ident()))
    return seen


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_a_result_is_taken_when_it_comes(sleeps, backend):
    """A round of an f that takes 20 ms would end up to 10 ms later, if the check slept until it looks again."""

    def waits(x):
        threading.Event().wait(0.02)
        return f(x)

    with joblib.parallel_config(backend=backend):
        assert check_gradient(waits, right, SMALL, n_jobs=2)

    assert threading.get_ident() not in sleeps


class WithoutCallbacks(joblib.parallel.BACKENDS["threading"]):
    """As backends of other packages are: results are asked for, and nobody is told of them."""

    supports_retrieve_callback = False

    def retrieve_result(self, out, timeout=None):
        return self.retrieve_result_callback(out.get(timeout))


@pytest.mark.parametrize("gradient", [right, one_wrong])
def test_a_backend_that_tells_of_no_result_is_asked_for_it(gradient):
    """The same report, by joblib's own way."""
    joblib.register_parallel_backend("without callbacks", WithoutCallbacks)
    alone = without_seconds(check_gradient(f, gradient, SMALL))

    try:
        with joblib.parallel_config(backend="without callbacks", n_jobs=2):
            assert without_seconds(check_gradient(f, gradient, SMALL)) == alone
    finally:
        del joblib.parallel.BACKENDS["without callbacks"]


def test_what_is_overridden_of_joblib_is_called(monkeypatch):
    """Two methods of joblib are replaced: where it has them no more, a check would wait as joblib does."""
    called = set()
    for name in ("print_progress", "_wait_retrieval"):
        own = getattr(Pool, name)
        assert hasattr(joblib.Parallel, name)
        monkeypatch.setattr(Pool, name, lambda self, own=own, name=name: (called.add(name), own(self))[1])

    with joblib.parallel_config(backend="threading"):
        assert _values(2) == [0, 1]

    assert called == {"print_progress", "_wait_retrieval"}


@pytest.mark.parametrize(
    "check", [lambda: check_gradient(f, one_wrong, LARGE, n_jobs=2), lambda: CHECKS["sweep"](n_jobs=2)]
)
def test_f_and_x_are_the_same_objects_in_every_task(monkeypatch, check):
    """Dask sends an object that is large once, joblib's processes map it once; lines are sent without the point."""
    tasks = []

    class Watched(Pool):
        def __call__(self, calls):
            calls = list(calls)
            tasks.extend(arguments for _, arguments, _ in calls)
            return super().__call__(calls)

    monkeypatch.setattr(pool, "Pool", Watched)
    with joblib.parallel_config(backend="threading"):
        assert not check()

    assert len(tasks) >= 4
    assert {id(sent) for sent, *_ in tasks} == {id(tasks[0][0])}
    assert {id(x) for _, x, *_ in tasks} == {id(tasks[0][1])}
    assert sys.getsizeof(tasks[0][0]) > 1e3
    assert all(lines.x.size == 0 for _, _, lines, *_ in tasks)


class Leaving(Pool):
    """Notes in which thread it is left."""

    left_in = 0

    def __exit__(self, *raised):
        self.left_in = threading.get_ident()


def waits_for(leaving):
    """Whether whoever leaves a pool does so in its own thread."""
    before = set(threading.enumerate())
    leaving.leave()
    for thread in set(threading.enumerate()) - before:
        thread.join()
    assert leaving.left_in
    return leaving.left_in == threading.get_ident()


def test_nobody_waits_for_the_processes_of_joblib_to_be_left():
    """For its threads one does: that takes no time."""
    assert not waits_for(Leaving(2))
    with joblib.parallel_config(backend="threading"):
        assert waits_for(Leaving(2))


def test_processes_that_others_may_use_are_left_before_anything_else():
    """Within one configuration the next pool has the same backend, which is not to be ended below it."""
    with joblib.parallel_config(backend="loky"):
        first, second = Leaving(2), Leaving(2)
        assert first._backend is second._backend
        assert waits_for(first)


@pytest.mark.slow
def test_a_larger_pool_of_the_same_configuration_follows_at_once():
    """Twenty times: the first was ended below one of ten."""
    with joblib.parallel_config(backend="loky", n_jobs=3):
        for _ in range(20):
            kept = Kept()
            for parts in (2, 3):
                values, _ = kept.run(_number, (), [(k,) for k in range(parts)])
                assert values == list(range(parts))
            kept.close()


def _number(k):
    """What is sent to processes."""
    return k, ""


def test_a_process_that_ends_starts_no_thread(monkeypatch):
    """It would not be waited for, and from Python 3.12 on none can be started."""
    monkeypatch.setattr(pool, "main_thread", lambda: threading.Thread())
    assert waits_for(Leaving(2))
