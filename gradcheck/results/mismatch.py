"""Wrong entries, and what is said of one array."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mismatch:
    """One wrong entry of the gradient.

    name : as a person would write it, `params["W1"][571, 40]`. index : inside its array.
    flat_index : in the flat vector of all parameters. error_bar : E of the numerical value.
    """

    name: str
    index: tuple[int, ...]
    flat_index: int
    analytic: float
    numerical: float
    error_bar: float


@dataclass(frozen=True)
class ArraySummary:
    """One parameter array in a report; nan where nothing was measured.

    checked : entries judged one by one, or all where directions tested them together. wrong : of those judged. about :
        how many are wrong, as far as a sample tells that was wrong throughout; 0 where `wrong` counts them.
    max_error : largest |analytic - numerical|. error_bar : largest E. Both in units of f per x.
    detectable : the smallest relative mistake of one entry that would have been seen, in the largest of the
        entry's own size and the array's root mean square.
    """

    name: str
    shape: tuple[int, ...]
    checked: int
    wrong: int
    inconclusive: int
    max_error: float
    error_bar: float
    detectable: float
    about: int = 0
