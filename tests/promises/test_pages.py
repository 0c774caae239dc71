"""Pages: matplotlib's settings stay, the bytes are the same each time, and drawings of others are cleaned."""

import re
import threading
from html import unescape

import matplotlib as mpl
import numpy as np
import pytest

import gradcheck
from gradcheck.html import figures_of, render
from gradcheck.report.drawings import Drawing, drawing_of
from gradcheck.report.reading import read_report


@pytest.fixture(scope="module")
def report():
    """A check with every kind of figure: agreement, steps, an error map."""
    x = {"W": np.arange(6.0).reshape(2, 3) + 1}
    return gradcheck.check_gradient(
        lambda p: float(np.sum(p["W"] ** 3)), lambda p: {"W": 2 * p["W"]}, x, method="sweep"
    )


@pytest.mark.slow
def test_eight_threads_draw_the_same_page_and_leave_the_settings(report):
    """The same bytes as alone, and rcParams as they were."""
    before, alone, pages = dict(mpl.rcParams), render([], [report]), []
    threads = [threading.Thread(target=lambda: pages.append(render([], [report]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert pages == [alone] * 8
    assert dict(mpl.rcParams) == before


def plain(svg):
    """Without comments, space, and the short form of an empty element."""
    svg = re.sub(r"<(\w+)([^>]*?)/>", r"<\1\2></\1>", re.sub(r"<!--.*?-->", "", svg, flags=re.S))
    return unescape(re.sub(r"\s+", "", svg))


@pytest.mark.slow
def test_what_this_program_drew_is_kept(report):
    """Every element and attribute of its own drawings is on the list."""
    drawn = figures_of(report, "key")

    assert len(drawn) == 3
    for told in drawn:
        cleaned = drawing_of(told)
        assert cleaned == Drawing(told["title"], told["alt"], cleaned.svg)
        assert plain(cleaned.svg) == plain(told["svg"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<g><script>alert(1)</script></g>",
        '<g onload="alert(1)"/>',
        '<a xlink:href="javascript:alert(1)"><text>x</text></a>',
        '<a href="https://alert.example/">x</a>',
        '<image xlink:href="https://alert.example/x.png"/>',
        '<image xlink:href="data:image/svg+xml;base64,alert"/>',
        '<use xlink:href="https://alert.example/#x"/>',
        '<use href="data:image/svg+xml,alert"/>',
        "<foreignObject><iframe src='alert'/></foreignObject>",
        "<style>@import 'https://alert.example'</style>",
        "<path style=\"fill: url('https://alert.example/x')\"/>",
        '<path style="fill: url( https://alert.example/x )"/>',
        '<path style="background: u\\72l(https://alert.example)"/>',
        '<path clip-path="url(https://alert.example/#x)"/>',
        '<animate attributeName="href" values="javascript:alert(1)"/>',
        '<set attributeName="onload" to="alert(1)"/>',
        '<x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script>',
        '<script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script>',
    ],
)
def test_what_a_drawing_has_no_use_for_is_left_out(inside):
    """Scripts, links, styles, and whatever is loaded from elsewhere; the path beside it stays."""
    svg = f'<svg viewBox="0 0 9 9"><path d="M 0 0" style="fill: none"/>{inside}</svg>'
    told = {"title": "t", "alt": "a", "svg": svg}

    page = render([], [{"name": "n", "outcome": "FAIL", "drawings": [told]}])

    assert '<path d="M 0 0" style="fill: none"></path>' in page
    assert "alert" not in page


@pytest.mark.slow
@pytest.mark.parametrize(
    "svg",
    [
        "",
        "text",
        "<svg>",
        "<p>no drawing</p>",
        "<svg/><script>alert(1)</script>",
        "</drawing><script>alert(1)</script><drawing>",
        '<!DOCTYPE svg [<!ENTITY a "alert">]><svg>&a;</svg>',
        "<svg>&nothing;</svg>",
        "<svg>\x00</svg>",
        "<svg>\ud800</svg>",
        None,
    ],
)
def test_what_is_no_drawing_is_no_part_of_a_page(svg):
    """The check is there all the same, without a figure."""
    page = render(
        [], [{"name": "the check", "outcome": "FAIL", "drawings": [{"title": "t", "alt": "a", "svg": svg}]}]
    )

    assert "the check" in page
    assert "alert" not in page
    assert "<svg" not in page


def test_a_group_is_not_repeated_without_end():
    """`use` may name a path, and no group of groups of groups."""
    groups = "".join(f'<g id="g{k}">' + f'<use xlink:href="#g{k - 1}"/>' * 10 + "</g>" for k in range(1, 10))

    cleaned = drawing_of({"svg": f'<svg><path id="g0" d="M 0 0"/>{groups}<use xlink:href="#g9"/></svg>'})

    assert re.findall(r' id="(\w+)"', cleaned.svg) == ["g0"]


def test_texts_of_a_page_are_escaped():
    """Names, reasons and notes of a report that anybody may have written."""
    evil = "<script>alert(1)</script>"
    page = render(
        [], [{"name": evil, "outcome": "FAIL", "reason": evil, "notes": [evil], "diagnosis": [evil]}]
    )

    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.slow
def test_a_lone_surrogate_and_an_escape_sequence_break_nothing(tmp_path):
    """In the names of arrays: text, page, figure and file are made, and UTF-8 holds them."""
    x = {"\ud800$\\frac{": np.full((2, 3), 2.0), "\x1b[31m\n": np.ones(2)}
    report = gradcheck.check_gradient(
        lambda p: float(sum(np.sum(v**3) for v in p.values())),
        lambda p: {k: 2 * v for k, v in p.items()},
        x,
        method="sweep",
    )

    for text in (str(report), render([], [report]), report._repr_html_()):
        assert not set("\ud800\x1b") & set(text)
        text.encode("utf-8")
    report.plot().savefig(tmp_path / "figure.png")
    assert read_report(report.save(tmp_path / "report.json"))["outcome"] == "FAIL"
