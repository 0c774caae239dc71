"""The examination of a gradient by joint directions: what follows on what they show, look by look and by hand."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradcheck.examination import gradient
from gradcheck.examination.gradient import examine_jointly
from gradcheck.numerics.steps import TOWERING

RNG: Any = object()
X = np.array([1.0, 0.0, 2.0])
# An array that is claimed to do something, and one that may be claimed to do nothing.
LENGTHS = np.array([1.0, 0.5, 0.0])


@dataclass(frozen=True)
class Known:
    """A setting."""

    told_by: Any
    level: Any = None
    gradient_scale: Any = None


def line(*, borne_out: bool = True, size: float = 0.0, exact: bool = False, fit: bool = True) -> Any:
    """A direction that bears out how steep f is claimed to be or not, along which f reaches a size."""
    shown = SimpleNamespace(size=np.full(1, size)) if fit else None
    return SimpleNamespace(borne_out=np.full(1, borne_out), exact=exact, fit=shown)


class Look:
    """A test of some claim, and what it shows."""

    def __init__(
        self, *, certified: bool = False, wrong: bool = False, first: Any = None, level: Any = None,
        unsettled: bool = False, exceeded: bool = False, moved: int = 3, exact: bool = True, last: Any = None,
        past_rounding: bool = False,
    ) -> None:  # fmt: skip
        self.certified, self.wrong = np.array([certified]), np.array([wrong])
        self.first, self.level, self.unsettled = first or line(), level, np.array([unsettled])
        self.exceeded, self.exact, self.past_rounding = exceeded, exact, past_rounding
        self.along = SimpleNamespace(moved=moved, scaling=None)
        self.directions = (line(), line(), last or line())
        if first is False:
            self.first = None

    def run(self) -> Look:
        """What it shows."""
        return self


WRONG = {"wrong": True, "last": line(exact=True)}


@dataclass(frozen=True)
class Came:
    """What comes of a search: whether another test is to follow, and what the claim knows then."""

    again: bool
    unnamed: bool = False
    disputed: bool = False


EXPLAINED, UNEXPLAINED = Came(True), Came(False)


class Examination:
    """An examination in which each look shows what it is told to, and so do searches; what is asked is noted."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *looks: Look,
        found: Any = (),
        wrong: bool = False,
        nothing: bool = False,
        stays: Any = (),
        missing: bool = False,
        probed: Known | None = Known("a probe"),
        f_x: float = 4.0,
        begins: Look | None = None,
        factored: bool = False,
    ) -> None:
        self.factored = factored
        self.looks, self.found, self.wrong, self.stay, self.lacks = (
            list(looks),
            list(found),
            wrong,
            list(stays),
            missing,
        )
        self.given_probe, self.nothing, self.begins = probed, nothing, begins
        self.made: list[Any] = []
        self.searched: list[Any] = []
        self.stayed: list[Any] = []
        self.sampled: list[Any] = []
        self.surveyed: list[Any] = []
        self.probes = 0
        self.immovable: list[Any] = []
        self.small: list[Any] = []
        self.judged: list[Any] = []
        self.numbered: list[Any] = []
        self.factor = object()
        for name in (
            "search",
            "evidence_of",
            "missing",
            "silent_entries",
            "moved_alone",
            "give_numbers",
        ):
            monkeypatch.setattr(gradient, name, getattr(self, name))
        monkeypatch.setattr(gradient, "Claim", self.Claim)
        self.problem: Any = SimpleNamespace(x=X, f_x=np.array([f_x]))
        self.setting, self.survey, self.accused = examine_jointly(
            self.problem, Known, self.probed, confidence=0.9, rng=RNG
        )

    def Claim(self, problem: Any, rng: Any, still: Any, *, shares: Any) -> Any:
        """What is claimed."""
        assert (problem, rng) == (self.problem, RNG)
        self.chance = 2.0 * next(shares)
        assert (still.tolist(), still.dtype) == ([False] * 3, bool)
        self.claim = SimpleNamespace(
            problem=problem, rng=rng, still=still, setting=None, judged=self.judged, exact=True, begun=None,
            judge_the_immovable=self.immovable.append, judge_the_small=lambda *of: self.small.append(of), regions=[],
            test_of=self.test_of, probed=None, unnamed=False, disputed=False,
        )  # fmt: skip
        return self.claim

    def probed(self) -> Any:
        """A probe of the noise."""
        self.probes += 1
        return self.given_probe

    @property
    def scaling(self) -> Any:
        """That of the last look."""
        return self.shown.along.scaling

    def test_of(self, problem: Any, still: Any, before: Any) -> Look:
        """The next look, with a scaling of its own."""
        assert (problem, still is self.claim.still) == (self.claim.problem, True)
        self.made.append((self.claim.exact, before))
        return self.looked(self.looks[min(len(self.made), len(self.looks)) - 1])

    def looked(self, look: Look) -> Look:
        """A look that is taken now."""
        self.shown = look
        look.along.scaling = SimpleNamespace(
            rms=f"rms {len(self.made) - 1}", nothing=np.array([self.nothing]), lengths=LENGTHS
        )
        return look

    def search(self, *given: Any) -> bool:
        """What comes of a search; it may find something wrong."""
        assert given == (self.claim, self.shown, self.shown.directions[-1])
        assert self.claim.begun is None
        self.searched.append(given)
        if self.begins is not None:
            self.claim.begun, self.begins = self.looked(self.begins), None
        self.judged.append(SimpleNamespace(judgement=SimpleNamespace(wrong=np.array([False, self.wrong]))))
        came = self.found[min(len(self.searched), len(self.found)) - 1]
        self.claim.unnamed, self.claim.disputed = came.unnamed, self.claim.disputed or came.disputed
        return bool(came.again)

    def silent_entries(self, problem: Any, scaling: Any, still: Any) -> Any:
        """Which entries do nothing."""
        assert (problem, scaling, still is self.claim.still) == (self.claim.problem, self.scaling, True)
        return "silent"

    def moved_alone(self, *given: Any) -> Any:
        """Whether f does."""
        assert given[:4] == (self.claim.problem, self.scaling, "silent", RNG)
        self.stayed.append(given[4])
        return None if self.stay.pop(0) else (None, SimpleNamespace(certified=np.zeros(1, bool)))

    def missing(self, *given: Any) -> bool:
        """Whether something is wrong in these."""
        assert given == (self.claim, "silent")
        self.sampled.append(given)
        return self.lacks

    def give_numbers(self, *given: Any) -> None:
        """Numbers of what is off by a factor; where one was taken out, it is wrong now."""
        assert given == (self.claim, self.shown, self.scaling)
        assert not self.surveyed
        self.numbered.append(self.shown)
        if self.factored:
            self.judged.append(SimpleNamespace(judgement=SimpleNamespace(wrong=np.array([True]))))

    def evidence_of(self, *given: Any, alone: Any) -> Any:
        """What was found; no fake moves arrays by themselves."""
        assert alone is None
        assert (given[0], given[1], given[3]) == (self.claim, self.shown, 0.9)
        self.surveyed.append(given[2])
        return "what was found"


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An examination."""
    return lambda *looks, **parts: Examination(monkeypatch, *looks, **parts)


# What certifies


def test_a_gradient_that_is_certified_takes_one_look(examined: Any):
    """What its first direction tells of the noise is known from then on; entries that bounds hold are judged."""
    first = line()
    found = examined(Look(certified=True, first=first, level="level"))
    assert (found.survey, found.accused) == ("what was found", False)
    assert found.setting == Known(first, "level", "rms 0")
    assert found.made == [(True, None)]
    assert found.surveyed == found.immovable == [found.scaling]
    assert (found.probes, found.searched, found.stayed, len(found.small)) == (0, [], [], 1)


def test_where_something_is_wrong_it_is_searched_for_and_the_rest_certified(examined: Any):
    """By a test that knows of the one before."""
    looks = [Look(**WRONG), Look(**WRONG), Look(certified=True)]
    found = examined(*looks, found=[EXPLAINED], wrong=True)
    assert found.survey == "what was found"
    assert [before for _, before in found.made] == [None, *looks[:2]]
    assert len(found.searched) == 2
    assert found.surveyed == found.immovable == [found.scaling]
    assert found.small == []  # what is small is no question where something is wrong


@pytest.mark.parametrize(
    ("looked", "exact"), [(Look(wrong=True), True), (Look(wrong=True, exact=False), False)]
)
def test_f_is_asked_for_complex_numbers_as_long_as_it_takes_them(examined: Any, looked: Look, exact: bool):
    """And not again where it does not."""
    found = examined(looked, Look(certified=True), found=[EXPLAINED])
    assert [asked for asked, _ in found.made] == [True, exact]


def test_off_the_domain_of_f_it_is_not_asked_for_complex_numbers(examined: Any):
    """There is no first direction."""
    found = examined(Look(wrong=True, first=False), Look(certified=True), found=[EXPLAINED])
    assert [asked for asked, _ in found.made] == [True, False]


@pytest.mark.parametrize(("begun", "made"), [(Look(certified=True), 1), (Look(**WRONG), 2)])
def test_a_test_that_was_begun_in_a_search_goes_on_as_the_next(examined: Any, begun: Look, made: int):
    """With its own scaling, once; one after it knows of it."""
    looks = [Look(**WRONG), Look(certified=True)]
    found = examined(*looks, found=[EXPLAINED], begins=begun)
    assert [before for _, before in found.made] == [None, begun][:made]
    assert found.surveyed == found.immovable == [found.scaling]
    assert (begun.along.scaling is found.scaling, found.claim.begun) == (made == 1, None)
    assert found.survey == "what was found"


# What is known of the noise


def test_a_first_direction_that_does_not_tell_the_noise_leaves_it_to_a_probe(examined: Any):
    """Where something decides beside noise of a known size; sizes are those that the claim has."""
    looked = Look(certified=True, unsettled=True)
    found = examined(looked)
    assert found.setting == Known("a probe", None, "rms 0")
    assert (found.survey, found.probes) == ("what was found", 1)
    level = Look(certified=True, unsettled=True, level="level")
    assert examined(level).setting.level == "level"
    nowhere = examined(looked, probed=None)
    assert (nowhere.setting, nowhere.survey, nowhere.immovable) == (None, None, [])


def test_noise_that_is_seen_where_something_stood_out_is_a_ripple_for_all_that_is_known(examined: Any):
    """It is left to a probe near x; beside what is wrong, or where nothing stood out, it is noise."""
    noise = {"level": "noise", "unsettled": True}
    for look, told in ((Look(exceeded=True, **noise), False), (Look(**noise), True)):
        assert (examined(look).setting is not None) is told
    found = examined(Look(exceeded=True, wrong=True, **noise), found=[UNEXPLAINED])
    assert (found.setting.level, found.probes) == ("noise", 0)


@pytest.mark.parametrize(("size", "probes"), [(0.99, 0), (1.01, 1)])
def test_what_is_wrong_is_not_measured_with_the_noise_of_towering_values(
    examined: Any, size: float, probes: int
):
    """Nearer to x f may be far smaller, and its noise with it."""
    found = examined(Look(wrong=True, first=line(size=size * TOWERING * 4.0)), found=[UNEXPLAINED])
    assert found.probes == probes


@pytest.mark.parametrize(("wrong", "probes"), [(True, 1), (False, 0)])
def test_what_is_wrong_nearer_to_x_than_a_rounded_part_shows_is_measured_with_probed_noise(
    examined: Any, wrong: bool, probes: int
):
    """What is right there needs no other noise than that direction's."""
    found = examined(Look(wrong=wrong, certified=not wrong, past_rounding=True), found=[UNEXPLAINED])
    assert found.probes == probes


