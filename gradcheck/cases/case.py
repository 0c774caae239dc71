"""What a case file says: quantities, their references with tolerances and reasons, planted mistakes, figures.

from gradcheck.cases import Case, Mistake, Quantity, Reference

case = Case(
    section="3.2",
    title="The derivative of the sine at 0",
    quantities=[
        Quantity(
            "sin'(0)",
            lambda: my_derivative(0.0),
            references=[Reference("analytic", 1.0, rtol=1e-8, reason="h^2 / 6 for h = 1e-4")],
            mistakes=[Mistake("the sign", lambda: -my_derivative(0.0))],
        )
    ],
)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any

from gradcheck.cases.comparison import KINDS
from gradcheck.cases.context import Context
from gradcheck.mutations import Mutation, mutate

NEEDS = ("mnist",)
# What the row of a planted mistake has for the name of a reference begins with it.
REFUSES = "refuses: "


@dataclass(frozen=True)
class Reference:
    """A value from outside the code under test, and how far from it the measured one may lie.

    Attributes
    ----------
    name : str
        "published", "analytic", "approx_fprime", ...
    expected : object
        A number, an array, a numerical derivative with its bar (what `gradcheck.gradient` and `gradcheck.derivative`
        give), any other object with `.value` and `.error`, or a function that returns one.
    reason : str
        Why this tolerance and not another; required.
    rtol, atol : float
        |measured - expected| <= atol + rtol |expected|, in each element; both 0: the same bits. Where there is an
        error: beyond three of it. A numerical derivative whose bar is too wide to decide makes the row INCONCLUSIVE.
    kind : {"close", "at_least", "at_most"}
        Whether the measured value may lie at any distance on one side.

    Raises
    ------
    ValueError
        For an empty name or reason, a tolerance that is not finite and >= 0, or an unknown kind.

    Examples
    --------
    >>> from gradcheck.cases import Reference
    >>> sine = Reference("analytic", 1.0, rtol=1e-8, reason="h^2 / 6 for h = 1e-4")
    """

    name: str
    expected: Any
    _: KW_ONLY
    reason: str
    rtol: float = 0.0
    atol: float = 0.0
    kind: str = "close"

    def __post_init__(self) -> None:
        _check_name("Reference: name", self.name)
        _check_words(f"reference {self.name!r}: reason must say why this tolerance is right", self.reason)
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if not (isinstance(value, Real) and math.isfinite(value) and value >= 0):
                raise ValueError(f"reference {self.name!r}: {name} must be finite and >= 0, not {value!r}")
        if self.kind not in KINDS:
            raise ValueError(f"reference {self.name!r}: kind must be one of {KINDS}, not {self.kind!r}")


@dataclass(frozen=True)
class Mistake:
    """A wrong implementation of a quantity: the case must refuse what `measure` returns.

    Attributes
    ----------
    name : str
        What is wrong, in a few words.
    measure : callable
        Called as that of the quantity: `measure()`, or `measure(state)` where the case has `prepare`.

    Raises
    ------
    ValueError
        For an empty name.
    TypeError
        Where `measure` cannot be called.

    Examples
    --------
    >>> from gradcheck.cases import Mistake
    >>> sign = Mistake("the sign", lambda: -1.0)
    """

    name: str
    measure: Callable[..., Any]

    def __post_init__(self) -> None:
        _check_name("Mistake: name", self.name)
        _check_callable(f"mistake {self.name!r}: measure", self.measure)

    @classmethod
    def planted(
        cls, mutation: Mutation, gradient: Callable[..., Any], x: Any, *, name: str | None = None
    ) -> Mistake:
        """Plant a mistake of `gradcheck.mutations` into what `gradient` returns.

        A mutation that changes nothing there is an error of the case, and its row a FAIL.

        Parameters
        ----------
        mutation : Mutation
            What is wrong.
        gradient : callable
            What the quantity measures: an array of x's shape or a tree of its structure. Called as `measure`.
        x : array_like or tree
            Where the gradient is taken.
        name : str, optional
            Default the mutation's own.

        Returns
        -------
        Mistake
            Its `measure` returns the wrong gradient.

        Examples
        --------
        >>> import numpy as np
        >>> from gradcheck.cases import Mistake
        >>> from gradcheck.mutations import ALL_NEGATED
        >>> x = np.array([1.0, 2.0])
        >>> mistake = Mistake.planted(ALL_NEGATED, lambda: 2 * x, x)
        >>> mistake.name, mistake.measure()
        ('all negated', array([-2., -4.]))
        """
        if not isinstance(mutation, Mutation):
            raise TypeError(f"mutation must be one of gradcheck.mutations, not {mutation!r:.60}")
        if not callable(gradient):
            raise TypeError(f"gradient must be a function, not {type(gradient).__name__}")

        def measure(*state: Any) -> Any:
            return mutate(lambda _: gradient(*state), mutation)(x)

        return cls(name or mutation.name, measure)


@dataclass(frozen=True)
class Quantity:
    """A number or an array which the code under test computes, with its references and planted mistakes.

    What `measure` returns may also be a Report of `check_gradient`: it counts as True where it is a PASS, as False
    where it is a FAIL, and the row is INCONCLUSIVE where the report is.

    Attributes
    ----------
    name : str
        What is measured.
    measure : callable
        `measure()`, or `measure(state)` where the case has `prepare`; it calls the code under test.
    references : sequence of Reference
        What it is compared with; at least one, of different names.
    mistakes : sequence of Mistake
        What the references must refuse, of different names.

    Raises
    ------
    ValueError
        For an empty name, no reference, or two references or mistakes of one name.
    TypeError
        Where `measure` cannot be called, or a sequence holds something else.

    Examples
    --------
    >>> from gradcheck.cases import Mistake, Quantity, Reference
    >>> third = Reference("by hand", 1 / 3, rtol=1e-15, reason="one rounding of float64")
    >>> mean = Quantity("mean", lambda: sum([0, 0, 1]) / 3, [third], [Mistake("the sum", lambda: sum([0, 0, 1]))])
    """

    name: str
    measure: Callable[..., Any]
    references: Sequence[Reference]
    mistakes: Sequence[Mistake] = ()

    def __post_init__(self) -> None:
        _check_name("Quantity: name", self.name)
        _check_callable(f"quantity {self.name!r}: measure", self.measure)
        _check_parts(f"quantity {self.name!r}: references", self.references, Reference, at_least=1)
        _check_parts(f"quantity {self.name!r}: mistakes", self.mistakes, Mistake)


@dataclass(frozen=True)
class Figure:
    """A figure of a case.

    Attributes
    ----------
    name : str
        Of the figure, and of its file.
    draw : callable
        `draw(figure)`, or `draw(figure, state)` where the case has `prepare`, fills a matplotlib Figure.
    alt : str
        Says in words what it shows.
    source : str
        Which figure of the source it stands beside, and what that one shows.

    Raises
    ------
    ValueError
        For an empty name or `alt`.
    TypeError
        Where `draw` cannot be called, or `source` is no string.

    Examples
    --------
    >>> from gradcheck.cases import Figure
    >>> line = Figure("line", lambda figure: figure.subplots().plot([0, 1]), alt="A line that rises from 0 to 1.")
    """

    name: str
    draw: Callable[..., None]
    alt: str
    source: str = ""

    def __post_init__(self) -> None:
        _check_name("Figure: name", self.name)
        _check_callable(f"figure {self.name!r}: draw", self.draw)
        _check_words(f"figure {self.name!r}: alt must say in words what the figure shows", self.alt)
        _check_text(f"figure {self.name!r}: source", self.source)


@dataclass(frozen=True)
class Case:
    """One fact of a text, and how it is checked.

    Attributes
    ----------
    section : str
        Of the source, e.g. "3.2".
    title : str
        The fact, in a few words.
    quantities : sequence of Quantity
        What is measured; at least one, of different names.
    prepare : callable or None
        `prepare(context)` is run once. With it, every function of the case takes what it returned (`measure(state)`,
        `expected(state)`, `draw(figure, state)`); without it, none (`draw(figure)`).
    figures : sequence of Figure
        What is drawn, of different names.
    needs : sequence of str
        Data sets that `prepare` asks of the context; "mnist" is the one known.
    claim : str
        What the source says.
    wrong : str
        What is wrong in it, where anything is.

    Raises
    ------
    ValueError
        For an empty section or title, no quantity, two quantities or figures of one name, or unknown needs.
    TypeError
        Where `prepare` cannot be called, `claim` or `wrong` is no string, or a sequence holds something else.

    Examples
    --------
    >>> from gradcheck.cases import Case, Quantity, Reference
    >>> half = Reference("by hand", 0.5, reason="a binary fraction: the same bits")
    >>> case = Case("1", "One half", [Quantity("1 / 2", lambda: 1 / 2, [half])])
    >>> case.row_names()
    [('1 / 2', 'by hand')]
    """

    section: str
    title: str
    quantities: Sequence[Quantity]
    _: KW_ONLY
    prepare: Callable[[Context], Any] | None = None
    figures: Sequence[Figure] = ()
    needs: Sequence[str] = ()
    claim: str = ""
    wrong: str = ""

    def __post_init__(self) -> None:
        _check_name("Case: title", self.title)
        _check_name(f"case {self.title!r}: section", self.section)
        for name in ("claim", "wrong"):
            _check_text(f"case {self.title!r}: {name}", getattr(self, name))
        _check_parts(f"case {self.title!r}: quantities", self.quantities, Quantity, at_least=1)
        _check_parts(f"case {self.title!r}: figures", self.figures, Figure)
        if self.prepare is not None:
            _check_callable(f"case {self.title!r}: prepare", self.prepare)
        listed = isinstance(self.needs, Sequence) and not isinstance(self.needs, str)
        if not listed or any(need not in NEEDS for need in self.needs):
            raise ValueError(
                f"case {self.title!r}: needs must be a sequence of names in {NEEDS}, not {self.needs!r}"
            )

    def row_names(self) -> list[tuple[str, str]]:
        """Return the (quantity, reference) of every row that a run of the case gives, in order.

        Returns
        -------
        list of (str, str)
            Of a planted mistake the second name is "refuses: " and the mistake's.
        """
        names = []
        for quantity in self.quantities:
            names += [(quantity.name, reference.name) for reference in quantity.references]
            names += [(quantity.name, f"{REFUSES}{mistake.name}") for mistake in quantity.mistakes]
        return names


def _check_name(what: str, name: Any) -> None:
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"{what} must be a non-empty string, not {name!r}")


def _check_words(what: str, text: Any) -> None:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{what}; it is {'empty' if isinstance(text, str) else repr(text)}")


def _check_text(what: str, text: Any) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a string, not {text!r}")


def _check_callable(what: str, value: Any) -> None:
    if not callable(value):
        raise TypeError(f"{what} must be a function, not {type(value).__name__}")


def _check_parts(what: str, parts: Any, kind: type, *, at_least: int = 0) -> None:
    if not isinstance(parts, Sequence):
        raise TypeError(f"{what} must be a sequence of {kind.__name__}, not {type(parts).__name__}")
    for part in parts:
        if not isinstance(part, kind):
            raise TypeError(f"{what} must hold {kind.__name__} objects only, not {type(part).__name__}")
    if len(parts) < at_least:
        raise ValueError(f"{what} is empty: a check that compares nothing would pass")
    names = [part.name for part in parts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"{what} must have different names; {', '.join(map(repr, twice))} occurs more than once"
        )
