"""What benchmarks/peers.py found, as people read it: tables, a figure, and the marked parts of documents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import peer_corpus, peer_figure
from benchmarks.peer_corpus import CATEGORIES, FINE, KINK, RIGHT, WRONG
from benchmarks.peer_counts import Better, Result, Row, better, by_category, costs, rows
from benchmarks.peer_tools.model import ACCEPTED
from benchmarks.verdicts import table

ROOT = Path(__file__).parent.parent
PAGE, FIGURE = ROOT / "docs" / "log" / "peers.md", ROOT / "docs" / "figures" / "peers.svg"
OURS, TORCH = "gradcheck", "torch gradcheck, slow"
AS_PUBLISHED = peer_corpus.AS_PUBLISHED
COMMAND = "python -m benchmarks.peers --docs"


def write(record: dict[str, Any], *, markdown: Path | None, figure: Path | None, docs: bool) -> None:
    """Write what was asked for."""
    if markdown:
        markdown.write_text(page(record), encoding="utf-8")
    counted = rows(results(record))
    for path in [figure, FIGURE if docs else None]:
        if path:
            peer_figure.save(counted, path)
    if docs:
        PAGE.write_text(page(record), encoding="utf-8")
        replace(ROOT / "docs" / "peers.md", "peers", summary(record))
        replace(ROOT / "docs" / "log" / "limits.md", "peers", behind(record))


def replace(path: Path, name: str, text: str) -> None:
    """Put text between the comments `<!-- name: begin -->` and `<!-- name: end -->` of a document.

    Raises ValueError where the document has no such comments.
    """
    document = path.read_text(encoding="utf-8")
    marks = re.compile(rf"(<!-- {name}: begin[^>]*-->\n).*?(<!-- {name}: end -->)", re.S)
    if not marks.search(document):
        raise ValueError(f"{path} has no part marked {name!r}")
    path.write_text(marks.sub(lambda m: m[1] + text.strip() + "\n" + m[2], document), encoding="utf-8")


def results(record: dict[str, Any]) -> list[Result]:
    """Give the answers of a record."""
    return [Result(**r) for r in record["results"]]


def page(record: dict[str, Any]) -> str:
    """Lay out everything."""
    counted = rows(results(record))
    parts = [
        "# The same gradients, the same mistakes, every checker",
        "Written by `" + COMMAND + "`; not edited by hand. " + when(record),
        method(record),
        "![For each tool, the shares of right gradients accepted and of wrong ones rejected.](../figures/peers.svg)",
        "## All entries",
        main_table(record, counted),
        notes(),
        "## By category",
        "False alarms / missed mistakes; a dash where there are none of either.",
        category_table(record),
        "## A mistake that nobody planted",
        published(record),
        "## Evaluations of f",
        cost_table(record),
        "## Seconds of a whole check",
        speed_table(record),
        "## The tools and their rules",
        tool_table(record),
        "## The corpus",
        corpus_table(record),
    ]
    return "\n\n".join(parts) + "\n"


def when(record: dict[str, Any]) -> str:
    """Say when and with which versions it ran, in a sentence."""
    both = [*record["tools"], *record["packages"]]
    installed = {t["package"]: t["version"] for t in both if t["version"] and t["package"] != OURS}
    versions = ", ".join(f"{package} {version}" for package, version in installed.items())
    return (
        f"Run on {record['date']}, Python {record['python']}, NumPy {record['numpy']}, {versions}; "
        f"{sum(r['seconds'] for r in record['results']) / 60:.0f} minutes of processor time in the checks."
    )


def method(record: dict[str, Any]) -> str:
    """Say what was done."""
    corpus = record["corpus"].values()
    right, wrong, kinks = (sum(c[kind] for c in corpus) for kind in (RIGHT, WRONG, KINK))
    settings = record["settings"]
    return (
        f"{right:,} right gradients and {wrong:,} wrong ones, each given to every tool with its defaults and in its "
        "documented use: the same f, the same x and the same gradient, all float64. A gradient counts as wrong where "
        "an entry is off by at least 0.2 % of its true value, or of the root mean square of its array if that is "
        "larger, and where the noise of f does not hide the mistake altogether. Mistakes of 0.1 % (0.05 to 0.2 %), "
        "which some tools accept by their documentation, and hidden ones stand apart. The choice of problems and "
        f"mistakes is drawn from a fixed seed, the same for all. {kinks} further points lie on a kink, where there is "
        f"no derivative. A check may take {settings['limit']:g} s of processor time, a tool {settings['budget']:g} s "
        "in all; the rest is *not finished*. An exception out of the tool is *crashed*. *Place named*: of the mistakes "
        "that were rejected, those where the tool told entries and every one of them is truly wrong."
    )


def notes() -> str:
    """Say what the last columns mean."""
    return (
        "*Inconclusive*: on right / on wrong gradients. *Crashed*, *not finished*: on both. *On a kink*: accepted a "
        "gradient where none exists. *0.1 %*, *hidden*: rejected among the mistakes of these kinds. Evaluations "
        "and seconds: of the checks of right and wrong gradients that came to an end, their median; all evaluations."
    )


def main_table(record: dict[str, Any], counted: Sequence[Row]) -> str:
    """Give a row a tool; those that are not installed say so."""
    of_tool = {r.tool: r for r in counted}
    lines = []
    for tool in record["tools"]:
        r = of_tool.get(tool["name"])
        if r is None:
            lines.append((tool["name"], "not installed", *[""] * 10))
            continue
        lines.append(
            (
                r.tool,
                _of(r.false_alarms, r.right),
                _of(r.missed, r.wrong),
                f"{r.inconclusive_right} / {r.inconclusive_wrong}",
                r.crashed,
                r.unfinished,
                _of(r.named, r.caught) if r.caught else "-",
                r.kinks,
                _of(r.fine, r.fine_asked),
                _of(r.hidden, r.hidden_asked),
                f"{r.median_nfev:.0f}; {r.total_nfev:,}",
                f"{1e3 * r.median_seconds:.1f}",
            )
        )
    header = ("checker", "false alarms", "missed", "inconclusive", "crashed", "not finished", "place named",
              "on a kink", "0.1 %", "hidden", "evaluations", "ms a check")  # fmt: skip
    return table(header, lines)


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole:,}"


def category_table(record: dict[str, Any]) -> str:
    """Give false alarms / misses, a row a category and a column a tool."""
    tools = [t["name"] for t in record["tools"] if t["version"]]
    lines = []
    for category, counted in by_category(results(record), CATEGORIES):
        of_tool = {r.tool: r for r in counted}
        first = counted[0]
        cells = [
            f"{r.false_alarms} / {r.missed}" if r.false_alarms or r.missed else "-"
            for r in (of_tool[t] for t in tools)
        ]
        lines.append((category, f"{first.right} / {first.wrong}", *cells))
    return table(("category", "right / wrong", *tools), lines)


def published(record: dict[str, Any]) -> str:
    """Say what the tools made of the derivative that is wrong in its release."""
    found = {r.tool: r for r in results(record) if r.mistake == AS_PUBLISHED}
    if not found:
        return "astropy was not installed."
    lines = [(name, r.verdict, "yes" if r.named else "no", r.nfev) for name, r in found.items()]
    version = next((t["version"] for t in record["packages"] if t["package"] == "astropy"), "")
    return (
        f"In astropy {version} the derivative of `Drude1D` with respect to its position, in `fit_deriv`, is wrong "
        "unless that position is 1: of x / x_0 - x_0 / x it takes -x / x_0 - 1 / x for -x / x_0^2 - 1 / x. The complex "
        "step of its own `evaluate` agrees with the latter. What the tools say of the gradient of a least-squares fit:"
        "\n\n" + table(("checker", "verdict", "place named", "evaluations"), lines)
    )


def cost_table(record: dict[str, Any]) -> str:
    """Compare evaluations with torch's slow mode, by n: on all right gradients, and on those that torch accepts."""
    said = results(record)
    if not costs(said, OURS, TORCH):
        return f"{TORCH} was not asked."
    accepted = {r.problem for r in said if r.tool == TORCH and r.verdict == ACCEPTED}
    parts = [
        f"{OURS} against {TORCH}, which takes 2n + 2 where it accepts and one less elsewhere, on the right gradients "
        "of the corpus where both answered: the median of the ratio of their evaluations, and the problems where no "
        "more were needed.",
        _costs([r for r in said if r.problem in accepted], "right gradients that torch accepts"),
        _costs(said, "all right gradients, those that torch rejects too"),
    ]
    return "\n\n".join(parts)


