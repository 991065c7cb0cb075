"""Each theme in a browser: it fits a phone and a desktop, can be read in light and dark, and holds without its style sheet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from mailer.message import InlineImage
from templates.notes import Action
from templates.render import render
from templates.theme import list_themes
from tests.support.browser import chromium
from tests.support.every_markdown import NOTES
from tests.support.rendered import BRAND, PIXELS, mail, notes

THEMES = [theme.name for theme in list_themes()]
MEASURE = """() => {
  const one = selector => document.querySelector(selector);
  const size = selector => parseFloat(getComputedStyle(one(selector)).fontSize);
  const picture = one("img");
  return {
    width: document.documentElement.scrollWidth,
    kind: size("h2 .kind"), h2: size("h2"), h3: size("h3"), code_in_h3: size("h3 code"),
    pictures: [...document.querySelectorAll("img")].every(e => e.getBoundingClientRect().right <= innerWidth),
    stacked: getComputedStyle(one(".stacked td")).display, records: getComputedStyle(one(".records td")).display,
    label: getComputedStyle(one(".stacked .label")).display,
    left: one("h1").getBoundingClientRect().left,
  };
}"""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


def html_of(theme: str) -> str:
    return mail(NOTES, theme=theme, action=Action("Try it", "https://e.x/try")).html


@pytest.mark.parametrize("theme", THEMES)
def test_a_theme_fits_each_screen_and_keeps_its_order_of_sizes(page: Page, theme: str) -> None:
    page.set_content(html_of(theme))
    for width in (320, 360, 600, 1200):
        page.set_viewport_size({"width": width, "height": 800})
        seen = page.evaluate(MEASURE)
        assert seen["width"] <= width
        assert seen["pictures"]
        assert seen["left"] >= 16
        assert min(seen["kind"], seen["h2"]) >= seen["h3"] == seen["code_in_h3"]
        is_phone = width < 480
        assert seen["stacked"] == ("block" if is_phone else "table-cell")
        assert (seen["label"] == "none") is not is_phone
        assert seen["records"] == "block"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, theme: str, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_content(html_of(theme))
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


@pytest.mark.parametrize("theme", THEMES)
def test_without_its_style_sheet_and_rules_of_overflow_a_theme_still_fits_a_phone(
    page: Page, theme: str
) -> None:
    html = re.sub(r"<style.*?</style>", "", html_of(theme), flags=re.DOTALL)
    html = re.sub(r"(?:overflow(?:-[xy]|-wrap)?|word-break|word-wrap) *: *[\w-]+;?", "", html)
    page.set_viewport_size({"width": 320, "height": 800})
    page.set_content(html)
    seen = page.evaluate(MEASURE)
    assert seen["width"] <= 320
    assert seen["stacked"] == seen["records"] == "block"


def rectangles(page: Page, *selectors: str) -> list[dict[str, float]]:
    """Where elements are, in pixels."""
    found: list[dict[str, float]] = page.evaluate(
        "names => names.map(name => document.querySelector(name).getBoundingClientRect().toJSON())", selectors
    )
    return found


@pytest.mark.parametrize("width", [320, 600])
def test_the_cover_holds_title_and_picture_and_the_first_card_continues_it(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.set_content(mail(NOTES, theme="product", title=f"Acme {'8909e96a' * 8}").html)
    cover, title, picture, card = rectangles(page, ".cover", ".cover h1", ".cover .hero img", ".card")
    assert cover["left"] < title["left"] == picture["left"]
    assert title["right"] - 1 <= picture["right"] < cover["right"]
    assert picture["bottom"] == pytest.approx(cover["bottom"], abs=1)
    assert (card["top"], card["left"], card["right"]) == pytest.approx(
        (cover["bottom"], cover["left"], cover["right"]), abs=1
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("is_styled", [True, False])
def test_on_a_phone_the_table_of_contents_has_each_title_above_what_is_new(
    page: Page, is_styled: bool
) -> None:
    html = mail(f"{NOTES}\n\n## {'8909e96a' * 12}\n\n- {'x' * 90}\n", theme="digest").html
    page.set_viewport_size({"width": 320, "height": 800})
    page.set_content(html if is_styled else re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL))
    panel, title, below = rectangles(page, ".toc", ".toc-title a", ".toc-below")
    assert title["bottom"] <= below["top"] + 1
    assert title["left"] == below["left"] > panel["left"]
    assert 16 <= panel["left"] < panel["right"] <= 304
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.get_by_role("link", name="Security").click()
    assert abs(rectangles(page, "#part2")[0]["top"]) < 800


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_lines_of_a_diff_are_coloured_to_their_ends(page: Page, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_content(html_of("letter"))
    code, removed, added = rectangles(page, "pre:has(.dd) code", ".dd", ".di")
    assert removed["width"] == added["width"] >= code["width"] - 1 > 200
    grounds = page.evaluate(
        "['.dd', '.di', 'pre'].map(one => getComputedStyle(document.querySelector(one)).backgroundColor)"
    )
    assert len(set(grounds)) == 3


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("place", ["introduction", "section"])
def test_of_a_picture_for_light_and_one_for_dark_screens_one_is_seen(
    page: Page, theme: str, place: str
) -> None:
    body = (
        '<picture><source media="(prefers-color-scheme: dark)" srcset="dark.png">'
        '<img src="plan.png" alt="The plan"></picture>'
    )
    images = {"plan.png": PIXELS, "dark.png": InlineImage("night@image", "image/png", PIXELS.data + b"dark")}
    source = notes(f"{'' if place == 'introduction' else '## Added'}\n\n{body}", theme=theme)
    html = render(source, BRAND, images=images).html
    page.set_viewport_size({"width": 320, "height": 800})
    for scheme, styles, expected in (
        ("light", True, "cid:plan@image"),
        ("dark", True, "cid:night@image"),
        ("dark", False, "cid:plan@image"),
    ):
        page.emulate_media(color_scheme=cast("Literal['light', 'dark']", scheme))
        page.set_content(html if styles else re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL))
        seen = page.evaluate(
            "[...document.images].filter(one => one.checkVisibility()).map(one => one.getAttribute('src'))"
        )
        assert seen == [expected]
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
