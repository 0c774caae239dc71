"""Mutation testing of gradcheck itself: how many small mistakes in the modules that decide their tests notice.

    pip install ".[test,mutation]"
    python benchmarks/mutation.py --json mutation.json --markdown docs/mutation.md

mutmut 3 changes one thing at a time in each function (a number, an operator, an argument, a text, a name) and runs
the tests that reach the function. It leaves out properties and what stands outside of functions. Both decide here:
each module is tested in a copy of the package in which `@property` is a call below the method, and what stands at
module and class level is changed by mutmut's own operators, one run of the tests for each change. Survivors are
printed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import datetime
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("gradcheck", "tests", "benchmarks", "reference", "cases", "README.md", "pyproject.toml")

# Each module with the tests that judge it: its own. What only the tests of whole checks would notice survives.
TESTS = {
    "numerics/stencils": ("stencils",),
    "results/verdict": ("verdict",),
    "evidence/locate": ("locate",),
    "evidence/residuals": ("residuals",),
    "function/contract": ("contract",),
    "numerics/noise": ("noise", "noise_rules"),
    "evidence/plain_differences": ("plain_differences",),
    "evidence/confirm": ("confirm",),
    "numerics/line_fit": ("line_fit",),
    "evidence/directions": ("joint", "joint_rows", "examination"),
    "evidence/joint": ("joint", "joint_rows", "examination"),
    "evidence/places": ("examination", "joint_rows"),
}

# What mutmut records: the exit status of pytest, numbers of its own, and the signals that end a late one.
STATUS = {0: "survived", 1: "killed", 3: "killed", 5: "no tests", 33: "no tests", None: "not run"}
STATUS |= dict.fromkeys((36, 24, -24, 152, 255, -9), "timeout")
KILLED = ("killed", "timeout")
# Seconds for the tests of a change at module level, where the slowest tests take fifteen.
LIMIT = 120


@dataclass(frozen=True)
class Mutant:
    """One change: the function it is in ("" outside of them), what stood there, what stands there now, the verdict."""

    module: str
    function: str
    before: str
    after: str
    status: str

    @property
    def killed(self) -> bool:
        return self.status in KILLED


def prepare(tree: Path, module: str) -> list[str]:
    """Copy the package with its tests, properties as calls, and mutmut's configuration; returns the test files."""
    for name in COPIED:
        source, target = ROOT / name, tree / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    path = tree / "gradcheck" / f"{module}.py"
    path.write_text(without_property_decorators(path.read_text(encoding="utf-8")), encoding="utf-8")
    wing = module.split("/")[0]
    tests = [f"tests/{wing}/test_{name}.py" for name in TESTS[module]]
    settings = {
        "source_paths": ["gradcheck"],
        "only_mutate": [f"gradcheck/{module}.py"],
        "also_copy": [name for name in COPIED if name not in ("gradcheck", "tests", "pyproject.toml")],
        "pytest_add_cli_args": ["-p", "no:cacheprovider"],
        "pytest_add_cli_args_test_selection": tests,
    }
    with (tree / "pyproject.toml").open("a", encoding="utf-8") as out:
        # A list of plain strings is written alike in JSON and TOML.
        out.write("\n[tool.mutmut]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items()))
    return tests


def without_property_decorators(source: str) -> str:
    """`name = property(name)` below the method, not `@property` above it: mutmut leaves decorated functions out."""
    lines = source.splitlines()
    methods = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and [ast.unparse(d) for d in node.decorator_list] == ["property"]
    ]
    for node in sorted(methods, key=lambda node: -node.lineno):
        call = f"{' ' * node.col_offset}{node.name} = property({node.name})"
        lines.insert(node.end_lineno or node.lineno, call)
        del lines[node.decorator_list[0].lineno - 1]
    return "\n".join(lines) + "\n"


def run(tree: Path, *command: str, limit: float | None = None) -> subprocess.CompletedProcess[str]:
    """One thread, and Hypothesis without randomness or deadlines: no mutant is killed by chance."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    fixed = {
        "CI": "1",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PATH": path,
    }
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | fixed
    return subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, timeout=limit)


def in_functions(tree: Path, module: str, children: int) -> list[Mutant]:
    """Run mutmut and read what it recorded."""
    done = run(tree, "mutmut", "run", "--max-children", str(children))
    record = tree / "mutants" / "gradcheck" / f"{module}.py.meta"
    if done.returncode != 0 or not record.exists():
        raise SystemExit(f"mutmut failed on {module}:\n{(done.stdout + done.stderr)[-3000:]}")
    codes: dict[str, int | None] = json.loads(record.read_text(encoding="utf-8"))["exit_code_by_key"]
    found = []
    for name, code in codes.items():
        status = STATUS.get(code, f"ended with {code}")
        before, after = ("", "") if status == "killed" else shown(tree, name)
        # gradcheck.results.verdict.x_judge__mutmut_3, gradcheck.evidence.locate.xǁBoxǁhalves__mutmut_1
        function = name.split(".")[2].rpartition("__mutmut_")[0].removeprefix("x_").removeprefix("xǁ")
        found.append(Mutant(module, function.replace("ǁ", "."), before, after, status))
    return found


def shown(tree: Path, name: str) -> tuple[str, str]:
    """The lines that one mutant changes, as they were and as they are."""
    lines = run(tree, "mutmut", "show", name).stdout.splitlines()
    changed = [line for line in lines if line[:1] in ("+", "-") and line[:3] not in ("+++", "---")]
    before, after = (" ".join(line[1:].strip() for line in changed if line[0] == sign) for sign in "-+")
    return before, after


def outside_functions(tree: Path, module: str, tests: list[str]) -> list[Mutant]:
    """Change what stands at module and class level by mutmut's operators, and run the tests once for each change."""
    import libcst
    from mutmut.mutation.file_mutation import create_mutations

    path = tree / "gradcheck" / f"{module}.py"
    source = path.read_text(encoding="utf-8")
    with contextlib.chdir(tree):  # where mutmut looks for its configuration
        parsed, mutations, *_ = create_mutations(str(path), source)
    found = []
    for mutation in mutations:
        if isinstance(mutation.contained_by_top_level_function, libcst.FunctionDef):
            continue
        changed = parsed.deep_replace(mutation.original_node, mutation.mutated_node)
        code = libcst.ensure_type(changed, libcst.Module).code
        pairs = zip(source.splitlines(), code.splitlines(), strict=False)
        before, after = next((a.strip(), b.strip()) for a, b in pairs if a != b)
        # What `import *` gives is no behaviour, and the calls of `property` are not the package's.
        if before.startswith(("__all__", '"')) or "= property(" in before:
            continue
        path.write_text(code, encoding="utf-8")
        found.append(Mutant(module, "", before, after, verdict(tree, tests)))
    path.write_text(source, encoding="utf-8")
    return found


