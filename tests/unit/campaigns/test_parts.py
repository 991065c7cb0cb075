"""Parts of notes are left out by option; all other lines stay where they are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.notes import drop_contributors, keep_kinds, parse_kinds
from mailer.errors import InvalidInput

BODY = """\
A line before.

## 2.5.0

Its own words.

### Added

- a map[^1], see [docs]

#### In detail

- of the harbour

### Fixed

- a fault

## Contributors

- @octocat

[docs]: https://acme.example/
[^1]: A note.
"""


def kept(body: str) -> list[str]:
    return [line for line in body.split("\n") if line]


def test_only_the_sections_of_the_kinds_stay_with_the_headings_above_them() -> None:
    assert kept(keep_kinds(BODY, {"added"}, "n.md")) == [
        "A line before.",
        "## 2.5.0",
        "### Added",
        "- a map[^1], see [docs]",
        "#### In detail",
        "- of the harbour",
        "[docs]: https://acme.example/",
        "[^1]: A note.",
    ]


def test_a_footnote_goes_with_the_section_that_refers_to_it() -> None:
    assert kept(keep_kinds(BODY, {"fixed"}, "n.md"))[-2:] == ["- a fault", "[docs]: https://acme.example/"]


def test_lines_keep_their_numbers() -> None:
    lines, before = keep_kinds(BODY, {"fixed"}, "n.md").split("\n"), BODY.split("\n")
    assert all(line in {"", before[number]} for number, line in enumerate(lines))


def test_a_kind_that_the_notes_do_not_have_is_refused_with_those_they_have() -> None:
    with pytest.raises(InvalidInput, match="security") as refused:
        keep_kinds(BODY, {"security"}, "n.md")
    assert "added, fixed" in str(refused.value.hint)


@pytest.mark.parametrize(
    "heading", ["New Contributors", "❤️ Contributors", "Contributors to this release", "Thanks to"]
)
def test_a_list_of_contributors_is_left_out(heading: str) -> None:
    body = f"- a\n\n## {heading}\n\n- @octocat\n\n## Added\n\n- b\n"
    assert kept(drop_contributors(body)) == ["- a", "## Added", "- b"]


@pytest.mark.parametrize("heading", ["Contributing guide", "Thankful users", "Contributor agreement"])
def test_other_headings_are_no_lists_of_contributors(heading: str) -> None:
    assert drop_contributors(f"## {heading}\n\nx") == f"## {heading}\n\nx"


@pytest.mark.parametrize("value", ["", ",", "nonsense", "added,nonsense"])
def test_unknown_kinds_are_refused(value: str) -> None:
    with pytest.raises(InvalidInput, match="not a kind of change"):
        parse_kinds(value)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["# Added", "## Fixed", "### x", "[a]: b", "[^1]: c", "t[^1]", "", "```", "Added\n---"]
        )
    )
)
def test_what_is_left_are_lines_of_the_body_in_their_places(lines: list[str]) -> None:
    body = "\n".join(["## Added", *lines])
    before = body.split("\n")
    assert all(
        line in {"", before[number]}
        for number, line in enumerate(keep_kinds(body, {"added"}, "n.md").split("\n"))
    )
