"""Random requests through every interface, of several processes at once: nobody is mailed after leaving.

`MAILER_TESTS_INTERLEAVINGS` says how many requests; `make soak` makes 100,000. A failure names its seed, and
`MAILER_TESTS_SEED` takes it: the same requests are made, but how the processes get on is the machine's.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import literal, select

import subscribers.ledger
from mailer.database import Database, Prepared, Step
from subscribers.intake import signup
from subscribers.ledger import consent_lock, ledger
from subscribers.self_service import preferences
from tests.interleaving import processes, sending
from tests.interleaving.interfaces import INTERFACES
from tests.interleaving.promise import BrokenPromise, check
from tests.simulation.walls import Wall, knock_out
from tests.support.figures import report_figures

REQUESTS = int(os.environ.get("MAILER_TESTS_INTERLEAVINGS", "1000"))
SEED = int(os.environ.get("MAILER_TESTS_SEED", "0"))
A_FEW = 150  # requests, among which a missing wall is mostly found out
TRIES = 20
AT_ONCE = 10_000  # requests to one database; checking them takes memory

# The processes are copies of this one, with a wall missing or not. What runs in its threads does not concern them.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture(autouse=True)
def no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person asks for more here in a minute than in a year elsewhere."""
    monkeypatch.setattr(signup, "PER_ADDRESS", replace(signup.PER_ADDRESS, most=1_000_000))
    monkeypatch.setattr(preferences, "MAILS_A_DAY", 1_000_000)


@pytest.mark.timeout(300 + REQUESTS)
def test_nobody_is_mailed_after_leaving_through_any_interface(
    postgresql_database: Database, tmp_path: Path
) -> None:
    interfaces: Counter[str] = Counter()
    mails = entries = 0
    broken_off: list[str] = []
    for seed in range(SEED, SEED + max(REQUESTS // AT_ONCE, 1)):
        record = processes.run(postgresql_database, tmp_path, seed, min(REQUESTS, AT_ONCE))
        check(record)
        broken_off += [f"seed {seed}: {act.interface}" for act in record.acts if act.is_broken_off]
        interfaces.update(act.interface for act in record.acts)
        mails, entries = mails + len(record.attempts), len(record.entries)
    used = ", ".join(f"{interface} {count:,}" for interface, count in sorted(interfaces.items()))
    report_figures(
        f"{interfaces.total():,} requests ({len(broken_off)} broken off), {mails:,} mails, {entries:,} entries: {used}"
    )
    assert mails
    assert broken_off == [], "what PostgreSQL breaks off is done again"
    assert interfaces.keys() == INTERFACES.keys()


@pytest.mark.parametrize(
    "wall", ["the gate asks again", "the gate holds the consents", "appends are serialised"]
)
def test_without_a_wall_somebody_is_mailed_after_leaving_or_something_fails(
    postgresql_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wall: str
) -> None:
    if wall == "the gate asks again":
        knock_out(Wall.GATE_IS_THE_WRITE, monkeypatch)
        problem = "(attempted after a withdrawal was answered|up to which there is no consent)"
    elif wall == "the gate holds the consents":
        for module in (consent_lock, subscribers.ledger):
            monkeypatch.setattr(module, "HOLD_CONSENTS", Step(Prepared(select(literal(1))), {}))
        monkeypatch.setattr(sending, "LONGEST_GATE_SECONDS", 0.1)
        problem = "attempted after a withdrawal was answered"
    else:
        monkeypatch.setattr(ledger, "lock_table", lambda *_: None)
        problem = "(failed|ledger is broken)"

    def some_runs() -> None:
        for seed in range(SEED, SEED + TRIES):
            check(processes.run(postgresql_database, tmp_path, seed, A_FEW))

    with pytest.raises(BrokenPromise, match=rf"seed \d+: .*{problem}"):
        some_runs()
