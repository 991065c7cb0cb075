"""Release notes are read from what teams already write, and refused with a place and a remedy."""

from __future__ import annotations

from datetime import date
from textwrap import dedent

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.notes import Defaults, read_changelog, read_markdown
from mailer.errors import InvalidInput

DEFAULTS = Defaults(locale="en", topic="release-notes", product="Acme")


def read(text: str):
    return read_markdown(dedent(text).lstrip("\n"), "notes.md", DEFAULTS)


class TestMarkdown:
    def test_front_matter_gives_all_that_a_mail_says_about_itself(self):
        notes = read("""
            ---
            title: "Acme 2.4: faster"
            version: 2.10
            date: 2026-11-01
            locale: NL
            topic: beta
            preheader: >
              In one
              line
            base_url: https://acme.example/docs/
            ---

            Text.
            """)
        assert (notes.title, notes.version, notes.date) == ("Acme 2.4: faster", "2.10", date(2026, 11, 1))
        assert (notes.locale, notes.topic, notes.preheader) == ("nl", "beta", "In one line")
        assert (notes.base_url, notes.body, notes.origin) == (
            "https://acme.example/docs/",
            "Text.",
            "notes.md",
        )
        assert notes.where(0) == "notes.md, line 13"

    def test_what_is_not_said_comes_from_the_defaults(self):
        notes = read("# Acme 3\n\nText.")
        assert (notes.title, notes.locale, notes.topic) == ("Acme 3", "en", "release-notes")
        assert (notes.version, notes.date, notes.preheader, notes.base_url) == (None, None, None, None)

    def test_a_leading_heading_stands_in_for_the_title_without_its_markup(self):
        notes = read("# Acme *3* and `x`\n\nText.")
        assert notes.title == "Acme 3 and x"
        assert notes.body == "Text."
        assert notes.where(0) == "notes.md, line 3"

    def test_a_heading_that_repeats_the_title_is_not_shown_twice(self):
        assert read("---\ntitle: Same\n---\n# Same\n\nText.").body == "Text."

    def test_a_heading_that_differs_from_the_title_stays(self):
        assert read("---\ntitle: One\n---\n# Two\n\nText.").body == "# Two\n\nText."

    def test_a_mark_at_the_start_and_windows_line_ends_do_no_harm(self):
        notes = read_markdown("\ufeff---\r\ntitle: T\r\n---\r\n\r\nText.\r\n", "notes.md", DEFAULTS)
        assert (notes.title, notes.body) == ("T", "Text.")

    def test_an_empty_value_counts_as_left_out(self):
        assert read("---\ntitle: T\npreheader:\nversion: ~\n---\nText.").preheader is None

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("Text.", "notes.md, line 1: the notes have no title"),
            ("# Title", "notes.md: the notes say nothing"),
            ("", "notes.md, line 1: the notes have no title"),
            ("---\ntitle: T\n", "notes.md, line 1: the front matter is not closed"),
            ("---\ntitle: a: b\n---\nx", "notes.md, line 2: the front matter is not valid YAML"),
            ("---\n- title\n---\nx", "notes.md, line 2: the front matter is not a list of keys and values"),
            ("---\ntitle: T\nauthor: me\n---\nx", "notes.md, line 3: 'author' is not a key"),
            ("---\ntitle: T\ntitle: U\n---\nx", "notes.md, line 3: title is given twice"),
            ("---\ntitle: [a, b]\n---\nx", "notes.md, line 2: title takes one value"),
            ("---\ntitle: T\n[a]: b\n---\nx", "notes.md, line 3: "),
            ("---\ntitle: T\ndate: 1-11-2026\n---\nx", "notes.md, line 3: '1-11-2026' is not a date"),
            ("---\ntitle: T\nlocale: de\n---\nx", "notes.md, line 3: 'de' is not a supported language"),
            ("---\ntitle: T\ntopic: Any thing\n---\nx", "notes.md, line 3: 'Any thing' is not a topic"),
            ("---\ntitle: T\nbase_url: docs/\n---\nx", "notes.md, line 3: 'docs/' is not a web address"),
            ("---\ntitle: T\nbase_url: 'https://['\n---\nx", "notes.md, line 3: 'https://[' is not a web"),
            ('---\ntitle: "a\\u0007b"\n---\nx', "notes.md, line 2: there is a control character"),
            ('---\ntitle: "a\\ud800b"\n---\nx', "notes.md, line 2: there is a control character"),
            ('---\ntitle: "a\\uffffb"\n---\nx', "notes.md, line 2: there is a control character"),
            ('---\ntitle: "\\u200b\\u2060"\n---\nx', "notes.md, line 2: there is nothing to see"),
            (f"---\ntitle: {'x' * 201}\n---\nx", "notes.md, line 2: 201 characters"),
            ("---\n" + "[" * 5000 + "\n---\nx", "notes.md, line "),
        ],
    )
    def test_a_mistake_is_refused_with_file_line_and_remedy(self, text, message):
        with pytest.raises(InvalidInput) as refused:
            read(text)
        assert str(refused.value).startswith(message)
        assert refused.value.hint or "nothing" in message or "YAML" in str(refused.value)

    @given(st.text())
    @example("---\n---\n")
    @example("---\n? a\n---\n")
    @example("---\n&a *a : b\n---\n")
    @example("# \n\nx")
    def test_any_text_is_read_or_refused(self, text):
        try:
            notes = read_markdown(text, "notes.md", DEFAULTS)
        except InvalidInput:
            return
        assert notes.title.strip()
        assert notes.body.strip()


