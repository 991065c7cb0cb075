"""The settings of a relay: address, login, time-outs, limits."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from mailer.config.value_types import Line, MailboxLine, Secret, Security, check_host, url_parts
from mailer.limits import RelayLimits
from mailer.settings_section import Checks, PositiveInt, Seconds, SettingsSection

Auth = Literal["auto", "plain", "login", "cram-md5", "xoauth2"]


class TimeoutSettings(SettingsSection, frozen=True):
    """The time-out of each phase, in seconds. The defaults are from RFC 5321 section 4.5.3.2, where it has one."""

    connect: Seconds = 30
    greeting: Seconds = 300
    ehlo: Seconds = 300
    tls: Seconds = 60
    auth: Seconds = 120
    mail: Seconds = 300
    rcpt: Seconds = 300
    data: Seconds = 120
    block: Seconds = 180
    final: Seconds = 600


REFRESH_TOKENS_NAME = "mailer.refresh-tokens.json"


def _check_token_url(value: str) -> str:
    parts = url_parts(value)
    if parts is None or parts.scheme != "https" or parts.username or parts.fragment:
        raise ValueError('write it as "https://login.example.com/token"; a secret is sent to it')
    return value


class OAuth2Settings(SettingsSection, frozen=True):
    """How to get access tokens for XOAUTH2: with the refresh token grant if `refresh_token` is set, else with client
    credentials.

    A provider may replace the refresh token at each use; the newest is then kept in `refresh_tokens_file`.
    """

    token_url: Line
    client_id: Line
    client_secret: Secret | None = None
    refresh_token: Secret | None = None
    refresh_tokens_file: Path = field(default_factory=lambda: Path(REFRESH_TOKENS_NAME))
    scope: Line | None = None
    ca_file: Path | None = None

    checks: ClassVar[Checks] = {"token_url": _check_token_url}


class RelaySettings(SettingsSection, frozen=True):
    """An SMTP server that accepts our mail.

    `security` is never weakened: with ``starttls``, a relay that does not offer STARTTLS gets no mail. Without
    `chunking` the content is sent with DATA even if the relay offers CHUNKING. With `announce`, the envelope of the
    next mail is sent together with the content of the one before, if the relay offers PIPELINING and CHUNKING is not
    used. `auth` is the login method: ``auto`` uses XOAUTH2 if `oauth2` is set, else the first of PLAIN, LOGIN and
    CRAM-MD5 that the relay offers.
    """

    host: Line = "localhost"
    port: Annotated[int, Meta(ge=1, le=65535)] = 587
    security: Security = "starttls"
    username: Line | None = None
    password: Secret | None = None
    ca_file: Path | None = None
    helo_name: Line | None = None
    connections: Annotated[int, Meta(ge=1, le=1000)] = 10
    messages_per_connection: PositiveInt = 1000
    chunking: bool = True
    announce: bool = True
    auth: Auth = "auto"
    oauth2: OAuth2Settings | None = None
    idle_seconds: Seconds = 30
    timeouts: TimeoutSettings = field(default_factory=TimeoutSettings)
    limits: RelayLimits = field(default_factory=RelayLimits)

    checks: ClassVar[Checks] = {"host": check_host}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.auth == "xoauth2" and self.oauth2 is None:
            raise ValueError('auth is "xoauth2" and there is no oauth2 section to fetch a token with')
        if self.oauth2 is not None and self.auth not in ("auto", "xoauth2"):
            raise ValueError(f'there is an oauth2 section and auth is "{self.auth}"; leave one of them out')
        if self.oauth2 is not None and self.username is None:
            raise ValueError("there is an oauth2 section and no username, the mailbox that sends")


class NamedRelay(RelaySettings, frozen=True):
    """One of several relays. `weight` is its share of the mail. It may have its own sender and return path."""

    weight: Annotated[int, Meta(ge=1, le=1000)] = 1
    sender: MailboxLine | None = None
    return_path: Line | None = None
