"""The settings of a relay: address, login, time-outs, limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr

from mailer.config.value_types import Line, OptionalMailboxLine, Section, Security
from mailer.limits import RelayLimits


class TimeoutSettings(Section):
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


class RelaySettings(Section):
    """The SMTP server that we hand mail to.

    `security` is never weakened: with ``starttls`` a relay that does not offer it gets no mail. Without `chunking` the
    content goes with DATA also where the relay offers CHUNKING.
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
    idle_seconds: PositiveFloat = 30
    timeouts: TimeoutSettings = TimeoutSettings()
    limits: RelayLimits = RelayLimits()


class NamedRelay(RelaySettings):
    """One of several relays: its share of the mail, and a sender and return path of its own where it needs them."""

    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    sender: OptionalMailboxLine = None
    return_path: Line | None = None
