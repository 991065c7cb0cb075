"""npm's mjml 5 makes the same picture of each theme as the compiler that we use.

It is `mjml` on the PATH, or what MAILER_TESTS_MJML names; without either the tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from templates.notes import Action
from templates.theme import list_themes
from tests.support.browser import chromium
from tests.support.every_markdown import NOTES
from tests.support.rendered import mail

THEMES = [theme.name for theme in list_themes()]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def mjml() -> str:
    """The program, whose answers may take their time: it starts Node."""
    named = os.environ.get("MAILER_TESTS_MJML")
    program = named or shutil.which("mjml")
    if program is None:
        pytest.skip("npm's mjml is not installed, and MAILER_TESTS_MJML does not name it")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if "mjml-core: 5." not in version:
        assert not named, f"{named} is not mjml 5, but {version}"
        pytest.skip(f"{program} is not mjml 5, but {version.strip()}")
    return program


def picture(browser: Browser, html: str, width: int) -> bytes:
    page = browser.new_page(viewport={"width": width, "height": 800})
    try:
        page.set_content(html)
        return page.screenshot(full_page=True)
    finally:
        page.close()


@pytest.mark.parametrize("theme", THEMES)
def test_npm_s_mjml_makes_the_same_picture(
    monkeypatch: pytest.MonkeyPatch, browser: Browser, mjml: str, theme: str
) -> None:
    def by_npm(source: str, **_: Any) -> str:
        done = subprocess.run([mjml, "-i", "-s"], input=source, capture_output=True, text=True, check=True)
        assert done.stderr.strip() == ""
        return done.stdout

    values: dict[str, Any] = {"theme": theme, "action": Action("Try it", "https://e.x/try")}
    ours = mail(NOTES, **values).html
    monkeypatch.setattr("templates.mjml.mjml2html", by_npm)
    theirs = mail(NOTES, **values).html
    assert ours != theirs
    for width in (360, 700):
        assert picture(browser, ours, width) == picture(browser, theirs, width), f"at {width} pixels"
