"""Checking a Jacobian: every entry, columns in groups, or whole rows along random directions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from gradcheck.bounds import room_within
from gradcheck.coloring import group_columns
from gradcheck.contract import Contract, inspect_jacobian, output_name
from gradcheck.directions import ArrayEvidence
from gradcheck.family import Tangents, VectorObjective
from gradcheck.lines import Entries, VectorSetting, judge_entries
from gradcheck.locate import Box
from gradcheck.matrix import Dense, Matrix, Product, Sparse
from gradcheck.noise import WIDEST
from gradcheck.noises import first_spacing, measure_noises
from gradcheck.parameters import Block, Flat, Parameters
from gradcheck.preflight import Finding
from gradcheck.report import Report
from gradcheck.rowwise import Found, Rowwise
from gradcheck.summary import compose
from gradcheck.survey import Region, Survey
from gradcheck.sweep import Evidence, join
from gradcheck.verdict import DEFAULT_RESOLUTION, DEFAULT_RTOL, Judgement, Outcome, Tolerance

__all__ = ["check_jacobian"]

Index = NDArray[np.intp]

METHODS = ("auto", "sweep", "directions")
# Columns, or groups of columns, that are moved one by one; beyond, random directions test whole rows.
GROUPS_UP_TO = 100
# Wrong entries that are listed; where there are more, the worst of them and a note.
LISTED = 1000
NONE = np.empty(0, np.intp)


def check_jacobian(
    f: Callable[..., Any],
    jac: Any,
    x: Any,
    *,
    args: Sequence[Any] = (),
    sparsity: Any = None,
    rtol: float | None = None,
    atol: float = 0.0,
    resolution: float | None = None,
    method: str = "auto",
    bounds: Any = None,
    subgradient: bool = False,
    confidence: float = 1 - 1e-6,
    rng: Any = 0,
) -> Report:
    """Judge the Jacobian of f: R^n -> R^m: PASS, FAIL or INCONCLUSIVE, with the row and column of what is wrong.

    f : f(x, *args) -> an array of m real numbers, of any shape.
    jac : jac(x, *args) -> J[i, j] = df_i / dx_j: an array (m, n) or of f's shape followed by x's; a tree of such
        arrays with the structure of x; a scipy.sparse matrix; a LinearOperator. Or one of these itself.
    x : as in `check_gradient`, real; never modified.
    sparsity : (m, n), nonzero where an entry may be; as `scipy.optimize.least_squares` takes it. Default for a
        sparse jac: what it stores. Columns that share no row are moved together, and random directions test that
        nothing else is there: a missing entry is found and named.
    method : "sweep" moves every column (or group of columns); "directions" tests whole rows along random directions
        and halves the columns where something is wrong; "auto" takes the first for at most 100 of them.
    rtol, atol, resolution, bounds, subgradient, confidence, rng : as in `check_gradient`. A mistake is relative to the
        entry or to the root mean square of its row, which is the gradient of one output, if that is larger.

    Every evaluation serves all outputs. Six a column or a group, and six a direction, where the first step serves.
    Returns a Report with one array, J. Raises ValueError or TypeError for arguments that cannot be used.
    """
    chosen = None if method == "auto" else method
    options = {"rtol": rtol, "atol": atol or None, "resolution": resolution, "method": chosen, "sparsity": sparsity, "bounds": bounds, "subgradient": subgradient or None}  # fmt: skip
    if not callable(f):
        raise TypeError(f"f must be callable, not {type(f).__name__}")
    if jac is None:
        raise TypeError("jac must be a callable or a Jacobian, not None")
    return judge_jacobian(
        Problem(f, jac, x, tuple(args), sparsity, bounds, subgradient),
        (rtol, atol, resolution), method=method, confidence=confidence, rng=rng,
        call=call_text("check_jacobian(f, jac, x", options, rng),
    )  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """What is checked: a function, its Jacobian, and where."""

    f: Callable[..., Any]
    jac: Any
    x: Any
    args: tuple[Any, ...] = ()
    sparsity: Any = None
    bounds: Any = None
    subgradient: bool = False
    what: str = "jac"


@dataclass(frozen=True)
class JacobianNames(Parameters):
    """The entries of J (m, n) as one flat vector, with their names."""

    outputs: tuple[int, ...] = ()
    columns: Parameters | None = None

    def name(self, flat_index: int) -> str:
        """`J[3, 7]`, with the names of row and column where they are not `f[3]` and `x[7]`."""
        n = self.blocks[0].shape[1]
        i, j = divmod(flat_index, n)
        assert self.columns is not None
        row, column = output_name(self.outputs, i), self.columns.name(j)
        plain = row == f"f[{i}]" and column == f"x[{j}]"
        return f"J[{i}, {j}]" if plain else f"J[{i}, {j}] (d{row} / d{column})"


def jacobian_names(outputs: tuple[int, ...], parameters: Parameters) -> JacobianNames:
    """Names for the Jacobian of a function with outputs of this shape."""
    m, n = int(np.prod(outputs, dtype=np.int64)), parameters.size
    double = np.dtype(np.float64)
    return JacobianNames(
        (Block("J", (m, n), double, 0, m * n, double),), (), lambda v: v[0], outputs, parameters
    )


def judge_jacobian(
    problem: Problem,
    tolerances: tuple[float | None, float, float | None],
    *,
    method: str,
    confidence: float,
    rng: Any,
    call: str,
    extra: Callable[[Matrix, Parameters], list[Finding]] | None = None,
) -> Report:
    """The check itself; `extra` looks at the Jacobian alone."""
    started = time.perf_counter()
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}, not {method!r}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence!r}")
    Tolerance(tolerances[0] or 0.0, tolerances[1], tolerances[2] or 0.0)
    generator = np.random.default_rng(rng)
    parameters, x = Parameters.of(problem.x)
    if any(b.is_complex for b in parameters.blocks):
        raise TypeError(
            "x is complex; the Jacobian of real parameters alone is checked: pass real and imaginary parts"
        )
    room = room_within(problem.bounds, parameters, x)
    objective = VectorObjective(problem.f, parameters, args=problem.args)
    contract = inspect_jacobian(objective, problem.jac, x, problem.args, problem.what)
    findings = [Finding(note) for note in parameters.notes] + list(contract.findings)
    tolerance = Tolerance(tolerances[0] or DEFAULT_RTOL["float64"], tolerances[1])
    evidence: Evidence | Survey | None = None
    names = jacobian_names(objective.shape or (), parameters)
    if contract.matrix is not None and not any(f.final for f in findings):
        matrix, more = with_pattern(contract.matrix, problem.sparsity, names)
        findings += more + (extra(matrix, parameters) if extra is not None else [])
        setting = prepare(objective, contract, x, tolerances, generator, room, problem.subgradient)
        tolerance = setting.tolerance
        evidence, more = gather(setting, matrix, method, confidence, generator, names)
        findings += more
    report = compose(
        names, evidence, findings, tolerance=tolerance, nfev=objective.nfev, ngev=contract.ncalls,
        seconds=time.perf_counter() - started, seed=rng, call=call,
    )  # fmt: skip
    return in_words_of(report, "Jacobian")


def in_words_of(report: Report, noun: str) -> Report:
    """The report of another derivative than a gradient, in its words."""

    def said(text: str) -> str:
        return text.replace("the gradient is not", f"the {noun} is not").replace(
            "the gradient lies", f"the {noun} lies"
        )

    return replace(report, reason=said(report.reason), notes=tuple(said(note) for note in report.notes))


def call_text(start: str, options: dict[str, Any], rng: Any) -> str:
    """The call that repeats a check, with the options that are given."""
    given = [f"{key}={value!r}" if np.ndim(value) == 0 and not scipy.sparse.issparse(value) else f"{key}=..."
             for key, value in options.items() if value is not None]  # fmt: skip
    seed = f"rng={rng!r}" if rng is None or isinstance(rng, int) else "rng=..."
    return f"gradcheck.{', '.join([start, *given, seed])})"


def with_pattern(matrix: Matrix, sparsity: Any, names: JacobianNames) -> tuple[Matrix, list[Finding]]:
    """The Jacobian as sparse where a pattern is declared; entries outside it are a finding."""
    if sparsity is None:
        return matrix, []
    pattern = scipy.sparse.csc_array(sparsity)
    if pattern.shape != matrix.shape:
        raise ValueError(f"sparsity has shape {pattern.shape}, the Jacobian {matrix.shape}")
    pattern = scipy.sparse.csc_array(pattern != 0).astype(np.float64)
    if isinstance(matrix, Product):
        raise TypeError(
            "sparsity needs the entries of jac: a LinearOperator is tested by directions without it"
        )
    array = scipy.sparse.csc_array(matrix.array) if isinstance(matrix, Dense) else matrix.array  # type: ignore[attr-defined]
    array = scipy.sparse.csc_array(array)
    array.eliminate_zeros()
    stored = array.copy()
    stored.data = np.ones_like(stored.data)
    outside = (stored - stored.multiply(pattern)).tocoo()
    outside.eliminate_zeros()
    findings = []
    if outside.nnz:
        at = int(outside.row[0]) * matrix.shape[1] + int(outside.col[0])
        text = f"jac has {outside.nnz:,} entries that the declared sparsity says are zero: {names.name(at)} for one"
        findings.append(Finding(text, Outcome.FAIL))
    union = scipy.sparse.csc_array(pattern + stored)
    return Sparse(array, union), findings


def prepare(
    objective: VectorObjective,
    contract: Contract,
    x: Flat,
    tolerances: tuple[float | None, float, float | None],
    rng: np.random.Generator,
    room: tuple[Flat, Flat] | None,
    subgradient: bool,
) -> VectorSetting:
    """Measure the noise of every output; choose tolerances and first steps by it."""
    parameters = objective.parameters
    objective.origin = contract.f_x
    scales = parameters.scales(x)
    spacing = first_spacing(max(float(np.finfo(b.real_dtype).eps) for b in parameters.blocks))
    signs, size = rng.choice([-1.0, 1.0], x.size), rng.uniform(0.5, 1.5, x.size) * scales
    if room is not None:
        # Inwards, and not farther than the bounds allow even the widest probe.
        signs = np.where(room[1] >= room[0], 1.0, -1.0)
        size = np.minimum(size, 0.99 * np.maximum(*room) / (WIDEST * spacing))
    noises = measure_noises(objective, Tangents(x, [signs * size]), contract.f_x, spacing, back=room is None)
    single = contract.computes_in == "float32" or bool(noises.single.any())
    dtype = "float16" if contract.computes_in == "float16" else "float32" if single else "float64"
    rtol, atol, resolution = tolerances
    rtol = DEFAULT_RTOL[dtype] if rtol is None else rtol
    tolerance = Tolerance(rtol, atol, DEFAULT_RESOLUTION[dtype] if resolution is None else resolution)
    return VectorSetting(
        objective, x, contract.f_x, noises.level, first_steps(noises.level, noises.slope, contract.f_x), scales,
        tolerance, room, subgradient, float(np.finfo(contract.computes_in).eps),
    )  # fmt: skip


def first_steps(level: Flat, slope: Flat, f_x: Flat) -> Flat:
    """The first step (m,) of each output relative to the scales: `gradcheck.estimate.first_step`, for all outputs."""
    size = np.abs(f_x)
    variation = np.where(slope > 0, np.maximum(np.minimum(size, slope), 1e-6 * size), size)
    variation = np.where(variation > 0, variation, np.maximum(slope, level))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(variation > 0, level / variation, 1.0)
    return np.asarray(np.clip(ratio**0.2 / 2.0, 1e-5, 0.1))


def gather(
    setting: VectorSetting,
    matrix: Matrix,
    method: str,
    confidence: float,
    rng: np.random.Generator,
    names: JacobianNames,
) -> tuple[Evidence | Survey | None, list[Finding]]:
    """The evidence of the chosen method."""
    n = setting.x.size
    free = np.arange(n) if setting.room is None else np.flatnonzero(setting.room[0] + setting.room[1] > 0)
    if free.size == 0:
        text = "nothing was checked: every coordinate is fixed by its bounds"
        return None, [Finding(text, Outcome.INCONCLUSIVE, final=True)]
    if isinstance(matrix, Sparse):
        return _gather_sparse(setting, matrix, method, confidence, rng, names)
    if method == "sweep" or (method == "auto" and n <= GROUPS_UP_TO):
        return _sweep(setting, matrix, free, names)
    rowwise = Rowwise(setting, matrix, confidence, rng)
    _judge_the_immovable(rowwise)
    array, found = rowwise.examine()
    return _surveyed(setting, names, array, found, [])


def _judge_the_immovable(rowwise: Rowwise) -> None:
    """Columns that bounds hold nearly still, one by one."""
    room = rowwise.setting.room
    if room is None:
        return
    m = rowwise.matrix.shape[0]
    for j in np.flatnonzero(~rowwise.movable & (room[0] + room[1] > 0)).tolist():
        rowwise.judge(np.arange(m), np.full(m, j), [np.array([j])], np.zeros(m, np.intp))


def _sweep(
    setting: VectorSetting, matrix: Matrix, free: Index, names: JacobianNames
) -> tuple[Evidence | Survey, list[Finding]]:
    m = matrix.shape[0]
    group = np.repeat(np.arange(free.size), m)
    rows, columns = np.tile(np.arange(m), free.size), free[group]
    entries = judge_entries(
        setting,
        [free[k : k + 1] for k in range(free.size)],
        group,
        rows,
        columns,
        matrix.entries(rows, columns),
    )
    return _listed(as_evidence([entries], names), entries.wrong.size)


def _gather_sparse(
    setting: VectorSetting,
    matrix: Sparse,
    method: str,
    confidence: float,
    rng: np.random.Generator,
    names: JacobianNames,
) -> tuple[Evidence | Survey, list[Finding]]:
    """Groups of columns for the pattern, random directions for the zeros."""
    groups = group_columns(matrix.pattern)
    rowwise = Rowwise(setting, matrix, confidence, rng)
    notes: list[Finding] = []
    if method == "sweep" or (method == "auto" and len(groups) <= GROUPS_UP_TO):
        entries = _pattern_entries(setting, matrix, groups)
        # What is wrong here may come from an entry that the pattern lacks, elsewhere in the same group.
        suspects = _first_suspects(entries)
        alone = [rowwise.judge(rows, np.full(rows.size, j), [np.array([j])], np.zeros(rows.size, np.intp))
                 for j, rows in suspects.items()]  # fmt: skip
        notes.append(
            Finding(
                f"{entries.rows.size:,} entries of the pattern were judged one by one in {len(groups):,} groups of "
                "columns; its zeros were tested along random directions"
            )
        )
        rowwise.found.rows.update(_mostly_wrong(matrix, entries, alone))
        if set(range(matrix.shape[0])) != rowwise.found.rows:
            array, found = rowwise.examine()
        else:
            array, found = ArrayEvidence(_whole(names), (), None), rowwise.found
        missing = {int(i) for part in found.judged for i in part.rows[part.wrong]} | found.unexplained
        found.judged.insert(0, _without_blame(entries, found.judged, missing - found.rows))
    else:
        _judge_the_immovable(rowwise)
        array, found = rowwise.examine()
    return _surveyed(setting, names, array, found, notes)


def _pattern_entries(setting: VectorSetting, matrix: Sparse, groups: list[Index]) -> Entries:
    n = matrix.shape[1]
    owner = np.empty(n, np.intp)
    for k, group in enumerate(groups):
        owner[group] = k
    columns = np.repeat(np.arange(n), np.diff(matrix.pattern.indptr))
    rows = np.asarray(matrix.pattern.indices, np.intp)
    if setting.room is not None:
        free = (setting.room[0] + setting.room[1] > 0)[columns]
        rows, columns = rows[free], columns[free]
        groups = [group[(setting.room[0] + setting.room[1])[group] > 0] for group in groups]
    order = np.argsort(owner[columns], kind="stable")
    rows, columns = rows[order], columns[order]
    analytic = _stored(matrix, rows, columns)
    return judge_entries(setting, groups, owner[columns], rows, columns, analytic)


def _stored(matrix: Sparse, rows: Index, columns: Index) -> Flat:
    """J[rows, columns] where the pattern is large: a search in the sorted places of the stored entries."""
    n = matrix.shape[1]
    coo = matrix.array.tocoo()
    places = coo.row.astype(np.int64) * n + coo.col
    order = np.argsort(places)
    wanted = rows.astype(np.int64) * n + columns
    at = np.minimum(np.searchsorted(places[order], wanted), max(places.size - 1, 0))
    if places.size == 0:
        return np.zeros(rows.size)
    hit = places[order][at] == wanted
    return np.where(hit, coo.data[order][at], 0.0)


def _first_suspects(entries: Entries, most: int = 32) -> dict[int, Index]:
    """The wrong entries by column, for the first few columns."""
    wrong = entries.wrong
    columns = np.unique(entries.columns[wrong])[:most]
    return {int(j): entries.rows[wrong][entries.columns[wrong] == j] for j in columns}


def _mostly_wrong(matrix: Sparse, entries: Entries, alone: list[Entries]) -> set[int]:
    """Rows in which most entries of the pattern are wrong, where looking at columns alone bore that out."""
    cleared = {int(i) for part in alone for i in part.rows[~part.judgement.wrong]}
    m = matrix.shape[0]
    bad = np.bincount(entries.rows[entries.wrong], minlength=m)
    size = np.bincount(entries.rows, minlength=m)
    most = np.flatnonzero((bad >= 2) & (2 * bad > size))
    if most.size * 2 < m:
        most = most[:0]  # a few rows: their entries are listed
    return set(most.tolist()) - cleared


def _without_blame(entries: Entries, judged: list[Entries], rows: set[int]) -> Entries:
    """The entries of the groups, without those that were judged alone, and without wrong ones in rows that hold a
    mistake outside the pattern: a group cannot tell which of its columns is to blame."""
    alone = {(int(i), int(j)) for part in judged for i, j in zip(part.rows, part.columns, strict=True)}
    wrong = entries.judgement.wrong
    keep = np.ones(entries.rows.size, bool)
    suspicious = np.flatnonzero(np.isin(entries.rows, np.fromiter({i for i, _ in alone}, np.intp)) | wrong)
    for k in suspicious.tolist():
        place = int(entries.rows[k]), int(entries.columns[k])
        keep[k] = place not in alone and not (wrong[k] and place[0] in rows)
    return _part(entries, np.flatnonzero(keep))


def _part(entries: Entries, at: Index) -> Entries:
    estimate = replace(
        entries.estimate,
        **{
            f.name: getattr(entries.estimate, f.name)[at]
            for f in fields(entries.estimate)
            if f.name != "nfev"
        },
    )
    judgement = Judgement(**{f.name: getattr(entries.judgement, f.name)[at] for f in fields(Judgement)})
    return Entries(entries.rows[at], entries.columns[at], entries.analytic[at], estimate, judgement)


def as_evidence(parts: list[Entries], names: JacobianNames) -> Evidence:
    """Judged entries as evidence about the flat vector of J; each entry once, as it was judged last."""
    n = names.blocks[0].shape[1]
    judged = {
        f.name: np.concatenate([getattr(p.judgement, f.name) for p in parts]) for f in fields(Judgement)
    }
    places = np.concatenate([p.rows.astype(np.int64) * n + p.columns for p in parts])
    everything = Evidence(
        places,
        np.concatenate([p.analytic for p in parts]),
        join([p.estimate for p in parts]),
        Judgement(**judged),
    )
    _, last = np.unique(places[::-1], return_index=True)
    return everything if last.size == places.size else take(everything, np.sort(places.size - 1 - last))


def take(evidence: Evidence, at: Index) -> Evidence:
    """Some of the evidence."""
    estimate = evidence.estimate
    parts = {f.name: getattr(estimate, f.name)[at] for f in fields(estimate) if f.name != "nfev"}
    judgement = Judgement(**{f.name: getattr(evidence.judgement, f.name)[at] for f in fields(Judgement)})
    return replace(
        evidence, coordinates=evidence.coordinates[at], analytic=evidence.analytic[at],
        estimate=replace(estimate, **parts), judgement=judgement,
    )  # fmt: skip


def _listed(evidence: Evidence, wrong: int) -> tuple[Evidence, list[Finding]]:
    """The evidence with the worst of its wrong entries, where they are too many to list."""
    if wrong <= LISTED:
        return evidence, []
    excess = np.abs(evidence.analytic - evidence.estimate.value) / evidence.judgement.allowed
    excess = np.where(evidence.judgement.wrong, np.nan_to_num(excess, nan=np.inf), -1.0)
    dropped = np.argsort(-excess, kind="stable")[LISTED:wrong]
    keep = np.ones(excess.size, bool)
    keep[dropped] = False
    text = f"{wrong:,} of {excess.size:,} entries of J are wrong; the worst {LISTED:,} are listed"
    return take(evidence, np.flatnonzero(keep)), [Finding(text)]


def _surveyed(
    setting: VectorSetting, names: JacobianNames, array: ArrayEvidence, found: Found, notes: list[Finding]
) -> tuple[Survey, list[Finding]]:
    """What directions and the search found, in the form that reports are made of."""
    block = _whole(names)
    m, n = block.shape
    nothing = judge_entries(setting, [], NONE, NONE, NONE, np.empty(0))
    evidence, more = _listed(
        as_evidence([*found.judged, nothing], names), sum(p.wrong.size for p in found.judged)
    )
    regions = []
    if len(found.rows) == m:
        regions.append(Region(block, Box(((0, m), (0, n))), True))
    else:
        regions += [Region(block, Box(((a, b), (0, n))), True) for a, b in runs(found.rows)]
    regions += [Region(block, Box(((0, m), (a, b))), True) for a, b in runs(found.columns)]
    regions += [Region(block, Box(((0, m), span)), False) for span in found.open[:10]]
    regions += [Region(block, Box(((a, b), (0, n))), False) for a, b in runs(found.unexplained)[:10]]
    survey = Survey((replace(array, block=block),), evidence, tuple(regions))
    return survey, notes + more


def runs(numbers: set[int]) -> list[tuple[int, int]]:
    """Consecutive numbers as half-open ranges."""
    out: list[tuple[int, int]] = []
    for k in sorted(numbers):
        if out and out[-1][1] == k:
            out[-1] = (out[-1][0], k + 1)
        else:
            out.append((k, k + 1))
    return out


def _whole(names: JacobianNames) -> Block:
    return names.blocks[0]
