"""A relay whose logins a test can shape: which mechanisms it offers, and how it goes about each.

What it hears in AUTH is in `heard`, decoded: the test reads there which secret was sent as the answer to what.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.relay import FaultyRelay, Session

USER, PASSWORD = "mailer", "correct horse"


class LoginRelay(FaultyRelay):
    """`initial` says whether it takes an initial response; without, it ignores one and asks all the same.

    `prompts` are LOGIN's questions in their order, `refusal` the reply to wrong credentials. `tokens` are what XOAUTH2
    takes. `logins` counts those that succeeded, and with `required` no mail is taken without one.
    """

    def __init__(
        self,
        mechanisms: Sequence[str] = ("PLAIN",),
        *,
        initial: bool = True,
        prompts: Sequence[bytes] = (b"Username:", b"Password:"),
        encoded: bool = True,
        tokens: Callable[[], Sequence[str]] = tuple,
        old_form: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.session_class = LoginSession
        self.mechanisms = list(mechanisms)
        self.initial, self.prompts, self.encoded = initial, list(prompts), encoded
        self.tokens = tokens
        self.old_form = old_form
        self.refusal = b"535 5.7.8 Authentication credentials invalid\r\n"
        self.heard: list[tuple[bytes, bytes]] = []
        self.logins = 0
        self.cancelled = 0


class LoginSession(Session):
    relay: LoginRelay
    logged_in = False

    def login_offers(self) -> list[bytes]:
        if self.in_clear:
            return []
        words = " ".join(self.relay.mechanisms).encode()
        return [b"AUTH=" + words] if self.relay.old_form else [b"AUTH " + words]

    async def on_auth(self, line: bytes) -> None:
        relay, (_, name, *initial) = self.relay, line.split(b" ")
        respond = getattr(self, f"login_{name.decode().lower().replace('-', '_')}", None)
        if respond is None or name.decode() not in relay.mechanisms:
            self.out += b"504 5.5.4 Unrecognized authentication type\r\n"
            return
        given = [base64.b64decode(initial[0])] if initial else []
        for response in given:
            relay.heard.append((b"AUTH " + name, response))
        try:
            ok = await respond(given if relay.initial else [])
        except Cancelled:
            relay.cancelled += 1
            self.out += b"501 5.7.0 Cancelled\r\n"
            return
        self.logged_in = ok
        relay.logins += ok
        self.out += b"235 2.7.0 Authentication successful\r\n" if ok else relay.refusal

    async def on_mail(self, line: bytes) -> None:
        if self.logged_in:
            await super().on_mail(line)
        else:
            self.out += b"530 5.7.0 Authentication required\r\n"

    async def login_plain(self, given: list[bytes]) -> bool:
        said = given[0] if given else await self.ask(b"")
        return said == f"\0{USER}\0{PASSWORD}".encode()

    async def login_login(self, given: list[bytes]) -> bool:
        asked = [await self.ask(prompt) for prompt in self.relay.prompts[len(given) :]]
        return [*given, *asked] == [USER.encode(), PASSWORD.encode()]

    async def login_cram_md5(self, given: list[bytes]) -> bool:
        challenge = b"<1896.697170952@relay.test>"
        digest = hmac.new(PASSWORD.encode(), challenge, "md5").hexdigest()
        return await self.ask(challenge) == f"{USER} {digest}".encode()

    async def login_xoauth2(self, given: list[bytes]) -> bool:
        said = given[0] if given else await self.ask(b"")
        right = [f"user={USER}\1auth=Bearer {token}\1\1".encode() for token in self.relay.tokens()]
        if said in right:
            return True
        await self.ask(b'{"status":"400","schemes":"Bearer","scope":"https://mail.example.com/"}')
        return False

    async def ask(self, challenge: bytes) -> bytes:
        """The answer to a challenge, decoded."""
        spelled = base64.b64encode(challenge) if self.relay.encoded else challenge
        self.out += b"334 " + spelled + b"\r\n"
        answer = await self.line()
        if answer == b"*":
            raise Cancelled
        decoded = base64.b64decode(answer)
        self.relay.heard.append((challenge, decoded))
        return decoded


class Cancelled(Exception):
    """The client cancelled the login."""
