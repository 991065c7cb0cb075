"""What other dialects of Markdown and HTML write is shown right, or lint names its line."""

from __future__ import annotations

import re
from itertools import count

import pytest

from campaigns.notes.markdown import Defaults, read_markdown
from mailer.errors import InvalidInput
from templates.lint import lint, lint_notes
from templates.markdown import MAX_BODY_CHARACTERS, expand_shortcodes, parse_notes
from templates.render import render
from tests.support.cost import costs_less, cpu_seconds
from tests.support.rendered import BRAND, mail, notes, prose

TRIES = count(1)


class TestShortcodes:
    def test_githubs_shortcodes_become_emoji(self):
        rendered = mail("## New :rocket:\n\n- **a** :tada: [b :+1:](https://e.x)\n")
        assert "New 🚀" in rendered.text
        assert "🎉" in prose(rendered).get_text()
        assert "👍" in rendered.text

    @pytest.mark.parametrize(
        "source",
        ["`:tada:`", "    :tada:", "a:tada:b", "10:30:45", ":no_such_thing:", "::tada::", "http://e.x:80:"],
    )
    def test_what_is_no_shortcode_stays(self, source):
        assert expand_shortcodes(source) == source or source.strip("` ") == ":tada:"
        assert "🎉" not in mail(f"x\n\n{source}").text


class TestFindings:
    @pytest.mark.parametrize(
        ("line", "what"),
        [
            ("!!! note", "admonition"),
            ("??? tip", "admonition"),
            ("A word {.lead}", "attribute list"),
            ("A word[^none]", "written nowhere"),
            ("$$E = mc^2$$", "formula"),
            ("The $x^2$ term", "formula"),
            ("==marked==", "highlight"),
            ("<script>alert(1)</script>", "HTML"),
            ('<iframe src="x"></iframe>', "HTML"),
            (":no_such_emoji:", "emoji"),
            ("[[Page]]", "wiki"),
            ("{{< figure >}}", "site generator"),
            ("[TOC]", "table of contents"),
            (": a definition", "a definition"),
            ("$$\nE = mc^2\n$$", "formula"),
            ("<table><tr><td>x</td></tr></table>", "HTML"),
            ("<h2>Fixed</h2>", "HTML"),
            ("above<hr>below", "HTML"),
            ("a <kbd>Ctrl + C", "HTML"),
            ("Since 2.4 **„Planning board“**has colours", "bold"),
            ("a **bold **word", "bold"),
            ("![A board](the board.png)", "address"),
            ("see [the guide](https://e.x/the guide)", "address"),
            ("![A board](board.png =520x260)", "address"),
            ("[the guide](https://e.x/g", "address"),
            ("[the guide](https://e.x/g){target=_blank}", "attribute list"),
        ],
    )
    def test_markup_that_is_not_understood_is_a_finding_with_its_line(self, line, what):
        found = lint_notes(notes(f"Text.\n\n- a\n- b\n\n{line}\n", first_line=10))
        assert any(what in finding.message and finding.where == "notes.md, line 15" for finding in found), (
            found
        )

    @pytest.mark.parametrize(
        "line",
        [
            "`{.x}` and `H~2~O`",
            "```\n!!! note\n$$x$$\n```",
            "~~gone~~ and ~/.config",
            "costs $5 or $6",
            "a == b == c",
            "2^10",
            "Time: 10:30",
            ":tada:",
            "[a][b]",
            "H~2~O and x^2^",
            "Term\n: What it is",
            "A word[^1]\n\n[^1]: More",
            "<kbd>Ctrl</kbd> <b>x</b>",
            "a List<T> of Map<S>, and <div>a <!-- b --><details>c</details></div>",
            "`<table>`, \\<table> and &lt;table&gt;",
            "2**3**, **bold** and **more**, `**x **`, \\*\\*not\\*\\*",
            "src/** and tests/**, or src/**/*.py and tests/**/*.py",
            "a[0](1), f[x](y) and `[a](b c)`, \\[a](b c), x[i] (j), [a](https://e.x/b_(c))",
            "f(x){y=1}",
            "| a | b |\n|---|---|\n| `x\\|y` | z |\n| only |",
        ],
    )
    def test_what_only_looks_like_it_is_none(self, line):
        assert lint_notes(notes(line)) == ()

    @pytest.mark.parametrize(
        "row",
        ["| `x|y` | z |", "| a | b | c |", "a | b | c", "| a || b |"],
        ids=["code", "three", "bare", "empty"],
    )
    def test_a_row_whose_last_cells_are_left_out_is_a_finding_with_its_line(self, row):
        found = lint_notes(
            notes(f"Text.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n{row}\n\nAfter | it | all | of that\n")
        )
        assert [(one.code, one.where) for one in found] == [("markup-unsupported", "notes.md, line 6")]
        assert "cell" in found[0].message

    def test_a_summary_around_a_heading_leaves_no_tag_behind(self):
        rendered = mail("<details>\n<summary>\n\n### Major\n\n</summary>\n\n- a\n\n</details>\n")
        assert [one.get_text() for one in prose(rendered).find_all(["h2", "h3", "li"])] == ["Major", "a"]
        assert "summary" not in rendered.html + rendered.text
        assert lint_notes(notes("<summary>\n\n### Major\n\n</summary>\n\n- a")) == ()

    def test_rows_are_counted_as_markdown_counts_lines(self):
        found = lint_notes(notes("a\rb\r\n\r\n| a | b |\r|---|---|\n| 1 | 2 | 3 |\r"))
        assert [one.where for one in found] == ["notes.md, line 6"]

    def test_a_break_in_html_ends_no_line_of_the_file(self):
        found = lint_notes(notes("a<br>b<br>c <h2>\nword[^none]\n"))
        assert [one.where for one in found] == ["notes.md, line 1", "notes.md, line 2"]


