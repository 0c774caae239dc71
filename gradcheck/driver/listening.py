"""Who is told of a check that `assert_gradient` made: the pytest plugin, while a test runs, and else nobody."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

listener: ContextVar[Callable[[Any], None] | None] = ContextVar("listener", default=None)