def verdict(tree: Path, tests: list[str]) -> str:
    """What the tests say about the copy as it stands; one that cannot be imported is killed too."""
    try:
        done = run(
            tree, sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests, limit=LIMIT
        )
    except subprocess.TimeoutExpired:
        return "timeout"
    return "survived" if done.returncode == 0 else "killed"


def examine(module: str, children: int) -> list[Mutant]:
    """All mutants of one module."""
    with tempfile.TemporaryDirectory(prefix="gradcheck-mutation-") as work:
        tree = Path(work) / "tree"
        tests = prepare(tree, module)
        if verdict(tree, tests) != "survived":
            raise SystemExit(f"the tests of {module} fail as they are: nothing can be learnt from mutants")
        return outside_functions(tree, module, tests) + in_functions(tree, module, children)


def table(mutants: list[Mutant]) -> str:
    """One line a module, and one for all of them."""
    lines = ["| module | mutants | killed | survived | share killed |", "|---|--:|--:|--:|--:|"]
    for name in [*(name for name in TESTS if any(m.module == name for m in mutants)), "all"]:
        mine = [m for m in mutants if name in (m.module, "all")]
        killed = sum(m.killed for m in mine)
        share = 100 * killed / len(mine) if mine else 0.0
        lines.append(f"| {name} | {len(mine)} | {killed} | {len(mine) - killed} | {share:.1f} % |")
    return "\n".join(lines)


def survivors(mutants: list[Mutant]) -> str:
    """All that were not killed, a line each."""
    lines = [
        f"{m.module} {m.function or 'module'}: `{m.before}` -> `{m.after}`" for m in mutants if not m.killed
    ]
    return "\n".join(lines)


PAGE = """# The tests, tested

Can the tests of the modules that decide fail? Each mutant is the package with one thing changed: a number, an
operator, an argument, a text. It is killed where a test fails, or where the tests no longer end. One that survives is
a change that no test of that module notices; the tests of whole checks, which are not run here, may.

{table}

{date}, {versions}, by

```
python benchmarks/mutation.py --json mutation.json --markdown docs/mutation.md
```

which takes about an hour. Each module is judged by its own test file alone. Properties, module constants and the
defaults of fields are changed too, which mutmut leaves out by itself: the head of `benchmarks/mutation.py` says how.
"""


def page(mutants: list[Mutant]) -> str:
    """Write docs/mutation.md."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("mutmut", "pytest", "numpy")]
    return PAGE.format(
        table=table(mutants),
        date=datetime.date.today().isoformat(),
        versions=", ".join([*versions, f"Python {sys.version.split()[0]}"]),
    )


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(TESTS)}; all by default")
    parser.add_argument("--children", type=int, default=1, help="mutants tested at the same time")
    parser.add_argument("--json", type=Path, help="write every mutant")
    parser.add_argument("--markdown", type=Path, help="write the table")
    parser.add_argument(
        "--known", type=Path, help="JSON of an earlier run, for the modules that are not run now"
    )
    options = parser.parse_args()
    if unknown := set(options.modules) - set(TESTS):
        parser.error(f"no such module: {', '.join(sorted(unknown))}")
    known = json.loads(options.known.read_text(encoding="utf-8")) if options.known else []
    # With an earlier run and no module, only the pages are written anew.
    asked = options.modules or ([] if known else list(TESTS))
    mutants = [Mutant(**entry) for entry in known if entry["module"] not in asked]
    for module in asked:
        mutants += examine(module, options.children)
        print(table([m for m in mutants if m.module == module]).splitlines()[2], flush=True)
    order = list(TESTS)
    mutants.sort(key=lambda m: order.index(m.module))
    print(survivors(mutants), table(mutants), sep="\n\n")
    if options.json:
        text = json.dumps([asdict(m) for m in mutants], indent=1, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(page(mutants), encoding="utf-8")


if __name__ == "__main__":
    main()
