"""README and docs: every code block runs, shows what it prints, and links lead somewhere."""

import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from docs import run_blocks
from gradcheck.cli import main

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCUMENTS = [*run_blocks.files(), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]


def ids(path):
    """Name a document by its path in the repository."""
    return str(path.relative_to(ROOT))


def commands(path):
    """Every line of the ```sh blocks of a document."""
    blocks = run_blocks.blocks(path.read_text(encoding="utf-8"))
    return [line for b in blocks if b.language == "sh" for line in b.text.splitlines() if line.strip()]


@pytest.mark.slow
@pytest.mark.parametrize("path", run_blocks.files(), ids=ids)
def test_blocks_run_and_show_what_they_print(path):
    """Each Python block runs; an output below it is what it prints, but for times; near rounding to a decade."""
    for shown, printed in run_blocks.outputs(path.read_text(encoding="utf-8")):
        assert run_blocks.same(shown.text, printed), (
            "python docs/run_blocks.py writes the outputs anew",
            run_blocks.settled(shown.text),
            run_blocks.settled(printed),
        )


def test_an_output_that_is_not_printed_is_seen():
    """The comparison can fail: another count, another number, a missing line, an exception."""

    def as_shown(shown, code="print('83 evaluations, 9e-04 and 3e-12 in 0.5 s')"):
        ((block, printed),) = run_blocks.outputs(f"```python\n{code}\n```\n\n```text\n{shown}\n```\n")
        return run_blocks.same(block.text, printed)

    assert as_shown("83 evaluations,  9e-04 and 3e-12 in 12 s")
    assert as_shown("83 evaluations, 9e-04 and 1.1e-11 in 0.5 s")
    for other in (
        "90 evaluations, 9e-04 and 3e-12 in 0.5 s",
        "83 evaluations, 2e-03 and 3e-12 in 0.5 s",
        "83 evaluations, 9e-04 and 3e-10 in 0.5 s",
        "83 evaluations, 9e-04 and 3e-12",
        "",
    ):
        assert not as_shown(other)
    certified = "print('the error of W is below 5.3e-05 of it, 2.1e-05 seen')"
    assert as_shown("the error of W is below 5.5e-05 of it, 2.1e-05 seen", certified)
    assert not as_shown("the error of W is below 5.3e-05 of it, 2.2e-05 seen", certified)
    assert not as_shown("the error of W is below 5.4e-04 of it, 2.1e-05 seen", certified)
    with pytest.raises(ZeroDivisionError):
        as_shown("", "1 / 0")


def test_blocks_are_found_and_run_in_order():
    """Blocks share their names, and other languages are left alone."""
    text = "```python\na = 1\n```\n\n```sh\nrm -rf nothing\n```\n\n```python\nprint(a + 1)\n```\n\n```text\n2\n```\n"

    assert [b.language for b in run_blocks.blocks(text)] == ["python", "sh", "python", "text"]
    assert [printed for _, printed in run_blocks.outputs(text)] == ["2\n"]


def test_modules_of_a_document_do_not_outlive_it():
    """Two documents may each have a model.py; neither sees the other's."""
    text = (
        "```python\n# model.py\nA = {}\n```\n\n```python\nimport model\nprint(model.A)\n```\n\n```text\n```\n"
    )

    for value in ("1", "2"):
        assert [printed for _, printed in run_blocks.outputs(text.format(value))] == [value + "\n"]
    assert "model" not in sys.modules


def test_there_is_something_to_run():
    """README and the tutorial hold blocks with outputs: the tests above are not empty."""
    for name, at_least in (("README.md", 1), ("docs/tutorial.md", 5)):
        languages = [b.language for b in run_blocks.blocks((ROOT / name).read_text(encoding="utf-8"))]
        assert languages.count("text") >= at_least


def test_the_outputs_that_are_compared_are_counted(tmp_path):
    """`refresh` says how many outputs a document has and writes those anew that differ: none, when it is run again."""
    path = tmp_path / "page.md"
    block = "```python\nprint({}, 'in 1 s')\n```\n\n```text\n{} in 2 s\n```\n"
    path.write_text(block.format(1, 1) + block.format(2, 3) + "```python\n4\n```\n")

    assert [run_blocks.refresh(path) for _ in range(2)] == [(2, 1), (2, 0)]
    assert "1 in 2 s" in path.read_text()  # another time is no other output
    assert "2 in 1 s" in path.read_text()


