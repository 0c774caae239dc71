"""A report as text: the outcome and why in the first line, never more than 25 lines; and why one is undecided."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck.results.outcome import Limit
from gradcheck.results.undecided import ENDED, Remedy, Undecided
from gradcheck.results.words import columns, count, number, short, visible

if TYPE_CHECKING:
    from gradcheck.report.data import ReportData
    from gradcheck.results.summaries import ArraySummary, Mismatch

# 1 outcome + 1 header + 7 arrays + 1 heading + 5 mismatches + 1 rest + 1 certificate + 2 diagnosis + 3 notes
# + 1 cost = 23; one more for the advice of an undecided report.
ARRAYS, MISMATCHES, DIAGNOSES, NOTES = 6, 5, 2, 3
LONG_KINK = "what looks like a kink at x over the long steps that single precision asks for"
PRECISE = "tighter solver tolerances, nothing rounded, no large terms that cancel"
# What is said of a remedy whose value is no sentence; {} : the value of the option.
REMEDIES = {
    Remedy.RESOLUTION: "pass resolution={}",
    Remedy.ATOL: "pass atol={}, below which this f shows nothing",
    Remedy.SUBGRADIENT: "pass subgradient=True to accept any slope between",
    Remedy.SWEEP: "pass method='sweep'",
    Remedy.COMPLEX: "pass method='complex' to believe the complex step",
    Remedy.PRECISE: f"compute f more precisely ({PRECISE})",
    Remedy.DIGITS: f"compute f with all digits of float64 ({PRECISE})",
    Remedy.RESCALE: "rescale x, so that f changes less within a step",
}


def report_text(report: ReportData) -> str:
    """The report for people."""
    undecided = report.undecided
    lines = [
        f"{report.outcome.value}  {report.reason if undecided is None else undecided_sentence(undecided)}"
    ]
    lines += [] if undecided is None else [f"  {advice_sentence(undecided)}"]
    lines += _array_lines(report.arrays)
    lines += _mismatch_lines(report.wrong, report.arrays)
    lines += _certificate_lines(report)
    lines += _capped("looks like", report.diagnosis, DIAGNOSES)
    lines += _capped("note", report.notes, NOTES)
    ended = ", then interrupted" if report.interrupted else ""
    lines.append(f"  {calls_text(report.calls)}, {report.seconds:.2g} s{ended}; again: {report.call}")
    # Names, notes and reasons hold what others wrote: keys of a dict, texts of exceptions.
    return visible("\n".join(lines))


def _array_lines(arrays: tuple[ArraySummary, ...]) -> list[str]:
    if not arrays:
        return []
    # The arrays with something to say come first; the rest are as given.
    order = sorted(arrays, key=lambda a: (a.wrong == 0, a.inconclusive == 0))
    rows = [("array", "shape", "checked", "wrong", "max error", "error bar", "detectable")]
    rows += [
        (
            short(a.name),
            " x ".join(map(str, a.shape)) or "scalar",
            f"{a.checked:,}",
            f"~{a.about:,}" if a.about else f"{a.wrong:,}",
            number(a.max_error, 2),
            number(a.error_bar, 2),
            number(a.detectable, 2),
        )
        for a in order[:ARRAYS]
    ]
    lines = [f"  {line}" for line in columns(rows, left=1)]
    if len(arrays) > ARRAYS:
        hidden = order[ARRAYS:]
        wrong = sum(max(a.wrong, a.about) for a in hidden)
        lines.append(f"  and {count(len(hidden), 'more array')}, {wrong:,} wrong in them")
    return lines


def _mismatch_lines(wrong: tuple[Mismatch, ...], arrays: tuple[ArraySummary, ...]) -> list[str]:
    """The worst, and how many more there are, those that are not listed too."""
    if not wrong:
        return []
    rows = [_mismatch_cells(m) for m in wrong[:MISMATCHES]]
    lines = ["  worst first:", *(f"    {line}" for line in columns(rows))]
    if more := left_out(len(wrong), len(rows), [(a.wrong, a.about) for a in arrays]):
        lines.append(f"    {more}")
    return lines


def left_out(listed: int, shown: int, counts: Sequence[tuple[int, int]]) -> str:
    """`and about 48 more`, or nothing: the wrong entries beside those that are shown, those that are not listed too.

    counts : `wrong` and `about` of each array.
    """
    total = max(listed, sum(map(max, counts)))
    about = "about " if any(about for _, about in counts) else ""
    return f"and {about}{total - shown:,} more" if total > shown else ""


def mismatch_line(m: Mismatch) -> str:
    """`W1[571, 40]  analytic 2.41e-04  numerical 2.17e-04 +- 3e-12  off by +11 %`."""
    return "  ".join(_mismatch_cells(m))


def _mismatch_cells(m: Mismatch) -> tuple[str, ...]:
    analytic, numerical = _as_far_as_different(m.analytic, m.numerical)
    bar = number(m.error_bar, 1)
    return short(m.name), f"analytic {analytic}", f"numerical {numerical} +- {bar}", discrepancy(m)


def _as_far_as_different(a: float, b: float) -> tuple[str, str]:
    """Both with as many digits as it takes to tell them apart, at least four."""
    a, b = a + 0.0, b + 0.0  # no -0
    if not (math.isfinite(a) and math.isfinite(b)):
        return f"{a:.4g}", f"{b:.4g}"
    for digits in range(4, 17):
        pair = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if abs(float(pair[0]) - float(pair[1])) > 0.5 * abs(a - b):
            return pair
    return repr(a), repr(b)


def discrepancy(m: Mismatch) -> str:
    """What follows the name of a wrong entry: `off by +11 %`, `of opposite sign`, `missing`."""
    if not math.isfinite(m.analytic):
        return "not finite"
    if m.numerical == 0 or abs(m.numerical) <= 3 * m.error_bar:
        return f"off by {m.analytic - m.numerical:+.2g}"
    if m.analytic == 0:
        return "missing"
    ratio = m.analytic / m.numerical
    if abs(ratio + 1) < 1e-3:
        return "of opposite sign"
    if ratio < 0 or ratio > 1.95:
        return f"off by a factor {ratio:.4g}"
    percent = 100 * (ratio - 1)
    return f"off by {percent:+.{3 if percent <= -99.5 else 2}g} %"  # -99.8 %, not -1e+02 %


def _certificate_lines(report: ReportData) -> list[str]:
    # One that lets an entry be off by as much as entries are large certifies nothing that one would ask.
    certificates = [c for c in report.certificates if c.relative_to_rms <= 1.0]
    if not certificates:
        return []
    weakest = max(certificates, key=lambda c: c.relative_to_rms)
    have, total = len(certificates), sum(0 not in a.shape for a in report.arrays)
    where = f" for {have} of {total} arrays" if have < total else f" for {have} arrays" if have > 1 else ""
    # Entries that were judged by themselves are not among those that directions moved.
    left_out = ["what is named above"] if report.wrong else []
    left_out += ["what is undecided"] if any(a.inconclusive for a in report.arrays) else []
    rest = f", save {' and '.join(left_out)}" if left_out else ""
    weakest = replace(weakest, name=short(weakest.name))
    return [f"  certificate{where}{rest}{', the weakest' if have > 1 else ''}: {weakest}"]


def _capped(title: str, sentences: tuple[str, ...], limit: int) -> list[str]:
    lines = [f"  {title}: {s}" for s in sentences[:limit]]
    if len(sentences) > limit:
        lines[-1] += f" (and {len(sentences) - limit} more)"
    return lines


def calls_text(calls: Mapping[str, int]) -> str:
    """`18 evaluations of f, 2 of grad`."""
    (first, most), *rest = calls.items()
    others = [f"{made:,} of {name}" for name, made in rest]
    return ", ".join([f"{count(most, 'evaluation')} of {first}", *others])


def undecided_sentence(u: Undecided) -> str:
    """Why a check is undecided, as a report gives it."""
    name, cause = short(u.name), _limit(u)
    if u.limit is Limit.CONSTANT:
        told = "none of its outputs changed at any of the"
        if u.value is not None:
            told = f"it is {u.value:.17g} at all"
        return f"{name} does not depend on x at all: {told} points around x"
    if u.count:
        text = f"{u.count:,} of {count(u.total, 'entry')} cannot be decided, {name} for one: {cause}"
        if u.slopes is not None:
            left, right = (number(slope, 4) for slope in u.slopes)
            return f"{text} (slope {left} on the left, {right} on the right)"
        hides = u.limit in (Limit.NOISE, Limit.BESIDE, Limit.TRUNCATION) and math.isfinite(u.reached)
        return f"{text} hides relative mistakes below {number(u.reached, 2)}" if hides else text
    if not u.tested:
        return f"{name} was not checked: {cause}"
    if not u.known:
        return f"random directions say nothing about {name}: {cause}"
    reached = number(u.reached, 2)
    return f"random directions bound the error of {name} by {reached} of its root mean square only: {cause}"


def advice_sentence(u: Undecided) -> str:
    """What decides it; before it, whether anything is known of the derivative under test."""
    value = _rounded_up(u.offered or 0.0)
    remedies = ", or ".join(REMEDIES.get(r, r.value).format(value) for r in u.remedies)
    if u.limit is Limit.DISPUTED:
        return remedies
    return f"{_known(u)}: {remedies}"


def _known(u: Undecided) -> str:
    """What the measurements say of the derivative under test, though they do not decide it."""
    if u.slopes is not None:
        return f"the {u.noun} lies between these slopes"
    if u.known and u.limit not in ENDED and u.reached < 1.0:
        return f"what f shows agrees with the {u.noun}"
    return f"nothing is known of the {u.noun} there yet"


def _limit(u: Undecided) -> str:
    if u.limit is Limit.NONE:
        if u.reached < 1.0:  # it is known, and finer than that was asked for
            asked = f"its error bar of {number(u.bar, 2)} is wider than resolution allows"
            return asked if u.count else "the error bars show no more"
        what = "its derivative" if u.count else f"its {u.noun}"
        return f"{what} is 0 within {'its error bar' if u.count else 'the error bars'}"
    coarse = u.remedies[:1] in ((Remedy.FLOAT64,), (Remedy.DIGITS,))
    if u.limit is Limit.KINK and coarse:
        return LONG_KINK
    return str(u.limit.value)


def _rounded_up(value: float) -> str:
    """Two digits, rounded up: what is printed has to be enough."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1) if value > 0 else 1.0
    return f"{math.ceil(value / unit) * unit:.2g}"
