"""Select by name with an expression, in the sense of pytest's -k."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["name_filter"]

TOKEN = re.compile(r"\s*([()]|[\w:+\-.\[\]\\/]+)")


def name_filter(expression: str) -> Callable[[str], bool]:
    """Return a function that says whether a name fits `expression`.

    A word fits the names that contain it, in any case; `not`, `and`, `or` and parentheses combine words, and
    bind in this order. Raises ValueError, saying what was expected and where, if the expression is malformed.
    """
    tokens = _tokens(expression)
    position = 0

    def peek() -> str:
        return tokens[position][0] if position < len(tokens) else ""

    def take() -> str:
        nonlocal position
        position += 1
        return tokens[position - 1][0]

    def either() -> Callable[[str], bool]:
        first = both()
        if peek().lower() == "or":
            take()
            second = either()
            return lambda name: first(name) or second(name)
        return first

    def both() -> Callable[[str], bool]:
        first = negated()
        if peek().lower() == "and":
            take()
            second = both()
            return lambda name: first(name) and second(name)
        return first

    def negated() -> Callable[[str], bool]:
        if peek().lower() == "not":
            take()
            inner = negated()
            return lambda name: not inner(name)
        return word()

    def word() -> Callable[[str], bool]:
        if peek().lower() in ("", ")", "and", "or"):
            raise ValueError(_expected("a name", expression, tokens, position))
        token = take()
        if token != "(":
            return lambda name: token.lower() in name.lower()
        inner = either()
        if peek() != ")":
            raise ValueError(_expected('")"', expression, tokens, position))
        take()
        return inner

    try:
        fits = either()
    except RecursionError:
        raise ValueError(f"{len(tokens):,} words are too many, or nested too deeply") from None
    if position < len(tokens):
        raise ValueError(_expected('"and" or "or"', expression, tokens, position))
    return fits


def _tokens(expression: str) -> list[tuple[str, int]]:
    tokens, at = [], 0
    while expression[at:].strip():
        match = TOKEN.match(expression, at)
        if match is None:
            at += len(expression[at:]) - len(expression[at:].lstrip())
            raise ValueError(f"unexpected {expression[at]!r} at character {at + 1} of {expression!r}")
        tokens.append((match[1], match.start(1)))
        at = match.end()
    return tokens


def _expected(what: str, expression: str, tokens: list[tuple[str, int]], position: int) -> str:
    if position >= len(tokens):
        return f"expected {what} at the end of {expression!r}"
    token, at = tokens[position]
    return f"expected {what}, not {token!r}, at character {at + 1} of {expression!r}"
