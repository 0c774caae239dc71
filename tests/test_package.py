"""What `import gradcheck` gives, and what it does not load before it is used."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gradcheck

PROJECT = Path(__file__).parent.parent


def test_every_public_name_is_there_and_comes_from_where_the_types_come_from():
    """`__all__`, the imports that type checkers see and the table of lazy imports name the same things."""
    tree = ast.parse(Path(gradcheck.__file__).read_text())
    typed = {
        (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gradcheck.")
        for alias in node.names
    }

    assert {name for _, name in typed} == set(gradcheck.__all__)
    for module, name in typed:
        assert getattr(gradcheck, name) is getattr(sys.modules[module], name)
    assert set(gradcheck.__all__) <= set(dir(gradcheck))


def test_a_name_that_is_not_there_is_an_attribute_error():
    """A typing error, or SciPy's name, is told with what was meant; `hasattr` works."""
    said = "module 'gradcheck' has no attribute '{}'; did you mean check_gradient\\?"
    for name in ("check_gradiant", "check_grad"):
        with pytest.raises(AttributeError, match=said.format(name)):
            getattr(gradcheck, name)
    with pytest.raises(AttributeError, match=r"module 'gradcheck' has no attribute 'zzzz'$"):
        _ = gradcheck.zzzz


@pytest.mark.slow
@pytest.mark.parametrize("module", ["gradcheck", "gradcheck.pytest_plugin"])
def test_import_loads_neither_numpy_nor_scipy(module):
    """pytest imports the plugin in every run: it costs nothing before it is used."""
    code = (
        f"import sys, {module}; print([m for m in ('numpy', 'scipy', 'click', 'rich') if m in sys.modules])"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT
    )

    assert result.stdout == "[]\n"


def test_import_gradcheck_loads_nothing_else():
    """Ctrl-C before the first line of the command is Python's to answer: there is little before it."""
    code = "import sys; before = {*sys.modules}; import gradcheck; print(*sorted({*sys.modules} - before))"

    result = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT
    )

    assert result.stdout.split() == ["__future__", "gradcheck", "gradcheck._version"]


def test_the_citation_is_of_this_version():
    """CITATION.cff names the version and the licence of the package, in pyproject.toml and in the code alike."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = dict(
        re.findall(r"^(\w[\w-]*): *(.+)$", (PROJECT / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    )

    assert citation["version"] == project["version"] == gradcheck.__version__
    assert citation["license"] == project["license"]


def test_the_hooks_before_a_commit_are_checks_of_the_whole_run():
    """Each hook of .pre-commit-config.yaml runs what .ci/run runs."""
    hooks = (PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    whole = (PROJECT / ".ci/run").read_text(encoding="utf-8")
    entries = re.findall(r"^ +entry: (?:python -m )?(.+)$", hooks, re.M)

    assert entries == ["ruff check", "ruff format", "mypy"]
    assert all(entry in whole for entry in entries)
