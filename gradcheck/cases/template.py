"""The case file that `gradcheck new` writes."""

from __future__ import annotations

from pathlib import Path

TEXT = '''"""What this case shows, in a sentence.

gradcheck run {path}
pytest {path}
"""

import numpy as np

import gradcheck
from gradcheck.cases import Case, Mistake, Quantity, Reference

# The code under test. Import your own instead: the folder that holds {folder}/ is on the import path.
#   from mypackage.model import loss, gradient


def loss(w):
    """The mean of log(1 + w^2)."""
    return np.log1p(w**2).mean()


def gradient(w):
    """Its derivative, written by hand."""
    return 2 * w / (1 + w**2) / w.size


W = np.array([-2.0, 0.5, 3.0])

case = Case(
    section="1",  # of the text that states the fact
    title="The gradient of the mean of log(1 + w^2)",
    quantities=[
        Quantity(
            "gradient",
            lambda: gradient(W),
            references=[
                # Every reference has a tolerance and the reason for it: rtol is relative, atol absolute.
                Reference(
                    "by hand",
                    [-4 / 15, 4 / 15, 1 / 5],
                    rtol=1e-14,
                    reason="exact fractions; a few roundings of float64",
                ),
                # A reference may be an estimate: it brings its own error bar.
                Reference(
                    "central differences",
                    lambda: gradcheck.gradient(loss, W),
                    rtol=1e-8,
                    reason="beyond three error bars of the estimate, as much as this case should ever overlook",
                ),
            ],
            # Wrong on purpose. The case must refuse them: that shows it would refuse yours.
            mistakes=[
                Mistake("the sum instead of the mean", lambda: gradient(W) * W.size),
                Mistake("the sign", lambda: -gradient(W)),
            ],
        ),
    ],
)
'''


def case_text(path: Path) -> str:
    """The text of a case file at `path`, which runs and passes as it is."""
    return TEXT.format(path=path.as_posix(), folder=path.resolve().parent.name)
