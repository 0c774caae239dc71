"""What the adapters share: words for a missing package, scikit-learn's loss_gradient, and the documented examples."""

import importlib.util
import re
from pathlib import Path

import pytest

from docs import run_blocks
from gradcheck.interop.adapter import optional

PAGE = (Path(__file__).parents[2] / "docs" / "interop.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## .*?`gradcheck\.interop\.(\w+)`\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def test_a_missing_package_is_named_with_its_extra():
    """An adapter without its framework says what to install."""
    with pytest.raises(ModuleNotFoundError, match=r"needs nosuchpackage, .* gradcheck\[nosuchpackage\]"):
        optional("nosuchpackage")


@pytest.mark.parametrize("package", ["torch", "jax", "autograd"])
def test_the_examples_of_the_page_run_and_show_what_they_print(package):
    """The blocks marked `py` need an extra, so the test of the documents leaves them to this one."""
    text = SECTIONS[package]
    assert "```text" in text
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install '.[{package}]'")
    for shown, printed in run_blocks.outputs(text, extras=True):
        assert run_blocks.same(shown.text, printed)
