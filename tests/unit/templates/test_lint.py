"""Lint holds back what must not be sent and warns of what should not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mailer.message import InlineImage
from templates.lint import Finding, Severity, lint
from templates.lint.checks import GMAIL_CLIP_BYTES
from templates.notes import RenderedNotes
from templates.render import render
from tests.support.rendered import BRAND, mail, notes

UNSUBSCRIBE = '<a href="__slot_unsubscribe_url__">Unsubscribe</a>'
SOUND = RenderedNotes(
    subject="Acme 2.4",
    html="<html lang='en'><head><title>Acme 2.4</title></head><body role='main'>"
    f"<div style='display:none'>Faster</div><h1>Acme 2.4</h1><p>Text, __slot_greeting__.</p>{UNSUBSCRIBE}</body></html>",
    text="Text. __slot_unsubscribe_url__\n",
    images=(),
    locale="en",
)


def with_preheader(text: str) -> RenderedNotes:
    return SOUND._replace(html=SOUND.html.replace("Faster", text))


def holding(html: str, **changes: Any) -> RenderedNotes:
    addresses = " ".join(re.findall("href='(https?:[^']+)'", html))
    changes = {"text": f"{SOUND.text}{addresses}\n"} | changes
    return SOUND._replace(html=SOUND.html.replace("</h1>", f"</h1>{html}"), **changes)


def codes(rendered: RenderedNotes, **options: Any) -> list[tuple[Severity, str]]:
    return [(finding.severity, finding.code) for finding in lint(rendered, **options)]


def test_a_sound_mail_has_no_findings():
    assert lint(SOUND) == ()


def test_the_link_to_the_page_of_a_mail_has_no_findings():
    linked = mail("Text.", theme="letter")
    assert lint(render(notes("Text."), BRAND, links_to_page=True)) == lint(linked)


@pytest.mark.parametrize(
    ("rendered", "code"),
    [
        (SOUND._replace(html=SOUND.html.replace(UNSUBSCRIBE, "")), "unsubscribe-missing"),
        (SOUND._replace(html=SOUND.html.replace(">Unsubscribe<", "><")), "unsubscribe-missing"),
        (
            SOUND._replace(html=SOUND.html.replace(UNSUBSCRIBE, "__slot_unsubscribe_url__")),
            "unsubscribe-missing",
        ),
        (SOUND._replace(text="Text."), "unsubscribe-missing"),
        (SOUND._replace(subject=" "), "subject-empty"),
        (SOUND._replace(subject="a\nBcc: b@example.org"), "subject-control"),
        (SOUND._replace(text=" \n"), "text-empty"),
        (holding("__slot_phone__"), "slot-unknown"),
        (holding("<script>x()</script>"), "active-content"),
        (holding("<form action='https://e.x'><input></form>"), "active-content"),
        (holding("<iframe src='https://e.x'></iframe>"), "active-content"),
        (holding("<p onclick='x()'>a</p>"), "active-content"),
        (holding("<meta http-equiv='refresh' content='0'>"), "active-content"),
        (holding("<img src='https://e.x/a.png' alt='a'>"), "foreign-host"),
        (holding("<img src='http://ok.x/a.png' alt='a'>"), "foreign-host"),
        (
            holding(
                "<img srcset='https://ok.x/a.png 1x, https://e.x/b.png 2x' src='https://ok.x/a.png' alt='a'>"
            ),
            "foreign-host",
        ),
        (holding("<table background='https://e.x/a.png'></table>"), "foreign-host"),
        (holding("<p style=\"background: url('https://e.x/a.png')\">a</p>"), "foreign-host"),
        (holding("<style>@import 'https://e.x/a.css';</style>"), "foreign-host"),
        (holding("<style>@font-face { src: url(https://e.x/a.woff) }</style>"), "foreign-host"),
        (holding("<link rel='stylesheet' href='https://e.x/a.css'>"), "foreign-host"),
        (holding("<!--[if mso]><v:fill src='https://e.x/a.png'/><![endif]-->"), "foreign-host"),
        (holding("<img src='https://[' alt='a'>"), "foreign-host"),
        (holding("<img src='cid:gone' alt='a'>"), "image-missing"),
        (holding("<img src='https://ok.x/a.png' alt='a' width='1' height='1'>"), "tracking-pixel"),
        (holding("<img src='https://ok.x/a.png' alt='a' style='display: none'>"), "tracking-pixel"),
        (holding("<img src='https://ok.x/a.png' alt='a' style='width:0px'>"), "tracking-pixel"),
        (holding("<a href='javascript:x()'>a b</a>"), "link-scheme"),
        (holding("<a href='docs/x'>a b</a>"), "link-scheme"),
    ],
)
def test_what_must_not_be_sent_is_an_error(rendered, code):
    assert (Severity.ERROR, code) in codes(rendered, image_hosts={"ok.x"})


@pytest.mark.parametrize(
    ("rendered", "code"),
    [
        (holding("x" * GMAIL_CLIP_BYTES), "too-large"),
        (holding("<img src='https://ok.x/a.png'>"), "alt-missing"),
        (with_preheader(""), "preheader-missing"),
        (SOUND._replace(subject="x" * 79), "subject-long"),
        (SOUND._replace(subject="TODO subject"), "placeholder"),
        (holding("<a href='https://e.x'>Click here!</a>"), "link-vague"),
        (holding("<a href='https://e.x'>klik <b>hier</b></a>"), "link-vague"),
        (holding("<a href='https://e.x'> </a>"), "link-empty"),
        (holding("<a href='http://e.x'>a site</a>"), "link-insecure"),
        (holding("<a href='http://localhost:8000/x'>a site</a>"), "link-private"),
        (holding("<a href='https://10.0.0.1/x'>a site</a>"), "link-private"),
        (holding("<a href='https://wiki/x'>a site</a>"), "link-private"),
        (holding("<p>Lorem ipsum dolor</p>"), "placeholder"),
        (holding("<p>Dear {{ name }}</p>"), "placeholder"),
    ],
)
def test_what_should_not_be_sent_is_a_warning(rendered, code):
    assert codes(rendered, image_hosts={"ok.x"}) == [(Severity.WARNING, code)]


@pytest.mark.parametrize(
    "html",
    [
        "<a href='mailto:a@e.x'>write to us</a>",
        "<a href='https://e.x'><img src='https://ok.x/a.png' alt='The plan'></a>",
        "<p>See <code>{{ name }}</code> and <code>TODO</code></p>",
        "<p>Mastodon, todos</p>",
        "<img src='https://ok.x/a.png' alt='a' width='520' style='max-width:100%;height:auto;border-width:1px'>",
        "<!-- https://e.x/a.png -->",
    ],
)
def test_what_is_fine_is_left_alone(html):
    assert lint(holding(html), image_hosts={"ok.x"}) == ()


def test_an_image_of_the_mail_may_be_shown():
    image = InlineImage("a@b", "image/png", b"")
    assert lint(holding("<img src='cid:a@b' alt='a'>", images=(image,))) == ()


def test_errors_come_before_warnings_and_each_finding_says_where():
    findings = lint(with_preheader("")._replace(subject="", text=""))
    assert [finding.severity for finding in findings] == [Severity.ERROR] * 3 + [Severity.WARNING]
    assert findings[0] == Finding(Severity.ERROR, "subject-empty", "The subject is empty.", "subject")
    assert {finding.where for finding in findings} == {"subject", "text", "preheader"}
