"""What a run offers a case: where the data are, what to cut short, where to keep what is unfinished."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck.textbook.mnist import Dataset


@dataclass(frozen=True)
class Context:
    """What a case may ask of the run.

    Attributes
    ----------
    data : Path or None
        Folder with the four MNIST files, or None for the order that `load_mnist` documents.
    fast : bool
        Cut training to what shows the trend.
    numerical : bool
        Train by numerical differentiation in full.
    progress : bool
        Show progress bars on long work.
    workdir : Path
        Where checkpoints are kept.
    fresh : bool
        Begin a training afresh whose checkpoint is there.
    sources : list of str
        In words, where the data came from that the case has loaded; `run_case` begins with none.
    """

    data: Path | None = None
    fast: bool = False
    numerical: bool = False
    progress: bool = False
    workdir: Path = Path(".gradcheck")
    fresh: bool = False
    sources: list[str] = field(default_factory=list, repr=False, compare=False)

    def mnist(self, **options: Any) -> Dataset:
        """Load MNIST; the result of the case names the source.

        Parameters
        ----------
        options
            Those of `load_mnist`, without `data`: `normalize`, `one_hot_label` and `flatten`.

        Returns
        -------
        Dataset
            As `load_mnist` gives it.

        Raises
        ------
        DataError
            As `load_mnist`; the rows of the case are then INCONCLUSIVE.
        """
        from gradcheck.textbook.mnist import load_mnist

        dataset = load_mnist(data=self.data, **options)
        if dataset.source not in self.sources:
            self.sources.append(dataset.source)
        return dataset
