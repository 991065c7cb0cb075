"""The live preview, served to a client and to a browser."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page

from campaigns.source import NotesSource
from campaigns.web.preview import PreviewSource, preview_server, sample_mails
from campaigns.web.preview.source import is_changed
from mailer.config import BrandSettings, Settings
from tests.support.browser import chromium
from tests.support.pictures import png

NOTES = """\
---
title: The map
---

A map of the harbour.

![The plan](plan.png)

<script>document.title = "owned"</script>

[Read on](https://acme.example/)
"""


@contextmanager
def previewing(folder: Path) -> Iterator[tuple[str, Path]]:
    """Serve a preview of notes in `folder`; yields its address and the file."""
    file = folder / "notes.md"
    file.write_text(NOTES, encoding="utf-8")
    (folder / "plan.png").write_bytes(png(1040))
    source = PreviewSource("notes.md", lambda: Settings(file=folder / "mailer.toml"), NotesSource(str(file)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server, url = preview_server(source, listener)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield url, file
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def preview(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page of a preview, opened by its token."""
    with previewing(tmp_path_factory.mktemp("preview")) as (url, _):
        opened = httpx.get(url, follow_redirects=True)
        assert opened.status_code == 200
        assert httpx.get(url).status_code == 403
        yield str(opened.url)


def test_the_page_may_load_nothing_from_elsewhere_and_tells_nobody_its_address(preview: str) -> None:
    headers = httpx.get(preview).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "http" not in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("no-referrer", "no-store")


@pytest.mark.parametrize("path", ["", "mail", "state", "findings", "events", "page.js"])
def test_without_the_secret_path_or_from_elsewhere_nothing_is_told(preview: str, path: str) -> None:
    base = str(httpx.URL(preview).join("/"))
    assert httpx.get(f"{base}{'x' * 32}/{path}").status_code == 404
    assert httpx.get(f"{preview}{path}", headers={"Host": "evil.example"}).status_code == 403
    assert httpx.get(f"{preview}{path}", headers={"Origin": "https://evil.example"}).status_code == 403
    assert httpx.post(f"{preview}{path}").status_code == 405


def test_the_state_has_headers_text_and_the_inbox_s_line(preview: str) -> None:
    state = httpx.get(f"{preview}state").json()
    assert (state["subject"], state["preheader"], state["error"]) == (
        "The map",
        "A map of the harbour.",
        None,
    )
    assert "Dear Ms de Vries," in state["text"]
    assert {"From", "To", "List-Unsubscribe", "List-Unsubscribe-Post"} <= {
        name for name, _ in state["headers"]
    }


def test_person_and_language_are_chosen(preview: str) -> None:
    text = httpx.get(f"{preview}state", params={"person": "0", "locale": "nl"}).json()["text"]
    assert "Geachte mevrouw De Vries," in text
    assert "Dear reader," in httpx.get(f"{preview}state", params={"person": "2"}).json()["text"]
    assert "نور" in httpx.get(f"{preview}state", params={"person": "4"}).json()["text"]


@pytest.mark.parametrize(
    "query", ["person=99", "person=-1", "person=x", "locale=xx", "view=x", "view=<script>"]
)
def test_other_values_count_as_the_first_choice(preview: str, query: str) -> None:
    assert httpx.get(f"{preview}state?{query}").json()["subject"] == "The map"
    assert httpx.get(f"{preview}mail?{query}").status_code == 200


def test_findings_come_with_file_and_line(preview: str) -> None:
    findings = httpx.get(f"{preview}findings").json()["findings"]
    assert {one["code"] for one in findings} == {"markup-unsupported"}
    assert findings[0]["where"] == "notes.md, line 9"


def test_a_preview_without_a_page_needs_no_secrets(tmp_path: Path) -> None:
    (tmp_path / "n.md").write_text("# N\n\nHello.\n", encoding="utf-8")
    (mail,) = sample_mails(PreviewSource("n.md", Settings, NotesSource(str(tmp_path / "n.md")))).values()
    assert b"Subject: N" in mail


@pytest.mark.browser
def test_the_browser_shows_the_mail_follows_each_save_and_asks_nobody_else(tmp_path: Path) -> None:
    with previewing(tmp_path) as (url, file), chromium() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        asked: list[str] = []
        faults: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(url)
        mail = page.frame_locator("iframe.current")
        mail.locator("p", has_text="A map of the harbour.").wait_for()
        assert page.get_attribute("iframe.current", "sandbox") == "allow-same-origin"
        page.get_by_text("Live", exact=True).wait_for()

        file.write_text(NOTES.replace("A map", "A chart"), encoding="utf-8")
        mail.locator("p", has_text="A chart of the harbour.").wait_for()
        page.locator("#text-body", has_text="A chart").wait_for()

        file.write_text("---\nnonsense: 1\n---\nx\n", encoding="utf-8")
        page.locator("#problem", has_text="line 2").wait_for()
        file.write_text(NOTES, encoding="utf-8")
        mail.locator("p", has_text="A map of the harbour.").wait_for()

        mail.get_by_text("Read on").click()
        _shows_all_views(page)
        assert page.title() == "The map · preview"
        assert [one for one in asked if not one.startswith((url.partition("/open/")[0], "data:"))] == []
        assert faults == []


def _shows_all_views(page: Page) -> None:
    mail = page.frame_locator("iframe.current")
    views = {"Dark": "dark", "Images off": "no-images", "Styles stripped": "no-styles", "Outlook": "outlook"}
    for label, view in views.items():
        page.get_by_text(label, exact=True).click()
        page.locator(f"iframe.current[src*='view={view}']").wait_for()
        mail.locator("p", has_text="A map of the harbour.").wait_for()
    page.get_by_text("Phone", exact=True).click()
    assert page.evaluate("document.getElementById('device').style.width") == "360px"
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= 360")
    page.get_by_role("button", name="Headers").click()
    page.get_by_text("List-Unsubscribe-Post").wait_for()


def test_a_new_template_a_theme_s_tokens_and_the_dark_logo_are_watched(tmp_path: Path) -> None:
    theme = tmp_path / "templates" / "themes" / "own"
    theme.mkdir(parents=True)
    logo = tmp_path / "dark.png"
    settings = Settings(
        file=tmp_path / "mailer.toml",
        templates_dir=tmp_path / "templates",
        brand=BrandSettings(name="A", logo_dark=logo),
    )
    source = PreviewSource("n.md", lambda: settings)
    for file in (theme / "mail.mjml.j2", theme / "theme.toml", logo):
        for content in (b"a", b"ab"):
            before = source.versions(frozenset())
            file.write_bytes(content)
            assert is_changed(before, source.versions(frozenset())), (file, content)