class TestEmptyAddresses:
    @pytest.mark.parametrize(
        "source",
        [
            "![x]()",
            "![x](<>)",
            "![]()",
            '<img src="" alt="x">',
            '<img src=" " alt="x">',
            "![x][r]\n\n[r]: <>",
        ],
    )
    @pytest.mark.parametrize("remote_images", ["refuse", "link", "omit"])
    def test_an_image_without_an_address_is_refused_with_its_line(self, source, remote_images):
        with pytest.raises(InvalidInput, match=r"notes\.md, line 3: the image has no address"):
            parse_notes(notes(f"Text.\n\n{source}\n", remote_images=remote_images))

    @pytest.mark.parametrize(
        "source", ['<a href="">here</a>', '<a href=" ">here</a>', "<a href='\n'>here</a>"]
    )
    def test_a_link_of_html_that_leads_nowhere_is_text(self, source):
        assert "here" in mail(f"Text {source}").text
        assert prose(mail(f"Text {source}")).find("a") is None


class TestFootnotes:
    def test_they_are_numbered_and_listed_below_in_both_parts(self):
        rendered = mail(
            "One[^b] and[^1], again[^b].\n\n> [^1]: not here\n\n[^1]: First *x*.\n[^b]: Second.\n\nLast."
        )
        body = prose(rendered)
        assert [mark.get_text() for mark in body.find_all("sup")][:3] == ["1", "2", "1"]
        assert [item.get_text().strip() for item in body.select("hr + ol > li")] == ["Second.", "First x."]
        assert "One[1] and[2], again[1]." in rendered.text
        assert "1. Second.\n2. First _x_." in rendered.text
        assert rendered.text.index("Last.") < rendered.text.index("1. Second.")

    def test_one_may_hold_several_paragraphs_lists_and_code(self):
        rendered = mail("a[^1]\n\n[^1]: First.\n\n    Second.\n\n    - item\n\n        code\n")
        item = prose(rendered).select_one("hr + ol > li")
        assert item is not None
        assert [one.name for one in item.find_all(["p", "ul"], recursive=False)] == ["p", "p", "ul"]
        assert "1. First.\n\n   Second.\n\n   - item" in rendered.text

    @pytest.mark.parametrize(
        ("source", "line", "why"),
        [("a\n\n[^1]: b", 3, "nothing refers"), ("a[^1]\n\n[^1]: b\n[^1]: c", 4, "twice")],
    )
    def test_one_that_would_be_lost_is_refused_with_its_line(self, source, line, why):
        with pytest.raises(InvalidInput, match=why) as refused:
            mail(source)
        assert f"line {line}" in str(refused.value)


