"""A scripted SMTP relay on loopback: it works, except where its script names a fault.

    async with FaultyRelay([{Point.RCPT: Fault.HANG_UP}], chunking=True) as relay:
        ...                             # the first connection hangs up at RCPT, all later ones behave
        assert relay.accepted == []

It keeps the SMTP rules that a client might break: a MAIL inside a transaction, content without a recipient and
whatever follows a failed BDAT without RSET get 503.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.support.certificates import loopback_certificates
from tests.support.faults import GOOD, NOT_TAKEN, REFUSED, Fault, Point, worded

DRIP_SECONDS = 0.1
ADDRESS = re.compile(rb"<(.*?)>")


# The ports of relays that are gone. What a test still sends there must not reach the relay of another test.
_KEPT: deque[socket.socket] = deque(maxlen=64)


def _keep(host: str, port: int) -> None:
    """Take a port that a relay has left, without listening on it: who connects is refused."""
    if len(_KEPT) == _KEPT.maxlen:
        _KEPT.popleft().close()
    kept = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # so that the relay may come back
    kept.bind((host, port))
    _KEPT.append(kept)


@dataclass(frozen=True, slots=True)
class Mail:
    """A message that the relay accepted, with the dots unstuffed."""

    sender: str
    recipient: str
    content: bytes


class FaultyRelay:
    """A relay whose n-th connection has the faults of `plan[n]`; later connections have none.

    `accepted` has the mails that it accepted, `contents` each content that arrived in full, `commands` the
    command lines, `connections` the number of connections, and `round_trips` the number of round trips.
    """

    def __init__(
        self,
        plan: Sequence[Mapping[Point, Fault]] = (),
        *,
        pipelining: bool = False,
        chunking: bool = False,
        starttls: bool = False,
        implicit_tls: bool = False,
        login: tuple[str, str] | None = None,
        size: int | None = 10_000_000,
        takes_empty_data: bool = False,
        refuses: Mapping[str, bytes] | None = None,
        refuses_content: Mapping[str, bytes] | None = None,
        refuses_bdat: bytes | None = None,
        spared: int = 0,
        most_connections: int | None = None,
        most_messages: int | None = None,
        helo_only: bool = False,
        limits: bytes | None = None,
        host: str = "127.0.0.1",
        pause_between_reads: float = 0.0,
    ) -> None:
        self.plan = list(plan)
        self.pipelining = pipelining
        self.chunking = chunking
        self.starttls = starttls
        self.login = login
        self.size = size
        self.takes_empty_data = takes_empty_data
        self.refuses = dict(refuses or {})
        self.refuses_content = dict(refuses_content or {})
        self.refuses_bdat = refuses_bdat
        self.spared = spared  # transactions of each connection before its faults begin
        self.most_connections = most_connections
        self.most_messages = most_messages
        self.full_reply = b"452 4.5.3 Too many messages sent\r\n"
        self.helo_only = helo_only
        self.limits = limits
        self.session_class = Session
        self.server_context = loopback_certificates().server_context() if starttls or implicit_tls else None
        self._implicit = self.server_context if implicit_tls else None
        self.slowness = 0.0  # seconds before each content is taken
        self.accepted: list[Mail] = []
        self.contents: list[bytes] = []
        self.commands: list[bytes] = []
        self._taken = asyncio.Event()
        self.connections = 0
        self.host, self.port = host, 0
        self.pause_between_reads = pause_between_reads
        self.writers: set[asyncio.StreamWriter] = set()
        self.round_trips = 0
        self.open: set[asyncio.Task[None]] = set()
        self.refused: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, self.host, self.port, ssl=self._implicit)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        _keep(self.host, self.port)
        for session in self.open:
            session.cancel()
        await asyncio.gather(*self.open, *self.refused, return_exceptions=True)
        for writer in self.writers:
            writer.transport.abort()  # one with TLS waits for the other side's leave, perhaps until after the event loop

    async def taken(self, count: int) -> None:
        """Wait until `count` mails were accepted."""
        while len(self.accepted) < count:
            self._taken.clear()
            await self._taken.wait()

    def take(self, mail: Mail) -> None:
        """Keep a mail, and wake the tasks that wait for it."""
        self.accepted.append(mail)
        self._taken.set()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        faults = self.plan[self.connections] if self.connections < len(self.plan) else {}
        self.connections += 1
        self.writers.add(writer)
        crowded = self.most_connections is not None and len(self.open) >= self.most_connections
        session = self.session_class(self, reader, writer, faults)
        holding = asyncio.get_running_loop().create_task(session.refuse() if crowded else session.context())
        (self.refused if crowded else self.open).add(holding)
        holding.add_done_callback((self.refused if crowded else self.open).discard)

    def say(self, unasked: bytes) -> None:
        """Send something on every connection."""
        for writer in self.writers:
            writer.write(unasked)


class HungUp(Exception):
    """The client or the relay closed the connection."""


class Session:
    """One connection. Replies are held back while more commands have arrived (RFC 2920)."""

    def __init__(
        self,
        relay: FaultyRelay,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        faults: Mapping[Point, Fault],
    ) -> None:
        self.relay = relay
        self.reader, self.writer = reader, writer
        self.script = dict(faults)
        self.transactions = 0
        self.came, self.out = b"", b""
        self.sender: bytes | None = None
        self.recipient: bytes | None = None
        self.spoiled = False
        self.messages = 0

    async def context(self) -> None:
        try:
            with suppress(HungUp, OSError, ssl.SSLError):
                await self.converse()
        finally:
            self.writer.close()

    async def refuse(self) -> None:
        self.out += b"421 4.7.0 Too many connections\r\n"
        with suppress(OSError):
            await self.flush()
        self.writer.close()

    async def converse(self) -> None:
        await self.answer(Point.GREETING, GOOD[Point.GREETING])
        while True:
            line = await self.line()
            self.relay.commands.append(line)
            verb = line.split(b" ", 1)[0].upper().decode("ascii", "replace")
            handler = getattr(self, f"on_{verb.lower()}", None)
            if handler is None:
                self.out += b"500 5.5.2 Command not recognized\r\n"
            else:
                await handler(line)

    # -- commands
    # ----------------------------------------------------------------------------------------------

    async def on_helo(self, line: bytes) -> None:
        self.out += b"250 relay.test\r\n"

    async def on_ehlo(self, line: bytes) -> None:
        if self.relay.helo_only:
            self.out += b"502 5.5.1 Command not implemented\r\n"
            return
        offers = [b"relay.test", b"ENHANCEDSTATUSCODES", b"8BITMIME"]
        offers += [b"SIZE %d" % self.relay.size] if self.relay.size is not None else []
        offers += [b"PIPELINING"] if self.relay.pipelining else []
        offers += [b"CHUNKING"] if self.relay.chunking else []
        offers += [b"LIMITS " + self.relay.limits] if self.relay.limits else []
        offers += [b"STARTTLS"] if self.in_clear else []
        offers += self.login_offers()
        lines = [b"250-" + offer for offer in offers[:-1]] + [b"250 " + offers[-1]]
        await self.answer(Point.EHLO, b"\r\n".join(lines) + b"\r\n")

    def login_offers(self) -> list[bytes]:
        return [b"AUTH PLAIN"] if self.relay.login and not self.in_clear else []

    async def on_starttls(self, line: bytes) -> None:
        if await self.answer(Point.STARTTLS, GOOD[Point.STARTTLS]):
            await self.flush()
            assert self.relay.server_context is not None
            await self.writer.start_tls(self.relay.server_context)

    async def on_auth(self, line: bytes) -> None:
        user, password = self.relay.login or ("", "")
        token = base64.b64encode(f"\0{user}\0{password}".encode())
        if line.split(b" ")[1:] == [b"PLAIN", token]:
            await self.answer(Point.AUTH, GOOD[Point.AUTH])
        else:
            self.out += REFUSED[Point.AUTH]

    async def on_mail(self, line: bytes) -> None:
        if self.sender is not None or self.spoiled:
            self.out += b"503 5.5.1 Nested MAIL command\r\n"
        elif self.messages == self.relay.most_messages:
            self.out += self.relay.full_reply
        elif await self.answer(Point.MAIL, GOOD[Point.MAIL]):
            self.sender = self.path(line)

    async def on_rcpt(self, line: bytes) -> None:
        address = self.path(line)
        if self.sender is None or self.spoiled:
            self.out += b"503 5.5.1 Need MAIL command\r\n"
        elif refusal := self.relay.refuses.get(address.decode()):
            self.out += refusal
        elif await self.answer(Point.RCPT, GOOD[Point.RCPT], address):
            self.recipient = address

    async def on_data(self, line: bytes) -> None:
        if self.recipient is None and not (self.relay.takes_empty_data and self.relay.pipelining):
            self.out += b"503 5.5.1 Need RCPT command\r\n"
        elif await self.answer(Point.DATA, GOOD[Point.DATA]):
            answered = await self.begin_content()
            content = await self.content()
            if answered:
                self.reset()
            else:
                await self.take(content, Point.FINAL)

    async def on_bdat(self, line: bytes) -> None:
        if self.relay.refuses_bdat is not None:
            self.out += self.relay.refuses_bdat  # and the content is taken for commands
            return
        if self.recipient is None:
            await self.exactly(int(line.split(b" ")[1]))
            self.out += b"503 5.5.1 Need RCPT command\r\n"
            self.spoiled = True
            return
        answered = await self.begin_content()
        content = await self.exactly(int(line.split(b" ")[1]))
        if answered:
            self.spoiled = True
        else:
            await self.take(content, Point.BDAT)

    async def on_rset(self, line: bytes) -> None:
        self.reset()
        self.out += b"250 2.0.0 Ok\r\n"

    async def on_quit(self, line: bytes) -> None:
        await self.answer(Point.QUIT, GOOD[Point.QUIT])
        await self.flush()
        raise HungUp

    # -- content
    # -----------------------------------------------------------------------------------------------

    async def begin_content(self) -> bool:
        """Fail before the content has arrived in full, if the script says so; returns whether it replied."""
        if Point.CONTENT not in self.faults:
            return False
        if not self.came:
            await self.more()
        await self.answer(Point.CONTENT, GOOD[Point.FINAL])
        return True

    async def take(self, content: bytes, point: Point) -> None:
        if self.relay.slowness:
            await asyncio.sleep(self.relay.slowness)
        self.relay.contents.append(content)
        fault = self.faults.get(point)
        if self.recipient is None:
            self.out += b"250 2.0.0 Ok, nobody gets it\r\n"
        elif refusal := self.relay.refuses_content.get(self.recipient.decode()):
            self.out += refusal
            if point is Point.BDAT:
                self.spoiled = True
                return
        else:
            self.messages += 1
            mail = Mail((self.sender or b"").decode(), self.recipient.decode(), content)
            if fault not in NOT_TAKEN:
                self.relay.take(mail)
            if not await self.answer(point, GOOD[point]) and point is Point.BDAT:
                self.spoiled = True
                return
        self.reset()

    @property
    def faults(self) -> dict[Point, Fault]:
        return {} if self.transactions < self.relay.spared else self.script

    def reset(self) -> None:
        self.transactions += 1
        self.sender = self.recipient = None
        self.spoiled = False

    # -- replies
    # -----------------------------------------------------------------------------------------------

    async def answer(self, point: Point, good: bytes, address: bytes = b"") -> bool:
        """Reply as the script says; False if the reply is a refusal."""
        fault = self.faults.pop(point, None)
        match fault:
            case Fault.HANG_UP | Fault.CLOSING:
                self.out += b"421 4.3.2 Shutting down\r\n" if fault is Fault.CLOSING else b""
                await self.flush()
                raise HungUp
            case Fault.STALL:
                await self.flush()
                await asyncio.Event().wait()
            case Fault.SPLIT:
                await self.in_pieces(good)
            case Fault.DRIP:
                await self.drip(good)
            case _:
                self.out += worded(fault, point, good, address)
        following = self.after(point)
        if following and self.faults.get(following) is Fault.EARLY:
            del self.faults[following]
            self.out += GOOD.get(following, b"250 relay.test\r\n")
        return fault not in NOT_TAKEN

    async def in_pieces(self, good: bytes) -> None:
        last = good.rstrip(b"\r\n").rpartition(b"\n")[2]
        reply = good[:3] + b"-One moment\r\n" + last + b"\r\n" if b"-" not in good[3:4] else good
        for piece in (reply[:2], reply[2:17], reply[17:-1]):
            self.out += piece
            await self.flush()
            await asyncio.sleep(0.01)
        self.out += reply[-1:]

    async def drip(self, good: bytes) -> None:
        for position in range(len(good)):
            self.out += good[position : position + 1]
            await self.flush()
            await asyncio.sleep(DRIP_SECONDS)

    def after(self, point: Point) -> Point | None:
        greeted = Point.AUTH if self.relay.login else Point.MAIL
        return {
            Point.GREETING: Point.EHLO,
            Point.EHLO: Point.STARTTLS if self.in_clear else greeted,
            Point.AUTH: Point.MAIL,
            Point.MAIL: Point.RCPT,
            Point.RCPT: Point.BDAT if self.relay.chunking else Point.DATA,
            Point.DATA: Point.FINAL,
            Point.FINAL: Point.QUIT,
            Point.BDAT: Point.QUIT,
        }.get(point)

    # -- bytes
    # -------------------------------------------------------------------------------------------------

    @property
    def in_clear(self) -> bool:
        """Whether STARTTLS is allowed now."""
        return self.relay.starttls and self.writer.get_extra_info("sslcontext") is None

    async def line(self) -> bytes:
        while b"\r\n" not in self.came:
            await self.more()
        line, _, self.came = self.came.partition(b"\r\n")
        return line

    async def exactly(self, count: int) -> bytes:
        while len(self.came) < count:
            await self.more()
        content, self.came = self.came[:count], self.came[count:]
        return content

    async def content(self) -> bytes:
        """Read up to the line with a single dot, and unstuff the dots."""
        lines = []
        while (line := await self.line()) != b".":
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(line + b"\r\n" for line in lines)

    async def more(self) -> None:
        await self.flush()
        await asyncio.sleep(self.relay.pause_between_reads)
        data = await self.reader.read(1 << 20)
        if not data:
            raise HungUp
        self.came += data

    async def flush(self) -> None:
        if self.out:
            self.relay.round_trips += 1
            self.writer.write(self.out)
            self.out = b""
            await self.writer.drain()

    @staticmethod
    def path(line: bytes) -> bytes:
        found = ADDRESS.search(line)
        return found[1] if found else b""
