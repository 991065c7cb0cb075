"""Limits that hold for all workers together, as a relay sees them: three processes of the installed command.

`MAILER_TESTS_PACE_SECONDS` says for how long it is measured; `make soak` takes a minute, on a quiet machine. On a busy
one the processes may fall behind, and a relay that stands still for a moment then counts more mails in the next second.
So there the test only says that no mail comes too early.
"""

from __future__ import annotations

import os
import subprocess
import time
from bisect import bisect_left
from collections import Counter
from pathlib import Path

import pytest

from mailer.database import Database
from tests.support.campaign import dispatch_for, draft, settings_for, subscribe, threaded, write_config
from tests.support.figures import report_figures
from tests.support.installed import InstalledMailer
from tests.support.relay import FaultyRelay, Mail

PER_SECOND = 50
WORKERS = 3
SECONDS = int(os.environ.get("MAILER_TESTS_PACE_SECONDS", "10"))
IS_QUIET = "MAILER_TESTS_PACE_SECONDS" in os.environ
SLOWEST, LARGEST_CROWD = 0.95, 1.2  # of the limit


class TimedRelay(FaultyRelay):
    """Notes when it took each mail."""

    def __init__(self) -> None:
        super().__init__(pipelining=True)
        self.moments: list[float] = []

    def take(self, mail: Mail) -> None:
        self.moments.append(time.monotonic())
        super().take(mail)


@pytest.mark.timeout(SECONDS + 200)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_three_workers_together_keep_the_pace_of_one_relay(
    mailer: InstalledMailer, request: pytest.FixtureRequest, tmp_path: Path, engine: str
) -> None:
    """50 a second, and never many more in any second."""
    database: Database = request.getfixturevalue(f"{engine}_database")
    people = PER_SECOND * (SECONDS + 2)
    subscribe(database, people)
    draft(database)
    with threaded(TimedRelay()) as relay:
        url = database.url.render_as_string(hide_password=False)
        write_config(tmp_path, relay.port, database_url=url, connections=4)
        with (tmp_path / "mailer.toml").open("a", encoding="utf-8") as config:
            config.write(f"[smtp.limits]\nper_second = {PER_SECOND}\n")
        dispatch_for(database, settings_for(relay.port)).start("notes")
        began = time.monotonic()
        command: list[str | Path] = [mailer.command, "campaigns", "send", "notes", "--yes"]
        runs = [
            subprocess.Popen(
                command,
                cwd=tmp_path,
                env=mailer.environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(WORKERS)
        ]
        ends = [(run.communicate(timeout=SECONDS + 120)[1], run.returncode) for run in runs]
    assert all(code in {0, 75} for _, code in ends), ends
    assert Counter(Counter(mail.recipient for mail in relay.accepted).values()) == {1: people}
    moments = relay.moments
    begin = moments[0] + 1  # all three are at work by then
    sent = bisect_left(moments, begin + SECONDS) - bisect_left(moments, begin)
    crowd = max(bisect_left(moments, moment + 1) - number for number, moment in enumerate(moments))
    report_figures(f"{engine}: {sent / SECONDS:.2f} a second for {SECONDS} s, at most {crowd} in any second")
    too_early = [
        n for n, moment in enumerate(moments) if n - PER_SECOND > 1.02 * PER_SECOND * (moment - began)
    ]
    assert not too_early
    if IS_QUIET:
        assert SLOWEST * PER_SECOND <= sent / SECONDS <= 1.05 * PER_SECOND
        assert crowd <= LARGEST_CROWD * PER_SECOND
