"""The errors that the program reports. All are subclasses of MailerError.

    MailerError                 1   the root; a message and a hint
    ├── ConfigurationError      1   mailer.toml, a variable or a secret is missing or wrong
    ├── InvalidInput            1   a file, row, form or argument from outside is invalid
    │   └── NotFound            1   no record with this name
    ├── TemplateError           1   a template or release note does not render
    ├── LedgerBroken            1   the consent ledger is damaged
    ├── DatabaseReplaced        1   another file was put in the place of the database while it was used
    ├── Refused                 4   refused by lint, gate, approval or state
    └── TryAgainLater          75   relay or database not available, or another run is active
        ├── Locked             75   another connection is writing to the database
        ├── TransactionConflict 75  the database ended a transaction because of another one
        ├── NoProcess          75   no further process or thread can be started
        └── RelayUnavailable   75   no connection to the relay; 1 where waiting does not help

The number is the exit code of the command. Messages contain no personal data. The layers have their own subclasses of these,
beside the code that raises them, where a caller has to tell one cause from the others.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

_NO_THREAD = "can't start new thread"  # what CPython says


class MailerError(Exception):
    """The root. `message` says what is wrong and where. `hint` says what to do."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ConfigurationError(MailerError):
    """The settings are invalid: a key is missing or wrong, or two keys contradict each other."""


class InvalidInput(MailerError):
    """Input from outside (a file, row, form or argument) is invalid.

    `where` names the place, such as ``people.csv, row 12, column email``.
    """

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(f"{where}: {message}" if where else message, hint=hint)
        self.where = where
        self.reason = message


class NotFound(InvalidInput):
    """No record has this name."""


class TemplateError(MailerError):
    """A template or a release note does not render. The message has file and line."""


class LedgerBroken(MailerError):
    """The consent ledger is damaged. The message names the first damaged entry."""


class DatabaseReplaced(MailerError):
    """Another file was put in the place of a SQLite database while it was used. Trying again does not help."""


class Refused(MailerError):
    """Lint, the gate, a missing approval or the state of the campaign forbids the action."""

    exit_code = 4


class TryAgainLater(MailerError):
    """The relay or the database is not available, or another run is active. Nothing is lost."""

    exit_code = 75


class Locked(TryAgainLater):
    """Another connection is writing to the database, and the caller does not wait for it."""


class TransactionConflict(TryAgainLater):
    """The database ended a transaction because of another one, such as in a deadlock. Nothing of it was done."""


class RelayUnavailable(TryAgainLater):
    """No connection to the relay could be made."""


class NoProcess(TryAgainLater):
    """No further process can be started, and no thread, which counts as one."""

    def __init__(self) -> None:
        super().__init__(
            "The limit of processes is reached.",
            hint="Run the command again later, or raise the limit: TasksMax= in a systemd unit, `ulimit -u` in a shell. "
            "Or use fewer --processes.",
        )


@contextmanager
def starting_process() -> Iterator[None]:
    """Start a process in it. Raises NoProcess where there may be no more: fork(2) and execve(2) fail with EAGAIN then.

    Of other calls EAGAIN means many other things.
    """
    try:
        yield
    except BlockingIOError:
        raise NoProcess from None


@contextmanager
def starting_thread() -> Iterator[None]:
    """Start a thread in it, or await work in one. Raises NoProcess where there may be no more."""
    try:
        yield
    except RuntimeError as error:
        if _NO_THREAD not in str(error):
            raise
        raise NoProcess from None


def exhausted_limit(error: BaseException) -> MailerError | None:
    """The error to report if `error` means that memory, open files, processes or a disk are used up; otherwise None."""
    if (passing := _passing_limit(error)) is not None:
        return passing
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EMFILE:
        return MailerError(
            "The limit of open files is reached.",
            hint="Raise it: LimitNOFILE= in a systemd unit, `ulimit -n` in a shell.",
        )
    if is_out_of_memory(error) or code == errno.ENOMEM:
        return MailerError(_NO_MEMORY, hint=_FREE_MEMORY)
    if code in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}:
        return MailerError(
            f"What the command writes, such as its report, can't be written: {os.strerror(code)}.",
            hint="Make room where the output goes. What the database has recorded stays recorded.",
        )
    return None


def _passing_limit(error: BaseException) -> TryAgainLater | None:
    """The error to report if `error` means that something is used up for the moment, by other processes too."""
    match error:
        case NoProcess():
            return error
        case RuntimeError() if _NO_THREAD in str(error):
            return NoProcess()
        case OSError(errno=errno.ENFILE):
            return TryAgainLater(
                "The system's limit of open files is reached.",
                hint="Run the command again later, or raise the limit: `sysctl fs.file-max`.",
            )
        case OSError(errno=errno.EAGAIN) if hasattr(error, "characters_written"):
            return TryAgainLater(
                "What the command writes, such as its report, can't be written: the output takes no more at the moment.",
                hint="Let its reader read faster, or write to a file. What the database has recorded stays recorded.",
            )
        case OSError(errno=errno.EAGAIN):
            return TryAgainLater(
                f"The system could not do something at the moment: {os.strerror(errno.EAGAIN)}.",
                hint="Nothing is lost; run the command again later.",
            )
        case _:
            return None


def reason_of(error: BaseException | str) -> str:
    """What an error of the system says, without the number that Python puts before it."""
    text = str(getattr(error, "strerror", None) or error)
    return text.partition("] ")[2] if text.startswith("[Errno ") else text


def name_that_is_no_text(error: BaseException) -> MailerError | None:
    """The error to report if `error` means that the name of a file or folder is not UTF-8; otherwise None.

    Python keeps the bytes of such a name as surrogates (PEP 383), with which the file can be opened, but not written about.
    """
    match error:
        case UnicodeEncodeError(object=str(text), start=at) if "\udc80" <= text[at] <= "\udcff":
            return MailerError(
                "The name of a file or folder is not UTF-8 text.",
                hint="Rename it: it is one that the command or the settings name, or the working directory.",
            )
        case _:
            return None


def unusable_file(error: BaseException) -> MailerError | None:
    """The error to report if `error` means that a file can't be used, such as for its long name; otherwise None."""
    match error:
        case OSError(filename=str(name), strerror=str(reason)):
            shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
            return MailerError(f"{shown}: {reason}.", hint="Name another file or folder, or mend this one.")
        case _:
            return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` means that memory is used up. Finding out takes no memory."""
    # Without enough memory, loading a shared library raises ImportError, and importing a module sometimes SystemError.
    match error:
        case MemoryError():
            return True
        case ImportError(msg=str(text)):
            return "segment" in text
        case SystemError(args=(str(text), *_)):
            return "without exception set" in text or "without setting an exception" in text
        case _:
            return False


_LONGEST_NAME = 200  # of a file in a message
_NO_MEMORY = "There is not enough memory."
_FREE_MEMORY = "Raise the limit (MemoryMax= in a systemd unit, `ulimit -v` in a shell), or free memory."
# Where even an error message needs more memory than there is, these are written as they are: to stderr, and as JSON.
OUT_OF_MEMORY_TEXT = f"Error: {_NO_MEMORY}\n{_FREE_MEMORY}\n".encode()
OUT_OF_MEMORY_JSON = b'{"error": {"message": "%b", "hint": "%b", "code": 1}}\n' % (
    _NO_MEMORY.encode(),
    _FREE_MEMORY.encode(),
)
