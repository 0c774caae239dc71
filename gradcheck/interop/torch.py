"""PyTorch: what autograd makes of a function of tensors, a `torch.autograd.Function`, or a module with a loss."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Unpack

from gradcheck.driver.options import Given
from gradcheck.interop.adapter import check_call, judge, noted, optional
from gradcheck.interop.tensors import Tensor, array_of, cast, joined, like, point_of, usable, write_back
from gradcheck.parameters.tree import Parameters
from gradcheck.report.report import Report

torch = optional("torch")

__all__ = ["check_function", "check_module"]

# From arrays to what f returned as one tensor, the leaves to differentiate by, and the tensors that f could write into.
Run = Callable[[list[Any]], tuple[Any, list[Tensor], list[Tensor]]]


def check_function(
    f: Callable[..., Any], x: Any, *, args: Sequence[Any] = (), double: bool = True, **options: Unpack[Given]
) -> Report:
    """Judge what autograd makes of f: `f.apply` of a `torch.autograd.Function`, or any function of tensors.

    Parameters
    ----------
    f : callable
        f(x, *args) -> a tensor, or a tuple, list or dict of them, nested too, in which None is left out. One real
        number is judged by `gradcheck.check_gradient`, more by `gradcheck.check_vjp`.
    x : Tensor, or a tuple, list or dict of them
        A floating-point or complex tensor; or a tuple or list of tensors, for f(*x, *args), as
        `torch.autograd.gradcheck` takes them; or a dict, for f(*args, **x). Never modified. f gets copies with the
        strides and on the device of x.
    args : sequence, optional
        Further arguments, not differentiated.
    double : bool, optional
        f gets float64 (complex128) copies of x and of the tensors in args; False keeps their dtypes. Default True.
    options
        As for `gradcheck.check_gradient` or `gradcheck.check_vjp`.

    Returns
    -------
    Report
        f is the function, and grad or vjp what autograd makes of it. A tensor that no gradient reaches is noted, and
        taken to have the gradient 0.

    Raises
    ------
    TypeError
        For an x that holds something else, or numbers that cannot be differentiated by; and where f returns no tensor.
    ValueError
        For a tensor of x that overlaps itself in memory.
    TypeError, ValueError
        For arguments that cannot be used, as the check in question.
    GradientCheckInterrupted
        For KeyboardInterrupt; its `report` holds what was known.

    Notes
    -----
    Complex gradients are PyTorch's and this package's: df/dRe + i df/dIm.
    """
    check_call(f, args)
    single = not isinstance(x, tuple | list | dict)
    named = x if isinstance(x, dict) else dict(enumerate([x] if single else x))
    given = [like(t, cast(t, double)) for t in map(usable, range(len(named)), named.values())]
    constants = [cast(a, double) for a in args]

    def run(arrays: list[Any]) -> tuple[Any, list[Tensor], list[Tensor]]:
        leaves = [torch.as_tensor(a).to(t).requires_grad_() for a, t in zip(arrays, given, strict=True)]
        # Not the leaves themselves: f may write into what it gets, and that is seen; and their strides are x's.
        passed = [like(t, leaf) for leaf, t in zip(leaves, given, strict=True)]
        by_name = dict(zip(named, passed, strict=True)) if isinstance(x, dict) else {}
        return joined(f(*([] if by_name else passed), *constants, **by_name), "f"), leaves, passed

    point = [point_of(t) for t in given]
    tree = dict(zip(named, point, strict=True)) if isinstance(x, dict) else point[0] if single else point
    return _judge(run, tree, "check_function(f, x", double, options)


def check_module(
    module: Any,
    loss: Callable[..., Any],
    *,
    args: Sequence[Any] = (),
    double: bool = True,
    **options: Unpack[Given],
) -> Report:
    """Judge the gradient of a loss with respect to a module's parameters, by their names: `params["0.weight"]`.

    Parameters
    ----------
    module : torch.nn.Module
        A deep copy is used, in the mode (training or not) of the original. Parameters that do not require a gradient
        are left as they are.
    loss : callable
        loss(module, *args) -> a tensor, as f in `check_function`.
    args : sequence, optional
        As in `check_function`.
    double : bool, optional
        As in `check_function`; the copy is cast too.
    options
        As in `check_function`.

    Returns
    -------
    Report
        f is the loss, and grad or vjp what autograd makes of it.

    Raises
    ------
    TypeError, ValueError
        For arguments that cannot be used, as the check in question.
    GradientCheckInterrupted
        For KeyboardInterrupt; its `report` holds what was known.

    Notes
    -----
    Every call of the loss starts from the buffers as they were: batch-norm in training mode, which changes its
    own, is judged and named in a note. Dropout in training mode is INCONCLUSIVE: f differs between two calls; call
    `module.eval()`, or `torch.manual_seed` within the loss.
    """
    if not isinstance(module, torch.nn.Module):
        kind = f"the class {module.__name__}" if isinstance(module, type) else type(module).__name__
        raise TypeError(f"module must be a torch.nn.Module, not {kind}")
    check_call(loss, args, name="loss", order="module, loss")
    mine = copy.deepcopy(module)
    mine = mine.double() if double else mine
    for own, given in zip(mine.parameters(), module.parameters(), strict=True):
        for hook in () if own._backward_hooks else (given._backward_hooks or {}).values():
            own.register_hook(hook)  # a copy of a parameter has none
    constants = [cast(a, double) for a in args]
    parameters = {name: p for name, p in mine.named_parameters() if p.requires_grad}
    buffers = {name: b.detach().clone() for name, b in mine.named_buffers()}
    modes = [(part, part.training) for part in mine.modules()]
    changed: dict[str, None] = {}

    def run(arrays: list[Any]) -> tuple[Any, list[Tensor], list[Tensor]]:
        for part, training in modes:
            part.training = training
        for name, value in buffers.items():
            path, _, last = name.rpartition(".")
            setattr(mine.get_submodule(path), last, value.clone())
        leaves = list(parameters.values())
        with torch.no_grad():
            for leaf, array in zip(leaves, arrays, strict=True):
                leaf.copy_(torch.as_tensor(array))
        out = joined(loss(mine, *constants), "loss")
        now = dict(mine.named_buffers())
        changed.update({name: None for name, b in buffers.items() if not torch.equal(now[name], b)})
        return out, leaves, leaves

    point = {name: point_of(p).copy() for name, p in parameters.items()}
    report = _judge(run, point, "check_module(module, loss", double, options)
    return noted(report, _about_state(report, mine, list(changed)))


def _judge(run: Run, point: Any, call: str, double: bool, options: Given) -> Report:
    parameters = Parameters.of(point)[0]
    unreached: dict[str, None] = {}

    def value(x: Any) -> Any:
        out, leaves, passed = run(parameters.arrays(x))
        write_back(parameters.arrays(x), passed)
        # What a loss in float32 makes of bfloat16 shows more digits than are known.
        coarse = any(leaf.dtype == torch.bfloat16 for leaf in leaves)
        return array_of(out.bfloat16() if coarse and not out.is_complex() else out)

    def pullback(x: Any, cotangent: Any) -> Any:
        out, leaves, passed = run(parameters.arrays(x))
        before = [t.detach().clone() for t in passed]
        u = torch.as_tensor(cotangent, dtype=out.dtype, device=out.device)
        grads = [None] * len(leaves)
        if out.requires_grad:
            grads = torch.autograd.grad(out, leaves, u, allow_unused=True)
        # By the backward pass alone: what the forward pass changes is told of f.
        if not all(map(torch.equal, passed, before)):
            write_back(parameters.arrays(x), passed)
        unreached.update({b.name: None for b, g in zip(parameters.blocks, grads, strict=True) if g is None})
        found = [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(grads, leaves, strict=True)]
        return parameters.tree_of([array_of(g) for g in found])

    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            report = judge(value, pullback, point, f"gradcheck.interop.torch.{call}", options)
    except RuntimeError as error:
        if double and "dtype" in str(error):
            text = "gradcheck: f gets float64; pass the tensors that it closes over in args, or double=False"
            error.add_note(text)
        raise
    return noted(report, [f"no gradient reaches {name}: it is taken to be 0" for name in unreached])


def _about_state(report: Report, module: Any, changed: list[str]) -> Iterator[str]:
    if changed:
        yield (
            f"f changes its own state, {', '.join(changed[:3])}{' and more' if changed[3:] else ''}, as batch-norm in "
            "training mode does; here every call starts from the state as it was"
        )
    if any("differs between two calls" in text for text in (report.reason, *report.notes)):
        parts = [(name, type(part).__name__) for name, part in module.named_modules() if part.training]
        random = [f"{name} ({kind})" for name, kind in parts if "dropout" in kind.lower()]
        if random:
            yield (
                f"dropout in training mode draws anew at every call: {', '.join(random[:3])}; call module.eval(), or "
                "torch.manual_seed within the loss"
            )
