"""Mutation testing of gradcheck itself: how many small mistakes in the modules that decide their tests notice.

    pip install ".[test,mutation]"
    python benchmarks/mutation.py --json mutation.json --markdown docs/mutation.md

mutmut 3 changes one thing at a time in each function (a number, an operator, an argument, a text, a name) and runs
the tests that reach the function. It leaves out properties and what stands outside of functions. Both decide here:
each module is tested in a copy of the package in which `@property` is a call below the method, and what stands at
module and class level is changed by mutmut's own operators, one run of the tests for each change.

A module has hundreds of mutants: a sample of them is drawn, with a seed, and judged by those tests of the module that
are not marked slow. Survivors are printed; those that change nothing that anyone could see are listed in
`mutation_equivalent.toml`, each with its reason.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import datetime
import importlib.metadata
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("gradcheck", "tests", "benchmarks", "reference", "cases", "README.md", "pyproject.toml")

# Each module that decides with the tests that judge it: its own. What only other tests would notice survives.
TESTS = {
    "results/verdict": ("results/verdict",),
    "results/certificate": ("results/certificate", "examination/certified"),
    "numerics/stencils": ("numerics/stencils",),
    "numerics/line_fit": ("numerics/line_fit",),
    "numerics/rounding": ("numerics/rounding", "numerics/noise"),
    "numerics/noise": ("numerics/noise", "numerics/noise_rules", "numerics/vector_noise"),
    "numerics/steps": ("numerics/steps", "numerics/differences"),
    "numerics/problem": ("numerics/problem",),
    "function/contract": ("function/contract",),
    "joint/direction": (
        "joint/direction",
        "joint/joint_decisions",
        "joint/joint_course",
        "examination/rows_by_hand",
    ),
    "joint/directions": ("joint/directions", "joint/joint"),
    "joint/few_points": ("joint/few_points",),
    "joint/alone": ("joint/alone",),
    "joint/second_look": ("joint/joint_decisions",),
    "joint/points": (
        "joint/directions",
        "joint/joint_decisions",
        "joint/joint_course",
        "joint/coarse_points",
    ),
    "joint/first_direction": ("joint/joint_decisions", "joint/joint_course"),
    "joint/forecast": ("joint/joint_decisions", "joint/joint_course", "joint/directions"),
    "joint/joint": ("joint/joint_decisions", "joint/joint_course", "joint/joint"),
    "joint/places": ("joint/places",),
    "joint/repairs": ("joint/repairs",),
    "joint/structured": ("joint/structured_mistakes",),
    "diagnosis/gather": ("diagnosis/gather",),
    "examination/claim": ("examination/claim",),
    "examination/array_evidence": ("examination/array_evidence",),
    "examination/search": (
        "examination/search_decisions",
        "examination/search",
        "examination/gradient_examination",
    ),
    "examination/each_array": ("examination/arrays_by_themselves",),
    "examination/gradient": ("examination/examine_jointly",),
    "examination/parts": ("examination/parts",),
    "examination/row_evidence": ("examination/rows_by_hand",),
    "examination/rows": ("examination/rows_by_hand",),
    "examination/columns": ("examination/columns_by_hand",),
    "evidence/axes": ("evidence/axes", "evidence/pilots"),
    "evidence/entries": ("evidence/entries", "evidence/averages", "evidence/confirm"),
    "evidence/plain_differences": ("evidence/plain_differences",),
    "evidence/farther": ("evidence/farther",),
    "evidence/confirm": ("evidence/confirm",),
    "evidence/hidden_kinks": ("evidence/hidden_kinks", "evidence/meeting_kinks"),
    "evidence/complex_test": ("evidence/complex_test",),
    "driver/methods": ("driver/methods",),
    "driver/examine": ("driver/examine",),
    "driver/combine": ("driver/combine",),
}

# What mutmut records: the exit status of pytest, numbers of its own, and the signals that end a late one.
STATUS = {0: "survived", 1: "killed", 3: "killed", 5: "no tests", 33: "no tests", None: "not run"}
STATUS |= dict.fromkeys((36, 24, -24, 152, 255, -9), "timeout")
KILLED = ("killed", "timeout")
# Seconds for the tests of a change at module level, where the slowest tests take fifteen.
LIMIT = 120
SEED = 20261128
QUIET = ("-p", "no:cacheprovider", "-m", "not slow")


@dataclass(frozen=True)
class Mutant:
    """One change: the function it is in ("" outside of them), what stood there, what stands there now, the verdict."""

    module: str
    function: str
    before: str
    after: str
    status: str
    name: str

    @property
    def killed(self) -> bool:
        return self.status in KILLED


@dataclass(frozen=True)
class Result:
    """The mutants of a module that were drawn, and how many it has in all."""

    count: int
    mutants: list[Mutant]


def prepare(tree: Path, module: str) -> None:
    """Copy the package with its tests, properties as calls, and mutmut's configuration."""
    for name in COPIED:
        source, target = ROOT / name, tree / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    path = tree / "gradcheck" / f"{module}.py"
    path.write_text(without_property_decorators(path.read_text(encoding="utf-8")), encoding="utf-8")
    settings = {
        "source_paths": ["gradcheck"],
        "only_mutate": [f"gradcheck/{module}.py"],
        "also_copy": [name for name in COPIED if name not in ("gradcheck", "tests", "pyproject.toml")],
        "pytest_add_cli_args": list(QUIET),
        "pytest_add_cli_args_test_selection": test_files(module),
        # Times what the tests take as they are: mutmut's own factor of 15 waits for minutes.
        "timeout_multiplier": 5.0,
    }
    with (tree / "pyproject.toml").open("a", encoding="utf-8") as out:
        # A list of plain strings is written alike in JSON and TOML.
        out.write("\n[tool.mutmut]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items()))


def test_files(module: str) -> list[str]:
    """The files that judge it."""
    return [f"tests/{wing}/test_{name}.py" for wing, name in (file.split("/") for file in TESTS[module])]


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


def names_in_functions(tree: Path, module: str) -> list[str]:
    """The mutants that mutmut makes of it, by mutmut's names."""
    from mutmut.mutation.file_mutation import mutate_file_contents

    path = tree / "gradcheck" / f"{module}.py"
    with contextlib.chdir(tree):  # where mutmut looks for its configuration
        names = mutate_file_contents(str(path), path.read_text(encoding="utf-8")).mutant_names
    return [f"gradcheck.{module.replace('/', '.')}.{name}" for name in names]


def run_in_functions(tree: Path, module: str, names: list[str], children: int) -> list[Mutant]:
    """Run mutmut on some mutants and read what it recorded."""
    if not names:
        return []
    done = run(tree, "mutmut", "run", "--max-children", str(children), *names)
    record = tree / "mutants" / "gradcheck" / f"{module}.py.meta"
    if done.returncode != 0 or not record.exists():
        raise SystemExit(f"mutmut failed on {module}:\n{(done.stdout + done.stderr)[-3000:]}")
    codes: dict[str, int | None] = json.loads(record.read_text(encoding="utf-8"))["exit_code_by_key"]
    found = []
    for name in names:
        status = STATUS.get(codes[name], f"ended with {codes[name]}")
        before, after = ("", "") if status == "killed" else shown(tree, name)
        # gradcheck.results.verdict.x_judge__mutmut_3, gradcheck.joint.places.xǁ_Searchǁhalves__mutmut_1
        function = name.split(".")[3].rpartition("__mutmut_")[0].removeprefix("x_").removeprefix("xǁ")
        found.append(Mutant(module, function.replace("ǁ", "."), before, after, status, name))
    return found


def shown(tree: Path, name: str) -> tuple[str, str]:
    """The lines that one mutant changes, as they were and as they are."""
    lines = run(tree, "mutmut", "show", name).stdout.splitlines()
    changed = [line for line in lines if line[:1] in ("+", "-") and line[:3] not in ("+++", "---")]
    before, after = (" ".join(line[1:].strip() for line in changed if line[0] == sign) for sign in "-+")
    return before, after


def outside_functions(tree: Path, module: str) -> list[tuple[Mutant, str]]:
    """What stands at module and class level, changed by mutmut's operators; each with the module's new text."""
    import libcst
    from mutmut.mutation.file_mutation import create_mutations

    path = tree / "gradcheck" / f"{module}.py"
    source = path.read_text(encoding="utf-8")
    with contextlib.chdir(tree):
        parsed, mutations, *_ = create_mutations(str(path), source)
    found = []
    for k, mutation in enumerate(mutations):
        if isinstance(mutation.contained_by_top_level_function, libcst.FunctionDef):
            continue
        changed = parsed.deep_replace(mutation.original_node, mutation.mutated_node)
        code = libcst.ensure_type(changed, libcst.Module).code
        pairs = zip(source.splitlines(), code.splitlines(), strict=False)
        before, after = next((a.strip(), b.strip()) for a, b in pairs if a != b)
        # What `import *` gives is no behaviour, and the calls of `property` are not the package's.
        if before.startswith(("__all__", '"')) or "= property(" in before:
            continue
        found.append((Mutant(module, "", before, after, "not run", f"{k}"), code))
    return found


def run_outside(tree: Path, module: str, mutants: list[tuple[Mutant, str]]) -> list[Mutant]:
    """The tests, once for each."""
    path = tree / "gradcheck" / f"{module}.py"
    source = path.read_text(encoding="utf-8")
    found = []
    for mutant, code in mutants:
        path.write_text(code, encoding="utf-8")
        found.append(replace(mutant, status=verdict(tree, module)))
    path.write_text(source, encoding="utf-8")
    return found


def verdict(tree: Path, module: str) -> str:
    """What the tests say about the copy as it stands; one that cannot be imported is killed too."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", *QUIET, *test_files(module)]
    try:
        done = run(tree, *command, limit=LIMIT)
    except subprocess.TimeoutExpired:
        return "timeout"
    return "survived" if done.returncode == 0 else "killed"


def examine(module: str, size: int, children: int) -> Result:
    """So many mutants of one module by chance; 0 for all."""
    with tempfile.TemporaryDirectory(prefix="gradcheck-mutation-") as work:
        tree = Path(work) / "tree"
        prepare(tree, module)
        if verdict(tree, module) != "survived":
            raise SystemExit(f"the tests of {module} fail as they are: nothing can be learnt from mutants")
        outside = {mutant.name: (mutant, code) for mutant, code in outside_functions(tree, module)}
        names = [*outside, *names_in_functions(tree, module)]
        drawn = random.Random(f"{SEED} {module}").sample(names, min(size or len(names), len(names)))
        found = run_outside(tree, module, [outside[name] for name in drawn if name in outside])
        inside = [name for name in drawn if name not in outside]
        return Result(len(names), found + run_in_functions(tree, module, inside, children))


def marked(module: str, result: Result) -> Result:
    """The same, knowing which changes change nothing."""
    text = (ROOT / "benchmarks" / "mutation_equivalent.toml").read_text(encoding="utf-8")
    same = {(entry["before"], entry["after"]) for entry in tomllib.loads(text).get(module, [])}
    mutants = [
        m if m.killed or (m.before, m.after) not in same else replace(m, status="equivalent")
        for m in result.mutants
    ]
    return Result(result.count, mutants)


def table(results: dict[str, Result]) -> str:
    """One line a module, and one for all of them."""
    head = "| module | mutants | drawn | killed | equivalent | survived | killed of those that could be |"
    lines = [head, "|---|--:|--:|--:|--:|--:|--:|"]
    order = [name for name in TESTS if name in results]
    for name in [*order, "all"]:
        mine = [m for module in order if name in (module, "all") for m in results[module].mutants]
        count = sum(results[module].count for module in order if name in (module, "all"))
        killed, same = sum(m.killed for m in mine), sum(m.status == "equivalent" for m in mine)
        share = 100 * killed / max(len(mine) - same, 1)
        left = len(mine) - killed - same
        lines.append(f"| {name} | {count} | {len(mine)} | {killed} | {same} | {left} | {share:.1f} % |")
    return "\n".join(lines)


def survivors(results: dict[str, Result]) -> str:
    """All that were not killed, a line each."""
    return "\n".join(
        f"{m.module} {m.function or 'module'} {m.status}: `{m.before}` -> `{m.after}`"
        for result in results.values()
        for m in result.mutants
        if not m.killed and m.status != "equivalent"
    )


PAGE = """# The tests, tested

Can the tests of the modules that decide fail? Each mutant is the package with one thing changed: a number, an
operator, an argument, a text. It is killed where a test fails, or where the tests no longer end. One that survives is
a change that no test of that module notices; the tests of whole checks, which are not run here, may.

{table}

{date}, {versions}, by

```
python benchmarks/mutation.py --json mutation.json --markdown docs/mutation.md
```

which takes minutes a module, and prints what survived. Of each module a sample is drawn, with a seed, and judged by
its own fast tests alone: the head of `benchmarks/mutation.py` says how, and which these are. Properties, module
constants and the defaults of fields are changed too, which mutmut leaves out by itself. Equivalent changes alter
nothing that anyone could see; `benchmarks/mutation_equivalent.toml` gives the reason of each.
"""


def page(results: dict[str, Result]) -> str:
    """Write docs/mutation.md."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("mutmut", "pytest", "numpy")]
    return PAGE.format(
        table=table(results),
        date=datetime.date.today().isoformat(),
        versions=", ".join([*versions, f"Python {sys.version.split()[0]}"]),
    )


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(TESTS)}; all by default")
    parser.add_argument("--sample", type=int, default=40, help="mutants of each module; 0 for all")
    parser.add_argument("--children", type=int, default=1, help="mutants tested at the same time")
    parser.add_argument(
        "--json", type=Path, help="write every mutant; of modules not run now what is there stays"
    )
    parser.add_argument("--markdown", type=Path, help="write the table")
    parser.add_argument("--page", action="store_true", help="run nothing, write the table of what is there")
    options = parser.parse_args()
    if unknown := set(options.modules) - set(TESTS):
        parser.error(f"no such module: {', '.join(sorted(unknown))}")
    results: dict[str, Result] = {}
    if options.json and options.json.exists():
        for name, entry in json.loads(options.json.read_text(encoding="utf-8")).items():
            results[name] = Result(entry["count"], [Mutant(**mutant) for mutant in entry["mutants"]])
    for module in [] if options.page else options.modules or list(TESTS):
        results[module] = examine(module, options.sample, options.children)
        print(table({module: results[module]}).splitlines()[2], flush=True)
        if options.json:
            text = json.dumps({k: asdict(v) for k, v in results.items()}, indent=1, ensure_ascii=False)
            options.json.write_text(text + "\n", encoding="utf-8")
    results = {name: marked(name, results[name]) for name in TESTS if name in results}
    print(survivors(results), table(results), sep="\n\n")
    if options.markdown:
        options.markdown.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
