"""The catcher's inbox in a real browser: a hostile mail stays in its frame, and the links in a good one work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, expect

from mailer.catcher import Catcher, Caught, inbox_app
from mailer.catcher.web import VIEWS
from tests.support.web_server import serving_in_thread

pytestmark = pytest.mark.browser

HOSTILE = """<html><head>
<meta http-equiv="refresh" content="0;url={outside}/refresh">
<link rel="stylesheet" href="{outside}/style"><base href="{outside}/base/">
<style>@import "{outside}/import"; body {{ background: url({outside}/background) }}</style></head>
<body onload="top.location='{outside}/onload'">
<script>fetch("{outside}/fetch"); top.location = "{outside}/top"; alert(1)</script>
<img src="{outside}/pixel" onerror="alert(2)"><iframe src="{outside}/frame"></iframe>
<video autoplay src="{outside}/video"></video><object data="{outside}/object"></object>
<form action="{outside}/form"><input name="a"><button>Win</button></form>
<a id="script" href="javascript:alert(3)">script</a> <a id="away" target="_top" href="{outside}/away">away</a>
<a id="good" href="{outside}/good">good</a></body></html>"""


@dataclass(frozen=True, slots=True)
class Outside:
    """A server that no mail may reach by itself; `visits` are the paths that were asked of it."""

    address: str
    visits: list[str]


@pytest.fixture
def outside() -> Iterator[Outside]:
    visits: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            visits.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<h1>Outside</h1>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Outside(f"http://127.0.0.1:{server.server_port}", visits)
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty Maildir."""
    for name in ("tmp", "new", "cur"):
        (tmp_path / name).mkdir()
    return tmp_path


def keep(folder: Path, subject: str, html: str) -> str:
    """Put a mail into the Maildir, as the catcher does; returns its key."""
    head = f"From: Somebody <somebody@example.com>\r\nTo: you@example.com\r\nSubject: {subject}\r\n"
    mail = f"{head}Content-Type: text/html; charset=utf-8\r\n\r\n{html}".encode()
    key = f"1790000000.{subject.replace(' ', '-')}.catcher"
    kept = Caught.kept_as("somebody@example.com", ["you@example.com"], mail)
    (folder / "new" / key).write_bytes(kept)
    return key


def test_a_hostile_mail_stays_in_its_frame(chromium: Browser, folder: Path, outside: Outside) -> None:
    key = keep(folder, "hostile", HOSTILE.format(outside=outside.address))
    context = chromium.new_context()
    page = context.new_page()
    dialogs: list[str] = []

    def record(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", record)
    with serving_in_thread(inbox_app(Catcher(folder))) as inbox:
        for view in ("html", "frame", "raw"):
            page.goto(f"{inbox}/{key}/{view}")
            page.wait_for_timeout(700)
            assert page.url == f"{inbox}/{key}/{view}"
        page.goto(f"{inbox}/{key}/html")
        mail = page.frame_locator("iframe")
        for trap in ("#script", "#away", "button"):
            mail.locator(trap).click()
            page.wait_for_timeout(200)
        assert page.url == f"{inbox}/{key}/html"
        context.close()
    assert outside.visits == []
    assert dialogs == []


def test_a_link_in_a_mail_opens_a_page_of_its_own(chromium: Browser, folder: Path, outside: Outside) -> None:
    html = f'<html><head></head><body><a href="{outside.address}/u/token">Unsubscribe</a></body></html>'
    keep(folder, "Version 2.4.0", html)
    context = chromium.new_context()
    page = context.new_page()
    with serving_in_thread(inbox_app(Catcher(folder))) as inbox:
        page.goto(inbox)
        page.get_by_role("link", name="Version 2.4.0").click()
        with context.expect_page() as opened:
            page.frame_locator("iframe").get_by_role("link", name="Unsubscribe").click()
        expect(opened.value.get_by_role("heading")).to_have_text("Outside")
        assert opened.value.evaluate("window.opener") is None
        page.get_by_role("link", name="← Inbox").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Inbox")
        context.close()


@pytest.mark.parametrize("width", [320, 1200])
def test_no_page_scrolls_sideways(chromium: Browser, folder: Path, width: int) -> None:
    key = keep(folder, "A subject that goes on " * 8, f"<p>{'x' * 4000}</p>")
    context = chromium.new_context(viewport={"width": width, "height": 700})
    page = context.new_page()
    with serving_in_thread(inbox_app(Catcher(folder))) as inbox:
        for path in ("", *(f"{key}/{view}" for view in VIEWS)):
            page.goto(f"{inbox}/{path}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        context.close()
