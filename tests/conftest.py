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


@pytest.fixture
def own_arithmetic() -> Iterator[None]:
    """As inside of a check: what is out of the range of floats is no news. For tests of a part of one by itself."""
    with np.errstate(all="ignore"):
        yield
