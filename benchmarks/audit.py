"""`python -m benchmarks.audit [--deliveries N] [--folder DIR]`: how long an audit takes to write and to check, and its size.

One person, consent and accepted mail each, in a SQLite file. The check is examples/verify_audit.py, without the
database.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, text

from benchmarks.programs import PYTHON, ROOT, run
from benchmarks.verification import TOPIC, fill, peak_megabytes, signed_database
from campaigns.audit import write_audit
from campaigns.deliveries import campaign
from campaigns.states import CampaignState
from mailer.database import Database
from subscribers.ledger import signed_checkpoint

_ACCEPTED = """
INSERT INTO delivery (campaign_id, subscriber_id, state, attempts, next_attempt_at, attempted_at, completed_at, ledger_entry)
SELECT 1, subscriber_id, 'accepted', 1, recorded_at, recorded_at, recorded_at, id FROM consent_event
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how long an audit takes.")
    parser.add_argument("--deliveries", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where files are made; a temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        database, key = signed_database(Path(folder))
        fill(database, options.deliveries)
        _deliver(database)
        file = Path(folder) / "audit.zip"
        now, memory = datetime.now(UTC), peak_megabytes()
        cpu, wall = time.process_time(), time.monotonic()
        with database.read() as connection:
            write_audit(connection, file, now - timedelta(days=1), now, now)
        print(
            f"{options.deliveries:,} deliveries written in {time.process_time() - cpu:.1f} s of CPU, "
            f"{time.monotonic() - wall:.1f} s; {file.stat().st_size / 1e6:.0f} MB, "
            f"{peak_megabytes() - memory:.0f} MB of memory more than before"
        )
        database.close()
        done = run([PYTHON, ROOT / "examples" / "verify_audit.py", file, "--key", key.vkey])
        print(
            f"checked in {done.cpu_seconds:.1f} s of CPU, {done.seconds:.1f} s; {done.peak_bytes / 1e6:.0f} MB of memory"
        )


def _deliver(database: Database) -> None:
    now = datetime.now(UTC)
    with database.write() as connection:
        row = {
            "slug": "notes",
            "topic": TOPIC,
            "locale": "en",
            "state": CampaignState.FINISHED,
            "notes": "{}",
            "created_at": now,
            "started_at": now,
            "finished_at": now,
            "ledger_checkpoint": signed_checkpoint(connection),
        }
        connection.execute(insert(campaign).values(row))
        connection.execute(text(_ACCEPTED))


if __name__ == "__main__":
    main()
