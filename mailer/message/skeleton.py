"""The bytes of a mail: a MIME skeleton encoded once per campaign, slots filled per recipient.

`compile_skeleton` does all that is the same for everybody: headers folded, text and HTML transfer-encoded,
images in base64, signed fields digested. `Skeleton.fill` encodes a handful of short values, each for where it
stands, and joins. The transfer encoding is always quoted-printable: slots then fit in at any column, and the
body is its own canonical form for DKIM.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import Final, NamedTuple

from mailer.errors import InvalidInput, TemplateError
from mailer.message import headers, quoted_printable
from mailer.message.content import Content
from mailer.message.dkim import SignatureTemplate, Signer
from mailer.message.mailbox import Mailbox


class Slot(StrEnum):
    """What a template leaves open for each recipient."""

    GREETING = "greeting"
    EMAIL = "email"
    UNSUBSCRIBE_URL = "unsubscribe_url"

    @property
    def marker(self) -> str:
        """What stands in its place in text, HTML text and HTML attributes; letters and underscores only."""
        return f"__slot_{self.value}__"


@dataclass(frozen=True, slots=True)
class InlineImage:
    """An image that the HTML refers to as ``cid:content_id``."""

    content_id: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MailTemplate:
    """All that the mails of one campaign have in common.

    `html` and `text` hold slot markers. `list_id` is ``list.example.org``; `unsubscribe_mailto` is the
    mailbox for unsubscribing by mail, with ``?subject=...`` if wanted; `language` a tag such as ``nl``.
    The same `boundary_seed` gives the same bytes. `extra` are further fixed fields (name, value).
    """

    sender: Mailbox
    subject: str
    html: str
    text: str
    list_id: str
    feedback_id: str
    language: str
    boundary_seed: str
    list_name: str = ""
    reply_to: Mailbox | None = None
    unsubscribe_mailto: str | None = None
    images: tuple[InlineImage, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()


class RecipientValues(NamedTuple):
    """What differs per recipient. `date` is aware; `message_id` comes from `MessageIds`."""

    to: Mailbox
    message_id: str
    date: datetime
    unsubscribe_url: str
    greeting: str


_MARKER = re.compile(r"__slot_([a-z_]+?)__")
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_PERSONAL_FIELDS: Final = ("Date", "To", "Message-ID", "List-Unsubscribe")
_NOT_EXTRA: Final = frozenset(
    {"cc", "bcc", "sender", "return-path", "received", "dkim-signature", "content-transfer-encoding"}
    | {name.lower() for name in _PERSONAL_FIELDS}
)
_CONTENT_ID = re.compile(r"[A-Za-z0-9._+-]+(?:@[A-Za-z0-9.-]+)?")
_IMAGE_TYPE = re.compile(r"image/[A-Za-z0-9.+-]+")


@dataclass(frozen=True, slots=True)
class _Blank:
    """A slot in one of the two texts."""

    slot: Slot
    in_html: bool


# In the order in which `_encoded` has their values.
_BLANKS: Final = [_Blank(slot, in_html) for in_html in (False, True) for slot in Slot]
_FIRST_BLANK: Final = 9  # its place among the pieces of a message


class Skeleton:
    """A campaign's mail but for the slots. Made by `compile_skeleton`; safe to share between tasks."""

    __slots__ = ("_in_their_order", "_mailto", "_pieces", "_seal")

    def __init__(self, mail: MailTemplate, signers: Sequence[Signer]) -> None:
        outer, inner = _boundaries(mail.boundary_seed)
        fixed = _fixed_fields(mail, outer)
        self._mailto = headers.mailto(mail.unsubscribe_mailto) if mail.unsubscribe_mailto else None
        sender, subject, content, other = (b"".join(lines) for lines in fixed)
        (opening, *rest), blanks = _assembled(_body(mail, outer, inner))
        # The signatures come first; after them, what is personal takes turns with what is not.
        self._pieces = [
            b"", b"", sender, b"", subject, b"", content, b"", other + b"\r\n" + opening, *rest
        ]  # fmt: skip
        # Each text has the unsubscribe link, so there are two blanks at least, and a tuple comes back.
        self._in_their_order = itemgetter(*map(_BLANKS.index, blanks))
        self._seal = (
            SignatureTemplate(
                signers,
                fixed=[line for lines in fixed for line in lines],
                personal=_PERSONAL_FIELDS,
                opening=opening,
            )
            if signers
            else None
        )

    def fill(self, personal: RecipientValues) -> Content:
        """The whole message for one recipient: CRLF lines in ASCII, signed if the skeleton has signers.

        Raises InvalidInput where a value can't be sent: a control character in a name, an address that needs
        SMTPUTF8, a URL too long for a header, a date without a zone.
        """
        (name, email), message_id, date, unsubscribe_url, greeting = personal
        if date.tzinfo is None:
            raise InvalidInput("the date of a message has no zone")
        second = int(date.timestamp())
        lines = (
            headers.date(second),
            headers.mailbox("To", name, email),
            headers.message_id(message_id),
            headers.list_unsubscribe(unsubscribe_url, mailto=self._mailto),
        )
        pieces = self._pieces.copy()
        pieces[1::2] = lines + self._in_their_order(_encoded(greeting, email, unsubscribe_url))
        if self._seal:
            pieces[0] = self._seal.signatures(lines, b"".join(pieces[_FIRST_BLANK:]), second)
        return Content(pieces, sum(map(len, pieces)))


