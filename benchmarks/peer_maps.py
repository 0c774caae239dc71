"""Peers on Jacobians and products: the claims of `contracts`, right and wrong, given to all who take such claims.

    python -m benchmarks.peer_maps [--every N] [--docs]

--every : one claim in N, for a look. --docs : write the table of docs/peers.md.
A peer whose package is missing is left out. Each is asked what it takes: Jacobians, products J v, products J^T u, or
adjoints; with its own defaults, where it has some. Not finished after SECONDS of processor time counts as crashed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import statistics
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize._numdiff import approx_derivative

from benchmarks.contracts import Claim, claims
from benchmarks.corpus.maps import Map
from benchmarks.corpus.model import flat, like
from benchmarks.corpus.operators import Operator
from benchmarks.peer_tools.model import (
    ACCEPTED,
    CRASHED,
    INCONCLUSIVE,
    REJECTED,
    UNFINISHED,
    Alarm,
    Late,
    Said,
    asserted,
    by_entry,
)

Array = np.ndarray
SECONDS = 20.0
JACOBIANS = ("check_jacobian", "check_hessian")
FORWARD, REVERSE = ("check_jvp", "check_hvp"), ("check_vjp",)


@dataclass(frozen=True)
class Peer:
    """name, module : what must be importable. takes : the checks of ours whose claims it is asked. rule : in words."""

    name: str
    module: str
    takes: tuple[str, ...]
    rule: str
    check: Callable[[Claim], Said]


def _map(claim: Claim) -> Map:
    assert isinstance(claim.of, Map)
    return claim.of


def _vector(m: Map) -> tuple[Callable[[Array], Array], Array]:
    """f as R^n -> R^m, and its point."""
    return lambda x: np.ravel(m.f(like(m.x, np.asarray(x, float)))).astype(float), flat(m.x).astype(float)


def _own(claim: Claim) -> Said:
    outcome = claim.call().outcome.value
    return Said({"PASS": ACCEPTED, "FAIL": REJECTED}.get(outcome, INCONCLUSIVE))


def _scipy(claim: Claim) -> Said:
    f, x = _vector(_map(claim))
    J = np.asarray(claim.claimed(_map(claim).x), float)
    numerical = np.atleast_2d(approx_derivative(f, x, method="2-point")).reshape(J.shape)
    return by_entry(J.ravel(), numerical.ravel(), 1e-5 * np.abs(numerical.ravel()) + 1e-8)


def _jacobi(claim: Claim) -> Said:
    from jacobi import jacobi

    f, x = _vector(_map(claim))
    J = np.asarray(claim.claimed(_map(claim).x), float)
    value, error = (np.reshape(part, J.shape).ravel() for part in jacobi(f, x))
    return by_entry(J.ravel(), value, error + 1e-6 * np.abs(value))


def _openmdao(claim: Claim) -> Said:
    import openmdao.api as om
    from openmdao.utils.assert_utils import assert_check_partials

    f, x = _vector(_map(claim))
    J = np.asarray(claim.claimed(_map(claim).x), float)

    class Component(om.ExplicitComponent):  # type: ignore[misc]  # openmdao has no types
        def setup(self) -> None:
            self.add_input("x", x)
            self.add_output("y", f(x))
            self.declare_partials("y", "x")

        def compute(self, inputs: Any, outputs: Any) -> None:
            outputs["y"] = f(inputs["x"])

        def compute_partials(self, _: Any, partials: Any) -> None:
            partials["y", "x"] = J

    problem = om.Problem(reports=False)
    problem.model.add_subsystem("f", Component(), promotes=["*"])
    with contextlib.redirect_stdout(io.StringIO()):
        problem.setup()
        problem.run_model()
        data = problem.check_partials(out_stream=None, method="fd")
    return asserted(lambda: assert_check_partials(data, atol=1e-6, rtol=1e-6), (ValueError, AssertionError))


def _torch(claim: Claim, *, fast: bool) -> Said:
    import torch
    from torch.autograd.gradcheck import GradcheckError

    m = _map(claim)
    f, at = _vector(m)
    torch.manual_seed(0)

    class Checked(torch.autograd.Function):
        @staticmethod
        def forward(_: Any, x: Any) -> Any:
            return torch.from_numpy(f(x.detach().numpy()))

        @staticmethod
        def backward(_: Any, *outer: Any) -> Any:
            cotangent = outer[0].detach().numpy().reshape(m.outputs)
            return torch.from_numpy(np.asarray(flat(claim.claimed(m.x, cotangent)), float))

    x = torch.from_numpy(at.copy()).requires_grad_()
    return asserted(lambda: torch.autograd.gradcheck(Checked.apply, (x,), fast_mode=fast), GradcheckError)


def _jax(claim: Claim) -> Said:
    import jax
    from jax.test_util import check_jvp, check_vjp

    jax.config.update("jax_enable_x64", True)
    m = _map(claim)

    def f(x: Any) -> Array:
        return np.asarray(m.f(like(m.x, np.asarray(x))), float)

    def pushed(primals: Any, tangents: Any) -> Any:
        (x,), (v,) = primals, tangents
        return f(x), np.asarray(claim.claimed(m.x, like(m.x, np.asarray(v))), float).reshape(m.outputs)

    def pulled(x: Any) -> Any:
        return f(x), lambda u: (np.asarray(flat(claim.claimed(m.x, np.asarray(u))), float),)

    x = (flat(m.x).astype(float),)
    check = (lambda: check_jvp(f, pushed, x)) if claim.check in FORWARD else (lambda: check_vjp(f, pulled, x))
    return asserted(check, AssertionError)


def _pylops(claim: Claim) -> Said:
    import pylops

    o = claim.of
    assert isinstance(o, Operator)
    kind = np.result_type(o.x.dtype, o.y.dtype)

    class Wrapped(pylops.LinearOperator):  # type: ignore[misc]  # pylops has no types
        def __init__(self) -> None:
            super().__init__(dtype=kind, shape=(o.y.size, o.x.size))

        def _matvec(self, x: Any) -> Any:
            given = x.reshape(o.x.shape)
            return np.ravel(o.forward((given if o.x.dtype.kind == "c" else given.real).astype(o.x.dtype)))

        def _rmatvec(self, y: Any) -> Any:
            given = y.reshape(o.y.shape)
            return np.ravel(claim.claimed((given if o.y.dtype.kind == "c" else given.real).astype(o.y.dtype)))

    # complexflag : 0 both real, 1 a complex model, 2 complex data, 3 both.
    flag = int(o.x.dtype.kind == "c") + 2 * int(o.y.dtype.kind == "c")
    np.random.seed(0)  # noqa: NPY002 (dottest draws from it)
    return asserted(
        lambda: pylops.utils.dottest(Wrapped(), o.y.size, o.x.size, complexflag=flag),
        (AssertionError, ValueError),
    )


PEERS = [
    Peer("**gradcheck**", "gradcheck", JACOBIANS, "PASS, FAIL or INCONCLUSIVE", _own),
    Peer("SciPy approx_derivative", "scipy", JACOBIANS, "2-point, rtol 1e-5, atol 1e-8", _scipy),
    Peer("OpenMDAO check_partials", "openmdao", JACOBIANS, "forward, 1e-6, atol and rtol 1e-6", _openmdao),
    Peer("jacobi", "jacobi", JACOBIANS, "its error estimate + 1e-6 of the entry", _jacobi),
    Peer("**gradcheck**", "gradcheck", REVERSE, "PASS, FAIL or INCONCLUSIVE", _own),
    Peer("torch gradcheck, slow", "torch", REVERSE, "atol 1e-5, rtol 1e-3", lambda c: _torch(c, fast=False)),
    Peer("torch gradcheck, fast", "torch", REVERSE, "atol 1e-5, rtol 1e-3", lambda c: _torch(c, fast=True)),
    Peer("JAX check_vjp", "jax", REVERSE, "one direction, atol and rtol 1e-5", _jax),
    Peer("**gradcheck**", "gradcheck", FORWARD, "PASS, FAIL or INCONCLUSIVE", _own),
    Peer("JAX check_jvp", "jax", FORWARD, "one direction, atol and rtol 1e-5", _jax),
    Peer("**gradcheck**", "gradcheck", ("check_adjoint",), "PASS, FAIL or INCONCLUSIVE", _own),
    Peer("PyLops dottest", "pylops", ("check_adjoint",), "rtol 1e-6", _pylops),
]  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """A verdict of `peer_tools.model`, and the calls of f."""

    verdict: str
    nfev: int


def ask(peer: Peer, claim: Claim) -> Answer:
    """Put a claim to a peer, counting the calls of f or of the operator."""
    calls = 0
    of = claim.of
    inner = of.f if isinstance(of, Map) else of.forward

    def counted(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return inner(x)

    watched = replace(of, **{"f" if isinstance(of, Map) else "forward": counted})
    call = claim.call
    if peer.check is _own:
        assert isinstance(call, partial)  # the function of the claim is its first argument
        call = partial(call.func, counted, *call.args[1:])
    alarm = Alarm(SECONDS)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(), alarm:
            warnings.simplefilter("ignore")
            verdict = peer.check(replace(claim, of=watched, call=call)).verdict
    except Late:
        verdict = UNFINISHED
    except Exception:  # whatever a peer raises instead of a verdict is an answer to be counted
        verdict = UNFINISHED if alarm.late else CRASHED
    return Answer(verdict, calls)


def table(asked: list[Claim]) -> str:
    """The rows of the peers that are installed."""
    heads = ("checker", "claims", "right", "false alarms", "inconclusive", "wrong", "missed", "inconclusive", "crashed",
             "evaluations")  # fmt: skip
    lines = ["| " + " | ".join(heads) + " |", "|---|---|" + "---:|" * (len(heads) - 2)]
    kinds = {JACOBIANS: "Jacobians, Hessians", FORWARD: "J v, H v", REVERSE: "uᵀ J"}
    for peer in PEERS:
        if importlib.util.find_spec(peer.module) is None:
            continue
        mine = [claim for claim in asked if claim.check in peer.takes]
        answers = [ask(peer, claim) for claim in mine]
        sides = [
            [a for a, c in zip(answers, mine, strict=True) if bool(c.mistake) is side]
            for side in (False, True)
        ]
        counts = [Counter(a.verdict for a in side) for side in sides]
        failed = sum(c[CRASHED] + c[UNFINISHED] for c in counts)
        spent = statistics.median([a.nfev for a in sides[0]] or [0])
        cells = [peer.name, kinds.get(peer.takes, "adjoints"), len(sides[0]), counts[0][REJECTED],
                 counts[0][INCONCLUSIVE], len(sides[1]), counts[1][ACCEPTED], counts[1][INCONCLUSIVE], failed,
                 f"{spent:g}"]  # fmt: skip
        lines.append("| " + " | ".join(f"{c:,}" if isinstance(c, int) else str(c) for c in cells) + " |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Ask, and print or write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    asked = claims()[:: options.every]
    written = table(asked)
    if options.docs:
        from benchmarks.peer_docs import replace as write

        write(Path(__file__).parent.parent / "docs" / "peers.md", "maps", written)


if __name__ == "__main__":
    main()
