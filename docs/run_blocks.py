"""Run the code blocks of README.md and docs/*.md, and compare or refresh the output printed below them.

    python docs/run_blocks.py        run every block, write the outputs that differ anew, and say how many there are
    python docs/run_blocks.py FILE...         of these documents alone
    python docs/run_blocks.py --extras        the ```py blocks of interop.md too, with torch, jax and autograd

The blocks of one file are run in order, in one namespace, in an empty folder. A ```python block whose first line is
a comment `# path.py` is also written to that file, anew where it was written before. Of a ```sh block the lines that
begin with `gradcheck` are run where a ```text block follows. A ```text block after one that was run holds its output.
Times alone may differ from it.

Not Sybil, which compares but writes no output anew, nor pytest-examples, which writes it as comments into the block:
neither has commands with what they print, nor files that one block writes and the next imports.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
SAVED = re.compile(r"# ([\w/]+\.py)\n")
TIME = re.compile(r"[\d.]+(e[-+]\d+)? s\b")
# Below 1e-9 a number is made of roundings, which other processors do in another order, as is what a certificate bounds:
# compared to a decade.
ROUNDING = re.compile(r"\d(?:\.\d+)?e-(?:09|[1-9]\d+)\b|(?<=is below )\d\.\de-\d\d\b")
DECADE = 10.0


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, and where the text lies in the file."""

    language: str
    text: str
    start: int
    stop: int


def files() -> list[Path]:
    """The documents whose blocks are run."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(document: str) -> list[Block]:
    """All fenced blocks of a document, in order."""
    return [Block(m[1], m[2], m.start(2), m.end(2)) for m in FENCE.finditer(document)]


def outputs(document: str, *, extras: bool = False) -> Iterator[tuple[Block, str]]:
    """Run the blocks; each ```text block that shows an output, and the output that was printed.

    extras : run the ```py blocks too, which need more than the package does.
    """
    found = blocks(document)
    namespace: dict[str, object] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, _inside(folder):
        for block, following in zip(found, [*found[1:], None], strict=False):
            shown = following is not None and following.language == "text"
            if block.language == "python" or (extras and block.language == "py"):
                printed = _run_python(block.text, namespace)
            elif block.language == "sh" and shown:
                printed = _run_shell(block.text)
            else:
                continue
            if following is not None and shown:
                yield following, printed


def settled(text: str) -> str:
    """The text without times, and with single spaces."""
    return "\n".join(" ".join(TIME.sub("# s", line).split()) for line in text.strip().splitlines())


def same(shown: str, printed: str) -> bool:
    """Whether an output is the one that is shown: all of it but times, and the digits of what is near rounding."""
    texts = settled(shown), settled(printed)
    if ROUNDING.sub("#", texts[0]) != ROUNDING.sub("#", texts[1]):
        return False
    pairs = zip(*(map(float, ROUNDING.findall(text)) for text in texts), strict=True)
    return all(max(pair) <= DECADE * min(pair) for pair in pairs)


@contextlib.contextmanager
def _inside(folder: str) -> Iterator[None]:
    before, path, bytecode = os.getcwd(), list(sys.path), sys.dont_write_bytecode
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True  # two versions of a file may be of one size and one second
    try:
        yield
    finally:
        os.chdir(before)
        sys.path[:], sys.dont_write_bytecode = path, bytecode
        _forget(folder)


def _forget(folder: str) -> None:
    """Forget the modules of a folder: another document may have a model.py too, and a step another version of it."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(folder):
            del sys.modules[name]


def _run_python(code: str, namespace: dict[str, object]) -> str:
    if saved := SAVED.match(code):
        path = Path(saved[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")
        _forget(os.getcwd())
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "a code block", "exec"), namespace)
    return _without_trailing_spaces(printed.getvalue())


def _run_shell(lines: str) -> str:
    from click.testing import CliRunner

    from gradcheck.cli import main

    printed = ""
    for line in lines.splitlines():
        if line.startswith("gradcheck "):
            _forget(os.getcwd())
            result = CliRunner().invoke(main, shlex.split(line)[1:], env={"COLUMNS": "130"})
            if result.exception is not None and not isinstance(result.exception, SystemExit):
                raise result.exception
            printed += result.output
    return _without_trailing_spaces(printed)


def _without_trailing_spaces(text: str) -> str:
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def refresh(path: Path, *, extras: bool = False) -> tuple[int, int]:
    """Write the outputs of one document anew that differ in more than times; how many there are, and how many did."""
    document = path.read_text(encoding="utf-8")
    new, end, compared, changed = "", 0, 0, 0
    for block, printed in outputs(document, extras=extras):
        kept = settled(block.text) == settled(printed)
        new += document[end : block.start] + (block.text if kept else printed)
        end = block.stop
        compared, changed = compared + 1, changed + (not kept)
    new += document[end:]
    if changed:
        path.write_text(new, encoding="utf-8")
    return compared, changed


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    names = [word for word in sys.argv[1:] if word != "--extras"]
    chosen = [Path(name).resolve() for name in names] or files()
    extras = {"interop.md"} if "--extras" in sys.argv[1:] else set()
    counts = [refresh(one, extras=one.name in extras) for one in chosen]
    for one, (_, written) in zip(chosen, counts, strict=True):
        if written:
            sys.stdout.write(f"{one.relative_to(ROOT)}: {written} written anew\n")
    sys.stdout.write(
        f"{sum(n for n, _ in counts)} outputs compared, {sum(n for _, n in counts)} written anew\n"
    )
