"""Sign mails in a process of its own: digests in, signatures out. So the private keys are not in the process that sends.

The process that sends talks to relays and holds people's data; who makes it reveal its memory gets no key. And while
one mail is signed, the next is composed, on another processor.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import cycle
from types import TracebackType
from typing import Self

from mailer.config import DkimSettings, dkim_keys
from mailer.errors import ConfigurationError, TryAgainLater
from mailer.message import Content
from mailer.message.signature import KeyName

_START_SECONDS = 60
_ANSWER_SECONDS = 60  # for a batch
_LARGEST_BATCH = 500  # mails; their digests fit in the socket's buffer while nobody reads the signatures
_COMMAND = "from mailer.signing_process import main; main()"


class SigningProcess:
    """The process that signs with the keys of the settings; without keys there is none, and mails stay unsigned.

    Close it, or use it in a `with` block. It ends with this process, also where that is killed. Raises
    ConfigurationError for a key that is missing or invalid.
    """

    def __init__(self, settings: DkimSettings) -> None:
        self.keys: tuple[KeyName, ...] = ()
        self._lengths: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._writing, self._reading = asyncio.Lock(), asyncio.Lock()
        if places := dkim_keys.places(settings):
            self._start([(one.domain, one.selector, str(one.path)) for one in places])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process's id; None where there is no process."""
        return self._process.pid if self._process is not None else None

    @property
    def is_busy(self) -> bool:
        """Whether a batch waits for its signatures."""
        return self._reading.locked()

    def close(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._channel.close()
        self._process.kill()
        self._process.wait()

    async def sign(self, contents: Sequence[Content]) -> list[Content]:
        """The messages with their signatures, in the same order. Several calls may overlap.

        Raises TryAgainLater where the process has ended, or does not answer: then it is ended.
        """
        signed: list[Content] = []
        for start in range(0, len(contents), _LARGEST_BATCH):
            signed += await self._sign_batch(contents[start : start + _LARGEST_BATCH])
        return signed

    async def _sign_batch(self, contents: Sequence[Content]) -> list[Content]:
        digests = [field.digest for content in contents for field in content.unsigned]
        if not digests:
            return list(contents)
        length = len(digests) // len(self.keys) * sum(self._lengths)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = await self._ask(b"".join(digests), length)
        except TimeoutError:
            self._kill()
            raise _unsigned("The process that signs mails does not answer.") from None
        except (OSError, EOFError):
            raise self._ended() from None
        except BaseException:  # what is not read now would be taken for the answer to the next question
            self._kill()
            raise
        signatures = _pieces(answer, cycle(self._lengths))
        return [content.signed(next(signatures) for _ in content.unsigned) for content in contents]

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    async def _ask(self, question: bytes, length: int) -> bytes:
        """The answer of so many octets. Who has asked first is the first to read."""
        loop = asyncio.get_running_loop()
        async with self._writing:
            await loop.sock_sendall(self._channel, question)
        answer = bytearray(length)
        async with self._reading:
            rest = memoryview(answer)
            while rest:
                read = await loop.sock_recv_into(self._channel, rest)
                if not read:
                    raise EOFError
                rest = rest[read:]
        return bytes(answer)

    def _start(self, places: Sequence[tuple[str, str, str]]) -> None:
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-c", _COMMAND, json.dumps(places)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                process_group=0,  # a terminal's Ctrl-C is for the process that sends
                env={name: value for name, value in os.environ.items() if not name.startswith("MAILER_")},
            )
        try:
            self._channel.settimeout(_START_SECONDS)
            with self._channel.makefile("rb") as answers:
                told = json.loads(answers.readline() or b"{}")
            self._channel.settimeout(0)
        except (OSError, ValueError):
            told = {}
        if "keys" not in told:
            self.close()
            if "error" in told:
                raise ConfigurationError(told["error"], hint=told["hint"])
            raise self._ended()
        self.keys = tuple(KeyName(*key) for *key, _ in told["keys"])
        self._lengths = [length for *_, length in told["keys"]]

    def _ended(self) -> TryAgainLater:
        how = ""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                status = self._process.wait(1)
                how = f" (signal {-status})" if status < 0 else f" (status {status})"
        return _unsigned(f"The process that signs mails has ended{how}.")


def _unsigned(what: str) -> TryAgainLater:
    return TryAgainLater(
        what, hint="Nothing is lost: the mails that were not signed are sent by the next run."
    )


def _pieces(answer: bytes, lengths: Iterable[int]) -> Iterator[bytes]:
    start = 0
    for length in lengths:
        yield answer[start : start + length]
        start += length
