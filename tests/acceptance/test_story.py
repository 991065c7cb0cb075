"""The main job, end to end, by the installed command: from release notes to inboxes that agreed, and back."""

from __future__ import annotations

import html
import json
import re
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.certificates import loopback_certificates
from tests.support.installed import InstalledMailer
from tests.support.loopback import free_port

PEOPLE = """\ufeffAanhef;Voornaam;Tussenvoegsel;Achternaam;E-mailadres;Telefoon;Toestemming;Toestemming_op
mevrouw;Zoë;;Ångström-Łuczak;zoe@example.com;06-1;ja;2026-06-01 09:15
de heer;;;'t Hooft;hooft@example.org;;true;2026-06-01T09:20:00+02:00
;Sam;;;sam@example.net;;1;2026-06-01 10:00
mevrouw;Nee;;Bedankt;nee@example.com;;nee;2026-06-01 10:00
de heer;Fout;;Adres;geen-adres;;ja;2026-06-01 10:00
mevrouw;ZOË;;Dubbel;Zoe@EXAMPLE.com;;ja;2026-06-01 10:00
"""

NOTES = """\
---
title: "Versie 2.4: sneller klaar"
version: 2.4.0
date: 2026-11-01
locale: nl
preheader: Wat er nieuw is, in een minuut.
---

## Nieuw

- Een [planbord](https://app.example.com/planbord?week=48&jaar=2026) voor de hele week.
- Zoek op `code` & <tekens>.
"""

TEXT = """\
Versie 2.4: sneller klaar
=========================
Versie 2.4.0 · 1 november 2026

{greeting},

Nieuw
-----

- Een planbord <https://app.example.com/planbord?week=48&jaar=2026> voor
  de hele week.
- Zoek op `code` & <tekens>.

--\x20
U ontvangt deze e-mail op {email}, omdat u toestemming hebt
gegeven voor berichten over nieuwe versies van Acme.

Geen berichten meer ontvangen? U kunt zich op elk moment uitschrijven.
Uitschrijven: {link}

Acme
"""

GREETINGS = {
    "zoe@example.com": ("Geachte mevrouw Ångström-Łuczak", "Zoë Ångström-Łuczak"),
    "hooft@example.org": ("Geachte heer 't Hooft", "'t Hooft"),
    "sam@example.net": ("Beste Sam", "Sam"),
}


