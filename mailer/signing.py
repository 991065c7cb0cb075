"""Sign mails in another process: digests out, signatures back. So the private keys are not in the process that sends.

The process that sends talks to relays: an attacker who reads its memory finds no key. While some mails are signed on
other processors, the next are composed.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import accumulate, count, pairwise
from types import TracebackType
from typing import Self, TypeAlias

from mailer import own_process
from mailer.config import DkimSettings, dkim_keys
from mailer.errors import ConfigurationError, TryAgainLater
from mailer.message import Content
from mailer.message.signature import KeyName

_START_SECONDS = 60
_ANSWER_SECONDS = 60  # for a batch
_NUMBER_LENGTH = 8  # octets of a question's number, with which its answer begins
_LARGEST_PACKET = 65_536
_COMMAND = "from mailer.signing_process import main; main()"

Signed: TypeAlias = Callable[[int, Content], None]


class SigningProcess:
    """The process that signs with the keys of the settings; without keys there is none, and mails stay unsigned.

    Close it, or use it in a `with` block. It ends with this process, also where that is killed. Raises
    ConfigurationError for a key that is missing or invalid.
    """

    def __init__(self, settings: DkimSettings) -> None:
        self.keys: tuple[KeyName, ...] = ()
        self._parts: list[slice] = []  # of an answer, where its signatures are
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count()
        self._unasked: deque[bytes] = deque()
        self._unanswered: dict[bytes, tuple[_Batch, int]] = {}
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
        """Whether a mail waits for its signatures."""
        return bool(self._unanswered)

    def close(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._channel.close()
        self._process.kill()
        self._process.wait()

    async def sign(self, contents: Sequence[Content], signed: Signed) -> None:
        """Call `signed` with the position and the message of each mail, as soon as that has its signatures.

        The order may be another one. Several calls may overlap. Without keys the messages remain as they are.
        Raises TryAgainLater where the process has ended, or does not answer: then it is ended.
        """
        if not self.keys or not contents:
            for position, content in enumerate(contents):
                signed(position, content)
            return
        batch = _Batch(contents, signed)
        for position, content in enumerate(contents):
            number = next(self._numbers).to_bytes(_NUMBER_LENGTH)
            self._unanswered[number] = batch, position
            self._unasked.append(b"".join([number, *[field.digest for field in content.unsigned]]))
        asyncio.get_running_loop().add_reader(self._channel, self._read)
        try:
            self._ask()
            async with asyncio.timeout(_ANSWER_SECONDS):
                await batch.ended
        except TimeoutError:
            self._kill()
            raise _unsigned("The process that signs mails does not answer.") from None
        except (OSError, EOFError):
            raise self._ended() from None
        finally:
            self._forget(batch)

    def _ask(self) -> None:
        """Ask what the socket holds; the rest after the next answer, because until then the process may not read."""
        while self._unasked:
            try:
                self._channel.send(self._unasked[0])
            except BlockingIOError:
                return
            self._unasked.popleft()

    def _read(self) -> None:
        """Read one answer; nobody waits for it where its batch was cancelled."""
        try:
            answer = self._channel.recv(_LARGEST_PACKET)
            if answer:
                self._ask()
        except BlockingIOError:
            return
        except OSError:
            answer = b""
        if not answer:
            for batch, _ in self._unanswered.values():
                batch.fail(EOFError())
            self._unanswered.clear()
        elif waiting := self._unanswered.pop(answer[:_NUMBER_LENGTH], None):
            batch, position = waiting
            batch.answer(position, [answer[part] for part in self._parts])
        self._unwatch_if_answered()

    def _forget(self, batch: _Batch) -> None:
        if batch.left:
            self._unanswered = {
                number: waiting for number, waiting in self._unanswered.items() if waiting[0] is not batch
            }
            self._unwatch_if_answered()

    def _unwatch_if_answered(self) -> None:
        if not self._unanswered:
            asyncio.get_running_loop().remove_reader(self._channel)

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _start(self, places: Sequence[tuple[str, str, str]]) -> None:
        self._channel, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with theirs:
            self._process = own_process.start(
                _COMMAND, json.dumps(places), stdin=theirs.fileno(), stdout=subprocess.DEVNULL
            )
        try:
            self._channel.settimeout(_START_SECONDS)
            told = json.loads(self._channel.recv(_LARGEST_PACKET) or b"{}")
            self._channel.settimeout(0)
        except (OSError, ValueError):
            told = {}
        if "keys" not in told:
            self.close()
            if "error" in told:
                raise ConfigurationError(told["error"], hint=told["hint"])
            raise self._ended()
        self.keys = tuple(KeyName(*key) for *key, _ in told["keys"])
        ends = accumulate((length for *_, length in told["keys"]), initial=_NUMBER_LENGTH)
        self._parts = [slice(start, end) for start, end in pairwise(ends)]

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


class _Batch:
    """Mails that wait for their signatures. `ended` is done when none is `left`."""

    __slots__ = ("_contents", "_signed", "ended", "left")

    def __init__(self, contents: Sequence[Content], signed: Signed) -> None:
        self._contents, self._signed = contents, signed
        self.left = len(contents)
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answer(self, position: int, signatures: Sequence[bytes]) -> None:
        """Hand over one mail with its signatures."""
        self.left -= 1
        try:
            self._signed(position, self._contents[position].signed(signatures))
        except Exception as error:  # noqa: BLE001 - it goes to the caller, who waits
            self.fail(error)
        if not self.left and not self.ended.done():
            self.ended.set_result(None)

    def fail(self, error: Exception) -> None:
        """End it with an error."""
        if not self.ended.done():
            self.ended.set_exception(error)
