"""Import a file: each row with a consent becomes a subscriber.

A row that says no withdraws the consent of a person on file, and dates a suppression later; other people who
say no are not stored. An invalid row is refused with its number, column and reason, never with its content. A
person who withdrew is added again only by a later consent.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TextIO, assert_never
from zoneinfo import ZoneInfo

from mailer.database import Clock, Database
from mailer.errors import Refused
from subscribers import audience
from subscribers.address import AddressHasher
from subscribers.intake import admission
from subscribers.intake.admission import Decision, Evidence
from subscribers.intake.applicant import Applicant, ApplicantReader, Refusal
from subscribers.intake.csv_file import PeopleCsv
from subscribers.intake.duplicates import SeenAddresses
from subscribers.intake.opt_outs import OptOuts, need_confirmation, withdraw_all

# A larger batch makes a click on an unsubscribe link wait; a smaller one costs more commits.
BATCH = 5000


@dataclass(slots=True)
class ImportReport:
    """The counts of an import. `read` is the sum of the next six."""

    read: int = 0
    granted: int = 0
    without_consent: int = 0
    withdrawn: int = 0
    refused: int = 0
    unchanged: int = 0
    still_withdrawn: int = 0
    dropped_columns: tuple[str, ...] = ()

    def count(self, decisions: Sequence[Decision]) -> None:
        """Count these decisions."""
        self.granted += decisions.count(Decision.GRANTED)
        self.unchanged += decisions.count(Decision.UNCHANGED)
        self.still_withdrawn += decisions.count(Decision.STILL_WITHDRAWN)


def refuse(withdrawn: int, agreed: int) -> None:
    """Raise Refused, because many withdrawals need a confirmation and there is no terminal."""
    raise Refused(
        f"The file would withdraw the consent of {withdrawn:,} of {agreed:,} people. Nothing of it was applied.",
        hint="Look whether its opt-in column is right. If it is, say --yes.",
    )


@dataclass(frozen=True, slots=True)
class Import:
    """An import, with its callbacks.

    `on_refusal` gets each refused row, `on_progress` the number of bytes read. Each batch of rows is a
    transaction, so that a file can be imported again after a crash. A dry run writes nothing. `confirm` is
    called before a file withdraws many people, with their number and the number of people who consent.
    """

    database: Database
    evidence: Evidence
    hasher: AddressHasher
    zone: ZoneInfo
    clock: Clock
    on_refusal: Callable[[Refusal], None]
    on_progress: Callable[[int], None]
    dry_run: bool = False
    confirm: Callable[[int, int], None] = refuse

    def run(self, text: TextIO, name: str) -> ImportReport:
        """Import `text`, which `encoding.as_text` opened. `name` is for messages. The text is read more than
        once.

        Rows that say no are applied first. Raises InvalidInput for an invalid header, ConfigurationError if a
        suppression can't be recognised, and the errors of `confirm`, all before anything is applied.
        """
        file = PeopleCsv(text, name)
        report = ImportReport(dropped_columns=file.dropped)
        with _paused_garbage_collection():
            opt_outs = self._read_opt_outs(file, text, name)
            report.withdrawn = opt_outs.withdrawals if self.dry_run else self._withdraw(opt_outs)
            applicants = self._applicants(_reopen(text, name), text, report, opt_outs)
            batches = iter(lambda: list(islice(applicants, BATCH)), [])
            for decisions in map(self._admit, batches):
                report.count(decisions)
                gc.collect(1)
        report.without_consent = max(report.without_consent - report.withdrawn, 0)
        self.on_progress(text.buffer.tell())
        return report

    def _read_opt_outs(self, file: PeopleCsv, text: TextIO, name: str) -> OptOuts:
        opt_outs = OptOuts(self.evidence.topic, self.hasher)
        reader = ApplicantReader(file, self.hasher, self.zone, self.clock())
        opt_outs.read((row for record in file if (row := reader.read_no(record))), self.database, BATCH)
        if opt_outs.withdrawals:
            found = map(reader.read, _reopen(text, name))
            opt_outs.drop_overridden(one for one in found if isinstance(one, Applicant))
            if not self.dry_run:
                self._ask(opt_outs)
        return opt_outs

    def _ask(self, opt_outs: OptOuts) -> None:
        with self.database.read() as connection:
            agreed = audience.count(connection, self.evidence.topic)
        if need_confirmation(opt_outs.withdrawals, agreed):
            self.confirm(opt_outs.withdrawals, agreed)

    def _withdraw(self, opt_outs: OptOuts) -> int:
        ended = 0
        for batch in opt_outs.batches():
            with self.database.write() as connection:
                ended += withdraw_all(
                    connection,
                    batch,
                    self.evidence.topic,
                    self.evidence.source,
                    self.clock(),
                    channel=self.evidence.channel,
                )
        if opt_outs.suppressed:
            opt_outs.date_suppressions(self.database, self.clock(), self.evidence.channel)
        return ended

    def _admit(self, batch: Sequence[Applicant]) -> list[Decision]:
        if self.dry_run:
            with self.database.read() as connection:
                candidates = admission.decide_all(connection, batch, self.evidence.topic, self.hasher)
        else:
            with self.database.write() as connection:
                candidates = admission.admit(connection, batch, self.evidence, self.hasher, self.clock())
        return [candidate.decision for candidate in candidates]

    def _applicants(
        self, file: PeopleCsv, text: TextIO, report: ImportReport, opt_outs: OptOuts
    ) -> Iterator[Applicant]:
        """The applicants, each once. Other rows are counted in `report`."""
        reader = ApplicantReader(file, self.hasher, self.zone, self.clock())
        seen = SeenAddresses()
        for record in file:
            report.read += 1
            if report.read % BATCH == 0:
                self.on_progress(text.buffer.tell())
            found = reader.read(record)
            if isinstance(found, Applicant) and (first := seen.first_row(found.hashed.hash, found.row)):
                found = reader.repeated(found, first)
            match found:
                case Applicant() if opt_outs.overrides(found):
                    report.still_withdrawn += 1
                case Applicant():
                    yield found
                case Refusal():
                    report.refused += 1
                    self.on_refusal(found)
                case None:
                    report.without_consent += 1
                case _:
                    assert_never(found)


def _reopen(text: TextIO, name: str) -> PeopleCsv:
    text.seek(0)
    return PeopleCsv(text, name)


@contextmanager
def _paused_garbage_collection() -> Iterator[None]:
    """Pause the garbage collector: rows have no cycles, and it would take a quarter of the time.

    Objects of the statements are collected after each batch.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
