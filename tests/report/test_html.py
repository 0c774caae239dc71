"""The page and the notebook's form of a report, read as a browser reads them."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import gradcheck
from gradcheck.cases import Case, Context, Figure, Mistake, Quantity, Reference, run_case
from gradcheck.cases import page as pages
from gradcheck.cases.discovery import LoadedCase
from gradcheck.cli import main
from gradcheck.html import Gallery, figures_of, render, snippet
from gradcheck.report.drawings import drawing
from gradcheck.report.html import NAMED

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """What a browser makes of a page: elements, their attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], []
        self.badly_nested = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.badly_nested.append(tag)

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        """The text as it is seen, with single spaces."""
        return " ".join(" ".join(self.text).split())

    def attributes(self, name):
        """All values of one attribute."""
        return [attrs[name] for _, attrs in self.elements if name in attrs]

    def count(self, tag):
        """How many elements of one kind."""
        return sum(name == tag for name, _ in self.elements)


def loaded(case, name="a_case"):
    """A case as if from a file."""
    return LoadedCase(name, Path("cases/a_case.py"), Path(), case)


def a_case(measured=1.0, title="A case", name="a quantity", source=None):
    """One quantity with a published and an analytic reference, and a planted mistake."""

    def prepare(context):
        context.sources.extend([source] if source else [])

    return Case(
        "3.2",
        title,
        [
            Quantity(
                name,
                lambda state: measured,
                [
                    Reference("published", 1.0, atol=1e-6, reason=f"six digits are printed {name}"),
                    Reference("analytic", 1.0, atol=1e-9, reason="no truncation"),
                ],
                [Mistake(f"the sign {name}", lambda state: -measured)],
            )
        ],
        prepare=prepare,
        figures=[Figure(f"curve {name}", draw, f"A line from 0 to 1 {name}")],
    )


def draw(figure, _state):
    """A line, with texts that are no markup."""
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label="ours & theirs <3")
    axes.set_title(EVIL, parse_math=False)
    axes.legend()


def rendered(*cases, reports=()):
    """A page of these cases with their figures."""
    gallery = Gallery()
    results = [
        run_case(loaded(case, f"case_{k}"), Context(), save_figure=gallery) for k, case in enumerate(cases)
    ]
    return render(results, reports, drawings=gallery.drawings)


def check(factor=1.0, n=4, **options):
    """A check of the gradient of a sum of squares, right or off by a factor."""
    return gradcheck.check_gradient(
        lambda x: float(np.sum(x**2)), lambda x: factor * 2 * x, np.ones((n, n)), **options
    )


@pytest.mark.slow
def test_the_published_value_stands_beside_ours():
    """Measured, published, difference, tolerance and its reason are in one row."""
    page = Page(rendered(a_case(measured=1.0000005)))

    assert "1.0000005 published six digits are printed a quantity 1 5.0e-07 1.0e-06 PASS" in page.words
    assert "FAIL" in page.words  # the analytic reference allows 1e-9


@pytest.mark.slow
def test_a_failing_row_is_at_the_top_with_its_numbers():
    """A value off by 0.5 makes the page FAIL, and is told before the cases."""
    page = Page(rendered(a_case(measured=1.5)))

    assert page.words.startswith("FAIL: gradcheck report")
    top = page.words[: page.words.index("Cases case section")]
    assert "Not passed" in top
    assert "measured 1.5, not 1: off by 0.5" in top


@pytest.mark.slow
def test_a_right_case_makes_no_accusation():
    """All rows pass: the page says PASS, and nothing is called failed but a count of 0."""
    page = Page(rendered(a_case()))

    assert page.words.startswith("PASS: gradcheck report")
    assert "3 comparisons passed 0 failed 0 inconclusive" in page.words
    assert "Not passed" not in page.words
    assert "1 planted mistake, 1 refused" in page.words


