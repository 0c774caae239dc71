"""Figures of a report: what agrees, how good the steps were, where it is wrong. No numerics; matplotlib on use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.function.arithmetic import own_arithmetic
from gradcheck.results.outcome import Limit
from gradcheck.results.words import count, number, short, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from gradcheck.parameters.block import Block
    from gradcheck.report.data import ReportData
    from gradcheck.results.certificate import Residual
    from gradcheck.results.entries import Entries
    from gradcheck.results.evidence import Evidence

RIGHT, WRONG, UNDECIDED, BAR = "#1f77b4", "#d62728", "#ff7f0e", "#7f7f7f"
# More points than this only make a file larger; every wrong entry up to as many is among them.
SHOWN = 1000
# A larger map has cells below a pixel.
LARGEST_MAP = 4_000_000
# Letters that fit below a panel in one line; arrays that can be named below it at a tilt.
ABREAST, NAMED = 36, 14


@dataclass(frozen=True)
class Panel:
    """One part of a report's figure: `draw(axes)` fills it, `alt` says in words what it shows."""

    title: str
    alt: str
    draw: Callable[[Axes], None]

    def fill(self, figure: Figure) -> None:
        """Draw it as all of a figure."""
        self.draw(figure.subplots())


@own_arithmetic
def plot(report: ReportData, ax: Axes | None = None) -> Figure:
    """The figure of a report.

    ax : axes of the caller's, into which the first panel is drawn: analytic against numerical, or the random
    directions where no entry was judged by itself. Without it a new figure shows up to three panels.
    Returns the matplotlib Figure; it belongs to no window and to no global list.
    Raises ValueError where nothing was measured.
    """
    parts = panels(report)
    if not parts:
        raise ValueError(f"there is nothing to plot, this report keeps no measurements: {report.reason}")
    if ax is not None:
        return drawn_into(ax, parts[0])
    return figure_of(parts[:3], f"{report.outcome.value}: {report.reason}")


def panels(report: ReportData) -> list[Panel]:
    """All panels of a report, the most telling first; none where nothing was measured.

    Of a report that gathers others the first panels of all of these, then the second ones.
    """
    if report.parts:
        each = [[_of_part(key, panel) for panel in panels(part)] for key, part in report.parts]
        return [panel for rank in zip_longest(*each) for panel in rank if panel is not None]
    evidence = report.evidence
    if evidence is None:
        return []
    entries = evidence.entries
    # Those with a numerical value; an analytic nan or inf cannot be drawn.
    known = np.asarray(np.isfinite(entries.estimate.error) & np.isfinite(entries.analytic))
    parts = []
    if known.any():
        parts.append(_agreement(report, entries, known))
    residuals = _residuals(evidence)
    if any(residuals.values()):
        parts.append(_directions(report, residuals))
    if known.any():
        parts += _error_maps(report, entries)
    # A complex step has no error that depends on it: its step is 0.
    stepped = known & (entries.estimate.step > 0)
    if stepped.any():
        parts.insert(1, _steps(report, entries, stepped))
    return parts


def _of_part(key: str, panel: Panel) -> Panel:
    """The same, which says of which part it is."""

    def draw(axes: Axes) -> None:
        panel.draw(axes)
        axes.set_title(visible(f"{key}: {axes.get_title()}"), parse_math=False)

    return Panel(f"{key}: {panel.title}", f"{key}: {panel.alt}", draw)


def remainders(
    steps: Sequence[float], sizes: Sequence[float], floor: Sequence[float], expected: int, order: float
) -> Panel:
    """What a Taylor expansion leaves against the step, beside what noise explains and the order that it should have.

    steps : relative to the tangent. sizes, floor : in units of f. expected, order : powers of the step.
    """

    def draw(axes: Axes) -> None:
        h, left, noise = (np.asarray(values) for values in (steps, sizes, floor))
        shown = left > 0
        axes.loglog(h[shown], left[shown], "o-", color=RIGHT, markersize=4, linewidth=1.0, label="remainder")
        axes.loglog(h, noise, "--", color=BAR, linewidth=1.0, label="noise explains")
        if shown.any():
            first = int(np.argmax(np.where(shown, h, -np.inf)))
            reference = left[first] * (h / h[first]) ** expected
            axes.loglog(h, reference, ":", color=UNDECIDED, linewidth=1.4, label=f"as h^{expected}")
            axes.set_ylim(bottom=0.1 * float(min(left[shown].min(), noise[noise > 0].min(initial=np.inf))))
        _plain_decades(axes.xaxis, axes.yaxis)
        axes.set(
            xlabel="step h, in units of the tangent", ylabel="remainder, in units of f", title="Taylor test"
        )
        axes.legend(fontsize="small")

    alt = (
        f"What the expansion leaves at {count(len(steps), 'step')}: it falls as h^{number(order)}, where a right "
        f"derivative has h^{expected}; below it what noise explains."
    )
    return Panel("Taylor test", alt, draw)


