"""A folder whose name is no text (bytes that are not UTF-8): commands work there, or say what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.campaign import threaded
from tests.support.installed import InstalledMailer
from tests.support.relay import FaultyRelay

PEOPLE = "salutation,first_name,surname,email,opted_in,opted_in_at\n,Ada,B,ada@example.org,yes,2025-01-01T00:00:00Z\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    odd = tmp_path / os.fsdecode(b"caf\xe9 \xff")
    odd.mkdir()
    (odd / "people.csv").write_text(PEOPLE)
    (odd / "wording.txt").write_text("I agree.")
    (odd / "notes.md").write_text("# Hello\n\ntext\n")
    return odd


def test_from_the_first_command_to_a_restored_backup(mailer: InstalledMailer, folder: Path) -> None:
    with threaded(FaultyRelay()) as relay:
        environment = {
            "MAILER_UNSUBSCRIBE_CHECK": "off",
            "MAILER_SMTP__HOST": "127.0.0.1",
            "MAILER_SMTP__PORT": str(relay.port),
            "MAILER_SMTP__SECURITY": "none",
        }

        def run(*words: str, text: str | None = None) -> dict[str, object]:
            done = mailer.run(*words, "--json", cwd=folder, env=environment, input=text)
            assert "Traceback" not in done.stderr
            return dict(json.loads(done.stdout))

        run("init", "--sender", "Acme <news@acme.example>")
        assert run("doctor", "--offline")["healthy"]
        run("subscribers", "import", "people.csv", "--source", "a test", "--wording", "wording.txt")
        run("campaigns", "create", "-", "--slug", "notes", text="# Hello\n\ntext\n")
        run("backup", "backup.db")
        assert run("campaigns", "send", "notes", "--yes")["accepted"] == 1
        former = str(run("restore", "backup.db", "--yes")["former"])
        assert (folder / Path(former).name).exists()
        run("privacy", "replay", "--lost")
        run("deliveries", "resolve", "notes", "--assume-sent")
    assert [mail.recipient for mail in relay.accepted] == ["ada@example.org"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("campaigns", "create", "notes.md"), "the name of a file or folder, is not UTF-8 text."),
        (("status",), "can't be opened"),
    ],
)
def test_what_can_not_work_there_says_why(
    mailer: InstalledMailer, folder: Path, words: tuple[str, ...], said: str
) -> None:
    mailer.run("init", "--sender", "Acme <news@acme.example>", cwd=folder)
    if words == ("status",):
        (folder / "mailer.db").unlink()
    done = mailer.run(*words, "--json", cwd=folder, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["error"]["hint"]
    if words == ("status",):
        health = mailer.run("doctor", "--offline", "--json", cwd=folder, check=False)
        assert not json.loads(health.stdout)["healthy"]
