"""What the adapters share: words for a missing package, scikit-learn's loss_gradient, and the documented examples."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from docs import run_blocks
from gradcheck import Outcome, check_gradient
from gradcheck.interop.adapter import optional

PAGE = (Path(__file__).parent.parent / "docs" / "interop.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## .*?`gradcheck\.interop\.(\w+)`\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def test_a_missing_package_is_named_with_its_extra():
    """An adapter without its framework says what to install."""
    with pytest.raises(ModuleNotFoundError, match=r"needs nosuchpackage, .* gradcheck\[nosuchpackage\]"):
        optional("nosuchpackage")


@pytest.mark.parametrize("package", ["torch", "jax", "autograd"])
def test_the_examples_of_the_page_run_and_show_what_they_print(package):
    """The blocks marked `py` need an extra, so the test of the documents leaves them to this one."""
    text = SECTIONS[package].replace("```py\n", "```python\n")
    assert "```text" in text
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install '.[{package}]'")
    for shown, printed in run_blocks.outputs(text):
        assert run_blocks.settled(printed) == run_blocks.settled(shown.text)


def test_scikit_learns_loss_gradient():
    """(loss, gradient) from one call is grad=True: their logistic loss passes, without its penalty's gradient not."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install scikit-learn")
    loss = pytest.importorskip("sklearn._loss.loss")
    linear = pytest.importorskip("sklearn.linear_model._linear_loss")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 4)), rng.integers(0, 2, 30).astype(float)
    model = linear.LinearModelLoss(base_loss=loss.HalfBinomialLoss(), fit_intercept=True)
    coef = rng.normal(size=5)

    def penalty_forgotten(coef):
        value, gradient = model.loss_gradient(coef, X, y, l2_reg_strength=0.5)
        return value, gradient - 0.5 * np.append(coef[:-1], 0.0)

    def right(coef):
        return model.loss_gradient(coef, X, y, l2_reg_strength=0.5)

    assert check_gradient(right, True, coef).outcome is Outcome.PASS
    report = check_gradient(penalty_forgotten, True, coef)
    assert report.outcome is Outcome.FAIL
    assert {m.name for m in report.wrong} == {f"x[{i}]" for i in range(4)}
