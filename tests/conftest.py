"""What every test runs under."""

from collections.abc import Iterator

import hypothesis
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

# Only tests/corpora/test_fuzz*.py and tests/promises/test_nothing_changes.py are meant to run under it:
# pytest tests/corpora/test_fuzz.py --hypothesis-profile=nightly
hypothesis.settings.register_profile("nightly", max_examples=20_000, deadline=None, print_blob=True)


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread():
    """Keep matrix products to one thread: they are small, and threads of several workers wait for each other."""
    with threadpool_limits(1, user_api="blas"):
        yield


# Wings that run inside of a check alone.
INSIDE = {"results", "numerics", "evidence", "joint", "examination", "driver"}


@pytest.fixture(autouse=True)
def own_arithmetic(request: pytest.FixtureRequest) -> Iterator[None]:
    """For parts of a check, as `gradcheck.function.arithmetic` sets it: what is out of range is no news."""
    with np.errstate(all="ignore" if request.path.parent.name in INSIDE else None):
        yield
