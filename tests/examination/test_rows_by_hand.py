"""What is made of rows of a Jacobian that directions find wrong; every entry and residual is known, each look noted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from gradcheck.examination import row_evidence, rows
from gradcheck.examination.row_evidence import between, mended, rows_evidence
from gradcheck.examination.rows import examine_rows
from gradcheck.function.matrix import Dense, Product, Sparse
from gradcheck.joint.direction import Direction, Joint
from gradcheck.joint.places import Places
from gradcheck.numerics.problem import Problem
from gradcheck.parameters.boxes import Box
from gradcheck.parameters.tree import Parameters, jacobian_names
from gradcheck.results.certificate import Certificate, Region, Residual
from gradcheck.results.entries import Entries
from gradcheck.results.estimate import unmeasured
from gradcheck.results.outcome import Limit
from gradcheck.results.verdict import Judgement, Tolerance

CONFIDENCE, RTOL, EPS = 0.9, 1e-3, 2.0**-52


class Chosen:
    """A generator that draws one after another, and leaves what it permutes as it is."""

    def choice(self, among: Any, size: int, *, replace: bool = True) -> Any:
        assert replace in (False, True)
        return np.resize(among, size) if replace else np.arange(among)[-size:]

    def permutation(self, columns: Any) -> Any:
        return columns

    def shuffle(self, columns: Any) -> None:
        assert columns.size


def close(values: Any) -> Any:
    """But for rounding."""
    return pytest.approx(np.asarray(values).tolist(), rel=1e-12)


def array_of(matrix: Any) -> Any:
    """All entries."""
    if isinstance(matrix, Product):
        return np.stack([matrix.product(unit) for unit in np.eye(matrix.shape[1])], axis=1)
    return matrix.array.toarray() if sparse.issparse(matrix.array) else matrix.array


def claim_of(m: int, n: int) -> Any:
    """Entries of 2 to 7 or so; neither of two directions leaves nothing of a row."""
    return 2.0 + np.add.outer(np.arange(m), 3.0 * np.arange(n)) % 5.0 + np.arange(n) ** 2 % 7 / 8.0


class Examination:
    """A claim (m, n) that is off by `off`, measured within `bar`; what a repair and a search answer is told."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        claim: Any,
        off: Any,
        *,
        bar: float = 0.0,
        wrong: Any = None,
        certified: Any = None,
        lengths: Any = None,
        silent: Any = (),
        stays: bool = True,
        setting: bool = True,
        repair: Any = None,
        places: Places | None = None,
        finds: Any = (),
        scales: Any = None,
        bound: Any = 0.0,
        exact: bool = False,
        accepts: float = 0.0,
        tolerated: float = 0.0,
        tells: bool = False,
        vague: bool = False,
        tells_noise: bool = False,
        first: Any = "a direction",
        looks: int = 3,
    ) -> None:
        self.claim, self.off, self.bar = claim, np.asarray(off, float), bar
        self.m, self.n = m, n = self.off.shape
        self.right = array_of(claim) - self.off
        parameters, x = Parameters.of(np.ones(n))
        self.objective: Any = SimpleNamespace(parameters=parameters, remaining=1000)
        self.scales = np.ones(n) if scales is None else np.asarray(scales, float)
        self.names = jacobian_names((m,), parameters)
        (self.block,) = self.names.blocks
        tolerance = Tolerance(RTOL)
        self.problem = Problem(
            self.objective, x, np.ones(m), self.scales, tolerance, matrix=claim, names=self.names
        )
        self.setting = replace(self.problem, level=1e-9, relative_step=1e-3)
        self.wrong_rows = (self.off != 0).any(axis=1) if wrong is None else np.asarray(wrong)
        self.certified_rows = ~self.wrong_rows if certified is None else np.asarray(certified)
        self.lengths = np.ones(n) if lengths is None else np.asarray(lengths, float)
        self.scaling: Any = SimpleNamespace(lengths=self.lengths, nothing=np.zeros(1, bool))
        self.silent = np.isin(np.arange(n), silent)
        self.stay = stays
        self.repair, self.places, self.finds, self.bound = repair, places, finds, np.full(m, bound)
        self.exact, self.accepts, self.tells, self.vague = exact, accepts, tells, vague
        self.tolerated, self.looks = tolerated, looks
        self.rng: Any = Chosen()
        self.deltas: list[float] = []
        self.befores: list[Any] = []
        self.nearer: list[float] = []
        self.stayed: list[float] = []
        self.claims: list[Any] = []
        self.swept: list[Any] = []
        self.again: list[Any] = []
        self.searched: list[Any] = []
        self.repairs: list[Any] = []
        for name in (
            "scaling_of",
            "silent_entries",
            "moved_alone",
            "judge_in_rows",
            "find_places",
            "repaired",
        ):
            monkeypatch.setattr(rows, name, getattr(self, name))
        monkeypatch.setattr(row_evidence, "JointTest", self.JointTest)
        self.noise, self.led = tells_noise, first
        self.asked: list[Any] = []
        self.told: list[Any] = []
        self.known, self.found_rows = examine_rows(
            self.problem,
            self.setting_of,
            lambda: self.asked.append("a probe") or (self.setting if setting else None),
            confidence=CONFIDENCE,
            rng=self.rng,
        )

    def setting_of(self, first: Any) -> Any:
        """What a first direction tells."""
        self.asked.append(first)
        return self.setting

    def tells_noise(self, rows: Any) -> bool:
        """Whether it tells the noise of the rows that are wrong."""
        assert rows is self.joint.wrong
        return self.noise

    def scaling_of(self, problem: Any, still: Any) -> Any:
        """How far columns move."""
        assert problem is self.problem
        assert (still.tolist(), still.dtype) == ([False] * self.n, bool)
        return self.scaling

    def silent_entries(self, problem: Any, scaling: Any, still: Any) -> Any:
        """Columns that are claimed to do nothing."""
        assert (problem, scaling, still.any()) == (self.problem, self.scaling, False)
        return self.silent

    def moved_alone(self, problem: Any, scaling: Any, silent: Any, rng: Any, delta: float) -> Any:
        """Whether f stays where these move."""
        assert (problem.objective, scaling, rng) == (self.objective, self.scaling, self.rng)
        assert silent is self.silent
        self.stayed.append(delta)
        nobody = np.zeros(1, bool)
        return None if self.stay else ("test", Joint((), np.ones(1), nobody, nobody, np.ones(1)))

    def along(self, tangent: Any) -> Direction:
        """What a direction shows."""
        bars = np.full(self.m, self.bar)
        weight = np.sqrt(np.square(array_of(self.claim)) @ np.square(tangent))
        return Direction(tangent, 0.125, weight, self.off @ tangent, bars, 3.0 * bars + 1e-6, self.exact)

    def JointTest(self, claim: Any, scaling: Any, rng: Any, delta: float, **named: Any) -> Any:
        """The first test, or one of another claim, of which the rows are certified that are right."""
        assert (claim.objective, scaling, rng) == (self.objective, self.scaling, self.rng)
        fixed = named.pop("fixed")
        if fixed.any():  # of the rows that the last one left open, which shows nothing new
            assert fixed.tolist() == self.joint.certified.tolist()
            self.nearer.append(delta)
            return SimpleNamespace(run=lambda: self.joint)
        self.deltas.append(delta)
        one, no = np.ones(self.m), np.zeros(self.m, bool)
        tangent = self.lengths * np.resize([1.0, 0.5, -0.25, 0.75, -1.5], self.n)
        if len(self.deltas) == 1:
            assert (claim, named) == (self.problem, {"exact": True})
            joint = Joint(
                (self.along(-tangent), self.along(-tangent), self.along(tangent))[3 - self.looks :],
                0.0 * one,
                self.certified_rows,
                self.wrong_rows,
                one,
            )
        else:
            assert named["exact"] is self.exact
            self.befores.append(named["before"])
            self.claims.append(array_of(claim.matrix))
            vague = self.vague and named["before"] is not None
            right = np.isclose(self.claims[-1], self.right, rtol=1e-9, atol=1e-9 + self.accepts).all(axis=1)
            # What stands out as it did before is nothing where errors within the tolerance are.
            stands_out = self.wrong_rows & (self.tolerated > 0.0 and not named.get("tolerant"))
            right &= ~stands_out
            joint = Joint((self.along(tangent),), self.bound, right & (not vague), no | stands_out, 2.0 * one)

        def again(along: Any, *, exact: bool, precise: bool) -> Direction:
            assert exact is self.exact
            self.again.append((along.tolist(), precise))
            return self.along(along)

        self.joint = joint
        test = SimpleNamespace(
            run=lambda: joint, again=again, delta=delta / self.m, rows=self.m, exact=self.exact,
            along=SimpleNamespace(scaling=self.scaling, spread=self.spread), tells=lambda scaling: self.tells,
            first=self.led, tells_noise=self.tells_noise,
        )  # fmt: skip
        if len(self.deltas) == 1:
            self.first = test, joint
        return test

    def spread(self, tangent: Any) -> Any:
        """What errors within the tolerance leave."""
        return np.full(self.m, self.tolerated)

    def judge_in_rows(self, setting: Any, given: Any, entries: Any, off: Any) -> Any:
        """Each entry is off by what it is; wrong where that is more than is accepted."""
        self.told.append(off)
        assert (setting.objective, setting.level is self.setting.level) == (self.objective, True)
        if setting.gradient_scale is not None:
            sizes = np.sqrt(np.mean(np.square(array_of(self.claim)), axis=1))
            assert setting.gradient_scale == pytest.approx(sizes, rel=1e-12, abs=0.0)
        assert entries.dtype == np.intp
        at = np.divmod(entries, self.n)
        self.swept.append((at[1].tolist()[0], at[0].tolist()))
        assert len(set(at[1].tolist())) == 1
        assert given.tolist() == array_of(self.claim)[at].tolist()
        off = self.off[at]
        no, ones = np.zeros(off.size, bool), np.ones(off.size)
        wrong = np.abs(off) > self.accepts
        found = replace(
            unmeasured(off.size, np.dtype(float)), value=given - off, error=np.full(off.size, np.inf)
        )
        return Entries(entries, given, found, Judgement(wrong, ~wrong, no, ones, ones))

    def find_places(
        self,
        test: Any,
        direction: Any,
        of: Any,
        judge: Callable[..., Any],
        around: Any,
        rng: Any,
        budget: int,
        *,
        begun: Any,
        patience: float = np.inf,
    ) -> Places:
        """A search, which looks at some columns."""
        self.begun = begun
        assert patience == (60 if self.tolerated > 1.0 else np.inf)
        assert test is self.first[0]
        assert direction is self.first[1].directions[-1]
        assert (around, rng, budget) == (between, self.rng, 1500)
        self.searched.append(np.flatnonzero(of).tolist())
        for column in self.finds:
            judge(column, np.flatnonzero(of).astype(np.int32), f"off in {column}")
        assert self.places is not None
        if not self.places.unexplained.size:
            self.places.unexplained = np.zeros(self.m, bool)
        return self.places

    def repaired(self, matrix: Any, told: Any, wrong: Any, arrays: Any) -> Any:
        """Another matrix, or none."""
        assert told[1] is self.first[1].directions[-1]
        assert told[0].tangent.tolist() == self.again[0][0]
        assert (wrong.tolist(), arrays) == (self.wrong_rows.tolist(), [slice(0, self.n)])
        self.repairs.append(matrix)
        return self.repair

    @property
    def wrong(self) -> set[tuple[int, int]]:
        """The places of what is wrong."""
        assert self.found_rows is not None
        return {divmod(int(k), self.n) for k in self.found_rows.entries.wrong}

    @property
    def columns(self) -> list[int]:
        """Those that were looked at, in order."""
        return [column for column, _ in self.swept]

    def regions(self, *boxes: Any) -> bool:
        """Whether these are the parts that are named, each with what is stored of it."""
        assert self.found_rows is not None
        return self.found_rows.regions == tuple(
            Region(self.block, Box(box), True, stored) for box, stored in boxes
        )

    @property
    def certificate(self) -> Any:
        """Of all rows."""
        assert self.found_rows is not None
        (array,) = self.found_rows.arrays
        assert array.block is self.block
        return array.certificate


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An examination."""
    return lambda claim, off, **parts: Examination(monkeypatch, claim, off, **parts)


def zeros(m: int, n: int, **places: float) -> Any:
    """Nothing is off, but for some entries."""
    found = np.zeros((m, n))
    for name, value in places.items():
        found[tuple(int(k) for k in name.split("_")[1:])] = value
    return found


# What needs no search


def test_rows_that_are_certified_take_one_test(examined: Any):
    """With half of the chance; half of the rest is for columns that are claimed to do nothing."""
    for silent in ((), (3,)):
        lengths = np.where(np.isin(np.arange(4), silent), 0.0, 1.0)
        found = examined(Dense(claim_of(2, 4)), zeros(2, 4), silent=silent, lengths=lengths)
        assert found.deltas == [pytest.approx(0.05, rel=1e-12)]
        assert found.stayed == [pytest.approx(0.025 * len(silent), rel=1e-12)]
        assert found.certificate == Certificate("each row of J", 0.0, 0.0, CONFIDENCE, 3)
        assert (found.found_rows.entries.coordinates.size, found.found_rows.regions, found.swept) == (
            0,
            (),
            [],
        )
        assert found.found_rows.entries.analytic.dtype == np.float64
    assert examined(Dense(claim_of(2, 4)), zeros(2, 4), stays=False).found_rows is None


def test_a_column_that_has_no_room_is_left_to_other_ways(examined: Any):
    """Unless it is claimed to do nothing; so is an f without outputs."""
    found = examined(Dense(claim_of(2, 4)), zeros(2, 4), lengths=[1, 0, 0, 1], silent=[1])
    assert (found.found_rows, found.deltas) == (None, [])
    assert examined(Dense(np.zeros((0, 4))), zeros(0, 4)).found_rows is None


def test_what_is_neither_certified_nor_wrong_is_left_to_other_ways(examined: Any):
    """Nothing is searched for."""
    found = examined(Dense(claim_of(2, 30)), zeros(2, 30), certified=[True, False])
    assert (found.found_rows, found.again) == (None, [])


def found_at_3(m: int, n: int) -> Any:
    """An entry of row 1 that is off, what a search finds of it, and where it looks."""
    return {"off": zeros(m, n, at_1_3=0.5), "places": Places(wrong=[3]), "finds": [3]}


@pytest.mark.parametrize("n", [6, 30])
@pytest.mark.parametrize("wrong", [2, 3])
@pytest.mark.parametrize("setting", [True, False])
def test_what_is_wrong_is_searched_for_in_few_columns_and_many(
    examined: Any, n: int, wrong: int, setting: bool
):
    """Where entries can be measured; whether f stays is asked for before."""
    off = zeros(5, n)
    off[:wrong, 3] = 0.5
    found = examined(Dense(claim_of(5, n)), off, setting=setting, places=Places(wrong=[3]), finds=[3])
    assert (found.found_rows is not None) is setting
    assert found.stayed == [0.0]
    assert found.known is (found.setting if setting else None)


@pytest.mark.parametrize(
    ("first", "tells_noise", "asked"),
    [("a direction", True, "a direction"), ("a direction", False, "a probe"), (None, True, "a probe")],
)
def test_a_first_direction_that_does_not_tell_the_noise_leaves_it_to_a_probe(
    examined: Any, first: Any, tells_noise: bool, asked: str
):
    """Of either one is asked for once, and where entries are accused alone; it is known from then on."""
    parts = {"first": first, "tells_noise": tells_noise}
    for settled in (found_at_3(2, 30), found_at_3(2, 30) | {"places": Places()}):
        found = examined(Dense(claim_of(2, 30)), **parts, **settled)
        assert (found.asked, found.known) == ([asked], found.setting)
    found = examined(Dense(claim_of(2, 30)), zeros(2, 30), **parts)
    assert (found.asked, found.known) == ([], None)


def test_entries_are_judged_with_what_a_direction_says_of_them(examined: Any):
    """Off by about that they need no second look."""
    found = examined(Dense(claim_of(2, 30)), **found_at_3(2, 30))
    assert (found.told, found.swept, found.wrong) == (["off in 3"], [(3, [1])], {(1, 3)})


# Entries


@pytest.mark.parametrize(("tells", "vague", "looks"), [(False, False, 1), (True, False, 1), (True, True, 2)])
def test_what_the_first_direction_told_serves_fresh_ones_unless_it_is_too_little(
    examined: Any, tells: bool, vague: bool, looks: int
):
    """Then f is seen anew; where it told nothing it is at once."""
    found = examined(Dense(claim_of(2, 30)), tells=tells, vague=vague, **found_at_3(2, 30))
    assert found.befores == [found.first[0] if tells else None, None][:looks]
    assert found.wrong == {(1, 3)}
    assert found.certificate is not None


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("form", ["dense", "sparse", "product"])
def test_entries_that_are_found_are_named_and_the_rest_is_certified(examined: Any, form: str, exact: bool):
    """By fresh directions for the claim that is right there, with a quarter of the chance."""
    array = claim_of(2, 30)
    stored = sparse.csc_array(array)
    claim: Any = {
        "dense": Dense(array), "sparse": Sparse(stored, stored), "product": Product((2, 30), lambda v: array @ v)
    }[form]  # fmt: skip
    found = examined(claim, exact=exact, bound=0.5, **found_at_3(2, 30))
    assert found.searched == [[1]]
    assert found.swept == [(3, [1])]
    assert found.wrong == {(1, 3)}
    assert found.claims[0] == pytest.approx(found.right, rel=1e-12)
    assert found.deltas == [pytest.approx(0.05), pytest.approx(0.025)]
    assert found.certificate == Certificate("each row of J", 0.25, 0.25, CONFIDENCE, 1)
    assert found.regions()
    # What the search begins with was asked for, its columns in order with their weights; a repair of all entries.
    moved = np.resize([1.0, 0.5, -0.25, 0.75, -1.5], 30)
    weights = 0.5 + (np.arange(30) + 0.5) / 30.0
    assert found.again == [(close(moved * weights), False)]
    order, seen = found.begun
    assert (order.tolist(), seen.tangent.tolist()) == (list(range(30)), found.again[0][0])
    assert array_of(found.repairs[0]).tolist() == array.tolist()


def test_the_other_direction_is_a_closer_look_where_three_rows_are_wrong(examined: Any):
    """It moves each column as far as others do; of two it is what a search begins with."""
    lengths = np.linspace(1.0, 2.0, 30)
    for m, precise in ((2, False), (3, True)):
        off = np.zeros((m, 30))
        off[:, 3] = 0.5
        found = examined(Dense(claim_of(m, 30)), off, places=Places(wrong=[3]), finds=[3], lengths=lengths)
        assert len(found.again) == 1
        assert found.again[0][1] is precise
        alike = np.abs(found.again[0][0]) == pytest.approx(lengths, rel=1e-12)
        assert (alike, found.begun is None) == (precise, precise)


@pytest.mark.parametrize(
    "places",
    [
        Places(wrong=[3], spent=True),
        Places(wrong=[3], unexplained=np.array([False, True])),
        Places(right=[3]),
        Places(),
    ],
)
def test_a_search_that_does_not_explain_all_settles_nothing(examined: Any, places: Places):
    """Nor one after which rows are not certified, or f does not stay."""
    parts = found_at_3(2, 30) | {"places": places}
    assert examined(Dense(claim_of(2, 30)), **parts).found_rows is None


def test_what_fresh_directions_do_not_certify_settles_nothing(examined: Any):
    """Here another entry; or f moves with columns that are claimed to do nothing."""
    parts = found_at_3(2, 30)
    found = examined(Dense(claim_of(2, 30)), stays=False, **parts)
    assert (found.found_rows, found.swept) == (None, [])
    parts["off"] = parts["off"] + zeros(2, 30, at_1_7=0.25)
    assert examined(Dense(claim_of(2, 30)), **parts).found_rows is None


@pytest.mark.parametrize(
    ("tolerated", "places", "settled"),
    [
        (9.0, Places(right=[3]), True),
        (9.0, Places(right=[3], unexplained=np.array([False, True])), True),
        (9.0, Places(right=[3], spent=True), True),
        (1e-9, Places(right=[3]), False),
        (1e-9, Places(right=[3], spent=True), False),
    ],
)
def test_rows_in_which_errors_within_the_tolerance_explain_what_no_entry_does_are_right(
    examined: Any, tolerated: float, places: Places, settled: bool
):
    """After 60 evaluations without a wrong one; directions that show them again are taken with that tolerance."""
    off = zeros(2, 30, at_1_3=0.5)
    found = examined(Dense(claim_of(2, 30)), off, accepts=1.0, places=places, finds=[3], tolerated=tolerated)
    assert (found.found_rows is not None) is settled
    if settled:
        assert (found.wrong, found.regions(), len(found.deltas)) == (set(), True, 3)
        assert found.certificate is not None


# Columns between wrong ones


def block_of(low: int, high: int, n: int) -> Any:
    """Two rows of three that are off in some columns, each entry by another part."""
    off = np.zeros((3, n))
    off[1:, low:high] = 0.5 + 0.01 * np.arange(2 * (high - low)).reshape(2, -1)
    return off


def test_columns_between_and_beside_dense_ones_are_looked_at(examined: Any):
    """Until one on each side is right, or the matrix ends; one that was looked at is not again."""
    for low, high, beside in ((10, 16, [9, 16]), (0, 30, [])):
        parts = {"places": Places(wrong=[12, 14], dense=True, spent=True), "finds": [12, 14]}
        found = examined(Dense(claim_of(3, 30)), block_of(low, high, 30), **parts)
        assert found.swept == [(j, [1, 2]) for j in found.columns]
        assert sorted(found.columns) == sorted([*range(low, high), *beside])
        assert len(set(found.columns)) == len(found.columns)
        assert found.wrong == {(i, j) for i in (1, 2) for j in range(low, high)}
        assert found.certificate is not None


def test_dense_columns_that_have_one_between_them_that_is_right_are_looked_at(examined: Any):
    """It is not named."""
    off = block_of(10, 16, 30)
    off[:, 13] = 0.0
    parts = {"places": Places(wrong=[12, 14], dense=True), "finds": [12, 14]}
    found = examined(Dense(claim_of(3, 30)), off, **parts)
    assert found.wrong == {(i, j) for i in (1, 2) for j in range(10, 16) if j != 13}


@pytest.mark.parametrize(("wide", "settled"), [(150, True), (151, False)])
def test_dense_columns_fill_a_hundred_and_fifty_at_the_most(examined: Any, wide: int, settled: bool):
    """Those beside them, too; here of one row."""
    parts = {"places": Places(wrong=[10, 12], dense=True), "finds": [10, 12]}
    found = examined(Dense(claim_of(3, 200)), block_of(0, wide, 200) * [[0.0], [1.0], [0.0]], **parts)
    assert (found.found_rows is not None) is settled
    assert len(set(found.columns)) == len(found.columns)


@pytest.mark.parametrize(("first", "last", "settled"), [(10, 159, True), (10, 160, False)])
def test_up_to_a_hundred_and_fifty_columns_are_looked_at(examined: Any, first: int, last: int, settled: bool):
    """More are left to other ways."""
    parts = {"places": Places(wrong=[first, last], dense=True), "finds": [first, last]}
    found = examined(Dense(claim_of(3, 200)), block_of(first, last + 1, 200), **parts)
    assert (found.found_rows is not None) is settled
    assert len(found.columns) == (152 if settled else 2)
    assert len(found.claims) == settled  # nothing is certified where some were not looked at


def test_dense_columns_that_grow_beyond_that_are_left_to_other_ways(examined: Any):
    """On either side."""
    for finds in ([10, 12], [188, 190]):
        parts = {"places": Places(wrong=finds, dense=True), "finds": finds}
        found = examined(Dense(claim_of(3, 200)), block_of(0, 200, 200), **parts)
        assert found.found_rows is None
        assert len(found.columns) <= 152


# Rows by a factor


def by_factor(m: int, n: int, *which: int, factor: float = 2.0, claim: Any = None) -> Any:
    """A claim of which some rows are that many times too large, and what is off."""
    array = claim_of(m, n) if claim is None else claim.copy()
    array[list(which)] *= factor
    off = np.zeros((m, n))
    off[list(which)] = array[list(which)] * (1.0 - 1.0 / factor)
    return array, off


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_a_row_that_is_off_by_a_factor_is_named_and_six_of_it_are_judged(examined: Any, form: str):
    """The columns in which it is largest; no repair and no search is made, and the other rows are certified."""
    array, off = by_factor(3, 30, 1)
    array[1, 7], off[1, 7] = 40.0, 20.0
    claim = Dense(array) if form == "dense" else Sparse(sparse.csc_array(array), sparse.csc_array(array))
    found = examined(claim, off)
    assert (found.searched, found.repairs) == ([], [])
    # Every row has one column in which it is largest: that first, then others in order.
    assert found.swept == [(j, [1]) for j in (0, 1, 2, 3, 4, 7)]
    assert found.regions((((1, 2), (0, 30)), None))
    assert found.claims[0] == pytest.approx(found.right, rel=1e-12)
    assert found.certificate is not None


def test_rows_side_by_side_are_one_region_and_where_all_are_wrong_nothing_is_certified(examined: Any):
    """The columns are judged in which most of the rows are largest."""
    array, off = by_factor(4, 30, 0, 1, 3)
    array[[0, 3], 20], off[[0, 3], 20] = 60.0, 30.0
    array[1, 25], off[1, 25] = 60.0, 30.0
    found = examined(Dense(array), off)
    assert found.swept == [(j, [0, 1, 3]) for j in (0, 1, 2, 3, 20, 25)]
    assert found.regions((((0, 2), (0, 30)), None), (((3, 4), (0, 30)), None))
    assert found.certificate is not None
    array, off = by_factor(2, 30, 0, 1)
    found = examined(Dense(array), off)
    assert found.regions((((0, 2), (0, 30)), None))
    assert found.certificate is None


def test_the_largest_entry_is_that_which_moves_f_most(examined: Any):
    """Over one scale."""
    array, off = by_factor(2, 30, 1)
    array[1, [7, 9]], off[1, [7, 9]] = (40.0, 20.0), (20.0, 10.0)
    scales = np.where(np.arange(30) == 9, 3.0, 1.0)
    assert 9 in examined(Dense(array), off, scales=scales).columns
    assert 7 not in examined(Dense(array), off, scales=scales).columns


def empty_but(m: int, n: int, *columns: int) -> Any:
    """Entries of `claim_of` in a few columns alone."""
    return np.where(np.isin(np.arange(n), columns), claim_of(m, n), 0.0)


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_of_a_nearly_empty_row_what_is_claimed_is_counted_or_listed(examined: Any, form: str):
    """0 is off by no factor: of 12 entries all are looked at, and listed; of 13 six are."""
    for count, listed in ((12, True), (13, False)):
        array, off = by_factor(3, 40, 1, claim=empty_but(3, 40, *range(5, 5 + count)))
        claim = Dense(array) if form == "dense" else Sparse(sparse.csc_array(array), sparse.csc_array(array))
        found = examined(claim, off)
        assert found.regions(*[(((1, 2), (0, 40)), count)] * (not listed))
        assert len(found.wrong) == (count if listed else 6)
        assert found.certificate is not None


def test_of_a_product_some_columns_are_asked_for(examined: Any):
    """64 of 600: what part of these is not 0 is what is counted; of 500 all entries are known."""
    for n, seen in ((600, 64), (500, 500)):
        # That rows are off by factors is told by products alone where three rows share one.
        array, off = by_factor(4, n, 0, 1, 2, claim=empty_but(4, n, *range(n - 24, n)))
        found = examined(Product((4, n), lambda v, array=array: array @ v), off)
        count = round(3 * n * 24 / seen)
        assert found.regions((((0, 3), (0, n)), count if seen == 64 else 3 * 24))
        assert all(j >= n - 24 for j in found.columns)
        assert len(found.columns) == 6
    array, off = by_factor(4, 600, 1)
    found = examined(Product((4, 600), lambda v: array @ v), off, places=Places())
    assert (found.searched, found.found_rows) == ([[1]], None)


def test_a_row_that_one_entry_makes_up_is_one_of_entries(examined: Any):
    """0.9 of what it claims along the direction; but where half of three rows or more are off by the same part."""
    array, off = by_factor(4, 30, 1)
    off[1] = 0.0
    array[1, 0], off[1, 0] = 200.0, 100.0
    found = examined(Dense(array), off, places=Places(wrong=[0]), finds=[0])
    assert (found.searched, found.wrong) == ([[1]], {(1, 0)})
    # Those that share it are told as rows.
    array, off = by_factor(4, 30, 0, 1, 2)
    array[:3, 0], off[:3, 0] = 400.0, 200.0
    found = examined(Dense(array), off)
    assert found.regions((((0, 3), (0, 30)), None))
    array, off = by_factor(4, 30, 0, 1)
    array[:2, 0], off[:2, 0] = 400.0, 200.0
    found = examined(Dense(array), off, places=Places(wrong=[0]), finds=[0])
    assert found.searched == [[0, 1]]


@pytest.mark.parametrize(("others", "row"), [(3, True), (4, False)])
def test_half_of_the_wrong_rows_have_to_share_a_factor(examined: Any, others: int, row: bool):
    """Where one entry makes up each of them, and there are others."""
    array, off = by_factor(8, 30, 0, 1, 2)
    array[:3, 0], off[:3, 0] = 400.0, 200.0
    off[np.arange(3, 3 + others), np.arange(3, 3 + others)] = 0.5
    found = examined(Dense(array), off, places=Places())
    assert found.searched == [list(range(3 if row else 0, 3 + others))]


@pytest.mark.parametrize(("bars", "row"), [(2.9, True), (3.1, False)])
def test_rows_share_a_factor_within_their_bars(examined: Any, bars: float, row: bool):
    """Three of them; of the third an entry is off, too, which moves f by so many bars along the direction."""
    array, off = by_factor(4, 30, 0, 1, 2)
    array[:3, 0], off[:3, 0] = 400.0, 200.0
    off[2, 4] += bars * 1e-4 / 1.5
    found = examined(Dense(array), off, bar=1e-4, places=Places())
    assert (found.searched == []) is row


def test_rows_by_factors_of_their_own_and_entries_of_others_are_told_apart(examined: Any):
    """Each is taken out; the search is for the others."""
    array, off = by_factor(4, 30, 1)
    array[2] *= 3.0
    off[2] = array[2] * (2.0 / 3.0)
    off[0, 3] = 0.5
    found = examined(Dense(array), off, places=Places(wrong=[3]), finds=[3])
    assert found.searched == [[0]]
    assert found.regions((((1, 3), (0, 30)), None))
    assert found.claims[0] == pytest.approx(found.right, rel=1e-12)
    assert {(0, 3)} < found.wrong


@pytest.mark.parametrize(("more", "row"), [(0.99, True), (1.01, False)])
def test_a_row_is_off_by_a_factor_within_its_bars(examined: Any, more: float, row: bool):
    """3 (E + c E0), where the other direction claims c times what the first does, here more."""
    array, off = by_factor(2, 30, 1)
    tangent = np.resize([1.0, 0.5, -0.25, 0.75, -1.5], 30)
    other = tangent * (0.5 + (np.arange(30) + 0.5) / 30.0)
    # One more entry is off, so that both residuals disagree by so much.
    claimed, along = array[1] @ tangent, array[1] @ other
    times = max(abs(along / claimed), 1.0)
    apart = other[4] - tangent[4] * along / claimed
    bar = 1e-4
    off[1, 4] += more * 3.0 * bar * (1.0 + times) / abs(apart)
    parts = {"places": Places(wrong=[4]), "finds": [4], "accepts": 1e-2}
    found = examined(Dense(array), off, bar=bar, **parts)
    assert (found.searched == []) is row


@pytest.mark.parametrize(("factor", "accepted"), [(1.0 + 0.9 * RTOL, True), (1.0 + 1.1 * RTOL, False)])
def test_a_row_that_is_off_by_less_than_is_accepted_is_right(examined: Any, factor: float, accepted: bool):
    """Its certificate is of what is left by its factor. By more its largest entries are wrong."""
    array, off = by_factor(3, 30, 1, factor=factor)
    found = examined(Dense(array), off, accepts=0.1, places=Places(), finds=[])
    if accepted:
        assert found.regions()
        assert found.certificate.name == "each row of J / its factor"
        assert (found.certificate.confidence, found.wrong, found.searched) == (CONFIDENCE, set(), [])
        assert found.claims[0] == pytest.approx(found.right, rel=1e-12)
    else:
        assert (found.found_rows, found.searched) == (None, [[1]])


# Repairs


def test_a_matrix_that_is_right_in_other_places_is_told_by_them(examined: Any):
    """Six columns in which it is off by most are judged; the others are proved wrong by the certificate."""
    array = claim_of(3, 30)
    off = zeros(3, 30)
    off[:, 10:20] = np.arange(1.0, 31.0).reshape(3, 10)
    found = examined(Dense(array), off, repair=Dense(array - off), bound=1e-3)
    assert found.columns == list(range(14, 20))
    assert all(of == [0, 1, 2] for _, of in found.swept)
    assert found.wrong == {(i, j) for i in range(3) for j in range(10, 20)}
    assert (found.searched, found.found_rows.regions) == ([], ())
    assert found.certificate == Certificate("each row of J", 5e-4, 5e-4, CONFIDENCE, 1)
    judged = found.found_rows.entries
    k = judged.coordinates.tolist().index(10)
    told, value = judged.estimate, array[0, 10] - 1.0
    assert judged.analytic[k] == array[0, 10]
    assert (told.limit[k], np.isnan(told.curvature[k])) == (Limit.NONE, True)
    # What directions bound is three bars; there are no slopes on either side.
    assert (told.value[k], told.left[k], told.right[k], told.nfev) == (value, value, value, 0)
    assert told.error[k] == told.sided[k] == pytest.approx(1e-3 / 3.0)


def test_what_a_certificate_does_not_prove_counts_in_the_bounds(examined: Any):
    """Within six bars of the right one, over what a column moves: 0.005 where 0.001 / 0.5 is bounded."""
    array = claim_of(3, 30)
    off = zeros(3, 30, at_0_3=0.5, at_0_4=0.006, at_1_5=0.5)
    lengths = np.where(np.arange(30) == 4, 0.5, 1.0)
    parts = {"repair": Dense(array - off), "bound": 2e-3, "lengths": lengths, "accepts": 0.01}
    found = examined(Dense(array), off, **parts)
    assert found.wrong == {(0, 3), (1, 5)}
    assert found.certificate.bound == pytest.approx((2e-3 + 0.006 * 0.5) / 2.0, rel=1e-12)
    assert found.certificate.bound * 2.0 < 6.0 * 1e-3


@pytest.mark.parametrize(
    ("n", "listed"),
    [(20_000, True), (20_001, False)],
)
def test_many_entries_that_stand_elsewhere_are_a_region(examined: Any, n: int, listed: bool):
    """More than 20,000; of a row between its first and last of them."""
    array = claim_of(1, n + 5)
    off = zeros(1, n + 5)
    off[0, 2 : n + 2] = 1.0
    parts = {"repair": Dense(array - off)}
    found = examined(Dense(array), off, **parts)
    assert found.regions(*[(((0, 1), (2, n + 2)), None)] * (not listed))
    assert len(found.wrong) == (n if listed else 6)
    assert (found.certificate is not None) is listed
    assert (found.found_rows.arrays[0].residuals == ()) is not listed
    if not listed:
        off[0, 7] = 0.0
        off[0, n + 2] = 1.0
        found = examined(Dense(array), off, repair=Dense(array - off))
        assert found.regions((((0, 1), (2, n + 3)), n))


@pytest.mark.parametrize(("off_by", "looks"), [(0.5, 3), (0.25, 5)])
def test_the_chances_of_all_tests_are_no_more_than_what_is_left_of_the_confidence(
    examined: Any, off_by: float, looks: int
):
    """Here each may go on twice, of a repair and of what is located; whether f stays is asked once."""
    array, off = claim_of(2, 30), zeros(2, 30, at_1_3=0.5)
    found = examined(
        Dense(array), off, repair=Dense(array - off * off_by / 0.5), places=Places(wrong=[3]), finds=[3],
        tells=True, vague=True,
    )  # fmt: skip
    assert found.found_rows is not None
    assert (len(found.deltas), len(found.stayed)) == (looks, 1)
    assert sum(found.deltas) + sum(found.nearer) + sum(found.stayed) <= 0.1 + 1e-12


def test_a_repair_that_is_not_certified_or_borne_out_is_none(examined: Any):
    """Entries are looked for."""
    array, off = claim_of(2, 30), zeros(2, 30, at_1_3=0.5)
    found = examined(
        Dense(array), off, repair=Dense(array - off), places=Places(wrong=[3]), finds=[3], accepts=9.0
    )
    assert found.searched == [[1]]
    wrong = off + zeros(2, 30, at_0_0=1.0)
    found = examined(Dense(array), off, repair=Dense(array - wrong), places=Places(wrong=[3]), finds=[3])
    assert found.searched == [[1]]
    assert found.wrong == {(1, 3)}


# What others ask for


def test_between_columns_are_all_from_the_first_to_the_last():
    """Both of them, too."""
    assert between([7, 3, 5]).tolist() == [3, 4, 5, 6, 7]
    assert between([4]).tolist() == [4]


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_a_matrix_is_mended_where_entries_are_wrong_and_rows_have_a_factor(form: str):
    """Of a row by a factor no entry is replaced; what is right stays as it is claimed. One judged twice counts once."""
    array = np.arange(1.0, 10.0).reshape(3, 3)
    stored = sparse.csc_array(array)

    def judged(*entries: int, wrong: Any) -> Any:
        analytic, nothing = array.ravel()[list(entries)], np.zeros(len(entries))
        estimate = replace(unmeasured(len(entries), np.dtype(float)), value=analytic + 0.5)
        mask = np.array(wrong)
        judgement = Judgement(mask, ~mask, mask & False, nothing, nothing)
        return Entries(np.array(entries), analytic, estimate, judgement)

    looks = [
        judged(0, 4, wrong=[True, False]),
        judged(5, 6, wrong=[True, True]),
        judged(4, 0, wrong=[False, True]),
    ]
    matrix: Any = Dense(array) if form == "dense" else Sparse(stored, stored)
    objective: Any = SimpleNamespace()
    problem = Problem(objective, np.ones(3), np.ones(3), None, Tolerance(1e-6), matrix=matrix)
    found = array_of(mended(problem, looks, np.array([0.0, 0.0, 0.5])))
    assert found.tolist() == [[1.5, 2.0, 3.0], [4.0, 5.0, 6.5], [3.5, 4.0, 4.5]]


def test_the_worst_row_that_is_certified_speaks_for_all():
    """In units of its size; of rows that are not looked at, or have none, nothing is said."""
    (block,) = jacobian_names((4,), Parameters.of(np.ones(2))[0]).blocks
    problem: Any = SimpleNamespace(eps=2.0**-10, tolerance=Tolerance(0.25), f_x=np.ones(4))
    one = np.ones(4)
    first = Direction(
        one, 0.125, weight=np.array([9.0, 8.0, 9.0, 9.0]), residual=np.array([7.0, 0.25, 7.0, 7.0]),
        error=np.array([0.5, 0.5, 9.0, 9.0]), allowed=np.array([2.0, 1.0, 9.0, 9.0]),
    )  # fmt: skip
    second = replace(first, step=0.25, error=np.array([4.0, 0.01, 9.0, 9.0]), weight=np.full(4, 400.0))
    certified = np.array([True, True, True, False])
    joint = Joint(
        (first, second), np.array([1.0, 3.0, 9.0, 9.0]), certified, ~certified, np.array([4.0, 0.5, 0.0, 1.0])
    )
    array = rows_evidence(problem, block, joint, CONFIDENCE)
    assert array.certificate == Certificate("each row of J", 6.0, 6.0, CONFIDENCE, 2)
    assert array.block is block
    assert array.smallest_visible == 0.5
    # (allowed + 3 E) / size: 0.875 and 5 along the first, 3.5 and 2.06 along the second.
    assert array.residuals == (
        Residual(0.5, 1.0, 16.0, 3.0 + 64.0 * 16.0 / 1024.0),
        Residual(1.75, 1.0, 100.0, 3.0 + 6.25),
    )
    fine = replace(problem_of(), tolerance=Tolerance(0.9), eps=1e-9)
    assert rows_evidence(fine, block, joint, CONFIDENCE).residuals[0].allowed == 3.0 + 0.45
    nothing = replace(joint, certified=~one.astype(bool))
    array = rows_evidence(problem, block, nothing, CONFIDENCE)
    assert array.certificate == Certificate("each row of J", 0.0, 0.0, CONFIDENCE, 2)
    # Of none that is known the first is told, in its own units, or those of f where it has no size.
    assert array.residuals[0].value == 1.75
    nothing = replace(nothing, sizes=np.array([0.0, 0.5, 0.0, 1.0]))
    assert rows_evidence(problem, block, nothing, CONFIDENCE).residuals[0].value == 7.0


def problem_of() -> Any:
    """One of which only the tolerance and the roundoff matter."""
    objective: Any = SimpleNamespace(parameters=Parameters.of(np.ones(2))[0])
    return Problem(
        objective,
        np.ones(2),
        np.ones(4),
        np.ones(2),
        Tolerance(RTOL),
        None,
        EPS,
        matrix=Dense(np.ones((4, 2))),
    )
