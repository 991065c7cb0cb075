"""Write a complete mail as HTML and text files, for a browser and an editor."""

from __future__ import annotations

import base64
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from mailer.errors import InvalidInput
from mailer.new_files import write_output


def write_preview(message: bytes, folder: Path, name: str) -> tuple[Path, Path]:
    """Write the HTML, with its images, and the text of a complete mail; returns both paths.

    Raises InvalidInput if the folder can't be written.
    """
    parsed = message_from_bytes(message, policy=policy.default)
    html, text = folder / f"{name}.html", folder / f"{name}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_output(html, html_with_pictures(parsed))
        write_output(text, text_of(parsed))
    except OSError as error:
        raise InvalidInput(f"can't be written to: {error.strerror}", where=str(folder)) from None
    return html, text


def text_of(message: EmailMessage) -> str:
    """The text part of a mail."""
    return _content(message, "plain")


def html_with_pictures(message: EmailMessage) -> str:
    """The HTML with each ``cid:`` reference replaced by the picture itself."""
    html = _content(message, "html")
    for part in message.walk():
        if part.get_content_maintype() == "image":
            data = base64.b64encode(part.get_payload(decode=True)).decode()  # type: ignore[arg-type]  # bytes, of a part that is no multipart
            content_id = str(part["Content-ID"]).strip("<>")
            html = html.replace(f"cid:{content_id}", f"data:{part.get_content_type()};base64,{data}")
    return html


def _content(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    return "" if part is None else str(part.get_content())