def figure_of(shown: Sequence[Panel], title: str) -> Figure:
    """A figure of some panels beside each other; it belongs to no window and to no global list."""
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(4.6 * len(shown), 4.2), layout="constrained")
    for axes, panel in zip(np.ravel(figure.subplots(1, len(shown))), shown, strict=True):
        panel.draw(axes)
    figure.suptitle("\n".join(wrap(visible(title), 60 * len(shown))), fontsize="medium", parse_math=False)
    return figure


def drawn_into(ax: Axes, panel: Panel) -> Figure:
    """The figure of the caller's axes, with a panel in these. Raises TypeError for what are none."""
    if not (hasattr(ax, "set_title") and hasattr(ax, "figure")):
        raise TypeError(f"ax must be Axes of matplotlib, or None, not {ax!r:.60}")
    panel.draw(ax)
    root: Figure = ax.figure.figure  # the figure of a subfigure, too
    return root


def _agreement(report: ReportData, entries: Entries, known: NDArray[np.bool_]) -> Panel:
    wrong, undecided = entries.judgement.wrong & known, entries.judgement.inconclusive & known
    right = known & ~wrong & ~undecided

    def draw(axes: Axes) -> None:
        values = np.concatenate([entries.analytic[known], entries.estimate.value[known]])
        low, high = values.min() / 2, values.max() / 2  # halves: twice of them may be beyond float64
        # A tenth of the size at least: less is no difference to show, and the scale would count it from an offset.
        reach = max(1.1 * (high - low), 0.05 * np.abs(values).max()) or 0.5
        ends = (low + high) + np.array([-reach, reach])
        axes.plot(ends, ends, color=BAR, linewidth=0.8, zorder=1)
        axes.locator_params(axis="x", nbins=5)  # of five digits no more fit beside each other
        for rows, marker, color, label in (
            (right, "o", RIGHT, "agree"),
            (undecided, "s", UNDECIDED, "undecided"),
            (wrong, "X", WRONG, "wrong"),
        ):
            if rows.any():
                at = _thinned(np.flatnonzero(rows))
                axes.plot(
                    entries.estimate.value[at], entries.analytic[at], marker, color=color, mfc="none",
                    markersize=8.0 if label == "wrong" else 4.5, label=f"{label}: {int(rows.sum()):,}",
                )  # fmt: skip
        _decades(axes, values)
        axes.set(xlabel="numerical derivative", ylabel="analytic derivative", title="Analytic and numerical")
        axes.legend(
            fontsize="small",
            loc=_emptiest_corner(axes, entries.estimate.value[known], entries.analytic[known]),
        )

    off = f"; the worst is {report.wrong[0].name}" if report.wrong else ""
    alt = (
        f"Analytic against numerical derivative of {count(int(known.sum()), 'coordinate')}: {int(right.sum()):,} on "
        f"the diagonal, {int(wrong.sum()):,} wrong, {int(undecided.sum()):,} undecided{off}."
    )
    return Panel("Analytic and numerical", alt, draw)


def _emptiest_corner(axes: Axes, x: NDArray[Any], y: NDArray[Any]) -> int:
    """Where the fewest points lie, beside the diagonal if there: matplotlib's "best" hides those on its edge.

    As matplotlib counts them: 1, 2, 3, 4 are upper right, upper left, lower left, lower right.
    """
    axes.autoscale_view()
    placed = axes.transAxes.inverted().transform(axes.transData.transform(np.column_stack([x, y])))
    right, up = placed[:, 0] > 0.5, placed[:, 1] > 0.5
    far = np.abs(placed[:, 1] - 0.5) > 0.1
    corners = {2: ~right & up, 4: right & ~up, 1: right & up, 3: ~right & ~up}
    return min(corners, key=lambda corner: int((corners[corner] & far).sum()))


