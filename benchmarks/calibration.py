"""Whether what the toolkit states about itself is true: error bars against true errors, chances against shares.

    python -m benchmarks.calibration [--quick] [--json FILE] [--figures FOLDER]

Error bars: `gradcheck.derivative` and `gradcheck.gradient` on the corpus of benchmarks/verdicts.py. Certificates: wrong
gradients and Jacobians of quadratic functions along random directions, and how often a bound that is proved at a stated
confidence, of all rows at any look, lies below the true error; the same of whole reports. The short way: gradients of a
few entries that are wrong by what noise may hide, and how often one passes that the report says would have been seen.
Prints Markdown tables; with --figures draws those of docs/calibration.md. Needs mpmath, and scikit-learn and
statsmodels unless --no-libraries.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from scipy import stats

import gradcheck
from benchmarks import corpus, trials
from benchmarks.corpus.disturbed import noisy
from benchmarks.trials import Bar
from benchmarks.verdicts import plain, table
from gradcheck.evidence.plain_differences import LUCK
from gradcheck.function.arithmetic import own_arithmetic
from gradcheck.function.matrix import Dense
from gradcheck.function.objective import Objective
from gradcheck.joint.directions import Directions
from gradcheck.joint.forecast import MOST
from gradcheck.numerics.problem import Problem, scaling_of
from gradcheck.parameters.tree import Parameters
from gradcheck.results.certificate import bound_of
from gradcheck.results.verdict import Tolerance

CHANCES = (0.5, 0.1, 0.01, 0.001)
# What is planted, from n and a Generator: the error of each entry, in units of the root mean square entry.
ERRORS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "two entries, equal and opposite": lambda n, rng: _some(n, rng, np.array([1.0, -1.0])),
    "ten entries": lambda n, rng: _some(n, rng, rng.normal(size=10)),
    "all entries": lambda n, rng: rng.normal(size=n),
    "one entry": lambda n, rng: _some(n, rng, np.ones(1)),
}


@dataclass(frozen=True)
class Share:
    """How often a bound was too small, of how many trials, where `stated` is the chance that was stated for it."""

    kind: str
    stated: float
    missed: int
    trials: int

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true chance lies, by 95 % (Clopper and Pearson 1934)."""
        found = stats.binomtest(self.missed, self.trials).proportion_ci(0.95, "exact")
        return float(found.low), float(found.high)

    @property
    def refuted(self) -> bool:
        """Whether so many misses would come by chance in less than one of a million, were the statement true."""
        return bool(stats.binom.sf(self.missed - 1, self.trials, self.stated) < 1e-6)


def _some(n: int, rng: np.random.Generator, sizes: np.ndarray) -> np.ndarray:
    error = np.zeros(n)
    error[rng.choice(n, sizes.size, replace=False)] = sizes
    return error


def quadratic(
    n: int, rng: np.random.Generator
) -> tuple[Callable[[np.ndarray], float], np.ndarray, np.ndarray]:
    """f(x) = w . x^2 / 2, for which central differences have no truncation; a point, and the gradient there."""
    weights = rng.uniform(0.5, 2.0, n)
    x = rng.choice([-1.0, 1.0], n) * rng.uniform(0.5, 2.0, n)
    return lambda x: float(weights @ x**2) / 2, x, weights * x


def reports_against_errors(kind: str, count: int, n: int, seed: int) -> list[Share]:
    """Check gradients that are wrong within a lax tolerance: how many reports certify less than their true error."""
    found = []
    for chance in CHANCES:
        rng = np.random.default_rng([seed, n, len(kind), int(1 / chance)])
        f, x, gradient = quadratic(n, rng)
        missed = 0
        for _ in range(count):
            error = ERRORS[kind](n, rng)
            error *= 5e-2 * np.sqrt(np.mean(gradient**2) / np.count_nonzero(error))
            report = gradcheck.check_gradient(
                f, gradient + error, x, method="directions",
                rtol=0.3, resolution=0.9, confidence=1 - chance, rng=int(rng.integers(2**62)),
            )  # fmt: skip
            truth = np.linalg.norm(error) / np.sqrt(np.mean((gradient + error) ** 2))
            missed += report.certificate is not None and report.certificate.relative_to_rms < truth
        found.append(Share(kind, chance, int(missed), count))
    return found


def quadratic_map(
    m: int, n: int, rng: np.random.Generator
) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray, np.ndarray]:
    """m functions as `quadratic`, of sizes from 1e-3 to 1e3; a point, and the Jacobian (m, n) there."""
    weights = rng.uniform(0.5, 2.0, (m, n)) * 10.0 ** rng.uniform(-3, 3, (m, 1))
    x = rng.choice([-1.0, 1.0], n) * rng.uniform(0.5, 2.0, n)
    return lambda x: weights @ x**2 / 2, x, weights * x


