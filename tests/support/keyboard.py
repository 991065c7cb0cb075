"""The command as someone at the keyboard has it, in this process."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner, Result

from cli import mailer
from mailer.database import Database
from mailer.errors import MailerError


def keyboard_for(relay_port: int, folder: Path, monkeypatch: pytest.MonkeyPatch, notes: str) -> Keyboard:
    """A keyboard in `folder`, with settings for a relay on loopback, a database, and a campaign of `notes`."""
    monkeypatch.chdir(folder)
    for name, value in {
        "MAILER_SECRET_KEYS": "k" * 32,
        "MAILER_SENDER": "Acme <notes@example.com>",
        "MAILER_UNSUBSCRIBE_CHECK": "off",
        "MAILER_SMTP__HOST": "127.0.0.1",
        "MAILER_SMTP__PORT": str(relay_port),
        "MAILER_SMTP__SECURITY": "none",
    }.items():
        monkeypatch.setenv(name, value)
    Path("notes.md").write_text(notes, encoding="utf-8")
    (folder / "mailer.db").write_bytes(_new_database())
    keyboard = Keyboard()
    keyboard("campaigns", "create", "notes.md")
    return keyboard


@cache
def _new_database() -> bytes:
    """The file of a database without people, which is made once."""
    with TemporaryDirectory() as folder:
        database = Database("sqlite:///mailer.db", Path(folder))
        database.create()
        database.close()
        return Path(folder, "mailer.db").read_bytes()


class Keyboard:
    """Runs commands in the working directory."""

    def __call__(self, *arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(mailer, arguments)
        ended = result.exception.exit_code if isinstance(result.exception, MailerError) else result.exit_code
        assert ended == code, result.exception or result.output
        return result

    def json(self, *arguments: str, code: int = 0) -> dict[str, object]:
        values = json.loads(self(*arguments, "--json", code=code).stdout)
        assert isinstance(values, dict)
        return values

    def refuse(self, *arguments: str) -> str:
        """Run a command that is refused (exit code 4); returns what it says."""
        return str(self(*arguments, code=4).exception)

    def subscribe(self, *emails: str, topic: str = "release-notes") -> None:
        """Import people who agreed."""
        rows = "".join(f"{email},yes,2026-06-01\n" for email in emails)
        Path("people.csv").write_text("email,opted_in,opted_in_at\n" + rows, encoding="utf-8")
        Path("wording.txt").write_text("Yes, mail me.\n", encoding="utf-8")
        wording = ("--source", "form", "--wording", "wording.txt", "--topic", topic)
        self("subscribers", "import", "people.csv", *wording)
