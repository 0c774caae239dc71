"""Reports as HTML: one self-contained page that needs no network and no script, and a short form for notebooks."""

from gradcheck.cases.page import DRAWN, Gallery, render
from gradcheck.report.html import figures_of, snippet

__all__ = ["DRAWN", "Gallery", "figures_of", "render", "snippet"]
