"""An imported audience and an approved campaign for it, created with the installed command.

What is made once is copied for each run: a folder with a SQLite file, or a PostgreSQL database.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from benchmarks.programs import Finished, mailer, profiled, run

SLUG = "notes"
CONFIG = """
sender = "Acme <notes@example.com>"
public_url = "https://mail.example.com"
theme = "letter"
secret_keys = ["a-key-for-as-long-as-this-benchmark-runs"]

[smtp]
host = "127.0.0.1"
port = 2525
security = "none"
connections = 20
messages_per_connection = 1000000
"""
# With the theme "letter" it makes a mail of 14 KB. "product", the default, would make 19 KB.
NOTES = """---
title: Version 2.4.0
---

Exports are **faster** and keep their columns, see [the guide](https://example.com/guide).
"""

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Audience:
    """Subscribers in their own folder, and the cost of importing them."""

    folder: Path
    people: int
    imported: Finished
    import_seconds: float
    database_url: str | None = None
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def engine(self) -> str:
        """The database engine."""
        return "postgresql" if self.database_url else "sqlite"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables for the command and the sender."""
        return self.settings | ({"MAILER_DATABASE_URL": self.database_url} if self.database_url else {})


def make(
    folder: Path, people: int, database_url: str | None = None, *, profile: Path | None = None
) -> Audience:
    """Import `people` who consented, and approve a campaign for them; `profile` gets the import's profile."""
    folder.mkdir()
    (folder / "mailer.toml").write_text(CONFIG, encoding="utf-8")
    (folder / "notes.md").write_text(NOTES, encoding="utf-8")
    (folder / "wording.txt").write_text("Yes, mail me the release notes.\n", encoding="utf-8")
    _write_people(folder / "people.csv", people)
    extra = {"MAILER_DATABASE_URL": database_url} if database_url else {}
    program = mailer()
    run([program, "init"], cwd=folder, extra=extra)
    consent = ["--source", "benchmark", "--wording", "wording.txt", "--json"]
    imported = run(
        [*profiled(profile), program, "subscribers", "import", "people.csv", *consent],
        cwd=folder,
        extra=extra,
    )
    (folder / "people.csv").unlink()
    report = json.loads(imported.output)
    assert report["granted"] == people, report
    run([program, "campaigns", "create", "notes.md", "--slug", SLUG], cwd=folder, extra=extra)
    run([program, "campaigns", "approve", SLUG], cwd=folder, extra=extra)
    return Audience(folder, people, imported, report["seconds"], database_url)


@contextmanager
def copied(audience: Audience) -> Iterator[Audience]:
    """A copy of the same people, to mail them for the first time again."""
    folder = audience.folder.with_name(f"{audience.folder.name}-{next(_numbers)}")
    shutil.copytree(audience.folder, folder)
    os.sync()  # now, not during a run
    try:
        if audience.database_url is None:
            yield Audience(folder, audience.people, audience.imported, audience.import_seconds)
            return
        with copied_database(audience.database_url) as url:
            yield Audience(folder, audience.people, audience.imported, audience.import_seconds, url)
    finally:
        shutil.rmtree(folder)


@contextmanager
def copied_database(url: str) -> Iterator[str]:
    """A copy of a PostgreSQL database."""
    original = make_url(url)
    copy = original.set(database=f"{original.database}_{next(_numbers)}")
    maintain(url, f"CREATE DATABASE {copy.database} TEMPLATE {original.database}")
    maintain(url, "CHECKPOINT")  # now, not during a run
    try:
        yield copy.render_as_string(hide_password=False)
    finally:
        maintain(url, f"DROP DATABASE {copy.database} WITH (FORCE)")


def maintain(url: str, statement: str) -> None:
    """Run a statement that must be outside a transaction."""
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg", database="postgres"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _write_people(path: Path, people: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("salutation,first_name,surname,email,opted_in,opted_in_at\n")
        for number in range(1, people + 1):
            file.write(f"Ms,Zoë,de Vries,person{number}@example.com,yes,2025-11-03 10:{number % 60:02}\n")
