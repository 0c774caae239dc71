"""The same gradients and the same mistakes, given to every checker.

    python -m benchmarks.peers [--quick] [--json FILE] [--markdown FILE] [--figure FILE] [--docs]

The corpus is that of `peer_corpus`, the tools are those of `peer_tools`; one that is not installed has a row that says
so. Every tool runs in a process of its own, `--jobs` of them at a time, one thread each. A check may take `--limit`
seconds of processor time, a tool `--budget` in all; what is over that is counted as not finished, as is every further
gradient of a problem on which the tool was too late once. --docs writes docs/log/peers.md, its figure, and the marked
parts of docs/peers.md and docs/log/limits.md. --from FILE takes the answers of an earlier run instead of asking again;
with --tools it asks these tools again, and takes only the others' answers from there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import peer_corpus, peer_docs, peer_speed
from benchmarks.peer_corpus import Entry
from benchmarks.peer_counts import Result
from benchmarks.peer_tools import TOOLS, Answer, Question, Tool, ask, installed, installed_version, version
from benchmarks.peer_tools.model import CRASHED, INCONCLUSIVE, REJECTED, UNFINISHED

# A few tools make an n x n matrix of their points; they are told that there is no memory rather than taking it all.
MEMORY = 8 * 2**30
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PACKAGES = ("scikit-learn", "statsmodels", "astropy", "ase")  # those whose derivatives are checked
RUN_DRY = Answer(UNFINISHED, None, "", 0, 0.0)


def answers(tool: Tool, entries: Sequence[Entry], limit: float, budget: float) -> Any:
    """Yield a tool's answer to every entry, in their order."""
    end = time.process_time() + budget
    too_slow: set[str] = set()
    for entry in entries:
        p = entry.problem
        if p.name in too_slow or time.process_time() > end:
            yield RUN_DRY
            continue
        answer = ask(tool, Question(p.f, p.x, entry.gradient), limit)
        if answer.verdict == UNFINISHED:
            too_slow.add(p.name)
        yield answer


def result(tool: Tool, entry: Entry, answer: Answer) -> Result:
    """Put an answer beside what was asked."""
    named = answer.verdict == REJECTED and bool(answer.places) and set(answer.places or ()) <= entry.places
    p = entry.problem
    words = answer.words if answer.verdict in (CRASHED, INCONCLUSIVE) else ""
    return Result(
        tool.name, p.name, p.category, entry.kind, entry.mistake, p.n, answer.verdict, named, answer.nfev,
        answer.seconds, words,
    )  # fmt: skip


def work(options: argparse.Namespace) -> None:
    """Ask one tool everything, in this process; a line of JSON an answer."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    tool, entries = TOOLS[options.worker], peer_corpus.entries(options.seed, quick=options.quick)
    peer_speed.warm(tool)
    for entry, answer in zip(entries, answers(tool, entries, options.limit, options.budget), strict=True):
        sys.stdout.write(json.dumps(asdict(result(tool, entry, answer))) + "\n")
        sys.stdout.flush()


def ask_all(options: argparse.Namespace, tools: Sequence[Tool], entries: Sequence[Entry]) -> list[Result]:
    """Ask every tool in a process of its own, and collect what they say."""
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    found: dict[str, list[Result]] = {tool.name: [] for tool in tools}
    columns = (TextColumn("{task.description:26}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress, ThreadPoolExecutor(options.jobs) as pool:
        lock = threading.Lock()

        def run(tool: Tool) -> None:
            with lock:
                bar = progress.add_task(tool.name, total=len(entries))
            command = [sys.executable, "-m", "benchmarks.peers", "--worker", tool.name, *_passed_on(options)]
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
            ) as process:
                assert process.stdout is not None
                assert process.stderr is not None
                errors: list[str] = []
                reader = threading.Thread(target=lambda stream: errors.extend(stream), args=(process.stderr,))
                reader.start()
                for line in process.stdout:
                    found[tool.name].append(Result(**json.loads(line)))
                    progress.advance(bar)
                reader.join()
            # What a process that ended early did not get to is lost with it.
            gone = Answer(CRASHED, None, "the process ended: " + "".join(errors[-1:]).strip(), 0, 0.0)
            missing = entries[len(found[tool.name]) :]
            found[tool.name] += [result(tool, entry, gone) for entry in missing]

        list(pool.map(run, tools))
    return [r for tool in tools for r in found[tool.name]]


def _passed_on(options: argparse.Namespace) -> list[str]:
    numbers = ["--seed", str(options.seed), "--limit", str(options.limit), "--budget", str(options.budget)]
    return [*numbers, *(["--quick"] if options.quick else [])]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run everything; the record that is written as JSON, and from which the tables are made."""
    started = time.perf_counter()
    chosen = [TOOLS[name] for name in options.tools or TOOLS]
    entries = peer_corpus.entries(options.seed, quick=options.quick)
    present = [tool for tool in chosen if installed(tool)]
    results = ask_all(options, present, entries)
    speed = peer_speed.measure(quick=options.quick)
    return {
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "packages": [{"package": name, "version": installed_version(name)} for name in PACKAGES],
        "settings": {k: getattr(options, k) for k in ("seed", "quick", "limit", "budget", "jobs")},
        "tools": [
            {"name": t.name, "package": t.package, "version": version(t), "rule": t.rule} for t in chosen
        ],
        "corpus": peer_corpus.counted(entries),
        "results": [asdict(r) for r in results],
        "speed": [asdict(s) for s in speed],
        "seconds": time.perf_counter() - started,
    }


def merged(earlier: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Put what some tools say now into the record of an earlier run, in the place of what they said then.

    Raises ValueError where the two runs did not ask the same.
    """
    if earlier["corpus"] != now["corpus"]:
        raise ValueError("the earlier run had other entries: every tool must be asked again")
    again = {t["name"] for t in now["tools"]}
    answers = [r for r in earlier["results"] if r["tool"] not in again] + now["results"]
    tools = {t["name"]: t for t in (*earlier["tools"], *now["tools"])}
    order = list(tools)
    return {
        **now,
        "tools": list(tools.values()),
        "results": sorted(answers, key=lambda r: order.index(r["tool"])),
        "seconds": earlier["seconds"],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a fifth of the problems, a few mistakes")
    parser.add_argument(
        "--tools", nargs="+", choices=list(TOOLS), metavar="TOOL", help=f"of: {', '.join(TOOLS)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="every entry and answer")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the tables")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="a bar chart, png or svg")
    parser.add_argument(
        "--docs", action="store_true", help="write docs/log/peers.md and the marked parts of two others"
    )
    parser.add_argument("--from", dest="earlier", type=Path, metavar="FILE", help="JSON of an earlier run")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds for one check")
    parser.add_argument("--budget", type=float, default=400.0, help="seconds for one tool")
    parser.add_argument("--jobs", type=int, default=2, help="tools at a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", choices=list(TOOLS), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    # Functions warn near the edge of their domain, and scikit-learn of a fit that is not finished.
    warnings.simplefilter("ignore")
    if options.worker:
        work(options)
        return 0
    earlier = json.loads(options.earlier.read_text(encoding="utf-8")) if options.earlier else None
    record = earlier if earlier and not options.tools else measure(options)
    if earlier and options.tools:
        record = merged(earlier, record)
    if options.json:
        options.json.write_text(json.dumps(record, indent=0), encoding="utf-8")
    peer_docs.write(record, markdown=options.markdown, figure=options.figure, docs=options.docs)
    sys.stdout.write(peer_docs.page(record) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
