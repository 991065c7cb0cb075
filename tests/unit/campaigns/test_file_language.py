"""The name of a file of notes may say its language; most names do not."""

from __future__ import annotations

import pytest

from campaigns.file_language import locale_in_name, name_without_locale, refuse_other_language
from mailer.errors import InvalidInput


@pytest.mark.parametrize(
    ("name", "locale", "stem"),
    [
        ("notes.nl.md", "nl", "notes"),
        ("2.4.0.en.markdown", "en", "2.4.0"),
        ("Notes.NL.md", "nl", "Notes"),
        ("notes.nl-BE.md", "nl", "notes"),
        ("notes.en_gb.md", "en", "notes"),
        ("notes.nl.rst", "nl", "notes"),
        ("CHANGELOG.nl.txt", "nl", "CHANGELOG"),
    ],
)
def test_a_language_in_the_name_is_that_of_the_file(name: str, locale: str, stem: str) -> None:
    assert (locale_in_name(name), name_without_locale(name)) == (locale, stem)
    refuse_other_language(name)


@pytest.mark.parametrize(
    "name",
    [
        "notes.md", "v2.3.md", "2.4.0.md", "release.v1.md", "notes.final.md", "notes.new.md", "notes.rc.md", "notes.qa.md",
        "notes.to-do.md", "notes.as-is.md", "notes.en", "nl.md", "fr.md", "notes-fr.md", "standard input", "notes.fra.md",
        "release.2026-11-30.md", "notes.f.md",
    ],
)  # fmt: skip
def test_other_names_say_no_language(name: str) -> None:
    assert locale_in_name(name) is None
    refuse_other_language(name)


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("notes.fr.md", r"French \(fr\)"),
        ("2.4.0.DE.markdown", r"German \(DE\)"),
        ("notes.pt-br.md", r"Portuguese \(pt-br\)"),
        ("notes.zh_Hans.md", r"Chinese \(zh_Hans\)"),
        ("notes.zh-CN.md", r"Chinese \(zh-CN\)"),
        ("CHANGELOG.fr.rst", r"French \(fr\)"),
        ("no\ntes.fr.md", r"French \(fr\)"),
    ],
)
def test_a_language_that_mails_do_not_have_is_named(name: str, language: str) -> None:
    assert locale_in_name(name) is None
    with pytest.raises(InvalidInput, match=rf"by its name the file is in {language}; mails are in nl or en"):
        refuse_other_language(name)
