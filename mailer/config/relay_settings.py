"""The settings of a relay: address, login, time-outs, limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, field_validator, model_validator

from mailer.config.value_types import Line, OptionalMailboxLine, Security, SettingsSection
from mailer.limits import RelayLimits

Auth = Literal["auto", "plain", "login", "cram-md5", "xoauth2"]


class TimeoutSettings(SettingsSection):
    """Seconds a phase may take; the defaults are RFC 5321 section 4.5.3.2's, where it names one."""

    connect: PositiveFloat = 30
    greeting: PositiveFloat = 300
    ehlo: PositiveFloat = 300
    tls: PositiveFloat = 60
    auth: PositiveFloat = 120
    mail: PositiveFloat = 300
    rcpt: PositiveFloat = 300
    data: PositiveFloat = 120
    block: PositiveFloat = 180
    final: PositiveFloat = 600


class OAuth2Settings(SettingsSection):
    """Where access tokens for XOAUTH2 come from: with `refresh_token` that grant, else client credentials."""

    token_url: Line
    client_id: Line
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    scope: Line | None = None
    ca_file: Path | None = None

    @field_validator("token_url")
    @classmethod
    def _token_url_is_https(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" or not parts.hostname or parts.username or parts.fragment:
            raise ValueError('write it as "https://login.example.com/token"; a secret is sent to it')
        return value


class RelaySettings(SettingsSection):
    """The SMTP server that we hand mail to.

    `security` is never weakened: with ``starttls`` a relay that does not offer it gets no mail. Without `chunking` the
    content goes with DATA also where the relay offers CHUNKING. `auth` is how to log in: ``auto`` takes XOAUTH2 where
    `oauth2` is set, else what the relay offers of PLAIN, LOGIN and CRAM-MD5, in this order.
    """

    host: Line = "localhost"
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Security = "starttls"
    username: Line | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    helo_name: Line | None = None
    connections: Annotated[int, Field(ge=1, le=1000)] = 10
    messages_per_connection: PositiveInt = 1000
    chunking: bool = True
    auth: Auth = "auto"
    oauth2: OAuth2Settings | None = None
    idle_seconds: PositiveFloat = 30
    timeouts: TimeoutSettings = TimeoutSettings()
    limits: RelayLimits = RelayLimits()

    @model_validator(mode="after")
    def _login_is_complete(self) -> Self:
        if self.auth == "xoauth2" and self.oauth2 is None:
            raise ValueError('auth is "xoauth2" and there is no oauth2 section to fetch a token with')
        if self.oauth2 is not None and self.auth not in ("auto", "xoauth2"):
            raise ValueError(f'there is an oauth2 section and auth is "{self.auth}"; leave one of them out')
        if self.oauth2 is not None and self.username is None:
            raise ValueError("there is an oauth2 section and no username, the mailbox that sends")
        return self


class NamedRelay(RelaySettings):
    """One of several relays: its share of the mail, and a sender and return path of its own where it needs them."""

    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    sender: OptionalMailboxLine = None
    return_path: Line | None = None
