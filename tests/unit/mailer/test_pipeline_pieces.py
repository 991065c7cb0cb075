"""However the network splits a relay's replies, the same is sent, and the outcome is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import pytest

from mailer.message import Content
from mailer.smtp import Capabilities, Envelope, Phase
from mailer.smtp.pipeline import Pipeline
from mailer.smtp.transaction import SessionState, Verdict, transact

ANNA, BRAM = (Envelope("news@example.com", f"{name}@example.org") for name in ("anna", "bram"))
CONTENT = Content.of(b"Subject: x\r\n\r\n.body\r\n")
PIPELINING = Capabilities(pipelining=True)
GREETED = b"250 2.1.0 Ok\r\n250-2.1.5 Fine\r\n250 2.1.5 Ok\r\n"
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
    "nonsense": (PIPELINING, SessionState.NONE, None, [b"250 Ok\r\nhello\r\n"]),
}


class RecordingTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
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
    for number, reply in enumerate(replies):
        for place in range(1, len(reply)):
            pieces = [[one] for one in replies]
            pieces[number] = [reply[:place], reply[place:]]
            assert _talk(name, pieces) == whole
    assert _talk(name, [[reply[at : at + 1] for at in range(len(reply))] for reply in replies]) == whole


def _talk(name: str, replies: Sequence[Sequence[bytes]]) -> tuple[bytes, list[Verdict]]:
    """What is sent, and the verdict."""
    offered, state, announce, _ = DIALOGUES[name]
    transport, verdicts = RecordingTransport(), list[Verdict]()
    pipeline = Pipeline(dict.fromkeys(Phase, 60.0))
    pipeline.take_over(transport)
    pipeline.begin(transact(ANNA, CONTENT, offered, state, announce), verdicts.append)
    for pieces in replies:
        for piece in pieces:
            pipeline.data_received(piece)
    pipeline.abort("closed")
    return transport.sent, verdicts
