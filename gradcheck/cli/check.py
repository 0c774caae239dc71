"""The command `check`: a derivative that is in no test, judged from the command line."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradcheck.cli.outputs import (
    AS_TYPED,
    FAILED,
    INTERRUPTED,
    STDOUT,
    BadInput,
    Command,
    Outputs,
    one_line,
    put,
    put_bytes,
    raised_at,
    targets,
    users_code,
    writing,
)
from gradcheck.cli.references import ARRAYS, json_or_named, named, point
from gradcheck.results.words import error_text

if TYPE_CHECKING:
    from gradcheck.report.report import Report

METHODS = ("auto", "sweep", "directions", "complex")
FIGURES = (".png", ".svg", ".pdf")
# What messages of the functions say, and what it is on the command line.
SAID = {
    "with grad=True f must return": "without MODULE:GRAD, F must return",
    "for a pair of value and gradient pass grad=True": "for a pair of value and gradient leave MODULE:GRAD out",
    ", or None, not ": ", not ",
    "there is check_jacobian; the order is f, its derivative, x": "there is --jacobian",
}


def output_file(option: str, metavar: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option that names a file to write; `--json` gives the argument `json_file`."""
    return click.option(
        option, f"{option[2:]}_file", type=click.Path(path_type=Path), metavar=metavar, help=text
    )


@click.command(cls=Command)
@click.argument("f", metavar="MODULE:F")
@click.argument("grad", metavar="[MODULE:GRAD]", required=False)
@click.option(
    "--x", "at", required=True, metavar="X",
    help="The point: FILE.npy, FILE.npz (a dict of arrays), JSON such as '[1.0, 2.0]' or '{\"W\": [[1.0]]}', "
    "or MODULE:NAME.",
)  # fmt: skip
@click.option("--args", metavar="ARGS", help="Further arguments of F and GRAD: a JSON list, or MODULE:NAME.")
@click.option("--jacobian", is_flag=True, help="F returns an array, and GRAD its Jacobian.")
@click.option("--hessian", metavar="MODULE:H", help="Check the second derivatives H, too.")
@click.option(
    "--rtol", type=float, help="Which relative discrepancy is accepted (default: by the dtype of f)."
)
@click.option("--atol", type=float, default=0.0, show_default=True, help="Which absolute one.")
@click.option("--resolution", type=float, help="Which relative mistake must have been visible for a PASS.")
@click.option("--method", type=click.Choice(METHODS), default="auto", show_default=True)
@click.option("--confidence", type=float, help="Of what random directions prove (default: 1 - 1e-6).")
@click.option(
    "--bounds", metavar="BOUNDS",
    help="F is not called outside: JSON such as '[[0, null], [-1, 1]]', a pair an entry, or MODULE:NAME.",
)  # fmt: skip
@click.option("--subgradient", is_flag=True, help="At a kink, accept any slope between the one-sided ones.")
@click.option("--vectorized", is_flag=True, help="F takes many points at once, along a last axis more.")
@click.option("--max-nfev", type=int, metavar="N", help="Budget of evaluations of f.")
@click.option("--max-seconds", type=float, metavar="S", help="Budget of time.")
@click.option("--n-jobs", type=int, metavar="N", help="Workers; -1 is every processor.")
@click.option("--progress", is_flag=True, help="Show a bar of the evaluations, on the standard error.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random directions.")
@output_file("--json", "FILE", "Write the report to this file; - is the standard output.")
@output_file("--html", "FILE", "Write the report and its figures as a page; - is the standard output.")
@output_file("--plot", "FILE.png", "Write the figure of the report: .png, .svg or .pdf.")
@output_file("--save", "FILE.json", "Write a file for `replay` and `diff`.")
def check(
    f: str, grad: str | None, at: str, args: str | None, jacobian: bool,
    hessian: str | None, bounds: str | None, seed: int,
    json_file: Path | None, html_file: Path | None, plot_file: Path | None, save_file: Path | None,
    **options: Any,
) -> int:  # fmt: skip
    """Check the gradient GRAD of F at a point; without GRAD, F returns (value, gradient).

    Modules are looked for in the working directory first; model.py:loss names a file.

    \b
    Examples:
      gradcheck check model:loss model:gradient --x "[1.0, 2.0]"
      gradcheck check model.py:loss model.py:gradient --x weights.npz --rtol 1e-5
      gradcheck check model:value_and_grad --x model:START --save before.json
      gradcheck check model:residuals model:jacobian --jacobian --x "[1, 2]" --args "[0.5]"

    \b
    Exit status: 0 PASS; 1 FAIL or INCONCLUSIVE; 2 usage, or something that cannot be imported or called;
    130 interrupted.
    """
    from gradcheck.cli.tables import new_console, show_text

    _check_suffix("--save", save_file, ".json")
    _check_suffix("--plot", plot_file, *FIGURES)
    if seed < 0:
        raise BadInput(f"--seed must be 0 or more, not {seed}")
    json_file, html_file, plot_file, save_file = targets(
        {"--json": json_file, "--html": html_file, "--plot": plot_file, "--save": save_file},
        inputs=[Path(at)] if at.endswith(ARRAYS) else [],
    )
    with users_code(json_file, html_file):
        function = _function(f)
        derivative = True if grad is None else named(grad)
        x = point(at)
        options |= {
            "args": () if args is None else _arguments(args),
            "bounds": None if bounds is None else json_or_named("--bounds", bounds, "[[0, null], [-1, 1]]"),
            "hessian": None if hessian is None else named(hessian),
            "rng": seed,
        }
        if options["confidence"] is None:
            del options["confidence"]
        report, status = _judged(function, derivative, x, options, jacobian)
    report = replace(report, call=click.get_current_context().meta[AS_TYPED])
    outputs = Outputs()  # files first: a pipe that nobody reads any more takes none of them away
    if plot_file is not None:
        outputs.make(_draw, report, plot_file)
    if save_file is not None:
        outputs.make(_save, report, save_file)
    if json_file is not None:
        outputs.make(put, "--json", json_file, report.to_json() + "\n")
    if html_file is not None:
        from gradcheck.html import render

        outputs.make(put, "--html", html_file, render([], [report]))
    outputs.make(show_text, new_console(stderr=STDOUT in (json_file, html_file)), _as_typed(str(report)))
    outputs.tell()
    return status