@pytest.mark.slow
def test_cases_tell_the_story_of_their_source_in_its_order():
    """By their last section, as numbers; each says the claim, what is wrong in it, the source's figure."""
    sections = ["2.10", "5.1", "2.9 and 2.10", "2.1 to 5.1", "2.9", "preface"]
    cases = [replace(a_case(title=f"of {section}"), section=section) for section in sections]
    drawn = Figure("curve", draw, "A line.", source="figure 7: a thicker line.")
    cases[0] = replace(cases[0], claim="It rises.", wrong="It falls.", figures=[drawn])

    page = Page(rendered(*cases))

    titles = [
        f"of {section} PASS to the list case_"
        for section in ("preface", "2.9", "2.10", "2.9 and 2.10", "5.1", "2.1 to 5.1")
    ]
    places = [page.words.index(title) for title in titles]
    assert places == sorted(places)
    assert "It rises. Wrong in it: It falls." in page.words
    assert "A line. Beside it, figure 7: a thicker line." in page.words
    assert page.words.count("Wrong in it") == 1


def test_nothing_checked_is_no_pass():
    """An empty page is INCONCLUSIVE."""
    page = Page(render([]))

    assert page.words.startswith("INCONCLUSIVE")
    assert "Nothing was checked." in page.words


def test_names_are_text_and_never_markup():
    """A title, names, reasons, sources and check names with a script in them are shown, not run."""
    told = {"claim": EVIL, "wrong": EVIL, "figures": [Figure(EVIL, draw, EVIL, source=EVIL)]}
    case = replace(a_case(title=EVIL, name=EVIL, source=EVIL), **told)
    reports = [
        check().to_dict() | {"name": EVIL, "reason": EVIL, "notes": [EVIL], "call": EVIL, "diagnosis": [EVIL]}
    ]
    page = Page(rendered(case, reports=reports))

    assert page.count("script") == 0
    assert page.count("img") == 0
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert page.words.count("alert(1)") > 10
    assert not page.badly_nested
    assert not page.open


@pytest.mark.slow
def test_array_names_are_text_in_page_snippet_and_figures():
    """The keys of a dictionary of parameters become names of arrays; they are escaped everywhere."""
    x = {EVIL: np.ones((2, 2))}
    report = gradcheck.check_gradient(
        lambda p: float(np.sum(p[EVIL] ** 2)), lambda p: {EVIL: 2.2 * p[EVIL]}, x
    )
    for text in (render([], [report]), snippet(report)):
        page = Page(text)
        assert page.count("script") == page.count("img") == 0
        assert "alert(1)" in page.words
        assert not page.badly_nested


@pytest.mark.slow
def test_the_page_loads_nothing():
    """No script, no link to elsewhere, and a policy that forbids both."""
    text = rendered(a_case(), reports=[check(2.0)])
    page = Page(text)

    assert page.count("script") == page.count("link") == page.count("iframe") == 0
    links = page.attributes("href") + page.attributes("xlink:href") + page.attributes("src")
    assert links
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert "@import" not in text
    assert not re.findall(r"url\((?!#)", text)
    assert "default-src 'none'" in text


@pytest.mark.slow
def test_identifiers_are_unique_and_references_lead_somewhere():
    """Two cases and two checks: figures do not take each other's clip paths and markers."""
    text = rendered(a_case(), a_case(), reports=[check(2.0), check(2.0)])
    page = Page(text)
    identifiers = page.attributes("id")

    assert len(identifiers) == len(set(identifiers))
    used = set(re.findall(r"url\(#([^)]+)\)", text))
    used |= {link[1:] for name in ("href", "xlink:href") for link in page.attributes(name) if link[0] == "#"}
    used |= {part for value in page.attributes("aria-labelledby") for part in value.split()}
    assert used
    assert used <= set(identifiers)


@pytest.mark.slow
def test_every_figure_has_a_title_and_words():
    """Each svg is an image that names its title and description, and both are there first."""
    text = rendered(a_case(), reports=[check(2.0)])
    figures = re.findall(r"<svg [^>]*>", text)

    assert len(figures) == 4  # the case's, scatter, steps and map
    assert all('role="img"' in tag and "viewBox" in tag for tag in figures)
    assert (
        len(
            re.findall(r"<svg [^>]*><title id=\"[^\"]+\">[^<]+</title><desc id=\"[^\"]+\">[^<]+</desc>", text)
        )
        == 4
    )


