"""Wrong gradients on purpose: the mistakes that a check must refuse.

A `Mutation` turns a right gradient into a wrong one, in the ways in which hand-written derivatives go wrong:
a factor, a sign, one bad entry among many, a transpose, a dropped regulariser, a stale cache. With them one
can ask of any check "would it have caught this?" before trusting its PASS.
"""

from gradcheck.mutations.kinds import (
    ALL_DIVIDED_BY_LENGTH,
    ALL_NEGATED,
    ALL_TIMES_LENGTH,
    ALL_ZEROED,
    ARRAY_ZEROED,
    FLOAT32_ROUNDING,
    ONE_NAN,
    ONE_NEGATED,
    ONE_ZEROED,
    ROW_ZEROED,
    SHIFTED,
    SWAPPED,
    TRANSPOSED,
    TRUNCATED,
    all_scaled,
    decay_added,
    decay_dropped,
    offset,
    one_scaled,
    small_scaled,
    stale,
    standard_mutations,
)
from gradcheck.mutations.mutation import Mutation, mutate

__all__ = [
    "ALL_DIVIDED_BY_LENGTH",
    "ALL_NEGATED",
    "ALL_TIMES_LENGTH",
    "ALL_ZEROED",
    "ARRAY_ZEROED",
    "FLOAT32_ROUNDING",
    "ONE_NAN",
    "ONE_NEGATED",
    "ONE_ZEROED",
    "ROW_ZEROED",
    "SHIFTED",
    "SWAPPED",
    "TRANSPOSED",
    "TRUNCATED",
    "Mutation",
    "all_scaled",
    "decay_added",
    "decay_dropped",
    "mutate",
    "offset",
    "one_scaled",
    "small_scaled",
    "stale",
    "standard_mutations",
]
