"""From a file of release notes as real projects write it to the mail: what is sent, and what is refused with both lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns.notes import (
    Changelog,
    Defaults,
    gather_notes,
    heard_lines,
    read_changelog,
    read_markdown,
    read_text,
    unheard,
)
from campaigns.notes.gathering import Frame
from mailer.errors import InvalidInput
from templates.lint import lint
from templates.notes import RemoteImages, RenderedNotes
from templates.render import render
from tests.support.rendered import BRAND, PIXELS

DEFAULTS = Defaults(locale="en", topic="release-notes", product="Acme")
FRAME = Frame(locale="en", topic="release-notes", product="Acme", base_url=None)


@pytest.fixture
def mail_of(tmp_path: Path):
    """Writes a changelog, reads one version of it as the command does, and renders the mail."""

    def mail(source: str, version: str, name: str = "CHANGELOG.md") -> RenderedNotes:
        file = tmp_path / name
        file.write_text(source, encoding="utf-8")
        found = render(read_changelog(read_text(file), version, name, DEFAULTS), BRAND, images={})
        assert not [each for each in lint(found) if each.severity == "error"]
        return found

    return mail


def test_a_sub_heading_that_names_a_version_does_not_take_over_the_release(mail_of) -> None:
    source = "".join(
        f"# v1.30.{patch}\n\n## Downloads for v1.30.{patch}\n\nGet it.\n\n## Changelog since v1.30.{patch - 1}\n\n- New in 1.30.{patch}: {what}\n\n"
        for patch, what in ((3, "the feature"), (2, "the fix"))
    )
    newer, older = mail_of(source, "1.30.3").text, mail_of(source, "1.30.2").text
    assert "the feature" in newer
    assert "Get it." in newer
    assert "Changelog since v1.30.2" in newer
    assert "the fix" not in newer
    assert "the fix" in older
    assert "the feature" not in older


def test_a_deeper_heading_that_names_a_version_does_not_cut_the_section(mail_of) -> None:
    source = (
        "# Changelog\n\n## 2.0.0 - 2026-01-01\n\nIntro.\n\n### Upgrading from 1.9.0\n\nRun `acme upgrade` first.\n\n"
        "### Python 3.8 dropped\n\nUse 3.9.\n\n### Fixed\n\n- A bug\n"
    )
    text = mail_of(source, "2.0.0").text
    for part in ("Intro.", "Upgrading from 1.9.0", "acme upgrade", "Python 3.8 dropped", "Use 3.9.", "A bug"):
        assert part in text


@pytest.mark.parametrize(
    ("heading", "version"), [("1.17.0 (Unreleased)", "1.17.0"), ("[1.16.1] - Unreleased", "1.16.1"), ("v1.16.0 (TBC)", "1.16.0"), ("1.16.0-SNAPSHOT", "1.16.0-SNAPSHOT"), ("1.16.0 (in development)", "1.16.0")],
)  # fmt: skip
def test_what_is_not_released_yet_is_never_mailed_and_never_in_a_digest(
    mail_of, heading: str, version: str
) -> None:
    source = f"## {heading}\n\n- secret\n\n## 1.15.0 (2026-01-01)\n\n- out\n"
    with pytest.raises(InvalidInput, match=r"on line 1 is marked as not released"):
        mail_of(source, version)
    assert [one.version for one in unheard(Changelog(source, "CHANGELOG.md"), ())] == ["1.15.0"]
    assert "out" in mail_of(source, "1.15.0").text


def test_a_digest_sends_the_release_itself_once_its_heading_has_a_date() -> None:
    old = "## 1.15.0 (2026-01-01)\n\n- out\n"
    heard = heard_lines(Changelog(f"## 1.17.0 (Unreleased)\n\n- secret\n\n{old}", "CHANGELOG.md"))
    after = Changelog(f"## 1.17.0 (2026-12-01)\n\n- now really out\n\n{old}", "CHANGELOG.md")
    new = unheard(after, heard)
    assert [one.version for one in new] == ["1.17.0"]
    assert gather_notes(after, new, FRAME).body == "- now really out"


@pytest.mark.parametrize("name", ["CHANGES.rst", "CHANGES", "HISTORY.txt"])
def test_restructured_text_is_converted_and_no_markup_of_it_is_read(mail_of, name: str) -> None:
    source = (
        "9.1.1 (2026-06-19)\n==================\n\nBug fixes\n---------\n\n"
        "- `#14220 <https://example.com/14220>`_: Fixed :class:`Foo`, see :ref:`there <x>`.\n\n"
        ".. note:: Run ``x`` first.\n\n.. code-block:: sh\n\n   pip install x\n"
    )
    mail = mail_of(source, "9.1.1", name)
    for part in ("#14220", "https://example.com/14220", "Foo", "there", "Run", "pip install x"):
        assert part in mail.text
    for markup in (":class:", ":ref:", ".. ", "``", "`_", ".. note"):
        assert markup not in mail.text
        assert markup not in mail.html


@pytest.mark.parametrize(
    ("heading", "version"), [("2024-02-14, Version 20.11.1 'Iron' (LTS), @someone", "20.11.1"), ("2024-01-09 - 1.2.3", "1.2.3")],
)  # fmt: skip
def test_a_heading_may_begin_with_its_date(mail_of, heading: str, version: str) -> None:
    mail = mail_of(
        f"# Changelog\n\n## {heading}\n\n- A thing\n\n## 2024-01-02, Version 0.9.0\n\n- Older\n", version
    )
    assert "A thing" in mail.text
    assert "Older" not in mail.text
    assert "2024" in mail.text


@pytest.mark.parametrize(
    ("heading", "wanted"), [("@acme/cli@1.2.3", "1.2.3"), ("acme-cli-v1.2.3", "v1.2.3"), ("acme-cli/v1.2.3", "acme-cli@1.2.3"), ("🚀 What's new in 1.2.3", "1.2.3"), (":tada: 1.2.3", "1.2.3")],
)  # fmt: skip
def test_a_version_may_stand_behind_its_package_or_some_words(mail_of, heading: str, wanted: str) -> None:
    text = mail_of(
        f"# Changelog\n\n## {heading}\n\n- A thing\n\n## {heading.replace('2.3', '1.0')}\n\n- Old\n", wanted
    ).text
    assert "A thing" in text
    assert "Old" not in text


def test_with_several_packages_the_package_is_asked_for(mail_of) -> None:
    source = "## @acme/cli@1.2.3\n\n- Of the command\n\n## @acme/web@1.2.3\n\n- Of the page\n"
    with pytest.raises(InvalidInput, match="2 packages, on lines 1 and 5") as refused:
        mail_of(source, "1.2.3")
    assert "@acme/web@1.2.3" in (refused.value.hint or "")
    assert "Of the page" in mail_of(source, "@acme/web@1.2.3").text


@pytest.mark.parametrize(
    ("body", "preheader"),
    [
        ("[diff](https://example.com/compare/1...2)\n\n## Fixed\n\n- Preserve quotes.", "Preserve quotes."),
        ("_2026-06-08_\n\n- Faster.", "Faster."),
        ("| Commit | Description |\n| --- | --- |\n| a1 | Something useful |", "Something useful"),
        ("https://example.com/1\n\n1a2b3c4...5d6e7f8\n\n### Bug Fixes\n\n- Slow start", "Slow start"),
    ],
)
def test_a_preheader_says_something(mail_of, body: str, preheader: str) -> None:
    shown = mail_of(f"# 3.9.6\n\n{body}\n\n# 3.9.5\n\n- Old\n", "3.9.6").preheader
    assert preheader in shown
    for useless in ("diff", "2026-06-08", "https://", "1a2b3c4", "Fixed", "Bug Fixes"):
        assert useless not in shown


def test_the_width_of_an_image_in_html_is_kept() -> None:
    source = '# Icon\n\nPress <img src="ok.png" width="24" alt="the gear"> to open.\n'
    mail = render(read_markdown(source, "notes.md", DEFAULTS), BRAND, images={"ok.png": PIXELS})
    assert 'width="24"' in mail.html
    assert "the gear" in mail.text


@pytest.mark.parametrize(("choice", "link"), [("link", True), ("omit", False)])
def test_one_option_leaves_avatars_out_or_links_them(choice: RemoteImages, link: bool) -> None:
    source = (
        "## [1.7.9](https://example.com/1.7.9) (2024-12-04)\n\n- fix: a thing\n\n### Contributors\n\n"
        '- <img src="https://avatars.example/u/0?v&#x3D;4&amp;s&#x3D;18" alt="avatar" width="18"/> [Someone](https://example.com/someone)\n'
    )
    notes = read_changelog(source, "1.7.9", "CHANGELOG.md", DEFAULTS)
    with pytest.raises(InvalidInput, match=r"line 7: .*may not be fetched") as refused:
        render(notes, BRAND, images={})
    assert "--remote-images" in (refused.value.hint or "")
    mail = render(notes._replace(remote_images=choice), BRAND, images={})
    assert "https://example.com/someone" in mail.html
    assert "<img" not in mail.html
    assert ("avatars.example" in mail.html) is link


def test_releases_on_mixed_levels_are_each_sent_alone_and_a_digest_says_no_old_one_again(mail_of) -> None:
    old = "# 4.8.0\n\n- Hooks\n\n## 4.7.2\n\n- OLD two\n\n## 4.7.1\n\n- OLD one\n\n# 4.7.0\n\n- OLD minor\n"
    assert "OLD" not in mail_of(old, "4.8.0").text
    assert "OLD two" in mail_of(old, "4.7.2").text
    edited = Changelog(f"## 4.8.1\n\n- URGENT\n\n{old}", "CHANGELOG.md")
    new = unheard(edited, heard_lines(Changelog(old, "CHANGELOG.md")))
    assert [one.version for one in new] == ["4.8.1"]
    assert "OLD" not in gather_notes(edited, new, FRAME).body


def test_a_version_with_two_sections_is_refused_with_both_lines(mail_of) -> None:
    source = "# Changelog\n## [1.1.0] - 2026-03-02\n### Changed\n- summary\n## [1.1.0] - 2026-03-01\n### Fixed\n- the fix\n## [1.0.0]\n- first\n"
    with pytest.raises(InvalidInput, match=r"version 1\.1\.0 has 2 sections, on lines 2 and 5"):
        mail_of(source, "1.1.0")


def test_emoji_shortcodes_are_shown_as_emoji_in_subject_and_headings() -> None:
    mail = render(
        read_markdown("# 2.4 :tada:\n\n## New :rocket:\n\n- map\n", "n.md", DEFAULTS), BRAND, images={}
    )
    assert mail.subject == "2.4 🎉"
    assert "New 🚀" in mail.text
    assert ":rocket:" not in mail.html
