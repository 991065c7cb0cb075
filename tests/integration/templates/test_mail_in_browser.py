"""Mails in a real browser: they fit every screen, can be read on it, and fetch nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from campaigns.notes import Changelog, Defaults, read_changelog, read_images, read_markdown
from mailer.config import Settings
from mailer.message import InlineImage
from templates.brand import contrast_ratio
from templates.notes import ReleaseNotes
from templates.render import render
from templates.theme import list_themes
from tests.support.browser import chromium
from tests.support.rendered import BRAND, PIXELS, mail, notes

THEMES = [theme.name for theme in list_themes()]
ROOT = Path(__file__).parents[3]
EXAMPLES = [
    *sorted((ROOT / "examples/release-notes").glob("*.md")),
    *sorted((ROOT / "tests/changelogs").glob("*.md")),
]
DEFAULTS = Defaults("en", "release-notes", "Acme", base_url="https://example.com/")
# Every element with text of its own, with the colours in which it is seen.
COLOURS = """() => {
  const ground = element => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.body.querySelectorAll("*")]
    .filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => [e.outerHTML.slice(0, 80), getComputedStyle(e).color, ground(e)]);
}"""

pytestmark = pytest.mark.browser

IMAGES = Path(__file__).parents[3] / "examples" / "release-notes"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def notes_in(path: Path) -> ReleaseNotes:
    text = path.read_text(encoding="utf-8")
    if path.parent.name == "changelogs":
        return read_changelog(
            text.replace("logo.png", "planbord.png"),
            Changelog(text, "f").releases[0].version,
            path.name,
            DEFAULTS,
        )
    return read_markdown(text, path.name, DEFAULTS)


def hexadecimal(colour: str) -> str:
    return "#" + "".join(f"{int(channel):02x}" for channel in re.findall(r"\d+", colour)[:3])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_mail_fits_the_screen_has_contrast_and_fetches_nothing(browser, path, scheme):
    notes = notes_in(path)
    html = render(notes, BRAND, images=read_images(notes, path.parent, Settings(assets_dir=IMAGES))).html
    page = browser.new_page(color_scheme=scheme)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.set_content(html)
    for width in (900, 390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    for element, ink, ground in page.evaluate(COLOURS):
        assert contrast_ratio(hexadecimal(ink), hexadecimal(ground)) >= 4.5, element
    assert [url for url in requests if not url.startswith("cid:")] == []
    page.close()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("logos", ["light", "light and dark"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_where_pictures_are_blocked_their_descriptions_can_be_read(browser, theme, logos, scheme):
    logo = InlineImage("logo@image", "image/png", PIXELS.data + b"logo")
    brand = replace(
        BRAND,
        logo=logo,
        logo_dark=replace(logo, content_id="night@image") if logos != "light" else None,
    )
    both = '<picture><source media="(prefers-color-scheme: dark)" srcset="dark.png"><img src="plan.png" alt="b"></picture>'
    body = f"Hello.\n\n![The plan](plan.png)\n\n## Added\n\n![a](plan.png)\n\n{both}\n\nSome ![c](plan.png) icon."
    images = {"plan.png": PIXELS, "dark.png": replace(PIXELS, content_id="dark@image")}
    page = browser.new_page(color_scheme=scheme)
    page.set_content(render(notes(body, theme=theme), brand, images=images).html)
    seen = page.evaluate(
        COLOURS.replace("[...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())", "e.alt")
    )
    assert len(seen) == 5
    for element, ink, ground in seen:
        assert contrast_ratio(hexadecimal(ink), hexadecimal(ground)) >= 4.5, element
    page.close()


@pytest.mark.parametrize("rules", ["all rules", "no rules of overflow"])
def test_long_cells_and_many_columns_keep_the_width_of_a_phone(browser, rules):
    """Some mail programs drop the rules that break words or let a table scroll."""
    rendered = mail(
        f"| file | checksum |\n| --- | --- |\n| a.tar.gz | {'8909e96a' * 16} |\n| b | `{'x' * 64}` |\n\n"
        "| version | operating system | released | supported until | checked | remarks |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| 2.4.0-rc.1 | Debian-GNU/Linux | 2026-11-01 | November | automatically | incompatibilities |\n\n"
        "Berth[^1] and H~2~O\n: a place to moor\n\n[^1]: As in the harbour's own list.\n"
    )
    html = rendered.html
    if rules != "all rules":
        html = re.sub(r"(?:overflow(?:-[xy]|-wrap)?|word-break|word-wrap) *: *[\w-]+;?", "", html)
    page = browser.new_page(viewport={"width": 360, "height": 800})
    try:
        page.set_content(html)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    finally:
        page.close()
