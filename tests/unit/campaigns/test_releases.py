"""The JSON of a release becomes notes, whichever tool wrote it."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.notes import Defaults, is_release, read_release
from mailer.errors import InvalidInput
from templates.notes import ReleaseNotes

DEFAULTS = Defaults("en", "release-notes", "Acme")
GH = {
    "name": "The editor :tada:",
    "tagName": "v2.4.0",
    "body": "* A link\r\n* A table\r\n",
    "publishedAt": "2026-11-01T10:00:00Z",
    "url": "https://github.com/acme/app/releases/tag/v2.4.0",
    "author": {"login": "octocat"},
    "isDraft": False,
}
REST = {
    "name": "The editor :tada:",
    "tag_name": "v2.4.0",
    "body": "* A link\n* A table",
    "published_at": "2026-11-01T10:00:00Z",
    "html_url": "https://github.com/acme/app/releases/tag/v2.4.0",
    "url": "https://api.github.com/repos/acme/app/releases/1",
    "draft": False,
}
GLAB = {
    "name": "The editor :tada:",
    "tag_name": "v2.4.0",
    "description": "* A link\n* A table",
    "released_at": "2026-11-01T10:00:00.000Z",
    "_links": {"self": "https://git.acme.example/acme/app/-/releases/v2.4.0"},
}


def read(value: Any, **options: Any) -> ReleaseNotes:
    return read_release(json.dumps(value), "release.json", DEFAULTS, **options)


@pytest.mark.parametrize(
    ("value", "repository"),
    [
        (GH, "https://github.com/acme/app"),
        (REST, "https://github.com/acme/app"),
        ({"action": "published", "release": REST}, "https://github.com/acme/app"),
        (GLAB, "https://git.acme.example/acme/app/-"),
        ([GLAB], "https://git.acme.example/acme/app/-"),
    ],
    ids=["gh", "GitHub's API", "the event of a workflow", "glab", "a list of one"],
)
def test_each_form_gives_title_version_date_notes_and_repository(value: Any, repository: str) -> None:
    found = read(value)
    assert (found.title, found.version, found.date) == ("The editor 🎉", "2.4.0", date(2026, 11, 1))
    assert (found.body, found.repository) == ("* A link\n* A table", repository)


@pytest.mark.parametrize("name", ["", "v2.4.0", "2.4.0", None])
def test_a_release_without_a_title_of_its_own_is_called_after_product_and_version(name: str | None) -> None:
    assert read(GH | {"name": name}).title == "New in Acme 2.4.0"


@pytest.mark.parametrize(
    ("tag", "version"), [("cli@1.2.3", "cli 1.2.3"), ("nightly", "nightly"), ("release-1.2", "1.2")]
)
def test_the_version_is_what_the_tag_says(tag: str, version: str) -> None:
    assert read(GH | {"tagName": tag}).version == version


def test_nothing_about_the_author_is_kept() -> None:
    assert "octocat" not in repr(read(GH))


@pytest.mark.parametrize("change", [{"isDraft": True}, {"draft": True}, {"upcoming_release": True}])
def test_a_release_that_is_not_published_is_refused(change: dict[str, bool]) -> None:
    with pytest.raises(InvalidInput, match="not published"):
        read(GH | change)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"name": "x"}', "no tag"),
        ("{", "not valid"),
        ("[" * 100_000, "too deeply"),
        ("[]", "0 releases"),
        (json.dumps([GH, REST]), "2 releases: v2.4.0, v2.4.0"),
        (json.dumps(GH | {"body": " \n"}), "say nothing"),
        (json.dumps(GH | {"name": "a\u007fb"}), "control character"),
        ('{"tagName": ' + "1" * 5000 + "}", "too long a number"),
    ],
)
def test_what_is_no_release_is_refused_with_the_file(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as refused:
        read_release(text, "release.json", DEFAULTS)
    assert "release.json" in str(refused.value)


def test_half_characters_and_controls_of_direction_are_left_out() -> None:
    found = read(GH | {"body": "a\ud800b \u202etxt", "name": "a\u0007b"})
    assert (found.title, found.body) == ("ab", "a?b txt")


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*GH, *GLAB, "release", "self"]), inner, max_size=4)
        ),
        max_leaves=8,
    )
)
def test_any_json_is_read_or_refused(value: Any) -> None:
    with suppress(InvalidInput):
        assert read(value).body


@pytest.mark.parametrize("text", ["# Notes\n", "[link](x)\n", "[ ] open\n", "---\ntitle: x\n---\n"])
def test_markdown_is_no_release(text: str) -> None:
    assert not is_release(text)
