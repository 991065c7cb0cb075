"""Lists of an account system: files to import, and full lists to sync with."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from zoneinfo import ZoneInfo

from mailer.database import Database, in_thread
from subscribers.address import AddressHasher
from subscribers.intake import AccountSync, Evidence, Import
from subscribers.kinds import Channel
from tests.interleaving.record import (
    ACCOUNTS,
    EVERYBODY,
    LONG_AGO,
    TOPICS,
    VISITORS,
    Done,
    Kind,
    Pair,
    given_at,
)
from tests.support.api import TEXT


class Lists:
    """Applies random lists."""

    def __init__(self, database: Database, hasher: AddressHasher, rng: Random) -> None:
        self._database, self._hasher, self._rng = database, hasher, rng
        self._clock = database.clock()

    async def import_rows(self) -> Done:
        """A file of some people, of whom all consent, or none."""
        topic = self._rng.choice(TOPICS)
        pairs = [(address, topic) for address in self._rng.sample(EVERYBODY, 3)]
        kind, moment = given_at(self._rng)
        rows = _rows(pairs, "yes", moment)
        if self._rng.random() < 0.5:
            kind, rows = Kind.TAKE_AWAY, _rows(pairs, "no")
        await in_thread(self._job(topic, Channel.IMPORT).run, rows, "people.csv")
        return Done(kind, pairs)

    async def sync(self) -> Done:
        """The full list of the accounts, but for two."""
        topic, missing = self._rng.choice(TOPICS), self._rng.sample(ACCOUNTS, 2)
        as_of = datetime.now(UTC)
        rows = _rows([(each, topic) for each in ACCOUNTS if each not in missing], "yes", LONG_AGO)
        job = AccountSync(self._job(topic, Channel.SYNC), as_of, lambda *_: None)
        await in_thread(job.run, rows, "accounts.csv")
        others = [(each, topic) for each in VISITORS]  # unless they signed up
        return Done(Kind.TAKE_AWAY, [(each, topic) for each in missing], may_end=others)

    def _job(self, topic: str, channel: Channel) -> Import:
        return Import(
            database=self._database,
            evidence=Evidence(topic, "accounts", TEXT, channel=channel),
            hasher=self._hasher,
            zone=ZoneInfo("UTC"),
            clock=self._clock,
            on_refusal=lambda _: None,
            on_progress=lambda _: None,
            confirm=lambda *_: None,
        )


def _rows(pairs: Sequence[Pair], answer: str, moment: datetime | None = None) -> io.TextIOWrapper:
    rows = "".join(f"{address},{answer},{moment.isoformat() if moment else ''}\n" for address, _ in pairs)
    octets = io.BytesIO(f"email,opted_in,opted_in_at\n{rows}".encode())
    return io.TextIOWrapper(octets, encoding="utf-8", newline="")
