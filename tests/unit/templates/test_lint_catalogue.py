"""Each id of lint is documented, has a remedy, and is given for what it stands for."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.notes.markdown import Defaults, read_markdown
from campaigns.stored_content import dump_notes, load_notes
from mailer.message import InlineImage
from templates.html_reader import read_html
from templates.lint import CHECKS, Finding, Severity, compare_languages, lint
from templates.lint.structure import StructureListener
from templates.notes import RenderedNotes
from templates.render import render
from tests.support.cost import cpu_seconds
from tests.support.rendered import BRAND, PIXELS, mail, notes
from tests.unit.templates.test_lint import SOUND, holding, with_preheader

PAGE = Path(__file__).parents[3] / "docs/lint.md"


def codes(rendered: RenderedNotes) -> set[str]:
    return {finding.code for finding in lint(rendered)}


def test_the_page_lists_every_id_with_its_severity_and_no_other() -> None:
    page = PAGE.read_text(encoding="utf-8").partition("## Errors")[2].partition("## axe-core")[0]
    errors, _, warnings = page.partition("## Warnings")
    for severity, part in ((Severity.ERROR, errors), (Severity.WARNING, warnings)):
        listed = re.findall(r"^\| `([a-z-]+)` \|", part, re.MULTILINE)
        assert listed == [id_ for id_, check in CHECKS.items() if check.severity is severity]


def test_every_check_has_a_meaning_and_a_remedy() -> None:
    for check in CHECKS.values():
        assert check.meaning.endswith(".")
        assert check.remedy


def test_every_id_that_the_code_gives_is_in_the_catalogue() -> None:
    root = Path(__file__).parents[3]
    given_ids = {"link-broken", "link-unsure"}
    for folder, pattern in (
        ("templates/lint", r'(?:Finding\.of\(\s*|yield )"([a-z-]+)"'),
        ("campaigns", r'Finding\.of\(\s*"([a-z-]+)"'),
    ):
        for file in (root / folder).rglob("*.py"):
            given_ids.update(re.findall(pattern, file.read_text(encoding="utf-8")))
    assert given_ids == set(CHECKS)


@pytest.mark.parametrize(
    ("rendered", "code"),
    [
        (SOUND._replace(subject="Release notes v2.4.0"), "subject-useless"),
        (SOUND._replace(subject="Nieuwe versie 2.4"), "subject-useless"),
        (SOUND._replace(subject="🎉🎉"), "subject-emoji-only"),
        (SOUND._replace(subject="THE MAP IS HERE"), "subject-shouting"),
        (SOUND._replace(subject="Acme 2.4!!"), "subject-shouting"),
        (with_preheader("Acme 2.4."), "preheader-repeats"),
        (with_preheader("word " * 40), "preheader-long"),
        (with_preheader("🎉 2.4.0"), "preheader-useless"),
        (with_preheader("The latest changes in this release 2.4"), "preheader-useless"),
        (holding("<img src='cid:a' alt='Screenshot 2026-11-01'>"), "alt-useless"),
        (holding("<img src='cid:a' alt='image.png'>"), "alt-useless"),
        (SOUND._replace(images=(InlineImage("a", "image/png", bytes(1_000_001)),)), "pictures-heavy"),
        (holding("<a href='https://bit.ly/x'>the map</a>"), "link-redirector"),
        (holding("<a href='https://click.mail.example.com/x'>the map</a>"), "link-redirector"),
        (holding("<a href='https://e.example/?utm_source=mail'>the map</a>"), "link-tracking"),
        (holding("<a href='https://evil.example/'>https://bank.example/</a>"), "link-deceptive"),
        (SOUND._replace(html=SOUND.html.replace(" lang='en'", "")), "lang-missing"),
        (holding("<h2> </h2>"), "heading-empty"),
        (holding("<h1>a</h1><h3>b</h3>"), "heading-skips"),
        (holding("<p style='color:#999999'>faint</p>"), "contrast-low"),
        (holding("<td bgcolor='#222'><font style='color: rgb(60, 60, 60)'>faint</font></td>"), "contrast-low"),
        (holding("<table><tr><td>a</td></tr></table>"), "table-role"),
        (SOUND._replace(html=SOUND.html.replace("lang='en'", "lang='nl-NL'")), "lang-missing"),
        (SOUND._replace(html=SOUND.html.replace("<title>Acme 2.4</title>", "<title> </title>")), "title-missing"),
        (SOUND._replace(html=SOUND.html.replace(" role='main'", "")), "main-missing"),
        (SOUND._replace(html=SOUND.html.replace("h1>", "h2>")), "heading-top-missing"),
        (holding("<ul><p>a</p></ul>"), "list-broken"),
        (holding("<div><li>a</li></div>"), "list-broken"),
        (holding("<p><dt>a</dt></p>"), "list-broken"),
        (holding("<span role='img'>☑</span>"), "picture-nameless"),
        (holding("<div aria-hidden='true'><p><a href='https://e.x'>a page</a></p></div>"), "link-hidden"),
        (holding("<meta name='viewport' content='width=device-width, user-scalable=no'>"), "zoom-locked"),
        (holding("<meta name='viewport' content='maximum-scale=1.0'>"), "zoom-locked"),
        (holding("<p style='display:flex'>a</p>"), "css-dropped"),
        (holding("<p style='width: min(100%, 300px)'>a</p>"), "css-dropped"),
        (holding("<style>@keyframes a { to { color: red } }</style>"), "css-dropped"),
        (holding("<marquee>a</marquee>"), "tag-dropped"),
        (SOUND._replace(text=SOUND.text + "another text that says other things " * 10), "text-differs"),
        (holding("<a href='https://e.x/page'>the map</a>", text=SOUND.text), "text-differs"),
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
        SOUND._replace(subject="New in Acme 2.4"),
        SOUND._replace(subject="API v2"),
        with_preheader("The new map"),
        SOUND._replace(html=SOUND.html.replace("lang='en'", "lang='en-GB'")),
        holding("<ul><li>a<ol><li>b</li></ol></li></ul><dl><div><dt>a</dt><dd>b</dd></div></dl>"),
        holding("<span role='img' aria-label='Done'>☑</span><span aria-hidden='true'>☑</span>"),
        holding("<meta name='viewport' content='width=device-width, initial-scale=1, maximum-scale=5'>"),
        holding("<p style='max-width:30px;min-width:1px'>a</p>"),
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


def test_each_of_several_links_to_an_address_has_its_own_line() -> None:
    body = "The map.\n\n[here](https://acme.example/a)\n\n[the map](https://acme.example/a)\n\n[here](https://acme.example/a)"
    found = lint(mail(body), notes=notes(body), images={})
    assert [one.where for one in found] == ["notes.md, line 3", "notes.md, line 7"]


def test_findings_about_subject_preheader_and_date_name_their_lines_in_the_front_matter() -> None:
    text = "---\ntitle: Release notes\nversion: 2.4.0\npreheader: New release\ndate: 2026-11-02\n---\n\nThe map.\n"
    read = read_markdown(text, "notes.md", Defaults("en", "release-notes", "Acme"))
    found = lint(render(read, BRAND), notes=read, today=date(2026, 11, 1))
    assert {(one.code, one.where) for one in found} == {
        ("subject-useless", "notes.md, line 2"),
        ("preheader-useless", "notes.md, line 4"),
        ("date-future", "notes.md, line 5"),
    }
    assert all(
        one.code != "date-future" for one in lint(render(read, BRAND), notes=read, today=date(2026, 11, 2))
    )
    assert load_notes(dump_notes(read)) == read


def test_findings_about_a_title_that_is_a_heading_name_its_line() -> None:
    read = read_markdown(
        "\n# Release notes\n\nThe map.\n", "notes.md", Defaults("en", "release-notes", "Acme")
    )
    (found,) = lint(render(read, BRAND), notes=read)
    assert (found.code, found.where) == ("subject-useless", "notes.md, line 2")


def test_a_heading_that_skips_a_level_is_named_by_its_line() -> None:
    body = "The map.\n\n## Added\n\n- a\n\n#### The **new** `map`\n\n- b"
    (found,) = lint(mail(body), notes=notes(body))
    assert (found.code, found.where) == ("heading-skips", "notes.md, line 7")


def test_the_cost_of_lint_grows_with_the_length_of_the_notes() -> None:
    def cost(items: int) -> float:
        body = "".join(
            f"- [here](http://acme.example/{n}) and `code` TODO\n\n#### A {n}\n\n" for n in range(items)
        )
        written, source = mail(body), notes(body)
        return cpu_seconds(lambda: lint(written, notes=source))

    assert cost(400) < 3 * 4 * cost(100)


def test_the_values_of_a_finding_are_id_file_line_and_remedy() -> None:
    values = Finding.of("link-vague", "It is vague.", "a, b.md, line 7").values()
    assert (values["id"], values["file"], values["line"]) == ("link-vague", "a, b.md", 7)
    assert values["remedy"] == CHECKS["link-vague"].remedy
    assert Finding.of("subject-long", "It is long.", "subject").values("n.md")["file"] == "n.md"


def test_sections_that_differ_between_languages_are_named() -> None:
    english = notes("Text.\n\n## Added\n\n- a\n- b\n\n## Fixed\n\n- c", origin="n.en.md")
    dutch = notes("Tekst.\n\n## Toegevoegd\n\n- a\n- b\n\n## Opgelost\n\n- c", origin="n.nl.md", locale="nl")
    assert compare_languages(english._replace(translations=(dutch,))) == ()
    shorter = dutch._replace(body="Tekst.\n\n## Toegevoegd\n\n- a\n- b")
    (found,) = compare_languages(english._replace(translations=(shorter,)))
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
    listener = StructureListener()
    read_html("".join(parts), listener)
    assert listener.found.bare_tables <= "".join(parts).count("<table")
