"""The catcher: what it keeps, and that its pages show a hostile mail without letting it do anything."""

from __future__ import annotations

import mailbox
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.catcher import Catcher, Caught, inbox_app
from mailer.catcher.web import VIEWS
from tests.support.web_server import serving

PNG = b"\x89PNG\r\n\x1a\n and so on"
HOSTILE = (
    b'From: "<script>alert(1)</script>" <evil@example.com>\r\n'
    b"To: you@example.com\r\n"
    b"Subject: <img src=x onerror=alert(1)>\r\n"
    b'List-Unsubscribe: <javascript:alert(1)>, <https://example.com/"onclick="alert(1)>\r\n'
    b"Content-Type: text/html; charset=utf-8\r\n"
    b"\r\n"
    b"<script>alert(1)</script><p>Hello</p>\r\n"
)


def letter(subject: str = "Version 2.4.0") -> bytes:
    mail = EmailMessage()
    mail["From"] = "Acme <news@example.com>"
    mail["To"] = "Zoë Ångström-Łuczak <zoe@example.com>"
    mail["Subject"] = subject
    mail["List-Unsubscribe"] = "<mailto:out@example.com>, <https://example.com/u/token>"
    mail.set_content("Dear Zoë,\n\n.a line with a dot\n\nhttps://example.com/notes\n")
    mail.add_alternative(
        '<html><head></head><body>Zoë <img src="cid:logo@acme"></body></html>', subtype="html"
    )
    mail.get_payload()[1].add_related(PNG, "image", "png", cid="<logo@acme>")
    return mail.as_bytes().replace(b"\n", b"\r\n")


@pytest.fixture
async def catcher(tmp_path: Path) -> AsyncIterator[Catcher]:
    async with Catcher(tmp_path / "mail") as catcher:
        yield catcher


@pytest.fixture
async def inbox(catcher: Catcher) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(inbox_app(catcher)) as address,
        httpx.AsyncClient(base_url=address, timeout=60) as client,
    ):
        yield client


async def send(catcher: Catcher, mail: bytes, *recipients: str) -> None:
    await aiosmtplib.send(
        mail,
        sender="bounces@example.com",
        recipients=list(recipients or ("zoe@example.com",)),
        hostname=catcher.host,
        port=catcher.port,
        start_tls=False,
    )


async def test_a_mail_is_kept_byte_for_byte_with_its_envelope(catcher: Catcher) -> None:
    mail = letter()
    await send(catcher, mail, "zoe@example.com", "jan@example.com")
    (caught,) = catcher.messages()
    assert caught.data == mail
    assert caught.sender == "bounces@example.com"
    assert caught.recipients == ["zoe@example.com", "jan@example.com"]


async def test_mails_come_in_the_order_of_their_arrival(catcher: Catcher) -> None:
    for number in range(12):
        await send(catcher, letter(f"Mail {number}"))
    assert [mail.header("Subject") for mail in catcher.messages()] == [f"Mail {n}" for n in range(12)]
    assert [mail.header("Subject") for mail in catcher.messages(newest=2)] == ["Mail 10", "Mail 11"]


async def test_what_it_keeps_is_a_maildir(catcher: Catcher) -> None:
    await send(catcher, letter())
    (mail,) = mailbox.Maildir(catcher.folder, create=False)
    assert (mail["Return-Path"], mail["Delivered-To"]) == ("<bounces@example.com>", "zoe@example.com")
    assert mail["Subject"] == "Version 2.4.0"


async def test_a_mail_that_another_reader_has_marked_as_read_stays_in_the_inbox(catcher: Catcher) -> None:
    await send(catcher, letter())
    (kept,) = (catcher.folder / "new").iterdir()
    kept.rename(catcher.folder / "cur" / f"{kept.name}:2,S")
    assert [caught.header("Subject") for caught in catcher.messages()] == ["Version 2.4.0"]


async def test_mails_outlive_the_catcher(tmp_path: Path) -> None:
    async with Catcher(tmp_path) as catcher:
        await send(catcher, letter())
    async with Catcher(tmp_path) as again:
        assert len(again.messages()) == 1


@given(
    data=st.binary(),
    sender=st.text("abc@.<>=+-", max_size=20),
    recipients=st.lists(st.text('abc@." :', min_size=1, max_size=20), min_size=1, max_size=3),
)
def test_the_envelope_and_the_mail_are_told_apart_whatever_they_hold(
    data: bytes, sender: str, recipients: list[str]
) -> None:
    caught = Caught("0.x", Caught.kept_as(sender, recipients, data))
    assert (caught.data, caught.sender, caught.recipients) == (data, sender, recipients)


async def test_the_list_shows_the_newest_mail_first(catcher: Catcher, inbox: httpx.AsyncClient) -> None:
    assert "No mail yet" in (await inbox.get("/")).text
    await send(catcher, letter("First"))
    await send(catcher, letter("Second"))
    page = (await inbox.get("/")).text
    assert page.index("Second") < page.index("First")
    assert "news@example.com" in page