@pytest.mark.parametrize("borne_out", [True, False])
def test_a_claim_that_is_wrong_tells_the_slope_where_it_is_borne_out(examined: Any, borne_out: bool):
    """Otherwise the noise is probed before anything is looked for."""
    found = examined(Look(wrong=True, first=line(borne_out=borne_out)), found=[UNEXPLAINED])
    assert found.probes == (0 if borne_out else 1)


def test_nothing_is_searched_for_where_nothing_can_be_measured(examined: Any):
    """That something is wrong is said all the same."""
    found = examined(Look(first=line(borne_out=False), **WRONG), probed=None)
    assert (found.setting, found.survey, found.accused) == (None, None, True)
    assert found.searched == []


# What is wrong


@pytest.mark.parametrize("exact", [False, True])
def test_what_the_complex_step_accuses_is_told(examined: Any, exact: bool):
    """Where a search explains nothing, too."""
    found = examined(Look(wrong=True, last=line(exact=exact)), found=[UNEXPLAINED])
    assert (found.survey, found.accused) == (None, exact)
    assert len(found.searched) == 1
    assert found.surveyed == []


@pytest.mark.parametrize("wrong", [False, True])
def test_a_search_that_explains_nothing_or_is_spent_ends_it(examined: Any, wrong: bool):
    """What was found to be wrong is told, and nothing is certified; otherwise other ways are to tell."""
    found = examined(Look(**WRONG), Look(certified=True), found=[UNEXPLAINED], wrong=wrong)
    assert len(found.made) == 1
    assert found.survey == ("what was found" if wrong else None)
    assert found.surveyed == ([None] if wrong else [])