def _check_suffix(option: str, file: Path | None, *allowed: str) -> None:
    if file is not None and file.suffix not in allowed:
        raise BadInput(f"{option}: FILE must end in {', '.join(allowed)}, not {file.name!r}")


def _save(report: Report, path: Path) -> None:
    """Write the file for `replay`; say what keeps it from being repeated."""
    from gradcheck.report.saved import load

    with writing("--save", path):
        report.save(path)
    for missing in load(path).missing[:1]:
        click.echo(
            f"--save: {path} holds the report, but cannot be repeated: it needs {one_line(missing)}", err=True
        )


def _arguments(text: str) -> Any:
    found = json_or_named("--args", text, "[0.5, 3]")
    if not isinstance(found, list | tuple):
        raise BadInput(
            f"--args: expected a list of arguments, such as '[0.5, 3]', not {one_line(repr(found)[:80])}"
        )
    return tuple(found)


def _function(reference: str) -> Any:
    found = named(reference)
    if not callable(found):
        raise BadInput(f"{reference}: a function is needed, not {type(found).__name__}")
    return found


def _as_typed(text: str) -> str:
    """What is said of the arguments of a function, in words of the command: --max-nfev, --method sweep."""
    for ours, typed in SAID.items():
        text = text.replace(ours, typed)
    for parameter in check.params:
        if not isinstance(parameter, click.Option) or not parameter.opts[0].startswith("--"):
            continue
        name, option = str(parameter.name), parameter.opts[0]
        name = {"seed": "rng", "at": "x"}.get(name, name)
        text = re.sub(rf"(?<![\w-]){name}=True\b", option, text)
        # A value, or the beginning of a message about the argument; names of two words mean nothing else.
        text = re.sub(rf"(?<![\w-]){name}='?([\w.+-]+\w)'?", rf"{option} \1", text)
        text = re.sub(rf"(?<![\w-]){name}\b" if "_" in name else rf"(?<=Error: ){name}\b", option, text)
    return text


def _judged(
    function: Any, derivative: Any, x: Any, options: dict[str, Any], jacobian: bool
) -> tuple[Report, int]:
    """The report, and the exit status that it means."""
    from gradcheck.checks.gradient import check_gradient
    from gradcheck.checks.jacobian import check_jacobian
    from gradcheck.errors import GradientCheckInterrupted

    needs_grad = "--jacobian" if jacobian else "--vectorized" if options["vectorized"] else ""
    if needs_grad and derivative is True:
        raise BadInput(f"{needs_grad}: MODULE:GRAD is needed")
    if not needs_grad and options["hessian"] is not None and not (derivative is True or callable(derivative)):
        raise BadInput(f"--hessian: MODULE:GRAD must be a function, not {type(derivative).__name__}")
    if jacobian and options.pop("hessian") is not None:
        raise BadInput("--jacobian: --hessian is not for it")
    judge: Callable[..., Report] = check_jacobian if jacobian else check_gradient
    try:
        report = judge(function, derivative, x, **options)
    except GradientCheckInterrupted as stop:
        return stop.report, INTERRUPTED
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit(0) in f, too, would end a check that checked nothing as a pass
        where = raised_at(error)
        said = one_line(error_text(error))
        if not where and isinstance(error, TypeError) and " required positional argument" in said:
            said += "; functions are called with X and what --args holds"
        raise BadInput(" ".join([said, *where] if where else [_as_typed(said)]) + _several(x)) from error
    return report, 0 if report else FAILED


def _several(x: Any) -> str:
    """What to add where x was typed as lists of different lengths: F may have expected a matrix."""
    lengths = {len(part) if isinstance(part, list) else 0 for part in x} if isinstance(x, list) else set()
    return f"; --x is no matrix, F is called with a list of {len(x)} arrays" if len(lengths) > 1 else ""


def _draw(report: Report, path: Path) -> None:
    """Write the figure; where nothing was measured there is none, and the report has said why."""
    try:
        figure = report.plot()
    except ValueError as error:
        click.echo(f"--plot: {one_line(error)}", err=True)
        return
    written = io.BytesIO()
    figure.savefig(written, format=path.suffix[1:], dpi=150)
    put_bytes("--plot", path, written.getvalue())