def compile_skeleton(mail: MailTemplate, signers: Sequence[Signer] = ()) -> Skeleton:
    """Encode what all mails of a campaign share.

    Raises TemplateError where the HTML or the text lacks the unsubscribe slot, or names a slot that does not
    exist; InvalidInput where a header field can't hold its value.
    """
    for kind, content in (("HTML", mail.html), ("text", mail.text)):
        _check_slots(kind, content)
    if _MARKER.search(mail.subject):
        raise TemplateError("the subject has a slot; it is the same for all recipients")
    try:
        return Skeleton(mail, signers)
    except UnicodeEncodeError:
        raise TemplateError("the HTML or the text has a lone surrogate, which is not text") from None


def _encoded(greeting: str, email: str, unsubscribe_url: str) -> tuple[bytes, ...]:
    """The slots' values as they stand in text, and after these as they stand in HTML."""
    encode, escape = quoted_printable.encode, html.escape
    together = f"{greeting}{email}{unsubscribe_url}"
    try:
        in_text = encode(greeting), encode(email), encode(unsubscribe_url)
        if escape(together) == together:
            return in_text + in_text
        return (*in_text, encode(escape(greeting)), encode(escape(email)), encode(escape(unsubscribe_url)))
    except UnicodeEncodeError:
        raise InvalidInput("a value for a slot has a lone surrogate, which is not text") from None


def _check_slots(kind: str, content: str) -> None:
    found = set(_MARKER.findall(content))
    unknown = found - set(Slot)
    if unknown:
        raise TemplateError(
            f"the {kind} has an unknown slot: {', '.join(sorted(unknown))}",
            hint=f"There are {', '.join(slot.value for slot in Slot)}.",
        )
    if Slot.UNSUBSCRIBE_URL not in found:
        raise TemplateError(
            f"the {kind} has no unsubscribe link, so the campaign can't be sent",
            hint=f"Put {Slot.UNSUBSCRIBE_URL.marker} where the link goes.",
        )


def _boundaries(seed: str) -> tuple[str, str]:
    """Two boundaries that occur in no content: neither quoted-printable nor base64 can hold ``=_``."""
    digest = hashlib.sha256(seed.encode()).hexdigest()[:32]
    return f"=_{digest}_1", f"=_{digest}_2"


