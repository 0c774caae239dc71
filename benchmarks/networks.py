"""What checking a whole network costs, what it proves, and what it finds.

    python -m benchmarks.networks [--quick] [--data DIR] [--sections NAME ...] [--json FILE] [--seed N]

On the chapter's 784-50-10 network with 100 real digits, and on generated ones of 1e3 to 1e7 parameters. Sections:
right, one, ten, shapes, scaling. Prints Markdown. Peers get the same network in `benchmarks.peers`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import gradcheck
from benchmarks import nets
from benchmarks.nets import Net, Planted
from benchmarks.verdicts import table
from gradcheck.results.certificate import Region

SECTIONS = ("right", "one", "ten", "shapes", "scaling")
SIZES = (10**3, 10**4, 10**5, 10**6, 10**7)
SHAPES = (nets.row, nets.column, nets.block, nets.whole, nets.opposite_pair)


@dataclass(frozen=True)
class Certified:
    """One check of the right gradient."""

    loss: str
    resolution: float | None
    outcome: str
    nfev: int
    bound: float
    seconds: float


@dataclass(frozen=True)
class Trial:
    """One check of a wrong gradient.

    named : every planted entry that matters, alone or in a region. false : entries or regions that are right.
    """

    loss: str
    kind: str
    outcome: str
    nfev: int
    named: bool
    false: int
    seconds: float


@dataclass(frozen=True)
class Scale:
    """One network of n parameters: what the right gradient and one wrong entry cost; peak memory of the process.

    own : seconds less those inside f and grad.
    """

    n: int
    right: str
    right_nfev: int
    right_own: float
    wrong: str
    named: bool
    wrong_nfev: int
    wrong_own: float
    f_seconds: float
    peak_bytes: int
    baseline_bytes: int


def losses(net: Net) -> dict[str, Callable[..., Any]]:
    """The loss as it is, which takes complex numbers, and one that refuses them."""
    return {"as it is": net.loss, "real numbers only": nets.real_only(net.loss)}


def certify(net: Net, resolution: float | None, seed: int) -> list[Certified]:
    """Check the right gradient with both losses."""
    found = []
    for name, loss in losses(net).items():
        report = gradcheck.check_gradient(loss, net.gradient, net.params, resolution=resolution, rng=seed)
        bound = report.certificate.relative_to_rms if report.certificate else np.inf
        found.append(Certified(name, resolution, report.outcome.value, report.nfev, bound, report.seconds))
    return found


def attempt(net: Net, loss: str, kind: str, planted: Planted, seed: int) -> Trial:
    """Check a wrong gradient, and see what was named."""
    report = gradcheck.check_gradient(losses(net)[loss], planted.gradient, net.params, rng=seed)
    names = {wrong.name for wrong in report.wrong}
    regions = [entries_of(net, region) for region in report.evidence.regions if region.throughout]
    located = names.union(*regions)
    # A region is rightly called wrong where most of what may be wrong in it is: entries of 0 stay 0.
    false = len(names - planted.entries) + sum(
        len(region & planted.entries) <= len(region) / 2 for region in regions
    )
    return Trial(
        loss, kind, report.outcome.value, report.nfev, planted.matter <= located, false, report.seconds
    )


def entries_of(net: Net, region: Region) -> set[str]:
    """The entries of a region, other than zeros."""
    array = next(name for name in net.params if f'["{name}"]' in region.block.name)
    filled = np.zeros(net.gradient[array].shape, bool)
    filled[tuple(slice(start, stop) for start, stop in region.box.ranges)] = True
    places = np.argwhere(filled & (net.gradient[array] != 0))
    return {nets.entry_name(array, tuple(index)) for index in places.tolist()}


def trials(net: Net, kind: str, plant: Callable[..., Planted], count: int, seed: int) -> list[Trial]:
    """The same mistakes with both losses."""
    found = []
    for k in range(count):
        planted = plant(net, np.random.default_rng([seed, k]))
        found += [attempt(net, loss, kind, planted, seed + k) for loss in losses(net)]
    return found


def scale(n: int, seed: int) -> Scale:
    """Check a generated network of about n parameters, right and with one entry wrong by 0.1 %."""
    baseline = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    net = nets.generated(n, seed)
    size = np.abs(net.gradient["W1"])
    # Of the largest array, and of a middling size.
    where = np.unravel_index(np.argmin(np.abs(size - np.sqrt(np.mean(size**2)))), size.shape)
    planted = nets.scaled(net, [("W1", where)], 1.001)
    net.evaluated(net.params)
    cost = net.evaluated.seconds
    rows = []
    for gradient in (net.gradient, planted.gradient):
        before = net.evaluated.seconds
        report = gradcheck.check_gradient(net.evaluated, gradient, net.params, rng=seed)
        rows.append((report, report.seconds - (net.evaluated.seconds - before)))
    (right, right_own), (wrong, wrong_own) = rows
    named = {w.name for w in wrong.wrong} == planted.entries
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Scale(
        net.size, right.outcome.value, right.nfev, right_own, wrong.outcome.value, named, wrong.nfev, wrong_own,
        cost, 1024 * peak, 1024 * baseline,
    )  # fmt: skip


def scales(sizes: Sequence[int], seed: int) -> list[Scale]:
    """Each size in a process of its own, so that its peak memory is its own."""
    found = []
    for n in sizes:
        command = [sys.executable, "-m", "benchmarks.networks", "--one-size", str(n), "--seed", str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append(Scale(**json.loads(done.stdout)))
    return found


def right_table(found: Sequence[Certified]) -> str:
    """Certificates of the right gradient, a row a loss and resolution."""
    rows = []
    for loss, resolution in dict.fromkeys((c.loss, c.resolution) for c in found):
        mine = [c for c in found if (c.loss, c.resolution) == (loss, resolution)]
        nfev = [c.nfev for c in mine]
        within = [sum(c.bound < b and c.nfev <= k for c in mine) for b, k in ((1e-5, 200), (1e-6, 400))]
        passed = sum(c.outcome == "PASS" for c in mine)
        worst = f"{max(c.bound for c in mine):.1e}"
        asked = resolution or "default (1e-3)"
        rows.append((loss, asked, len(mine), passed, f"{np.median(nfev):.0f}", max(nfev), worst, *within))
    header = ("loss", "resolution", "checks", "PASS", "evaluations, median", "most", "largest bound",
              "below 1e-5 within 200", "below 1e-6 within 400")  # fmt: skip
    return table(header, rows)


def trial_table(found: Sequence[Trial]) -> str:
    """Mistakes, a row a kind and loss."""
    rows = []
    for key in dict.fromkeys((t.kind, t.loss) for t in found):
        mine = [t for t in found if (t.kind, t.loss) == key]
        nfev = [t.nfev for t in mine]
        failed, named = sum(t.outcome == "FAIL" for t in mine), sum(t.named for t in mine)
        cost = (f"{np.median(nfev):.0f}", f"{np.quantile(nfev, 0.95):.0f}", max(nfev))
        rows.append((*key, len(mine), failed, named, sum(t.false > 0 for t in mine), *cost))
    header = (
        "mistake",
        "loss",
        "trials",
        "FAIL",
        "named",
        "falsely named",
        "evaluations, median",
        "95 %",
        "most",
    )
    return table(header, rows)


def scale_table(found: Sequence[Scale]) -> str:
    """Cost against the number of parameters."""
    rows = []
    for s in found:
        right = (s.right, s.right_nfev, f"{s.right_own:.3f}")
        wrong = (s.wrong, "yes" if s.named else "no", s.wrong_nfev, f"{s.wrong_own:.3f}")
        memory = (f"{(s.peak_bytes - s.baseline_bytes) / (8 * s.n):.0f}", f"{s.peak_bytes / 2**30:.2f}")
        rows.append((f"{s.n:,}", *right, *wrong, f"{1e3 * s.f_seconds:.2f}", *memory))
    header = ("parameters", "right", "evaluations", "own seconds", "one wrong", "named", "evaluations", "own seconds",
              "ms a loss", "peak memory / x", "GiB")  # fmt: skip
    return table(header, rows)


def run(sections: Sequence[str], *, quick: bool, data: Path | None, seed: int) -> dict[str, Any]:
    """Run and print the sections; returns what was recorded."""
    net = nets.chapter(data, seed)
    record: dict[str, Any] = {"source": net.source, "parameters": net.size}
    print(f"The chapter's network: {net.size:,} parameters, 100 digits of {net.source}.\n", flush=True)
    if "right" in sections:
        repeats = 3 if quick else 30
        right = [c for r in (None, 1e-5, 1e-6) for k in range(repeats) for c in certify(net, r, seed + k)]
        record["right"] = [asdict(c) for c in right]
        print("## Right gradients\n\n" + right_table(right) + "\n", flush=True)
    wrong: list[Trial] = []
    if "one" in sections:
        wrong += trials(
            net, "one entry, 0.1 %", lambda n, g: nets.entries(n, g, 1), 5 if quick else 200, seed
        )
    if "ten" in sections:
        wrong += trials(
            net, "ten entries, 0.1 %", lambda n, g: nets.entries(n, g, 10), 2 if quick else 100, seed
        )
    if "shapes" in sections:
        for plant in SHAPES:
            name = plant.__name__.replace("_", " ")
            wrong += trials(net, name, plant, 2 if quick else 20, seed)
    if wrong:
        record["wrong"] = [asdict(t) for t in wrong]
        print("## Mistakes\n\n" + trial_table(wrong) + "\n", flush=True)
    if "scaling" in sections:
        found = scales(SIZES[:3] if quick else SIZES, seed)
        record["scaling"] = [asdict(s) for s in found]
        print("## Cost against the number of parameters\n\n" + scale_table(found) + "\n", flush=True)
    return record


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few trials of each kind")
    parser.add_argument(
        "--data", type=Path, help="folder with the four MNIST files; default: the embedded digits"
    )
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--json", type=Path, help="write everything that was recorded")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one-size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one_size:
        print(json.dumps(asdict(scale(options.one_size, options.seed))))
        return 0
    started = time.perf_counter()
    record = run(options.sections, quick=options.quick, data=options.data, seed=options.seed)
    print(f"{time.perf_counter() - started:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(record, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