@pytest.mark.parametrize("path", DOCUMENTS, ids=ids)
def test_commands_exist_with_their_options(path):
    """`gradcheck` lines name commands and options that there are; scripts that are named are files."""
    for line in commands(path):
        for words in (shlex.split(part) for part in line.split("&&")):
            program = Path(words[0]).name
            if program == "gradcheck" and len(words) > 1:
                command = main if words[1].startswith("-") else main.commands[words[1]]
                known = {o for p in command.params for o in p.opts} | {"--help", "-h", "--version"}
                assert {w.partition("=")[0] for w in words[1:] if re.match("--?[a-z]", w)} <= known, line
            elif program.startswith("python") and len(words) > 1 and words[1].endswith(".py"):
                assert (ROOT / words[1]).is_file(), line


def test_an_unknown_option_would_be_seen():
    """What the test above relies on: the command knows its options."""
    assert isinstance(main.commands["run"], click.Command)
    assert "--html" in {option for p in main.commands["run"].params for option in p.opts}
    assert "--htm" not in {option for p in main.commands["run"].params for option in p.opts}


@pytest.mark.parametrize("path", DOCUMENTS, ids=ids)
def test_links_lead_to_files(path):
    """Every relative link and picture is a file of the repository, and its heading is there."""
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, heading = target.partition("#")
        file = path if not name else path.parent / name
        assert file.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
            slugs = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
            assert heading in slugs, target


def test_the_readme_begins_with_code_that_fits_a_phone():
    """The first block has five lines of at most 45 columns, and the next is what it prints."""
    first, output, *_ = run_blocks.blocks((ROOT / "README.md").read_text(encoding="utf-8"))

    assert (first.language, output.language) == ("python", "text")
    assert sum(1 for line in first.text.splitlines() if line) <= 5  # the formatter adds an empty one
    assert max(map(len, first.text.splitlines())) <= 45
    assert output.text.startswith("FAIL")


def test_the_readme_installs_from_a_clone():
    """No index carries the package: installing it by name would get nothing, or something else."""
    said = commands(ROOT / "README.md")

    assert "pip install ." in said
    assert not re.search(r"pip install [\w\"' -]*\bgradcheck", "\n".join(said))


def test_every_page_is_on_the_site():
    """A page that no page leads to is not found; README.md leads to the first ones, and to the site."""
    pages = {str(path.relative_to(ROOT / "docs")) for path in DOCUMENTS if path.is_relative_to(ROOT / "docs")}
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    nav = site[site.index("nav:") : site.index("validation:")]

    assert sorted(re.findall(r"([\w/-]+\.md)$", nav, re.M)) == sorted(pages)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("tutorial.md", "verdict.md", "limits.md", "ko/index.md"):
        assert f"(docs/{name})" in readme
    assert "mkdocs serve" in readme


@pytest.fixture
def formulas(monkeypatch):
    """What the site makes of formulas, with a converter that keeps them."""
    converter = SimpleNamespace(convert=lambda text, display: f"<math {display}>{text}</math>")
    monkeypatch.setitem(sys.modules, "latex2mathml", SimpleNamespace(converter=converter))
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", converter)
    monkeypatch.delitem(sys.modules, "docs.formulas", raising=False)
    yield importlib.import_module("docs.formulas").on_page_markdown
    sys.modules.pop("docs.formulas", None)


def test_formulas_become_what_a_browser_shows(formulas):
    """In a line of their own, within one, over two; code and a dollar alone stay as they are, a bar ends no cell."""
    assert formulas("takes $a_n$ and $b\n+c$") == (
        "takes <span><math inline>a_n</math></span> and <span><math inline>b +c</math></span>"
    )
    assert formulas("$$a\n=b$$") == "<math block>a =b</math>"
    assert formulas("| $|a|$ |") == "| <span><math inline>&#124;a&#124;</math></span> |"
    for text in ("`$a$ and $b$`", "```sh\necho $HOME $PATH\n```\n", "costs $5", "$5\n\nand $6"):
        assert formulas(text) == text


