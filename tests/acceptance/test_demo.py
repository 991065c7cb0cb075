"""`mailer demo` without a terminal: the whole story from the wheel alone, in a folder of its own.

After it, the four fields of the people stand nowhere but in their table and in their mails.
"""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import subprocess
import tomllib
from contextlib import closing
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from campaigns.demo.account import EMAIL
from tests.support.installed import InstalledMailer
from tests.support.personal_data import Sought
from tests.support.waiting import until

EXAMPLES = Path(__file__).parents[2] / "examples"
PEOPLE = EXAMPLES / "people.csv"
FOUR_FIELDS = {"salutation", "first_name", "surname", "email", "email_normalised"}
OF_THE_RECIPIENT = {"to", "delivered-to"}
SHORTEST_NAME = 5  # a shorter one stands in other words


@dataclass(frozen=True)
class Demo:
    """The folder of a demo that was played, its summary, and all that it printed."""

    mailer: InstalledMailer
    folder: Path
    summary: dict[str, int]
    printed: str

    def mails(self) -> list[EmailMessage]:
        found = [path.read_bytes() for path in (self.folder / "Maildir" / "new").iterdir()]
        return [message_from_bytes(content, policy=policy.default) for content in found]


@pytest.fixture(scope="module")
def demo(mailer: InstalledMailer, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    done = mailer.run("demo", "--json", "--folder", "show", cwd=folder)
    return Demo(mailer, folder / "show", json.loads(done.stdout), done.stdout + done.stderr)


@pytest.fixture(scope="module")
def sought() -> Sought:
    """All that people.csv says of people, also of those who did not agree: names, addresses, telephone numbers.

    A name that also is a word of the release notes or of a column can't be told from it, and is left out.
    """
    notes = [path.read_text(encoding="utf-8") for path in EXAMPLES.rglob("*.md")]
    texts = {EMAIL}
    with PEOPLE.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, delimiter=";")
        words = "\n".join([*notes, *(rows.fieldnames or ())]).lower()
        for row in rows:
            names = {row["Voornaam"].split("\n")[0], row["Achternaam"]}
            texts |= {name for name in names if len(name) >= SHORTEST_NAME and name.lower() not in words}
            texts |= {row["Telefoon"], row["LinkedIn"]}
            texts |= {row["E-mailadres"]} if "@" in row["E-mailadres"] else set()
    return Sought(texts - {""})


def test_the_demo_sends_clicks_and_leaves_that_person_out(demo: Demo) -> None:
    assert demo.summary["withdrawn"] == 1
    assert demo.summary["second"] == demo.summary["first"] - 1 > 10
    assert len(demo.mails()) == demo.summary["first"] + demo.summary["second"]
    assert "$ mailer campaigns send" in demo.printed
    # Else the first release would reach one more than were imported.
    assert "One person ticks the box" in demo.printed


def test_the_demo_has_nothing_to_warn_of(demo: Demo) -> None:
    """Its release notes have a date that is past, on any later day too."""
    assert re.findall(r"\d+ errors?, \d+ warnings?", demo.printed) == ["0 errors, 0 warnings"] * 2
    assert "date-future" not in demo.printed


def test_no_column_but_the_four_fields_holds_a_persons_data(demo: Demo, sought: Sought) -> None:
    elsewhere, in_fields = [], set()
    with closing(sqlite3.connect(demo.folder / "mailer.db")) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            rows = connection.execute(f"SELECT * FROM {table}")
            columns = [column for column, *_ in rows.description]
            for row in rows:
                for column, value in zip(columns, row, strict=True):
                    found = sought.find(value if isinstance(value, bytes) else str(value))
                    if table == "subscriber" and column in FOUR_FIELDS:
                        in_fields.update(found)
                    elif found:
                        elsewhere.append((table, column, found))
    assert elsewhere == []
    assert EMAIL in in_fields
    assert len(in_fields) > demo.summary["first"]  # the search does find them where they belong


def test_no_file_and_no_output_holds_a_persons_data(demo: Demo, sought: Sought) -> None:
    """The database and the mails aside; the files of the examples are what the operator brought."""
    written = [
        path
        for path in demo.folder.rglob("*")
        if path.is_file()
        and "Maildir" not in path.parts
        and not path.name.startswith("mailer.db")
        and not _is_example(path, demo.folder)
    ]
    assert {"mailer.journal", "mailer.head", "people.refused.csv"} <= {path.name for path in written}
    assert {path.name: found for path in written if (found := sought.find(path.read_bytes()))} == {}
    assert {path.name: found for path in written if (found := sought.find(path.name))} == {}
    assert sought.find(demo.printed) == []


def test_only_the_headers_of_the_recipient_hold_a_persons_data(demo: Demo, sought: Sought) -> None:
    mails = demo.mails()
    assert mails
    for mail in mails:
        assert sought.find(mail["To"])
        others = [f"{name}: {value}" for name, value in mail.items() if name.lower() not in OF_THE_RECIPIENT]
        assert [line for line in others if sought.find(line)] == []


@dataclass(frozen=True)
class Served:
    """What was asked of the pages and what they said around the bodies: URLs, headers, metrics, the server's log."""

    urls: list[str]
    headers: list[str]
    metrics: str
    log: str


@pytest.fixture(scope="module")
def served(demo: Demo) -> Served:
    """`mailer serve` in the demo's folder; each kind of request is made once."""
    public_url = tomllib.loads((demo.folder / "mailer.toml").read_text(encoding="utf-8"))["public_url"]
    log = demo.folder.parent / "serve.log"
    command = [str(demo.mailer.command), "serve", "--access-log", "--port", str(urlsplit(public_url).port)]
    link = re.sub(r"[<>]", "", demo.mails()[0]["List-Unsubscribe"])
    urls = [link, f"{link}x", *(f"{public_url}{path}" for path in ("/healthz", "/privacy", "/nowhere"))]
    answers: list[httpx.Response] = []
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=demo.folder, env=demo.mailer.environment(), stdout=output, stderr=output
        ) as process,
    ):
        try:
            until(lambda: _answers(f"{public_url}/healthz"), "the start of the server")
            with httpx.Client(timeout=300) as client:
                answers += [client.request(how, url) for url in urls for how in ("GET", "HEAD", "POST")]
                metrics = client.get(f"{public_url}/metrics").text
        finally:
            process.terminate()
    headers = [f"{name}: {value}" for answer in answers for name, value in answer.headers.items()]
    return Served([str(answer.url) for answer in answers], headers, metrics, log.read_text(encoding="utf-8"))


def test_no_url_no_header_no_metric_and_no_log_line_holds_a_persons_data(
    served: Served, sought: Sought
) -> None:
    assert [url for url in served.urls if sought.find(url)] == []
    assert [header for header in served.headers if sought.find(header)] == []
    assert "mailer_http_answers_total" in served.metrics
    assert sought.find(served.metrics) == []
    assert "unsubscribe" in served.log
    assert sought.find(served.log) == []


def test_the_demo_leaves_a_folder_with_other_things_alone(mailer: InstalledMailer, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    done = mailer.run("demo", "--folder", ".", cwd=tmp_path, check=False)
    assert done.returncode == 4
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def _is_example(path: Path, folder: Path) -> bool:
    example = EXAMPLES / path.relative_to(folder)
    return example.is_file() and example.read_bytes() == path.read_bytes()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).is_success
    except httpx.TransportError:
        return False
