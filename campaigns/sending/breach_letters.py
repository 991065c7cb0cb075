"""Send the letters of a breach (GDPR art. 34), each at most once, one after the other.

They are notices that the law requires: no consent is asked for. A person who was erased since the list was made gets
none. The limits of relays and providers hold for them, and no time does: they wait as long as these limits require.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path

from sqlalchemy import func, select

from campaigns.sending.letter_pace import LetterPace
from mailer import backup
from mailer.config import Settings, dkim_keys
from mailer.database import AnyOf, Database
from mailer.errors import InvalidInput, Refused
from mailer.message import Mailbox
from mailer.message.letter import Letter, compose_letter
from mailer.smtp import Accepted, Deferred, Envelope, Outcome, Rejected, Uncertain
from mailer.smtp.connection import Connection
from mailer.smtp.relays import Relays
from subscribers import people
from subscribers.pending_requests import PENDING_REQUEST
from subscribers.rights.breach_letter import LetterJournal, LetterState, Recipient, read_letters, read_people

# People: many are passed over at once where most were erased. Those who are left are looked up again in small groups, because
# the letters before theirs may take hours.
_LOOKED_UP_FIRST, _LOOKED_UP_AGAIN = 5_000, 200
_STATE_AFTER: Mapping[type[Outcome], LetterState] = {
    Accepted: LetterState.ACCEPTED,
    Deferred: LetterState.DEFERRED,
    Rejected: LetterState.REJECTED,
    Uncertain: LetterState.UNCERTAIN,
}


class BreachLetters:
    """The letters in `folder`, sent through the relays of the settings; `texts` has them by language.

    `on_wait` gets the moment until which the limits allow nothing, where that is some seconds away. `skipped` counts
    people who are not on file any more, and `offered` the letters that a relay was offered.

    Raises InvalidInput, Refused where a letter is not filled in, and ConfigurationError for a key that can't be read.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        folder: Path,
        now: Callable[[], datetime],
        on_wait: Callable[[datetime], None],
    ) -> None:
        self._database, self._settings, self._folder = database, settings, folder
        self._now, self._on_wait = now, on_wait
        self.texts = read_letters(folder)
        self._per_sender = settings.per_sender()
        self._signers = dkim_keys.signers(settings.dkim)
        self.skipped = self.offered = 0

    async def send(self) -> Counter[LetterState]:
        """Send what was not attempted yet; returns how many letters are in each state.

        Raises Refused, InvalidInput, and RelayUnavailable where no relay serves: run it again then.
        """
        with self._database.read() as connection:
            if backup.awaits_replay(connection):
                raise Refused(
                    "The database was restored, and nobody knows yet who was erased since.",
                    hint="Run `mailer privacy replay` first.",
                )
        with LetterJournal.opened(self._folder) as journal:
            async with Relays(self._settings.every_relay) as relays:
                pace = LetterPace(self._settings.throttle(), relays, self._database, self._now, self._on_wait)
                for recipient in self._waiting(journal):
                    async with pace.connection(Mailbox("", recipient.email).domain) as smtp:
                        await self._send_one(smtp, journal, recipient)
            return journal.counts()

    async def _send_one(self, connection: Connection, journal: LetterJournal, to: Recipient) -> None:
        settings = self._per_sender.get(connection.relay, self._settings)
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
            content = compose_letter(letter, self._now(), self._signers)
            envelope = Envelope(settings.return_path or settings.sender.email, to.email)
        except InvalidInput:
            journal.note(to.row, LetterState.REJECTED)
            return
        journal.note(to.row, LetterState.ATTEMPTING)
        self.offered += 1
        journal.note(to.row, _STATE_AFTER[type(await connection.send(envelope, content))])

    def _waiting(self, journal: LetterJournal) -> Iterator[Recipient]:
        """Who gets a letter, in the order of the list."""
        rows = (each for each in read_people(self._folder) if journal.is_to_send(each.row))
        while batch := list(islice(rows, _LOOKED_UP_FIRST)):
            known = iter(self._known(batch))
            while group := list(islice(known, _LOOKED_UP_AGAIN)):
                yield from self._known(group)

    def _known(self, batch: Sequence[Recipient]) -> list[Recipient]:
        """Those who are on file, or whose request waits; the others were erased since, and are counted."""
        keys = [each.email.lower() for each in batch]
        email = func.lower(PENDING_REQUEST.c.email, type_=PENDING_REQUEST.c.email.type)
        waiting = select(email).where(AnyOf(email, keys))
        with self._database.read() as connection:
            found = {*people.find_all(connection, keys), *connection.execute(waiting).scalars()}
        known = [each for each, key in zip(batch, keys, strict=True) if key in found]
        self.skipped += len(batch) - len(known)
        return known