def _costs(said: Sequence[Result], what: str) -> str:
    lines = [
        (f"{c.low} to {c.high}", c.problems, f"{c.ratio:.2f}", f"{c.fewer} of {c.problems}")
        for c in costs(said, OURS, TORCH)
    ]
    return f"**{what.capitalize()}**\n\n" + table(("n", "problems", "ratio, median", "no more"), lines)


def speed_table(record: dict[str, Any]) -> str:
    """Compare seconds on one function, and their ratios."""
    cells: dict[tuple[str, str, int], dict[str, dict[str, Any]]] = {}
    for s in record["speed"]:
        cells.setdefault((s["cost"], s["numbers"], s["n"]), {})[s["tool"]] = s
    peers = [t for t in dict.fromkeys(s["tool"] for s in record["speed"]) if t != OURS]
    lines = []
    for (cost, numbers, n), by_tool in cells.items():
        own = by_tool[OURS]
        line = [cost, numbers, n, f"{1e3 * own['seconds']:.1f} ms, {own['nfev']}"]
        for peer in peers:
            other = by_tool[peer]
            line.append(f"{1e3 * other['seconds']:.1f} ms, {other['nfev']}")
            line.append(f"{own['seconds'] / other['seconds']:.2f}")
        lines.append(tuple(line))
    header = ["f", "numbers", "n", OURS, *(word for peer in peers for word in (peer, "ratio"))]
    intro = (
        "One NumPy function and its right gradient, in one process: time and evaluations of f; *ratio* is the time of "
        f"{OURS} over that of the peer. *1 ms*: every evaluation lasts a millisecond. *Real only*: f refuses complex "
        "numbers."
    )
    return intro + "\n\n" + table(header, lines)