def test_what_is_dense_and_not_named_is_left_to_other_ways(examined: Any):
    """Though some entries are known to be wrong."""
    found = examined(Look(**WRONG), found=[Came(False, unnamed=True)], wrong=True)
    assert (found.survey, found.surveyed) == (None, [])


@pytest.mark.parametrize("factored", [False, True])
def test_what_is_off_by_a_factor_gets_its_numbers_before_it_is_decided(examined: Any, factored: bool):
    """Without a certificate these decide; where something is left to other ways there are none."""
    looks = [Look(**WRONG), Look()]
    found = examined(*looks, found=[EXPLAINED], factored=factored)
    assert found.numbered == [found.shown]
    assert found.survey == ("what was found" if factored else None)
    left = examined(Look(**WRONG), found=[Came(False, unnamed=True)], factored=factored)
    assert (left.numbered, left.survey) == ([], None)


def test_entries_that_are_disputed_decide(examined: Any):
    """By any of the searches: nothing passes for which entries are open."""
    for found in ([Came(False, disputed=True)], [Came(True, disputed=True), UNEXPLAINED]):
        assert examined(Look(**WRONG), found=found).survey == "what was found"
    assert examined(Look(**WRONG), found=[EXPLAINED, UNEXPLAINED]).survey is None


def test_twelve_searches_are_enough(examined: Any):
    """What they found is told."""
    found = examined(Look(**WRONG), found=[EXPLAINED], wrong=True)
    assert (len(found.made), len(found.searched), found.surveyed) == (12, 12, [None])