def _fixed_fields(mail: MailTemplate, boundary: str) -> tuple[list[bytes], ...]:
    """The fields that do not change, in the four gaps that the personal ones leave."""
    reply_to = mail.reply_to
    sender = [headers.mailbox("From", mail.sender.name, mail.sender.email)]
    subject = [
        *([headers.mailbox("Reply-To", reply_to.name, reply_to.email)] if reply_to else []),
        headers.unstructured("Subject", mail.subject),
    ]
    content = [
        headers.structured("MIME-Version", "1.0"),
        headers.structured("Content-Type", f'multipart/alternative; boundary="{boundary}"'),
        headers.list_id(mail.list_name, mail.list_id),
    ]
    other = [
        headers.structured("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        headers.structured("Auto-Submitted", "auto-generated"),
        headers.structured("Precedence", "bulk"),
        headers.structured("Feedback-ID", mail.feedback_id),
        headers.structured("Content-Language", mail.language),
    ]
    taken = set(_NOT_EXTRA) | {
        line.partition(b":")[0].decode().lower()
        for line in (*sender, *subject, *content, *other, b"Reply-To:")
    }
    for name, value in mail.extra:
        if name.lower() in taken:
            raise InvalidInput(
                f"{name} can't be an extra header field: the message sets it, or must not have it"
            )
        taken.add(name.lower())
        other.append(headers.unstructured(name, value))
    return sender, subject, content, other


def _body(mail: MailTemplate, outer: str, inner: str) -> Iterator[bytes | _Blank]:
    yield f"--{outer}\r\n".encode()
    yield from _text_part("plain", mail.text)
    yield f"\r\n--{outer}\r\n".encode()
    if mail.images:
        yield f'Content-Type: multipart/related; type="text/html";\r\n boundary="{inner}"\r\n'.encode()
        yield f"\r\n--{inner}\r\n".encode()
    yield from _text_part("html", mail.html)
    for image in mail.images:
        yield f"\r\n--{inner}\r\n".encode()
        yield _image_part(image)
    if mail.images:
        yield f"\r\n--{inner}--\r\n".encode()
    yield f"\r\n--{outer}--\r\n".encode()


def _text_part(subtype: str, text: str) -> Iterator[bytes | _Blank]:
    yield f"Content-Type: text/{subtype}; charset=utf-8\r\n".encode()
    yield b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    lines = _LINE_BREAK.split(text)
    if lines[-1] == "" and len(lines) > 1:
        lines.pop()
    for line in lines:
        yield from _encoded_line(line, in_html=subtype == "html")
        yield b"\r\n"


def _encoded_line(line: str, *, in_html: bool) -> Iterator[bytes | _Blank]:
    """Text and slots in turn, each on encoded lines of its own."""
    between = b""
    for index, piece in enumerate(_MARKER.split(line)):
        if not piece:
            continue
        if between:
            yield between
        yield _Blank(Slot(piece), in_html) if index % 2 else quoted_printable.encode(piece)
        between = quoted_printable.SOFT_BREAK


def _image_part(image: InlineImage) -> bytes:
    if not _IMAGE_TYPE.fullmatch(image.content_type):
        raise InvalidInput(f"{image.content_type!r} is not the media type of an image")
    if not _CONTENT_ID.fullmatch(image.content_id):
        raise InvalidInput(f"{image.content_id!r} can't be a Content-ID")
    head = (
        f"Content-Type: {image.content_type}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-ID: <{image.content_id}>\r\n"
        "Content-Disposition: inline\r\n\r\n"
    )
    return head.encode() + base64.encodebytes(image.data).replace(b"\n", b"\r\n")


def _assembled(body: Iterator[bytes | _Blank]) -> tuple[list[bytes], list[_Blank]]:
    """The body as long static pieces with an empty one between each two, and the blanks that go there."""
    pieces: list[bytes] = []
    static = bytearray()
    blanks: list[_Blank] = []
    for part in body:
        if isinstance(part, _Blank):
            pieces += [bytes(static), b""]
            blanks.append(part)
            static.clear()
        else:
            static += part
    return [*pieces, bytes(static)], blanks