def tool_table(record: dict[str, Any]) -> str:
    """Say how each tool's answer became a verdict."""
    lines = [
        (t["name"], t["version"] or "not installed", t["rule"].replace("|", "\\|")) for t in record["tools"]
    ]
    return table(("checker", "version", "accepts or rejects by"), lines)


def corpus_table(record: dict[str, Any]) -> str:
    """Count the entries."""
    lines = [(category, *counts.values()) for category, counts in record["corpus"].items()]
    lines.append(("all", *(sum(column) for column in zip(*(line[1:] for line in lines), strict=True))))
    kinds = ("right", "wrong", "0.1 % wrong", "hidden", "no derivative")
    return table(("category", *kinds), lines)


def summary(record: dict[str, Any]) -> str:
    """Give what docs/peers.md shows."""
    counted = {r.tool: r for r in rows(results(record))}
    lines = []
    for tool in record["tools"]:
        r = counted.get(tool["name"])
        name = f"**{OURS}**" if tool["name"] == OURS else tool["name"]
        if r is None:
            lines.append((name, *["not installed"] * 6))
            continue
        lines.append(
            (
                name,
                r.false_alarms,
                r.missed,
                f"{r.inconclusive_right} / {r.inconclusive_wrong}",
                f"{r.crashed} / {r.unfinished}",
                r.named,
                f"{r.median_nfev:.0f}",
                f"{1e3 * r.median_seconds:.1f}",
            )
        )
    first = counted[OURS]
    header = ("checker", "false alarms", "missed", "inconclusive", "crashed / not finished", "place named",
              "evaluations", "ms")  # fmt: skip
    return (
        f"{first.right:,} right gradients and {first.wrong:,} wrong ones (by 0.2 % or more), given to every checker "
        "with its own defaults: clean functions and noisy, rounded, float32, badly scaled, oscillating, kinked ones, "
        "networks, and derivatives published in SciPy, scikit-learn, statsmodels, astropy and ASE.\n\n"
        + table(header, lines)
        + "\n\n*Inconclusive*: on right / on wrong gradients. Evaluations of f and milliseconds: medians of a check. "
        + when(record)
        + f" Again: `{COMMAND}`. [All entries](log/peers.md), and [where a peer does better]"
        "(log/limits.md#where-a-peer-does-better)."
    )


