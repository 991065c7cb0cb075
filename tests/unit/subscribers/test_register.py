"""The record of processing and the privacy notice say what the settings say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.config import Settings
from mailer.config.processors import data_hosts, uncovered
from subscribers.rights.notice import privacy_notice
from subscribers.rights.register import outside_eea, processing_record
from templates.document import Document, Item, Section
from templates.language import LOCALES, Locale
from templates.language.country import country_name, is_in_eea
from tests.support.settings import settings_of

RELAY = {"host": "smtp.postbode.example", "port": 25}
PROCESSOR = {
    "name": "Postbode B.V.",
    "purpose": {"nl": "bezorgt berichten", "en": "delivers mail"},
    "country": "NL",
    "hosts": ["postbode.example"],
}
BACKUPS = {"name": "Cloud Inc.", "purpose": "keeps backups", "country": "United States"}


def with_settings(**values: Any) -> Settings:
    chosen: dict[str, Any] = {"smtp": RELAY, "privacy": {"processors": [PROCESSOR]}} | values
    return settings_of(**chosen)


@pytest.mark.parametrize(
    ("locale", "purpose", "country"),
    [("nl", "bezorgt berichten", "Nederland"), ("en", "delivers mail", "Netherlands")],
)
def test_processors_are_named_with_purpose_and_country_in_each_language(
    locale: Locale, purpose: str, country: str
) -> None:
    for document in (processing_record(with_settings(), locale), privacy_notice(with_settings(), locale)):
        assert f"Postbode B.V.: {purpose}; {country}" in document.as_text()


def test_a_processor_outside_the_european_economic_area_is_a_transfer() -> None:
    found = with_settings(privacy={"processors": [PROCESSOR, BACKUPS]})
    assert [each.name for each in outside_eea(found)] == ["Cloud Inc."]
    assert "Cloud Inc.: United States. The safeguards" in processing_record(found, "en").as_text()
    assert "outside the European Economic Area" in privacy_notice(found, "en").as_text()
    assert "stay in the European Economic Area" in privacy_notice(with_settings(), "en").as_text()


def test_a_host_of_nobody_keeps_the_notice_from_saying_that_nobody_else_has_the_data() -> None:
    unknown = with_settings(privacy={})
    assert uncovered(unknown, data_hosts(unknown)) == {"smtp.postbode.example": "[smtp]"}
    text = privacy_notice(unknown, "en").as_text()
    assert "No other company" not in text
    assert "stay in the European" not in text
    assert "Ask us which" in text


@pytest.mark.parametrize(
    ("host", "named", "covered"),
    [
        ("smtp.postbode.example", ["postbode.example"], True),
        ("postbode.example", ["*.Postbode.example."], True),
        ("smtp.notpostbode.example", ["postbode.example"], False),
        ("198.51.100.7", [], True),  # for documentation: not global
        ("93.184.215.14", [], False),
        ("::1", [], True),
        ("relay", [], True),
        ("/var/run/postgresql", [], True),
    ],
)
def test_a_host_is_covered_by_its_own_name_and_by_a_domain_above_it(
    host: str, named: list[str], covered: bool
) -> None:
    found = with_settings(privacy={"own_hosts": named})
    assert (uncovered(found, {host: "[smtp]"}) == {}) is covered


def test_hosts_come_from_relays_images_and_the_database() -> None:
    found = with_settings(
        database_url="postgresql://mailer@db.example.net/mailer", image_hosts=["img.example.net"]
    )
    assert data_hosts(found) == {
        "smtp.postbode.example": "[smtp]",
        "img.example.net": "image_hosts",
        "db.example.net": "database_url",
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"require_approval": True}, "A second person approves"),
        ({"require_approval": 2}, "Two different people approve"),
        ({"public_url": "https://example.com"}, "The pages are reached by HTTPS"),
        ({"smtp": RELAY | {"security": "starttls"}}, "handed to smtp.postbode.example encrypted"),
        ({"smtp": RELAY | {"security": "none"}}, "handed to smtp.postbode.example without encryption"),
        ({"smtp": {"host": "127.0.0.1", "security": "none"}}, "a mail server on the same machine"),
        ({"dkim": {"key_file": "dkim.pem"}}, "Each mail is signed"),
    ],
)
def test_a_measure_is_named_where_the_settings_put_it_in_force(values: dict[str, Any], said: str) -> None:
    assert said in processing_record(with_settings(**values), "en").as_text()
    plain = with_settings(smtp={"host": "localhost", "security": "tls"})
    assert said not in processing_record(plain, "en").as_text()


# The sentences of the privacy statement, each with words of the notice that say it.
PROMISES = {
    "used for its purpose only": (
        "We use your data for nothing else",
        "gebruiken uw gegevens voor niets anders",
    ),
    "never sold": ("We never sell your data", "verkopen uw gegevens nooit"),
    "shared on request or by order": ("or when a court orders it", "als een rechter het beveelt"),
    "by the law": ("General Data Protection Regulation", "Algemene verordening gegevensbescherming"),
    "no special categories": ("no special categories", "geen bijzondere persoonsgegevens"),
    "access, correction, erasure": ("correct them, to erase them", "te corrigeren, te wissen"),
    "what the law makes one keep": ("Where the law requires us to keep", "Waar de wet ons verplicht"),
    "cookies": ("set no cookies", "plaatsen geen cookies"),
    "what mails are about": ("company news and related matters", "bedrijfsnieuws en aanverwante zaken"),
    "explicit consent in the account": ("agreed to it explicitly", "uitdrukkelijk toestemming"),
    "four fields": ("Salutation, first name and surname", "Aanhef, voornaam en achternaam"),
    "unsubscribe in each mail": ("link to unsubscribe in each mail", "uit te schrijven in elk bericht"),
    "24 hours": ("within 24 hours", "binnen 24 uur"),
}


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("locale", LOCALES)
def test_the_notice_makes_each_promise_in_each_language(promise: str, locale: Locale) -> None:
    english, dutch = PROMISES[promise]
    text = " ".join(privacy_notice(with_settings(), locale).as_text().split())
    assert (dutch if locale == "nl" else english) in text


def test_a_country_is_known_by_code_and_by_name_in_each_language() -> None:
    for written in ("DE", "de", "Germany", "Duitsland", " germany "):
        assert country_name(written, "nl") == "Duitsland"
        assert is_in_eea(written)
    assert country_name("Atlantis", "en") == "Atlantis"
    assert not is_in_eea("Atlantis")
    assert not is_in_eea("CH")


_line = st.text(max_size=30)
_documents = st.builds(
    Document,
    _line,
    st.lists(
        st.builds(
            Section,
            _line,
            st.lists(_line, max_size=2).map(tuple),
            st.lists(st.builds(Item, _line, _line), max_size=2).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
)


@given(_documents)
@settings(max_examples=30)
def test_a_document_is_read_as_it_was_written(document: Document) -> None:
    assert Document.from_values(document.values()) == document
