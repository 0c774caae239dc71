"""What is measured of the columns of a Jacobian, and what is made of it; sweeps and directions show what is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from gradcheck.examination import columns
from gradcheck.examination.columns import every_entry, examine_columns
from gradcheck.function.matrix import Dense, Product, Sparse
from gradcheck.joint.direction import Joint
from gradcheck.numerics.problem import Problem
from gradcheck.parameters.boxes import Box
from gradcheck.parameters.tree import Parameters, jacobian_names
from gradcheck.results.certificate import ArrayEvidence, Certificate, Region
from gradcheck.results.entries import Entries, none_judged
from gradcheck.results.estimate import unmeasured
from gradcheck.results.evidence import Evidence
from gradcheck.results.outcome import Limit
from gradcheck.results.table import concatenate
from gradcheck.results.verdict import Judgement, Tolerance

CONFIDENCE = 0.9
# A quarter of the chance to be wrong for each of four tests.
DELTA = pytest.approx(0.1 / 4.0, rel=1e-12)


class Chosen:
    """A generator that draws the last ones."""

    def choice(self, count: int, size: int, *, replace: bool) -> Any:
        assert replace is False
        return np.arange(count)[: -size - 1 : -1]


def rows_of(m: int, rows: Any) -> Any:
    """A mask (m,) of some rows; True is all of them."""
    return np.ones(m, bool) if rows is True else np.isin(np.arange(m), list(rows))


class First(str):
    """A first direction, by its name, in which noise is no reason for what is open."""

    noisy = False


FIRST = First("first")


class Look:
    """What directions show of each row, and what they bound certified ones by; `first` is that of a search."""

    def __init__(
        self, certified: Any = True, wrong: Any = (), out: Any = (), first: Any = FIRST, bound: float = 0.0
    ) -> None:
        self.certified, self.wrong, self.out, self.first, self.bound = certified, wrong, out, first, bound


class Examination:
    """An examination of a matrix whose entries are off by `off` (m, n), of which some stay open."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        off: Any,
        *looks: Look,
        claim: Any = None,
        undecided: Any = (),
        method: str = "auto",
        room: Any = None,
        lengths: Any = None,
        nothing: bool = False,
        silent: Any = (),
        stays: bool = True,
        missing: Any = (),
        finds: Any = (),
        zeros: Any = None,
        inwards: Any = None,
        scales: float = 1.0,
        dtype: Any = float,
    ) -> None:
        self.off = np.asarray(off, float)
        self.m, self.n = self.off.shape
        parameters, x = Parameters.of(np.ones(self.n, dtype))
        self.objective: Any = SimpleNamespace(parameters=parameters)
        self.claim = Dense(np.full((self.m, self.n), 2.0)) if claim is None else claim
        tolerance, self.scales = Tolerance(1e-6), np.full(self.n, scales)
        self.setting = Problem(
            self.objective, x, np.ones(self.m), self.scales, tolerance, room, matrix=self.claim, level=1e-9,
            relative_step=1e-3, names=jacobian_names((self.m,), parameters),
        )  # fmt: skip
        (self.block,) = self.setting.names.blocks
        self.looks, self.undecided, self.finds, self.zeros = (
            list(looks) or [Look()],
            set(undecided),
            finds,
            zeros,
        )
        self.lengths = np.ones(self.n) if lengths is None else np.asarray(lengths, float)
        self.nothing, self.silent, self.stay = nothing, rows_of(self.n, silent), stays
        self.missing, self.inwards = missing, inwards
        self.rng: Any = Chosen()
        self.swept: list[Any] = []
        self.made: list[Any] = []
        self.searched: list[Any] = []
        self.of_zeros: list[Any] = []
        monkeypatch.setattr(columns, "judge_in_rows", self.sweep)
        for name in (
            "sweep", "scaling_of", "silent_entries", "JointTest", "rows_evidence", "find_places", "moved_alone",
            "directions_of_zeros", "missing_columns", "certified_inwards",
        ):  # fmt: skip
            monkeypatch.setattr(columns, name, getattr(self, name))
        self.survey, findings = examine_columns(
            self.setting, method=method, confidence=CONFIDENCE, rng=self.rng
        )
        self.said = [finding.text for finding in findings]

    def sweep(self, setting: Any, given: Any, entries: Any) -> Any:
        """Each entry is off by what it is."""
        assert (setting.objective, setting.level is self.setting.level) == (self.objective, True)
        rows, at = np.divmod(entries, self.n)
        groups = None if setting.together is None else [group.tolist() for group in setting.together]
        self.swept.append((list(zip(rows.tolist(), at.tolist(), strict=True)), groups))
        off = self.off[rows, at]
        open_ = np.array([place in self.undecided for place in self.swept[-1][0]], bool)
        no, ones = np.zeros(off.size, bool), np.ones(off.size)
        found = replace(unmeasured(off.size, np.dtype(float)), value=given - off)
        return Entries(
            entries, given, found, Judgement((off != 0) & ~open_, (off == 0) & ~open_, no, ones, ones)
        )

    def scaling_of(self, problem: Any, still: Any) -> Any:
        """How far columns move."""
        assert problem.objective is self.objective
        assert not still.any()
        assert still.dtype == bool
        self.scaling = SimpleScaling(self.lengths, np.array([self.nothing]))
        return self.scaling

    def silent_entries(self, problem: Any, scaling: Any, still: Any) -> Any:
        """Columns that are claimed to do nothing."""
        assert problem.objective is self.objective
        assert scaling is self.scaling
        assert not still.any()
        return self.silent

    def JointTest(self, claim: Any, scaling: Any, rng: Any, delta: float, *, fixed: Any) -> Any:
        """The next look."""
        assert rng is self.rng
        assert delta == DELTA
        assert (claim.objective, claim.f_x.tolist()) == (self.objective, [1.0] * self.m)
        look = self.looks[min(len(self.made), len(self.looks) - 1)]
        matrix = claim.matrix.array
        self.made.append(
            (np.asarray(matrix.toarray() if sparse.issparse(matrix) else matrix), fixed.tolist())
        )
        self.moved = scaling.lengths.tolist()
        certified = rows_of(self.m, look.certified)
        joint = SimpleNamespace(
            certified=certified,
            wrong=rows_of(self.m, look.wrong),
            bound=np.where(certified, look.bound, np.inf),
        )
        test = SimpleNamespace(
            run=lambda: joint,
            standing_out=lambda of: rows_of(self.m, look.out) if of is joint else None,
            first=look.first,
            limit=Limit.KINK,
        )
        self.shown = joint, test
        return test

    def rows_evidence(self, claim: Any, block: Any, joint: Any, confidence: float) -> Any:
        """A certificate that counts the looks."""
        assert (block, claim.objective) == (self.block, self.objective)
        inwards = self.inwards is not None and joint is self.inwards
        assert inwards or joint is self.shown[0]
        proved, looks = (1e-4, 1) if inwards else (0.0, len(self.made))
        return ArrayEvidence(self.block, (), Certificate("each row", proved, proved, confidence, looks))

    def find_places(
        self, test: Any, first: Any, out: Any, judge: Callable[..., Any], around: Any, rng: Any, budget: int
    ) -> None:
        """A search, which looks at some columns."""
        assert (test, around, rng, budget) == (self.shown[1], columns.between, self.rng, 1500)
        self.searched.append((first, np.flatnonzero(out).tolist()))
        for column in self.finds:
            assert judge(column, np.flatnonzero(out).astype(np.int32)).coordinates.dtype == np.intp

    def certified_inwards(
        self, setting: Any, lengths: Any, rng: Any, shares: Any, known: Any, judge: Any, most: int
    ) -> Any:
        """Directions inwards, which tell nothing unless `inwards` says what."""
        claim, _ = known()
        assert (setting, claim.objective, rng, most) == (self.setting, self.objective, self.rng, 1500)
        assert [k * share for k, share in zip((2.0, 4.0, 8.0), shares, strict=True)] == [DELTA] * 3
        self.inwards_of = np.flatnonzero(lengths).tolist()
        return self.inwards

    def moved_alone(self, problem: Any, scaling: Any, silent: Any, rng: Any, delta: float) -> Any:
        """Whether f does where columns move that are claimed to do nothing."""
        assert (problem.objective, rng, delta) == (self.objective, self.rng, DELTA)
        assert isinstance(scaling, SimpleScaling)
        self.asked_of = silent.tolist()
        nobody = np.zeros(1, bool)
        return None if self.stay else ("test", Joint((), np.ones(1), nobody, nobody, np.ones(1)))

    def missing_columns(
        self, problem: Any, scaling: Any, silent: Any, judge: Any, block: Any, rng: Any, delta: float
    ) -> tuple[Evidence, bool]:
        """What is wrong in columns that are claimed to do nothing."""
        assert (problem.objective, scaling, block, rng) == (
            self.objective,
            self.scaling,
            self.block,
            self.rng,
        )
        assert (silent is self.silent, 2.0 * delta, self.stay) == (True, DELTA, False)
        judged = [none_judged(silent.dtype), *(judge(j, np.arange(self.m)) for j in self.missing)]
        return Evidence(concatenate(judged)), bool(self.missing)

    def directions_of_zeros(
        self, setting: Any, block: Any, lengths: Any, judge: Any, delta: float, confidence: float, rng: Any
    ) -> Any:
        """What directions say of zeros: a certificate or not, columns that are wrong, and the rows that are left."""
        assert (setting, block, rng) == (self.setting, self.block, self.rng)
        assert (delta, confidence) == (DELTA, CONFIDENCE)
        certified, wrong, left = self.zeros
        self.of_zeros.append(lengths.tolist())
        for column in wrong:
            judge(column, np.arange(self.m, dtype=np.int32))
        certificate = Certificate("zeros", 0.0, 0.0, confidence, 1) if certified else None
        return ArrayEvidence(block, (), certificate), np.array(left, np.intp)

    @property
    def wrong(self) -> set[tuple[int, int]]:
        """The places of what is wrong."""
        return {divmod(int(k), self.n) for k in self.survey.entries.wrong}

    @property
    def certified(self) -> int:
        """How many looks had been taken for the certificate, 0 where there is none."""
        (array,) = self.survey.arrays
        assert array.block is self.block
        if array.certificate is None:
            return 0
        assert array.certificate.confidence == CONFIDENCE
        return array.certificate.directions

    @property
    def limit(self) -> Limit:
        """What keeps the rows from being certified."""
        return self.survey.arrays[0].limit


