"""Send the letters of a breach (GDPR art. 34), each at most once, one after the other.

They are notices that the law requires: no consent is asked for. A person who was erased since the list was made gets
none. The limits of relays and providers hold for them, and no time does: they wait as long as these limits require.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from pathlib import Path

from sqlalchemy import func, select

from campaigns.sending.letter_pace import LetterPace
from mailer import backup
from mailer.config import Settings, dkim_keys
from mailer.database import Database
from mailer.errors import InvalidInput, Refused
from mailer.message import Mailbox
from mailer.message.dkim import Signer
from mailer.message.letter import Letter, compose_letter
from mailer.smtp import Accepted, Deferred, Envelope, Outcome, Rejected, Uncertain
from mailer.smtp.connection import Connection
from mailer.smtp.relays import Relays
from subscribers import people
from subscribers.pending_requests import PENDING_REQUEST
from subscribers.rights.breach_letter import (
    LetterJournal,
    LetterState,
    LetterText,
    Recipient,
    read_letters,
    read_people,
)
from templates.language import Locale

_LOOKED_UP_AT_ONCE = 200  # people


@dataclass
class BreachLetters:
    """The letters in `folder`, sent through the relays of the settings.

    `on_wait` gets the moment until which the limits allow nothing, where that is some seconds away.
    """

    database: Database
    settings: Settings
    folder: Path
    now: Callable[[], datetime]
    on_wait: Callable[[datetime], None] = lambda _until: None
    skipped: int = 0
    offered: int = 0  # by this run, to a relay

    @cached_property
    def texts(self) -> dict[Locale, LetterText]:
        """The letters. Raises InvalidInput, and Refused where one is not filled in."""
        return read_letters(self.folder)

    async def send(self) -> Counter[LetterState]:
        """Send what was not attempted yet; returns how many letters are in each state.

        Raises Refused, InvalidInput, and RelayUnavailable where no relay serves: run it again then.
        """
        self._check()
        with LetterJournal.opened(self.folder) as journal:
            async with Relays(self.settings.every_relay) as relays:
                pace = LetterPace(self.settings.throttle(), relays, self.database, self.now, self.on_wait)
                for recipient in self._waiting(journal):
                    async with pace.connection(Mailbox("", recipient.email).domain) as connection:
                        await self._send_one(connection, journal, recipient)
            return journal.counts()

    def _check(self) -> None:
        assert self.texts  # noqa: S101 - read before anything is sent
        with self.database.read() as connection:
            if backup.awaits_replay(connection):
                raise Refused(
                    "The database was restored, and nobody knows yet who was erased since.",
                    hint="Run `mailer privacy replay` first.",
                )

    async def _send_one(self, connection: Connection, journal: LetterJournal, to: Recipient) -> None:
        settings = self._per_sender.get(connection.relay, self.settings)
        text = self.texts[to.locale]
        try:
            letter = Letter(
                settings.sender,
                Mailbox("", to.email),
                text.subject,
                text.text_for(to.greeting),
                text.html_for(to.greeting),
                to.locale,
                settings.privacy.contact or settings.reply_to,
            )
            content = compose_letter(letter, self.now(), self._signers)
            envelope = Envelope(settings.return_path or settings.sender.email, to.email)
        except InvalidInput:
            journal.note(to.row, LetterState.REJECTED)
            return
        journal.note(to.row, LetterState.ATTEMPTING)
        self.offered += 1
        journal.note(to.row, _state_after(await connection.send(envelope, content)))

    @cached_property
    def _per_sender(self) -> dict[str, Settings]:
        return self.settings.per_sender()

    @cached_property
    def _signers(self) -> list[Signer]:
        return dkim_keys.signers(self.settings.dkim)

    def _waiting(self, journal: LetterJournal) -> Iterator[Recipient]:
        """Who gets a letter, in the order of the list."""
        rows = (each for each in read_people(self.folder) if journal.is_to_send(each.row))
        while batch := list(islice(rows, _LOOKED_UP_AT_ONCE)):
            known = self._known(batch)
            for each in batch:
                if each.email.lower() in known:
                    yield each
                else:
                    self.skipped += 1

    def _known(self, batch: Sequence[Recipient]) -> set[str]:
        """The addresses of those who are on file, or whose request waits; the others were erased since."""
        keys = [each.email.lower() for each in batch]
        waiting = select(func.lower(PENDING_REQUEST.c.email)).where(
            func.lower(PENDING_REQUEST.c.email).in_(keys)
        )
        with self.database.read() as connection:
            return {*people.find_all(connection, keys), *connection.execute(waiting).scalars()}


def _state_after(outcome: Outcome) -> LetterState:
    match outcome:
        case Accepted():
            return LetterState.ACCEPTED
        case Deferred():
            return LetterState.DEFERRED
        case Rejected():
            return LetterState.REJECTED
        case Uncertain():
            return LetterState.UNCERTAIN
