"""The story of the account system in a browser: tick the box, get the mail, leave by its link, see the box untick."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from shutil import copyfile

import pytest
from bs4 import BeautifulSoup
from click.testing import CliRunner
from playwright.sync_api import Browser, expect

from campaigns.demo.account import EMAIL, WORDING, Account
from campaigns.demo.processes import wait_until_up
from cli import mailer as command
from mailer.database import Database
from tests.support.campaign import threaded, write_config
from tests.support.installed import InstalledMailer
from tests.support.loopback import free_port
from tests.support.relay import FaultyRelay

EXAMPLES = Path(__file__).parents[2] / "examples"
MILLISECONDS = 60_000  # for what takes one second on a quiet machine


def run(*arguments: str) -> str:
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


@contextmanager
def served(mailer: InstalledMailer, folder: Path, port: int) -> Iterator[None]:
    with subprocess.Popen(
        [mailer.command, "serve", "--port", str(port)], cwd=folder, env=mailer.environment()
    ) as process:
        try:
            wait_until_up(f"http://127.0.0.1:{port}/healthz")
            yield
        finally:
            process.terminate()


def prepare(folder: Path, database: Database, relay_port: int, address: str) -> None:
    write_config(folder, relay_port, database_url=database.url.render_as_string(hide_password=False))
    settings = folder / "mailer.toml"
    text = settings.read_text(encoding="utf-8").replace("https://example.com", address)
    settings.write_text(f"{text}\n[webhooks]\nallow_private = true\nallow_http = true\n", encoding="utf-8")
    (folder / "account").mkdir()
    copyfile(EXAMPLES / "account" / "account.py", folder / "account" / "account.py")
    copyfile(EXAMPLES / WORDING, folder / WORDING)
    (folder / "notes.md").write_text(
        "---\nlocale: en\n---\n\n# Version 2\n\nIt is quicker.\n", encoding="utf-8"
    )


def unsubscribe_link(content: bytes) -> str:
    part = message_from_bytes(content, policy=policy.default).get_body(("html",))
    assert part is not None
    link = BeautifulSoup(part.get_content(), "html.parser").find("a", string="Unsubscribe")
    assert link is not None
    return str(link["href"])


def test_the_owner_ticks_a_box_and_the_link_of_the_mail_unticks_it(
    chromium: Browser,
    mailer: InstalledMailer,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    page = chromium.new_page()
    page.set_default_timeout(MILLISECONDS)
    with threaded(FaultyRelay(pipelining=True)) as relay:
        prepare(tmp_path, database, relay.port, address)
        with served(mailer, tmp_path, port), Account(tmp_path, address, run).serving() as account:
            page.goto(account.url)
            box = page.get_by_role("checkbox")
            expect(box).not_to_be_checked()
            box.click()
            expect(page.get_by_role("checkbox")).to_be_checked(timeout=MILLISECONDS)
            run("campaigns", "create", "notes.md")
            mailer.run("campaigns", "send", "notes", "--yes", cwd=tmp_path)
            [mail] = relay.accepted
            assert mail.recipient == EMAIL

            page.goto(unsubscribe_link(mail.content))
            page.get_by_role("button").first.click()
            expect(page.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")
            page.goto(account.url)
            expect(page.get_by_role("checkbox")).not_to_be_checked(timeout=MILLISECONDS)
    page.close()
