"""PyTorch's tensors: copies of them with dtype and strides, and their way to NumPy and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.interop.adapter import leaves_of, optional

torch = optional("torch")

# For type checkers: torch need not be installed where they run.
Tensor = Any


def usable(k: int, t: Any) -> Tensor:
    """The k-th tensor of x. Raises TypeError or ValueError for what cannot be differentiated by."""
    if not isinstance(t, torch.Tensor) or not (t.is_floating_point() or t.is_complex()):
        kind = t.dtype if isinstance(t, torch.Tensor) else type(t).__name__
        text = f"tensor {k} of x must be a floating-point or complex tensor, not {kind}: constants belong to args"
        raise TypeError(text)
    if t.layout != torch.strided or t.is_meta:
        kind = "a meta tensor" if t.is_meta else str(t.layout).removeprefix("torch.")
        raise TypeError(f"tensor {k} of x must be a dense tensor with values, not {kind}")
    if any(stride == 0 and n > 1 for stride, n in zip(t.stride(), t.size(), strict=True)):
        text = f"tensor {k} of x overlaps itself in memory, as expand makes it: changing one entry changes others"
        raise ValueError(f"{text}; clone it")
    return t


def cast(value: Any, double: bool) -> Any:
    """A tensor of real or complex numbers without its history, in double precision where asked; else the value."""
    if not isinstance(value, torch.Tensor) or not (value.is_floating_point() or value.is_complex()):
        return value
    wide = torch.complex128 if value.is_complex() else torch.float64
    return value.detach().to(wide if double else value.dtype)


def like(other: Tensor, values: Tensor) -> Tensor:
    """A copy of `values` with the strides of another tensor."""
    empty = torch.empty_strided(other.size(), other.stride(), dtype=values.dtype, device=values.device)
    return empty.copy_(values)


def joined(out: Any, function: str) -> Tensor:
    """What a function of this name returned as one tensor: of several the entries one after another."""
    leaves = leaves_of(
        out, lambda part: isinstance(part, torch.Tensor), function, "a tensor (no number of .item())"
    )
    return leaves[0] if len(leaves) == 1 else torch.cat([t.reshape(-1) for t in leaves])


def array_of(t: Tensor) -> Any:
    """A copy: what f returns may be its own argument. Lazy conjugates and negatives are carried out."""
    own = t.detach().cpu().resolve_conj().resolve_neg()
    # NumPy has no bfloat16: float32 holds each of them.
    return np.array((own.float() if t.dtype == torch.bfloat16 else own).numpy())


def point_of(t: Tensor) -> Any:
    """A tensor of x as an array; a view, where NumPy has such numbers: one that overlaps itself is to be seen.

    Of bfloat16 in float16, the nearest: f rounds x to 8 bits, so that it is the same at points nearer than that, and
    steps are as long as this in float16 alone.
    """
    own = t.detach().cpu()
    return own.half().numpy() if t.dtype == torch.bfloat16 else own.numpy()


def write_back(arrays: list[Any], passed: list[Tensor]) -> None:
    """Let the check see what f wrote into its arguments."""
    for array, t in zip(arrays, passed, strict=True):
        # What the cast alone has changed is nothing that f wrote.
        if t.dtype != torch.bfloat16 or not torch.equal(torch.as_tensor(array).to(t), t):
            array[...] = array_of(t)