class TestScripts:
    @pytest.mark.parametrize(
        ("source", "html", "text"),
        [
            ("H~2~O", "H<sub>2</sub>O", "H₂O"),
            ("x^2^", "x<sup>2</sup>", "x²"),
            ("(a+b)^-1^", "(a+b)<sup>-1</sup>", "(a+b)⁻¹"),
            ("x<sup>2</sup>", "x<sup>2</sup>", "x²"),
            ("1^st^", "1<sup>st</sup>", "1st"),
            ("a^b c^d", "a^b c^d", "a^b c^d"),
            ("^1.2,^1.3", "^1.2,^1.3", "^1.2,^1.3"),
            ("~1.2 and ~/.config", "~1.2 and ~/.config", "~1.2 and ~/.config"),
            ("~gone **x**~", "<s>gone <strong>x</strong></s>", "~gone *x*~"),
            ("~~gone~~", "<s>gone</s>", "~gone~"),
            ("`H~2~O x^2^`", "<code>H~2~O x^2^</code>", "`H~2~O x^2^`"),
        ],
    )
    def test_subscripts_and_superscripts_are_read_after_a_word(self, source, html, text):
        rendered = mail(source)
        shown = re.sub(r' style="[^"]*"', "", str(prose(rendered)))
        assert f"<p>{html}</p>" in shown
        assert f"\n{text}\n" in rendered.text


def test_definition_lists_are_shown_in_both_parts():
    rendered = mail("Berth *A*\n: A place\n: With `power`\n\nQuay\n\n: First\n\n  Second\n")
    body = prose(rendered)
    assert [term.get_text() for term in body.find_all("dt")] == ["Berth A", "Quay"]
    assert [" ".join(one.get_text(" ").split()) for one in body.find_all("dd")] == [
        "A place",
        "With power",
        "First Second",
    ]
    assert "Berth _A_\n    A place\n    With `power`\nQuay\n    First\n\n    Second" in rendered.text


def test_empty_elements_of_release_tools_are_left_out():
    assert "csr" not in mail("- a <csr-id-8e74647f/>\n\n<csr-read-only-do-not-edit/>\n").text
    assert "<my-element>" in mail("Use <my-element> now").text


class TestImages:
    def test_a_width_is_kept_and_never_wider_than_the_column(self):
        body = prose(
            mail(
                '<img src="plan.png" width="24" alt="a"> ![b](plan.png) <img src="plan.png" width="5000px" alt="c">'
            )
        )
        assert [image["width"] for image in body.find_all("img")] == ["24", "520", "520"]

    def test_remote_images_become_links_or_are_left_out(self):
        source = "By ![Ann](https://cdn.example/ann.png) and [![x](https://cdn.example/x.svg)](https://e.x)"
        with pytest.raises(InvalidInput, match="may not be fetched"):
            mail(source)
        linked = prose(mail(source, remote_images="link"))
        assert linked.find("img") is None
        assert [link["href"] for link in linked.find_all("a")] == [
            "https://cdn.example/ann.png",
            "https://e.x",
        ]
        assert prose(mail(source, remote_images="omit")).get_text().strip() == "By  and"

    def test_allowed_hosts_are_fetched_from_all_the_same(self):
        document = parse_notes(
            notes("![a](https://cdn.example/a.png)", remote_images="omit"), image_hosts=["cdn.example"]
        )
        assert [source for source, _ in document.images()] == ["https://cdn.example/a.png"]

    def test_all_images_and_links_that_do_not_do_are_told_at_once(self):
        with pytest.raises(InvalidInput) as refused:
            mail("![a](https://cdn.example/a.png)\n\n[b](b.md)\n\n[c](javascript:x)")
        for line in (1, 3, 5):
            assert f"notes.md, line {line}: " in str(refused.value)