def _wrong_row(kind: str, jacobian: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An error of this kind in one row, of the norm of a twentieth of its root mean square entry times root n.

    Of several rows the worst bound is told: what right ones add to that is far less, and covers nothing.
    """
    error, row = np.zeros_like(jacobian), int(rng.integers(len(jacobian)))
    error[row] = ERRORS[kind](jacobian.shape[1], rng)
    return 5e-2 * error * np.sqrt(np.mean(jacobian[row] ** 2) / np.count_nonzero(error[row]))


@own_arithmetic
def rows_against_errors(kind: str, count: int, m: int, n: int, seed: int) -> list[Share]:
    """Measure a wrong Jacobian along up to eight directions, `count` times, with a bound of all rows after each.

    The chance that is stated is of all looks together: the worst bound of any row below the worst error is a miss.
    """
    rng = np.random.default_rng([seed, m, n, len(kind)])
    f, x, jacobian = quadratic_map(m, n, rng)
    parameters, flat = Parameters.of(x)
    objective, scales = Objective(f, parameters, several=True), parameters.scales(flat)
    objective.at(x)
    missed = np.zeros(len(CHANCES), int)
    for _ in range(count):
        error = _wrong_row(kind, jacobian, rng)
        problem = Problem(
            objective,
            flat,
            f(x),
            scales,
            Tolerance(1e-6),
            None,
            float(np.finfo(float).eps),
            matrix=Dense(jacobian + error),
        )
        scaling = scaling_of(problem, np.zeros(n, bool))
        along = Directions(problem, scaling, rng, exact=False, fixed=np.zeros(m, bool))
        first = along.first(None)
        assert first is not None
        most = np.array([first.most, *(along.next([first]).most for _ in range(MOST - 1))])
        truth = np.max(np.linalg.norm(error * scaling.lengths, axis=1) / along.sizes)
        for k, chance in enumerate(CHANCES):
            bounds = [np.max(bound_of(most[:look], chance) / along.sizes) for look in range(1, MOST + 1)]
            missed[k] += bool(np.min(bounds) < truth)
    return [Share(kind, c, int(k), count) for c, k in zip(CHANCES, missed, strict=True)]


def jacobian_reports_against_errors(kind: str, count: int, m: int, n: int, seed: int) -> list[Share]:
    """Check Jacobians that are wrong within a lax tolerance: how many reports certify less than some row's error.

    A report without a certificate states nothing, and is no trial.
    """
    found = []
    for chance in CHANCES:
        rng = np.random.default_rng([seed, m, n, len(kind), int(1 / chance)])
        f, x, jacobian = quadratic_map(m, n, rng)
        missed = trials = 0
        for _ in range(count):
            wrong = jacobian + _wrong_row(kind, jacobian, rng)
            report = gradcheck.check_jacobian(
                f, wrong, x, method="directions",
                rtol=0.3, resolution=0.9, confidence=1 - chance, rng=int(rng.integers(2**62)),
            )  # fmt: skip
            truth = np.linalg.norm(wrong - jacobian, axis=1) / np.sqrt(np.mean(wrong**2, axis=1))
            if report.certificate is not None:
                trials += 1
                missed += int(report.certificate.relative_to_rms < truth.max())
        found.append(Share(kind, chance, missed, trials))
    return found


def luck_against_errors(n: int, noise: float, count: int, seed: int, offset: float = 0.0) -> Share:
    """Check gradients of a noisy f, each with one entry wrong by 1e-6 to 1e-4: how many the short way passes.

    offset : a constant beside f, by which its digits show a rounding; mistakes are then ten times as large.
    One that passes in 2n + 1 evaluations, with a mistake above `detectable`, is missed by luck.
    """
    largest = -3 if offset else -4
    missed = 0
    for k in range(count):
        rng = np.random.default_rng([seed, n, k])
        x, at = rng.uniform(0.5, 2.0, n), int(rng.integers(n))
        gradient = np.exp(x)
        unit = max(gradient[at], np.sqrt(np.mean(gradient**2)))
        size = 10.0 ** rng.uniform(largest - 2, largest)
        gradient[at] += size * unit * rng.choice([-1.0, 1.0])
        f = noisy(noise)(lambda x: float(np.sum(np.exp(x))))
        report = gradcheck.check_gradient(lambda x, f=f: f(x) + offset, gradient, x, rng=k)
        missed += (
            report.outcome is gradcheck.Outcome.PASS and report.nfev == 2 * n + 1 and size > report.detectable
        )
    what = f"{n} {'entry' if n == 1 else 'entries'}, noise {noise:.0e}"
    return Share(f"{what}, beside {offset:.0e}" if offset else what, LUCK, missed, count)


def measure_bars(*, quick: bool, with_libraries: bool, seed: int) -> list[Bar]:
    """Every derivative of the corpus that has a true value and a finite bar."""
    problems, pairs = corpus.problems(with_libraries=with_libraries), corpus.pairs()
    if quick:
        problems, pairs = [p for p in problems if p.n <= 30], pairs[::4]
    # Functions near the edge of their domain overflow; that is their business.
    with np.errstate(all="ignore"):
        bars = [*trials.measure_pairs(pairs), *trials.measure_gradients(problems, seed)]
    return [bar for bar in bars if np.isfinite(bar.bar)]


def ratios(bars: Sequence[Bar]) -> np.ndarray:
    """True error over E; 0 where both are 0."""
    error, bar = np.array([b.error for b in bars]), np.array([b.bar for b in bars])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0, 0.0, error / bar)


def by_category(bars: Sequence[Bar]) -> dict[str, list[Bar]]:
    """In the order of the corpus, with all of them last."""
    groups = {c: [b for b in bars if b.category == c] for c in corpus.CATEGORIES}
    return {c: group for c, group in groups.items() if group} | {"all": list(bars)}


def bar_table(bars: Sequence[Bar]) -> str:
    """Shares inside E and 3 E, and quantiles of error / E."""
    rows = []
    for category, group in by_category(bars).items():
        ratio = ratios(group)
        inside = [f"{100 * np.mean(ratio <= k):.2f} %" for k in (1.0, 3.0)]
        rows.append((category, f"{len(group):,}", *inside, f"{np.median(ratio):.2g}", f"{ratio.max():.2g}"))
    return table(("error bars", "values", "inside E", "inside 3 E", "error / E, median", "largest"), rows)


def share_table(title: str, shares: Sequence[Share]) -> str:
    """Stated and observed chances."""
    rows = []
    for kind in dict.fromkeys(s.kind for s in shares):
        mine = [s for s in shares if s.kind == kind]
        alike = len({s.trials for s in mine}) == 1
        observed = [
            f"{100 * s.missed / max(s.trials, 1):.3g} % ({s.missed}{'' if alike else f' of {s.trials:,}'})"
            for s in mine
        ]
        rows.append((kind, f"{max(s.trials for s in mine):,}", *observed))
    return table((title, "trials", *(f"stated {100 * c:g} %" for c in CHANCES)), rows)


def draw_bars(bars: Sequence[Bar], figure: Figure) -> None:
    """Left: bar against error, both over the scale of the derivative. Right: error / E by category."""
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    scaled = [b for b in bars if b.scale > 0 and np.isfinite(b.scale) and b.bar > 0]
    x = np.array([b.bar / b.scale for b in scaled])
    # Errors of exactly 0, and those below what float64 holds, are drawn at the lower edge.
    low, high = 1e-19, 10.0
    y = np.clip([b.error / b.scale for b in scaled], low, high)
    counts = left.hexbin(
        np.clip(x, 1e-17, high), y, xscale="log", yscale="log", bins="log", gridsize=48,
        mincnt=1, cmap="cividis_r", linewidths=0.1,
    )  # fmt: skip
    figure.colorbar(counts, ax=left, label="derivatives")
    line = np.array([1e-17, high])
    for factor, style, name in ((3.0, "-", "3 E: what is promised"), (1.0, "--", "E")):
        left.plot(line, factor * line, style, color="#d55e00", linewidth=1.2, label=name)
    left.set(
        xlim=(1e-17, high), ylim=(low, high), xlabel="stated error bar E / scale", ylabel="true error / scale"
    )
    left.legend(loc="upper left", fontsize="small")
    groups = by_category(bars)
    for k, group in enumerate(groups.values()):
        ratio = np.maximum(ratios(group), 1e-4)
        middle, nearly = np.quantile(ratio, [0.5, 0.995])
        right.plot([middle, nearly], [k, k], color="#0072b2", linewidth=5, solid_capstyle="butt", alpha=0.45)
        right.plot(middle, k, "|", color="#0072b2", markersize=12, markeredgewidth=2)
        right.plot(ratio.max(), k, "o", color="black", markersize=3.5)
    right.axvline(3.0, color="#d55e00", linewidth=1.2)
    right.axvline(1.0, color="#d55e00", linewidth=1.2, linestyle="--")
    labels = [f"{name} ({len(group):,})" for name, group in groups.items()]
    right.set_yticks(range(len(groups)), labels)
    right.invert_yaxis()
    right.set(xscale="log", xlim=(8e-5, 30), xlabel="true error / E: median, 99.5 % quantile, largest")


def draw_shares(shares: Sequence[Share], figure: Figure) -> None:
    """Observed against stated chance, a marker and a colour for each kind of error."""
    axes = figure.subplots()
    axes.plot([1e-4, 1], [1e-4, 1], color="black", linewidth=1, label="observed = stated")
    looks = zip(("o", "s", "^", "D"), ("#d55e00", "#0072b2", "#009e73", "#cc79a7"), strict=True)
    for place, (kind, (marker, color)) in enumerate(zip(ERRORS, looks, strict=False)):
        mine = [s for s in shares if s.kind == kind]
        # Side by side, so that no interval hides another; what was never seen has no marker, only its upper end.
        x = np.array([s.stated * 1.12 ** (place - 1.5) for s in mine])
        share = np.array([s.missed / s.trials for s in mine])
        low, high = np.array([s.interval for s in mine]).T
        axes.vlines(x, np.maximum(low, 1e-5), high, color=color, linewidth=1.2)
        axes.plot(x, high, "_", color=color, markersize=7)
        seen = share > 0
        axes.plot(x[seen], share[seen], marker, color=color, markersize=6, linestyle="")
        axes.plot(
            [], [], marker if seen.any() else "_", color=color, label=kind if seen.any() else f"{kind}: never"
        )
    axes.set(xscale="log", yscale="log", xlim=(5e-4, 1), ylim=(1e-5, 1))
    axes.set(xlabel="stated chance that the bound is too small", ylabel="observed share")
    axes.legend(fontsize="small")


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write an SVG that is the same text each time."""
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, facecolor="white")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Whether stated error bars and chances are true.")
    parser.add_argument("--quick", action="store_true", help="a part of the corpus, and 500 trials each")
    parser.add_argument("--no-libraries", action="store_true", help="without scikit-learn and statsmodels")
    parser.add_argument("--json", metavar="FILE", help="write every record")
    parser.add_argument("--figures", metavar="FOLDER", type=Path, help="draw the figures there")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    # Functions near the edge of their domain warn; that is their business, and here it is noise.
    warnings.simplefilter("ignore")
    bars = measure_bars(quick=options.quick, with_libraries=not options.no_libraries, seed=options.seed)
    count, whole, lucky = (500, 50, 200) if options.quick else (10_000, 100, 3000)
    bounds = [s for kind in ERRORS for s in rows_against_errors(kind, count // 4, 1, 200, options.seed)]
    reports = [s for kind in ERRORS for s in reports_against_errors(kind, whole, 200, options.seed)]
    rows = [s for kind in ERRORS for s in rows_against_errors(kind, count // 20, 12, 60, options.seed)]
    whole_rows = [
        s for kind in ERRORS for s in jacobian_reports_against_errors(kind, whole, 12, 60, options.seed)
    ]
    luck = [
        luck_against_errors(n, noise, lucky, options.seed)
        for n in (1, 2, 3)
        for noise in (3e-13, 3e-12, 3e-11)
    ]
    luck += [luck_against_errors(6, noise, lucky, options.seed, 1e6) for noise in (3e-11, 3e-10, 3e-9)]
    parts = [
        bar_table(bars),
        share_table("one gradient, eight looks", bounds),
        share_table("whole reports", reports),
        share_table("twelve rows, eight looks", rows),
        share_table("whole reports of Jacobians", whole_rows),
        table(
            ("two evaluations an entry", "trials", f"stated {100 * LUCK:g} %"),
            [(s.kind, f"{s.trials:,}", f"{100 * s.missed / s.trials:.2g} % ({s.missed})") for s in luck],
        ),
    ]
    sys.stdout.write("\n\n".join(parts) + "\n")
    if options.json:
        found = {"bars": bars, "bounds": bounds, "reports": reports, "rows": rows, "luck": luck}
        found["reports of Jacobians"] = whole_rows
        records = {name: [asdict(one) for one in some] for name, some in found.items()}
        Path(options.json).write_text(json.dumps(plain(records), allow_nan=False), encoding="utf-8")
    if options.figures:
        options.figures.mkdir(parents=True, exist_ok=True)
        figure = Figure(figsize=(11, 4.6), layout="constrained")
        draw_bars(bars, figure)
        save(figure, options.figures, "calibration")
        figure = Figure(figsize=(6.4, 4.4), layout="constrained")
        draw_shares(bounds, figure)
        save(figure, options.figures, "calibration-certificate")
    return 0


if __name__ == "__main__":
    sys.exit(main())
