"""Random requests through every door, of several processes at once: nobody is mailed after leaving.

`MAILER_TESTS_INTERLEAVINGS` says how many requests; `make soak` makes 100,000.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mailer.database import Database
from subscribers.intake import signup
from subscribers.self_service import preferences
from tests.interleaving import processes
from tests.interleaving.promise import check
from tests.support.figures import report_figures

REQUESTS = int(os.environ.get("MAILER_TESTS_INTERLEAVINGS", "600"))
SEED = int(os.environ.get("MAILER_TESTS_SEED", "0"))


@pytest.fixture(autouse=True)
def no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person asks for more here in a minute than in a year elsewhere."""
    monkeypatch.setattr(signup, "PER_ADDRESS", replace(signup.PER_ADDRESS, most=1_000_000))
    monkeypatch.setattr(preferences, "MAILS_A_DAY", 1_000_000)


@pytest.mark.timeout(60 + REQUESTS)
def test_nobody_is_mailed_after_leaving_through_whatever_door(
    postgresql_database: Database, tmp_path: Path
) -> None:
    record = processes.run(postgresql_database, tmp_path, SEED, REQUESTS)
    check(record)
    doors = Counter(act.door for act in record.acts)
    report_figures(
        f"{len(record.acts):,} requests, {len(record.attempts):,} mails, {len(record.entries):,} entries: {dict(doors)}"
    )
