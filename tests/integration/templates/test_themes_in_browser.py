"""Each theme in a browser: it fits a phone and a desktop, can be read in light and dark, and holds without its style sheet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from templates.notes import Action
from templates.theme import list_themes
from tests.support.browser import chromium
from tests.support.rendered import mail

THEMES = [theme.name for theme in list_themes()]
NOTES = f"""
Introduction with a [link](https://e.x/), `code` and a long word {"8909e96a" * 12}.

![The plan](plan.png)

## Added

### The `import defer` syntax

```python
def first(argument: str = "{"x" * 60}") -> int:  # a comment
    return 1
```

```diff
-old
+new
```

> [!NOTE]
> A [link](https://e.x/) and `code`.

> [!WARNING]
> Mind.

## Security

| version | operating system | released | supported until |
| --- | --- | --- | ---: |
| 2.4.0-rc.1 | Debian-GNU/Linux | November 2026 | {"8909e96a" * 16} |

| a | b | c | d | e | f | g | h |
|--|--|--|--|--|--|--|--|
| 1 | two | three | four | five | six | seven | incompatibilities |

[Read the guide](https://e.x/guide){{.button}}
"""
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
