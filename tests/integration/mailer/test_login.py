"""Logging in with passwords and tokens, over STARTTLS and TLS: what is sent as the answer to what."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailer.config import RelaySettings
from mailer.message import Content
from mailer.smtp import Accepted, ConnectionFailed, ConnectionRefused, Envelope
from mailer.smtp.pool import RelayPool
from tests.support.certificates import loopback_certificates
from tests.support.faults import Fault, Point
from tests.support.loopback import free_port, opened, with_login
from tests.support.relay import FaultyRelay
from tests.support.relays.login_relay import PASSWORD, USER, LoginRelay
from tests.support.relays.token_endpoint import CLIENT, REFRESH_TOKEN, TokenEndpoint

ENVELOPE = Envelope("news@example.com", "ann@example.org")
CONTENT = Content.of(b"Subject: Release 2.4\r\n\r\nthe end\r\n")
PLAIN = f"\0{USER}\0{PASSWORD}".encode()


@pytest.fixture(params=["starttls", "tls"])
def security(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    with TokenEndpoint() as endpoint:
        yield endpoint


def relay_with(security: str, *mechanisms: str, **more: Any) -> LoginRelay:
    return LoginRelay(mechanisms, starttls=security == "starttls", implicit_tls=security == "tls", **more)


def with_tokens(port: int, security: str, endpoint: TokenEndpoint, **more: Any) -> RelaySettings:
    oauth2 = {"token_url": endpoint.url, "ca_file": loopback_certificates().ca_file} | CLIENT | more
    return with_login(port, security=security, password=None, oauth2=oauth2)


async def send_one(settings: RelaySettings) -> None:
    connection = await opened(settings)
    assert isinstance(await connection.send(ENVELOPE, CONTENT), Accepted)
    await connection.close()


@pytest.mark.parametrize("initial", [True, False], ids=["takes an initial response", "ignores it"])
async def test_plain(security: str, initial: bool) -> None:
    async with relay_with(security, "PLAIN", initial=initial) as relay:
        await send_one(with_login(relay.port, security=security))
    assert relay.heard == [(b"AUTH PLAIN", PLAIN)] + ([] if initial else [(b"", PLAIN)])


@pytest.mark.parametrize("initial", [True, False], ids=["takes an initial response", "ignores it"])
@pytest.mark.parametrize("encoded", [True, False], ids=["base64", "as it is"])
@pytest.mark.parametrize(
    "prompts",
    [
        (b"Username:", b"Password:"),
        (b"User Name\0", b"Password\0"),
        (b"username", b"password"),
        (b"Enter your login name", b"Enter your password"),
        (b"Gebruiker", b"Wachtwoord"),
        (b"Benutzer:", b"Kennwort:"),
    ],
    ids=lambda prompts: prompts[0].decode(errors="replace"),
)
async def test_login_answers_what_is_asked(
    security: str, initial: bool, encoded: bool, prompts: tuple[bytes, bytes]
) -> None:
    async with relay_with(security, "LOGIN", initial=initial, prompts=prompts, encoded=encoded) as relay:
        await send_one(with_login(relay.port, security=security))
    assert relay.heard == [(prompts[0], USER.encode()), (prompts[1], PASSWORD.encode())]


@pytest.mark.parametrize(
    "prompts",
    [(b"Password:", b"Username:"), (b"Username:", b"Username:"), (b"Username:", b"Account name:")],
)
async def test_login_never_sends_the_password_where_a_name_is_asked_for(
    prompts: tuple[bytes, bytes],
) -> None:
    async with relay_with("starttls", "LOGIN", prompts=prompts) as relay:
        with pytest.raises(ConnectionRefused, match="the login was cancelled") as caught:
            await send_one(with_login(relay.port))
    assert all(PASSWORD.encode() not in answer for _, answer in relay.heard)
    assert relay.cancelled == 1
    assert PASSWORD not in str(caught.value)


async def test_plain_does_not_answer_a_question_for_the_name() -> None:
    async with relay_with("starttls", "PLAIN", initial=False) as relay:
        relay.prompts = []
        session = relay.session_class

        class Asking(session):  # type: ignore[misc, valid-type]
            async def login_plain(self, given: list[bytes]) -> bool:
                return bool(await self.ask(b"Username:") == PLAIN)

        relay.session_class = Asking
        with pytest.raises(ConnectionRefused, match="PLAIN has no challenge"):
            await send_one(with_login(relay.port))
    assert relay.cancelled == 1


async def test_a_relay_that_asks_for_a_third_thing_gets_nothing_more() -> None:
    prompts = (b"Username:", b"Password:", b"Password:")
    async with relay_with("starttls", "LOGIN", prompts=prompts) as relay:
        with pytest.raises(ConnectionRefused, match="it asks for more than the method has"):
            await send_one(with_login(relay.port))
    assert len(relay.heard) == 2


async def test_cram_md5_never_says_the_password(security: str) -> None:
    async with relay_with(security, "CRAM-MD5") as relay:
        await send_one(with_login(relay.port, security=security))
    assert PASSWORD.encode() not in b"".join(answer for _, answer in relay.heard)


@pytest.mark.parametrize(
    ("offered", "used"),
    [
        (["LOGIN", "PLAIN"], b"AUTH PLAIN"),
        (["NTLM", "LOGIN", "XOAUTH2"], b"Username:"),
        (["CRAM-MD5", "LOGIN"], b"Username:"),
    ],
)
async def test_of_several_mechanisms_the_first_that_fits_is_used(offered: list[str], used: bytes) -> None:
    async with relay_with("starttls", *offered) as relay:
        await send_one(with_login(relay.port))
    assert relay.heard[0][0] == used


async def test_a_setting_chooses_the_mechanism() -> None:
    async with relay_with("starttls", "PLAIN", "LOGIN") as relay:
        await send_one(with_login(relay.port, auth="login"))
        assert relay.heard[0][0] == b"Username:"
        with pytest.raises(ConnectionRefused, match=r"we know \(CRAM-MD5\). It offers: LOGIN, PLAIN"):
            await send_one(with_login(relay.port, auth="cram-md5"))


async def test_the_old_form_of_the_offer_is_read() -> None:
    async with relay_with("starttls", "LOGIN", "PLAIN", old_form=True) as relay:
        await send_one(with_login(relay.port))
    assert relay.logins == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
async def test_a_refused_password_lasts_and_is_not_told(security: str, mechanism: str) -> None:
    async with relay_with(security, mechanism) as relay:
        with pytest.raises(ConnectionRefused, match="refused the login: 535") as caught:
            await send_one(with_login(relay.port, security=security, password="battery staple"))
    assert caught.value.exit_code == 1
    assert "battery" not in str(caught.value)


async def test_a_login_that_is_refused_for_now_may_be_tried_again() -> None:
    async with relay_with("starttls", "PLAIN") as relay:
        relay.refusal = b"454 4.7.0 Temporary authentication failure\r\n"
        with pytest.raises(ConnectionFailed) as caught:
            await send_one(with_login(relay.port, password="battery staple"))
    assert (caught.value.exit_code, caught.value.lasting) == (75, False)


# -- XOAUTH2 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("initial", [True, False], ids=["takes an initial response", "ignores it"])
@pytest.mark.parametrize("refresh", [None, REFRESH_TOKEN], ids=["client credentials", "refresh token"])
async def test_xoauth2_sends_a_token_that_the_endpoint_gave(
    security: str, initial: bool, refresh: str | None, endpoint: TokenEndpoint
) -> None:
    async with relay_with(
        security, "PLAIN", "XOAUTH2", initial=initial, tokens=lambda: [endpoint.newest]
    ) as relay:
        await send_one(with_tokens(relay.port, security, endpoint, refresh_token=refresh, scope="mail.send"))
    heard = b"user=mailer\1auth=Bearer token-1\1\1"
    assert {answer for _, answer in relay.heard} == {heard}
    grant = "refresh_token" if refresh else "client_credentials"
    (asked,) = endpoint.asked
    assert (asked["grant_type"], asked["scope"]) == (grant, "mail.send")


async def test_all_connections_share_one_token(endpoint: TokenEndpoint) -> None:
    async with relay_with("starttls", "XOAUTH2", tokens=lambda: ["token-1"]) as relay:
        settings = with_tokens(relay.port, "starttls", endpoint).replace(messages_per_connection=1)
        async with RelayPool(settings) as pool:
            for _ in range(5):
                async with pool.connection() as connection:
                    assert isinstance(await connection.send(ENVELOPE, CONTENT), Accepted)
    assert (relay.logins, len(endpoint.asked)) == (5, 1)


async def test_a_token_is_renewed_before_it_ends(security: str, endpoint: TokenEndpoint) -> None:
    endpoint.life = 0.0
    async with relay_with(security, "XOAUTH2", tokens=lambda: [endpoint.newest]) as relay:
        settings = with_tokens(relay.port, security, endpoint).replace(messages_per_connection=1)
        async with RelayPool(settings) as pool:
            for _ in range(3):
                async with pool.connection() as connection:
                    assert isinstance(await connection.send(ENVELOPE, CONTENT), Accepted)
    assert (relay.logins, len(endpoint.asked)) == (3, 3)


async def test_a_token_that_was_revoked_is_renewed_once(security: str, endpoint: TokenEndpoint) -> None:
    async with relay_with(security, "XOAUTH2", tokens=lambda: ["token-2"]) as relay:
        await send_one(with_tokens(relay.port, security, endpoint))
    assert len(endpoint.asked) == 2


async def test_a_token_that_is_refused_again_lasts_and_is_not_told(
    security: str, endpoint: TokenEndpoint
) -> None:
    async with relay_with(security, "XOAUTH2") as relay:
        with pytest.raises(ConnectionRefused, match="refused the login: 535") as caught:
            await send_one(with_tokens(relay.port, security, endpoint))
    assert caught.value.exit_code == 1
    assert len(endpoint.asked) == 2
    assert not any(secret in str(caught.value) for secret in ("token-1", "token-2", *CLIENT.values()))


@pytest.mark.parametrize(
    ("refusal", "code", "said"),
    [
        ((401, {"error": "invalid_client"}), 1, "it answers 401 invalid_client"),
        ((400, {"error": "invalid_grant", "error_description": "It has expired."}), 1, "It has expired"),
        ((400, {"error": "invalid_client", "error_description": CLIENT["client_secret"]}), 1, r"\*\*\*"),
        ((503, {}), 75, "it answers 503"),
        ((200, {}), 75, "no access token"),
        ((200, {"access_token": "a b"}), 75, "no access token"),
        ((200, {"access_token": "x", "token_type": "mac"}), 1, "not of the type Bearer"),
    ],
)
async def test_an_endpoint_that_gives_no_token_is_told_without_secrets(
    endpoint: TokenEndpoint, refusal: tuple[int, dict[str, str]], code: int, said: str
) -> None:
    endpoint.refusal = refusal
    async with relay_with("starttls", "XOAUTH2") as relay:
        with pytest.raises(ConnectionFailed, match=said) as caught:
            await send_one(with_tokens(relay.port, "starttls", endpoint))
    assert caught.value.exit_code == code
    assert CLIENT["client_secret"] not in str(caught.value)
    assert relay.heard == []


async def test_a_refresh_token_that_the_provider_replaces_is_there_for_the_next_process(
    endpoint: TokenEndpoint, tmp_path: Path
) -> None:
    endpoint.rotates = True
    async with relay_with("starttls", "XOAUTH2", tokens=lambda: [endpoint.newest]) as relay:
        settings = with_tokens(relay.port, "starttls", endpoint, **refreshing(tmp_path))
        for _ in range(3):
            await send_one(settings)
    assert [asked["refresh_token"] for asked in endpoint.asked] == [
        REFRESH_TOKEN, "refresh-token-1", "refresh-token-2",
    ]  # fmt: skip
    assert stat.S_IMODE((tmp_path / "tokens.json").stat().st_mode) == 0o600


async def test_a_refresh_token_that_another_process_used_up_is_read_again(
    endpoint: TokenEndpoint, tmp_path: Path
) -> None:
    endpoint.rotates, endpoint.life = True, 0.0
    async with relay_with("starttls", "XOAUTH2", tokens=lambda: [endpoint.newest]) as relay:
        settings = with_tokens(relay.port, "starttls", endpoint, **refreshing(tmp_path))
        async with RelayPool(settings.replace(messages_per_connection=1)) as pool:
            for _ in range(2):
                async with pool.connection() as connection:
                    assert isinstance(await connection.send(ENVELOPE, CONTENT), Accepted)
                await send_one(settings)
    assert len(endpoint.asked) == 4


async def test_a_refresh_token_that_the_settings_name_anew_is_used(
    endpoint: TokenEndpoint, tmp_path: Path
) -> None:
    endpoint.rotates = True
    async with relay_with("starttls", "XOAUTH2", tokens=lambda: [endpoint.newest]) as relay:
        await send_one(with_tokens(relay.port, "starttls", endpoint, **refreshing(tmp_path)))
        endpoint.refresh_token = "granted-anew"
        await send_one(
            with_tokens(relay.port, "starttls", endpoint, **refreshing(tmp_path, endpoint.refresh_token))
        )
    assert endpoint.asked[-1]["refresh_token"] == "granted-anew"


@pytest.mark.parametrize("content", [b"", b"[]", b'{"x": 1}', b"\xff", None], ids=repr)
async def test_a_file_of_refresh_tokens_that_can_not_be_used_keeps_nobody_from_sending(
    endpoint: TokenEndpoint, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "tokens.json"
    file.mkdir() if content is None else file.write_bytes(content)
    endpoint.rotates = True
    async with relay_with("starttls", "XOAUTH2", tokens=lambda: [endpoint.newest]) as relay:
        await send_one(with_tokens(relay.port, "starttls", endpoint, **refreshing(tmp_path)))
    assert relay.logins == 1


def refreshing(folder: Path, token: str = REFRESH_TOKEN) -> dict[str, Any]:
    return {"refresh_token": token, "refresh_tokens_file": folder / "tokens.json"}


async def test_a_redirect_of_the_endpoint_is_not_followed(endpoint: TokenEndpoint) -> None:
    with TokenEndpoint() as other:
        endpoint.redirect_to = other.url
        async with relay_with("starttls", "XOAUTH2") as relay:
            with pytest.raises(ConnectionFailed, match="it answers 307"):
                await send_one(with_tokens(relay.port, "starttls", endpoint))
        assert other.asked == []


async def test_an_endpoint_that_is_away_or_not_trusted_hears_no_secret(endpoint: TokenEndpoint) -> None:
    async with relay_with("starttls", "XOAUTH2") as relay:
        with pytest.raises(ConnectionRefused, match="can't be asked"):
            await send_one(with_tokens(relay.port, "starttls", endpoint, ca_file=None))
        away = f"https://localhost:{free_port()}/token"
        with pytest.raises(ConnectionFailed, match="can't be asked") as caught:
            await send_one(with_tokens(relay.port, "starttls", endpoint, token_url=away))
    assert caught.value.exit_code == 75
    assert endpoint.asked == []


async def test_tokens_are_asked_for_only_where_the_relay_takes_them(endpoint: TokenEndpoint) -> None:
    async with relay_with("starttls", "PLAIN") as relay:
        with pytest.raises(ConnectionRefused, match=r"we know \(XOAUTH2\)"):
            await send_one(with_tokens(relay.port, "starttls", endpoint))
    assert (relay.heard, endpoint.asked) == ([], [])


# -- Greetings -------------------------------------------------------------------------------------------------


async def test_a_relay_that_knows_only_helo_gets_mail_in_plain() -> None:
    async with FaultyRelay(helo_only=True) as relay:
        await send_one(with_login(relay.port, security="none", username=None, password=None))
    assert len(relay.accepted) == 1


async def test_a_relay_that_knows_only_helo_gets_nothing_where_tls_is_asked_for() -> None:
    async with FaultyRelay(helo_only=True) as relay:
        with pytest.raises(ConnectionRefused, match="offers no STARTTLS"):
            await send_one(with_login(relay.port))
    assert [line.split()[0] for line in relay.commands] == [b"EHLO", b"HELO"]


@pytest.mark.parametrize("point", [Point.GREETING, Point.EHLO, Point.STARTTLS])
async def test_a_5yz_before_the_login_lasts(point: Point) -> None:
    async with FaultyRelay([{point: Fault.REFUSE}], starttls=True) as relay:
        with pytest.raises(ConnectionRefused, match="554") as caught:
            await send_one(with_login(relay.port))
    assert (caught.value.exit_code, caught.value.lasting) == (1, True)
