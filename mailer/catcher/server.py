"""The catcher's SMTP server. It accepts every mail and relays none.

It stores each mail unchanged in a Maildir.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from functools import cached_property
from pathlib import Path
from typing import Self
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

NEWEST = 200


class Caught:
    """A caught mail. `data` is its content with CRLF lines; `sender` and `recipients` are from the envelope."""

    def __init__(self, key: str, kept: bytes) -> None:
        envelope, _, rest = kept.partition(b"\r\nReturn-Path: <")
        sender, _, self.data = rest.partition(b">\r\n")
        self.key = key
        self.sender = _decode_utf8(sender)
        self.recipients = [
            line.removeprefix("Delivered-To: ") for line in _decode_utf8(envelope).split("\r\n")
        ]

    @staticmethod
    def kept_as(sender: str, recipients: Sequence[str], data: bytes) -> bytes:
        """The content of the mail's file in the Maildir: the envelope as header fields, then the mail."""
        lines = [f"Delivered-To: {recipient}" for recipient in recipients]
        return "\r\n".join([*lines, f"Return-Path: <{sender}>\r\n"]).encode() + data

    @property
    def received_at(self) -> datetime:
        """The time of arrival, which is part of the file name in the Maildir."""
        return datetime.fromtimestamp(int(self.key.partition(".")[0]), UTC)

    @cached_property
    def message(self) -> EmailMessage:
        """The parsed mail."""
        return message_from_bytes(self.data, policy=policy.default)

    def header(self, name: str) -> str:
        """The decoded header; the raw value where it can't be parsed."""
        try:
            value = str(self.message.get(name, ""))
        except Exception:  # noqa: BLE001 - a hostile header can make the parser raise almost any error
            value = next((raw for key, raw in self.message.raw_items() if key.lower() == name.lower()), "")
        return value.encode("utf-8", "replace").decode()

    def headers(self) -> list[tuple[str, str]]:
        """The raw headers in their order, with folds."""
        head = _decode_utf8(self.data.partition(b"\r\n\r\n")[0])
        fields = (field.partition(":") for field in re.split(r"\r\n(?![ \t])", head))
        return [(name, value.strip()) for name, _, value in fields]

    def source(self) -> str:
        """The raw mail as text."""
        return _decode_utf8(self.data)

    def text(self, kind: str) -> str:
        """The decoded text of the first part of type `kind`; empty where there is none."""
        part = next((part for part in self.message.walk() if part.get_content_type() == kind), None)
        return _decode_text(part) if part is not None else ""

    def html(self) -> str:
        """The HTML part. Inline images become data URLs, and links open a new page."""
        document = self.text("text/html")
        for part in self.message.walk():
            name, kind = str(part.get("Content-ID", "")).strip("<> "), part.get_content_type()
            if name and re.fullmatch(r"image/[a-z0-9.+-]+", kind):
                data = base64.b64encode(_payload(part)).decode()
                document = document.replace(f"cid:{name}", f"data:{kind};base64,{data}")
        target = '<base target="_blank">'
        opened, found = re.subn(r"(?i)<head[^>]*>", lambda head: head[0] + target, document, count=1)
        return opened if found else target + document

    def unsubscribe_url(self) -> str | None:
        """The web address in List-Unsubscribe (RFC 2369)."""
        found = re.search(r"<\s*(https?://[^>\s]+)\s*>", self.header("List-Unsubscribe"), re.IGNORECASE)
        return found[1] if found else None


class Catcher:
    """The SMTP server, open during the ``async with``. `folder` is a Maildir, which is kept afterwards.

    With port 0 the system chooses a free port; `port` then holds its number.
    """

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.folder = folder
        self.host = host
        self.port = port
        self._numbers = itertools.count()
        self._sessions: WeakSet[SMTP] = WeakSet()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        for name in ("tmp", "new", "cur"):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._server = await asyncio.get_running_loop().create_server(self._session, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            for session in self._sessions:
                if session.transport is not None:
                    session.transport.close()
            await self._server.wait_closed()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Store a mail. aiosmtpd calls this method by its name."""
        kept = Caught.kept_as(envelope.mail_from or "", envelope.rcpt_tos, envelope.original_content or b"")
        seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        name = f"{seconds}.M{nanoseconds // 1000:06}P{os.getpid()}Q{next(self._numbers):06}.catcher"
        (self.folder / "tmp" / name).write_bytes(kept)
        (self.folder / "tmp" / name).rename(self.folder / "new" / name)
        return "250 2.0.0 Caught"

    def messages(self, newest: int | None = None) -> list[Caught]:
        """The caught mails, oldest first. With `newest`, at most that many of the newest."""
        paths = self._paths()
        keys = sorted(paths)[-newest:] if newest else sorted(paths)
        return [Caught(key, paths[key].read_bytes()) for key in keys]

    def message(self, key: str) -> Caught:
        """The mail with this key. Raises KeyError."""
        return Caught(key, self._paths()[key].read_bytes())

    def _paths(self) -> dict[str, Path]:
        """The files of all mails by key. A mail reader moves a read mail to `cur` and adds flags after a colon."""
        folders = (self.folder / "new", self.folder / "cur")
        return {path.name.partition(":")[0]: path for folder in folders for path in folder.iterdir()}

    def _session(self) -> SMTP:
        session = SMTP(self, hostname="localhost", ident="Release Mailer catcher")
        self._sessions.add(session)
        return session


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _decode_text(part: Message) -> str:
    try:
        return _payload(part).decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):
        return _decode_utf8(_payload(part))


def _decode_utf8(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