def test_colours_follow_the_page():
    """Black, white and the cycle's colours are the page's; other colours stay."""

    def fill(figure):
        axes = figure.subplots()
        axes.plot([0, 1], color="C0")
        axes.plot([1, 0], color="#123456")

    svg = drawing(fill, title="t", alt="a", key="k").svg
    assert "var(--c0, #1f77b4)" in svg
    assert "stroke: #123456" in svg
    assert "#000000" not in svg
    assert "<style" not in svg
    assert "metadata" not in svg


@pytest.mark.slow
def test_a_page_is_the_same_each_time():
    """The same results give the same text."""
    result = run_case(loaded(a_case()), Context(), save_figure=(gallery := Gallery()))
    report = check(2.0)

    first, second = (render([result], [report], drawings=gallery.drawings) for _ in range(2))
    assert first == second


@pytest.mark.slow
def test_a_mapping_is_told_like_its_report_without_figures():
    """What to_dict gave, e.g. of another process: words and numbers; with "report" also the figures."""
    report = check(2.0)
    plain = Page(render([], [report.to_dict() | {"name": "tests/test_a.py::test_b"}]))
    drawn = Page(render([], [{**report.to_dict(), "name": "tests/test_a.py::test_b", "report": report}]))

    for page in (plain, drawn):
        assert page.words.startswith("FAIL")
        assert "tests/test_a.py::test_b" in page.words
        assert "x[0, 0] analytic 4 numerical 2" in page.words
    assert plain.count("svg") == 0
    assert drawn.count("svg") == 3


@pytest.mark.slow
def test_figures_of_another_process_are_shown():
    """What a worker drew travels as plain values, through JSON."""
    report = check(2.0)
    sent = json.loads(json.dumps(report.to_dict() | {"drawings": figures_of(report, "gw1")}))

    assert Page(render([], [sent])).count("svg") == 3


@pytest.mark.slow
def test_the_list_says_which_cases_have_figures():
    """Each is closed where it passed: who looks for the curves need not open them all."""
    result = run_case(loaded(a_case()), Context(), save_figure=(gallery := Gallery()))
    drawn = sum(map(len, gallery.drawings.values()))

    assert f"({drawn} figure{'' if drawn == 1 else 's'})" in render([result], drawings=gallery.drawings)
    assert "figure)" not in render([result])
    assert "figures)" not in render([result])


@pytest.mark.slow
def test_two_cases_of_one_name_keep_apart():
    """Case files of the same name in two folders: links lead to each, and no identifier is there twice."""
    page = Page(render([run_case(loaded(judged_case())), run_case(loaded(judged_case(3.0)))]))
    identifiers = page.attributes("id")

    assert len(identifiers) == len(set(identifiers))
    assert {"#case-1", "#case-2"} <= set(page.attributes("href"))
    assert page.words.startswith("FAIL")


@pytest.mark.slow
def test_figures_are_drawn_for_failures_first_and_not_for_all(monkeypatch):
    """Of many checks a few have figures: the one that failed, though it came last, and the page says so."""
    monkeypatch.setattr(pages, "DRAWN", 2)
    reports = [check(), check(), check(2.0)]
    first, second, last = render([], reports).split('<details class="part"')[1:]

    # What directions certified has their figure; a failure has its entries, its steps and its map.
    assert (first.count("<svg"), second.count("<svg"), last.count("<svg")) == (1, 0, 3)
    assert "Figures are drawn for 2 checks" in last
    assert "Figures are drawn" not in render([], reports[:2])


@pytest.mark.slow
def test_thousands_of_wrong_entries_are_counted_not_listed():
    """The page names a few and counts the rest; the notebook's form stays short."""
    report = check(2.0, n=12, method="sweep")
    page = Page(render([], [report]))

    assert page.words.count(" analytic 4 ") == NAMED
    assert f"and {144 - NAMED} more" in page.words
    assert len(snippet(report)) < 4000
    assert "and 139 more" in Page(snippet(report)).words


