"""A mail to one person that is no mail to a list: no slots, no List header fields (RFC 2369, RFC 8058)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailer.errors import InvalidInput
from mailer.message import headers
from mailer.message.body import assemble_letter, boundaries
from mailer.message.content import Content
from mailer.message.dkim import Signer
from mailer.message.mail_template import InlineImage
from mailer.message.mailbox import Mailbox
from mailer.message.signature import SignatureTemplate

_PERSONAL_FIELDS = ("Date", "To", "Message-ID")


@dataclass(frozen=True, slots=True)
class Letter:
    """What a letter is made from. `language` is a tag such as ``nl``."""

    sender: Mailbox
    to: Mailbox
    subject: str
    text: str
    html: str
    language: str
    reply_to: Mailbox | None = None
    images: tuple[InlineImage, ...] = ()


def compose_letter(letter: Letter, date: datetime, signers: Sequence[Signer] = ()) -> Content:
    """The whole message: CRLF lines in ASCII, signed by each of `signers`. The Message-ID is random.

    Raises InvalidInput where a header field can't hold its value, or a text is not UTF-8 text.
    """
    seed = hashlib.sha256(f"{letter.text}\0{letter.html}".encode(errors="surrogatepass")).hexdigest()
    outer, _ = boundaries(seed)
    reply_to = letter.reply_to
    fixed = [
        headers.mailbox("From", letter.sender.name, letter.sender.email),
        *([headers.mailbox("Reply-To", reply_to.name, reply_to.email)] if reply_to else []),
        headers.unstructured("Subject", letter.subject),
        headers.structured("MIME-Version", "1.0"),
        headers.structured("Content-Type", f'multipart/alternative; boundary="{outer}"'),
        headers.structured("Auto-Submitted", "auto-generated"),  # RFC 3834: nobody answers it by a machine
        headers.structured("Content-Language", letter.language),
    ]
    domain = headers.ascii_domain(letter.sender.domain)
    personal = [
        headers.date(date),
        headers.mailbox("To", letter.to.name, letter.to.email),
        headers.message_id(f"<{secrets.token_hex(16)}@{domain}>"),
    ]
    try:
        body = assemble_letter(letter.text, letter.html, letter.images, seed)
    except UnicodeEncodeError:
        raise InvalidInput("the text has a lone surrogate, which is not text") from None
    names = [signer.name for signer in signers]
    template = SignatureTemplate(names, fixed=fixed, personal=_PERSONAL_FIELDS, opening=b"")
    unsigned = template.fields(personal, body, int(date.timestamp()))
    pieces = [*personal, *fixed, b"\r\n", body]
    content = Content(pieces, sum(map(len, pieces)), unsigned=unsigned)
    return content.signed(signer.sign(field.digest) for signer, field in zip(signers, unsigned, strict=True))
