"""What a database driver raises, turned into errors of ours that name no value of a statement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, OperationalError

from mailer.database.url import display_name
from mailer.errors import ConfigurationError, InvalidInput, MailerError, TryAgainLater

# What a driver says -> the class of our error, what it means, and what to do about it.
_SYMPTOMS: tuple[tuple[tuple[str, ...], type[MailerError], str, str], ...] = (
    (
        ("no such table", "no such column", "does not exist"),
        ConfigurationError,
        "has no tables of this version",
        "Run `mailer init` in this folder.",
    ),
    (
        ("unable to open",),
        ConfigurationError,
        "can't be opened",
        "Run `mailer init`, or go to the folder with your mailer.toml first.",
    ),
    (
        ("readonly", "read-only"),
        MailerError,
        "is read-only",
        "Nothing was changed. Check the file's owner and mode.",
    ),
    (
        ("malformed", "not a database", "Could not decode"),
        MailerError,
        "is damaged",
        "Stop sending, keep the file as it is, and go back to a backup.",
    ),
    (
        ("disk is full", "No space left", "disk I/O"),
        MailerError,
        "is on a disk that is full or failing",
        "What was committed is safe. Free some room and run the command again.",
    ),
)


@contextmanager
def translated_errors(url: URL) -> Iterator[None]:
    """Turn what SQLAlchemy and the driver raise into our tree of errors, without the statement and its values."""
    try:
        yield
    except DBAPIError as error:
        raise _explain(url, error) from None
    except UnicodeEncodeError:  # an argument in another encoding, which Python passes on as lone surrogates
        raise InvalidInput("A given value is not UTF-8 text. Nothing was changed.") from None


def _explain(url: URL, error: DBAPIError) -> MailerError:
    name = display_name(url)
    said = str(error.orig)
    for needles, kind, what, hint in _SYMPTOMS:
        if any(needle in said for needle in needles):
            return kind(f"{name} {what}.", hint=hint)
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return TryAgainLater(f"{name} is away or busy.", hint="Nothing is lost; run the command again later.")
    return MailerError(f"{name} refused a statement: {type(error.orig).__name__}.")
