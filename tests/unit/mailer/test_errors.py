"""Errors that mean that memory or open files are used up."""

from __future__ import annotations

import errno
import json

import pytest

from mailer.errors import OUT_OF_MEMORY_JSON, OUT_OF_MEMORY_TEXT, exhausted_limit, is_out_of_memory


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
    assert not is_out_of_memory(error)


def test_what_is_written_where_no_message_can_be_made_is_that_message() -> None:
    limit = exhausted_limit(MemoryError())
    assert limit is not None
    assert OUT_OF_MEMORY_TEXT.decode() == f"Error: {limit}\n"
    assert json.loads(OUT_OF_MEMORY_JSON) == {
        "error": {"message": limit.message, "hint": limit.hint, "code": limit.exit_code}
    }
