"""Draw the figures of README.md and docs: python docs/make_figures.py"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import gradcheck  # noqa: E402

FOLDER = Path(__file__).parent / "figures"


def report() -> gradcheck.Report:
    """A two-layer network whose hand-written gradient is off by 11 % in one entry of W1."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 12)), rng.normal(size=(50, 3))
    params = {"W1": rng.normal(size=(12, 8)), "b1": rng.normal(size=8), "W2": rng.normal(size=(8, 3))}

    def loss(p: dict[str, np.ndarray]) -> float:
        return float(np.mean((np.tanh(x @ p["W1"] + p["b1"]) @ p["W2"] - y) ** 2))

    def gradient(p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        hidden = np.tanh(x @ p["W1"] + p["b1"])
        d_out = 2 * (hidden @ p["W2"] - y) / y.size
        d_hidden = d_out @ p["W2"].T * (1 - hidden**2)
        out = {"W1": x.T @ d_hidden, "b1": d_hidden.sum(axis=0), "W2": hidden.T @ d_out}
        out["W1"][7, 4] *= 1.11
        return out

    return gradcheck.check_gradient(loss, gradient, params, method="sweep")


def step_and_error(figure: Figure) -> None:
    """What a fixed step costs: the error of central differences of exp at 1, and gradcheck's own."""
    axes = figure.subplots()
    h = np.logspace(-13, 0, 131)
    x, truth = 1.0, np.e
    two_points = np.abs((np.exp(x + h) - np.exp(x - h)) / ((x + h) - (x - h)) - truth)
    axes.loglog(h, np.maximum(two_points, 1e-16), linewidth=0.9, label="central difference, by its step")
    found = gradcheck.derivative(np.exp, x)
    off = max(abs(found.value - truth), 1e-16)
    axes.errorbar(found.step, off, fmt="o", color="C3", label="gradcheck: step chosen")
    axes.axhline(3 * found.error, color="C3", linestyle=":", linewidth=1, label="3 E, its own error bar")
    axes.axvline(1e-4, color="gray", linestyle="--", linewidth=0.8, label="h = 1e-4")
    axes.set(xlabel="step h", ylabel="error of the derivative of exp at 1")
    axes.legend(fontsize="small")


def save(figure: Figure, name: str) -> None:
    """Write an SVG that is the same text each time."""
    FOLDER.mkdir(exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    save(report().plot(), "report")
    steps = Figure(figsize=(6.4, 4), layout="constrained")
    step_and_error(steps)
    save(steps, "step-and-error")