async def test_each_view_of_a_mail_shows_its_part(catcher: Catcher, inbox: httpx.AsyncClient) -> None:
    await send(catcher, letter())
    (mail,) = catcher.messages()
    shown = {view: (await inbox.get(f"/{mail.key}/{view}")).text for view in VIEWS}
    assert "Zoë Ångström-Łuczak" in shown["html"]
    assert '<iframe class="html" src="frame"' in shown["html"]
    assert '<iframe class="phone" src="frame"' in shown["phone"]
    assert "\n.a line with a dot" in shown["text"].replace("\r", "")
    assert '<a href="https://example.com/notes"' in shown["text"]
    assert "List-Unsubscribe" in shown["headers"]
    assert "Content-Transfer-Encoding" in shown["source"]
    assert (await inbox.get(f"/{mail.key}/raw")).content == mail.data


async def test_pictures_in_the_mail_are_shown_and_its_links_open_elsewhere(
    catcher: Catcher, inbox: httpx.AsyncClient
) -> None:
    await send(catcher, letter())
    (mail,) = catcher.messages()
    frame = (await inbox.get(f"/{mail.key}/frame")).text
    assert 'src="data:image/png;base64,iVBORw0KGgog' in frame
    assert '<head><base target="_blank">' in frame


async def test_the_unsubscribe_link_is_offered(catcher: Catcher, inbox: httpx.AsyncClient) -> None:
    await send(catcher, letter())
    (mail,) = catcher.messages()
    page = (await inbox.get(f"/{mail.key}/html")).text
    assert 'href="https://example.com/u/token" target="_blank" rel="noopener noreferrer"' in page


async def test_a_hostile_mail_is_text_on_the_pages(catcher: Catcher, inbox: httpx.AsyncClient) -> None:
    await send(catcher, HOSTILE)
    (mail,) = catcher.messages()
    for path in ("/", *(f"/{mail.key}/{view}" for view in VIEWS)):
        answer = await inbox.get(path)
        assert "<script" not in answer.text
        assert "<img" not in answer.text
        assert "javascript:" not in answer.text.replace("&lt;javascript:", "")
        assert '"onclick' not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["frame", "raw"])
async def test_a_mail_s_own_document_has_no_origin_scripts_or_network(
    catcher: Catcher, inbox: httpx.AsyncClient, path: str
) -> None:
    await send(catcher, HOSTILE)
    (mail,) = catcher.messages()
    answer = await inbox.get(f"/{mail.key}/{path}")
    policy = {
        words.split()[0]: words.split()[1:] for words in answer.headers["content-security-policy"].split(";")
    }
    assert policy["default-src"] == ["'none'"]
    assert policy["img-src"] == ["data:"]
    assert not {"allow-scripts", "allow-same-origin", "allow-forms", "allow-top-navigation"} & set(
        policy["sandbox"]
    )
    assert "script-src" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("key", ["nothing", "..", "..%2F..%2Fetc", "%00", "."])
async def test_what_was_not_caught_is_not_found(inbox: httpx.AsyncClient, key: str) -> None:
    for view in ("html", "raw", "frame"):
        assert (await inbox.get(f"/{key}/{view}")).status_code == 404


async def test_a_view_that_does_not_exist_is_not_found(catcher: Catcher, inbox: httpx.AsyncClient) -> None:
    await send(catcher, letter())
    (mail,) = catcher.messages()
    assert (await inbox.get(f"/{mail.key}/everything")).status_code == 404


HEADERS = st.sampled_from(
    [
        b"Subject: =?utf-8?b?====?=",
        b"Subject: \xff\xfe",
        b"From: <<<>>>",
        b"From: =?x?q?y?= <@>",
        b"To: a, b; c:",
        b"Date: never",
        b"Content-Type: text/html; charset=idna",
        b"Content-Type: text/plain; charset=\xff",
        b"Content-Type: multipart/mixed",
        b"Content-Type: multipart/mixed; boundary=",
        b"Content-Type: message/rfc822",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: x-uuencode",
        b"Content-ID: <a@b>",
        b"List-Unsubscribe: <https://",
        b"no colon at all",
        b": no name",
        b" a fold without a header",
    ]
)


@given(headers=st.lists(HEADERS | st.binary(max_size=40), max_size=6), body=st.binary(max_size=200))
def test_no_mail_is_too_broken_to_be_shown(headers: list[bytes], body: bytes) -> None:
    caught = Caught("0.x", Caught.kept_as("", ["a@example.com"], b"\r\n".join([*headers, b"", body])))
    for name in ("Subject", "From", "To", "Date"):
        caught.header(name).encode()
    for shown in (caught.html(), caught.text("text/plain"), caught.source(), str(caught.unsubscribe_url())):
        shown.encode()
    assert all(len(field) == 2 for field in caught.headers())
