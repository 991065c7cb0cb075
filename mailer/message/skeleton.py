"""The bytes of a mail: a MIME skeleton encoded once per campaign, slots filled per recipient.

`compile_skeleton` does what is the same for all recipients: it folds headers, encodes text, HTML and images for
transfer and digests the signed fields. `Skeleton.fill` encodes a few short values, each for its place, and joins
them. The transfer encoding is always quoted-printable: a slot then fits in at any column, and the body is its own
canonical form for DKIM.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from mailer.errors import InvalidInput, TemplateError
from mailer.message import headers, quoted_printable
from mailer.message.body import OpenSlot, assemble, boundaries
from mailer.message.content import Content
from mailer.message.mail_template import SLOT_MARKER, MailTemplate, RecipientValues, Slot
from mailer.message.signature import KeyName, SignatureTemplate

if TYPE_CHECKING:
    from mailer.message.dkim import Signer  # it imports cryptography, and sending signs in another process

_ISOLATE, _END_OF_ISOLATE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
_PERSONAL_FIELDS: Final = ("Date", "To", "Message-ID", "List-Unsubscribe")
_NOT_EXTRA: Final = frozenset(
    {"cc", "bcc", "sender", "return-path", "received", "dkim-signature", "content-transfer-encoding"}
    | {name.lower() for name in _PERSONAL_FIELDS}
)

# A greeting and an address, with a line break between, that stand as they are in text and in HTML, each on one line.
_PLAIN_VALUES: Final = re.compile(
    r"(?!From )[A-Za-z][A-Za-z,.]*+(?: [A-Za-z,.]++)*+\n[A-Za-z0-9][A-Za-z0-9.@_+-]*+"
)
_LONGEST_PLAIN: Final = quoted_printable.LINE_LIMIT  # of both and the line break

# The personal fields, then the values of the slots as they stand in the plain text, and as they stand in the HTML.
_Values: TypeAlias = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]
_VALUE_NAMES: Final = (
    *_PERSONAL_FIELDS,
    "greeting", "email", "unsubscribe_url", "greeting_html", "email_html", "unsubscribe_url_html",
)  # fmt: skip


class _FixedFields(NamedTuple):
    """The field lines that all messages share, grouped by the recipient's field that they follow."""

    after_date: Sequence[bytes]
    after_to: Sequence[bytes]
    after_message_id: Sequence[bytes]
    after_list_unsubscribe: Sequence[bytes]

    def lines(self) -> list[bytes]:
        """All of them, in their order."""
        return [line for group in self for line in group]


class Skeleton:
    """A campaign's mail without the values of its slots. Made by `compile_skeleton`; tasks may share it."""

    __slots__ = (
        "_in_turn", "_is_signed", "_list_unsubscribe_end", "_mailto", "_message_id_start", "_pieces",
        "_signature_template", "_signers", "_size",
    )  # fmt: skip

    def __init__(
        self, mail: MailTemplate, signers: Sequence[Signer], external_keys: Sequence[KeyName]
    ) -> None:
        outer, _ = boundaries(mail.boundary_seed)
        fixed = _fixed_fields(mail, outer)
        self._mailto = headers.mailto(mail.unsubscribe_mailto) if mail.unsubscribe_mailto else None
        body = assemble(mail)
        # Personal fields and fixed ones in turn, then slots and static parts in turn.
        self._pieces = [b""] * len(_PERSONAL_FIELDS) * 2
        self._pieces[1::2] = [b"".join(group) for group in fixed]
        self._pieces[-1] += b"\r\n" + body.opening
        self._pieces += [b"" if isinstance(part, OpenSlot) else part for part in body.parts]
        self._size = sum(map(len, self._pieces))
        slots = [part.name for part in body.parts if isinstance(part, OpenSlot)]
        self._in_turn = itemgetter(*map(_VALUE_NAMES.index, (*_PERSONAL_FIELDS, *slots)))
        self._signers = signers
        self._signature_template = SignatureTemplate(
            [signer.name for signer in signers] or external_keys,
            fixed=fixed.lines(),
            personal=_PERSONAL_FIELDS,
            opening=body.opening,
        )
        self._is_signed = bool(signers or external_keys)

    def fill(self, recipient: RecipientValues) -> Content:
        """The whole message for one recipient: CRLF lines in ASCII, signed if the skeleton has signers.

        Raises InvalidInput where a value can't be sent: a control character in a name, an address that needs
        SMTPUTF8, a URL too long for a header, a date without a zone.
        """
        (name, email), url = recipient.to, recipient.unsubscribe_url
        to = headers.mailbox("To", name, email)
        message_id = headers.message_id(recipient.message_id)
        list_unsubscribe = headers.list_unsubscribe(url, mailto=self._mailto)
        in_text, in_html = _encoded(recipient.greeting, email)
        links = quoted_printable.encode(url), quoted_printable.encode(_escape(url))
        personal = headers.date(recipient.date), to, message_id, list_unsubscribe
        return self._filled(recipient.date, (*personal, *in_text, links[0], *in_html, links[1]))

    def check_made(self, message_id: str, unsubscribe_url: str) -> None:
        """Check once what we make ourselves, before `fill_made`: the longest Message-ID and URL that come.

        All Message-IDs are as long. Raises InvalidInput where one of them can't be sent.
        """
        line = headers.message_id(message_id).decode()
        self._message_id_start = line.partition(message_id)[0]
        line = headers.list_unsubscribe(unsubscribe_url, mailto=self._mailto).decode()
        self._list_unsubscribe_end = line.partition(unsubscribe_url)[2]
        if (
            not quoted_printable.is_harmless(unsubscribe_url)
            or html.escape(unsubscribe_url) != unsubscribe_url
        ):
            raise InvalidInput("the unsubscribe URL has a character that can't stand in a text as it is")

    def fill_made(
        self, to: tuple[str, str], message_id: str, date: datetime, unsubscribe_url: str, greeting: str
    ) -> Content:
        """The same bytes as `fill`, in less time: Message-ID and URL are not checked again (`check_made`).

        What comes from people is checked. The values are those of RecipientValues. Raises InvalidInput as `fill` does.
        """
        name, email = to
        link = quoted_printable.wrapped_link(unsubscribe_url)
        to_line = headers.mailbox("To", name, email)
        in_text, in_html = _encoded(greeting, email)
        message_id_line = f"{self._message_id_start}{message_id}\r\n".encode()
        list_unsubscribe = f"List-Unsubscribe: <{unsubscribe_url}{self._list_unsubscribe_end}".encode()
        personal = headers.date(date), to_line, message_id_line, list_unsubscribe
        return self._filled(date, (*personal, *in_text, link, *in_html, link))

    def _filled(self, at: datetime, values: _Values) -> Content:
        pieces = self._pieces.copy()
        pieces[::2] = in_turn = self._in_turn(values)
        # A join is quicker than a sum of lengths.
        size = self._size + len(b"".join(in_turn))
        if not self._is_signed:
            return Content(pieces, size)
        fields = len(_PERSONAL_FIELDS)
        pieces[2 * fields :] = [rest := b"".join(pieces[2 * fields :])]
        unsigned = self._signature_template.fields(values[:fields], rest, int(at.timestamp()))
        content = Content(pieces, size, unsigned=unsigned)
        if not self._signers:
            return content
        return content.signed(
            signer.sign(field.digest) for signer, field in zip(self._signers, unsigned, strict=True)
        )