def behind(record: dict[str, Any]) -> str:
    """List where a peer does better."""
    found = better(results(record), OURS)
    order = {c: k for k, c in enumerate(CATEGORIES)}
    found = sorted(found, key=lambda b: (order[b.category], b.kind != RIGHT, b.problem))
    of_kind = {kind: [b for b in found if b.kind == kind] for kind in (RIGHT, WRONG, FINE, KINK)}
    wrong, fine = (sum(len(b.mistakes) for b in of_kind[kind]) for kind in (WRONG, FINE))
    parts = [
        f"From the run of {record['date']}: on {len(of_kind[RIGHT])} right gradients, {wrong} wrong ones and {fine} "
        f"that are wrong by 0.1 % a peer gives the right answer and `{OURS}` does not. Behind each peer is the number "
        "of this problem's gradients, right and wrong, on which it is right: one that accepts everything is right on "
        "the right one alone."
    ]
    for kind, title in (
        (RIGHT, "Right gradients"),
        (WRONG, "Wrong gradients"),
        (FINE, "Wrong by 0.1 %"),
        (KINK, "On a kink"),
    ):
        if of_kind[kind]:
            parts.append(
                f"### {title}\n\n" + _better_table(of_kind[kind], with_mistakes=kind in (WRONG, FINE))
            )
    parts.append("### Fewer evaluations, and just as right\n\n" + _cheaper(record))
    return "\n\n".join(parts)


def _better_table(found: Sequence[Better], *, with_mistakes: bool) -> str:
    lines = []
    for b in found:
        peers = ", ".join(f"{name} ({right} of {asked})" for name, right, asked in b.peers)
        mistakes = (", ".join(b.mistakes),) if with_mistakes else ()
        lines.append((b.problem, b.category, b.said, *mistakes, _short(b.words), peers))
    header = (
        "problem",
        "category",
        OURS,
        *(("mistakes",) if with_mistakes else ()),
        "its words",
        "peers that are right",
    )
    return "\n".join(line.replace("---:", "---") for line in table(header, lines).splitlines())


def _short(words: str) -> str:
    said = re.split(r"; (?:the gradient lies|what f shows|nothing is known|the gradient is not)", words)[0]
    # Of params["W"][2, 1] the second half would be a link.
    return said.replace("|", "\\|").replace("][", "]\\[")[:120]


def _cheaper(record: dict[str, Any]) -> str:
    """Count, by n, the right gradients that a peer accepts with fewer evaluations."""
    answered = [r for r in results(record) if r.kind == RIGHT and r.correct]
    own = {r.problem: r for r in answered if r.tool == OURS}
    lines = []
    for tool in (t["name"] for t in record["tools"] if t["name"] != OURS and t["version"]):
        mine = [r for r in answered if r.tool == tool and r.problem in own]
        cells = []
        for low, high in ((1, 9), (10, 30), (31, 100), (101, 10**9)):
            within = [r for r in mine if low <= r.n <= high]
            cells.append(f"{sum(r.nfev < own[r.problem].nfev for r in within)} of {len(within)}")
        lines.append((tool, *cells))
    intro = "Right gradients that both accept: those where the peer needs fewer evaluations of f, by n."
    return intro + "\n\n" + table(("checker", "n = 1 to 9", "10 to 30", "31 to 100", "above 100"), lines)
