"""root runs a command once in the folder of the user `mailer`: what it makes there can be used by that user."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.installed import InstalledMailer

OWNER = 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_beside_the_settings_belongs_to_the_folder_s_owner(
    mailer: InstalledMailer, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, OWNER, OWNER)
    mailer.run("init", "--sender", "Acme <a@acme.example>", "--public-url", "https://acme.example", cwd=home)
    wording, people = tmp_path / "wording.txt", tmp_path / "people.csv"
    wording.write_text("Yes, mail me.\n")
    people.write_text(
        "salutation,first_name,surname,email,opted_in,opted_in_at\nMs,Ada,Lee,ada@example.org,yes,2026-01-01 10:00\n"
    )
    mailer.run("subscribers", "import", people, "--source", "portal", "--wording", wording, cwd=home)
    mailer.run("consent", "withdraw", "ada@example.org", cwd=home)
    mailer.run("keys", "dkim", cwd=home)
    mailer.run("backup", tmp_path / "backup.db", cwd=home)
    (home / "mailer.db").unlink()
    mailer.run("restore", tmp_path / "backup.db", "--yes", cwd=home)
    made = {path.name: path.stat().st_uid for path in home.iterdir()}
    assert {"mailer.db", "mailer.head", "mailer.journal", "mailer.ledger.key"} <= set(made)
    assert {name for name, owner in made.items() if owner != OWNER} == set()
    assert (tmp_path / "backup.db").stat().st_uid == 0
