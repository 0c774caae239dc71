"""The pytest plugin: the fixture `gradcheck`, case files as tests, and a report of every check of the run.

pytest imports this module in every run of an environment where gradcheck is installed: NumPy, SciPy and the rest of
the package are imported when a test uses them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from gradcheck.pytest_plugin.checker import Checker
    from gradcheck.pytest_plugin.run import Run

__all__ = ["Checker", "gradcheck"]

MARKER = (
    "gradcheck(rtol=None, atol=0.0, resolution=None, ..., seed=None, inconclusive=None): options of check_gradient for "
    "the checks of this test, and what INCONCLUSIVE means there; every test with the fixture `gradcheck` has this "
    "marker, and so has every row of a case file"
)


if not TYPE_CHECKING:  # to a type checker a name that is not here is an error

    def __getattr__(name: str) -> Any:
        """`Checker`, the type of the fixture, for annotations: imported when it is asked for."""
        if name != "Checker":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from gradcheck.pytest_plugin.checker import Checker

        return Checker


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the ini values."""
    group = parser.getgroup("gradcheck", "gradient checks")
    group.addoption(
        "--gradcheck-seed",
        type=int,
        metavar="N",
        help="Seed of every check; by default each test has its own, made from its name.",
    )
    group.addoption(
        "--gradcheck-report",
        metavar="FILE",
        help="Write every check and every row of a case file of this run to FILE, .html or .json.",
    )
    group.addoption(
        "--gradcheck-inconclusive",
        choices=("fail", "skip", "pass"),
        default="fail",
        help="What a check without a verdict does to its test (default: %(default)s).",
    )
    parser.addini(
        "gradcheck_cases",
        "Folders with case files, or case files, relative to the root folder; "
        "by default whatever defines a gradcheck Case in a folder named cases.",
        type="args",
        default=[],
    )
    parser.addini(
        "gradcheck_rtol", "The rtol of checks that give none (default: by the dtype of f).", default=""
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, refuse what cannot be used, and start gathering."""
    from gradcheck.pytest_plugin.run import NAME, Run

    config.addinivalue_line("markers", MARKER)
    run = Run(config)
    config.pluginmanager.register(run, NAME)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the seed, where one was given."""
    seed = config.getoption("gradcheck_seed")
    return None if seed is None else f"gradcheck: seed {seed} in every check"


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Collect a case file as such, and not as a test module too when it is named on the command line."""
    collected = yield
    if not _is_case_file(file_path, parent.config):
        return collected
    from gradcheck.pytest_plugin.case_items import CaseFile

    return [CaseFile.from_parent(parent, path=file_path)]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests that check gradients: `-m gradcheck` selects them."""
    if "gradcheck" in getattr(item, "fixturenames", ()):
        item.add_marker("gradcheck")


# Of the session, so that it may be used below Hypothesis' @given and in fixtures of any scope; what belongs to a test,
# such as its seed, is looked up at each call.
@pytest.fixture(scope="session")
def gradcheck(request: pytest.FixtureRequest) -> Checker:
    """Check a gradient, `gradcheck(f, grad, x, **options)`; the test fails with the report unless it passes."""
    from gradcheck.pytest_plugin.checker import Checker
    from gradcheck.pytest_plugin.run import NAME

    run: Run = request.config.pluginmanager.getplugin(NAME)
    return Checker(run)


def _is_case_file(path: Path, config: pytest.Config) -> bool:
    from gradcheck.pytest_plugin.run import is_case_name

    if not is_case_name(path):
        return False
    named: list[str] = config.getini("gradcheck_cases")
    if named:
        given = [Path(os.path.abspath(config.rootpath / name)) for name in named]
        return path in given or path.parent in given
    if path.parent.name != "cases":
        return False
    from gradcheck.pytest_plugin.recognise import holds_a_case

    test = any(path.match(pattern) for pattern in config.getini("python_files"))
    return holds_a_case(path, config.rootpath, test=test)