KEPT = """\
# Changelog

All notable changes. See [the rules].

## [Unreleased]

- Not yet.

## [2.4.0] - 2026-11-01

### Added

- A thing ([#12]), see [the site][site].

```md
## [9.9.9] - 2020-01-01
```

## [2.3.1] - 2026-10-02 [YANKED]

- Broken.

## [2.3.0] - 2026-10-01

[2.4.0]: https://example.com/2.4.0
[the rules]: https://example.com/rules
[#12]: https://example.com/12
[site]: <https://example.com/site>
  "The site"
"""


class TestChangelog:
    def test_a_section_becomes_notes_with_its_version_date_and_lines(self):
        notes = read_changelog(KEPT, "2.4.0", "CHANGELOG.md", DEFAULTS)
        assert (notes.title, notes.version, notes.date) == ("New in Acme 2.4.0", "2.4.0", date(2026, 11, 1))
        assert notes.body.startswith("### Added\n\n- A thing")
        assert "Not yet" not in notes.body
        assert "Broken" not in notes.body
        assert notes.where(0) == "CHANGELOG.md, line 11"

    def test_the_title_is_in_the_language_of_the_mail_unless_it_is_given(self):
        dutch = Defaults("nl", "t", "Acme")
        assert read_changelog(KEPT, "2.4.0", "f", dutch).title == "Nieuw in Acme 2.4.0"
        assert read_changelog(KEPT, "2.4.0", "f", dutch, title="Zelf").title == "Zelf"

    def test_reference_links_defined_at_the_end_of_the_file_come_along_and_no_others(self):
        body = read_changelog(KEPT, "2.4.0", "CHANGELOG.md", DEFAULTS).body
        assert body.endswith(
            '[#12]: https://example.com/12\n[site]: <https://example.com/site>\n  "The site"'
        )
        assert "rules" not in body

    def test_a_section_in_doubt_is_refused(self):
        with pytest.raises(
            InvalidInput, match=r"^CHANGELOG\.md, line 19: version 2\.3\.1 on line 19 is marked as yanked"
        ):
            read_changelog(KEPT, "2.3.1", "CHANGELOG.md", DEFAULTS)
        with pytest.raises(InvalidInput, match="says nothing"):
            read_changelog(KEPT.partition("[2.4.0]: https")[0], "2.3.0", "f", DEFAULTS)

    def test_a_preheader_can_be_given(self):
        assert read_changelog(KEPT, "2.4.0", "f", DEFAULTS, preheader="In short").preheader == "In short"

    def test_of_several_packages_the_mail_names_its_own(self):
        text = "## cli@1.2.3\n\n- a\n\n## ui@1.2.3\n\n- b\n"
        notes = read_changelog(text, "ui@1.2.3", "f", DEFAULTS)
        assert (notes.title, notes.version, notes.body) == ("New in Acme ui 1.2.3", "ui 1.2.3", "- b")
