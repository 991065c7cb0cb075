"""However the network splits a relay's replies, the same is sent, and the outcome is the same."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence

import pytest

from mailer.config import RelaySettings
from mailer.message import Content
from mailer.smtp import Accepted, Capabilities, Envelope, Outcome, Phase, Rejected
from mailer.smtp.connection import Connection
from mailer.smtp.handshake import Session
from mailer.smtp.pipeline import Pipeline
from mailer.smtp.transaction import Dialogue, SessionState, Verdict

ANNA, BRAM = (Envelope("news@example.com", f"{name}@example.org") for name in ("anna", "bram"))
CONTENT = Content.of(b"Subject: x\r\n\r\n.body\r\n")
PIPELINING = Capabilities(pipelining=True)
GREETED = b"250 2.1.0 Ok\r\n250-2.1.5 Fine\r\n250 2.1.5 Ok\r\n"
USUAL = b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n"
DIALOGUES: dict[str, tuple[Capabilities, SessionState, Envelope | None, list[bytes]]] = {
    "plain": (
        Capabilities(),
        SessionState.NONE,
        None,
        [b"250 Ok\r\n", b"250 Ok\r\n", b"354 Go\r\n", b"250 queued as 1\r\n"],
    ),
    "chunking": (
        Capabilities(pipelining=True, chunking=True),
        SessionState.RESET,
        None,
        [b"250 Ok\r\n", GREETED + b"250 2.0.0 queued as 2\r\n"],
    ),
    "refused": (PIPELINING, SessionState.NONE, None, [b"250 Ok\r\n550 5.1.1 Gone\r\n354 Go\r\n"]),
    "announced": (
        PIPELINING,
        SessionState.NONE,
        BRAM,
        [GREETED + b"354 Go\r\n", b"250 2.0.0 queued as 3\r\n" + GREETED + b"354 Go\r\n"],
    ),
    "announced and refused": (
        PIPELINING,
        SessionState.ANNOUNCED,
        BRAM,
        [b"250 queued as 4\r\n250 Ok\r\n550-5.1.1 Who\r\n550 5.1.1 is it?\r\n354 Go\r\n"],
    ),
    "deferred, and the next one announced": (
        PIPELINING,
        SessionState.ANNOUNCED,
        BRAM,
        [b"451 4.3.0 Later\r\n" + GREETED + b"354 Go\r\n"],
    ),
    "answered as ever": (
        PIPELINING,
        SessionState.NONE,
        BRAM,
        [USUAL + b"354 Go\r\n", b"250 2.0.0 queued as 5\r\n" + USUAL + b"354 Go\r\n"],
    ),
    "answered as ever with chunking": (
        Capabilities(pipelining=True, chunking=True),
        SessionState.NONE,
        None,
        [USUAL + b"250 2.0.0 queued as 6\r\n"],
    ),
    "nonsense": (PIPELINING, SessionState.NONE, None, [b"250 Ok\r\nhello\r\n"]),
}


class RecordingTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        with socket.socket() as closed:
            super().__init__({"socket": closed})
        self.sent = b""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Nothing is received from it."""

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.sent += b"".join(list_of_data)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        """It has no connection."""


@pytest.mark.parametrize("name", DIALOGUES)
async def test_replies_mean_the_same_in_whatever_pieces_they_come(name: str) -> None:
    replies = DIALOGUES[name][-1]
    whole = _talk(name, [[reply] for reply in replies])
    assert whole[1], "it came to an end"
    assert _talk(name, [[reply] for reply in replies]) == whole, "the second time too"
    for number, reply in enumerate(replies):
        for place in range(1, len(reply)):
            pieces = [[one] for one in replies]
            pieces[number] = [reply[:place], reply[place:]]
            assert _talk(name, pieces) == whole
    assert _talk(name, [[reply[at : at + 1] for at in range(len(reply))] for reply in replies]) == whole


async def test_an_announced_message_that_is_too_large_leaves_the_connection_of_no_use() -> None:
    """A lone dot would end an empty message, to somebody."""
    outcomes: list[Outcome] = []
    capabilities = Capabilities(pipelining=True, size=CONTENT.size)
    connection = Connection(Session(RecordingTransport(), capabilities, lambda: None, None), RelaySettings())
    pipeline = connection._pipeline
    connection.offer(ANNA, CONTENT, outcomes.append, announce=BRAM)
    pipeline.data_received(USUAL + b"354 Go\r\n")
    pipeline.data_received(b"250 2.0.0 queued as 7\r\n" + USUAL + b"354 Go\r\n")
    assert connection.announced == BRAM
    connection.offer(BRAM, Content.of(bytes(CONTENT) + b".\r\n"), outcomes.append)
    assert [type(one) for one in outcomes] == [Accepted, Rejected]
    assert not connection.usable


def _talk(name: str, replies: Sequence[Sequence[bytes]]) -> tuple[bytes, list[tuple[Outcome, Verdict]]]:
    """What is sent, and the outcome with its verdict."""
    offered, state, announce, _ = DIALOGUES[name]
    transport, ends = RecordingTransport(), list[tuple[Outcome, Verdict]]()
    pipeline = Pipeline(transport, dict.fromkeys(Phase, 60.0), lambda: None)
    dialogue = Dialogue(ANNA, CONTENT, offered, state, announce)
    pipeline.begin(dialogue, lambda outcome, verdict: ends.append((outcome, verdict)))
    for pieces in replies:
        for piece in pieces:
            pipeline.data_received(piece)
    pipeline.abort("closed")
    return transport.sent, ends