# Arrays that are claimed to do nothing

# A hundredth of the tenth that is allowed in all.
SHARE = 0.001


@pytest.mark.parametrize("looked", [Look(certified=True), Look(moved=0)])
def test_where_arrays_are_claimed_to_do_nothing_f_has_to_stay(examined: Any, looked: Look):
    """With a share of the chance to be wrong; where nothing is claimed at all, too."""
    found = examined(looked, nothing=True, stays=[True])
    assert found.stayed == [pytest.approx(SHARE, rel=1e-12)]
    assert found.survey == ("what was found" if looked.certified[0] else None)
    assert found.sampled == []
    found = examined(looked, nothing=True, stays=[False], missing=False)
    assert (found.survey, len(found.sampled)) == (None, 1)


def test_where_directions_settle_nothing_f_need_not_stay(examined: Any):
    """Something moved, and is open."""
    assert examined(Look(moved=1), nothing=True).stayed == []


@pytest.mark.parametrize("again", [True, False])
def test_arrays_that_do_something_after_all_are_named_and_the_others_asked_for(examined: Any, again: bool):
    """Once more, with half of the share; where f does not stay then either nothing is settled."""
    found = examined(Look(certified=True), nothing=True, stays=[False, again], missing=True)
    assert found.stayed == [pytest.approx(SHARE, rel=1e-12), pytest.approx(SHARE / 2.0, rel=1e-12)]
    assert found.survey == ("what was found" if again else None)
    assert len(found.sampled) == (1 if again else 2)


@pytest.mark.parametrize("looked", [Look(certified=True), Look(**WRONG)])
def test_the_chances_of_all_directions_are_no_more_than_what_is_left_of_the_confidence(
    examined: Any, looked: Look
):
    """A fiftieth is kept for arrays that are claimed to do nothing, whether they are asked for once or twice."""
    found = examined(
        looked, Look(certified=True), found=[EXPLAINED], nothing=True, stays=[False, True], missing=True
    )
    assert found.chance == pytest.approx(0.098, rel=1e-12)
    assert len(found.stayed) == 2
    assert found.chance + sum(found.stayed) <= 0.1


def test_arrays_are_sampled_where_entries_can_be_measured(examined: Any):
    """Neither the first direction nor a probe need tell the noise."""
    looked = Look(certified=True, unsettled=True)
    found = examined(looked, nothing=True, stays=[False, True], missing=True, probed=None)
    assert (found.survey, found.sampled, len(found.stayed)) == (None, [], 1)
    found = examined(looked, nothing=True, stays=[False, True], missing=True)
    assert (found.survey, found.setting) == ("what was found", Known("a probe", None, "rms 0"))


# Values that tower above f(x)


@pytest.mark.parametrize(
    ("size", "f_x", "forgotten"),
    [(1.01, 4.0, True), (1.01, -4.0, True), (0.99, 4.0, False), (0.99, -4.0, False)],
)
def test_noise_beside_towering_values_is_not_that_nearer_to_x(
    examined: Any, size: float, f_x: float, forgotten: bool
):
    """Where an entry of x is 0 and moves: what directions told is forgotten, so that others probe f."""
    first = line(size=size * TOWERING * 4.0)
    found = examined(Look(first=first), f_x=f_x)
    assert (found.survey, found.setting is None) == (None, forgotten)


def test_values_tower_only_where_an_entry_that_is_0_moves(examined: Any, monkeypatch: pytest.MonkeyPatch):
    """And where real points were taken; what is certified stays known."""
    huge = 2.0 * TOWERING * 4.0
    assert examined(Look(first=line(size=huge, fit=False))).setting is not None
    assert examined(Look(first=False)).setting is None
    assert examined(Look(certified=True, first=line(size=huge))).setting is not None
    for x, lengths in ((np.array([1.0, 3.0, 0.0]), LENGTHS), (np.zeros(3), 0.0 * LENGTHS)):
        monkeypatch.setitem(globals(), "X", x)
        monkeypatch.setitem(globals(), "LENGTHS", lengths)
        assert examined(Look(first=line(size=huge))).setting is not None
