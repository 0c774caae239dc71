"""What every test runs under."""

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread():
    """Keep matrix products to one thread: they are small, and threads of several workers wait for each other."""
    with threadpool_limits(1, user_api="blas"):
        yield