def test_wrong_entries_that_no_list_has_are_counted_as_the_text_counts_them():
    """Of a factor two are listed; of a part that a sample tells, as many are wrong as it holds, about."""
    a, x = np.random.default_rng(6).normal(size=(2, 400))

    def checked(factor: float, max_nfev: int | None = None) -> gradcheck.Report:
        return gradcheck.check_gradient(
            lambda x: float(a @ np.sin(x)), lambda x: factor * a * np.cos(x), x, max_nfev=max_nfev
        )

    for report, more, cell in (
        (checked(2.0), "and 398 more", "400"),
        (checked(2.0, 28), "and about 398 more", "~400"),
    ):
        assert more in str(report)
        for page in (render([], [report]), snippet(report)):
            assert more in Page(page).words
            assert f'data-label="wrong">{cell}<' in page
    # A file of before an array had two counts.
    told = json.loads(checked(2.0).to_json())
    for array in told["arrays"]:
        del array["about"]
    assert "and 398 more" in Page(render([], [told])).words


def test_notebook_form_says_outcome_reason_and_arrays():
    """A right gradient: PASS and the array; a wrong one: FAIL and the entry."""
    right, wrong = Page(check()._repr_html_()), Page(check(2.0)._repr_html_())

    assert right.words.startswith("PASS all 16 entries agree")
    assert wrong.words.startswith("FAIL 16 of 16 entries wrong")
    assert "x[0, 0] analytic 4 numerical 2" in wrong.words
    assert "Looks like" in wrong.words
    assert not right.badly_nested
    assert not wrong.badly_nested


def test_notebook_form_tells_certificate_and_cost():
    """Numbers are right-aligned, the outcome has its colour, and below stand what was proved and what it cost."""
    report = check(method="directions")
    page = Page(report._repr_html_())

    assert report.certificates
    assert f"Certificate: {report.certificates[0]}".split(":")[0] in page.words
    assert f"{report.nfev} evaluations of f" in page.words
    assert {"badge PASS", "right"} <= set(page.attributes("class"))
    assert "badge FAIL" in Page(check(2.0)._repr_html_()).attributes("class")


@pytest.mark.slow
def test_parts_fold_and_lead_back_to_the_list():
    """What passed is folded, what did not is open; each part has a link to the list, and the list one to each part."""
    for measured, is_open in ((1.0, False), (1.5, True)):
        page = Page(rendered(a_case(measured=measured)))
        (part,) = [attrs for tag, attrs in page.elements if tag == "details" and attrs.get("class") == "part"]
        assert ("open" in part) is is_open
        assert {"#cases", "#case-1"} <= set(page.attributes("href"))
        assert {"cases", "case-1"} <= set(page.attributes("id"))


def test_numbers_that_are_none_are_dashes():
    """A report as JSON has None for nan: an unmeasured error and an analytic nan are shown."""
    report = gradcheck.check_gradient(
        lambda x: float(x @ x), lambda x: np.array([np.nan, 2.0]), np.ones(2), method="directions"
    )
    page = Page(render([], [report.to_dict()]))

    assert page.words.startswith("FAIL")
    assert "analytic nan" in page.words


def judged_case(factor=1.0, wrong=2.0):
    """A case whose quantity is a Report."""
    return Case(
        "5.1",
        "A gradient judged",
        [
            Quantity(
                "the gradient",
                lambda: check(factor),
                [Reference("PASS", True, reason="yes or no")],
                [Mistake("a factor", lambda: check(wrong))],
            )
        ],
    )


@pytest.mark.slow
def test_a_case_may_return_a_report():
    """A PASS counts as True and the planted FAIL as refused; both are on the page, and it passes."""
    result = run_case(loaded(judged_case()))

    assert [row.outcome.value for row in result.rows] == ["PASS", "PASS"]
    assert [name for name, _ in result.reports] == ["the gradient", "the gradient, refuses: a factor"]
    page = Page(render([result]))
    assert page.words.startswith("PASS")
    assert "the gradient, planted mistake: a factor FAIL" in page.words
    assert page.count("svg") == 1 + 3


