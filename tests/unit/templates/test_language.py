"""Both languages say the same things, and a text that is missing is never silently empty."""

from __future__ import annotations

import string
from datetime import date

import pytest

from mailer.errors import InvalidInput, TemplateError
from templates.language import LOCALES, format_long_date, load_texts, parse_locale


def test_every_language_has_the_same_sections_and_keys():
    keys = {
        locale: {name: set(section) for name, section in load_texts(locale).items()} for locale in LOCALES
    }
    assert keys["nl"] == keys["en"]


def test_every_text_has_the_same_blanks_in_each_language():
    def blanks(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for name, section in load_texts("en").items():
        for key, text in section.items():
            assert blanks(load_texts("nl")[name][key]) == blanks(text), f"{name}.{key}"


def test_no_text_is_empty():
    assert all(
        text.strip()
        for locale in LOCALES
        for section in load_texts(locale).values()
        for text in section.values()
    )


def test_a_missing_text_is_named_with_its_file():
    with pytest.raises(TemplateError, match=r"locale/nl\.toml has no text mail\.nothing"):
        load_texts("nl")["mail"]["nothing"]
    with pytest.raises(TemplateError, match=r"locale/nl\.toml has no section \[nothing\]"):
        load_texts("nl")["nothing"]


def test_languages_are_recognised_in_any_case_and_others_are_refused():
    assert parse_locale(" NL ") == "nl"
    with pytest.raises(InvalidInput, match="'de' is not a supported language"):
        parse_locale("de")


def test_dates_are_written_as_the_language_writes_them():
    assert format_long_date(date(2026, 3, 1), "nl") == "1 maart 2026"
    assert format_long_date(date(2026, 3, 1), "en") == "1 March 2026"
