"""Figures as SVG to put into a page: titled, described, in the page's own colours."""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any
from xml.etree import ElementTree

from gradcheck.function.arithmetic import own_arithmetic
from gradcheck.results.words import visible

# matplotlib's cycle; the page says what each is in light and in dark.
CYCLE = ("1f77b4", "ff7f0e", "2ca02c", "d62728", "9467bd", "8c564b", "e377c2", "7f7f7f", "bcbd22", "17becf")
# What `drawing` makes of a figure; a drawing that comes from elsewhere keeps these and nothing else.
ELEMENTS = {
    "svg": ("viewBox", "role", "aria-labelledby"),
    "title": ("id",),
    "desc": ("id",),
    "g": ("clip-path", "style", "transform"),
    "defs": (),
    # Only these have a name that `use` may repeat: a group of groups of groups would be drawn without end.
    "path": ("id", "d", "clip-path", "style", "transform"),
    "clipPath": ("id",),
    "rect": ("x", "y", "width", "height", "style"),
    "use": ("x", "y", "style", "transform", "href"),
    "text": ("x", "y", "style", "transform"),
    "tspan": ("x", "y", "style"),
    "image": ("x", "y", "width", "height", "transform", "id", "href"),
}
XLINK = "http://www.w3.org/1999/xlink"
# A name inside the drawing, or pixels: nothing is loaded from elsewhere.
REFERENCE = re.compile(r"#[\w-]+|data:image/png;base64,[A-Za-z0-9+/=\s]*")
LOADS = re.compile(r"url\((?!#[\w-]+\))|[\\@<]|expression|javascript:|/\*", re.I)
# rcParams and matplotlib's caches belong to the whole process: our own threads take turns.
TURN = threading.Lock()
COLOR = re.compile(r"(fill|stroke): #([0-9a-f]{6})")


@dataclass(frozen=True)
class Drawing:
    """A figure as an <svg> element; `title` and `alt` are in it, too."""

    title: str
    alt: str
    svg: str


@own_arithmetic
def drawing(
    draw: Callable[[Any], None], *, title: str, alt: str, key: str, size: tuple[float, float] = (6.4, 4.4)
) -> Drawing:
    """Draw a figure for a page.

    draw : fills a matplotlib Figure. key : different for each figure of a page: identifiers are made from it, so
    that the same figure is the same text each time. size : in inches; the page scales it to its width.
    """
    import matplotlib as mpl
    import matplotlib.figure

    title, alt, key = visible(title), visible(alt), visible(key)

    settings = mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": key})
    with TURN, settings, warnings.catch_warnings():
        # The text goes into the page as it is, and the reader's browser has other fonts than matplotlib.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
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


def drawing_of(told: Mapping[str, Any]) -> Drawing | None:
    """The drawing that a dictionary holds, cleaned: of the elements and attributes that `drawing` makes, and no other.

    told : "title", "alt" and "svg", as `dataclasses.asdict` gives them. None where the svg is none.
    """
    title, alt, svg = (str(told.get(name, "")) for name in ("title", "alt", "svg"))
    try:
        # Inside an element of ours, no document type and so no entities can be declared.
        root = ElementTree.fromstring(f'<drawing xmlns:xlink="{XLINK}">{svg}</drawing>')
    except (ElementTree.ParseError, ValueError):
        return None
    if [child.tag for child in root] != ["svg"]:
        return None
    return Drawing(title, alt, "".join(_cleaned(root[0])))


def _cleaned(root: ElementTree.Element) -> Iterator[str]:
    """The text of an element, without what is not on the list."""
    left: list[ElementTree.Element | str] = [root]
    while left:
        part = left.pop()
        if isinstance(part, str):
            yield part
        elif part.tag in ELEMENTS:
            yield f"<{part.tag}{''.join(_attributes(part))}>{escape(part.text or '', quote=False)}"
            left.append(f"</{part.tag}>")
            for child in reversed(part):
                left += [escape(child.tail or "", quote=False), child]


def _attributes(element: ElementTree.Element) -> Iterator[str]:
    for name, value in element.attrib.items():
        plain = "href" if name == f"{{{XLINK}}}href" else name
        fits = REFERENCE.fullmatch(value) if plain == "href" else not LOADS.search(value)
        if plain in ELEMENTS[element.tag] and fits:
            yield f' {"xlink:href" if plain != name else plain}="{escape(value)}"'
