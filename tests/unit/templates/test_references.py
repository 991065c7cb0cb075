"""Pull requests, commits and people are shown and linked as on the page of a release."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.errors import InvalidInput
from templates.markdown import Repository, find_repository, parse_notes, write_text
from tests.support.rendered import notes

OWN = "https://github.com/acme/app"
HASH = "8f1c0de" + "0" * 33


def text(body: str, repository: str | None = OWN) -> str:
    written = write_text(parse_notes(notes(body, repository=repository, short_references=True)))
    return " ".join(written.split())


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (f"{OWN}/pull/123", "#123"),
        (f"{OWN}/issues/4#issuecomment-5", "#4"),
        (f"{OWN}/discussions/6", "#6"),
        (f"{OWN}/commit/{HASH}", "8f1c0de"),
        (f"{OWN}/compare/v2.3.0...v2.4.0", "v2.3.0...v2.4.0"),
        ("https://github.com/acme/lib/pull/7", "acme/lib#7"),
        (f"https://github.com/acme/lib/commit/{HASH}", "acme/lib@8f1c0de"),
        ("https://gitlab.com/acme/sub/app/-/merge_requests/9", "acme/sub/app!9"),
    ],
)
def test_a_long_address_is_shown_as_a_short_reference_to_it(written: str, shown: str) -> None:
    assert text(f"in {written}.") == f"in {shown} <{written}>."


@pytest.mark.parametrize(
    ("written", "target"),
    [
        ("#123", f"{OWN}/issues/123"),
        ("GH-123", f"{OWN}/issues/123"),
        ("acme/lib#78", "https://github.com/acme/lib/issues/78"),
        ("@octo-cat", "https://github.com/octo-cat"),
        ("@dependabot[bot]", "https://github.com/apps/dependabot"),
    ],
)
def test_a_bare_reference_is_linked_where_the_repository_is_known(written: str, target: str) -> None:
    assert text(f"(by {written}), and on") == f"(by {written} <{target}>), and on"
    assert text(f"(by {written}), and on", repository=None) == f"(by {written}), and on"


def test_a_bare_commit_is_shortened_and_linked() -> None:
    assert text(f"see {HASH}") == f"see 8f1c0de <{OWN}/commit/{HASH}>"


@pytest.mark.parametrize(
    "written",
    [
        "`#123 @user`",
        "a@example.com",
        "@acme/cli",
        "page#123",
        "C#1x",
        "&#35;x",
        "x.y@z",
        "!5",
        "a1b2c3d",
        "@-x",
        "#1.2x",
    ],
)
def test_other_signs_are_no_references(written: str) -> None:
    assert "github.com" not in text(written)


def test_a_reference_inside_a_link_stays_in_it() -> None:
    assert text("[see #1](https://acme.example/)") == "see #1 <https://acme.example/>"


def test_gitlab_has_merge_requests_and_paths_of_its_own() -> None:
    assert text("!5, #6", "https://git.acme.example/a/b/-") == (
        "!5 <https://git.acme.example/a/b/-/merge_requests/5>, #6 <https://git.acme.example/a/b/-/issues/6>"
    )


@pytest.mark.parametrize(
    ("href", "target"),
    [
        ("../blob/main/M.md", f"{OWN}/blob/main/M.md"),
        ("../../blob/main/M.md", f"{OWN}/blob/main/M.md"),
        ("/acme/app/wiki", "https://github.com/acme/app/wiki"),
        ("docs/guide.md#use", f"{OWN}/blob/HEAD/docs/guide.md#use"),
        ("./docs/guide.md", f"{OWN}/blob/HEAD/docs/guide.md"),
        ("#new", f"{OWN}#new"),
    ],
)
def test_a_relative_link_leads_into_the_repository(href: str, target: str) -> None:
    assert text(f"[here it is]({href})") == f"here it is <{target}>"


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://github.com/acme/app.git", OWN),
        ("git@github.com:acme/app.git", OWN),
        ("https://github.com/acme/app/", OWN),
        ("https://gitlab.com/a/b/c", "https://gitlab.com/a/b/c"),
        ("https://git.acme.example/a/b/-", "https://git.acme.example/a/b/-"),
    ],
)
def test_a_repository_is_known_by_any_of_its_addresses(written: str, url: str) -> None:
    assert str(Repository.parse(written)) == url
    assert Repository.parse(url) == Repository.parse(written)


@pytest.mark.parametrize(
    "written", ["acme/app", "https://github.com", "https://github.com/acme", "javascript:a/b", "https://["]
)
def test_what_is_no_repository_is_refused(written: str) -> None:
    with pytest.raises(InvalidInput, match="repository"):
        Repository.parse(written)


def test_comparisons_of_versions_tell_the_repository_unless_they_lead_to_several() -> None:
    compared = f"[2.4.0]: {OWN}/compare/v2.3.0...v2.4.0\n"
    assert find_repository(compared * 2) == OWN
    assert find_repository(f"{compared}https://github.com/acme/lib/compare/1...2") is None
    assert find_repository(f"see {OWN}/pull/1") is None


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from([*"#@!/.-: a1b", "acme/app", "GH-1", HASH, OWN, "/pull/1", "[x]", "**"]), max_size=30
    )
)
def test_no_word_is_lost_but_for_the_rest_of_a_commit(parts: list[str]) -> None:
    body = "x " + "".join(parts)
    shown = write_text(parse_notes(notes(body, repository=OWN, short_references=True)))
    plain = write_text(parse_notes(notes(body)))

    def words(source: str) -> set[str]:
        return set(re.findall(r"\w+", source.replace(HASH, "8f1c0de")))

    assert words(plain) <= words(shown)