def test_emphasis_inside_emphasis_of_its_kind_has_no_marks_in_the_text():
    text = mail("<details><summary><b>Other</b> (2)</summary>\n\nx\n\n</details>\n\n**a <b>b</b> *c***").text
    assert "*Other (2)*" in text
    assert "*a b _c_*" in text


class TestTables:
    def test_long_words_in_cells_have_places_to_break(self):
        html = mail(f"| file | sum |\n| --- | --- |\n| a | {'8909e96a' * 16} `{'x' * 64}` |").html
        assert (
            max(map(len, re.findall(r"[0-9a-fx]+", re.sub(r"<wbr ?/?>", " ", html).partition("<table")[2])))
            < 20
        )

    def test_outside_of_tables_only_words_longer_than_a_line_of_a_phone_have_places_to_break(self):
        assert "<wbr" not in mail(f"{'8909e96a' * 2} and words").html
        assert "<wbr" in mail(f"{'8909e96a' * 16}").html

    def test_the_text_part_and_the_words_are_unchanged(self):
        word = "8909e96a" * 8
        assert word in mail(f"| a |\n| --- |\n| {word} |").text
        assert word in prose(mail(f"| a |\n| --- |\n| {word} |")).get_text()


@pytest.mark.parametrize(
    "unit",
    ["[", "![", "<![CDATA[", "](", "[a](", "*a ", "**a", "`", "`` ` ", "<", "</a>", "<b>", "> ", "- ", "1. ", "||\n", "a|b\n", "~~a", "http://a ",
     "<!-- ", "<!--\n", ":::a\n", "[a]: b\n", "[^1]: a\n", "# a\n", "![[]()", "<? ", "*_", ":a:", "&amp;", "[^1]", "a[^1] ", "[^1]: [^1]: ", "a\n: ", "a\n: b\n", "a~1", "a~1~", "a^1", "~a~ ", "^", "~",
     "a[^1]\n\n[^1]: b\n", "- a\n: ", "||", "<b>a</b>", "<!-- a -->", "a  \n", "\t", "\\", "***a** b* ", "{%", "{{<", "{.a", "$$a", "$a_ ", "==a", "[[a", "_", "a-", "</", "<script ", "é\u0301", "ﷺ", "ก"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("title", "characters"),
    [("# Title\n\n", 12_500), *((title, MAX_BODY_CHARACTERS) for title in ("# Title\n\n", "# ", "$a"))],
)
def test_hostile_markup_is_refused_or_becomes_a_checked_mail_for_little_more_than_usual_notes_cost(
    unit: str, title: str, characters: int, usual_cost: float
) -> None:
    text = (title + unit * characters)[:characters]
    assert costs_less(lambda: make_mail(text), 8 * usual_cost)


@pytest.fixture(scope="module")
def usual_cost() -> float:
    """The CPU time of usual notes half as long as the limit, on this machine and in this run."""
    part = "## Part {0}\n\nSome words on **what** changed in `code` and a [link](https://e.x/{0}).\n\n- one thing\n- more\n\n"
    text = "# Title\n\n" + "".join(part.format(n) for n in range(1_000))
    return cpu_seconds(lambda: make_mail(text[: MAX_BODY_CHARACTERS // 2]))


def make_mail(text: str) -> None:
    """From the text to a checked mail, or to a refusal that names the file. No document is kept from another try."""
    origin = f"notes{next(TRIES)}.md"
    try:
        found = read_markdown(text, origin, Defaults("en", "release-notes", "Acme"))
        lint(render(found, BRAND, images={}), notes=found)
    except InvalidInput as refused:
        assert origin in str(refused)  # noqa: PT017 - both are fine