class SimpleScaling:
    """Lengths, and which arrays are claimed to do nothing."""

    def __init__(self, lengths: Any, nothing: Any) -> None:
        self.lengths, self.nothing = lengths, nothing

    def __replace__(self, **parts: Any) -> SimpleScaling:
        return SimpleScaling(parts["lengths"], self.nothing)


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An examination."""

    def replaced(value: Any, **parts: Any) -> Any:
        return value.__replace__(**parts) if isinstance(value, SimpleScaling) else replace(value, **parts)

    monkeypatch.setattr(columns, "replace", replaced)
    return lambda off, *looks, **parts: Examination(monkeypatch, off, *looks, **parts)


def off(m: int, n: int, *places: tuple[int, int]) -> Any:
    """What entries are off by, 0.5 at some places."""
    found = np.zeros((m, n))
    for place in places:
        found[place] = 0.5
    return found


def stored(m: int, n: int, *places: tuple[int, int]) -> Sparse:
    """A matrix of 2 at some places."""
    rows, at = np.array(places, np.int32).T
    array = sparse.csc_array((np.full(rows.size, 2.0), (rows, at)), (m, n))
    return Sparse(array, array)


def product(m: int, n: int) -> Product:
    """A matrix of 2 that is known by its products."""
    return Product((m, n), lambda v: np.full(m, 2.0 * v.sum()))


def of_rows(
    block: Any, throughout: bool, n: int, *spans: tuple[int, int], share: float = 1.0
) -> tuple[Region, ...]:
    """Rows as regions; share : how many of their entries are wrong, as far as is known."""
    boxes = [Box((span, (0, n))) for span in spans]
    return tuple(Region(block, b, throughout, None if share == 1 else round(share * b.size)) for b in boxes)


# Which entries are judged


@pytest.mark.parametrize(
    ("n", "method", "moved"),
    [
        (100, "auto", range(100)),
        (101, "auto", range(95, 101)),
        (101, "sweep", range(101)),
        (7, "directions", range(1, 7)),
        (6, "directions", range(6)),
    ],
)
def test_up_to_a_hundred_columns_are_moved_and_six_of_more(examined: Any, n: int, method: str, moved: range):
    """All where that is asked for, or six are all; with a certificate of the rest."""
    found = examined(off(2, n), method=method)
    assert found.swept == [([(i, j) for i in range(2) for j in moved], None)]
    assert found.survey.entries.coordinates.tolist() == [i * n + j for i in range(2) for j in moved]
    assert (found.certified, found.survey.regions, found.said, found.wrong) == (1, (), [], set())
    assert found.made[0][1] == [False, False]


def test_columns_of_a_product_are_asked_for(examined: Any):
    """And are those of a matrix from then on."""
    found = examined(off(2, 3, (1, 2)), claim=product(2, 3))
    assert found.wrong == {(1, 2)}
    assert found.made[0][0].tolist() == [[2.0, 2.0, 2.0], [2.0, 2.0, 1.5]]


def test_columns_that_have_no_room_are_not_moved(examined: Any):
    """One that has some on one side is, together with those that go to the same side."""
    room = np.array([0.0, 1.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0, 1.0])
    found = examined(off(1, 4), room=room)
    assert [j for _, j in found.swept[0][0]] == [0, 1, 3]
    claim = stored(2, 4, (0, 0), (1, 1), (0, 2), (1, 2), (1, 3))
    found = examined(off(2, 4), room=room, claim=claim)
    assert found.swept == [([(0, 0), (1, 1), (1, 3)], [[1], [3], [0]])]
    # Of a group without room none is left.
    claim = stored(1, 4, (0, 0), (0, 1), (0, 2), (0, 3))
    assert examined(off(1, 4), room=room, claim=claim).swept[0][1] == [[1], [3], [0]]


def test_a_pattern_is_moved_in_groups(examined: Any):
    """Columns that share no row are together; it is said how many entries and groups there were."""
    claim = stored(2, 3, (0, 0), (1, 1), (0, 2), (1, 2))
    found = examined(off(2, 3), claim=claim)
    assert found.swept == [([(0, 0), (1, 1), (0, 2), (1, 2)], [[0, 1], [2]])]
    said = "4 entries of the pattern were judged one by one in 2 groups of columns; "
    assert found.said == [said + "its zeros were tested along random directions"]
    # Of more groups a sample.
    row = stored(1, 7, *((0, j) for j in range(7)))
    found = examined(off(1, 7), claim=row, method="directions")
    assert found.swept == [([(0, j) for j in range(1, 7)], [[j] for j in range(1, 7)])]
    assert found.said == []


def test_places_are_counted_beyond_what_32_bits_hold(examined: Any):
    """The last entry of 2.5e9."""
    n = 50_000
    found = examined(np.broadcast_to(0.0, (n, n)), claim=stored(n, n, (n - 1, n - 1)))
    assert found.survey.entries.coordinates.tolist() == [n * n - 1]


@pytest.mark.parametrize("look", [Look(certified=(), wrong=True), Look(certified=()), Look(bound=0.5)])
def test_suspects_of_a_group_are_moved_alone(examined: Any, look: Look):
    """In all rows in which any seems wrong, 32 of more than 100, where directions do not bear the group out."""
    claim = stored(3, 3, (0, 0), (1, 0), (0, 1), (1, 1), (1, 2), (2, 2))
    found = examined(off(3, 3, (0, 1), (1, 0), (1, 1)), look, Look(), claim=claim)
    assert found.swept[1:] == [([(0, 0), (1, 0)], None), ([(0, 1), (1, 1)], None)]
    assert found.wrong == {(0, 1), (1, 0), (1, 1)}
    for n, moved in ((100, 99), (101, 32)):
        diagonal = [(j, j) for j in range(n)]
        claim = stored(n, n, *diagonal, *((j, 0) for j in range(n)))
        # The first of them holds what the pattern lacks, too.
        found = examined(off(n, n, *diagonal[1:], (2, 1)), look, Look(), claim=claim)
        rows = range(1, n)
        assert [at for at, _ in found.swept[1:]] == [[(i, j) for i in rows] for j in range(1, 1 + moved)]
        assert found.wrong == {*diagonal[1 : 1 + moved], (2, 1)}
        judged = {divmod(int(k), n) for k in found.survey.entries.coordinates}
        assert judged == {*diagonal[: 1 + moved], *((j, 0) for j in range(n)), (2, 1)}
    # A group that is off by more than directions leave is believed.
    found = examined(off(n, n, *diagonal[1:]), Look(bound=0.49), claim=claim)
    assert (len(found.swept), found.wrong) == (1, set(diagonal[1:]))
    # But where directions do not move its columns, which are moved for what the pattern lacks in them, too.
    lengths = np.where(np.arange(n) == 7, 0.0, 1.0)
    found = examined(off(n, n, *diagonal[1:]), Look(), claim=claim, lengths=lengths)
    assert found.swept[1:] == [([(7, 7)], None), ([(i, 7) for i in range(n)], None)]
    # Columns that were moved alone have nobody else to blame.
    assert len(examined(off(2, 3, (0, 1))).swept) == 1


def test_columns_that_directions_leave_where_they_are_are_moved_alone(examined: Any):
    """But those that are claimed to do nothing, have no room, or were moved."""
    n = 110
    room = np.ones(n), np.where(np.arange(n) == 3, 1.0, 0.0)
    room[0][5] = 0.0
    lengths = np.where(np.isin(np.arange(n), [3, 4, 5, 6, 109]), 0.0, 1.0)
    found = examined(off(2, n, (1, 3)), room=room, lengths=lengths, silent=[4])
    assert found.swept[1:] == [([(0, 3), (1, 3)], None), ([(0, 6), (1, 6)], None)]
    assert found.wrong == {(1, 3)}
    assert found.certified == 1
    assert found.made[0][0][1, 3] == 1.5
    assert found.asked_of == [j == 4 for j in range(n)]
    # Unless directions inwards tell of them, which move what has room on one side alone.
    assert found.inwards_of == [6]
    found = examined(off(2, n), room=room, lengths=lengths, silent=[4], inwards=Look([True, True]))
    assert found.swept[1:] == [([(0, 3), (1, 3)], None)]
    certificate = found.survey.arrays[0].certificate
    assert (certificate.relative_to_rms, certificate.directions) == (1e-4, 2)


@pytest.mark.parametrize(("held", "certified"), [(100, 1), (101, 0)])
def test_more_columns_that_bounds_hold_are_open(examined: Any, held: int, certified: int):
    """A hundred are moved, beside the six of the sample."""
    n = held + 7
    lengths = np.zeros(n)
    lengths[held:] = 1.0
    found = examined(off(1, n), lengths=lengths)
    assert [at for (at,), _ in found.swept[1:]] == [(0, j) for j in range(100)]
    assert found.certified == certified


def test_without_rest_there_is_no_certificate(examined: Any):
    """Where f does not stay though columns are claimed to do nothing."""
    assert examined(off(1, 3), stays=False).certified == 0


# Rows that are wrong throughout


@pytest.mark.parametrize(
    ("m", "wrong", "named"),
    [
        # Of all columns two of four rows are told as rows, one by its entries.
        (4, (1, 2), [(1, 3)]),
        (4, (1,), []),
        (5, (1, 2), []),
        (3, (0, 2), [(0, 1), (2, 3)]),
    ],
)
def test_rows_in_which_most_entries_are_wrong_are_named(examined: Any, m: int, wrong: Any, named: Any):
    """Where most rows are; directions do not look at them then."""
    places = [(i, j) for i in wrong for j in range(3)]
    found = examined(off(m, 5, *places))
    assert found.survey.regions == of_rows(found.block, True, 5, *named, share=3 / 5)
    assert found.made[0][1] == [bool(named) and i in wrong for i in range(m)]
    assert found.wrong == set(places)


def test_of_a_sample_each_row_in_which_most_is_wrong_is_named(examined: Any):
    """More than half of six, and two at the least."""
    wrong = [(1, j) for j in (198, 197, 196, 195)] + [(2, j) for j in (199, 198, 197)]
    found = examined(off(4, 200, *wrong))
    # As many of it as of the six.
    assert found.survey.regions == of_rows(found.block, True, 200, (1, 2), share=4 / 6)
    one = examined(off(2, 2, (0, 0)), method="directions", lengths=[0.0, 0.0])
    assert one.survey.regions == ()
    claim = stored(3, 200, (0, 199), (1, 199), (1, 198), (2, 0), *((2, j) for j in range(190, 200)))
    found = examined(off(3, 200, (0, 199), (1, 199), (1, 198)), claim=claim, method="directions")
    assert found.survey.regions == of_rows(found.block, True, 200, (1, 2))


def test_rows_are_not_named_where_columns_alone_do_not_bear_that_out(examined: Any):
    """Of a group the entries of others are seen; of a column that bounds hold its own."""
    places = [(0, j) for j in range(194, 200)] + [(1, j) for j in range(194, 200)]
    lengths = np.where(np.arange(200) == 7, 0.0, 1.0)
    found = examined(off(2, 200, *places, (1, 7)), lengths=lengths)
    assert found.survey.regions == of_rows(found.block, True, 200, (1, 2))


def test_where_all_rows_are_wrong_nothing_else_is_measured(examined: Any):
    """All of it is one region, and nothing is certified."""
    found = examined(np.full((2, 3), 0.5))
    assert (found.made, found.certified) == ([], 0)
    assert found.survey.regions == of_rows(found.block, True, 3, (0, 2))


# What directions show of the rest


def test_rows_that_are_not_certified_are_open_unless_they_are_named(examined: Any):
    """With what limits them."""
    found = examined(off(2, 3), Look(certified=[0]))
    assert (found.certified, found.limit, found.searched) == (0, Limit.KINK, [])
    places = [(1, j) for j in range(194, 200)]
    found = examined(off(2, 200, *places), Look(certified=[0]))
    assert (found.certified, found.limit) == (1, Limit.NONE)
    assert examined(off(2, 3)).limit is Limit.NONE


@pytest.mark.parametrize("look", [Look(certified=[0], wrong=[1]), Look(certified=[0], out=[0, 1])])
def test_what_seems_wrong_is_looked_for_and_the_rest_certified(examined: Any, look: Look):
    """In those rows alone; certified ones that stand out do not seem so."""
    found = examined(off(2, 120, (1, 7)), look, Look(out=[1]), Look(), finds=[7])
    assert found.searched == [("first", [1])]
    assert [fixed for _, fixed in found.made] == [[False, False], [True, False], [False, False]]
    # The search is for the claim as it is; the last look for that without what was found.
    assert [matrix[1, 7] for matrix, _ in found.made] == [2.0, 2.0, 1.5]
    assert found.swept[1:] == [([(1, 7)], None)]
    assert found.wrong == {(1, 7)}
    assert (found.certified, found.survey.regions) == (3, ())


@pytest.mark.parametrize("second", [Look(), Look(out=[1], first=None)])
def test_where_no_direction_stands_out_again_nothing_is_looked_for(examined: Any, second: Look):
    """What seemed wrong is open."""
    found = examined(
        off(3, 120), Look(certified=[0], wrong=[1, 2]), second, Look(certified=[0], wrong=[1, 2])
    )
    assert (found.searched, found.certified) == ([], 0)
    assert found.survey.regions == of_rows(found.block, False, 120, (1, 3))


def test_ten_open_parts_are_named(examined: Any):
    """Of those that are wrong and were not found."""
    found = examined(off(30, 120), Look(certified=(), wrong=range(0, 30, 2)))
    spans = [(k, k + 1) for k in range(0, 20, 2)]
    assert found.survey.regions == of_rows(found.block, False, 120, *spans)


def test_a_group_is_not_believed_in_rows_that_are_wrong_elsewhere(examined: Any):
    """Its wrong entries in such rows are no evidence, right ones are; what was judged alone counts."""
    n = 140
    places = [(n - 1 - j, j) for j in range(n)]
    claim = stored(n, n, *places, *((i, 0) for i in range(n - 1)))
    # All but the first column seem wrong, each in a row of its own; 36 rows are, and 32 columns are moved alone.
    wrong, others = Look(certified=(), wrong=range(36)), Look(certified=range(36, n))
    found = examined(off(n, n, *places[1:]), wrong, others, Look(), claim=claim)
    believed = 1 + n - 36 - 1
    assert found.wrong == set(places[1 : believed + 32])
    assert [fixed for _, fixed in found.made] == [[False] * n, [i < 36 for i in range(n)], [False] * n]
    judged = {divmod(int(k), n) for k in found.survey.entries.coordinates}
    assert judged == {*places[: believed + 32], *((i, 0) for i in range(n - 1))}
    assert np.diag(found.made[-1][0][::-1]).tolist() == [2.0] + [1.5] * (believed + 31) + [2.0] * 4


def test_of_a_sample_what_noise_hides_is_no_question_where_all_is_certified(examined: Any):
    """Of all columns it is, and of a sample without a certificate."""
    n = 120
    open_ = [(0, 118), (1, 119)]
    found = examined(off(2, n), undecided=open_)
    judged = {divmod(int(k), n) for k in found.survey.entries.coordinates}
    assert judged == {(i, j) for i in range(2) for j in range(114, 120)} - set(open_)
    for parts in ({"method": "sweep"}, {"stays": False}):
        found = examined(off(2, n), undecided=open_, **parts)
        assert found.survey.entries.judgement.inconclusive.sum() == 2


@pytest.mark.parametrize(("missing", "certified"), [([4], 1), ([], 0)])
def test_of_a_sample_columns_that_are_claimed_to_do_nothing_are_looked_at_where_f_does_not_stay(
    examined: Any, missing: list[int], certified: int
):
    """The rest is certified where these are all; of all columns none has to be looked at again."""
    off_in_4 = off(2, 120, (0, 4))
    found = examined(off_in_4, silent=[4], stays=False, missing=missing)
    assert (found.wrong, found.certified) == ({(0, 4)} if missing else set(), certified)
    every = examined(off_in_4, silent=[4], stays=False, missing=missing, method="sweep")
    assert len(every.swept) == 1


# Zeros throughout


def test_a_matrix_of_zeros_moves_each_column_by_its_own_scale(examined: Any):
    """But one that has less room than a tenth of it, which has none at all here; certified, that is all."""
    claim = Dense(np.zeros((2, 4)))
    room = np.full(4, 1.0), np.full(4, 1.0)
    room[0][1], room[1][1], room[0][2] = 0.0, 0.0, 0.31
    found = examined(off(2, 4), claim=claim, nothing=True, room=room, scales=3.0, lengths=np.zeros(4))
    assert found.moved == [3.0, 0.0, 3.0, 3.0]
    assert (found.certified, found.swept, found.of_zeros, found.said) == (1, [], [], [])
    assert (found.survey.entries.coordinates.size, found.survey.entries.analytic.dtype) == (0, np.float64)
    found = examined(off(2, 4), claim=claim, nothing=True, dtype=np.longdouble)
    assert found.survey.entries.analytic.dtype == np.longdouble
    # A column that could move a little is looked at by itself.
    room[0][1] = 0.29
    found = examined(off(2, 4), claim=claim, nothing=True, room=room, scales=3.0, lengths=np.zeros(4))
    assert found.moved == [3.0, 0.0, 3.0, 3.0]
    assert len(found.swept) == 1
    found = examined(off(2, 4), claim=claim, nothing=True, scales=3.0, lengths=np.zeros(4))
    assert found.moved == [3.0] * 4


def test_zeros_that_directions_leave_open_have_directions_of_their_own(examined: Any):
    """What these certify is certified; columns that they find wrong are named, and rows that these do not explain."""
    claim = Dense(np.zeros((24, 4)))
    left = [0, 1, *range(3, 24, 2)]
    found = examined(
        off(24, 4, (2, 1)), Look(certified=()), claim=claim, nothing=True, zeros=(False, [1], left)
    )
    assert found.of_zeros == [[1.0] * 4]
    assert found.wrong == {(2, 1)}
    assert found.survey.regions == of_rows(
        found.block, False, 4, (0, 2), *((k, k + 1) for k in range(3, 21, 2))
    )
    assert len(found.swept) == 1
    found = examined(
        off(2, 4), Look(certified=[0]), claim=claim_of_zeros(2, 4), nothing=True, zeros=(True, [], [])
    )
    assert (found.certified, found.swept, found.survey.regions) == (1, [], ())


def claim_of_zeros(m: int, n: int) -> Dense:
    """Nothing is claimed to do anything."""
    return Dense(np.zeros((m, n)))


def test_zeros_that_seem_wrong_or_stay_open_are_looked_at_in_columns(examined: Any):
    """With the columns moving as far; none of them is claimed to do nothing then."""
    for look, zeros in ((Look(certified=[0], wrong=[1]), None), (Look(certified=[0]), (False, [], [1]))):
        found = examined(
            off(2, 4), look, Look(certified=[0], wrong=[1]), claim=claim_of_zeros(2, 4), nothing=True, zeros=zeros,
            silent=range(4), lengths=np.zeros(4),
        )  # fmt: skip
        assert [at for at, _ in found.swept] == [[(i, j) for i in range(2) for j in range(4)]]
        assert found.moved == [1.0] * 4
        assert found.asked_of == [False] * 4
        assert len(found.of_zeros) == (zeros is not None)
        assert found.certified == 0


# Every entry


@pytest.mark.parametrize("accused", [False, True])
@pytest.mark.parametrize("wrong", [False, True])
def test_every_entry_that_has_room_is_judged(monkeypatch: pytest.MonkeyPatch, accused: bool, wrong: bool):
    """By the method that is asked for; right ones are disputed where the complex step accused them.

    Where one is wrong that is what was accused.
    """
    given: list[Any] = []
    judged = SimpleNamespace(judgement=SimpleNamespace(wrong=np.array([False, wrong])))
    monkeypatch.setattr(columns, "one_by_one", lambda *known: given.append(known) or (judged, ["said"]))
    monkeypatch.setattr(columns, "mark_disputed", lambda *known: ("disputed", *known))
    room = np.array([0.0, 1.0, 0.0]), np.array([0.5, 0.0, 0.0])
    objective: Any = SimpleNamespace()
    claim = Dense(np.arange(6.0).reshape(2, 3))
    setting = Problem(objective, np.ones(3), np.ones(2), np.ones(3), Tolerance(1e-6), room, matrix=claim)
    found, said = every_entry(setting, "a method", 7, accused=accused)
    assert found == (("disputed", setting, judged) if accused and not wrong else judged)
    assert said == ["said"]
    ((of, values, entries, method, rng),) = given
    assert (of, method, rng) == (setting, "a method", 7)
    assert values.tolist() == entries.tolist() == [0, 1, 3, 4]
