"""Pictures with a variant for dark screens, as `<picture>` has them on GitHub."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from mailer.errors import InvalidInput
from mailer.message import InlineImage
from templates.lint import lint
from templates.release_page import ReleasePages
from templates.render import render
from tests.support.rendered import BRAND, PIXELS, notes

IMAGES = {
    "light.png": PIXELS,
    "dark.png": InlineImage("night@image", PIXELS.content_type, PIXELS.data + b"dark"),
}
PICTURE = """
<picture>
  <source media="(prefers-color-scheme: dark)" srcset="dark.png">
  <img alt="The plan" src="light.png">
</picture>
"""


def sources(body: str, theme: str = "letter") -> dict[str, str]:
    """What each image of the mail shows, by its class or that of what holds it."""
    rendered = render(
        notes(body, theme=theme, preheader="A board shows all berths of the week."), BRAND, images=IMAGES
    )
    assert lint(rendered) == ()
    assert rendered.text.count("The plan") == 1
    page = BeautifulSoup(rendered.html, "html.parser")
    found = {}
    for image in page.find_all("img"):
        holders = [image, *image.parents]
        names = " ".join(" ".join(one.get("class") or []) for one in holders)
        kind = "dark" if "dark-" in names else "light" if "light-" in names else "only"
        found[kind] = str(image["src"])
        assert image["alt"] == "The plan"
    enclosed = {f"cid:{image.content_id}" for image in rendered.images}
    assert enclosed == set(found.values())
    return found


@pytest.mark.parametrize("theme", ["letter", "product", "digest"])
@pytest.mark.parametrize("where", ["", "## Added\n\n"])
def test_both_pictures_are_in_the_mail_and_its_text_names_them_once(theme: str, where: str) -> None:
    assert sources(where + PICTURE, theme) == {"light": "cid:plan@image", "dark": "cid:night@image"}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ('<source media="(prefers-color-scheme: light)" srcset="light.png"><img alt="The plan" src="dark.png">',
         {"light": "cid:plan@image", "dark": "cid:night@image"}),
        ('<source media="(Prefers-Color-Scheme:dark)" srcset="dark.png 1x, big.png 2x"><img alt="The plan" src="light.png">',
         {"light": "cid:plan@image", "dark": "cid:night@image"}),
        ('<source media="(min-width: 600px)" srcset="dark.png"><img alt="The plan" src="light.png">', {"only": "cid:plan@image"}),
        ('<source srcset="dark.png"><img alt="The plan" src="light.png">', {"only": "cid:plan@image"}),
        ('<source media="(prefers-color-scheme: dark)" srcset="light.png"><img alt="The plan" src="light.png">', {"only": "cid:plan@image"}),
    ],
)  # fmt: skip
def test_only_sources_for_light_and_dark_screens_count(tags: str, expected: dict[str, str]) -> None:
    assert sources(f"<picture>{tags}</picture>") == expected


@pytest.mark.parametrize(
    "address", ["https://e.x/dark.png", "//e.x/dark.png", "javascript:alert(1)", "data:image/png;base64,AA"]
)
def test_a_dark_picture_from_elsewhere_is_refused_with_its_line(address: str) -> None:
    with pytest.raises(InvalidInput, match=r"notes.md, line \d+: the image"):
        sources(PICTURE.replace("dark.png", address))


def test_a_dark_picture_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r'"night.png" was not found'):
        sources(PICTURE.replace("dark.png", "night.png"))


def test_where_remote_images_are_left_out_only_the_dark_picture_goes() -> None:
    body = PICTURE.replace("dark.png", "https://e.x/dark.png")
    html = render(notes(body, remote_images="omit"), BRAND, images=IMAGES).html
    assert "cid:plan@image" in html
    assert "dark.png" not in html


@pytest.mark.parametrize("theme", ["letter", "product"])
def test_a_page_lets_the_browser_choose(theme: str) -> None:
    article = ReleasePages(BRAND, theme).article(notes(PICTURE, theme=theme), IMAGES).with_images_in("/i/")
    if theme == "product":
        assert article.picture is not None
        assert article.picture.dark != article.picture.source
        return
    picture = BeautifulSoup(article.lead, "html.parser").picture
    assert picture is not None
    assert picture.source["srcset"].startswith("/i/")
    assert picture.source["srcset"] != picture.img["src"]
