"""Sync with the full list of an account system: a person who is missing from the list no longer consents.

The rows follow the rules of import. A person who consented and is in no row is withdrawn as of the time of
the list; a later consent is not changed. People who signed up without an account are not in the list, and are
not changed either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TextIO

from sqlalchemy import select

from subscribers import audience
from subscribers.intake.applicant import ApplicantReader
from subscribers.intake.csv_file import PeopleCsv
from subscribers.intake.csv_import import Import, ImportReport, refuse
from subscribers.intake.duplicates import AddressTable
from subscribers.intake.opt_outs import OptOut, in_batches, need_confirmation, withdraw_all
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import CONSENT, EVENT, READ_AHEAD
from subscribers.tables import SUBSCRIBER


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The result of the rows, the number of `missing` people, and whether the sync was `applied`."""

    rows: ImportReport
    missing: int
    applied: bool

    def values(self) -> dict[str, object]:
        """The values for ``--json``."""
        return asdict(self.rows) | {"missing": self.missing, "applied": self.applied}


@dataclass(frozen=True, slots=True)
class AccountSync:
    """A sync. `job` imports the rows; its dry run only counts the differences.

    `as_of` is the time of the list. `confirm` is called before many people are withdrawn, by rows and by
    absence together.
    """

    job: Import
    as_of: datetime
    confirm: Callable[[int, int], None] = refuse

    def run(self, text: TextIO, name: str) -> SyncReport:
        """Compare, and apply unless the import is a dry run. Raises what `Import.run` and `confirm` raise.

        The rows are read twice: all withdrawals are counted and confirmed before the first is applied.
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
        """All addresses in the list, including those of rows that say no or are refused."""
        seen = AddressTable("I")
        file = PeopleCsv(text, name)
        reader = ApplicantReader(file, self.job.hasher, self.job.zone, self.job.clock())
        for record in file:
            if (address := reader.address_in(record)) is not None:
                seen.set(self.job.hasher.newest(address.key).hash, 1)
        return seen

    def _missing(self, seen: AddressTable) -> Iterator[OptOut]:
        """The people who consent and are not in the list."""
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
        for some in in_batches(list(self._missing(seen))):
            with self.job.database.write() as connection:
                ended += withdraw_all(
                    connection, some, evidence.topic, evidence.source, self.job.clock(), channel=Channel.SYNC
                )
        return ended