@pytest.mark.parametrize(("factor", "wrong"), [(2.0, 3.0), (1.0, 1.0)])
def test_a_report_that_is_wrong_fails_its_case(factor, wrong):
    """A gradient off by a factor fails; so does a planted mistake that is none."""
    result = run_case(loaded(judged_case(factor, wrong)))

    assert result.outcome is gradcheck.Outcome.FAIL


def test_an_undecided_report_is_no_pass():
    """At a kink the check is INCONCLUSIVE, and so is the row, with the check's reason."""
    kink = Case(
        "1",
        "The modulus at 0",
        [
            Quantity(
                "|x|'",
                lambda: gradcheck.check_gradient(lambda x: float(abs(x[0])), np.sign, np.zeros(1)),
                [Reference("PASS", True, reason="yes or no")],
            )
        ],
    )
    (row,) = run_case(loaded(kink)).rows

    assert row.outcome is gradcheck.Outcome.INCONCLUSIVE
    assert "kink" in row.problem


CASE_FILE = """
from gradcheck.cases import Case, Figure, Mistake, Quantity, Reference

case = Case("1", "One", [Quantity("one", lambda: {value}, [Reference("published", 1, reason="an integer")],
                                  [Mistake("two", lambda: 2)])],
            figures=[Figure("line", lambda figure: figure.subplots().plot([0, 1]), "a rising line")])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("value", "status", "outcome"), [(1, 0, "PASS"), (3, 1, "FAIL")])
def test_run_writes_the_page(tmp_path, value, status, outcome):
    """`gradcheck run --html` writes the page whether or not the case passes; --figures writes files as before."""
    case = tmp_path / "one.py"
    case.write_text(CASE_FILE.format(value=value))
    page, folder = tmp_path / "new" / "report.html", tmp_path / "drawn"
    result = CliRunner().invoke(main, ["run", str(case), "--html", str(page), "--figures", str(folder)])

    assert result.exit_code == status, result.output
    assert [file.name for file in folder.iterdir()] == ["one-line.png"]
    shown = Page(page.read_text(encoding="utf-8"))
    assert shown.words.startswith(outcome)
    assert shown.count("svg") == 1


def test_run_without_figures_writes_none_but_in_the_page(tmp_path):
    """With --html alone no figure is written to a file, and none is announced."""
    case = tmp_path / "one.py"
    case.write_text(CASE_FILE.format(value=1))
    result = CliRunner().invoke(main, ["run", str(case), "--html", str(tmp_path / "r.html")])

    assert result.exit_code == 0
    assert "figure:" not in result.output
    assert sorted(file.name for file in tmp_path.iterdir()) == ["one.py", "r.html"]


def test_a_page_that_cannot_be_written_ends_the_run_before_it_starts(tmp_path):
    """A path below a file is refused in one line with status 2."""
    case = tmp_path / "one.py"
    case.write_text(CASE_FILE.format(value=1))
    result = CliRunner().invoke(main, ["run", str(case), "--html", str(case / "report.html")])

    assert result.exit_code == 2
    assert "--html: cannot write" in result.output
    assert "PASS" not in result.output


@pytest.mark.slow
def test_what_is_no_report_is_refused_with_what_is():
    """A report in the place of a list, a report in the place of a case, and nothing at all."""
    report = gradcheck.check_gradient(lambda x: float(x @ x), lambda x: 2 * x, np.array([1.0, 2.0]))

    for given, said in (
        (([], report), "reports must be a list of them, not <Report"),
        (([report],), "case_results must hold what run_case gave, not <Report.*; reports come second"),
        (([], [None]), "a report must be a Report or what its to_dict.* gave, not None"),
        ((report,), "case_results must be a list of them, not <Report"),
    ):
        with pytest.raises(TypeError, match=said):
            render(*given)
    with pytest.raises(TypeError, match="a report must be a Report"):
        snippet("report.json")
    assert "PASS" in render([], [report, report.to_dict()])
