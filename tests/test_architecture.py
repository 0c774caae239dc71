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
MODULES = {path.stem: path for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}

# The path of a check, from the arguments to the report. Each module imports only what stands before it. Modules
# that are not in this list (figures, cases, the command line, ...) are built on top: nothing in it imports them.
CORE = [
    "errors", "parameters", "bounds", "mutations", "parallel", "progress", "evaluation", "stencils", "grid",
    "noise", "search", "estimate", "complex_step", "verdict", "confirm",
    "preflight", "sweep", "averages", "directions", "witness", "locate", "survey", "agreement", "scope", "rearranged",
    "wording", "diagnose", "measurements", "recipe", "report", "summary", "options", "examine", "checks",
]  # fmt: skip

# What a method of Report, or a check of second derivatives too, builds on when it is called, and only then.
ON_CALL = {("report", "plots"), ("report", "html"), ("report", "replay"), ("checks", "hessian")}


def is_type_checking(node: ast.stmt) -> bool:
    """Whether this is `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports(nodes: list[ast.stmt], *, inside_functions: bool) -> Iterator[str]:
    """The names of the modules that these statements import, those for type checkers left out."""
    for node in nodes:
        if is_type_checking(node):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written out, with the name of the package"
            yield node.module or ""
            if node.module == "gradcheck":
                yield from (f"gradcheck.{alias.name}" for alias in node.names)
        elif inside_functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
            handlers = [s for child in getattr(node, "handlers", []) for s in child.body]
            yield from imports(inner + handlers, inside_functions=inside_functions)


def package_imports(path: Path, *, inside_functions: bool) -> set[str]:
    """The modules of the package that one of its files imports."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    found = set()
    for name in imports(body, inside_functions=inside_functions):
        parts = name.split(".")
        if parts[0] == "gradcheck" and len(parts) > 1 and parts[1] in MODULES:
            found.add(parts[1])
    return found


def test_the_reading_of_imports_sees_what_it_should():
    """Module level, function level, both spellings; not what only type checkers read."""
    source = (
        "import gradcheck.a\nfrom gradcheck import b\nfrom gradcheck.c import d\n"
        "if TYPE_CHECKING:\n    import gradcheck.e\n"
        "def f():\n    import gradcheck.g\n"
        "class C:\n    def m(self):\n        import gradcheck.h\n"
        "try:\n    import gradcheck.i\nexcept ImportError:\n    import gradcheck.j\n"
    )
    top = {"gradcheck", "gradcheck.a", "gradcheck.b", "gradcheck.c", "gradcheck.i", "gradcheck.j"}
    body = ast.parse(source).body
    assert set(imports(body, inside_functions=False)) == top
    assert set(imports(body, inside_functions=True)) == top | {"gradcheck.g", "gradcheck.h"}


@pytest.mark.parametrize("name", CORE)
def test_the_core_imports_one_way(name):
    """A module of the check imports only modules that stand before it in CORE."""
    above = set(CORE[: CORE.index(name)])
    imported = package_imports(MODULES[name], inside_functions=False)
    assert imported <= above, (
        f"{name} imports {sorted(imported - above)}: move it, or list the new module in CORE"
    )
    on_call = package_imports(MODULES[name], inside_functions=True) - imported
    late = {other for other in on_call if (name, other) not in ON_CALL and other not in above}
    assert not late, f"{name} imports {sorted(late)} inside a function"


def test_no_modules_import_each_other_in_a_circle():
    """At module level the whole package is a hierarchy."""
    left = {name: package_imports(path, inside_functions=False) for name, path in MODULES.items()}
    while left:
        free = {name for name, needs in left.items() if not needs & set(left)}
        assert free, f"a circle among {sorted(left)}"
        left = {name: needs for name, needs in left.items() if name not in free}


def test_the_referee_never_imports_the_player():
    """`reference` shares no code with what it judges."""
    files = sorted((ROOT / "reference").rglob("*.py"))
    assert files
    for path in files:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert not [n for n in imports(body, inside_functions=True) if n.split(".")[0] == "gradcheck"], path


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
    """At most 400 lines, one job each."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def exported(tree: ast.Module) -> list[str]:
    """The names in __all__."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_public_function_and_class_says_what_it_does(path):
    """A docstring for each name of __all__ that is defined in the module, and for the module itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    public = set(exported(tree))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in public:
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


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_library_never_prints(path):
    """Text goes into a Report, an exception, or through the command line's own output."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "print"]
    assert not calls, f"line {calls[0].lineno}"
