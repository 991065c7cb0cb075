"""Sends that must not begin: default sender, no audience, an unsubscribe page that does not answer."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from campaigns.sending.unsubscribe_check import find_problem
from mailer.config import load_settings
from mailer.database import Database
from tests.support.keyboard import Keyboard, keyboard_for
from tests.support.loopback import free_port
from tests.support.relay import FaultyRelay
from tests.support.web_server import serving_in_thread
from web import create_app

NOTES = "---\ntitle: Version 2.4\n---\nA planning board.\n"
START = [("send", "notes", "--yes"), ("schedule", "notes", "--at", "2099-06-01 09:00")]
starting = pytest.mark.parametrize("start", START, ids=["send", "schedule"])


@pytest.fixture
def keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relay: FaultyRelay) -> Keyboard:
    return keyboard_for(relay.port, tmp_path, monkeypatch, NOTES)


def trace(keyboard: Keyboard) -> tuple[object, object, object]:
    report = keyboard.json("campaigns", "report", "notes")
    deliveries = keyboard.json("deliveries", "list", "notes")["deliveries"]
    return report["state"], report["content_hash"], deliveries


@starting
@pytest.mark.parametrize("sender", ["news@example.com", "Acme <NEWS@example.com>"])
def test_the_default_sender_is_refused_and_leaves_no_trace(
    keyboard: Keyboard,
    relay: FaultyRelay,
    monkeypatch: pytest.MonkeyPatch,
    start: tuple[str, ...],
    sender: str,
) -> None:
    keyboard.subscribe("a@example.com")
    monkeypatch.setenv("MAILER_SENDER", sender)
    assert "MAILER_SENDER" in keyboard.refuse("campaigns", *start)
    assert trace(keyboard) == ("draft", None, [])
    assert relay.accepted == []


@starting
def test_a_topic_that_nobody_agreed_to_is_refused_with_the_topics_on_file(
    keyboard: Keyboard, relay: FaultyRelay, start: tuple[str, ...]
) -> None:
    keyboard.subscribe("a@example.com", "b@example.com", topic="beta")
    refusal = keyboard.refuse("campaigns", *start)
    assert "'release-notes'" in refusal
    assert "beta (2)" in refusal
    assert trace(keyboard) == ("draft", None, [])
    assert relay.accepted == []


@starting
def test_with_nobody_on_file_the_way_on_is_an_import(keyboard: Keyboard, start: tuple[str, ...]) -> None:
    assert "mailer subscribers import" in keyboard.refuse("campaigns", *start)


@starting
def test_a_page_that_can_not_be_reached_is_refused(
    keyboard: Keyboard, relay: FaultyRelay, monkeypatch: pytest.MonkeyPatch, start: tuple[str, ...]
) -> None:
    keyboard.subscribe("a@example.com")
    monkeypatch.setenv("MAILER_UNSUBSCRIBE_CHECK", "require")
    monkeypatch.setenv("MAILER_PUBLIC_URL", "http://127.0.0.1:9")
    assert "mailer serve" in keyboard.refuse("campaigns", *start)
    assert trace(keyboard) == ("draft", None, [])
    assert relay.accepted == []


def test_with_relays_on_this_machine_a_page_that_does_not_answer_is_a_warning(
    keyboard: Keyboard, relay: FaultyRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyboard.subscribe("a@example.com")
    monkeypatch.delenv("MAILER_UNSUBSCRIBE_CHECK")
    monkeypatch.setenv("MAILER_PUBLIC_URL", "http://127.0.0.1:9")
    told = keyboard("campaigns", "send", "notes", "--yes").stderr
    assert "Warning: Nobody could unsubscribe" in told
    assert "It is sent all the same, because all relays are on this machine" in told
    assert len(relay.accepted) == 1


def test_run_due_refuses_a_scheduled_campaign_and_starts_it_once_the_cause_is_gone(
    keyboard: Keyboard, relay: FaultyRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyboard.subscribe("a@example.com")
    keyboard("campaigns", "schedule", "notes", "--at", "2099-06-01 09:00")
    make_due()
    monkeypatch.setenv("MAILER_UNSUBSCRIBE_CHECK", "require")
    monkeypatch.setenv("MAILER_PUBLIC_URL", "http://127.0.0.1:9")
    assert "notes is not started" in keyboard("run-due", code=4).stderr
    assert keyboard.json("campaigns", "status", "notes")["state"] == "scheduled"
    assert relay.accepted == []
    monkeypatch.setenv("MAILER_UNSUBSCRIBE_CHECK", "off")
    keyboard("run-due")
    assert len(relay.accepted) == 1


def make_due() -> None:
    import sqlite3  # noqa: PLC0415 - only here

    with sqlite3.connect("mailer.db") as connection:
        connection.execute("UPDATE schedule SET due_at = '2020-01-01 00:00:00.000000'")
    connection.close()


def test_a_run_due_with_nothing_due_checks_no_page(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_UNSUBSCRIBE_CHECK", "require")
    monkeypatch.setenv("MAILER_PUBLIC_URL", "http://127.0.0.1:9")
    done = keyboard("run-due")
    assert (done.stdout, done.stderr) == ("", "")


def test_our_own_page_passes_and_the_test_changes_nothing(
    keyboard: Keyboard, relay: FaultyRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyboard.subscribe("a@example.com")
    monkeypatch.setenv("MAILER_UNSUBSCRIBE_CHECK", "require")
    before = keyboard.json("consent", "verify")
    with serving_in_thread(create_app(load_settings())) as address:
        monkeypatch.setenv("MAILER_PUBLIC_URL", address)
        keyboard("campaigns", "send", "notes", "--yes")
    assert len(relay.accepted) == 1
    assert keyboard.json("consent", "verify") == before


def test_the_page_of_another_installation_is_refused(
    keyboard: Keyboard, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyboard.subscribe("a@example.com")
    monkeypatch.setenv("MAILER_UNSUBSCRIBE_CHECK", "require")
    other = Database(f"sqlite:///{tmp_path_factory.mktemp('other') / 'mailer.db'}")
    other.create()
    settings = load_settings().replace(database_url=type(load_settings().database_url)(str(other.url)))
    with serving_in_thread(create_app(settings)) as address:
        monkeypatch.setenv("MAILER_PUBLIC_URL", address)
        assert "status 404" in keyboard.refuse("campaigns", "send", "notes", "--yes")
    other.close()


async def _answer_yes(_request: Request) -> Response:
    return PlainTextResponse("ok")


async def _redirect(_request: Request) -> Response:
    return RedirectResponse("/elsewhere", 302)


async def _set_cookie(_request: Request) -> Response:
    response = PlainTextResponse("ok")
    response.set_cookie("session", "1")
    return response


async def _fail(_request: Request) -> Response:
    return PlainTextResponse("no", 500)


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        (_answer_yes, "forged link with status 200"),
        (_redirect, "redirect"),
        (_set_cookie, "cookie"),
        (_fail, "status 500"),
    ],
)
def test_answers_that_rfc_8058_does_not_allow_are_named(endpoint: object, problem: str) -> None:
    app = Starlette(routes=[Route("/u/{token:path}", endpoint, methods=["POST"])])  # type: ignore[arg-type]  # parametrized
    with serving_in_thread(app) as address:
        assert problem in (find_problem(f"{address}/u/abc.def") or "")


def test_the_check_takes_no_longer_than_its_limit() -> None:
    import socket  # noqa: PLC0415 - only here

    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        problem = find_problem(f"http://127.0.0.1:{silent.getsockname()[1]}/u/abc.def")
    assert "does not answer" in (problem or "") or "can't be reached" in (problem or "")
    assert time.monotonic() - began < 50  # without the limit it would wait for ever


def test_a_page_that_is_away_is_told_in_words() -> None:
    problem = find_problem(f"http://127.0.0.1:{free_port()}/u/abc.def")
    assert problem == "it can't be reached (Connection refused)"


def test_the_question_shows_who_sends_what_to_whom(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_REPLY_TO", "Help <help@example.com>")
    keyboard.subscribe("a@example.com")
    asked = keyboard("campaigns", "send", "notes", code=4).stderr
    for line in (
        "From:        Acme <notes@example.com>",
        "Reply-To:    Help <help@example.com>",
        "Unsubscribe: http://127.0.0.1:8025/u/",
        "Language:    en",
        "Topic:       release-notes",
        "Audience:    1 who agreed",
    ):
        assert line in asked


def test_cancel_asks_and_without_an_answer_changes_nothing(keyboard: Keyboard) -> None:
    assert "--yes" in keyboard.refuse("campaigns", "cancel", "notes")
    assert keyboard.json("campaigns", "status", "notes")["state"] == "draft"
    assert keyboard.json("campaigns", "cancel", "notes", "--yes")["state"] == "cancelled"
