"""Functions of x that the chain rule leaves out, or that stand one time too often."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradcheck._typing import Flat

# What the derivative by another parameter is multiplied with: x as log x, as a logit, as a square root, ...
CHAIN: dict[str, Callable[[Flat], Flat]] = {
    "{}": lambda t: t,
    "1/{}": lambda t: 1.0 / t,
    "{}^2": lambda t: t**2,
    "1/{}^2": lambda t: 1.0 / t**2,
    "2 {}": lambda t: 2.0 * t,
    "1/(2 {})": lambda t: 0.5 / t,
    "{}^3": lambda t: t**3,
    "sqrt({})": np.sqrt,
    "1/sqrt({})": lambda t: 1.0 / np.sqrt(t),
    "{0} (1 - {0})": lambda t: t * (1.0 - t),
    "1/({0} (1 - {0}))": lambda t: 1.0 / (t * (1.0 - t)),
    "(1 - {}^2)": lambda t: 1.0 - t**2,
    "1/(1 - {}^2)": lambda t: 1.0 / (1.0 - t**2),
    "(1 + {}^2)": lambda t: 1.0 + t**2,
    "(1 - {})": lambda t: 1.0 - t,
    "(1 + {})": lambda t: 1.0 + t,
    "exp({})": np.exp,
    "exp(-{})": lambda t: np.exp(-t),
    "exp(2 {})": lambda t: np.exp(2.0 * t),
    "exp(-2 {})": lambda t: np.exp(-2.0 * t),
    "exp({}/2)": lambda t: np.exp(t / 2.0),
    "exp(-{}/2)": lambda t: np.exp(-t / 2.0),
    "(1 - exp(-{}))": lambda t: 1.0 - np.exp(-t),
    "(1 + exp({}))": lambda t: 1.0 + np.exp(t),
    "(1 + exp(-{}))": lambda t: 1.0 + np.exp(-t),
    "1/(1 - tanh({})^2)": lambda t: np.cosh(t) ** 2,
    "(1 - tanh({})^2)": lambda t: 1.0 / np.cosh(t) ** 2,
    "1/(s (1 - s)), s the sigmoid of {}": lambda t: 2.0 + 2.0 * np.cosh(t),
}
# People write the derivative of a sigmoid s as s (1 - s), and that of tanh as 1 - tanh^2. Given x for these values, or
# values for x, it is multiplied with one of these.
VALUES: dict[str, Callable[[Flat], Flat]] = {
    "{0} (1 - {0})/(s (1 - s)), s the sigmoid of {0},": lambda t: t * (1.0 - t) / _of_sigmoid(t),
    "t (1 - t)/(s (1 - s)), s the sigmoid of {0}, t that of s,": lambda t: (
        _of_sigmoid(1.0 / (1.0 + np.exp(-t))) / _of_sigmoid(t)
    ),
    "(1 - {0}^2)/(1 - tanh({0})^2)": lambda t: (1.0 - t**2) * np.cosh(t) ** 2,
    "(1 - tanh(t)^2)/(1 - t^2), t = tanh({0}),": lambda t: (np.cosh(t) / np.cosh(np.tanh(t))) ** 2,
}


def _of_sigmoid(t: Flat) -> Flat:
    """The derivative of a sigmoid."""
    return 0.5 / (1.0 + np.cosh(t))
