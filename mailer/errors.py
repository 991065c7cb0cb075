"""One tree of errors.

    MailerError                 1   a clear error: what, where, what to do
    ├── ConfigurationError      1   mailer.toml, a variable or a secret is missing or wrong
    ├── InvalidInput            1   a file, row, form or argument from outside is invalid
    │   └── NotFound            1   nothing on file by that name
    ├── TemplateError           1   a template or release note does not render
    ├── LedgerBroken            1   the chain of consent events is broken
    ├── Refused                 4   refused by lint, gate, approval or state
    └── TryAgainLater          75   relay or database away, or another run is at work
        ├── Locked             75   another connection is writing to the database
        └── RelayUnavailable   75   no connection to the relay; 1 where time does not mend it

Each class carries the exit code of the command that ends with it. Messages name no person.
"""

from __future__ import annotations

import errno
from typing import ClassVar


class MailerError(Exception):
    """The root. `message` says what is wrong and where; `hint` says what to do about it."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ConfigurationError(MailerError):
    """The settings are invalid: a key is missing, wrong or contradicts another."""


class InvalidInput(MailerError):
    """Something from outside (file, row, form, argument) can't be used as it is.

    `where` is a place a person can go to, such as ``people.csv, row 12, column email``.
    """

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(f"{where}: {message}" if where else message, hint=hint)
        self.where = where
        self.reason = message


class NotFound(InvalidInput):
    """Nothing on file by that name."""


class TemplateError(MailerError):
    """A template or a release note does not render; the message has file and line."""


class LedgerBroken(MailerError):
    """The consent ledger's hash chain is broken; the message names the first broken link."""


class Refused(MailerError):
    """Refused on purpose: by lint, the gate, a missing approval or the state of the campaign."""

    exit_code = 4


class TryAgainLater(MailerError):
    """Nothing is lost: the relay or the database is away, or another run is at work."""

    exit_code = 75


class Locked(TryAgainLater):
    """Another connection is writing to the database, and the caller does not wait."""


class RelayUnavailable(TryAgainLater):
    """No connection to the relay could be made for offering mail."""


def exhausted_limit(error: BaseException) -> MailerError | None:
    """The error to report where `error` says that memory or open files are used up, or else None."""
    code = error.errno if isinstance(error, OSError) else None
    if code in {errno.EMFILE, errno.ENFILE}:
        return MailerError(
            "The limit of open files is reached.",
            hint="Raise it: LimitNOFILE= in a systemd unit, `ulimit -n` in a shell.",
        )
    # A shared library that finds no memory makes an ImportError.
    unmapped = isinstance(error, ImportError) and "segment" in str(error)
    if isinstance(error, MemoryError) or code == errno.ENOMEM or unmapped:
        return MailerError(
            "There is not enough memory.",
            hint="Raise the limit (MemoryMax= in a systemd unit, `ulimit -v` in a shell), or free memory.",
        )
    return None