def test_no_page_of_the_site_shows_a_formula_as_it_is_typed(formulas):
    """structured.md has some hundred; each is between two dollars, so that none is left over."""
    found = 0
    for path in (ROOT / "docs").rglob("*.md"):
        shown = re.sub(
            r"^```.*?^```|`[^`\n]*`", "", formulas(path.read_text(encoding="utf-8")), flags=re.M | re.S
        )
        found += shown.count("<math")
        assert "$" not in shown, path
    assert found > 100
    assert "- docs/formulas.py" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_what_an_index_shows_has_no_dead_links():
    """There README.md lies alone: the links into the repository are taken out of the package's description."""
    (rule,) = PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    shown = re.sub(rule["pattern"], rule["replacement"], readme)
    assert re.search(r"\]\((?!https?://)", readme)
    assert not re.search(r"\]\((?!https?://)", shown)
    assert "docs/tutorial.md" in shown
    linked = "[a](https://example.org/b), ![c](d.svg), [e](docs/f.md)"
    assert re.sub(rule["pattern"], rule["replacement"], linked) == "[a](https://example.org/b), c, e"


@pytest.mark.slow
def test_the_tutorial_is_followed_literally(tmp_path):
    """Its files are written as they come and its commands typed, in an empty folder; the last one passes."""
    text = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
    found = run_blocks.blocks(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "130", "PYTHONDONTWRITEBYTECODE": "1"}
    statuses = []
    for block, following in zip(found, [*found[1:], None], strict=True):
        saved = run_blocks.SAVED.match(block.text)
        if block.language == "python":
            assert saved, "each file of the tutorial says its name"
            (tmp_path / saved[1]).write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            (line,) = block.text.splitlines()
            program, *rest = shlex.split(line)
            command = [sys.executable, "-m", program, *rest]
            result = subprocess.run(
                command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
            )
            statuses.append((program, result.returncode))
            if following is not None and following.language == "text":
                assert run_blocks.same(following.text, result.stdout), result.stdout + result.stderr

    assert statuses == [*[("gradcheck", status) for status in (1, 1, 0, 1, 0)], ("pytest", 0)]


def test_every_public_name_is_documented():
    """docs/api.md and docs/api-more.md have each name that a module of theirs offers, and no other."""
    text = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("api.md", "api-more.md"))
    shown = re.findall(r"^::: (.*)$", text, re.M)
    modules = {name.rpartition(".")[0] for name in shown}
    assert {
        "gradcheck",
        "gradcheck.cases",
        "gradcheck.html",
        "gradcheck.mutations",
        "gradcheck.textbook",
    } <= modules
    missing = [
        f"{module}.{name}"
        for module in modules
        for name in importlib.import_module(module).__all__
        if not name.startswith("__") and f"{module}.{name}" not in shown and f"`{name}`" not in text
    ]
    assert not missing
    for name in shown:
        module, _, attribute = name.rpartition(".")
        assert attribute in importlib.import_module(module).__all__, name


def test_the_errata_name_rows_that_there_are():
    """Each erratum names the row of cases/errata.py that shows it."""
    from gradcheck.cases import discover

    (loaded,) = discover([ROOT / "cases/errata.py"])
    quantities = {quantity.name for quantity in loaded.case.quantities}
    named = re.findall(r"^Shown by: (.*)$", (ROOT / "docs/errata.md").read_text(encoding="utf-8"), re.M)
    assert len(named) >= 6
    for line in named:
        for name in re.findall(r"`([^`]+)`", line):
            assert name in quantities


def test_every_option_of_the_plugin_is_documented():
    """docs/pytest.md names the options, the marker and the ini values that the plugin adds, and no other."""
    words = r"--gradcheck-\w+|mark\.gradcheck|gradcheck_(?:rtol|cases|\w+)(?= =)"
    plugin = (ROOT / "gradcheck/pytest_plugin/__init__.py").read_text(encoding="utf-8")
    added = set(re.findall(r'"(--gradcheck-\w+)"', plugin)) | set(re.findall(r'addini\(\s*"(\w+)"', plugin))
    named = set(re.findall(words, (ROOT / "docs/pytest.md").read_text(encoding="utf-8")))

    assert len(added) >= 5
    assert named == added | {"mark.gradcheck"}
