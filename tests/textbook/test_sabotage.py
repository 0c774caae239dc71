"""One-line changes of the textbook: that they are many, that a sample is noticed, and that nothing else is.

The sample takes half a minute of processor time; `python -m benchmarks.sabotage` runs every change.
"""

from collections import Counter
from dataclasses import replace

import pytest

from benchmarks import sabotage

# To compile every change takes ten seconds, whatever is asked of them then.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(sabotage.os, "fork"), reason="each change needs a process that is forked"),
]


@pytest.fixture(scope="module")
def changes():
    """Every change of every module."""
    return sabotage.all_changes()


def test_changes_are_many_and_of_every_module(changes):
    """At least 200, no two with the same effect, some of each module, and each is one that compiles."""
    of_module = Counter(change.module for change in changes)

    assert sum(of_module.values()) >= 200
    assert set(of_module) == set(sabotage.MODULES)
    assert min(of_module.values()) >= 10
    assert sum(change.by_hand for change in changes) >= 50
    for change in sabotage.spread(changes, 50):
        source = (sabotage.PACKAGE / f"{change.module}.py").read_bytes()
        compile(change.applied(source), change.module, "exec")


def test_a_reason_is_of_a_change_that_exists(changes):
    """No reason is left over from a line that was rewritten."""
    reasons = sabotage.tomllib.loads(sabotage.REASONS.read_text(encoding="utf-8")).get("change", [])

    names = ("module", "function", "before", "after")
    assert {tuple(entry[name] for name in names) for entry in reasons} <= {
        tuple(getattr(change, name) for name in names) for change in changes
    }


def sigmoid(changes):
    """A change of the logistic function: - for + in the denominator."""
    return next(c for c in changes if c.function == "sigmoid" and "(1.0 - small)" in c.after)


def test_a_change_is_noticed_and_no_change_is_not(changes):
    """The case of the logistic function refuses a changed one, and passes as it is."""
    digits = sabotage.prepared()[1]

    noticed, nothing = sabotage.in_processes(
        [sigmoid(changes), None], sabotage._cases_notice, ["sigmoid"], digits, 1
    )

    assert noticed.startswith("sigmoid: values")
    assert nothing == ""


def test_cases_notice_a_sample(changes, monkeypatch):
    """Of 30 changes, spread over the functions, a case notices nine in ten or more that are not equivalent."""
    # One that has no end takes so much of the suite.
    monkeypatch.setattr(sabotage, "LIMIT", 45)
    sample = [change for change in sabotage.spread(changes, 30) if not change.reason]

    judged = sabotage.sabotage(sample, *sabotage.prepared(), tests=())

    missed = [f"{c.module}: {c.before} -> {c.after}" for c in judged if not c.case]
    assert len(missed) <= len(sample) // 10, missed


def test_the_table_counts_each_change_once(changes):
    """By a case, by a unit test, by nothing, equivalent: one of each, in four columns."""
    one = sigmoid(changes)
    judged = [
        replace(one, case="seen"), replace(one, test="seen"), one, replace(one, reason="the same numbers"),
    ]  # fmt: skip

    assert "| activations: sigmoid | 4 | 1 | 1 | 1 | 1 |" in sabotage.report(judged)


def test_a_run_goes_on_by_functions(changes, tmp_path):
    """What an earlier run judged is not judged again; a function of which it judged a part is, and a changed line."""
    function = next(part for part in sabotage.by_function(changes) if part[0].function == "sigmoid")
    judged = [replace(change, case="seen") for change in function]
    path = tmp_path / "changes.json"

    def written(part):
        path.write_text(sabotage.json.dumps([sabotage.asdict(change) for change in part]), encoding="utf-8")
        return sabotage.known(path, function)

    assert written(judged) == judged
    assert written(judged[1:]) == []
    assert written([replace(judged[0], before="another line"), *judged[1:]]) == []
    assert sabotage.known(None, function) == []
