"""The formulas of the site: LaTeX between dollars as MathML, which a browser shows without a script.

mkdocs calls `on_page_markdown` for each page, before anything else reads it: underscores would be taken for emphasis.
"""

from __future__ import annotations

import re

from latex2mathml.converter import convert

# Code, which is left alone; or a formula in a line of its own, or in one of text.
PARTS = re.compile(
    r"(?P<code>^```.*?^```|`[^`\n]*`)|\$\$(?P<block>.+?)\$\$|\$(?P<inline>(?:[^$\n]|\n(?!\n))+)\$",
    re.M | re.S,
)


def on_page_markdown(markdown: str, **_: object) -> str:
    """The page with MathML in the place of its formulas."""
    return PARTS.sub(_shown, markdown)


def _shown(found: re.Match[str]) -> str:
    if found["code"] is not None:
        return found[0]
    block = found["block"]
    mathml = str(convert(block or found["inline"], display="block" if block else "inline"))
    mathml = mathml.replace("|", "&#124;").replace("\n", " ")  # a bar would end the cell of a table
    return mathml if block else f"<span>{mathml}</span>"  # what begins a line with <math> ends the paragraph
