"""How many threads the BLAS uses, for tests of what limits it."""

from contextlib import contextmanager

from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

MUCH = 1e12  # elements: certainly worth sharing among threads


@contextmanager
def blas_threads(n):
    """Inside, a BLAS of n threads, on which no thread of Python has a claim.

    For threadpoolctl, who limits it first is the only one who can, until they are done.
    """
    with threadpool_limits(n, user_api="blas"):
        anybody_may_limit_the_blas()
        yield
        anybody_may_limit_the_blas()


def anybody_may_limit_the_blas():
    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


def blas_counts():
    """How many threads each BLAS would use now."""
    return [blas["num_threads"] for blas in threadpool_info() if blas["user_api"] == "blas"]