def _thinned(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """At most SHOWN of the rows, evenly spaced."""
    return np.asarray(rows[np.linspace(0, rows.size - 1, min(rows.size, SHOWN)).astype(int)])


def _decades(axes: Axes, values: NDArray[Any]) -> None:
    """Logarithmic scales on both sides of zero, where the values span more than three decades."""
    sizes = np.abs(values[values != 0])
    if sizes.size and sizes.max() > 1e3 * np.median(sizes):
        # Half of the points would lie in one spot of a linear scale.
        threshold = float(np.median(sizes))
        axes.set_xscale("symlog", linthresh=threshold)
        axes.set_yscale("symlog", linthresh=threshold)


def _plain_decades(*scales: Axis) -> None:
    """Labels such as 1e-08: raised digits are typeset as formulas, which takes longer than all the rest."""
    from matplotlib.ticker import NullLocator

    for scale in scales:
        scale.set_major_formatter(lambda value, _: f"{value:.0e}")
        scale.set_minor_locator(NullLocator())


def _steps(report: ReportData, entries: Entries, known: NDArray[np.bool_]) -> Panel:
    """Error against step for the known entry that mattered most: the worst one, or the one with the widest bar."""
    row = _telling_row(report, entries, known)
    found = entries.estimate
    step, noise, bends = (float(part[row]) for part in (found.step, found.noise, found.truncation))
    distance = abs(float(entries.analytic[row] - found.value[row]))
    name = _name(report, int(entries.coordinates[row]))
    # At a kink the bar holds no truncation: the slope jumps, however short the step.
    jumps = found.limit[row] in (Limit.KINK, Limit.KINKS)
    order = 0 if jumps else entries.order

    def draw(axes: Axes) -> None:
        at = _thinned(np.flatnonzero(known & (found.error > 0)))
        axes.loglog(
            found.step[at], found.error[at], ".", color=BAR, alpha=0.5, markersize=4, label="other entries"
        )
        h = step * np.logspace(-3, 1.5, 91)
        # The two parts as they were measured at the step, continued by their orders.
        rounding, truncation = noise * step / h, bends * (h / step) ** order
        axes.loglog(h, rounding, "--", color=RIGHT, linewidth=1.0, label="rounding, as 1/h")
        if bends > 0:
            label = "jump of the slope" if jumps else f"truncation, as h^{order}"
            axes.loglog(h, truncation, "-.", color=UNDECIDED, linewidth=1.0, label=label)
        axes.loglog(h, rounding + truncation, color=RIGHT, linewidth=1.6, label="both")
        axes.loglog([step], [found.error[row]], "o", color="black", label=f"chosen: {step:.1e}")
        if distance > 0:
            axes.axhline(distance, color=WRONG, linestyle=":", linewidth=1.2, label="|analytic - numerical|")
        _plain_decades(axes.xaxis, axes.yaxis)
        axes.set(xlabel="step h, in units of x", ylabel="error, in units of f per x")
        # The truncation of a tiny step is of no interest, and would squeeze what is.
        if noise > 0:
            axes.set_ylim(bottom=0.03 * float(rounding.min()))
        axes.set_title(f"Step and error: {name}", parse_math=False)
        axes.legend(fontsize="x-small")

    other = "the jump of the slope stays" if jumps else f"truncation grows as h^{order}"
    alt = (
        f"Error of the numerical derivative against the step, for {name}: rounding falls as 1/h and {other}; "
        f"the step chosen is {number(step)}, with an error bar of "
        f"{number(float(found.error[row]))}. "
        f"Analytic and numerical lie {number(distance)} apart."
    )
    return Panel("Step and error", alt, draw)


def _telling_row(report: ReportData, entries: Entries, known: NDArray[np.bool_]) -> int:
    rows = np.flatnonzero(known)
    of_wrong = {m.flat_index: k for k, m in reversed(list(enumerate(report.wrong)))}
    accused = [row for row in rows if entries.judgement.wrong[row]]
    if accused:
        return int(min(accused, key=lambda row: of_wrong.get(int(entries.coordinates[row]), len(of_wrong))))
    with np.errstate(divide="ignore", invalid="ignore"):
        need = entries.estimate.error[rows] / entries.judgement.scale[rows]
    return int(rows[int(np.nanargmax(np.where(np.isnan(need), -1.0, need)))])


def _residuals(evidence: Evidence) -> dict[str, list[Residual]]:
    """What random directions show, by the name of what was compared with f.

    A certificate names it: the array, or the array over a factor that all its entries share. Without one, directions
    that show nothing wrong may be of what was made of the claim: a panel of them would call it right.
    """
    found: dict[str, list[Residual]] = {}
    for array in evidence.arrays:
        if array.certificate is not None or any(residual.exceeds for residual in array.residuals):
            name = array.block.name if array.certificate is None else array.certificate.name
            found.setdefault(name, []).extend(array.residuals)
    return found


def _directions(report: ReportData, by_name: dict[str, list[Residual]]) -> Panel:
    names = [name for name, some in by_name.items() if some]
    mine = [[r for r in by_name[name] if r.weight > 0] for name in names]
    residuals = [residual for some in mine for residual in some]
    off = np.array([r.exceeds for r in residuals], bool)
    exceeding = int(off.sum())

    def draw(axes: Axes) -> None:
        # A place is left between two arrays.
        starts = np.cumsum([0, *(len(some) + 1 for some in mine)])
        at = np.concatenate([start + np.arange(len(some)) for start, some in zip(starts, mine, strict=False)])
        allowed = np.array([r.allowed / r.weight for r in residuals])
        # A residual of zero has no place on a logarithmic scale.
        sizes = np.maximum([abs(r.value) / r.weight for r in residuals], 1e-3 * allowed)
        axes.semilogy(at, allowed, "_", color=BAR, markersize=12, label="allowed")
        label = f"within it: {len(residuals) - exceeding:,}"
        axes.semilogy(at[~off], sizes[~off], "o", color=RIGHT, mfc="none", markersize=4, label=label)
        if exceeding:
            axes.semilogy(at[off], sizes[off], "x", color=WRONG, label=f"beyond it: {exceeding:,}")
        middles = [start + max(len(some) - 1, 0) / 2 for start, some in zip(starts, mine, strict=False)]
        # Beside each other as far as there is room; of more arrays than can be named every second, third, ...
        told, every = [short(visible(name), 24) for name in names], -(-len(names) // NAMED)
        tilt = 30.0 if sum(map(len, told)) > ABREAST else 0.0
        axes.set_xticks(middles[::every], told[::every], fontsize="small", parse_math=False, rotation=tilt,
                        ha="right" if tilt else "center", rotation_mode="anchor" if tilt else "default")  # fmt: skip
        _plain_decades(axes.yaxis)
        axes.margins(x=0.3, y=0.15)
        axes.legend(fontsize="small", loc="best")
        axes.set(
            ylabel="|g.v - D| / ||g v||", title="Random directions", xlabel="random directions, by array"
        )

    arrays = {block.name for block in report.blocks}
    divided = [visible(name) for name in names if name not in arrays]
    g = f"g.v, where g is {' and '.join(divided)}," if divided else "g.v"
    alt = (
        f"{count(len(residuals), 'random direction')} of {count(len(names), 'array')}: the distance of {g} from "
        f"the derivative along v, and what is allowed; {exceeding:,} beyond it."
    )
    return Panel("Random directions", alt, draw)


def _error_maps(report: ReportData, entries: Entries) -> list[Panel]:
    """One map for each array of two axes of which at least two entries were judged by themselves."""
    maps, wrong = [], entries.wrong
    for block in sorted(report.blocks, key=lambda block: not block.holds(wrong).any()):
        if len(block.shape) != 2 or block.is_complex or min(block.shape) < 2 or block.size > LARGEST_MAP:
            continue
        rows = np.flatnonzero(block.holds(entries.coordinates))
        if rows.size > 1:
            maps.append(_error_map(entries, block, rows))
    return maps


def _error_map(entries: Entries, block: Block, rows: NDArray[np.intp]) -> Panel:
    at = np.unravel_index(entries.coordinates[rows] - block.start, block.shape)
    wrong = entries.judgement.wrong[rows]

    def draw(axes: Axes) -> None:
        share = np.full(block.shape, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            off = np.abs(entries.analytic[rows] - entries.estimate.value[rows])
            share[at] = np.log10(np.maximum(off / entries.judgement.allowed[rows], 1e-6))
        finite = share[np.isfinite(share)]
        # A decade at least: less is no difference to show, and the scale would count it from an offset.
        top = max(1.0, float(finite.max(initial=1.0)))
        low = min(float(finite.min(initial=top)), top - 1.0)
        image = axes.imshow(share, cmap="viridis", aspect="auto", interpolation="nearest", vmin=low, vmax=top)
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.8)
        bar.set_label("log10 of |analytic - numerical| over what is allowed", fontsize="x-small")
        if wrong.any():
            marked = _thinned(np.flatnonzero(wrong))
            axes.scatter(at[1][marked], at[0][marked], s=46, marker="s", facecolors="none", edgecolors=WRONG,
                         linewidths=1.4, label=f"wrong: {int(wrong.sum()):,}")  # fmt: skip
            axes.legend(fontsize="small", loc="upper right", bbox_to_anchor=(1.0, -0.07))  # over no cell
        axes.set(xlabel="column", ylabel="row")
        axes.locator_params(integer=True)
        axes.set_title(visible(f"Error map: {block.name}"), parse_math=False)

    where = ""
    if wrong.any():
        first = ", ".join(f"[{i}, {j}]" for i, j in zip(at[0][wrong][:5], at[1][wrong][:5], strict=True))
        where = f", at {first}" + (" and elsewhere" if wrong.sum() > 5 else "")
    alt = (
        f"Map of {block.name}, {block.shape[0]} x {block.shape[1]}: {count(rows.size, 'entry')} measured, "
        f"{int(wrong.sum()):,} wrong{where}."
    )
    return Panel(f"Error map: {block.name}", alt, draw)


def _name(report: ReportData, coordinate: int) -> str:
    return visible(next(b.entry_name(coordinate) for b in report.blocks if b.start <= coordinate < b.stop))
