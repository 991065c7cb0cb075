"""What a reader sees: code in colours, tables that fit, buttons, pictures, a preheader that no filter counts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.errors import InvalidInput, TemplateError
from mailer.message import InlineImage
from templates.brand import contrast_ratio
from templates.lint import lint
from templates.markdown.highlight import write_code
from templates.markdown.line_breaks import escape_with_breaks
from templates.notes import Action
from templates.render import GMAIL_CLIP_BYTES, render
from templates.theme import eject_theme, find_theme, list_themes
from tests.support.rendered import BRAND, mail, notes, prose, words

THEMES = [theme.name for theme in list_themes()]
WIDE = "| version | operating system | released | supported until |\n|--|--|--|--|\n| 2.4.0 | Debian GNU/Linux | November | incompatibilities |"


class TestCode:
    def test_code_of_a_named_language_has_colours_and_keeps_its_text(self):
        code = "def f():\n    return  1  # <one>\n\n\nx = 'y'\n"
        pre = prose(mail(f"```py\n{code}```")).pre
        assert {span["class"][0] for span in pre.find_all("span")} == {"hk", "hf", "hn", "hc", "hs"}
        assert pre.get_text() == code

    def test_a_diff_is_red_and_green(self):
        pre = prose(mail("```diff\n--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n same\n```")).pre
        assert pre.get_text() == "--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n same\n"
        assert [(span["class"][0], span.get_text()) for span in pre.find_all("span")] == [
            ("dp", "@@ -1 +1 @@\n"),
            ("dd", "-old\n"),
            ("di", "+new\n"),
        ]

    def test_a_changed_line_is_coloured_to_its_end_and_holds_its_line_break(self):
        changed = prose(mail("```diff\n-a\n\n+b\n```")).select(".dd, .di")
        assert ["display: block" in span["style"] for span in changed] == [True, True]

    @pytest.mark.parametrize("info", ["", "unknown", "text", "{.x}"])
    def test_code_of_no_known_language_is_plain(self, info):
        assert prose(mail(f"```{info}\nif x: return 1\n```")).pre.find("span") is None

    @given(
        st.text("ab <>&'\"\\{}()#/*-+@\n\t0.;=:", max_size=200),
        st.sampled_from(
            ["py", "js", "sh", "console", "yaml", "json", "diff", "html", "php", "c", "rs", "sql"]
        ),
    )
    @settings(max_examples=40)
    def test_no_character_of_code_is_lost(self, code, language):
        written = write_code(code, language, highlight=True)
        assert BeautifulSoup(f"<pre>{written}</pre>", "html.parser").pre.get_text() == code.replace(
            "\r", "\n"
        )

    def test_a_mail_that_colours_would_make_too_large_has_none(self):
        body = f"```py\nx = {list(range(40))}\n```\n\n" * 60
        html = mail(body).html
        assert '<span class="h' not in html
        assert len(html.encode()) < GMAIL_CLIP_BYTES

    def test_code_in_a_heading_has_the_size_of_the_heading(self):
        code = prose(mail("## The `import defer` syntax")).h2.code
        assert "font-size: 100%" in code["style"]


class TestTables:
    def test_a_narrow_table_stays_a_table_on_a_phone(self):
        assert (
            prose(mail("| a | b |\n|--|--:|\n| 1 | 2 |")).select_one("table.data.plain td.right").get_text()
            == "2"
        )

    def test_a_wide_table_becomes_labelled_rows(self):
        table = prose(mail(WIDE)).select_one("table.data.stacked")
        assert [label.get_text().strip() for label in table.select("td .label")] == [
            "version", "operating system", "released", "supported until",
        ]  # fmt: skip
        assert "display: block" in table.td["style"]

    def test_a_table_too_wide_for_a_desktop_is_labelled_rows_everywhere(self):
        head = "|".join(f"column {n}" for n in range(9))
        row = "|".join(str(n) for n in range(9))
        assert prose(mail(f"|{head}|\n{'|--' * 9}|\n|{row}|")).select_one("table.data.records") is not None

    def test_labels_keep_columns_apart_where_cells_are_missing(self):
        table = prose(mail(WIDE + "\n| 2.5.0 |\n| | Windows | | never |")).select_one("table.data")
        rows = [
            [td.get_text(" ", strip=True) for td in row.find_all("td")] for row in table.tbody.find_all("tr")
        ]
        assert rows[1] == ["version 2.5.0", "", "", ""]
        assert rows[2] == ["", "operating system Windows", "", "supported until never"]


class TestButtons:
    def test_a_link_with_the_mark_alone_in_its_paragraph_is_a_button(self):
        rendered = mail("[Read the guide](https://e.x/guide){.button}")
        button = prose(rendered).select_one("table.button a")
        assert (button.get_text(), button["href"]) == ("Read the guide", "https://e.x/guide")
        assert "background-color: #1f5fbf" in button["style"]
        assert "{.button}" not in rendered.html + rendered.text
        assert "Read the guide <https://e.x/guide>" in rendered.text

    def test_within_a_sentence_it_stays_a_link(self):
        body = prose(mail("See [the guide](https://e.x/guide){.button} first."))
        assert body.select_one("table.button") is None
        assert body.p.get_text() == "See the guide first."

    @pytest.mark.parametrize("source", ["{.button}", "`[a](https://e.x){.button}`", "a {.button}"])
    def test_the_mark_elsewhere_is_text(self, source):
        assert "{.button}" in prose(mail(source)).get_text()

    @pytest.mark.parametrize("theme", THEMES)
    def test_the_action_of_the_front_matter_is_in_both_parts(self, theme):
        rendered = mail("Text.", theme=theme, action=Action("Try it", "https://e.x/try"))
        link = BeautifulSoup(rendered.html, "html.parser").find("a", href="https://e.x/try")
        assert link.get_text(strip=True) == "Try it"
        assert "Try it <https://e.x/try>" in rendered.text


class TestBreaks:
    @given(st.text("abcé漢ش/._-&<> \n", max_size=120), st.integers(4, 30))
    @settings(max_examples=50)
    def test_breaking_keeps_the_text(self, text, longest):
        broken = escape_with_breaks(text, longest)
        assert BeautifulSoup(f"<pre>{broken}</pre>", "html.parser").get_text() == text

    def test_latin_words_are_broken_at_signs_where_there_are_any(self):
        assert (
            escape_with_breaks("packages/release-notes/reader", 20) == "packages/release-<wbr/>notes/reader"
        )

    def test_letters_that_join_are_not_parted(self):
        assert "<wbr" not in escape_with_breaks("ش" * 60, 10)


class TestWholeWords:
    @pytest.mark.parametrize(
        ("code", "is_whole"), [("--yes", True), ("yes", False), ("a --yes", False), (f"--{'x' * 40}", False)]
    )
    def test_a_short_option_is_not_broken_after_its_dashes(self, code, is_whole):
        style = prose(mail(f"Use `{code}`.")).code["style"]
        assert ("white-space: nowrap" in style) is is_whole

    def test_a_number_keeps_its_unit_on_the_line(self):
        cells = prose(
            mail("| a | b |\n|---|--:|\n| 1 s | 318.0 s |\n| x | 12 words that go on and on |")
        ).find_all("td")
        assert ["nowrap" in cell["style"] for cell in cells] == [False, True, False, False]


class TestPreheader:
    @pytest.mark.parametrize("theme", THEMES)
    def test_it_is_hidden_but_neither_white_nor_tiny(self, theme):
        hidden = BeautifulSoup(mail("Text.", theme=theme).html, "html.parser").body.find("div")
        assert "display:none" in hidden["style"]
        assert "color" not in hidden["style"]
        assert "font-size" not in hidden["style"]


class TestPictures:
    def test_a_picture_alone_leaves_no_gap_below(self):
        picture = prose(mail("Text.\n\n![The plan](plan.png)")).select_one("p.picture img")
        assert "display: block" in picture["style"]

    def test_the_logo_for_dark_screens_travels_too_and_is_hidden_at_first(self):
        logo, dark = (InlineImage(f"{name}@image", "image/png", b"x") for name in ("logo", "dark"))
        rendered = mail("Text.", brand=replace(BRAND, logo=logo, logo_dark=dark))
        assert rendered.images == (logo, dark)
        hidden = BeautifulSoup(rendered.html, "html.parser").select_one(".dark-logo")
        assert "display: none" in hidden["style"]
        assert hidden.img["src"] == "cid:dark@image"

    def test_product_shows_the_picture_of_the_introduction_between_the_title_and_the_greeting(self):
        rendered = mail("First.\n\n![The plan](plan.png)\n\nThen.", theme="product")
        page = BeautifulSoup(rendered.html, "html.parser")
        assert [image["alt"] for image in page.find_all("img")] == ["The plan"]
        assert page.img.find_previous("h1").get_text() == "Acme 2.4"
        assert "__slot_greeting__" in page.img.find_next("span").get_text()
        assert rendered.text.index("[Image: The plan]") < rendered.text.index("__slot_greeting__")


class TestThemes:
    @pytest.mark.parametrize("theme", THEMES)
    @pytest.mark.parametrize(
        "body",
        [
            "Lead.\n\n## Added\n\n- one\n\n### Detail\n\ntwo\n\n## Fixed\n\nthree[^1]\n\n[^1]: four",
            WIDE,
            "## A\n\n## B",
        ],
    )
    def test_no_word_of_the_notes_is_lost_in_any_theme(self, theme, body):
        rendered = mail(body, theme=theme)
        for part in (BeautifulSoup(rendered.html, "html.parser").get_text(" "), rendered.text):
            assert words(body) - words(part) == words("")

    def test_an_unknown_theme_is_refused_with_the_names_of_all(self):
        with pytest.raises(InvalidInput, match=r"no theme 'neon'(.|\n)*digest, letter, product"):
            mail("Text.", theme="neon")

    @pytest.mark.parametrize("name", ["../letter", "", "Letter", "a/b"])
    def test_a_name_that_is_no_name_of_a_folder_is_refused(self, name):
        with pytest.raises(InvalidInput, match="no theme"):
            find_theme(name)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (("size = 17", "size = big"), r"theme\.toml, line 4: Invalid value"),
            (("size = 17", 'size = "16"'), r"theme\.toml, line 4: size must be a number of pixels"),
            (
                ("size = 17", "sise = 17"),
                r"theme\.toml, line \d+: (sise is not a design token|size is missing)",
            ),
            (('ink = "#23211e"', 'ink = "black"'), r"theme\.toml, line 13: \[light\] ink must be a colour"),
            (
                ("[light]\n", '[light]\nfog = "#ffffff"\n'),
                r"theme\.toml, line 11: \[light\] fog is not a design token",
            ),
        ],
    )
    def test_a_wrong_token_is_named_with_file_and_line(self, tmp_path, change, message):
        source = (find_theme("letter").folder / "theme.toml").read_text()
        assert change[0] in source
        folder = tmp_path / "themes" / "own"
        folder.mkdir(parents=True)
        (folder / "theme.toml").write_text(source.replace(*change))
        with pytest.raises(TemplateError, match=message):
            find_theme("own", tmp_path)

    @pytest.mark.parametrize("colour", ["#1f5fbf", "#ffd400", "#7f7f7f", "#e4572e"])
    def test_the_title_can_be_read_on_any_colour_of_a_brand(self, colour):
        html = mail("Text.", brand=replace(BRAND, colour=colour), theme="product").html
        title = BeautifulSoup(html, "html.parser").h1
        assert title is not None
        styles = " ".join(str(one.get("style", "")) for one in title.parents)
        [ink, *_] = re.findall(r"(?<!-)color: ?(#\w{6})", styles)
        [ground, *_] = re.findall(r"background-color: ?(#\w{6})", styles)
        assert contrast_ratio(ink, ground) >= 4.5

    def test_the_brand_replaces_tokens_of_the_theme(self):
        html = mail(
            "Text.", brand=replace(BRAND, background="#fff8e7", font="Georgia, serif", footer="KvK 123")
        ).html
        assert "#fff8e7" in html
        assert "font-family:Georgia, serif" in html
        assert "KvK 123" in html
        assert not re.search("Segoe", html)


class TestEjection:
    def test_a_folder_that_can_be_no_theme_by_its_name_is_not_listed(self, tmp_path: Path) -> None:
        folder = tmp_path / "themes" / "acme.0a1b2c3d.new"
        folder.mkdir(parents=True)
        (folder / "theme.toml").touch()
        assert list_themes(tmp_path) == list_themes()

    def test_an_ejected_theme_gives_the_same_mail_until_it_is_changed(self, tmp_path):
        files = eject_theme(find_theme("product"), "acme", tmp_path)
        own = render(notes("Text.", theme="acme"), BRAND, templates_dir=tmp_path)
        assert own.html == mail("Text.", theme="product").html
        assert sorted(file.name for file in files) == [
            "head.css.j2",
            "mail.mjml.j2",
            "style.css.j2",
            "theme.toml",
        ]
        tokens = tmp_path / "themes" / "acme" / "theme.toml"
        tokens.write_text(tokens.read_text().replace("#f2f4f7", "#fafafa"))
        assert "#fafafa" in render(notes("Text.", theme="acme"), BRAND, templates_dir=tmp_path).html

    def test_a_byte_order_mark_in_files_of_a_theme_is_no_part_of_the_mail(self, tmp_path):
        for file in eject_theme(find_theme("product"), "acme", tmp_path):
            file.write_text(file.read_text(encoding="utf-8"), encoding="utf-8-sig")
        own = render(notes("Text.", theme="acme"), BRAND, templates_dir=tmp_path)
        assert own.html == mail("Text.", theme="product").html

    @pytest.mark.parametrize("name", ["theme.toml", "style.css.j2", "mail.mjml.j2"])
    def test_a_file_of_a_theme_that_is_not_utf_8_is_named_with_its_line(self, tmp_path, name):
        eject_theme(find_theme("product"), "acme", tmp_path)
        file = tmp_path / "themes" / "acme" / name
        lines = file.read_bytes().split(b"\n")
        file.write_bytes(b"\n".join([*lines[:2], b"/* Gr\xfc\xdfe */", *lines[2:]]))
        with pytest.raises(TemplateError, match=rf"{name}, line 3: .*UTF-8"):
            render(notes("Text.", theme="acme"), BRAND, templates_dir=tmp_path)

    def test_a_mail_is_not_made_without_the_folder_of_own_templates(self, tmp_path):
        with pytest.raises(
            TemplateError, match=r"templates_dir: the folder .*mailtemplates does not exist"
        ) as caught:
            render(notes("Text."), BRAND, templates_dir=tmp_path / "mailtemplates")
        assert "templates_dir" in (caught.value.hint or "")

    def test_a_theme_that_exists_is_not_replaced(self, tmp_path):
        eject_theme(find_theme("letter"), "acme", tmp_path)
        with pytest.raises(InvalidInput, match="already"):
            eject_theme(find_theme("digest"), "acme", tmp_path)

    @pytest.mark.parametrize("name", ["../x", "", "A b", "/etc"])
    def test_a_name_that_is_no_folder_is_refused_before_anything_is_written(self, tmp_path, name):
        with pytest.raises(InvalidInput, match="name of a theme"):
            eject_theme(find_theme("letter"), name, tmp_path)
        assert list(tmp_path.iterdir()) == []


def test_the_table_of_contents_leads_to_sections_and_passes_lint():
    rendered = mail(
        "## 2.4\n\nBoats move by themselves.\n\n### Added\n\n- a\n\n## 2.3\n\n### Fixed\n\n- b",
        theme="digest",
    )
    page = BeautifulSoup(rendered.html, "html.parser")
    links = [link["href"].removeprefix("#") for link in page.select(".toc a")]
    assert [page.find(id=one).get_text() for one in links] == ["2.4", "2.3"]
    assert [cell.get_text() for cell in page.select(".toc-below")] == ["a", "b"]
    assert lint(rendered) == ()
