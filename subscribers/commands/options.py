"""Options and look-ups that several commands of subscribers share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from mailer.commands import CommandContext
from mailer.commands.acts import record_act
from mailer.config import key_ring
from mailer.errors import InvalidInput, NotFound
from mailer.files import read_file
from subscribers import rights, suppression
from subscribers.address import AddressHasher, EmailAddress, normalise
from subscribers.intake import Evidence
from subscribers.intake.consent_time import FORMS, parse_consent_time
from subscribers.kinds import Channel
from subscribers.ledger import LANGUAGE_PATTERN, LONGEST_LANGUAGE, parse_note
from subscribers.public_ids import PublicIds
from subscribers.rights import SubjectRecord
from subscribers.topic import Topic, parse_topic

LARGEST_WORDING = 1_000_000  # bytes
_LAST = datetime.max.replace(tzinfo=UTC)
ANY_TIME = datetime(9999, 1, 1, tzinfo=UTC)  # later than every time that an option may name

file_type = click.Path(exists=True, dir_okay=False, path_type=Path)
email_argument = click.argument("email")
topic_option = click.option(
    "--topic", metavar="TOPIC", help="What it is about; by default the settings' topic."
)
source_option = click.option(
    "--source", default="mailer command", help="Through what the person asked; goes into the ledger."
)
wording_option = click.option(
    "--wording", type=file_type, required=True, help="A file with the verbatim text that was shown."
)


def check_language(_context: click.Context, _option: click.Parameter, language: str) -> str:
    """A language as IETF tags write it, or none. Mails choose their language by it, so "dutch" would be in vain."""
    if language and (not re.fullmatch(LANGUAGE_PATTERN, language) or len(language) > LONGEST_LANGUAGE):
        raise InvalidInput("it is not a language, such as nl or en-GB.", where="--language")
    return language


language_option = click.option(
    "--language", default="", callback=check_language, help="The wording's language, such as nl."
)
version_option = click.option(
    "--wording-version", default="", help="Your name for this version of the wording."
)
refusals_option = click.option(
    "--refusals",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where refused rows are listed; FILE.refused.csv by default.",
)
encoding_option = click.option(
    "--encoding", help="How the file is encoded, such as cp1252; by default detected."
)


def evidence_of(
    context: CommandContext,
    topic: str | None,
    source: str,
    wording: Path,
    language: str,
    version: str,
    channel: Channel,
) -> Evidence:
    """The evidence of the consents that a command records, from its options. Raises InvalidInput for a bad option."""
    return Evidence(
        topic_or_default(context, topic),
        parse_note(source),
        read_wording(wording),
        language.strip(),
        version.strip(),
        channel,
    )


def topic_or_default(context: CommandContext, topic: str | None) -> Topic:
    """The topic that --topic names, else that of the settings. Raises InvalidInput for a bad name."""
    return Topic(context.settings.topic) if topic is None else parse_topic(topic, where="--topic")


def parse_time(
    context: CommandContext,
    written: str,
    option: str,
    latest: datetime = ANY_TIME,
    *,
    hint: str | None = None,
) -> datetime:
    """The moment that an option names, no later than `latest`. Raises InvalidInput, which names the option."""
    try:
        if not written.strip():
            raise InvalidInput(f"it is empty; write {FORMS}")  # noqa: TRY301 - as for other wrong times
        moment = parse_consent_time(written, context.settings.tz, _LAST)
        if moment > latest:
            raise InvalidInput(  # noqa: TRY301 - as above
                "it lies after the year 9998" if latest == ANY_TIME else "it lies in the future"
            )
    except InvalidInput as error:
        raise InvalidInput(f"{error.reason}.", where=option, hint=hint) from None
    return moment


def number_of_change(public_ids: PublicIds, cursor: str) -> int:
    """The change that --after names. Raises InvalidInput for what no change is named by."""
    try:
        return public_ids.read_change(cursor)
    except InvalidInput as error:
        raise InvalidInput(
            f"{error.reason}.",
            where="--after",
            hint="`mailer consent changes` prints a cursor on its last line.",
        ) from None


def hasher_of(context: CommandContext) -> AddressHasher:
    """What hashes addresses with the secret keys of the settings."""
    return AddressHasher.of(key_ring(context.settings))


@contextmanager
def dating_suppression(context: CommandContext, address: EmailAddress) -> Iterator[None]:
    """Date the suppression of an address now, if it has one and the block raises NotFound, which is raised all the same.

    The block records that somebody says no: an older consent must not bring them back.
    """
    try:
        yield
    except NotFound:
        with context.database.write() as connection:
            now = context.now()
            suppression.date_later(
                connection, hasher_of(context), {address.key: now}, now, channel=Channel.COMMAND
            )
        raise


def address_of(email: str, where: str = "EMAIL") -> EmailAddress:
    """The normalised address. Raises InvalidInput, which names the argument `where` and not the address."""
    try:
        return normalise(email.strip())
    except InvalidInput as error:
        raise InvalidInput(f"{error.reason}.", where=where) from None


def read_wording(path: Path) -> str:
    """The text that was shown, unchanged, including line ends."""
    try:
        wording = read_file(path, LARGEST_WORDING).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("the wording is not UTF-8 text.", where=str(path)) from None
    except OSError as error:
        raise InvalidInput(f"the wording can't be read: {error.strerror}.", where=str(path)) from None
    if not wording.strip():
        raise InvalidInput(
            "the wording is empty.", where=str(path), hint="Save the text that people saw in it."
        )
    return wording


def look_up(context: CommandContext, email: str) -> SubjectRecord:
    """Everything on file about a person, to be shown: it is in the operator's log from now on."""
    record = look_up_unrecorded(context, email)
    record_act(context, [record.person.id])
    return record


def look_up_unrecorded(context: CommandContext, email: str) -> SubjectRecord:
    """What is on file about a person, without a line in the operator's log: the caller records it. Raises NotFound."""
    with context.database.read() as connection:
        return rights.look_up(connection, address_of(email), hasher_of(context))
