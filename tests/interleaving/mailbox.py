"""The links in the mails that people got, in one of the processes."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from random import Random
from urllib.parse import urlsplit

from sqlalchemy import select

from mailer.config import FixedKeys, KeyRing, Settings
from mailer.database import Database, in_thread, installation_id
from subscribers import people
from subscribers.address import normalise
from subscribers.pending_requests import PENDING_REQUEST, LinkTarget, RequestKind, RequestLinks
from subscribers.people import Person
from subscribers.self_service import Links
from subscribers.tables import SUBSCRIBER
from tests.interleaving.record import Pair


class Mailbox:
    """`to_confirm` has the links of requests that nobody followed yet."""

    def __init__(self, database: Database, settings: Settings, rng: Random) -> None:
        self._database, self._rng = database, rng
        self.to_confirm: list[tuple[Pair, str]] = []
        self._paths: defaultdict[Pair, list[str]] = defaultdict(list)
        keys = FixedKeys(KeyRing(tuple(settings.keys())))
        with database.read() as connection:
            installation = installation_id(connection)
        self._links = Links(keys, installation, settings.public_url, datetime.now(UTC).timestamp)
        self._request_links = RequestLinks(keys, installation, settings.public_url)

    async def path(self, pair: Pair) -> str | None:
        """The link in a mail to somebody: that of a new mail, or one in an earlier mail."""
        known = self._paths[pair]
        if not known or self._rng.random() < 0.7:
            person = await in_thread(self._find, pair[0])
            if person is not None:
                path = urlsplit(self._links.url(person.id, person.hashed, pair[1], "en")).path
                known.append(path)
                return path
        return self._rng.choice(known) if known else None

    def _find(self, address: str) -> Person | None:
        with self._database.read() as connection:
            return people.find(connection, normalise(address))

    async def note_request(self, kind: RequestKind, pair: Pair) -> None:
        """Keep the link that the mail about the newest request of this kind has."""

        def find() -> LinkTarget | None:
            about = [PENDING_REQUEST.c.kind == kind, PENDING_REQUEST.c.topic == pair[1]]
            if kind is RequestKind.SIGN_UP:
                about.append(PENDING_REQUEST.c.email == pair[0])
            else:
                about += [SUBSCRIBER.c.id == PENDING_REQUEST.c.subscriber_id, SUBSCRIBER.c.email == pair[0]]
            newest = select(PENDING_REQUEST.c.id, PENDING_REQUEST.c.requested_at).where(*about)
            with self._database.read() as connection:
                row = connection.execute(newest.order_by(PENDING_REQUEST.c.id.desc()).limit(1)).first()
            return LinkTarget(row.id, row.requested_at, kind, "en") if row else None

        if (target := await in_thread(find)) is not None:
            self.to_confirm.append((pair, urlsplit(self._request_links.url(target)).path))
