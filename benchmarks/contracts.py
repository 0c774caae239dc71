"""Right and wrong derivatives for every public check, and for the adapters: what is said of them, counted.

    python -m benchmarks.contracts [--every N] [--right]

--every : one claim in N, for a look; default 1, all of them (some minutes). --right : right claims alone.
An adapter whose library is missing is left out.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import importlib.util
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

import gradcheck
import gradcheck.interop
from benchmarks.corpus.maps import Map, maps
from benchmarks.corpus.mistakes import MISTAKES
from benchmarks.corpus.model import flat, like
from benchmarks.corpus.operators import Operator, operators

Array = np.ndarray
# Columns up to which evaluations are compared with those of 2-point differences, n + 1.
SMALL = 100
COMPARED = ("check_gradient", "check_jacobian", "check_jvp", "check_vjp", "check_hessian", "check_hvp")


@dataclass(frozen=True)
class Claim:
    """One call of a public check; `mistake` is empty where what it claims is right.

    of : the map or operator. claimed : what is said of it, jac(x), product(x, v or u) or adjoint(y).
    """

    check: str
    subject: str
    mistake: str
    call: Callable[[], Any]
    of: Map | Operator
    claimed: Callable[..., Any]

    @property
    def name(self) -> str:
        """For a person."""
        return f"{self.check} of {self.subject}{': ' + self.mistake if self.mistake else ''}"


def seeded(*names: str) -> np.random.Generator:
    """A generator for these names, the same in every process."""
    return np.random.default_rng(zlib.crc32("|".join(names).encode()))


def _checks(m: Map, jac: Callable[[Any], Any], what: Any = None) -> dict[str, Callable[..., Any]]:
    """What can be claimed of a map with this Jacobian, by the check; `what` wraps its products."""
    wrap = what or (lambda product: product)
    jvp = wrap(lambda x, v: m.jvp(x, v, jac))
    vjp = wrap(lambda x, u: m.vjp(x, u, jac))
    found: dict[str, Callable[..., Any]] = {"check_jvp": jvp, "check_vjp": vjp}
    if m.symmetric:
        found["check_hvp"] = jvp
    if what is None:
        found |= {"check_jacobian": jac, "taylor_test": jac}
        if m.symmetric:
            found["check_hessian"] = jac
    return found


def _claim(m: Map, check: str, claimed: Callable[..., Any], mistake: str = "", where: str = "") -> Claim:
    call = partial(getattr(gradcheck, check), m.f, claimed, m.x)
    return Claim(check, m.name + where, mistake, call, m, claimed)


def _elsewhere(m: Map) -> Map:
    """The same at another point, each entry moved by up to a tenth of its size."""
    x = flat(m.x)
    return replace(m, x=like(m.x, x * (1 + 0.1 * seeded(m.name, "elsewhere").uniform(-1, 1, x.size))))


def _first_twice(values: np.ndarray) -> np.ndarray:
    return np.append(values[:1], values[:-1])


# Mistakes of a product, whatever its Jacobian: (product) -> the wrong one.
PRODUCTS: dict[str, Callable[[Any], Any]] = {
    "ignores what comes in": lambda product: lambda x, u: product(x, like(u, np.ones(flat(u).size))),
    "takes its modulus": lambda product: lambda x, u: product(x, like(u, np.abs(flat(u)))),
    "squares it": lambda product: lambda x, u: product(x, like(u, flat(u) ** 2)),
    "is half of it": lambda product: lambda x, u: product(x, like(u, flat(u) / 2)),
    "reads its first entry twice": lambda product: lambda x, u: product(x, like(u, _first_twice(flat(u)))),
}


def claims_of_map(m: Map) -> Iterator[Claim]:
    """The right ones and the wrong ones."""
    for check, claimed in _checks(m, m.jac).items():
        yield _claim(m, check, claimed)
    there = _elsewhere(m)
    for check, claimed in _checks(there, there.jac).items():
        yield _claim(there, check, claimed, where=", elsewhere")
    for mistake, plant in MISTAKES.items():
        size = m.jac(m.x)
        if plant(size, seeded(m.name, mistake)) is None:
            continue

        def jac(x: Any, plant: Any = plant, mistake: str = mistake) -> Any:
            return plant(m.jac(x), seeded(m.name, mistake))

        for check, claimed in _checks(m, jac).items():
            # One direction tells of the sum of all outputs alone: a mistake of 0.2 % of one entry among many is not
            # what it claims to see.
            if check == "taylor_test" and not mistake.startswith("all"):
                continue
            yield _claim(m, check, claimed, mistake)
    single = flat(m.x).size == 1 and m.jac(m.x).size == 1
    for mistake, wrap in PRODUCTS.items():
        if single and mistake == "reads its first entry twice":
            continue
        for check, claimed in _checks(m, m.jac, wrap).items():
            given = m.jac(m.x) if check != "check_vjp" else m.jac(m.x).T
            if mistake == "reads its first entry twice" and given.shape[1] < 2:
                continue
            yield _claim(m, check, claimed, mistake)


def claims_of_operator(o: Operator) -> Iterator[Claim]:
    """The right adjoint, and wrong ones: factors, signs, an entry, a shift, the transpose without the conjugate."""

    def claim(mistake: str, adjoint: Callable[[Any], Any]) -> Claim:
        call = partial(gradcheck.check_adjoint, o.forward, adjoint, o.x, o.y)
        return Claim("check_adjoint", o.name, mistake, call, o, adjoint)

    yield claim("", o.adjoint)
    rng = seeded(o.name)
    matrix = o.dense()[0]
    size = np.abs(matrix).max(0)
    j = int(rng.choice(np.flatnonzero(size > 0))) // (2 if o.x.dtype.kind == "c" else 1)

    def entry(factor: float) -> Callable[[Any], Any]:
        scale = np.ones(o.x.size)
        scale[j] = factor
        return lambda y: (np.ravel(o.adjoint(y)) * scale).reshape(o.x.shape).astype(o.x.dtype)

    wrong: dict[str, Callable[[Any], Any]] = {
        "all 0.2 % too large": lambda y: (o.adjoint(y) * 1.002).astype(o.x.dtype),
        "doubled": lambda y: 2 * o.adjoint(y),
        "of the other sign": lambda y: -o.adjoint(y),
        "an entry 0.2 % too large": entry(1.002),
        "an entry of the other sign": entry(-1.0),
        "an entry left out": entry(0.0),
        "zero": lambda y: 0 * o.adjoint(y),
        "one value too many": lambda y: np.append(o.adjoint(y), 0.0),
        "its modulus": lambda y: np.abs(o.adjoint(y)),
    }
    given = o.adjoint(np.asarray(rng.normal(size=o.y.shape), o.y.dtype))
    if not np.array_equal(np.roll(given, 1), given):
        wrong["one place too far"] = lambda y: np.roll(o.adjoint(y), 1)
    if o.y.dtype.kind == "c" and o.name != "conj":
        wrong["not conjugated"] = lambda y: o.adjoint(np.conj(y))
    for mistake, adjoint in wrong.items():
        yield claim(mistake, adjoint)


def _weighted(m: Map) -> Map:
    """A weighted sum of the outputs, of the flat x: a function of one output and its gradient (1, n)."""
    weight = seeded(m.name, "weight").choice([-1.0, 1.0], int(np.prod(m.outputs))) * np.linspace(
        0.5, 1.5, int(np.prod(m.outputs))
    )

    def f(x: Any) -> float:
        return float(weight @ np.ravel(m.f(like(m.x, x))))

    def jac(x: Any) -> Any:
        return (weight @ m.jac(like(m.x, x)))[None, :]

    return Map(f"a sum of {m.name}", f, jac, flat(m.x).astype(float), analytic=m.analytic)


def claims_of_sum(m: Map) -> Iterator[Claim]:
    """Of the map made one output, as a gradient, at two points at once, and as a problem that the map constrains."""
    loss = _weighted(m)
    there = _elsewhere(loss).x

    def limits(x: Any) -> Any:
        return np.ravel(m.f(like(m.x, x))).astype(float)

    def limits_jac(x: Any) -> Any:
        return m.jac(like(m.x, x))

    constraint = {"type": "eq", "fun": limits, "jac": limits_jac}
    for mistake, plant in {"": None, **MISTAKES}.items():
        if plant is not None and plant(loss.jac(loss.x), seeded(loss.name, mistake)) is None:
            continue

        def grad(x: Any, plant: Any = plant, mistake: str = mistake) -> Any:
            J = loss.jac(x)
            return (J if plant is None else plant(J, seeded(loss.name, mistake)))[0]

        calls = {
            "check_gradient": partial(gradcheck.check_gradient, loss.f, grad, loss.x),
            "check_points": partial(gradcheck.check_points, loss.f, grad, [loss.x, there]),
            "check_problem": partial(
                gradcheck.check_problem, loss.f, loss.x, jac=grad, constraints=[constraint]
            ),
        }
        for check, call in calls.items():
            yield Claim(check, loss.name, mistake, call, loss, grad)


def _with_torch(f: Any, pull: Any, x: Array) -> Any:
    import torch

    class Checked(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return torch.from_numpy(f(x.detach().numpy()))

        @staticmethod
        def backward(ctx: Any, *outer: Any) -> Any:
            (x,) = ctx.saved_tensors
            return torch.from_numpy(pull(x.detach().numpy(), outer[0].detach().numpy()))

    return gradcheck.interop.torch.check_function(Checked.apply, torch.from_numpy(x.copy()))


def _with_autograd(f: Any, pull: Any, x: Array) -> Any:
    from autograd.extend import defvjp, primitive

    checked = primitive(f)
    defvjp(checked, lambda _, x: lambda u: pull(x, u))
    return gradcheck.interop.autograd.check_function(checked, x)


# Not JAX: a map of NumPy runs there as a callback, which may wait for the thread that it blocks.
ADAPTERS: dict[str, Callable[..., Any]] = {
    name: adapter
    for name, adapter in {"torch": _with_torch, "autograd": _with_autograd}.items()
    if importlib.util.find_spec(name) is not None
}


def claims_of_adapters(m: Map) -> Iterator[Claim]:
    """A rule for the map by hand in each library that is installed, over the flat x; and one that is too large."""

    def f(x: Any) -> Any:
        return np.ravel(m.f(like(m.x, x))).astype(float)

    def pull(x: Any, u: Any) -> Any:
        return m.jac(like(m.x, x)).T @ u

    wrong = {"": pull, "all 0.2 % too large": lambda x, u: 1.002 * pull(x, u)}
    for name, adapter in ADAPTERS.items():
        importlib.import_module(f"gradcheck.interop.{name}")
        for mistake, rule in wrong.items():
            call = partial(adapter, f, rule, flat(m.x).astype(float))
            yield Claim(f"interop.{name}.check_function", m.name, mistake, call, m, rule)


def claims() -> list[Claim]:
    """Every claim, the same at every call."""
    found = [claim for m in maps() for claim in claims_of_map(m)]
    found += [claim for o in operators() for claim in claims_of_operator(o)]
    found += [claim for m in maps() for claim in claims_of_sum(m)]
    return found + [claim for m in maps() for claim in claims_of_adapters(m)]


def main() -> None:
    """Count, and name what is not as it should be."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--right", action="store_true")
    options = parser.parse_args()
    counts: collections.Counter[tuple[str, str, str]] = collections.Counter()
    ratios: dict[str, list[float]] = collections.defaultdict(list)
    asked = [claim for claim in claims() if not (options.right and claim.mistake)]
    for claim in asked[:: options.every]:
        try:
            report = claim.call()
            outcome = report.outcome.value
            if claim.check in COMPARED and not claim.mistake and flat(claim.of.x).size <= SMALL:
                ratios[claim.check].append(report.nfev / (flat(claim.of.x).size + 1))
        except Exception as error:
            outcome = f"{type(error).__name__}"
        kind = "wrong" if claim.mistake else "right"
        counts[claim.check, kind, outcome] += 1
        if outcome != ("FAIL" if claim.mistake else "PASS"):
            print(f"{outcome:12} {claim.name}", flush=True)
    print(
        "| check | right | PASS | INCONCLUSIVE | FAIL | raised | wrong | FAIL | INCONCLUSIVE | PASS | raised |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for check in sorted({key[0] for key in counts}):
        cells = [check]
        for kind, outcomes in (
            ("right", ("PASS", "INCONCLUSIVE", "FAIL")),
            ("wrong", ("FAIL", "INCONCLUSIVE", "PASS")),
        ):
            total = sum(n for key, n in counts.items() if key[:2] == (check, kind))
            known = [counts[check, kind, outcome] for outcome in outcomes]
            cells += map(str, [total, *known, total - sum(known)])
        print("|", " | ".join(cells), "|")
    if ratios:
        print(f"evaluations of right claims with n <= {SMALL} over those of 2-point differences:")
    for check, mine in sorted(ratios.items()):
        share = (
            f"{np.median(mine):.2f} in the median, {np.mean(mine):.2f} in the mean, {max(mine):.1f} at most"
        )
        print(f"  {len(mine)} of {check}: {share}")


if __name__ == "__main__":
    main()
