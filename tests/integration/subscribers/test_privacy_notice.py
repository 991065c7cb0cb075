"""The privacy notice at /privacy: from the settings, in two languages, each version kept as it was shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from bs4 import BeautifulSoup

from mailer.config import load_settings
from tests.support.campaign import write_config
from tests.support.web_server import client_of
from web import create_app

CONTACT = "MAILER_PRIVACY__CONTACT"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_config(tmp_path, 25)
    (tmp_path / "mailer.db").write_bytes(sqlite_template.read_bytes())
    monkeypatch.setenv(CONTACT, "Robin Smit <privacy@acme.example>")
    return tmp_path


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The application, opened as a server opens it."""
    app = create_app(load_settings(folder / "mailer.toml"))
    async with app.router.lifespan_context(app):
        pass  # opening publishes, and closing waits for it
    async with client_of(create_app(load_settings(folder / "mailer.toml")), "https://example.com") as client:
        yield client


def words(answer: httpx.Response) -> str:
    return " ".join(BeautifulSoup(answer.text, "html.parser").get_text(" ").split())


async def test_it_names_its_version_its_date_and_whom_to_ask(folder: Path) -> None:
    async with served(folder) as client:
        answer = await client.get("/privacy")
    assert "Version 1, in force since" in words(answer)
    assert "Robin Smit, privacy@acme.example" in words(answer)


async def test_it_sets_no_cookie_and_allows_nothing_but_its_stylesheet(folder: Path) -> None:
    async with served(folder) as client:
        answer = await client.get("/privacy")
        assert (await client.post("/privacy")).status_code == 405
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert not BeautifulSoup(answer.text, "html.parser").find_all(["script", "link", "img", "iframe"])


async def test_changed_settings_make_a_new_version_and_the_former_one_is_shown_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(folder) as client:
        first = words(await client.get("/privacy/en"))
    async with served(folder) as client:
        assert words(await client.get("/privacy/en")) == first, "the same settings are the same version"
    monkeypatch.setenv(CONTACT, "Sam de Boer <privacy@acme.example>")
    async with served(folder) as client:
        assert "Version 2" in words(await client.get("/privacy/en"))
        assert "Sam de Boer" in words(await client.get("/privacy/en"))
        former = words(await client.get("/privacy/en/1"))
    assert "no longer in force" in former
    assert "Robin Smit" in former
    assert "Sam de Boer" not in former


async def test_it_is_in_the_language_of_the_path_or_of_the_browser(folder: Path) -> None:
    async with served(folder) as client:
        for path, accepted, language in (
            ("/privacy/nl", "en", "nl"),
            ("/privacy", "nl-BE,en;q=0.5", "nl"),
            ("/privacy", "en;q=0.5, nl;q=0.9", "nl"),
            ("/privacy", "nl;q=0, fr", "en"),
            ("/privacy", ";q=,;;q=x", "en"),
        ):
            answer = await client.get(path, headers={"Accept-Language": accepted})
            assert answer.headers["content-language"] == language, (path, accepted)
            assert BeautifulSoup(answer.text, "html.parser").html["lang"] == language


async def test_what_does_not_exist_is_not_found(folder: Path) -> None:
    numbers = ("en/2", "en/0", "en/x", "en/²", f"en/{'9' * 99}")
    async with served(folder) as client:
        for path in ("fr", *numbers):
            assert (await client.get(f"/privacy/{path}")).status_code == 404, path


async def test_without_a_database_it_is_shown_without_a_version(folder: Path) -> None:
    settings = load_settings(folder / "mailer.toml")
    (folder / "mailer.db").unlink()
    async with client_of(create_app(settings), "https://example.com") as client:
        shown = words(await client.get("/privacy"))
    assert "Robin Smit" in shown
    assert "Version 1" not in shown


async def test_the_unsubscribe_page_leads_to_it(folder: Path) -> None:
    async with served(folder) as client:
        page = BeautifulSoup((await client.get("/u/x")).text, "html.parser")
    assert page.footer.a["href"] == "/privacy"
