"""Changelogs in the forms in which well-known packages keep theirs become mails that lose nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from campaigns.notes import Changelog, Defaults, Release, read_changelog
from templates.language import LOCALES, Locale
from templates.lint import lint
from templates.notes import RenderedNotes
from templates.render import render
from tests.support.rendered import BRAND, PIXELS, prose, seen, words

CHANGELOGS = sorted(Path(__file__).parents[2].joinpath("changelogs").glob("*.md"))

pytestmark = pytest.mark.parametrize("path", CHANGELOGS, ids=lambda path: path.stem)


def releases(text: str) -> tuple[Release, ...]:
    return Changelog(text, "CHANGELOG.md").releases


def first(path: Path, locale: Locale = "en") -> RenderedNotes:
    """The mail of a changelog's newest release."""
    text = path.read_text(encoding="utf-8")
    defaults = Defaults(locale, "release-notes", "Acme", base_url="https://example.com/blob/main/")
    notes = read_changelog(text, releases(text)[0].version, path.name, defaults)
    return render(notes, BRAND, images={"logo.png": PIXELS})


def source(path: Path) -> str:
    """What the section says: without comments, fence lines and definitions, which are not to be seen."""
    body = re.sub(r"<!--.*?-->", "", releases(path.read_text(encoding="utf-8"))[0].body, flags=re.DOTALL)
    body = re.sub(r"</?(?:details|summary|img)\b[^>]*>|logo\.png", "", body)
    return re.sub(r"^\s*(?:```.*|:::.*|\[[^\]]+\]: .*|> \[!.*)$", "", body, flags=re.MULTILINE)


@pytest.mark.parametrize("locale", LOCALES)
def test_every_word_of_the_section_is_in_both_parts(path, locale):
    rendered = first(path, locale)
    assert words(source(path)) - words(seen(rendered)) == words("")
    assert words(source(path)) - words(rendered.text) == words("")


def test_every_address_of_the_section_is_a_link_in_both_parts(path):
    rendered = first(path)
    hrefs = {str(link["href"]) for link in prose(rendered).find_all("a")}
    addresses = {url.rstrip(".,;:*") for url in re.findall(r"https?://[^\s)>\]\"`]+", source(path))}
    assert addresses <= hrefs
    for href in hrefs:
        assert href.startswith("https://")
        assert href in rendered.text


def test_no_markup_is_left_over_to_be_read(path):
    body = prose(first(path))
    for code in body.find_all(["code", "pre"]):
        code.decompose()
    assert not re.search(
        r"\]\(|\*\*|~~|^#+ |:::|\[!|</?(?:details|summary|img)|&\w+;", body.get_text(), re.MULTILINE
    )


def test_the_mail_passes_lint(path):
    assert lint(first(path)) == ()


def test_older_releases_become_mails_too(path):
    text = path.read_text(encoding="utf-8")
    assert len(releases(text)) > 1
    for release in releases(text)[1:]:
        notes = read_changelog(text, release.version, path.name, Defaults("nl", "release-notes", "Acme"))
        assert release.version in render(notes, BRAND).html
