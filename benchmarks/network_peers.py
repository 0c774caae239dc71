"""The same network and mistakes, checked by the libraries that people use: caught or not, named or not, and the cost.

Each peer checks with its defaults, and once more with the strictest tolerance (of 10^-1 to 10^-9) with which it still
passes the right gradient. `scipy.optimize.check_grad` returns a number and leaves the decision to its user: it
counts as caught where the number is more than twice that of the right gradient.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

import gradcheck
from benchmarks import nets
from benchmarks.nets import Counted, Net, Params
from benchmarks.verdicts import table

GRID = tuple(10.0**-k for k in range(1, 10))


@dataclass(frozen=True)
class Compared:
    """One peer on one gradient. named : nothing to say (""), or whether the place was told."""

    peer: str
    mistake: str
    caught: bool
    named: str
    evaluations: int
    seconds: float


def mistakes(net: Net, seed: int) -> dict[str, Params]:
    """The gradients that every peer gets, the right one first."""
    generator = np.random.default_rng(seed)
    size = np.abs(net.gradient["W1"])
    largest = np.unravel_index(size.argmax(), size.shape)
    small = np.unravel_index(np.abs(size - 1e-2 * size.max()).argmin(), size.shape)
    return {
        "none (right)": net.gradient,
        "largest entry of W1, 0.1 %": nets.scaled(net, [("W1", largest)], 1.001).gradient,
        "entry of W1 of 1/100 of the largest, 0.1 %": nets.scaled(net, [("W1", small)], 1.001).gradient,
        "the same, ten times too large": nets.scaled(net, [("W1", small)], 10.0).gradient,
        "column of W1, 1 %": nets.column(net, generator).gradient,
        "equal and opposite pair, 0.1 %": nets.opposite_pair(net, generator).gradient,
        "all of W2, 0.1 %": nets.scaled(net, [("W2", np.s_[...])], 1.001).gradient,
    }


def compare(net: Net, seed: int, *, quick: bool) -> list[Compared]:
    """Every peer that is installed on every mistake.

    torch's slow mode and scipy's full gradient take two and one losses a parameter, a minute a check: they see the
    first two gradients and the third alone; with `quick` they are left out.
    """
    wrong = mistakes(net, seed)
    found = _ours(net, wrong, seed)
    few = dict(list(wrong.items())[:3])
    found += _scipy(net, wrong, {} if quick else few)
    if find_spec("torch"):
        found += _torch(net, wrong, {} if quick else few)
    if find_spec("jax"):
        found += _jax(net, wrong)
    return found


def _ours(net: Net, wrong: dict[str, Params], seed: int) -> list[Compared]:
    found = []
    for name, loss in (("gradcheck", net.loss), ("gradcheck, real numbers only", nets.real_only(net.loss))):
        for mistake, gradient in wrong.items():
            planted = nets.planted(net, gradient)
            report = gradcheck.check_gradient(loss, gradient, net.params, rng=seed)
            told = {w.name for w in report.wrong}
            named = "" if not planted.entries else "yes" if told and told <= planted.entries else "no"
            caught = report.outcome is gradcheck.Outcome.FAIL
            found.append(Compared(name, mistake, caught, named, report.nfev, report.seconds))
    return found


def _packed(net: Net) -> tuple[Callable[[Params], np.ndarray], Callable[[np.ndarray], Params]]:
    ends = np.cumsum([v.size for v in net.params.values()])[:-1]

    def pack(params: Params) -> np.ndarray:
        return np.concatenate([params[name].ravel() for name in net.params])

    def unpack(flat: np.ndarray) -> Params:
        parts = zip(net.params.items(), np.split(flat, ends), strict=True)
        return {name: part.reshape(v.shape) for (name, v), part in parts}

    return pack, unpack


def _scipy(net: Net, wrong: dict[str, Params], few: dict[str, Params]) -> list[Compared]:
    from scipy.optimize import check_grad

    pack, unpack = _packed(net)
    x = pack(net.params)
    found = []
    for peer, gradients, options in (
        ("scipy check_grad", few, {}),
        ("scipy check_grad, random direction", wrong, {"direction": "random", "rng": 0}),
    ):
        right = np.inf
        for mistake, gradient in gradients.items():
            loss = Counted(lambda flat: net.loss(unpack(flat)))
            started = time.perf_counter()
            value = check_grad(loss, _always(pack(gradient)), x, **options)
            seconds = time.perf_counter() - started
            right = min(right, value) if gradient is net.gradient else right
            found.append(Compared(peer, mistake, bool(value > 2 * right), "no", loss.calls, seconds))
    return found


def _always(value: np.ndarray) -> Callable[[Any], np.ndarray]:
    return lambda _: value


def _attempts(
    peer: str,
    wrong: dict[str, Params],
    check: Callable[[Params, float | None], tuple[bool, int]],
    *,
    tuned: bool,
) -> list[Compared]:
    """Run a peer with its defaults, and with the strictest tolerance that passes the right gradient."""
    found = []
    settings: list[tuple[str, float | None]] = [(f"{peer}, defaults", None)] if wrong else []
    if tuned and wrong:
        strictest = [tolerance for tolerance in GRID if check(wrong["none (right)"], tolerance)[0]]
        if strictest:
            settings.append((f"{peer}, rtol = atol = {strictest[-1]:.0e}", strictest[-1]))
    for name, tolerance in settings:
        for mistake, gradient in wrong.items():
            started = time.perf_counter()
            passed, calls = check(gradient, tolerance)
            found.append(Compared(name, mistake, not passed, "no", calls, time.perf_counter() - started))
    return found


def _torch(net: Net, wrong: dict[str, Params], few: dict[str, Params]) -> list[Compared]:
    import torch

    names = list(net.params)

    def check(gradient: Params, tolerance: float | None, *, fast: bool) -> tuple[bool, int]:
        loss = Counted(net.loss)

        class Loss(torch.autograd.Function):
            """The same loss; backward gives the gradient under test."""

            @staticmethod
            def forward(_: Any, *arrays: Any) -> Any:
                params = {name: a.detach().numpy() for name, a in zip(names, arrays, strict=True)}
                return torch.tensor(loss(params), dtype=torch.float64)

            @staticmethod
            def backward(_: Any, *outer: Any) -> Any:
                return tuple(outer[0] * torch.from_numpy(gradient[name]) for name in names)

        inputs = tuple(torch.tensor(net.params[name], requires_grad=True) for name in names)
        options = {} if tolerance is None else {"atol": tolerance, "rtol": tolerance}
        passed = torch.autograd.gradcheck(
            lambda *arrays: Loss.apply(*arrays), inputs, fast_mode=fast, raise_exception=False, **options
        )
        return bool(passed), loss.calls

    fast = _attempts("torch gradcheck, fast", wrong, lambda g, t: check(g, t, fast=True), tuned=True)
    return fast + _attempts("torch gradcheck, slow", few, lambda g, t: check(g, t, fast=False), tuned=False)


def _jax(net: Net, wrong: dict[str, Params]) -> list[Compared]:
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    from jax.test_util import check_grads

    x, t = (jnp.asarray(part) for part in net.batch)

    def check(gradient: Params, tolerance: float | None) -> tuple[bool, int]:
        calls = [0]

        def plain(p: Any) -> Any:
            calls[0] += 1
            hidden = jax.nn.sigmoid(x @ p["W1"] + p["b1"])
            return -jnp.sum(t * jnp.log(jax.nn.softmax(hidden @ p["W2"] + p["b2"]) + 1e-7)) / len(x)

        loss = jax.custom_vjp(plain)
        loss.defvjp(
            lambda p: (plain(p), None),
            lambda _, outer: ({name: outer * jnp.asarray(gradient[name]) for name in net.params},),
        )
        params = {name: jnp.asarray(v) for name, v in net.params.items()}
        options = {} if tolerance is None else {"atol": tolerance, "rtol": tolerance}
        try:
            check_grads(loss, (params,), order=1, modes=["rev"], **options)
        except AssertionError:
            return False, calls[0]
        return True, calls[0]

    return _attempts("jax check_grads", wrong, check, tuned=True)


def peer_table(found: Sequence[Compared]) -> str:
    """A row a peer and mistake."""
    rows = []
    for c in found:
        verdict = ("caught", c.named) if c.caught else ("passed", "")
        rows.append((c.peer, c.mistake, *verdict, c.evaluations, f"{c.seconds:.2f}"))
    return table(("checker", "mistake", "verdict", "place named", "evaluations", "seconds"), rows)