def compile_skeleton(
    mail: MailTemplate, signers: Sequence[Signer] = (), *, external_keys: Sequence[KeyName] = ()
) -> Skeleton:
    """Encode what all mails of a campaign share.

    `signers` sign each mail at once. With `external_keys` in their place, the names of keys that another process has,
    the fields for signatures are made, and remain unsigned.

    Raises TemplateError where the HTML or the text lacks the unsubscribe slot, or names a slot that does not
    exist; InvalidInput where a header field can't hold its value.
    """
    mail = _with_view_url(mail)
    for kind, content in (("HTML", mail.html), ("text", mail.text)):
        _check_slots(kind, content)
    if SLOT_MARKER.search(mail.subject):
        raise TemplateError("the subject has a slot; it is the same for all recipients")
    try:
        return Skeleton(mail, signers, external_keys)
    except UnicodeEncodeError:
        raise TemplateError("the HTML or the text has a lone surrogate, which is not text") from None


def _with_view_url(mail: MailTemplate) -> MailTemplate:
    """The mail with the address of its page, which is no recipient's own."""
    marker = Slot.VIEW_URL.marker
    if marker not in mail.html and marker not in mail.text:
        return mail
    if mail.view_url is None:
        raise TemplateError(
            "the mail links to its page in the browser, and there are no such pages",
            hint="Set `enabled = true` in [archive], or freeze the content again with `mailer campaigns update`.",
        )
    return mail._replace(
        html=mail.html.replace(marker, html.escape(mail.view_url)),
        text=mail.text.replace(marker, mail.view_url),
    )


def _encoded(greeting: str, email: str) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """Greeting and address, encoded for text, and for HTML."""
    encode, both = quoted_printable.encode, f"{greeting}\n{email}"
    if len(both) <= _LONGEST_PLAIN and _PLAIN_VALUES.fullmatch(both):
        in_text = greeting.encode(), email.encode()
        return in_text, in_text
    try:
        in_text = encode(greeting), encode(email)
        return in_text, (encode(_escape(greeting)), encode(_escape(email)))
    except UnicodeEncodeError:
        raise InvalidInput("a value for a slot has a lone surrogate, which is not text") from None


def _escape(value: str) -> str:
    """The value as HTML, where an element isolates a name that is written from right to left (HTML, 4.5.24)."""
    return html.escape(value).replace(_ISOLATE, "<bdi>").replace(_END_OF_ISOLATE, "</bdi>")


def _check_slots(kind: str, content: str) -> None:
    found = set(SLOT_MARKER.findall(content))
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


def _fixed_fields(mail: MailTemplate, boundary: str) -> _FixedFields:
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
    return _FixedFields(sender, subject, content, other)
