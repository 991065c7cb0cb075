"""The bytes of a mail: what arrives is what the standard library would have sent, recipient by recipient."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.headerregistry import Address as StandardAddress
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailer.errors import InvalidInput, TemplateError
from mailer.message import InlineImage, Mailbox, MailTemplate, RecipientValues, Slot
from mailer.message.skeleton import compile_skeleton
from tests.support.mails import CONTENTS, GREETINGS, LOGO, MAIL, NAMES, PERSON, TEXT, URL, URLS


def arrived(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    assert not any(part.defects for part in message.walk())
    return message


def written_out(content: str, person: RecipientValues, *, in_html: bool = False) -> str:
    """What the content says to this person, by plain replacement."""
    values = {
        Slot.GREETING: person.greeting,
        Slot.EMAIL: person.to.email,
        Slot.UNSUBSCRIBE_URL: person.unsubscribe_url,
        Slot.VIEW_URL: MAIL.view_url or "",
    }

    def value(match: re.Match[str]) -> str:
        return html.escape(values[Slot(match[1])]) if in_html else values[Slot(match[1])]

    return re.sub(r"__slot_(greeting|email|unsubscribe_url|view_url)__", value, content)


def as_the_standard_library_builds_it(mail: MailTemplate, person: RecipientValues) -> EmailMessage:
    message = EmailMessage(policy=policy.SMTP)
    message["Date"] = person.date
    message["From"] = StandardAddress(mail.sender.name, addr_spec=mail.sender.email)
    message["To"] = StandardAddress(person.to.name, addr_spec=person.to.email)
    message["Subject"] = mail.subject
    message.set_content(written_out(mail.text, person))
    message.add_alternative(written_out(mail.html, person, in_html=True), subtype="html")
    for image in mail.images:
        main, _, sub = image.content_type.partition("/")
        part = message.get_payload()[-1]
        part.add_related(image.data, main, sub, cid=f"<{image.content_id}>", disposition="inline")
    return arrived(message.as_bytes())


def header_block(raw: bytes) -> list[bytes]:
    """The header's fields, unfolded."""
    return re.sub(rb"\r\n(?= )", b"", raw.partition(b"\r\n\r\n")[0]).split(b"\r\n")


@given(CONTENTS, CONTENTS, NAMES, GREETINGS, URLS, st.booleans())
@example(MAIL.text, MAIL.html, "'t Hooft", "Beste heer 't Hooft", URL, True)
@example("." * 300 + MAIL.text, "From " * 60 + MAIL.html, 'O"Brien', "<b>&\"'", URL, False)
@example(MAIL.text, MAIL.html, "משה כהן", "שלום משה " * 30, URL, True)
@example(MAIL.text, MAIL.html, "👩‍👩‍👧", "Hello 👩‍👩‍👧" * 20, URL, False)
@example("\r\r\n\n__slot_unsubscribe_url__", "__slot_unsubscribe_url__", "A", "", URL, False)
def test_a_mail_decodes_to_what_the_standard_library_would_have_built(  # noqa: PLR0917
    text: str, markup: str, name: str, greeting: str, url: str, illustrated: bool
):
    mail = MAIL._replace(text=text, html=markup, images=(LOGO,) if illustrated else ())
    person = PERSON._replace(to=Mailbox(name, "zoe@example.org"), greeting=greeting, unsubscribe_url=url)
    raw = bytes(compile_skeleton(mail).fill(person))
    ours, theirs = arrived(raw), as_the_standard_library_builds_it(mail, person)
    for field in ("Date", "From", "Subject"):
        assert ours[field] == theirs[field]
    assert [part.get_content_type() for part in ours.walk()] == [
        part.get_content_type() for part in theirs.walk()
    ]
    for our_part, their_part in zip(ours.walk(), theirs.walk(), strict=True):
        if not our_part.is_multipart():
            assert our_part.get_payload(decode=True) == their_part.get_payload(decode=True)
            assert our_part.get_content_charset() == their_part.get_content_charset()
            assert our_part["Content-ID"] == their_part["Content-ID"]


PLAIN = st.text("ABZaz ,'.-&é", max_size=80)
ADDRESSES = st.from_regex(r"[a-z0-9._+'&-]{1,40}@[a-z0-9.-]{1,40}\.(example|nl)", fullmatch=True)
TOKENS = st.text("abcXYZ019-_.", max_size=300)


