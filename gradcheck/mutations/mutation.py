"""What a mutation is, and how one is made of a change: of all entries, of one, or of one array."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck._typing import Array
from gradcheck.parameters.block import Block
from gradcheck.parameters.tree import Parameters

Tree = Any  # an array or a scalar, or a dict, list, tuple or dataclass of trees
Generator = np.random.Generator


@dataclass(frozen=True)
class Mutation:
    """One way to make a gradient wrong.

    Attributes
    ----------
    name : str
        What is wrong, in words; unique within `standard_mutations`.
    apply : callable
        `apply(gradient, x, rng)` gives the wrong gradient, a new tree of the gradient's structure, or None where the
        mistake changes nothing (a transposed vector, a zero set to zero). Neither argument is modified. Which entry,
        row or array is hit is drawn from `rng`, a numpy Generator: equal states hit the same one. An entry of a complex
        array is two: its real and its imaginary part. Raises ValueError for a gradient that does not fit x or is not
        finite: it is wrong already.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.mutations import SHIFTED
    >>> x = np.array([1.0, 2.0, 3.0])
    >>> SHIFTED.apply(2 * x, x, np.random.default_rng(0))
    array([6., 2., 4.])
    """

    name: str
    apply: Callable[[Tree, Tree, Generator], Tree | None] = field(repr=False)


def mutate(
    grad: Callable[..., Tree], mutation: Mutation, rng: int | Generator | None = 0
) -> Callable[..., Tree]:
    """Wrap `grad(x, *args)` so that it returns the gradient with `mutation` in it.

    Parameters
    ----------
    grad : callable
        grad(x, *args) -> a right gradient, of the structure of x.
    mutation : Mutation
        What is to be wrong with it.
    rng : int, Generator or None, optional
        Seed or Generator, used once: every call of the wrapped function makes the same draws, so that it is as
        deterministic as `grad` itself. Default 0.

    Returns
    -------
    callable
        Takes the arguments of `grad`. It raises ValueError, when called, where the mutation changes nothing: a right
        gradient is never passed off as a wrong one; and where the gradient does not fit x or is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.mutations import ONE_NEGATED, mutate
    >>> wrong = mutate(lambda x: 2 * x, ONE_NEGATED, rng=0)
    >>> wrong(np.array([1.0, 2.0, 3.0]))
    array([ 2.,  4., -6.])
    """
    seed = int(np.random.default_rng(rng).integers(2**63))

    def mutated(x: Tree, *args: Any) -> Tree:
        wrong = mutation.apply(grad(x, *args), x, np.random.default_rng(seed))
        if wrong is None:
            raise ValueError(f"the mutation {mutation.name!r} changes nothing in the gradient at this x")
        return wrong

    return mutated


@dataclass(frozen=True)
class Gradient:
    """A gradient taken apart: its structure, and its values and those of x in the same order."""

    parameters: Parameters
    values: Array
    x: Array

    @classmethod
    def of(cls, gradient: Tree, x: Tree) -> Gradient:
        """Take it apart. Raises ValueError for one that does not fit x or is not finite."""
        point, _ = Parameters.of(x)
        flat = point.flatten(gradient, "the gradient")
        if not np.isfinite(flat).all():
            where = point.name(int(np.flatnonzero(~np.isfinite(flat))[0]))
            raise ValueError(f"the gradient is not finite at {where}: it is wrong already")
        # Its own structure, not that of x: the dtypes of the two may differ, and a mutation must keep them.
        parameters, values = Parameters.of(gradient)
        if (
            values.size != flat.size
        ):  # real where x is complex: its imaginary parts are 0, and may be mistaken
            parameters, values = Parameters.of(point.unflatten(flat))
        return cls(parameters, values, parameters.flatten(x, "x"))

    def replaced(self, values: Array | None) -> Tree | None:
        """Return the gradient with other values, None where there are none or they are the same in its own dtypes."""
        if values is None:
            return None
        wrong = self.parameters.on_grid(values)
        return None if np.array_equal(wrong, self.values) else self.parameters.unflatten(wrong)


def mutation_of(name: str, change: Callable[[Gradient, Generator], Array | None]) -> Mutation:
    """Make a Mutation of what gives the wrong values, None where the mistake changes nothing."""

    def apply(gradient: Tree, x: Tree, rng: Generator) -> Tree | None:
        right = Gradient.of(gradient, x)
        return right.replaced(change(right, rng))

    return Mutation(name, apply)


def on_all(name: str, change: Callable[[Array, Array], Array]) -> Mutation:
    """Make a Mutation of `change(flat gradient, flat x)`."""
    return mutation_of(name, lambda right, _rng: change(right.values, right.x))


def on_entry(name: str, change: Callable[[Any], Any], *, below: float | None = None) -> Mutation:
    """Make a Mutation of one entry, drawn among those not zero (and `below` this part of the largest)."""

    def changed(right: Gradient, rng: Generator) -> Array | None:
        sizes = np.abs(right.values)
        eligible = sizes > 0.0
        if below is not None:
            eligible &= sizes < below * sizes.max()
        if not eligible.any():
            return None
        wrong, index = right.values.copy(), int(rng.choice(np.flatnonzero(eligible)))
        wrong[index] = change(wrong[index])
        return wrong

    return mutation_of(name, changed)


def on_block(
    name: str, change: Callable[[Array, Generator], Array], applies: Callable[[Block], bool]
) -> Mutation:
    """Make a Mutation of one array, drawn among those to which it applies and which it changes."""

    def changed(right: Gradient, rng: Generator) -> Array | None:
        blocks = [block for block in right.parameters.blocks if block.size and applies(block)]
        for k in rng.permutation(len(blocks)):
            block, wrong = blocks[k], right.values.copy()
            # One row a complex entry, (real, imaginary): what is moved is moved with both parts.
            array = wrong[block.slice].reshape(*block.shape, 2 if block.is_complex else 1)
            wrong[block.slice] = change(array, rng).ravel()
            if not np.array_equal(wrong, right.values):
                return wrong
        return None

    return mutation_of(name, changed)
