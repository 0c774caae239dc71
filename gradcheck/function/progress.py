"""A progress bar for checks of an expensive f."""

from __future__ import annotations

from typing import Any


class Progress:
    """Evaluations of f made and still planned, on stderr; nothing where `shown` is false.

    Use as a context manager. What is planned grows when a search begins: nobody knows beforehand what it takes.
    """

    def __init__(self, shown: bool) -> None:
        self._bar: Any = None
        if shown:
            from tqdm.auto import tqdm

            self._bar = tqdm(desc="gradcheck", unit=" f", total=0, leave=False)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def evaluated(self, points: int) -> None:
        """So many evaluations have been begun."""
        if self._bar is not None:
            self._bar.total = max(self._bar.total, self._bar.n + points)
            self._bar.update(points)

    def plan(self, points: int) -> None:
        """So many evaluations are still to come, as far as is known."""
        if self._bar is not None:
            self._bar.total = self._bar.n + points
            self._bar.refresh()
