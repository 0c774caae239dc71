"""Figures as SVG to put into a page: titled, described, in the page's own colours."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

__all__ = ["Drawing", "drawing"]

# matplotlib's cycle; the page says what each is in light and in dark.
CYCLE = ("1f77b4", "ff7f0e", "2ca02c", "d62728", "9467bd", "8c564b", "e377c2", "7f7f7f", "bcbd22", "17becf")
COLOR = re.compile(r"(fill|stroke): #([0-9a-f]{6})")


@dataclass(frozen=True)
class Drawing:
    """A figure as an <svg> element; `title` and `alt` are in it, too."""

    title: str
    alt: str
    svg: str


def drawing(
    draw: Callable[[Any], None], *, title: str, alt: str, key: str, size: tuple[float, float] = (6.4, 4.4)
) -> Drawing:
    """Draw a figure for a page.

    draw : fills a matplotlib Figure. key : different for each figure of a page: identifiers are made from it, so
    that the same figure is the same text each time. size : in inches; the page scales it to its width.
    """
    import matplotlib as mpl
    import matplotlib.figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": key}):
        # Not pyplot: that would keep a global list of figures and choose a window system.
        figure = matplotlib.figure.Figure(figsize=size, layout="constrained")
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True)
    return Drawing(title, alt, _for_page(buffer.getvalue(), title, alt, key))


def _for_page(svg: str, title: str, alt: str, key: str) -> str:
    """Put the words first, take the page-wide style, unused identifiers and fixed colours out."""
    box = re.search(r'viewBox="([^"]*)"', svg)
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", body, flags=re.S)
    # matplotlib counts them anew in each figure: two figures of a page would share them.
    body = COLOR.sub(_themed, re.sub(r'<g id="[^"]*"', "<g", body))
    own = "drawing-" + re.sub(r"[^A-Za-z0-9]+", "-", key)
    return (
        f'<svg viewBox="{box[1] if box else ""}" role="img" aria-labelledby="{own}-title {own}-text">'
        f'<title id="{own}-title">{escape(title)}</title><desc id="{own}-text">{escape(alt)}</desc>{body.strip()}'
    )


def _themed(match: re.Match[str]) -> str:
    what, color = match.groups()
    if color in CYCLE:
        return f"{what}: var(--c{CYCLE.index(color)}, #{color})"
    if color[:2] == color[2:4] == color[4:]:
        ink = round(100 * (1 - int(color[:2], 16) / 255))
        return f"{what}: color-mix(in srgb, var(--ink) {ink}%, var(--paper))"
    return match[0]
