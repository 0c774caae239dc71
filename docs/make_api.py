"""Write docs/api.md from the docstrings: python docs/make_api.py"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

# Module, what it is for, and whether its names are told in full or by their first lines.
MODULES = (
    ("gradcheck", "Checks, and what they return.", True),
    ("gradcheck.cases", "Case files; see [writing-cases.md](writing-cases.md).", True),
    ("gradcheck.html", "Reports as a page.", True),
    ("gradcheck.mutations", "Mistakes to plant.", False),
    ("gradcheck.strategies", "Points for Hypothesis (extra `hypothesis`).", True),
    ("gradcheck.textbook", "The chapter's implementation, corrected; the printed forms beside it.", False),
)
HEAD = """# The public names
Written by `python docs/make_api.py` from the docstrings. Whatever is not listed here may change without notice.

The command line is described by `gradcheck --help`, the pytest plugin by `pytest --help` (group "gradient checks").
"""


def signature(value: Any) -> str:
    """The parameters of a function or class, one line."""
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""
    return text.replace("'", "")


def doc(value: Any) -> str:
    """The docstring; empty for a value whose type's docstring would say nothing about it."""
    if not (inspect.isclass(value) or callable(value)):
        return ""
    text = inspect.getdoc(value) or ""
    return "" if text.startswith(f"{getattr(value, '__name__', '')}(") else text


def in_full(name: str, value: Any) -> str:
    """A heading, the signature and the docstring of one name."""
    if not (inspect.isclass(value) or callable(value)):
        return f"### {name}\n`{type(value).__name__}`\n"
    is_enum = inspect.isclass(value) and any(base.__name__ == "Enum" for base in value.__mro__)
    told = f"{name}{'' if is_enum else signature(value)}\n\n{doc(value)}".rstrip()
    return f"### {name}\n```\n{told}\n```\n"


def in_a_line(name: str, value: Any) -> str:
    """The first line of the docstring."""
    return f"| `{name}` | {(doc(value).splitlines() or [''])[0]} |\n"


def text() -> str:
    """The whole page."""
    parts = [HEAD]
    for module_name, purpose, full in MODULES:
        module = import_module(module_name)
        names = [name for name in module.__all__ if not name.startswith("__")]
        values = {name: getattr(module, name) for name in names}
        parts.append(f"## {module_name}\n{purpose}\n")
        if full:
            parts += [in_full(name, value) for name, value in values.items()]
        else:
            rows = "".join(in_a_line(name, value) for name, value in values.items())
            parts.append(f"| name | what it is |\n|---|---|\n{rows}")
    return "\n".join(parts)


if __name__ == "__main__":
    (ROOT / "docs" / "api.md").write_text(text(), encoding="utf-8")