class Inboxes:
    """What the relay was handed: envelope sender, recipient and the raw content of each mail."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str, bytes]] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content
        assert isinstance(content, bytes)
        self.mails += [(envelope.mail_from or "", who, content) for who in envelope.rcpt_tos]
        return "250 2.0.0 Ok"

    def to(self, who: str) -> list[EmailMessage]:
        found = [content for _, recipient, content in self.mails if recipient == who]
        return [message_from_bytes(content, policy=policy.default) for content in found]


@contextmanager
def relay() -> Iterator[tuple[Inboxes, int]]:
    """A relay that wants STARTTLS and a login."""
    inboxes = Inboxes()

    def check(
        _server: object, _session: object, _envelope: object, _mechanism: str, data: object
    ) -> AuthResult:
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"acme", b"secret pass")
        return AuthResult(success=right)

    controller = Controller(
        inboxes,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=loopback_certificates().server_context(),
        require_starttls=True,
        auth_required=True,
        authenticator=check,
    )
    controller.start()
    try:
        yield inboxes, controller.port
    finally:
        controller.stop()


@dataclass
class Workspace:
    """A folder in which `mailer init` was run, with its relay and its web application."""

    mailer: InstalledMailer
    folder: Path
    inboxes: Inboxes
    environment: dict[str, str]

    def run(self, *words: str, code: int = 0) -> dict[str, Any]:
        done = self.mailer.run(*words, "--json", cwd=self.folder, env=self.environment, check=False)
        assert done.returncode == code, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    @contextmanager
    def serving(self) -> Iterator[None]:
        port = self.environment["MAILER_PUBLIC_URL"].rpartition(":")[2]
        command: list[str | Path] = [self.mailer.command, "serve", "--port", port]
        environment = self.mailer.environment(self.environment)
        with subprocess.Popen(
            command, cwd=self.folder, env=environment, stderr=subprocess.DEVNULL
        ) as process:
            try:
                wait_for(int(port))
                yield
            finally:
                process.terminate()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the web application did not start")


@pytest.fixture(params=["sqlite", "postgresql"])
def workspace(request: pytest.FixtureRequest, mailer: InstalledMailer, tmp_path: Path) -> Iterator[Workspace]:
    with relay() as (inboxes, port):
        environment = {
            "MAILER_PUBLIC_URL": f"http://127.0.0.1:{free_port()}",
            "MAILER_SENDER": "Acme nieuws <nieuws@acme.example>",
            "MAILER_SMTP__HOST": "127.0.0.1",
            "MAILER_SMTP__PORT": str(port),
            "MAILER_SMTP__SECURITY": "starttls",
            "MAILER_SMTP__USERNAME": "acme",
            "MAILER_SMTP__PASSWORD": "secret pass",
            "MAILER_SMTP__CA_FILE": str(loopback_certificates().ca_file),
            "MAILER_BRAND__NAME": "Acme",
        }
        if request.param == "postgresql":
            database = request.getfixturevalue("postgresql_database")
            environment["MAILER_DATABASE_URL"] = database.url.render_as_string(hide_password=False)
        workspace = Workspace(mailer, tmp_path, inboxes, environment)
        workspace.run("init")
        (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
        (tmp_path / "wording.txt").write_text("Ja, mail mij over nieuwe versies.\n", encoding="utf-8")
        (tmp_path / "notes.md").write_text(NOTES, encoding="utf-8")
        yield workspace


def test_the_story(workspace: Workspace) -> None:
    """Import, create, send, click, send again: who gets what, to the byte."""
    source = ("--source", "account settings", "--wording", "wording.txt")
    imported = workspace.run("subscribers", "import", "people.csv", *source)
    assert imported["read"] == 6
    assert (imported["granted"], imported["without_consent"], imported["refused"]) == (3, 1, 2)
    assert imported["dropped_columns"] == ["Telefoon"]

    assert workspace.run("campaigns", "create", "notes.md", "--slug", "v240")["slug"] == "v240"
    assert workspace.run("campaigns", "lint", "v240")["errors"] == 0
    sent = workspace.run("campaigns", "send", "v240", "--yes")
    assert {name: sent[name] for name in ("audience", "accepted", "pending", "uncertain")} == {
        "audience": 3,
        "accepted": 3,
        "pending": 0,
        "uncertain": 0,
    }
    assert sorted(who for _, who, _ in workspace.inboxes.mails) == sorted(GREETINGS)
    for envelope_sender, who, content in workspace.inboxes.mails:
        assert envelope_sender == "nieuws@acme.example"
        check_mail(workspace, who, content)

    with workspace.serving():
        link = one_click_link(workspace.inboxes.to("sam@example.net")[0])
        with httpx.Client(timeout=30) as client:
            assert client.get(link).status_code == client.head(link).status_code == 200
            assert workspace.run("consent", "history", "sam@example.net")["events"][-1]["kind"] == "granted"
            for _ in range(2):
                answer = client.post(link, data={"List-Unsubscribe": "One-Click"})
                assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
            assert 400 <= client.post(link[:-2], data={"List-Unsubscribe": "One-Click"}).status_code < 500
    assert [event["kind"] for event in workspace.run("consent", "history", "sam@example.net")["events"]] == [
        "granted",
        "withdrawn",
    ]

    workspace.run("campaigns", "create", "notes.md", "--slug", "v250")
    assert workspace.run("campaigns", "send", "v250", "--yes")["accepted"] == 2
    assert len(workspace.inboxes.to("sam@example.net")) == 1
    assert len(workspace.inboxes.to("zoe@example.com")) == 2
    assert workspace.run("consent", "verify")

    again = workspace.run("subscribers", "import", "people.csv", *source)
    assert (again["granted"], again["unchanged"], again["still_withdrawn"]) == (0, 2, 1)


def check_mail(workspace: Workspace, who: str, content: bytes) -> None:
    """One mail as it arrived, against what it must be."""
    assert content.isascii()
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    greeting, name = GREETINGS[who]
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    link = one_click_link(message)
    expected = {
        "From": "Acme nieuws <nieuws@acme.example>",
        "Subject": "Versie 2.4: sneller klaar",
        "List-Unsubscribe": f"<{link}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
        "Precedence": "bulk",
        "Content-Language": "nl",
        "MIME-Version": "1.0",
    }
    assert {header: message[header] for header in expected} == expected
    assert (message["To"].addresses[0].display_name, message["To"].addresses[0].addr_spec) == (name, who)
    assert message["List-Id"].endswith("<release-notes.acme.example>")
    assert re.fullmatch(r"<[0-9a-f]+\.[0-9a-f]+@acme\.example>", message["Message-ID"].strip())
    assert message["Date"].datetime.timestamp() == pytest.approx(time.time(), abs=300)
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]

    plain, rich = (part.get_content().replace("\r\n", "\n") for part in message.iter_parts())
    assert plain == TEXT.format(greeting=greeting, email=who, link=link)
    assert rich == filled(frozen_html(workspace, "v240"), greeting, who, link)
    assert 'href="https://app.example.com/planbord?week=48&amp;jaar=2026"' in rich
    assert "<tekens>" not in rich


def filled(frozen: str, greeting: str, who: str, link: str) -> str:
    """The frozen HTML with its slots filled and escaped, made without the code under test."""
    for slot, value in (("greeting", greeting), ("email", who), ("unsubscribe_url", link)):
        frozen = frozen.replace(f"__slot_{slot}__", html.escape(value))
    return frozen if frozen.endswith("\n") else frozen + "\n"


def frozen_html(workspace: Workspace, slug: str) -> str:
    if url := workspace.environment.get("MAILER_DATABASE_URL"):
        import psycopg  # noqa: PLC0415

        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT html FROM campaign WHERE slug = %s", [slug]).fetchone()
    else:
        with sqlite3.connect(workspace.folder / "mailer.db") as connection:
            row = connection.execute("SELECT html FROM campaign WHERE slug = ?", [slug]).fetchone()
    assert row is not None
    return str(row[0]).replace("\r\n", "\n")


def one_click_link(message: EmailMessage) -> str:
    found = re.fullmatch(r"<(http://127\.0\.0\.1:\d+/u/[\w.-]+)>", message["List-Unsubscribe"])
    assert found is not None
    return found[1]
