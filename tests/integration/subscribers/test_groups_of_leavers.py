"""Many people who leave together leave in small groups: on PostgreSQL each holds up sending until its commit."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, text

from cli import mailer as command
from mailer.database import Database
from subscribers import audience
from subscribers.address import AddressHasher
from subscribers.intake import AccountSync, Evidence, Import
from subscribers.kinds import Channel, ConsentKind
from subscribers.tables import EVENT
from tests.support.campaign import SECRET, TOPIC, subscribe

PEOPLE, MOST = 205, 100

Leave = Callable[[Database, Path], object]


def _by_file(database: Database, _folder: Path) -> None:
    _job(database, Channel.IMPORT).run(_file("no"), "people.csv")


def _by_list(database: Database, _folder: Path) -> None:
    AccountSync(_job(database, Channel.SYNC), datetime.now(UTC), lambda *_: None).run(
        _file("no"), "people.csv"
    )


def _by_absence(database: Database, _folder: Path) -> None:
    others = io.TextIOWrapper(io.BytesIO(b"email,opted_in,opted_in_at\n"), encoding="utf-8", newline="")
    AccountSync(_job(database, Channel.SYNC), datetime.now(UTC), lambda *_: None).run(others, "people.csv")


def _by_suppression(database: Database, folder: Path) -> None:
    (folder / "mailer.toml").write_text(
        f'sender = "notes@example.com"\npublic_url = "https://mail.example.com"\nsecret_keys = ["{SECRET}"]\n'
        f'database_url = "{database.url.render_as_string(hide_password=False)}"\n',
        encoding="utf-8",
    )
    (folder / "people.txt").write_text("".join(f"{email}\n" for email in _emails()), encoding="utf-8")
    arguments = [
        "--config",
        str(folder / "mailer.toml"),
        "subscribers",
        "suppress",
        str(folder / "people.txt"),
    ]
    done = CliRunner().invoke(command, [*arguments, "--reason", "they asked", "--yes"])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("leave", [_by_file, _by_list, _by_absence, _by_suppression])
def test_a_transaction_ends_the_consents_of_few_people(
    postgresql_database: Database, tmp_path: Path, leave: Leave
) -> None:
    subscribe(postgresql_database, PEOPLE)
    leave(postgresql_database, tmp_path)
    with postgresql_database.read() as connection:
        assert audience.count(connection, TOPIC) == 0
        written_by = text("consent_event.xmin::text")  # the transaction
        groups = (
            select(func.count())
            .where(EVENT.c.kind.in_([ConsentKind.WITHDRAWN, ConsentKind.SUPPRESSED]))
            .group_by(written_by, EVENT.c.kind)
        )
        sizes = connection.execute(groups).scalars().all()
    assert sum(sizes) >= PEOPLE
    assert max(sizes) <= MOST


def _emails() -> list[str]:
    return [f"person{number}@example.com" for number in range(1, PEOPLE + 1)]


def _file(opted_in: str) -> io.TextIOWrapper:
    rows = "".join(f"{email},{opted_in},\n" for email in _emails())
    octets = f"email,opted_in,opted_in_at\n{rows}".encode()
    return io.TextIOWrapper(io.BytesIO(octets), encoding="utf-8", newline="")


def _job(database: Database, channel: Channel) -> Import:
    return Import(
        database=database,
        evidence=Evidence(TOPIC, "accounts", "I agree.", channel=channel),
        hasher=AddressHasher([SECRET.encode()]),
        zone=ZoneInfo("Europe/Amsterdam"),
        clock=lambda: datetime.now(UTC),
        on_refusal=lambda _: None,
        on_progress=lambda _: None,
        confirm=lambda *_: None,
    )
