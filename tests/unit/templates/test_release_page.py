"""The public page of whatever notes there are: it runs nothing, loads nothing from elsewhere, and opens no slot."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.errors import MailerError
from templates.notes import Action
from templates.release_page import Around, ReleasePages
from tests.support.rendered import BRAND, PIXELS, mail, notes, prose, words

PAGES = ReleasePages(BRAND, "letter")
IMAGES = {"plan.png": PIXELS}
ODD = st.sampled_from(
    [
        "![p](plan.png)",
        '<img src="plan.png" width="600">',
        "![x](cid:plan@image)",
        'src="cid:plan@image"',
        '`src="cid:zz"`',
        "![far](https://e.x/pixel.png)",
        "<script>x()</script>",
        "<b style='x' onclick='y()'>z</b>",
        "[a](javascript:x)",
        "| a | b |\n|-|-|\n| 1 | 2 |",
        "## Added",
    ]
)
BODIES = st.lists(st.one_of(ODD, st.text(max_size=40)), min_size=1, max_size=5).map("\n\n".join)


@settings(max_examples=40)
@given(BODIES)
def test_a_page_runs_nothing_and_shows_pictures_of_its_own_folder_only(body: str) -> None:
    try:
        article = PAGES.article(notes(body), IMAGES).with_images_in("/images/")
    except MailerError:
        return  # such notes have no mail either
    page = BeautifulSoup(PAGES.note(article, Around()).html, "html.parser")
    assert page.find("script") is None
    for element in page.find_all(True):
        assert not {name for name in element.attrs if name == "style" or name.startswith("on")}
        assert not str(element.get("href", "")).startswith("javascript:")
    for image in page.select("main img"):
        assert str(image["src"]).startswith("/images/")


@pytest.mark.parametrize("theme", ["letter", "product"])
def test_a_page_and_an_entry_of_a_feed_say_what_the_mail_says(theme: str) -> None:
    body = "Intro with `code`.\n\n![The plan](plan.png)\n\n## Added\n\n- A *thing*.\n\n> [!NOTE]\n> Mind.\n"
    article = PAGES.article(notes(body, theme=theme), IMAGES).with_images_in("/images/")
    page = BeautifulSoup(PAGES.note(article, Around()).html, "html.parser")
    shown = words(" ".join(part.get_text(" ") for part in page.select(".prose")))
    entry = BeautifulSoup(article.html(), "html.parser")
    in_mail = words(prose(mail(body, theme="letter")).get_text(" "))
    assert shown == words(entry.get_text(" ")) == in_mail
    assert [image["alt"] for image in page.select("main img")] == ["The plan"]
    assert [image["alt"] for image in entry.find_all("img")] == ["The plan"]


def test_an_entry_of_a_feed_has_the_button_of_the_notes() -> None:
    article = PAGES.article(
        notes("Text <b>here</b>.", action=Action("Try & see", "https://e.x/?a=1&b=2")), {}
    )
    entry = BeautifulSoup(article.html(), "html.parser")
    link = entry.find("a", href="https://e.x/?a=1&b=2")
    assert link is not None
    assert link.get_text() == "Try & see"
    assert entry.find("strong") is not None
