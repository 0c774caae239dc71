"""PyTorch: what autograd makes of a function of tensors, a `torch.autograd.Function`, or a module with a loss."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradcheck.interop.adapter import judge, noted, optional
from gradcheck.parameters import Parameters
from gradcheck.report import Report

torch = optional("torch")

__all__ = ["check_function", "check_module"]

Tensor = Any  # for type checkers: torch need not be installed where they run


def check_function(
    f: Callable[..., Any], x: Any, *, args: Sequence[Any] = (), double: bool = True, **options: Any
) -> Report:
    """Judge what autograd makes of f: `f.apply` of a `torch.autograd.Function`, or any function of tensors.

    f : f(x, *args) -> a tensor, or a tuple of them. One real number is judged by `gradcheck.check_gradient`, more by
        `gradcheck.check_vjp`.
    x : a floating-point or complex tensor; or a tuple or list of tensors, for f(*x, *args), as
        `torch.autograd.gradcheck` takes them; or a dict, for f(*args, **x). Never modified. f gets copies with the
        strides and on the device of x.
    args : further arguments, not differentiated.
    double : f gets float64 (complex128) copies of x and of the tensors in args; False keeps their dtypes.
    options : as for `gradcheck.check_gradient` or `gradcheck.check_vjp`.

    Complex gradients are PyTorch's and this package's: df/dRe + i df/dIm.
    """
    tree = x if isinstance(x, tuple | list | dict) else (x,)
    given = list(tree.values()) if isinstance(tree, dict) else list(tree)
    given = [_copied(t, f"tensor {k} of x", double) for k, t in enumerate(given)]
    constants = tuple(_cast(a, double) for a in args)

    def at(values: list[Any]) -> tuple[Any, list[Tensor], list[Tensor]]:
        leaves = [
            torch.tensor(v, dtype=t.dtype, device=t.device, requires_grad=True)
            for v, t in zip(values, given, strict=True)
        ]
        # Not the leaves themselves: f may write into what it gets, and that is seen; and their strides are x's.
        passed = [torch.empty_strided(t.size(), t.stride(), dtype=t.dtype, device=t.device).copy_(leaf)
                  for leaf, t in zip(leaves, given, strict=True)]  # fmt: skip
        if isinstance(tree, dict):
            return f(*constants, **dict(zip(tree, passed, strict=True))), leaves, passed
        return f(*passed, *constants), leaves, passed

    point: Any = [t.cpu().numpy() for t in given]
    if isinstance(tree, dict):
        point = dict(zip(tree, point, strict=True))
    elif tree is not x:
        point = point[0]
    return _judge(at, point, "check_function(f, x", double, options)


def check_module(
    module: Any,
    loss: Callable[..., Any],
    *,
    args: Sequence[Any] = (),
    double: bool = True,
    **options: Any,
) -> Report:
    """Judge the gradient of a loss with respect to a module's parameters, by their names: `params["0.weight"]`.

    module : a `torch.nn.Module`; a deep copy is used, in the mode (training or not) of the original. Parameters that do
        not require a gradient are left as they are.
    loss : loss(module, *args) -> a tensor, as f in `check_function`.
    args, double, options : as in `check_function`; the copy is cast too.

    Every call of the loss starts from the buffers as they were: batch-norm in training mode, which changes its
    own, is judged and named in a note. Dropout in training mode is INCONCLUSIVE: f differs between two calls; call
    `module.eval()`, or `torch.manual_seed` within the loss.
    """
    mine = copy.deepcopy(module)
    if double:
        mine = mine.double()
    constants = tuple(_cast(a, double) for a in args)
    parameters = {name: p for name, p in mine.named_parameters() if p.requires_grad}
    buffers = {name: b.detach().clone() for name, b in mine.named_buffers()}
    modes = [(part, part.training) for part in mine.modules()]
    changed: dict[str, None] = {}

    def at(values: list[Any]) -> tuple[Any, list[Tensor], list[Tensor]]:
        for part, training in modes:
            part.training = training
        for name, value in buffers.items():
            path, _, last = name.rpartition(".")
            setattr(mine.get_submodule(path), last, value.clone())
        leaves = list(parameters.values())
        _write(values, leaves)
        out = loss(mine, *constants)
        now = dict(mine.named_buffers())
        changed.update({name: None for name, b in buffers.items() if not _same(now[name], b)})
        return out, leaves, leaves

    point = {name: p.detach().cpu().numpy().copy() for name, p in parameters.items()}
    report = _judge(at, point, "check_module(module, loss", double, options)
    return noted(report, _about_state(report, mine, list(changed)))


def _judge(
    at: Callable[[list[Any]], tuple[Any, list[Tensor], list[Tensor]]],
    point: Any,
    call: str,
    double: bool,
    options: dict[str, Any],
) -> Report:
    """The check; at(arrays) -> (what f returned, the leaves to differentiate by, the tensors that f could change)."""
    unreached: set[int] = set()

    def value(x: Any) -> Any:
        out, _, passed = at(_arrays(x))
        for array, t in zip(_arrays(x), passed, strict=True):
            array[...] = t.detach().cpu().numpy()
        return _numpy(_one(out))

    def pullback(x: Any, cotangent: Any) -> Any:
        out, leaves, passed = at(_arrays(x))
        out, before = _one(out), [t.detach().clone() for t in passed]
        u = torch.as_tensor(cotangent, dtype=out.dtype, device=out.device)
        grads = [None] * len(leaves)
        if out.requires_grad:
            grads = torch.autograd.grad(out, leaves, u, allow_unused=True)
        for array, t, was in zip(_arrays(x), passed, before, strict=True):
            if not _same(t, was):  # by the backward pass: what the forward pass changes is told of f
                array[...] = t.detach().cpu().numpy()
        unreached.update(k for k, g in enumerate(grads) if g is None)
        found = [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(grads, leaves, strict=True)]
        return _tree_like(x, [_numpy(g) for g in found])

    with torch.random.fork_rng(devices=[]), torch.enable_grad(), _hint(double):
        report = judge(value, pullback, point, f"gradcheck.interop.torch.{call}", options)
    blocks = Parameters.of(point)[0].blocks
    return noted(
        report,
        [f"no gradient reaches {blocks[k].name}: it is taken to be 0" for k in sorted(unreached)],
    )


def _about_state(report: Report, module: Any, changed: list[str]) -> Iterator[str]:
    if changed:
        yield (
            f"f changes its own state, {', '.join(changed[:3])}{' and more' if changed[3:] else ''}, as batch-norm in "
            "training mode does; here every call starts from the state as it was"
        )
    if any("differs between two calls" in text for text in (report.reason, *report.notes)):
        random = [f"{name} ({type(part).__name__})" for name, part in module.named_modules()
                  if part.training and "dropout" in type(part).__name__.lower()]  # fmt: skip
        if random:
            yield (
                f"dropout in training mode draws anew at every call: {', '.join(random[:3])}; call module.eval(), or "
                "torch.manual_seed within the loss"
            )


def _copied(t: Tensor, what: str, double: bool) -> Tensor:
    """A copy of a tensor with its strides."""
    if not isinstance(t, torch.Tensor) or not (t.is_floating_point() or t.is_complex()):
        kind = t.dtype if isinstance(t, torch.Tensor) else type(t).__name__
        raise TypeError(
            f"{what} must be a floating-point or complex tensor, not {kind}: constants belong to args"
        )
    if any(stride == 0 and n > 1 for stride, n in zip(t.stride(), t.size(), strict=True)):
        raise ValueError(
            f"{what} overlaps itself in memory, as expand makes it: changing one entry changes others; clone it"
        )
    empty = torch.empty_strided(t.size(), t.stride(), dtype=_dtype(t, double), device=t.device)
    return empty.copy_(t.detach())


def _cast(value: Any, double: bool) -> Any:
    if isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex()):
        return value.detach().to(_dtype(value, double))
    return value


def _dtype(t: Tensor, double: bool) -> Any:
    if not double:
        return t.dtype
    return torch.complex128 if t.is_complex() else torch.float64


def _one(out: Any) -> Tensor:
    """One tensor: of several the entries one after another."""
    return torch.cat([t.reshape(-1) for t in out]) if isinstance(out, tuple | list) else out


def _numpy(t: Tensor) -> Any:
    """A copy: what f returns may be its own argument. Lazy conjugates and negatives are carried out."""
    return np.array(t.detach().cpu().resolve_conj().resolve_neg().numpy())


def _arrays(x: Any) -> list[Any]:
    return list(x.values()) if isinstance(x, dict) else list(x) if isinstance(x, list | tuple) else [x]


def _tree_like(x: Any, arrays: list[Any]) -> Any:
    if isinstance(x, dict):
        return dict(zip(x, arrays, strict=True))
    return arrays if isinstance(x, list | tuple) else arrays[0]


def _write(values: list[Any], leaves: list[Tensor]) -> None:
    with torch.no_grad():
        for leaf, value in zip(leaves, values, strict=True):
            leaf.copy_(torch.as_tensor(value))


def _same(one: Tensor, other: Tensor) -> bool:
    return bool(torch.equal(one.detach(), other))


@contextmanager
def _hint(double: bool) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if double and "dtype" in str(error):
            error.add_note(
                "gradcheck: f gets float64; pass the tensors that it closes over in args, or double=False"
            )
        raise
