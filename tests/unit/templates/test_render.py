"""Release notes become a mail: nothing is lost, nothing foreign gets in, and it reads well in both parts."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from typing import Any

import pytest
from bs4 import BeautifulSoup
from hypothesis import example, given
from hypothesis import strategies as st

from mailer.errors import InvalidInput, TemplateError
from mailer.message import InlineImage, Slot
from templates.brand import Brand, adjust_contrast, contrast_ratio
from templates.lint import Severity, lint
from templates.markdown import MAX_BODY_CHARACTERS
from templates.markdown.parse import MAX_NESTING
from templates.render import render
from tests.support.rendered import BRAND, PIXELS, mail, notes, prose, seen, words

SLOT = "x __slot_greeting__"
MARKUP = st.text("ab <>/&;#*_`~[]()!:|\\-+.=\"'\n\thttps://exámplé \u200d\u00ad{}%0x", max_size=300)


class TestFrame:
    def test_the_slots_of_the_recipient_stand_in_both_parts(self):
        rendered = mail("Text.")
        for slot in (Slot.GREETING, Slot.EMAIL, Slot.UNSUBSCRIBE_URL):
            assert slot.marker in rendered.html
            assert slot.marker in rendered.text
        link = BeautifulSoup(rendered.html, "html.parser").find("a", href=Slot.UNSUBSCRIBE_URL.marker)
        assert link is not None
        assert link.get_text() == "Unsubscribe"

    def test_a_mail_links_to_its_page_only_where_there_are_pages(self):
        linked = render(notes("Text.", version=None, date=None), BRAND, links_to_page=True)
        for shown, without in ((linked.html, mail("Text.").html), (linked.text, mail("Text.").text)):
            assert Slot.VIEW_URL.marker in shown
            assert Slot.VIEW_URL.marker not in without

    def test_the_same_notes_give_the_same_mail(self):
        assert mail("Text.\n\n- a\n- b") == mail("Text.\n\n- a\n- b")

    def test_dutch_notes_have_a_dutch_frame(self):
        rendered = mail("Tekst.", locale="nl")
        page = BeautifulSoup(rendered.html, "html.parser")
        assert page.html["lang"] == "nl"
        assert "2 november 2026" in page.get_text()
        for part in (page.get_text(), rendered.text):
            assert "Versie 2.4.0" in part
            assert "Uitschrijven" in part
            assert "Privacyverklaring" in part
        assert "Unsubscribe" not in rendered.html + rendered.text

    def test_english_notes_have_an_english_frame(self):
        rendered = mail("Text.")
        assert "Version 2.4.0 · 2 November 2026" in rendered.text
        assert BeautifulSoup(rendered.html, "html.parser").html["lang"] == "en"

    def test_version_and_date_may_be_missing(self):
        rendered = mail("Text.", version=None, date=None)
        assert "None" not in rendered.html + rendered.text
        assert "Version" not in rendered.html + rendered.text

    def test_a_brand_without_details_leaves_no_holes(self):
        rendered = mail("Text.", brand=Brand("Solo", "#ffcc00"))
        assert "None" not in rendered.html + rendered.text
        assert "mailto:" not in rendered.html
        assert rendered.text.endswith("Solo\n")

    def test_the_logo_travels_in_the_mail(self):
        logo = InlineImage("logo@image", "image/png", b"x")
        rendered = mail("Text.", brand=replace(BRAND, logo=logo))
        assert rendered.images == (logo,)
        image = BeautifulSoup(rendered.html, "html.parser").find("img")
        assert (image["src"], image["alt"]) == ("cid:logo@image", "Acme")

    def test_the_preheader_is_hidden_at_the_top_and_falls_back_to_the_first_paragraph(self):
        given_one = BeautifulSoup(mail("Text.", preheader="A & B").html, "html.parser")
        hidden = given_one.body.find("div")
        assert "display:none" in hidden["style"].replace(" ", "")
        assert hidden.get_text() == "A & B"
        assert mail("## Added\n\n- The **first**\n  `line`.").preheader == "The first line."
        assert len(mail("word " * 100).preheader) <= 110

    def test_what_the_notes_say_about_themselves_is_escaped(self):
        rendered = mail("Text.", title="<b>&\"'", preheader="</div><script>", version="<i>")
        assert "<script" not in rendered.html
        assert BeautifulSoup(rendered.html, "html.parser").h1.get_text() == "<b>&\"'"
        assert rendered.subject == "<b>&\"'"
        assert rendered.text.startswith("<b>&\"'\n======\n")

    def test_nothing_is_fetched_and_no_font_comes_from_elsewhere(self):
        html = mail("Text.").html
        assert "fonts.googleapis" not in html
        assert not re.search(r"<link|@import|url\(|<script", html)

    def test_a_finished_mail_passes_lint(self):
        assert lint(mail("Text with a [good link](https://acme.example/news).")) == ()

    def test_the_mail_knows_dark_screens(self):
        html = mail("Text.").html
        assert '<meta name="color-scheme" content="light dark"' in html
        assert "prefers-color-scheme: dark" in html


class TestBody:
    def test_headings_begin_below_the_title_and_changelog_kinds_are_labelled(self):
        body = prose(
            mail("### Added\n\n- a\n\n#### Detail\n\n### 🐛 Bug fixes\n\n- b\n\n### Harbours\n\n- c")
        )
        assert [heading.name for heading in body.find_all(re.compile(r"h\d"))] == ["h2", "h3", "h2", "h2"]
        assert [span["class"] for span in body.select("h2 span")] == [["kind", "added"], ["kind", "fixed"]]
        assert [h.get_text() for h in body.find_all("h2")] == ["Added", "🐛 Bug fixes", "Harbours"]

    @pytest.mark.parametrize(
        ("source", "href"),
        [
            ("https://e.x/a_b_c?x=1&y=2,", "https://e.x/a_b_c?x=1&y=2"),
            ("(see https://e.x/wiki/A_(b)).", "https://e.x/wiki/A_(b)"),
            ("**https://e.x/a**", "https://e.x/a"),
            ("<https://e.x/a>", "https://e.x/a"),
            ("<me@e.x>", "mailto:me@e.x"),
            ("[a][1]\n\n[1]: https://e.x/b 'T'", "https://e.x/b"),
            ('<a href="https://e.x/?a&amp;b" onclick="x()">a</a>', "https://e.x/?a&b"),
            ("HTTP://e.x/a", "HTTP://e.x/a"),
        ],
    )
    def test_every_way_to_write_a_link_leads_there_in_both_parts(self, source, href):
        rendered = mail(source)
        assert [link["href"] for link in prose(rendered).find_all("a")] == [href]
        assert href.removeprefix("mailto:") in rendered.text

    @pytest.mark.parametrize(
        "source", ["`https://e.x`", "    https://e.x", "xhttps://e.x", "https://", "https:e.x"]
    )
    def test_what_only_looks_like_an_address_is_no_link(self, source):
        assert prose(mail(f"a\n\n{source}")).find("a") is None

    def test_relative_links_start_from_the_base_url(self):
        rendered = mail("[a](docs/x.md) [b](#top) [c](/y)", base_url="https://e.x/r/CHANGELOG.md")
        hrefs = [link["href"] for link in prose(rendered).find_all("a")]
        assert hrefs == ["https://e.x/r/docs/x.md", "https://e.x/r/CHANGELOG.md#top", "https://e.x/y"]

    @pytest.mark.parametrize("base", ["docs/", "javascript:x/", "https://[", "https://"])
    def test_a_base_url_that_is_none_is_refused(self, base):
        with pytest.raises(InvalidInput):
            mail("[a](b.md)", base_url=base)

    def test_words_on_two_lines_do_not_run_together(self):
        assert "#1 #2" in prose(mail("[#1](https://e.x/1)\n[#2](https://e.x/2)")).get_text()

    def test_tasks_are_read_aloud_in_the_language_of_the_mail(self):
        body = prose(mail("- [x] een\n- [ ] twee", locale="nl"))
        assert [box["aria-label"] for box in body.select("[role=img]")] == ["klaar", "nog te doen"]
        assert body.find("input") is None

    @pytest.mark.parametrize(
        "source", ["> [!WARNING]\n> Mind.", ":::{warning}\nMind.\n:::", "::: warning\nMind.\n:::"]
    )
    def test_alerts_are_named_in_the_language_of_the_mail(self, source):
        rendered = mail(source, locale="nl")
        alert = prose(rendered).select_one("div.alert.warning")
        assert alert.select_one("[aria-hidden=true]").extract().get_text() == "!"
        assert alert.get_text(" ", strip=True) == "Waarschuwing Mind."
        assert "> Waarschuwing\n>\n> Mind." in rendered.text

    def test_an_alert_keeps_a_title_of_its_own(self):
        title = prose(mail(":::{note} Own words\nText.\n:::")).select_one(".alert-title")
        title.select_one("[aria-hidden=true]").decompose()
        assert title.get_text().strip() == "Own words"

    def test_authors_comments_are_not_sent(self):
        rendered = mail("a\n<!-- one -->\nb <!-- two --> c\n\n<!--\nthree\n\nfour\n-->\n\nd")
        assert not re.search("one|two|three|four", prose(rendered).get_text() + rendered.text)
        assert "d" in prose(rendered).get_text()

    def test_html_of_no_meaning_stays_the_text_that_it_is(self):
        rendered = mail("List<String> <script>alert(1)</script> <x-y> <b>unclosed *and </b> crossed*")
        said = "List<String> <script>alert(1)</script> <x-y> <b>unclosed and </b> crossed"
        assert prose(rendered).get_text().strip() == said
        assert prose(rendered).find(["script", "b"]) is None

    def test_the_html_that_github_knows_counts_without_its_attributes(self):
        body = prose(mail('<kbd class="k">N</kbd> H<sub>2</sub>O a<br>b <b onclick="x()">c</b> <del>d</del>'))
        assert [tag.name for tag in body.find_all(True)] == ["p", "kbd", "sub", "br", "strong", "s"]
        assert body.find(onclick=True) is None

    def test_folded_details_are_unfolded(self):
        rendered = mail("<details>\n<summary>More</summary>\n\nHidden **text**.\n\n</details>")
        assert prose(rendered).get_text(" ", strip=True) == "More Hidden text ."
        assert "*More*\n\nHidden *text*." in rendered.text

    def test_images_beside_the_notes_travel_in_the_mail_at_a_width_that_outlook_respects(self):
        rendered = mail("![The *plan*](plan.png 'x') ![again](plan.png)")
        image = prose(rendered).find("img")
        assert (image["src"], image["alt"], image["width"]) == ("cid:plan@image", "The plan", "520")
        assert rendered.images == (PIXELS,)
        assert "[Image: The plan]" in rendered.text

    def test_images_from_an_allowed_host_stay_there(self):
        rendered = render(notes('<img src="https://i.e.x/a.png" alt="A">'), BRAND, image_hosts={"i.e.x"})
        assert prose(rendered).find("img")["src"] == "https://i.e.x/a.png"
        assert rendered.images == ()
        assert "[Image: A <https://i.e.x/a.png>]" in rendered.text

    @pytest.mark.parametrize(
        "text", ["हिन्दी", "é", "שָׁלוֹם", "👩‍👩‍👧", 'a"b\\c', "'t <Hooft> & co", "\u00ad\u200e\ue000"]
    )
    def test_every_script_survives_in_text_and_in_attributes(self, text):
        rendered = mail(
            f"{text.replace('<', '&lt;').replace(chr(92), chr(92) * 2)} ![]( plan.png )", title=text
        )
        source = text.replace("\\", "\\\\").replace('"', "&quot;").replace("<", "&lt;")
        described = mail(f"![{source}](plan.png)", title=text)
        assert text in prose(rendered).get_text()
        assert text in rendered.text
        assert prose(described).find("img")["alt"] == text
        assert BeautifulSoup(rendered.html, "html.parser").h1.get_text() == text

    def test_code_keeps_its_spaces_and_line_breaks(self):
        code = "def f():\n    return  1\n\n\n<x> & 'y'\n"
        rendered = mail(f"```python\n{code}```")
        assert prose(rendered).pre.get_text() == code
        assert "    def f():\n        return  1\n\n\n    <x> & 'y'\n" in rendered.text


class TestTextPart:
    def test_lines_are_short_but_no_address_is_broken(self):
        link = f"https://e.x/{'long/' * 30}"
        text = mail(f"{'word ' * 60} [words]({link}) {'word ' * 20}").text
        assert f"words <{link}>" in text
        assert all(len(line) <= 72 or link in line for line in text.splitlines())

    def test_tables_that_fit_are_aligned(self):
        text = mail("| Boat | Price |\n|---|--:|\n| short | 9 |\n| longer one | 100 |").text
        assert "Boat        Price\n----------  -----\nshort           9\nlonger one    100\n" in text

    def test_tables_that_do_not_fit_become_records(self):
        text = mail(f"| Boat | About |\n|---|---|\n| A | {'w ' * 60}|\n| B | c |").text
        assert "Boat: A\nAbout: w w w" in text
        assert "Boat: B\nAbout: c\n" in text

    def test_lists_are_indented_under_their_marks(self):
        text = mail("- a\n  - b\n    c\n- d\n\n9. e\n\n   f\n10. g").text
        assert "- a\n  - b c\n- d\n\n9. e\n\n   f\n\n10. g\n" in text

    def test_quotes_breaks_and_rules_are_written_as_people_write_them(self):
        text = mail("> a\n>\n> b\n\nc  \nd\n\n***\n\n~~e~~ **f** *g*").text
        assert "> a\n>\n> b\n\nc\nd\n\n------" in text
        assert "~e~ *f* _g_" in text


class TestRefusals:
    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("[x](javascript:alert(1))", 'the link "javascript:alert(1)" does not work in a mail'),
            ("[x](JaVaScRiPt:alert)", "does not work in a mail"),
            ("[x](data:text/html,x)", "does not work in a mail"),
            ("[x](file:///etc/passwd)", "does not work in a mail"),
            ('<a href="vbscript:x">x</a>', "does not work in a mail"),
            ("[x](docs/y.md)", "is relative"),
            ("[x](//e.x/y)", "is relative"),
            ("[x]()", "does not work in a mail"),
            ("[x](https://)", "does not work in a mail"),
            ("[x](<https://[:]>)", "is not a web address"),
            ("[x](https://[)", "does not work in a mail"),
            ('<a href=" java\tscript:x">x</a>', "is relative"),
            ("![x](https://tracker.example/p.gif)", "may not be fetched"),
            ("![x](http://e.x/p.gif)", "may not be fetched"),
            ("![x](//e.x/p.gif)", "may not be fetched"),
            ("![x](data:image/png;base64,AAAA)", "may not be fetched"),
            ("![x](missing.png)", 'the image "missing.png" was not found'),
            ("__slot_email__", 'the text contains "__slot_"'),
            ("`__slot_unsubscribe_url__`", 'the text contains "__slot_"'),
            ("[^1]: note", 'the footnote "[^1]" would be lost'),
            ("> " * (MAX_NESTING + 1) + "x", "nested too deeply"),
        ],
    )
    def test_what_a_mail_cannot_carry_is_refused_with_file_and_line(self, line, message):
        with pytest.raises(InvalidInput) as refused:
            mail(f"Text.\n\n{line}", first_line=10)
        assert str(refused.value).startswith("notes.md, line 12: ")
        assert message in str(refused.value)

    def test_the_line_is_that_of_the_link_not_of_its_paragraph(self):
        with pytest.raises(InvalidInput, match=r"notes\.md, line 3:"):
            mail("a\nb\n[x](y) c\nd")

    @pytest.mark.parametrize(
        "source", [r"\_\_slot\_email\_\_", "&#95;_slot_email__", "_<b></b>_slot_email__", r"*\_slot\_*"]
    )
    def test_a_slot_put_together_from_pieces_is_refused_or_harmless(self, source):
        try:
            rendered = mail(source)
        except InvalidInput:
            return
        assert "__slot_email__" not in rendered.text.partition("\n-- \n")[0]
        assert "__slot_email__" not in str(prose(rendered))

    @pytest.mark.parametrize(
        "change",
        [{"title": SLOT}, {"preheader": SLOT}, {"version": SLOT}],
        ids=["title", "preheader", "version"],
    )
    def test_a_slot_in_the_front_matter_is_refused(self, change: dict[str, Any]):
        with pytest.raises(InvalidInput, match="__slot_"):
            mail("Text.", **change)

    @pytest.mark.parametrize("nest", ["> ", "- ", "*a **b ", "![", "[", "<b>", ":::x\n"])
    def test_deep_nesting_ends_in_an_error_or_in_text(self, nest):
        with contextlib.suppress(InvalidInput):
            mail(nest * 4000 + "x")

    def test_a_text_that_no_mail_provider_shows_is_refused(self):
        with pytest.raises(InvalidInput, match="the limit is 100000"):
            mail("x" * (MAX_BODY_CHARACTERS + 1))


class TestProperties:
    @given(MARKUP)
    @example("a\0b")
    @example("<a href='https://e.x'>*b</a>*")
    @example("<b>*</b>*")
    @example("- [x] \n\n>")
    @example("||\n|-|\n||")
    def test_any_markdown_becomes_a_mail_without_errors_or_is_refused(self, body):
        try:
            rendered = mail(body or "x")
        except InvalidInput:
            return
        assert [finding for finding in lint(rendered) if finding.severity is Severity.ERROR] == []

    @given(
        st.lists(
            st.text(st.characters(categories=["L", "N", "M"]), min_size=2, max_size=12),
            min_size=1,
            max_size=40,
        )
    )
    def test_no_word_is_lost_in_either_part(self, said):
        source = "\n".join(
            f"{'> ' * (n % 3)}- {word}" if n % 2 else f"\n{word}\n" for n, word in enumerate(said)
        )
        rendered = mail(source)
        assert words(source) - words(seen(rendered)) == words("")
        assert words(source) - words(rendered.text) == words("")


class TestTemplates:
    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("<mjml>\n<mj-body>\n{{ missing }}</mj-body></mjml>", "line 3: 'missing' is undefined"),
            ("<mjml>\n{{ brand.nothing }}</mjml>", "line 2: "),
            ("<mjml>\n{{ texts.mail.nothing }}</mjml>", "line 2: locale/en.toml has no text mail.nothing"),
            ("<mjml>\n{{ texts.no.thing }}</mjml>", "line 2: locale/en.toml has no section"),
            ("<mjml>\n{% if %}\n", "line 2: "),
            ("<mjml>\n{{ 1 / 0 }}", "line 2: division by zero"),
            ("<mjml>\n<mj-bdy></mj-bdy></mjml>", "line 2: MJML has no <mj-bdy>"),
            (
                "<mjml><mj-body>\n<mj-section>\n</mj-body></mjml>",
                "line 3: </mj-body> closes nothing, but <mj-section> is open",
            ),
            ("<mjml><mj-body>", "line 1: <mj-body> is never closed"),
            ("<p>x</p>", "the MJML compiler reports"),
        ],
    )
    def test_a_broken_template_is_named_with_its_file_and_line(self, tmp_path, source, message):
        template = tmp_path / "themes" / "letter" / "mail.mjml.j2"
        template.parent.mkdir(parents=True)
        template.write_text(source)
        with pytest.raises(TemplateError) as broken:
            render(notes("Text."), BRAND, templates_dir=tmp_path)
        assert message in str(broken.value)
        assert "letter/mail.mjml.j2" in str(broken.value)

    def test_a_template_of_ones_own_wins_and_the_others_stay(self, tmp_path):
        (tmp_path / "mail").mkdir()
        (tmp_path / "mail" / "release_notes.txt.j2").write_text("Own: {{ notes.title }} <&>\n")
        rendered = render(notes("Text."), BRAND, templates_dir=tmp_path)
        assert rendered.text == "Own: Acme 2.4 <&>\n"
        assert rendered.html == mail("Text.").html


class TestColours:
    @given(st.from_regex(r"#[0-9a-f]{6}", fullmatch=True), st.sampled_from(["#ffffff", "#1c1f24"]))
    def test_any_brand_colour_is_made_readable(self, colour, ground):
        assert contrast_ratio(adjust_contrast(colour, ground), ground) >= 4.5

    def test_a_colour_that_can_be_read_is_left_alone(self):
        assert adjust_contrast("#1f5fbf", "#ffffff") == "#1f5fbf"

    def test_contrast_is_that_of_wcag(self):
        assert contrast_ratio("#000000", "#ffffff") == pytest.approx(21)
        assert contrast_ratio("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
