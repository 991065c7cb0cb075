"""Files of notes in other formats than Markdown are converted or refused; no raw markup reaches a reader."""

from __future__ import annotations

import os
import re
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.notes import Changelog, read_text
from campaigns.notes.formats import as_markdown
from mailer.errors import InvalidInput

RESTRUCTURED = dedent("""\
    =========
    Changelog
    =========

    9.1.1 (2026-06-19)
    ==================

    Bug fixes
    ---------

    - `#14220 <https://example.com/14220>`_: Fixed :class:`~a.b.Foo`, see :ref:`there <x>` and :issue:`12`.
    - Uses *one* and **two**, ``code with `ticks` ``, 2*3 and a_b.

      - nested

    .. note:: Run ``x`` first.

    .. versionadded:: 9.1 The `thing`.

    .. code-block:: sh

       pip install x

    Term
      What it is.

    ===== =====
    A     B
    ===== =====
    1     2|3
    ===== =====

    .. include:: /etc/passwd

    .. raw:: html

       <script>x</script>

    .. unknown-directive:: word
       :option: x

       Its content.

    9.1.0 (2026-05-01)
    ==================

    * Older. See |missing| and reference_.

    .. _reference: https://example.com/ref
    """)


class TestRestructuredText:
    def test_each_construct_becomes_markdown(self):
        body = Changelog(as_markdown(RESTRUCTURED, "CHANGES.rst"), "CHANGES.rst").find("9.1.1").body
        assert "## Bug fixes" in body
        assert "- [\\#14220](<https://example.com/14220>): Fixed `Foo`, see there and #12." in body.replace(
            "[#", "[\\#"
        )
        assert "*one* and **two**" in body
        assert "2\\*3 and a\\_b" in body
        assert "  - nested" in body
        assert "> [!NOTE]\n> Run `x` first." in body
        assert "Added in version 9.1: The *thing*." in body
        assert "```sh\npip install x\n```" in body
        assert "| A | B |\n| --- | --- |\n| 1 | 2\\|3 |" in body
        assert "Its content." in body
        assert not re.search(r":\w+:`|\.\. |`_|passwd|script", body)

    def test_headings_keep_the_lines_of_the_file(self):
        changelog = Changelog(as_markdown(RESTRUCTURED, "CHANGES.rst"), "CHANGES.rst")
        lines = RESTRUCTURED.split("\n")
        assert [lines[release.line - 1] for release in changelog.releases] == [
            "9.1.1 (2026-06-19)",
            "9.1.0 (2026-05-01)",
        ]

    def test_links_defined_at_the_end_are_found(self):
        changelog = Changelog(as_markdown(RESTRUCTURED, "CHANGES.rst"), "f")
        assert "[reference](<https://example.com/ref>)" in changelog.find("9.1.0").body

    @pytest.mark.parametrize("name", ["CHANGES.rst", "NEWS.rest", "CHANGES", "NEWS.txt"])
    def test_it_is_known_by_its_name_or_its_looks(self, name):
        assert ":class:" not in as_markdown(RESTRUCTURED, name)

    def test_under_a_name_of_markdown_it_is_refused(self):
        with pytest.raises(InvalidInput, match="reStructuredText by its looks"):
            as_markdown(RESTRUCTURED, "CHANGES.md")

    @given(st.text("=-~#*`_.:|<> \nab1[]\\/", max_size=200))
    def test_any_text_is_converted(self, text):
        assert isinstance(as_markdown(text, "f.rst"), str)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("notes.adoc", "= Title\n\n== 1.0\n"),
        ("NEWS", "= Title\n\n== 1.0\n\n* x\n"),
        ("notes.html", "<p>x</p>"),
        ("notes", "<!DOCTYPE html><html>"),
        ("notes.textile", "h1. x"),
        ("notes.org", "* x"),
    ],
)
def test_other_formats_are_refused_with_a_way_on(name, text):
    with pytest.raises(InvalidInput, match="can't be mailed") as refused:
        as_markdown(text, name)
    assert "Markdown or reStructuredText" in (refused.value.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        "# a\n\n.. x::\n",
        "## 1.0\n\n- :sparkles: `a`\n",
        "1.0\n===\n\n- x\n",
        "a\n\n```rst\n.. note:: x\n```\n\n# b\n",
        "== == ==\n",
    ],
)
def test_markdown_stays_as_it_is(text):
    assert as_markdown(text, "notes.md") == text


def test_controls_of_direction_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "n.md").write_text("# a\u202eb\u2066c\n\nשלום\n", encoding="utf-8")
    assert read_text(tmp_path / "n.md") == "# abc\n\nשלום\n"


def test_characters_that_no_template_can_hold_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "n.md").write_text(
        "# a\0b\ufffe\n\f\n## \x1b[1mAdded\x1b[0m\n\n- \uffffc\td\x0b\n", encoding="utf-8"
    )
    assert read_text(tmp_path / "n.md") == "# ab\n\n## [1mAdded[0m\n\n- c\td\n"


@pytest.mark.parametrize("name", ["pipe", "folder", "/dev/zero", "large.md", "absent.md"])
def test_what_is_no_file_of_notes_is_refused_before_it_is_read(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "large.md").open("wb") as file:
        file.truncate(10_000_000)
    with pytest.raises(InvalidInput):
        read_text(tmp_path / name)
