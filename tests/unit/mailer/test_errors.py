"""Errors that mean that memory or open files are used up."""

from __future__ import annotations

import errno
import json
import os

import pytest

from mailer.errors import (
    OUT_OF_MEMORY_JSON,
    OUT_OF_MEMORY_TEXT,
    NoProcess,
    TryAgainLater,
    exhausted_limit,
    is_out_of_memory,
    starting_process,
    starting_thread,
)


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


def no_thread() -> Exception:
    """The error of CPython where no thread can be started."""
    message = "can't start new thread"
    return RuntimeError(message)


@pytest.mark.parametrize("error", [no_thread(), NoProcess()])
def test_no_further_process_or_thread_is_the_limit_of_processes_and_passes(error: BaseException) -> None:
    limit = exhausted_limit(error)
    assert str(limit).startswith("The limit of processes is reached.")
    assert isinstance(limit, TryAgainLater)


def test_a_process_that_can_not_be_started_is_told_from_other_errors_with_its_number() -> None:
    with pytest.raises(NoProcess), starting_process():
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    with pytest.raises(FileNotFoundError), starting_process():
        raise FileNotFoundError(errno.ENOENT, "No such file")


def test_a_thread_that_can_not_be_started_is_told_from_other_errors_with_their_cause() -> None:
    with pytest.raises(NoProcess), starting_thread():
        raise no_thread()
    cause = ValueError("the cause")
    with pytest.raises(RuntimeError, match="another") as caught, starting_thread():
        raise RuntimeError("another") from cause
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BlockingIOError(errno.EAGAIN, "write could not complete without blocking", 0), "takes no more"),
        (BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), "Resource temporarily unavailable"),
        (OSError(errno.ENFILE, "Too many open files in system"), "system's limit of open files"),
    ],
)
def test_what_may_pass_is_not_called_the_limit_of_processes(error: BaseException, said: str) -> None:
    limit = exhausted_limit(error)
    assert said in str(limit)
    assert "processes" not in str(limit)
    assert isinstance(limit, TryAgainLater)


def test_what_is_written_where_no_message_can_be_made_is_that_message() -> None:
    limit = exhausted_limit(MemoryError())
    assert limit is not None
    assert OUT_OF_MEMORY_TEXT.decode() == f"Error: {limit}\n"
    assert json.loads(OUT_OF_MEMORY_JSON) == {
        "error": {"message": limit.message, "hint": limit.hint, "code": limit.exit_code}
    }