@given(st.one_of(PLAIN, NAMES), ADDRESSES, st.one_of(PLAIN, GREETINGS), TOKENS, st.booleans())
@example("Ann Example", "ann@customer.example", "Dear Ms Example", "a" * 200, True)
@example("", "ann@customer.example", "From Ann", ".", False)
@example("A" * 60, "ann@customer.example", "Dear " + "a" * 71, "=", False)
def test_values_of_the_kind_that_was_checked_make_the_same_bytes(
    name: str, address: str, greeting: str, token: str, has_mailto: bool
):
    """The quick way against the careful one, errors as well."""
    mailto = "leave@example.org" if has_mailto else None
    skeleton = compile_skeleton(MAIL._replace(unsubscribe_mailto=mailto))
    person = PERSON._replace(
        to=Mailbox(name, address), greeting=greeting, unsubscribe_url=f"https://example.org/u/{token}"
    )
    try:
        skeleton.check_made(person.message_id, person.unsubscribe_url)
    except InvalidInput:
        assert set(token) & set("=")
        return
    try:
        careful = skeleton.fill(person)
    except InvalidInput as error:
        with pytest.raises(InvalidInput, match=re.escape(error.reason)):
            skeleton.fill_made(*person)
    else:
        assert skeleton.fill_made(*person) == careful


@pytest.mark.parametrize(
    "url", ["https://e.org/u/ a", "https://e.org/u/&", "https://e.org/" + "a" * 998, "a"]
)
def test_what_we_make_is_checked_once(url: str):
    with pytest.raises(InvalidInput):
        compile_skeleton(MAIL).check_made(PERSON.message_id, url)
    with pytest.raises(InvalidInput):
        compile_skeleton(MAIL).check_made("no angle brackets", PERSON.unsubscribe_url)


@given(CONTENTS, CONTENTS, NAMES, TEXT)
def test_every_line_is_short_ascii_with_nothing_to_stuff(text: str, markup: str, name: str, greeting: str):
    mail = MAIL._replace(text=text, html=markup, images=(LOGO,))
    person = PERSON._replace(to=Mailbox(name, "z@example.org"), greeting=greeting)
    raw = bytes(compile_skeleton(mail).fill(person))
    assert raw.endswith(b"\r\n")
    assert raw.isascii()
    head, _, body = raw.partition(b"\r\n\r\n")
    assert max(map(len, head.split(b"\r\n"))) <= 998
    for line in body.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith(b".")
        assert not re.search(rb"[\r\n\t\0]|  | $", line)


def test_the_fields_stand_in_a_fixed_order_and_say_what_the_standards_ask():
    mail = MAIL._replace(
        unsubscribe_mailto="leave@example.org", extra=(("List-Help", "<https://example.org/help>"),)
    )
    assert header_block(bytes(compile_skeleton(mail).fill(PERSON))) == [
        b"Date: Mon, 01 Dec 2025 08:00:00 +0000",
        b'From: "Acme: Nieuws" <news@example.org>',
        b"To: =?utf-8?b?Wm/DqyDDhW5nc3Ryw7ZtLcWBdWN6YWs=?= <zoe@example.org>",
        b"Reply-To: =?utf-8?q?Zo=C3=AB_van_Acme?= <help@example.org>",
        b"Subject: =?utf-8?q?Versie_2=2E4=2E0=3A_sneller=2C_en_=C3=A9=C3=A9n_ding_mi?= =?utf-8?q?nder?=",
        b"Message-ID: <0123456789abcdef@example.org>",
        b"MIME-Version: 1.0",
        b'Content-Type: multipart/alternative; boundary="=_cb0fbcd4b50cb12176bcac9c71cb6ee3_1"',
        b"List-Id: Release notes <release-notes.example.org>",
        b"List-Unsubscribe: <" + URL.encode() + b">, <mailto:leave@example.org>",
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        b"Auto-Submitted: auto-generated",
        b"Precedence: bulk",
        b"Feedback-ID: notes-240:release-notes:campaign:acmenews",
        b"Content-Language: nl",
        b"List-Help: <https://example.org/help>",
    ]


def test_the_same_mail_gives_the_same_bytes():
    assert bytes(compile_skeleton(MAIL).fill(PERSON)) == bytes(compile_skeleton(MAIL).fill(PERSON))


def test_filling_leaves_nothing_behind_for_the_next_recipient():
    skeleton = compile_skeleton(MAIL)
    first = bytes(skeleton.fill(PERSON))
    bytes(skeleton.fill(PERSON._replace(greeting="Beste lezer", to=Mailbox("", "b@example.org"))))
    assert bytes(skeleton.fill(PERSON)) == first


