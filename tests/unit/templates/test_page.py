"""The unsubscribe pages: their content, that they load nothing, and that their colours have enough contrast."""

from __future__ import annotations

import base64
import hashlib
import re
from itertools import product
from typing import Any

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from templates.brand import Brand, contrast_ratio
from templates.language import LOCALES, Locale, load_texts
from templates.own_data_page import OwnData
from templates.page import Page, Pages

BRAND = Brand(
    name="Acme & Søn <b>",
    colour="#ffcc00",
    support_email="help@example.com",
    privacy_url="https://example.com/privacy",
    postal_address="Keizersgracht 1, Amsterdam",
)
PAGES = Pages(BRAND)
PAGES_AND_LOCALES = list(product(Page, LOCALES))
WITH_PERSON: dict[str, Any] = {"address": "j…@e….com", "topic": "release-notes", "undo_code": "code"}


@pytest.mark.parametrize(("page", "locale"), PAGES_AND_LOCALES)
def test_a_page_says_its_language_and_has_one_heading_and_a_title(page: Page, locale: Locale) -> None:
    document = BeautifulSoup(PAGES.render(page, locale), "html.parser")
    assert document.html["lang"] == locale
    assert len(document.find_all("h1")) == 1
    assert document.h1.get_text(strip=True) in document.title.get_text()
    assert document.title.get_text().count(BRAND.name) == 1


@pytest.mark.parametrize(("page", "locale"), PAGES_AND_LOCALES)
def test_a_page_loads_nothing_and_runs_nothing(page: Page, locale: Locale) -> None:
    html = PAGES.render(page, locale, **WITH_PERSON)
    document = BeautifulSoup(html, "html.parser")
    assert not document.find_all(["script", "link", "img", "iframe", "object", "embed", "base"])
    assert not re.search(r"\son[a-z]+=|javascript:|url\(|@import|http-equiv", html)


@pytest.mark.parametrize(("page", "locale"), PAGES_AND_LOCALES)
def test_the_content_security_policy_allows_only_the_page_s_own_stylesheet(
    page: Page, locale: Locale
) -> None:
    html = PAGES.render(page, locale, **WITH_PERSON)
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    assert len(style) == 1
    assert f"style-src 'sha256-{digest}';" in PAGES.content_security_policy
    assert " style=" not in html


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(
    ("page", "action"),
    [
        (Page.ASK, "withdraw"),
        (Page.UNSUBSCRIBED, "resubscribe"),
        (Page.RESUBSCRIBED, "withdraw"),
    ],
)
def test_a_page_about_a_person_has_one_button_first_and_then_the_way_to_their_data(
    page: Page, action: str, locale: Locale
) -> None:
    document = BeautifulSoup(PAGES.render(page, locale, **WITH_PERSON), "html.parser")
    buttons = document.find_all("button")
    assert [(button["name"], button["value"]) for button in buttons] == [
        ("action", action),
        ("action", "own_data"),
    ]
    assert all(button.find_parent("form")["method"] == "post" for button in buttons)


@pytest.mark.parametrize(
    "page", [Page.INVALID_LINK, Page.BAD_REQUEST, Page.UNAVAILABLE, Page.UNSUBSCRIBED, Page.NOT_SUBSCRIBED]
)
def test_a_page_without_a_person_has_no_button(page: Page) -> None:
    assert "<button" not in PAGES.render(page, "en")


def test_a_page_offers_to_subscribe_again_only_with_a_code_to_undo_the_withdrawal() -> None:
    without_code = WITH_PERSON | {"undo_code": None}
    assert "resubscribe" not in PAGES.render(Page.UNSUBSCRIBED, "en", **without_code)
    assert "resubscribe" not in PAGES.render(Page.NOT_SUBSCRIBED, "en", **WITH_PERSON)
    undo = BeautifulSoup(PAGES.render(Page.UNSUBSCRIBED, "en", **WITH_PERSON), "html.parser").find("input")
    assert undo is not None
    assert (undo["type"], undo["name"], undo["value"]) == ("hidden", "undo", "code")


@pytest.mark.parametrize("locale", LOCALES)
def test_the_recorded_wording_is_the_text_that_the_page_shows(locale: Locale) -> None:
    document = BeautifulSoup(PAGES.render(Page.UNSUBSCRIBED, locale, **WITH_PERSON), "html.parser")
    assert document.find(id="consent").get_text() == PAGES.consent_wording(locale, "release-notes")
    assert load_texts(locale)["pages"]["resubscribe_button"] in PAGES.consent_wording(locale, "release-notes")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=100))
def test_names_and_topics_are_text_and_never_markup(name: str) -> None:
    document = BeautifulSoup(
        Pages(Brand(name, "#336699")).render(Page.ASK, "en", address=name, topic=name), "html.parser"
    )
    assert document.find("p", class_="brand").get_text() == name
    assert [field.get_text() for field in document.find_all("dd")] == [name, name]


@given(st.from_regex(r"#[0-9a-f]{6}", fullmatch=True))
def test_a_brand_of_any_colour_can_be_read(colour: str) -> None:
    html = Pages(Brand("Acme", colour)).render(Page.ASK, "en")
    accents = re.findall(r"--accent: (#\w+);", html)
    cards = re.findall(r"--card: (#\w+);", html)
    assert len(accents) == len(cards) == 2
    for accent, card in zip(accents, cards, strict=True):
        assert contrast_ratio(accent, card) >= 4.5


def test_text_can_be_read_on_every_background() -> None:
    html = PAGES.render(Page.ASK, "en")
    shades = {name: re.findall(rf"--{name}: (#\w+);", html) for name in ("ink", "soft", "card", "ground")}
    for scheme, ink, ground in product((0, 1), ("ink", "soft"), ("card", "ground")):
        assert contrast_ratio(shades[ink][scheme], shades[ground][scheme]) >= 4.5


def test_both_languages_have_the_same_page_texts() -> None:
    assert {tuple(sorted(load_texts(locale)["pages"])) for locale in LOCALES} == {
        tuple(sorted(load_texts("en")["pages"]))
    }


@pytest.mark.parametrize("locale", LOCALES)
def test_a_title_that_names_the_brand_names_it_once(locale: Locale) -> None:
    names = dict.fromkeys(("salutation", "first_name", "surname"), "")
    data = OwnData(names, "", "", topics=[], suppressed="", mails=[], events=[], requests=[])
    document = BeautifulSoup(PAGES.render_own_data(data, locale), "html.parser")
    assert document.title.get_text() == document.h1.get_text(strip=True)
    assert BRAND.name in document.title.get_text()
