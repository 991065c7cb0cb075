"""Sections of notes: what a table of contents says of each, which share a card, and where the button stands."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from templates.lint import lint
from templates.markdown import Section, group_short, parse_notes, write_html_body
from templates.notes import Action
from tests.support.every_markdown import NOTES
from tests.support.rendered import mail, notes


def sections(body: str) -> tuple[Section, ...]:
    return write_html_body(parse_notes(notes(body)), {}).sections


@pytest.mark.parametrize(
    ("body", "highlights"),
    [
        (
            "### Added\n\n- Boats move. They do.\n  - Inner\n- Prices; all\n- Third",
            ("Boats move", "Prices; all"),
        ),
        ("- **Self-service for guests.** Each confirmation holds a link.", ("Self-service for guests",)),
        ("- **Planbord.** Sleep een boot.", ("Planbord",)),
        ("- **core:** keep the *order* of\n  rows", ("core: keep the order of rows",)),
        ("- Moves `a.b` ([#412](https://e.x/412))\n- #12", ("Moves a.b", "#12")),
        ("- Formats, e.g. PDF and CSV", ("Formats, e.g. PDF and CSV",)),
        ("### Added\n\n- a\n\n### Faster boats\n\n- b", ("Faster boats",)),
        ("Only a paragraph. With two sentences.\n\n> Quoted", ("Only a paragraph",)),
        ("- " + "word " * 40, ("word " * 13 + "word…",)),
        ("```\ncode\n```", ()),
    ],
)
def test_the_highlights_of_a_section_name_what_is_new(body: str, highlights: tuple[str, ...]) -> None:
    assert [one.highlights for one in sections(f"## 2.4\n\n{body}")] == [highlights]


def test_short_neighbours_share_a_card_and_keep_their_order() -> None:
    found = sections(
        f"## a\n\n- x\n\n## b\n\n- y\n\n## c\n\n{'long ' * 80}\n\n## d\n\n- z\n\n## e\n\n```\ncode\n```\n\n## f\n\nw"
    )
    assert ["".join(one.title for one in card) for card in group_short(found)] == ["ab", "c", "d", "e", "f"]


@pytest.mark.parametrize("theme", ["letter", "product", "digest"])
@pytest.mark.parametrize("lead", ["Lead.\n\n", ""])
def test_the_button_follows_the_introduction_in_both_parts(theme: str, lead: str) -> None:
    rendered = mail(
        f"{lead}## Added\n\n- Boats.", theme=theme, action=Action("Try", "https://e.x/"), preheader="News."
    )
    page = BeautifulSoup(rendered.html, "html.parser")
    for repeated in page.select(".toc"):
        repeated.decompose()
    for text in (page.get_text(), rendered.text):
        assert not lead or text.index("Lead.") < text.index("Try")
        assert text.index("Try") < text.index("Boats.")


def test_a_long_word_in_the_table_of_contents_has_places_to_break() -> None:
    rendered = mail(f"## {'x' * 60}\n\n- {'y' * 60}\n\n## b\n\n- c", theme="digest")
    cells = BeautifulSoup(rendered.html, "html.parser").select(".toc td")
    assert [bool(cell.find("wbr")) for cell in cells] == [True, True, False, False]


@pytest.mark.parametrize("theme", ["letter", "product", "digest"])
def test_no_theme_has_a_style_that_a_check_warns_of(theme: str) -> None:
    """With a picture on the cover, a button, contents, code and tables."""
    rendered = mail(NOTES, theme=theme, action=Action("Try it", "https://e.x/try"))
    assert [one for one in lint(rendered) if one.code.startswith(("css-", "tag-", "contrast"))] == []