def test_the_boundary_occurs_in_no_content_even_where_the_content_names_it():
    boundary = arrived(bytes(compile_skeleton(MAIL).fill(PERSON))).get_boundary()
    mail = MAIL._replace(text=f"--{boundary}\n{MAIL.text}")
    raw = bytes(compile_skeleton(mail).fill(PERSON._replace(greeting=f"--{boundary}")))
    assert raw.count(f"--{boundary}".encode()) == 3
    text = arrived(raw).get_body(("plain",)).get_content()
    assert text.startswith(f"--{boundary}\r\n--{boundary},")


def test_values_are_escaped_for_where_they_stand():
    mail = MAIL._replace(html='<a title="__slot_greeting__" href="__slot_unsubscribe_url__">x</a>')
    person = PERSON._replace(greeting="""Beste "<b>&'""", unsubscribe_url="https://e.org/?a=1&b=2")
    message = arrived(bytes(compile_skeleton(mail).fill(person)))
    assert message.get_body(("html",)).get_content().rstrip() == (
        '<a title="Beste &quot;&lt;b&gt;&amp;&#x27;" href="https://e.org/?a=1&amp;b=2">x</a>'
    )
    assert """Beste "<b>&',""" in message.get_body(("plain",)).get_content()


@pytest.mark.parametrize(
    "change", [{"html": "__slot_greeting__"}, {"text": "__slot_greeting__"}], ids=["html", "text"]
)
def test_a_missing_unsubscribe_link_stops_the_campaign(change: dict[str, Any]):
    with pytest.raises(TemplateError, match="no unsubscribe link"):
        compile_skeleton(MAIL._replace(**change))


def test_an_unknown_slot_stops_the_campaign():
    with pytest.raises(TemplateError, match="phone"):
        compile_skeleton(MAIL._replace(text=MAIL.text + "__slot_phone__"))


def test_a_link_to_a_page_that_does_not_exist_is_refused() -> None:
    """Such as where the archive was turned off after the content was frozen."""
    with pytest.raises(TemplateError, match="links to its page in the browser"):
        compile_skeleton(MAIL._replace(text=MAIL.text + "__slot_view_url__", view_url=None))


def test_a_slot_in_the_subject_stops_the_campaign():
    with pytest.raises(TemplateError, match="subject"):
        compile_skeleton(MAIL._replace(subject="__slot_greeting__"))


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "a\r\nBcc: x@example.org"},
        {"sender": Mailbox("a\nb", "a@example.org")},
        {"reply_to": Mailbox("a", "a@example.org\r\nBcc: x@example.org")},
        {"list_name": "a\nb"},
        {"list_id": "not a domain"},
        {"feedback_id": "a\r\nb"},
        {"language": "nl\nX: y"},
        {"unsubscribe_mailto": "a@example.org>\r\nX: y"},
        {"extra": (("X-A", "a\r\nb"),)},
        {"extra": (("X-A: b\r\nX-B", "a"),)},
        {"extra": (("Bcc", "a@example.org"),)},
        {"extra": (("subject", "again"),)},
        {"extra": (("X-A", "a"), ("x-a", "b"))},
        {"images": (InlineImage("a>\r\nX: y", "image/png", b""),)},
        {"images": (InlineImage("a", "text/html", b""),)},
    ],
)
def test_a_header_that_can_not_be_is_refused_when_the_campaign_is_compiled(change: dict[str, Any]):
    with pytest.raises(InvalidInput):
        compile_skeleton(MAIL._replace(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"to": Mailbox("a\r\nBcc: x@example.org", "a@example.org")},
        {"to": Mailbox("A", "a@example.org\r\nBcc: x@example.org")},
        {"to": Mailbox("Zoë", "zoë@example.org")},
        {"message_id": "<a@b>\r\nX: y"},
        {"unsubscribe_url": "https://example.org/\r\nX: y"},
        {"unsubscribe_url": "https://example.org/" + "a" * 1000},
        {"date": datetime(2025, 12, 1, 8, 0)},  # noqa: DTZ001
        {"greeting": "a\ud800"},
    ],
)
def test_a_personal_value_that_can_not_be_sent_is_refused_when_it_is_filled_in(change: dict[str, Any]):
    skeleton = compile_skeleton(MAIL)
    with pytest.raises(InvalidInput):
        bytes(skeleton.fill(PERSON._replace(**change)))


def test_a_lone_surrogate_in_the_content_is_a_template_error():
    with pytest.raises(TemplateError, match="surrogate"):
        compile_skeleton(MAIL._replace(text=MAIL.text + "\ud800"))


def test_the_date_is_given_in_utc():
    moment = datetime(2026, 7, 1, 9, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    raw = bytes(compile_skeleton(MAIL).fill(PERSON._replace(date=moment)))
    assert raw.startswith(b"Date: Wed, 01 Jul 2026 07:00:00 +0000\r\n")
