"""Adapters to automatic differentiation: `torch`, `jax` and `autograd`, each imported by its own name.

In their reports, f is the function, and grad or vjp what the framework makes of it.
"""
