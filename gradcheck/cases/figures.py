"""Write the figures of cases to files."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gradcheck.cases.case import Figure
from gradcheck.files import replacing

FORMATS = ("png", "svg")


# save_figure(case name, figure, draw) -> the file written, or None where there is none
SaveFigure = Callable[[str, Figure, Callable[[Any], None]], Path | None]


def figure_writer(folder: Path, file_format: str) -> SaveFigure:
    """Return what `run_case` takes as `save_figure`: it writes FOLDER/CASE-FIGURE.png or .svg.

    The alternative text goes into the file as its description.
    """
    if file_format not in FORMATS:
        raise ValueError(f"file_format must be one of {FORMATS}, not {file_format!r}")

    def save(case: str, figure: Figure, draw: Callable[[Any], None]) -> Path:
        # Not pyplot: that would keep a global list of figures and choose a window system.
        import matplotlib.figure

        canvas = matplotlib.figure.Figure(figsize=(6.4, 4.4), layout="constrained")
        draw(canvas)
        name = figure.name.replace(" ", "_").replace("/", "_")
        path = folder / f"{case}-{name}.{file_format}"
        written = io.BytesIO()
        metadata: dict[str, Any] = {"Title": f"{case}: {figure.name}", "Description": figure.alt}
        metadata |= {"Date": None} if file_format == "svg" else {}
        canvas.savefig(written, format=file_format, dpi=150, metadata=metadata)
        with replacing(path) as file:
            file.write(written.getvalue())
        return path

    return save
