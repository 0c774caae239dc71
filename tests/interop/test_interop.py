"""What the adapters share: words for a missing package, scikit-learn's loss_gradient, and the documented examples."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from docs import run_blocks
from gradcheck.interop.adapter import check_call, optional

PAGE = (Path(__file__).parents[2] / "docs" / "interop.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## .*?`gradcheck\.interop\.(\w+)`\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def test_a_missing_package_is_named_with_its_extra():
    """An adapter without its framework says what to install."""
    with pytest.raises(ModuleNotFoundError, match=r"needs nosuchpackage, .* gradcheck\[nosuchpackage\]"):
        optional("nosuchpackage")


@pytest.mark.parametrize("args", [None, "abc", np.ones((2, 3)), 3])
def test_further_arguments_are_a_tuple_or_a_list(args):
    """Anything else would be taken apart, or be no argument at all."""
    for fitting in ((), (1.0,), [args]):
        check_call(np.sum, fitting)
    with pytest.raises(TypeError, match="args must be a tuple of further arguments for the functions, not "):
        check_call(np.sum, args)
    with pytest.raises(TypeError, match="loss must be callable, not float: the order is net, loss"):
        check_call(1.0, (), name="loss", order="net, loss")


@pytest.mark.parametrize("package", ["torch", "jax", "autograd"])
def test_the_examples_of_the_page_run_and_show_what_they_print(package):
    """The blocks marked `py` need an extra, so the test of the documents leaves them to this one."""
    text = SECTIONS[package]
    assert "```text" in text
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install '.[{package}]'")
    for shown, printed in run_blocks.outputs(text, extras=True):
        assert run_blocks.same(shown.text, printed)
