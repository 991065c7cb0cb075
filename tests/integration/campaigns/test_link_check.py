"""Links are tried on request, at public addresses only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from campaigns.commands.options import run
from campaigns.link_check import check_links
from mailer.webhooks import Reach
from templates.lint import Places
from tests.support.keyboard import Keyboard, keyboard_for
from tests.support.rendered import mail, notes
from tests.support.web_server import serving_in_thread

HERE = Reach(allow_private=True, allow_http=True)
asked: list[str] = []


async def answer(request: Request) -> Response:
    asked.append(f"{request.method} {request.url.path}")
    match request.path_params["kind"]:
        case "moved":
            return RedirectResponse("/fine")
        case "round":
            return RedirectResponse("/round")
        case "inside":
            return RedirectResponse("http://127.0.0.1:1/")
        case "no-head" if request.method == "HEAD":
            return PlainTextResponse("", 405)
        case "fine" | "no-head":
            return PlainTextResponse("fine")
        case status:
            return PlainTextResponse("", int(status))


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with serving_in_thread(Starlette(routes=[Route("/{kind}", answer, methods=["GET"])])) as url:
        yield url


def codes(body: str, reach: Reach = HERE) -> list[tuple[str, str]]:
    source = notes(body)
    found = run(check_links(mail(body), Places(source, {}, ()), reach))
    return [(one.code, one.where) for one in found if "acme.example" not in one.message]


def test_what_is_there_has_no_finding_and_is_asked_once(site: str) -> None:
    asked.clear()
    assert codes(f"[a]({site}/fine) [b]({site}/fine) [c]({site}/moved) [d]({site}/no-head)") == []
    assert sorted(asked) == ["GET /no-head", "HEAD /fine", "HEAD /fine", "HEAD /moved", "HEAD /no-head"]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("404", "link-broken"),
        ("410", "link-broken"),
        ("500", "link-unsure"),
        ("429", "link-unsure"),
        ("round", "link-unsure"),
    ],
)
def test_what_is_not_there_is_named_with_its_line(site: str, kind: str, code: str) -> None:
    assert codes(f"Text.\n\n[a]({site}/{kind})") == [(code, "notes.md, line 3")]


def test_a_private_address_is_not_called_and_left_to_lint(site: str) -> None:
    asked.clear()
    assert codes(f"[a]({site}/fine)", Reach(allow_http=True)) == []
    assert asked == []


def test_the_command_ends_with_4_where_a_link_is_broken(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyboard: Keyboard = keyboard_for(1, tmp_path, monkeypatch, "# N\n\nHello.\n")
    monkeypatch.setenv("MAILER_WEBHOOKS__ALLOW_PRIVATE", "true")
    Path("n.md").write_text(f"# The map\n\nHello.\n\n[The map]({site}/404)\n", encoding="utf-8")
    assert keyboard("campaigns", "lint", "n.md").exit_code == 0
    found = json.loads(keyboard("campaigns", "lint", "n.md", "--links", "--json", code=4).stdout)["findings"]
    broken = next(one for one in found if one["id"] == "link-broken")
    assert (broken["file"], broken["line"], broken["severity"]) == ("n.md", 5, "error")
