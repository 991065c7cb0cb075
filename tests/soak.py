"""The tests of delivery at length: `make soak`, or `python -m tests.soak hosts withdrawals` for some parts of it.

One part after the other, on a machine that has nothing else to do. It ends at the first that fails, and says how to
run that one again; when all have passed, it gathers their figures. The variables that make a part long may be set
otherwise: `MAILER_TESTS_KILLS=5 make soak ARGS=kills`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.figures import LINE_PREFIX

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Part:
    """A run of pytest, and the settings that make it long."""

    name: str
    about: str
    tests: Sequence[str]
    settings: Mapping[str, str]


PARTS = (
    Part(
        "pace",
        "three workers keep to 50 mails a second, for a minute",
        ["tests/acceptance/test_pace.py"],
        {"MAILER_TESTS_PACE_SECONDS": "60"},
    ),
    Part(
        "kills",
        "a sender is killed 201 times on SQLite, over three kinds of relay, and 33 times on PostgreSQL",
        ["tests/acceptance/test_crashes.py", "-k", "sigkill"],
        {"MAILER_TESTS_KILLS": "67"},
    ),
    Part(
        "withdrawals",
        "1,000 people leave during a send of 20,000, on both databases and three kinds of relay",
        ["tests/acceptance/test_withdrawals.py"],
        {"MAILER_TESTS_WITHDRAWALS": "1000"},
    ),
    Part(
        "hosts",
        "three hosts are killed, frozen and cut off during a send of 100,000; as root also in namespaces",
        ["tests/acceptance/test_hosts.py"],
        {"MAILER_TESTS_HOSTS_DELIVERIES": "100000"},
    ),
    Part(
        "restarts",
        "5,000 one-clicks while `mailer serve` is restarted",
        ["tests/acceptance/test_restart.py", "-k", "lose"],
        {"MAILER_TESTS_ONE_CLICKS": "5000"},
    ),
    Part(
        "changes",
        "`mailer serve` and `mailer worker` are killed 200 times on each database: no change is lost or out of order",
        ["tests/acceptance/test_kills.py"],
        {"MAILER_TESTS_SERVE_KILLS": "200"},
    ),
    Part(
        "interleaving",
        "100,000 random requests through every interface by several processes: nobody is mailed after leaving",
        ["tests/interleaving"],
        {"MAILER_TESTS_INTERLEAVINGS": "100000"},
    ),
    Part(
        "enumeration",
        "2,000 requests each for known, unknown and suppressed addresses: same bytes, and times not told apart",
        ["tests/integration/subscribers/test_enumeration.py"],
        {"MAILER_TESTS_ENUMERATION": "2000"},
    ),
    Part(
        "relays",
        "9,000 mails through Postfix, Exim and OpenSMTPD each way, written to docs/relays.md; needs root and `make relays`",
        ["tests/acceptance/test_real_relays.py"],
        {
            "MAILER_TESTS_RELAYS_PEOPLE": "9000",
            "MAILER_TESTS_RELAYS_TABLE": str(ROOT / "docs/relays.md"),
            "MAILER_TESTS_REQUIRE_RELAYS": "1",
        },
    ),
    Part(
        "tamperings",
        "what is evidence is altered 3,000 times on SQLite and 50 times on PostgreSQL; 100,000 mutations of a proof",
        [
            "tests/integration/campaigns/test_tampering_property.py",
            "tests/integration/subscribers/test_proof_bundle.py",
        ],
        {"MAILER_TESTS_TAMPERINGS": "3000", "MAILER_TESTS_BUNDLE_MUTATIONS": "100000"},
    ),
    Part(
        "postgresql",
        "the tests of the database, the gate and what people may ask, on Debian's PostgreSQL 15",
        [
            *("tests/integration/mailer/test_postgresql.py", "tests/integration/mailer/test_database.py"),
            *("tests/integration/mailer/test_migrations.py", "tests/integration/campaigns/test_gate.py"),
            *("tests/integration/campaigns/test_deadlocks.py", "tests/integration/subscribers"),
            *(
                "tests/integration/mailer/test_pipeline.py",
                "tests/integration/campaigns/test_leaving_and_the_gate.py",
            ),
            "tests/integration/campaigns/test_recorder_on_postgresql.py",
            *("-k", "postgresql or pipeline or leaving"),
        ],
        {"MAILER_TESTS_POSTGRESQL": "/usr/lib/postgresql/15/bin", "MAILER_TESTS_DEADLOCK_ROUNDS": "200"},
    ),
    Part(
        "properties",
        "1,000 examples of each property of what parses, encodes, signs and schedules",
        ["tests/unit", "-n", "2"],
        {"MAILER_TESTS_EXAMPLES": "1000"},
    ),
    Part(
        "faults",
        "every fault of a relay on SQLite and on PostgreSQL",
        ["tests/integration/campaigns/test_fault_walk.py"],
        {"MAILER_TESTS_FAULTS": "all"},
    ),
    Part(
        "themes",
        "1,000 made notes in each theme: nothing is lost, and both parts have the same order",
        ["tests/unit/templates/test_themes_property.py"],
        {"MAILER_TESTS_MADE_NOTES": "1000"},
    ),
    Part(
        "simulation",
        "100,000 histories, and those that find a missing wall",
        ["tests/simulation", "-n", "2"],
        {"MAILER_TESTS_HISTORIES": "100000"},
    ),
)


def main(names: Sequence[str]) -> int:
    """Run the parts of these names, or all; returns the exit code of the first that fails."""
    if unknown := sorted(set(names) - {part.name for part in PARTS}):
        say(f"There is no part {', '.join(unknown)}. There are:")
        say(*(f"  {part.name:12} {part.about}" for part in PARTS))
        return 2
    figures: list[str] = []
    for part in PARTS:
        if names and part.name not in names:
            continue
        say(f"\n== {part.name}: {part.about}")
        began = time.monotonic()
        code, lines = run(part)
        if code:
            say(
                f"\n== {part.name} FAILED; nothing after it was run. To run it again: make soak ARGS={part.name}"
            )
            return code
        figures += [f"{part.name}, {(time.monotonic() - began) / 60:.1f} minutes:", *lines]
    say("\n== All of it holds.", *figures)
    return 0


def run(part: Part) -> tuple[int, list[str]]:
    """Run a part and pass on what it says; returns its exit code, and the figures among that."""
    command = [sys.executable, "-m", "pytest", "-v", "-x", "-rPs", "--timeout", "7200", *part.tests]
    said: list[str] = []
    with subprocess.Popen(
        command, cwd=ROOT, env={**part.settings, **os.environ}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line.strip())
            say(line.rstrip())
    figures = [line.removeprefix(LINE_PREFIX) for line in said if line.startswith((LINE_PREFIX, "SKIPPED"))]
    return process.returncode, [f"  {line}" for line in (*figures, said[-1].strip("= "))]


def say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
