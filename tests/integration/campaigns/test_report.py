"""The report of a campaign: in the terminal, as CSV, JSON and a page. It names no recipient."""

from __future__ import annotations

import base64
import csv
import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from campaigns import catalogue
from campaigns.reports.figures import CampaignFigures, read_figures
from campaigns.states import DeliveryState
from mailer.database import Database
from subscribers import ledger
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import NewEvent
from tests.support.campaign import (
    TOPIC,
    dispatch_for,
    draft,
    send,
    settings_for,
    subscribe,
)
from tests.support.keyboard import Keyboard, keyboard_for
from tests.support.relay import FaultyRelay

NOTES = "---\ntitle: Version 2.4\n---\nA planning board.\n"


def figures(database: Database, slug: str = "notes", *, days: int = 0) -> CampaignFigures:
    now = datetime.now(UTC) + timedelta(days=days)
    with database.read() as connection:
        campaign = catalogue.find(connection, slug)
        return read_figures(connection, campaign, now, default_locale="en")


def leave(database: Database, person: int, channel: Channel, topic: str = TOPIC) -> None:
    now = datetime.now(UTC)
    kind = ConsentKind.ERASED if topic == "*" else ConsentKind.WITHDRAWN
    with database.write() as connection:
        ledger.append(connection, [NewEvent(person, topic, kind, now, channel)], now)


async def test_the_figures_come_from_the_relay_and_the_ledger(database: Database) -> None:
    people = subscribe(database, 6) + subscribe(database, 4, domain="small.example")
    draft(database)
    async with FaultyRelay(pipelining=True) as relay:
        await send(dispatch_for(database, settings_for(relay.port)))
        leave(database, people[0], Channel.ONE_CLICK)
        leave(database, people[1], Channel.PAGE)
        leave(database, people[1], Channel.COMMAND, "*")  # who left already is counted once
        leave(database, people[2], Channel.COMMAND, "*")
        found = figures(database)
        assert (found.leavers and found.leavers.is_complete, found.status.accepted) == (False, 10)
        draft(database, "later")
        await send(dispatch_for(database, settings_for(relay.port)), "later")
        leave(database, people[5], Channel.ONE_CLICK)
    assert [(one.domain, one.recipients, one.accepted) for one in found.domains] == [
        ("example.com", 6, 6),
        (None, 4, 4),
    ]
    assert found.progress is not None
    assert found.progress.steps[-1].accepted == 10
    found, later = figures(database, days=15), figures(database, "later")
    assert found.leavers is not None
    assert (found.leavers.total, found.leavers.mailed, found.leavers.is_complete) == (3, 10, True)
    assert (found.leavers.days[0].one_click, found.leavers.days[0].page, found.leavers.days[0].otherwise) == (
        1,
        1,
        1,
    )
    assert later.leavers is not None
    assert later.leavers.total == 1  # who got a later mail left after that one


@pytest.fixture
def keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relay: FaultyRelay) -> Keyboard:
    keyboard = keyboard_for(relay.port, tmp_path, monkeypatch, NOTES)
    keyboard.subscribe(*(f"anna{number}@vandervelde.example" for number in range(5)), "bob@tiny.example")
    return keyboard


def test_a_report_is_complete_in_every_form_and_names_nobody(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft_report = keyboard("campaigns", "report", "notes", "--html", "draft.html")
    assert draft_report.stdout == "draft.html\n"
    assert "not sent yet" in Path("draft.html").read_text(encoding="utf-8")
    keyboard("campaigns", "send", "notes", "--yes")
    monkeypatch.setenv("COLUMNS", "50")
    text = keyboard("campaigns", "report", "notes").stdout
    charts = text.partition("\noutcomes\n")[2].partition("\nwhy mails")[0]
    assert "accepted 6 100.0% █" in charts
    assert "vandervelde.example 5 of 5 █" in charts
    assert all(len(line) <= 50 for line in charts.splitlines() if line.startswith("  "))
    assert "\x1b" not in text
    values = keyboard.json("campaigns", "report", "notes")
    rows = list(csv.DictReader(keyboard("campaigns", "report", "notes", "--csv").stdout.splitlines()))
    numbers = {(row["part"], row["item"], row["measure"]): int(row["number"]) for row in rows}
    assert numbers["outcomes", "accepted", "deliveries"] == values["accepted"] == 6
    assert numbers["domains", "vandervelde.example", "recipients"] == 5
    assert numbers["domains", "1 others", "accepted"] == 1
    assert {"outcomes", "progress", "milestones", "domains", "left"} == {part for part, _, _ in numbers}
    for locale, said in (("en", "Who left after it"), ("nl", "Wie zich daarna uitschreef")):
        keyboard("campaigns", "report", "notes", "--html", f"{locale}.html", "--locale", locale)
        assert said in Path(f"{locale}.html").read_text(encoding="utf-8")
    everything = [text, str(values), str(rows), Path("en.html").read_text(encoding="utf-8")]
    assert not [one for one in everything if re.search(r"anna|bob@|tiny\.example", one)]


def test_the_page_loads_nothing_and_each_chart_has_words_and_a_table(keyboard: Keyboard) -> None:
    keyboard("campaigns", "send", "notes", "--yes")
    keyboard("campaigns", "report", "notes", "--html", "report.html")
    html = Path("report.html").read_text(encoding="utf-8")
    page = BeautifulSoup(html, "html.parser")
    assert not page.find_all(["script", "link", "iframe", "object", "form", "a"])
    assert not [tag for tag in page.find_all(True) if {"src", "href", "style", "onload"} & set(tag.attrs)]
    style = page.find("style")
    policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})
    assert style is not None
    assert policy is not None
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    assert policy["content"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    charts = page.select("svg.chart")
    assert [chart.find_parent("section")["aria-labelledby"] for chart in charts] == [
        "progress",
        "outcomes",
        "left",
        "domains",
    ]
    for chart in charts:
        names = str(chart["aria-labelledby"]).split()
        assert all(page.find(id=name).text.strip() for name in names)
        assert chart.find_parent("section").select("table tbody tr")


def test_options_that_do_not_go_together_are_refused(keyboard: Keyboard) -> None:
    for wrong in (("--csv", "--json"), ("--csv", "--html", "r.html"), ("--locale", "nl")):
        keyboard("campaigns", "report", "notes", *wrong, code=2)
    refused = keyboard("campaigns", "report", "notes", "--html", "none/r.html", code=1).exception
    assert "--html: there is no folder " in str(refused)


def test_a_rejected_mail_is_told_without_its_address(keyboard: Keyboard, relay: FaultyRelay) -> None:
    relay.refuses["bob@tiny.example"] = b"550 5.1.1 <bob@tiny.example>: bob is unknown\r\n"
    keyboard("campaigns", "send", "notes", "--yes", code=3)
    shown = keyboard("campaigns", "report", "notes").stdout
    assert "1 rejected at rcpt: 550 5.1.1 *** *** is unknown" in shown
    reasons = keyboard.json("campaigns", "report", "notes")["reasons"]
    assert isinstance(reasons, list)
    assert [(one["state"], one["deliveries"]) for one in reasons] == [(DeliveryState.REJECTED, 1)]
