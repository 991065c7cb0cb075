"""Errors that mean that memory or open files are used up."""

from __future__ import annotations

import errno

import pytest

from mailer.errors import exhausted_limit


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libssl.so.3: failed to map segment from shared object"),
        SystemError("error return without exception set"),  # CPython's importlib
        SystemError("<built-in function compile> returned NULL without setting an exception"),
    ],
)
def test_an_error_for_want_of_memory_is_named(error: BaseException) -> None:
    assert str(exhausted_limit(error)).startswith("There is not enough memory.")


@pytest.mark.parametrize(
    "error", [SystemError("bad argument"), ImportError("No module named x"), OSError(errno.EACCES, "")]
)
def test_another_error_is_not(error: BaseException) -> None:
    assert exhausted_limit(error) is None
