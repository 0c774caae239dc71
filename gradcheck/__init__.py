"""Verify hand-written derivatives: is the gradient right, where is it wrong, what is wrong with it."""

__version__ = "0.1.0"

__all__ = ["__version__"]
