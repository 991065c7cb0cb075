"""Service mails: complete in each language, plain in both parts, and escaped."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from templates.brand import Brand
from templates.language import LOCALES, Locale
from templates.service_letter import render_service_mail
from templates.service_mail import ServiceMailKind, ServiceMailValues

BRAND = Brand("Acme & Co", "#ffcc00", "https://acme.example", "Street 1", support_email="help@acme.example")
VALUES = ServiceMailValues(
    url="https://mail.example.com/confirm/abc.def",
    greeting="Beste <b>Zoë</b>",
    wording="Ja, stuur mij nieuws <nu>.",
    topic="Nieuwe versies",
    new_address="z…@example.org",
)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", list(ServiceMailKind))
def test_every_kind_says_the_same_in_both_parts(kind: ServiceMailKind, locale: Locale) -> None:
    mail = (
        render_service_mail(kind, locale, BRAND, VALUES)
        if kind is not ServiceMailKind.ADDRESS_NOTICE
        else (render_service_mail(kind, locale, BRAND, ServiceMailValues(new_address="z…@example.org")))
    )
    page = BeautifulSoup(mail.html, "html.parser")
    assert page.h1.get_text() in mail.text
    assert page.html["lang"] == locale
    assert "{" not in mail.text + mail.subject
    assert mail.subject.count(BRAND.name) == 1
    links = [link["href"] for link in page.find_all("a") if "/confirm/" in link["href"]]
    assert links == ([] if kind is ServiceMailKind.ADDRESS_NOTICE else [VALUES.url])
    assert (VALUES.url in mail.text.splitlines()) is bool(links)


def test_what_people_typed_is_escaped() -> None:
    mail = render_service_mail(ServiceMailKind.TOPIC, "nl", BRAND, VALUES)
    page = BeautifulSoup(mail.html, "html.parser")
    assert page.find("b") is None
    assert "Beste <b>Zoë</b>," in page.get_text()
    assert "Ja, stuur mij nieuws <nu>." in page.get_text()


def test_a_service_mail_fetches_nothing() -> None:
    page = BeautifulSoup(
        render_service_mail(ServiceMailKind.SIGN_UP, "en", BRAND, VALUES).html, "html.parser"
    )
    assert page.find_all(["img", "link", "script", "iframe"]) == []
