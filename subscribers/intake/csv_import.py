"""Import: rows of a file become subscribers, where each row's own consent says so.

A row without consent is counted and forgotten; its address is not even looked at. A bad row is refused with its
number, column and reason, never with its content. Nobody who withdrew comes back, unless by a later consent.
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
from subscribers import suppression
from subscribers.address import AddressHasher
from subscribers.intake import admission
from subscribers.intake.admission import Decision, Evidence
from subscribers.intake.applicant import Applicant, ApplicantReader, Refusal
from subscribers.intake.csv_file import PeopleCsv
from subscribers.intake.duplicates import SeenAddresses

# Large enough that a commit costs little a row, small enough that a click on an unsubscribe link waits little.
BATCH = 5000


@dataclass(slots=True)
class ImportReport:
    """What became of a file's rows; `read` is the sum of the five after it."""

    read: int = 0
    granted: int = 0
    without_consent: int = 0
    refused: int = 0
    unchanged: int = 0
    still_withdrawn: int = 0
    dropped_columns: tuple[str, ...] = ()

    def count(self, decisions: Sequence[Decision]) -> None:
        """As many applicants more, each with its decision."""
        self.granted += decisions.count(Decision.GRANTED)
        self.unchanged += decisions.count(Decision.UNCHANGED)
        self.still_withdrawn += decisions.count(Decision.STILL_WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Import:
    """An import: what it stands on, and who is told how it goes.

    `on_refusal` gets each refused row, `on_progress` the bytes read so far. Each batch of rows is a transaction:
    what was done before a crash stays done, and the file can be imported again. A dry run writes nothing.
    """

    database: Database
    evidence: Evidence
    hasher: AddressHasher
    zone: ZoneInfo
    clock: Clock
    on_refusal: Callable[[Refusal], None]
    on_progress: Callable[[int], None]
    dry_run: bool = False

    def run(self, text: TextIO, name: str) -> ImportReport:
        """Import what `people_csv.as_text` opened, called `name` in messages.

        Raises InvalidInput if its header does not do, ConfigurationError if a suppression can't be recognised.
        """
        file = PeopleCsv(text, name)
        report = ImportReport(dropped_columns=file.dropped)
        with self.database.read() as connection:
            suppression.check_keys(connection, self.hasher)
        applicants = self._applicants(file, text, report)
        batches = iter(lambda: list(islice(applicants, BATCH)), [])
        with _paused_garbage_collection():
            for decisions in map(self._settle, batches):
                report.count(decisions)
                gc.collect(1)
        self.on_progress(text.buffer.tell())
        return report

    def _settle(self, batch: Sequence[Applicant]) -> list[Decision]:
        if self.dry_run:
            with self.database.read() as connection:
                candidates = admission.decide_all(connection, batch, self.evidence.topic, self.hasher)
        else:
            with self.database.write() as connection:
                candidates = admission.admit(connection, batch, self.evidence, self.hasher, self.clock())
        return [candidate.decision for candidate in candidates]

    def _applicants(self, file: PeopleCsv, text: TextIO, report: ImportReport) -> Iterator[Applicant]:
        """Those who agreed, each once; whoever else there is is counted in `report`."""
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
                case Applicant():
                    yield found
                case Refusal():
                    report.refused += 1
                    self.on_refusal(found)
                case None:
                    report.without_consent += 1
                case _:
                    assert_never(found)


@contextmanager
def _paused_garbage_collection() -> Iterator[None]:
    """Rows make no cycles, yet the garbage collector would walk each batch many times: a quarter of the work.

    What statements leave behind is young, and collected after each batch.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
