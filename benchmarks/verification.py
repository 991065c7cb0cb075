"""`python -m benchmarks.verification [--entries N] [--folder DIR]`: how long verifying a ledger takes, and its memory.

One person an entry, in a SQLite file. CPU seconds count: other work on the machine does not change them much.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from mailer.config import ledger_key
from mailer.database import Database, insert
from mailer.database.columns import table
from subscribers import ledger
from subscribers.address import AddressHasher, normalise
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import LedgerSigner, NewEvent
from subscribers.models import Subscriber

AT_ONCE = 10_000
SECRET = b"a-secret-key-that-is-long-enough-for-this"
TOPIC = "release-notes"


def signed_database(folder: Path) -> tuple[Database, ledger_key.LedgerKey]:
    """A new database in `folder`, and the key that signs its ledger."""
    database = Database("sqlite:///ledger.db", folder)
    database.create()
    key = ledger_key.fresh("example.com")
    database.attach(LedgerSigner(lambda: key))
    return database, key


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how long verifying a ledger takes.")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument(
        "--folder", type=Path, help="where the database is made; a temporary folder by default"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        database, _ = signed_database(Path(folder))
        began = time.process_time()
        fill(database, options.entries)
        print(f"{options.entries:,} entries made in {time.process_time() - began:.1f} s of CPU")
        hasher = AddressHasher([SECRET])
        checks: dict[str, Callable[..., object]] = {
            "verify --quick": ledger.verify_quickly,
            "verify": lambda connection: ledger.verify(connection, hasher=hasher),
        }
        for name, check in checks.items():
            memory, cpu, wall = peak_megabytes(), time.process_time(), time.monotonic()
            with database.read() as connection:
                check(connection)
            print(
                f"{name}: {time.process_time() - cpu:.2f} s of CPU, {time.monotonic() - wall:.2f} s, "
                f"{peak_megabytes() - memory:.0f} MB more than before"
            )
        database.close()


def fill(database: Database, entries: int) -> None:
    """Put people on file, each with one consent."""
    hasher, now = AddressHasher([SECRET]), datetime.now(UTC)
    with database.write() as connection:
        wording = ledger.store_wording(connection, "Yes, mail me.", now, topic=TOPIC)
    for first in range(1, entries + 1, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, entries + 1))
        rows, events = [], []
        for number in numbers:
            address = normalise(f"person{number}@example.com")
            hashed, nonce = hasher.newest(address.key), ledger.fresh_nonce()
            rows.append(
                (number, "", "", "", address.spelling, address.key, hashed.hash, hashed.key_id, nonce, now)
            )
            subject = ledger.commit_to_subject(nonce, address.key)
            events.append(
                NewEvent(number, TOPIC, ConsentKind.GRANTED, now, Channel.IMPORT, wording, subject=subject)
            )
        with database.write() as connection:
            people = table(Subscriber)
            insert(connection, people, tuple(people.columns.keys()), rows)
            ledger.append(connection, events, now, new_people=numbers)


def peak_megabytes() -> float:
    """The most memory that this process has used."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
