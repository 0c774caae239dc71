"""How the package is laid out: imports go one way, and importing it is cheap."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "gradcheck"
FILES = sorted(PACKAGE.rglob("*.py"))

# The wings of the package, in the order in which they are built: each imports itself and what stands before it. "" is
# the roof, `import gradcheck`; it names what it shows and so reads the wings before it.
WINGS = [
    "_version", "_typing", "errors", "files",
    "parameters", "results", "mutations", "function", "numerics", "evidence", "joint", "examination",
    "diagnosis", "report", "driver", "checks",
    "", "textbook", "cases", "html", "replay", "strategies", "interop", "pytest_plugin", "cli", "__main__",
]  # fmt: skip


def modules(root: Path) -> dict[str, Path]:
    """Every module below `root`, the package's folder, by its dotted name; a package by that of its folder."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(tree: ast.AST) -> Iterator[str]:
    """The names that a module imports at any depth, for type checkers and inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written out, with the name of the package"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def house(root: Path) -> dict[str, set[str]]:
    """What each module below `root` imports of the others."""
    known = modules(root)
    needs: dict[str, set[str]] = {}
    for module, path in known.items():
        needs[module] = set()
        for name in imports(ast.parse(path.read_text(encoding="utf-8"))):
            # A name of a module, or that of something in it.
            target = name if name in known else name.rpartition(".")[0]
            if target in known and target != module:
                needs[module].add(target)
    return needs


def wing(module: str) -> str:
    """The part of the package that a module belongs to."""
    return module.split(".")[1] if "." in module else ""


def complaints(needs: dict[str, set[str]], wings: list[str]) -> list[str]:
    """What is wrong with the house: a module of no wing, an import upward, a circle of modules."""
    homeless = [f"{module} belongs to no wing" for module in needs if wing(module) not in wings]
    if homeless:
        return homeless
    floor = {name: k for k, name in enumerate(wings)}
    # The roof shows what stands before it, and nothing of that stands on the roof.
    upward = [
        f"{module} imports {other}, which stands above it"
        for module, others in needs.items()
        for other in sorted(others)
        if floor[wing(other)] > floor[wing(module)]
    ]
    left = dict(needs)
    while left:
        free = {module for module, others in left.items() if not others & set(left)}
        if not free:
            return [*upward, f"a circle among {sorted(left)}"]
        left = {module: others for module, others in left.items() if module not in free}
    return upward


@pytest.mark.slow
def test_the_house_stands():
    """No import upward, no circle, no module without a wing; lazy imports and those of type checkers count."""
    assert complaints(house(PACKAGE), WINGS) == []


@pytest.mark.parametrize("name", sorted({wing(module) for module in modules(PACKAGE)}))
def test_a_wing_has_at_most_a_dozen_rooms(name):
    """So that a reader sees at once what is in it."""
    assert (
        len([module for module in modules(PACKAGE) if module.count(".") == 2 and wing(module) == name]) <= 12
    )


PLANTED = {
    "an import upward": ({"one.a": "", "two.b": "", "one.c": "import pkg.two.b"}, "pkg.one.c imports pkg.two.b"),
    "a lazy one": ({"two.b": "", "one.c": "def f():\n    from pkg.two import b"}, "pkg.one.c imports pkg.two.b"),
    "one for type checkers": (
        {"two.b": "X = 1", "one.c": "if TYPE_CHECKING:\n    from pkg.two.b import X"}, "pkg.one.c imports pkg.two.b"
    ),
    "a circle": (
        {"one.a": "import pkg.one.b", "one.b": "class C:\n    def m(self):\n        import pkg.one.a"},
        "a circle among ['pkg.one.a', 'pkg.one.b']",
    ),
    "a module of no wing": ({"one.a": "", "stray": ""}, "pkg.stray belongs to no wing"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "complaint"), PLANTED.values(), ids=PLANTED)
def test_the_guard_sees(files, complaint, tmp_path):
    """Each thing that it is there to see, planted in a house of two wings."""
    root = tmp_path / "pkg"
    for name, text in files.items():
        path = root / (name.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    said = complaints(house(root), ["", "one", "two"])
    assert any(text.startswith(complaint) for text in said), said


def test_the_guard_accepts_imports_downward(tmp_path):
    """And has nothing to say of a house that stands."""
    for name, text in {"one/a": "", "two/b": "from pkg.one import a", "two/c": "import pkg.two.b"}.items():
        path = tmp_path / "pkg" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert complaints(house(tmp_path / "pkg"), ["", "one", "two"]) == []


def test_the_referee_never_imports_the_player():
    """`reference` shares no code with what it judges."""
    files = sorted((ROOT / "reference").rglob("*.py"))
    assert files
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [name for name in imports(tree) if name.split(".")[0] == "gradcheck"], path


@pytest.mark.slow
def test_importing_gradcheck_loads_numpy_and_scipy_alone():
    """All public names, in a fresh interpreter: no matplotlib, rich, click, tqdm, joblib, jinja2, pytest."""
    program = (
        "import json, sys\n"
        "before = set(sys.modules)\n"
        "import gradcheck\n"
        "for name in gradcheck.__all__: getattr(gradcheck, name)\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in set(sys.modules) - before})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(json.loads(done.stdout))
    assert {"gradcheck", "numpy"} <= loaded
    # By name: compiled parts of SciPy come under names of their own, and f2py looks for an optional package.
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = declared["dependencies"] + [
        n for extra in declared["optional-dependencies"].values() for n in extra
    ]
    names = {re.split(r"[<>=~!\[; ]", need)[0].lower().replace("-", "_") for need in needs} - {
        "numpy",
        "scipy",
    }
    assert len(names) >= 10
    assert not loaded & (names | {"pandas", "sklearn", "PIL", "dask"})


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_module_is_too_long_to_read(path):
    """At most 500 lines, one job each."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_public_function_and_class_says_what_it_does(path):
    """A docstring for each name without an underscore that is defined in the module, and for the module itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_":
            if "overload" in map(ast.unparse, node.decorator_list):
                continue
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_every_public_name_exists_and_is_documented():
    """What `from gradcheck import *` gives."""
    import gradcheck

    assert gradcheck.__all__
    for name in gradcheck.__all__:
        value = getattr(gradcheck, name)
        assert name.startswith("__") or value.__doc__


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_library_never_prints(path):
    """Text goes into a Report, an exception, or through the command line's own output."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "print"]
    assert not calls, f"line {calls[0].lineno}"
