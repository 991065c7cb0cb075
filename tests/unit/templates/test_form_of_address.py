"""Whoever is addressed informally in mails is addressed so on every page, and in every service mail."""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Iterator
from datetime import date
from importlib.resources import files

import pytest
from bs4 import BeautifulSoup

from templates.brand import Brand
from templates.document import Document, Section
from templates.language import LOCALES, Locale, Register, load_texts
from templates.notice_page import NoticePage, ShownVersion
from templates.own_data_page import OwnData
from templates.page import Page, Pages, ShownChoice
from templates.service_letter import render_service_mail
from templates.service_mail import ServiceMailKind, ServiceMailValues
from templates.sign_up_form import SignUpForm
from tests.support.tone import FORMAL, INFORMAL

FOR_THE_TEAM = {"record", "report", "format"}
IN_BOTH_FORMS = {"mail", "pages", "service_mail", "notice", "own_data"}  # what shows them asks for the form
BRAND = Brand("Acme", "#336699", support_email="help@acme.example", privacy_url="https://acme.example/p")
NAMES = dict.fromkeys(("salutation", "first_name", "surname"), "x")
DATA = OwnData(NAMES, "x", "x", topics=[], suppressed="", mails=[], events=[], requests=[])
FORMS = dict.fromkeys(("names", "address", "export", "object", "erase"), "x")
CHOICES = [
    ShownChoice("a", "Nieuws", is_on=True, can_turn_on=False),
    ShownChoice("b", "Meer", is_on=False, can_turn_on=True),
]


def informal_texts(locale: Locale) -> dict[str, dict[str, str]]:
    """The tables ``[informal.SECTION]`` of a language file."""
    source = files("templates").joinpath("language", "locale", f"{locale}.toml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, str]] = tomllib.loads(source).get("informal", {})
    return tables


@pytest.mark.parametrize("locale", LOCALES)
def test_every_informal_text_replaces_a_formal_one_with_the_same_blanks(locale: Locale) -> None:
    def blanks(text: str) -> list[str]:
        return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)

    formal = load_texts(locale)
    assert set(informal_texts(locale)) <= IN_BOTH_FORMS
    for section, entries in informal_texts(locale).items():
        for key, text in entries.items():
            assert key in set(formal[section]), f"{section}.{key}"
            assert text != formal[section][key], f"{section}.{key} says the same in both"
            assert blanks(text) == blanks(formal[section][key]), f"{section}.{key}"


@pytest.mark.parametrize(
    ("register", "other"), [("formal", INFORMAL), ("informal", FORMAL)], ids=["formal", "informal"]
)
def test_no_dutch_text_for_recipients_has_a_word_of_the_other_form(
    register: Register, other: re.Pattern[str]
) -> None:
    wrong = [
        f"{name}.{key}: {text}"
        for name, section in load_texts("nl", register).items()
        if name not in FOR_THE_TEAM
        for key, text in section.items()
        if other.search(text)
    ]
    assert wrong == []


def pages_of(register: Register) -> Iterator[tuple[str, str]]:
    """Everything that the templates show to a recipient, in Dutch."""
    pages = Pages(BRAND, register=register)
    own = load_texts("nl", register)["own_data"]
    for page in Page:
        html = pages.render(
            page, "nl", address="x", topic="nieuws", undo_code="x", choices=CHOICES,
            notice=pages.choice_notice("nl", "Nieuws", on=page is Page.ASK),
        )  # fmt: skip
        yield page, html
    for notice in [name.removeprefix("notice_") for name in own if name.startswith("notice_")]:
        yield notice, pages.render_own_data(DATA, "nl", forms=FORMS, notice=notice)
    form = SignUpForm("Nieuws", pages.topic_wording("nl", "Nieuws"))
    yield "sign-up", pages.render_sign_up(form, "nl", fields={}, wrong="email")
    yield "form", pages.render_embedded_form(form, "nl", "https://example.com/signup/nieuws")
    versions = [ShownVersion(1, date(2025, 3, 1), date(2026, 3, 1)), ShownVersion(2, date(2026, 3, 1))]
    notice_page = NoticePage(BRAND, "/privacy", register=register)
    yield "notice", notice_page.render(Document("x", (Section("x"),)), "nl", versions[0], versions)
    for kind in ServiceMailKind:
        url = "" if kind is ServiceMailKind.ADDRESS_NOTICE else "https://example.com/x"
        values = ServiceMailValues(url, topic="Nieuws", new_address="x")
        mail = render_service_mail(kind, "nl", BRAND, values, register=register)
        yield kind, mail.html
        yield kind, f"{mail.subject}\n{mail.text}"


@pytest.mark.parametrize(
    ("register", "own", "other"),
    [("formal", FORMAL, INFORMAL), ("informal", INFORMAL, FORMAL)],
    ids=["formal", "informal"],
)
def test_every_page_and_service_mail_keeps_to_one_form(
    register: Register, own: re.Pattern[str], other: re.Pattern[str]
) -> None:
    found = [(name, BeautifulSoup(html, "html.parser").get_text(" ")) for name, html in pages_of(register)]
    assert [(name, text) for name, text in found if other.search(text)] == []
    assert sum(bool(own.search(text)) for _, text in found) > len(found) / 2
