"""The changelogs of well-known packages are read as a second, slow and simple reader reads them, or refused in plain words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options

from campaigns.notes import Changelog, Release, ReleaseStatus
from mailer.errors import InvalidInput
from templates.markdown import expand_shortcodes, parse_notes, write_html
from tests.corpus.fetch import Unavailable, fetch
from tests.corpus.simple_reader import sections
from tests.support.rendered import PIXELS, notes

SECONDS = 45
NEWEST = 6  # releases of each changelog; `python -m tests.corpus` reads them all
RENDERED = 2  # of these; their content is judged by cmark-gfm
FEWEST = 120
LARGEST = 60_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


class Read:
    """A changelog that names versions, and those of its newest releases that are for mailing."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text, self.changelog = path, text, Changelog(text, path.name)
        self.accepted = [
            self.changelog.find(str(release.versions[0]))
            for release in self.releases()
            if refusal(self.changelog, release) is None
        ]

    def releases(self) -> Iterator[Release]:
        released = [
            one for one in self.changelog.releases if one.status is ReleaseStatus.RELEASED and one.body
        ]
        yield from self.changelog.newest_first(released)[:NEWEST]


@pytest.fixture(scope="module")
def corpus() -> list[Read]:
    try:
        paths = fetch(SECONDS)
    except Unavailable as unavailable:
        pytest.skip(f"the packages can't be had: {unavailable}")
    read = [Read(path, path.read_bytes()[:LARGEST].decode(errors="replace")) for path in paths]
    read = [one for one in read if one.changelog.releases]
    assert len(read) >= FEWEST
    return read


def test_nearly_all_releases_are_accepted_untouched(corpus: list[Read]) -> None:
    releases = sum(len(list(one.releases())) for one in corpus)
    accepted = sum(len(one.accepted) for one in corpus)
    assert accepted / releases >= 0.97, f"{accepted} of {releases}"
    newest = [next(one.releases(), None) in one.accepted for one in corpus]
    assert sum(newest) / len(newest) >= 0.97


def test_each_section_is_the_one_that_the_simple_reader_finds(corpus: list[Read]) -> None:
    wrong = []
    for one in corpus:
        found = sections(one.text)
        if not found:  # versions in a list: the simple reader has no opinion
            continue
        for release in one.accepted:
            last = release.first_line - 1 + len(release.body.split("\n"))
            if last not in {end for (_, line), end in found.items() if line == release.line}:
                wrong.append(f"{one.path.name}, line {release.line}: ends on {last}")
    assert wrong == []


def test_nothing_that_is_marked_as_unreleased_or_yanked_is_accepted(corpus: list[Read]) -> None:
    marks = re.compile(
        r"unreleased|yanked|\bTB[ACD]\b|snapshot|-dev\b|not (?:yet )?released|to be released", re.IGNORECASE
    )
    assert [
        release.heading for one in corpus for release in one.accepted if marks.search(release.heading)
    ] == []


def test_each_refusal_names_lines_and_what_to_do(corpus: list[Read]) -> None:
    for one in corpus:
        for release in one.changelog.releases[:NEWEST]:
            if (refused := refusal(one.changelog, release)) is None:
                continue
            assert re.search(r"\blines? \d+", str(refused)), str(refused)
            assert refused.hint, str(refused)


def test_each_mail_says_what_cmark_gfm_reads(corpus: list[Read]) -> None:
    judged = 0
    different = []
    for one in corpus:
        for release in one.accepted[:RENDERED]:
            source = notes("-", base_url="https://example.com/", remote_images="link")._replace(
                body=one.changelog.with_definitions(release),
            )
            document = parse_notes(source)
            html = write_html(document, dict.fromkeys(document.local_images(), PIXELS))
            ours, theirs = words(html), words(_by_cmark(source.body))
            # Tags that no mail knows are shown as they are; GitHub's renderer drops them.
            tags = words(" ".join(re.findall(r"<([^>]*)>", source.body)))
            if theirs - ours or ours - theirs - tags:
                different.append(f"{one.path.name}, line {release.line}")
            judged += 1
    assert judged > RENDERED * FEWEST
    assert different == []


def _by_cmark(body: str) -> str:
    html = github_flavored_markdown_to_html(
        expand_shortcodes(body), options=Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES
    )
    return re.sub(r'<img[^>]*alt="([^"]*)"[^>]*>', r"\1", html)


def words(html: str) -> Counter[str]:
    """The words that HTML shows. The labels of a table's cells repeat its headings, so they do not count."""
    page = BeautifulSoup(f"<div>{html}</div>", "html.parser")
    for repeated in page.select(".label, [aria-hidden]"):
        repeated.decompose()
    for mark in page.select("wbr, pre span"):
        mark.unwrap()
    page.smooth()
    return Counter(re.findall(r"\w+", page.get_text(" ")))


def refusal(changelog: Changelog, release: Release) -> InvalidInput | None:
    try:
        changelog.find(str(release.versions[0]))
    except InvalidInput as refused:
        return refused
    return None
