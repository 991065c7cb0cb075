"""Sync: an account's full list is the truth. Who is missing from it no longer agrees.

What the rows say goes by the rules of import. Somebody who agreed and is in no row is withdrawn as of the moment when
the list was made: a consent that came later stays. Who signed up without an account is not in an account's list, and
stays as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import islice
from typing import TextIO

from sqlalchemy import select

from subscribers import audience
from subscribers.intake.applicant import ApplicantReader
from subscribers.intake.csv_file import PeopleCsv
from subscribers.intake.csv_import import BATCH, Import, ImportReport, refuse
from subscribers.intake.duplicates import AddressTable
from subscribers.intake.opt_outs import OptOut, need_confirmation, withdraw_all
from subscribers.ledger import CONSENT, EVENT, READ_AHEAD
from subscribers.models import Channel, ConsentKind
from subscribers.people import SUBSCRIBER


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What the rows did or would do, and how many people are `missing`; whether it was `applied`."""

    rows: ImportReport
    missing: int
    applied: bool

    def values(self) -> dict[str, object]:
        """For ``--json``."""
        return asdict(self.rows) | {"missing": self.missing, "applied": self.applied}


@dataclass(frozen=True, slots=True)
class AccountSync:
    """A sync. `job` is the import of its rows, whose dry run shows the differences only.

    `as_of` is when the list was made. `confirm` is asked before many people are withdrawn, by rows and by absence
    together.
    """

    job: Import
    as_of: datetime
    confirm: Callable[[int, int], None] = refuse

    def run(self, text: TextIO, name: str) -> SyncReport:
        """Compare, and apply unless the import is a dry run. Raises what `Import.run` and `confirm` raise.

        The rows are read twice: nothing is applied before the whole of it was counted and confirmed.
        """
        seen = self._addresses(text, name)
        missing = sum(1 for _ in self._missing(seen))
        text.seek(0)
        if self.job.dry_run:
            return SyncReport(self.job.run(text, name), missing, applied=False)
        planned = replace(self.job, dry_run=True, on_refusal=lambda _refusal: None).run(text, name)
        with self.job.database.read() as connection:
            agreed = audience.count(connection, self.job.evidence.topic)
        if need_confirmation(planned.withdrawn + missing, agreed):
            self.confirm(planned.withdrawn + missing, agreed)
        text.seek(0)
        report = replace(self.job, confirm=lambda _withdrawn, _agreed: None).run(text, name)
        return SyncReport(report, self._withdraw(seen), applied=True)

    def _addresses(self, text: TextIO, name: str) -> AddressTable:
        """All addresses in the list, also those of rows that say no or are refused."""
        seen = AddressTable("I")
        file = PeopleCsv(text, name)
        reader = ApplicantReader(file, self.job.hasher, self.job.zone, self.job.clock())
        for record in file:
            if (address := reader.address_in(record)) is not None:
                seen.set(self.job.hasher.newest(address.key).hash, 1)
        return seen

    def _missing(self, seen: AddressTable) -> Iterator[OptOut]:
        """Those who agree, and are not in the list."""
        agreed = (
            select(SUBSCRIBER.c.email_normalised)
            .join(CONSENT, CONSENT.c.subscriber_id == SUBSCRIBER.c.id)
            .join(EVENT, EVENT.c.id == CONSENT.c.event_id)
            .where(
                CONSENT.c.topic == self.job.evidence.topic,
                CONSENT.c.state == ConsentKind.GRANTED,
                CONSENT.c.since <= self.as_of,
                EVENT.c.channel != Channel.SIGN_UP,
            )
            .order_by(SUBSCRIBER.c.id)
            .execution_options(yield_per=READ_AHEAD)
        )
        with self.job.database.read() as connection, connection.execute(agreed) as rows:
            for (key,) in rows:
                if seen.get(self.job.hasher.newest(key).hash) is None:
                    yield OptOut(key, self.as_of, ends_consent=True)

    def _withdraw(self, seen: AddressTable) -> int:
        evidence, ended = self.job.evidence, 0
        missing = list(self._missing(seen))
        every = iter(missing)
        while some := list(islice(every, BATCH)):
            with self.job.database.write() as connection:
                ended += withdraw_all(
                    connection, some, evidence.topic, evidence.source, self.job.clock(), channel=Channel.SYNC
                )
        return ended
