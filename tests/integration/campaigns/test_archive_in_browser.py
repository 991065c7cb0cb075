"""The public pages in a real browser: axe-core, 320 pixels, light and dark, and the content security policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Route

from mailer.message import InlineImage
from templates.notes import Action
from templates.release_page import Around, Link, ListedNote, ReleasePage, ReleasePages
from tests.support.browser import chromium
from tests.support.rendered import BRAND, PIXELS, notes

pytestmark = pytest.mark.browser

# Links that stand apart, which a finger needs 44 pixels for; those within a sentence are as high as its line.
TOO_LOW = """() => [...document.querySelectorAll("nav a, .follow a, .bottom a")]
  .filter(one => one.getBoundingClientRect().height < 44).map(one => one.textContent.trim())"""
BODY = f"""
Introduction with a [link](https://e.x/), `code` and a long word {"8909e96a" * 12}.

![The plan](plan.png)

## Added

### A board

```python
def first(argument: str = "{"x" * 60}") -> int: ...
```

> [!WARNING]
> Mind.

## Security

| version | operating system | released | supported until |
| --- | --- | --- | ---: |
| 2.4.0-rc.1 | Debian-GNU/Linux | November 2026 | {"8909e96a" * 16} |

[Read the guide](https://e.x/guide){{.button}}
"""
AROUND = Around(
    archive=Link("All", "/archive/a", "en"),
    languages=[Link("Nederlands", "/archive/a/nl", "nl")],
    newer=Link("Acme 2.5", "/archive/a/en/2.5", "en"),
    older=Link("Donaudampfschifffahrtsgesellschaft 2.3", "/archive/a/en/2.3", "en"),
    atom="/archive/a/feed.atom",
    json="/archive/a/feed.json",
    sign_up="/signup/a",
)


def pages_of(theme: str) -> dict[str, ReleasePage]:
    pages = ReleasePages(replace(BRAND, colour="#ffcc00" if theme == "letter" else "#1f5fbf"), theme)
    images = {"plan.png": InlineImage("plan@image", "image/png", PIXELS.data)}
    article = pages.article(notes(BODY, theme=theme, action=Action("Try it", "https://e.x/try")), images)
    listed = [
        ListedNote(Link(title, f"/{year}", "nl"), "2.4.0", date(year, 11, 1), "What is new.")
        for title, year in (("Versie 2.4.0", 2026), ("8909e96a" * 12, 2025))
    ]
    return {
        "note": pages.note(article.with_images_in("/images/"), AROUND),
        "list": pages.list_of_notes("New in Acme", "en", listed, AROUND),
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.mark.parametrize(("theme", "scheme"), [("letter", "light"), ("product", "dark")])
def test_everyone_can_read_them(browser: Browser, theme: str, scheme: Literal["light", "dark"]) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 320, "height": 640})
    page = context.new_page()
    for name, made in pages_of(theme).items():
        page.set_content(made.html)
        for width in (1100, 320):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        found = Axe().run(page)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        assert page.evaluate(TOO_LOW) == [], name
    context.close()


def test_under_their_policy_they_are_styled_and_load_nothing_but_their_pictures(browser: Browser) -> None:
    page = browser.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    made = pages_of("product")["note"]

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if route.request.resource_type == "document":
            headers = {"Content-Security-Policy": made.policy}
            route.fulfill(body=made.html, content_type="text/html", headers=headers)
        else:
            route.fulfill(body=PIXELS.data, content_type="image/png")

    page.route("**/*", answer)
    page.goto("http://site.test/archive/a/en/2.4")
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.cover')).backgroundColor")
        != "rgba(0, 0, 0, 0)"
    )
    assert complaints == []
    assert len(asked) == 2
    assert asked[1].startswith("http://site.test/images/")
