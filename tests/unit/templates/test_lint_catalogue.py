"""Each id of lint is documented, has a remedy, and is given for what it stands for."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.message import InlineImage
from templates.lint import CHECKS, Finding, Severity, compare_languages, lint
from templates.lint.structure import read_structure
from templates.notes import RenderedNotes
from tests.support.rendered import PIXELS, mail, notes
from tests.unit.templates.test_lint import SOUND, holding

PAGE = Path(__file__).parents[3] / "docs/lint.md"


def codes(rendered: RenderedNotes) -> set[str]:
    return {finding.code for finding in lint(rendered)}


def test_the_page_lists_every_id_with_its_severity_and_no_other() -> None:
    errors, _, warnings = PAGE.read_text(encoding="utf-8").partition("## Errors")[2].partition("## Warnings")
    for severity, part in ((Severity.ERROR, errors), (Severity.WARNING, warnings)):
        listed = re.findall(r"^\| `([a-z-]+)` \|", part, re.MULTILINE)
        assert listed == [id_ for id_, check in CHECKS.items() if check.severity is severity]


def test_every_check_has_a_meaning_and_a_remedy() -> None:
    for check in CHECKS.values():
        assert check.meaning.endswith(".")
        assert check.remedy


def test_every_id_that_the_code_gives_is_in_the_catalogue() -> None:
    folders = [Path(__file__).parents[3] / name for name in ("templates/lint", "campaigns")]
    sources = "".join(file.read_text(encoding="utf-8") for folder in folders for file in folder.rglob("*.py"))
    given_ids = set(re.findall(r'(?:Finding\.of\(\s*|yield )"([a-z-]+)"', sources)) | {
        "link-broken",
        "link-unsure",
    }
    assert given_ids == set(CHECKS)


@pytest.mark.parametrize(
    ("rendered", "code"),
    [
        (replace(SOUND, subject="Release notes v2.4.0"), "subject-useless"),
        (replace(SOUND, subject="Nieuwe versie 2.4"), "subject-useless"),
        (replace(SOUND, subject="🎉🎉"), "subject-emoji-only"),
        (replace(SOUND, subject="THE MAP IS HERE"), "subject-shouting"),
        (replace(SOUND, subject="Acme 2.4!!"), "subject-shouting"),
        (replace(SOUND, preheader="Acme 2.4."), "preheader-repeats"),
        (replace(SOUND, preheader="word " * 40), "preheader-long"),
        (holding("<img src='cid:a' alt='Screenshot 2026-11-01'>"), "alt-useless"),
        (holding("<img src='cid:a' alt='image.png'>"), "alt-useless"),
        (replace(SOUND, images=(InlineImage("a", "image/png", bytes(1_000_001)),)), "pictures-heavy"),
        (holding("<a href='https://bit.ly/x'>the map</a>"), "link-redirector"),
        (holding("<a href='https://click.mail.example.com/x'>the map</a>"), "link-redirector"),
        (holding("<a href='https://e.example/?utm_source=mail'>the map</a>"), "link-tracking"),
        (holding("<a href='https://evil.example/'>https://bank.example/</a>"), "link-deceptive"),
        (replace(SOUND, html=SOUND.html.replace(" lang='en'", "")), "lang-missing"),
        (holding("<h2> </h2>"), "heading-empty"),
        (holding("<h1>a</h1><h3>b</h3>"), "heading-skips"),
        (holding("<p style='color:#999999'>faint</p>"), "contrast-low"),
        (holding("<td bgcolor='#222'><font style='color: rgb(60, 60, 60)'>faint</font></td>"), "contrast-low"),
        (holding("<table><tr><td>a</td></tr></table>"), "table-role"),
        (holding("<p style='display:flex'>a</p>"), "css-dropped"),
        (holding("<style>p { color: var(--ink) }</style>"), "css-dropped"),
        (holding("<svg></svg>"), "tag-dropped"),
        (holding("<p>" + "other words that only here stand " * 10 + "</p>"), "text-differs"),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_its_id(rendered: RenderedNotes, code: str) -> None:
    assert code in codes(rendered)


@pytest.mark.parametrize(
    "rendered",
    [
        replace(SOUND, subject="New in Acme 2.4"),
        replace(SOUND, subject="API v2"),
        holding("<a href='https://www.e.example/a'>https://e.example/a</a>"),
        holding("<a href='https://e.example/?q=utm'>README.md</a>"),
        holding("<h2>a</h2><h3>b</h3><h2>c</h2>"),
        holding("<p style='color:#999999;display:none'>faint</p>"),
        holding("<p style='color:#777777;font-size:24px'>large</p>"),
        holding("<div style='font-size:0px;color:#fff'><p style='font-size:16px;color:#000'>a</p></div>"),
        holding("<p style='color:#999;background:linear-gradient(red,blue)'>on a ground that is unknown</p>"),
        holding("<table role='presentation'><tr><td>a</td></tr></table><table><tr><th>b</th></tr></table>"),
        holding("<img src='cid:a' alt='Screenshot of the planning board'>",
                images=(InlineImage("a", "image/png", b"x"),)),
    ],
)  # fmt: skip
def test_what_is_sound_is_not_held_against_a_mail(rendered: RenderedNotes) -> None:
    assert codes(rendered) == set()


def test_findings_name_the_line_of_the_notes() -> None:
    body = "Text.\n\n![](plan.png)\n\n[here](http://acme.example)\n\nTODO: more"
    source = notes(body, first_line=5)
    found = lint(mail(body), notes=source, images={"plan.png": PIXELS})
    assert {(one.code, one.where) for one in found} == {
        ("alt-missing", "notes.md, line 7"),
        ("link-vague", "notes.md, line 9"),
        ("link-insecure", "notes.md, line 9"),
        ("placeholder", "notes.md, line 11"),
    }
    assert "plan.png" in next(one.message for one in found if one.code == "alt-missing")


def test_the_values_of_a_finding_are_id_file_line_and_remedy() -> None:
    values = Finding.of("link-vague", "It is vague.", "a, b.md, line 7").values()
    assert (values["id"], values["file"], values["line"]) == ("link-vague", "a, b.md", 7)
    assert values["remedy"] == CHECKS["link-vague"].remedy
    assert Finding.of("subject-long", "It is long.", "subject").values("n.md")["file"] == "n.md"


def test_sections_that_differ_between_languages_are_named() -> None:
    english = notes("Text.\n\n## Added\n\n- a\n- b\n\n## Fixed\n\n- c", origin="n.en.md")
    dutch = notes("Tekst.\n\n## Toegevoegd\n\n- a\n- b\n\n## Opgelost\n\n- c", origin="n.nl.md", locale="nl")
    assert compare_languages(replace(english, translations=(dutch,))) == ()
    shorter = replace(dutch, body="Tekst.\n\n## Toegevoegd\n\n- a\n- b")
    (found,) = compare_languages(replace(english, translations=(shorter,)))
    assert found.code == "sections-differ"
    assert "n.nl.md has no further section where n.en.md has a section “fixed” with 1 item" in found.message


@pytest.mark.parametrize("theme", ["letter", "product", "digest"])
def test_each_theme_passes_with_all_that_notes_can_have(theme: str) -> None:
    kinds = "".join(f"### {kind}\n\n- x\n\n" for kind in ("Added", "Changed", "Fixed", "Security", "Removed"))
    alerts = "".join(
        f"> [!{kind}]\n> careful\n\n" for kind in ("NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION")
    )
    body = f"Intro.\n\n{alerts}```diff\n- a\n+ b\n```\n\n`code` ~~gone~~\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n{kinds}"
    assert lint(mail(body, theme=theme)) == ()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "<table>",
                "</table>",
                "<h1>",
                "</h2>",
                "<p style='color:#f",
                "'>",
                "<th>",
                "a",
                "<style>",
                "<!--",
                "<td style='background:red;font-size:1.1.1px'>",
            ]
        )
    )
)
def test_any_html_is_read(parts: list[str]) -> None:
    found: Any = read_structure("".join(parts))
    assert found.bare_tables >= 0
