"""The expected result of a transaction for each point, fault and set of extensions of a relay.

    away       ConnectionFailed: there was no connection, and no mail was offered
    relay      Deferred, scope relay: not taken; may be offered to any relay at once
    deferred   Deferred, scope recipient: later
    rejected   Rejected, scope recipient
    sender     Rejected, scope sender: pauses the campaign
    uncertain  content was offered and no valid reply came: reported, never sent again automatically
    accepted   taken, once
    -          does not apply

A relay with CHUNKING is offered the content together with MAIL and RCPT, so no reply from MAIL on means
`uncertain`. A negative reply still decides, because without MAIL and RCPT no content can be taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mailer.config import RelaySettings, TimeoutSettings
from mailer.config.reading import read_section
from tests.support.certificates import loopback_certificates
from tests.support.faults import Fault, Point
from tests.support.relay import FaultyRelay

SHORT_TIMEOUT = 0.3  # seconds, for relays that are too slow
LONG_TIMEOUT = 20.0  # seconds, for all others: a busy machine must not fail a test
LOGIN = ("mailer", "correct horse")

ALL = """
           hang_up   stall     closing   later     refuse    garbage   split     several   early     long_line drip
greeting   away      away      away      away      away      away      accepted  away      -         away      away
ehlo       away      away      away      away      away      away      accepted  accepted  accepted  away      away
auth       away      away      away      away      away      away      accepted  accepted  accepted  away      away
mail       relay     relay     relay     relay     sender    relay     accepted  relay     accepted  relay     relay
rcpt       relay     relay     relay     deferred  rejected  relay     accepted  relay     relay     relay     relay
data       relay     relay     relay     deferred  rejected  relay     accepted  relay     relay     relay     relay
content    uncertain uncertain relay     deferred  rejected  uncertain -         -         -         uncertain uncertain
final      uncertain uncertain relay     deferred  rejected  uncertain accepted  accepted  relay     uncertain uncertain
quit       accepted  accepted  accepted  accepted  accepted  accepted  accepted  accepted  accepted  accepted  accepted
"""

CHUNKING = """
           hang_up   stall     closing   later     refuse    garbage   split     several   early     long_line drip
mail       uncertain uncertain relay     relay     sender    uncertain accepted  accepted  accepted  uncertain uncertain
rcpt       uncertain uncertain relay     deferred  rejected  uncertain accepted  accepted  accepted  uncertain uncertain
bdat       uncertain uncertain relay     deferred  rejected  uncertain accepted  accepted  accepted  uncertain uncertain
"""

TLS = """
           hang_up   stall     closing   later     refuse    garbage   split     several   early     long_line drip
ehlo       away      away      away      away      away      away      accepted  away      away      away      away
starttls   away      away      away      away      away      away      accepted  accepted  accepted  away      away
"""


class Mode(StrEnum):
    """The extensions of a relay. With TLS it has STARTTLS, a login and PIPELINING."""

    PLAIN = "plain"
    PIPELINING = "pipelining"
    CHUNKING = "chunking"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Case:
    """One cell of the table, with the relay and the settings to test it."""

    mode: Mode
    point: Point
    fault: Fault
    expected: str

    def __str__(self) -> str:
        return f"{self.mode}, {self.fault} at {self.point}"

    def relay(self, **more: Any) -> FaultyRelay:
        """A relay whose first connection has the fault; `more` is passed to FaultyRelay."""
        script = {self.point: self.fault}
        return FaultyRelay([script], **(self._offers() | more))

    def settings(self, port: int, **more: Any) -> RelaySettings:
        """The settings for it; time-outs are short only if the fault is slowness."""
        user, password = LOGIN if self._logs_in else (None, None)
        values: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": port,
            "security": "starttls" if self.mode is Mode.TLS else "none",
            "ca_file": loopback_certificates().ca_file if self.mode is Mode.TLS else None,
            "username": user,
            "password": password,
            "timeouts": self._timeouts(),
        }
        return read_section(values | more, RelaySettings)

    @property
    def _logs_in(self) -> bool:
        return self.mode is Mode.TLS or self.point is Point.AUTH

    def _offers(self) -> dict[str, Any]:
        return {
            "pipelining": self.mode is not Mode.PLAIN,
            "chunking": self.mode is Mode.CHUNKING,
            "starttls": self.mode is Mode.TLS,
            "login": LOGIN if self._logs_in else None,
        }

    def _timeouts(self) -> TimeoutSettings:
        names = {Point.STARTTLS: "tls", Point.CONTENT: "final", Point.BDAT: "final"}
        values = dict.fromkeys(TimeoutSettings.__struct_fields__, LONG_TIMEOUT)
        if self.fault in (Fault.STALL, Fault.DRIP) and self.point is not Point.QUIT:
            values[names.get(self.point, self.point.value)] = SHORT_TIMEOUT
        return TimeoutSettings(**values)


def cases(mode: Mode) -> Iterator[Case]:
    """All cases of a mode."""
    rows = _rows(ALL)
    if mode is Mode.CHUNKING:
        del rows["data"], rows["final"]
        rows |= _rows(CHUNKING)
    if mode is Mode.TLS:
        rows |= _rows(TLS)
    for point, row in rows.items():
        for fault, expected in row.items():
            if expected != "-":
                yield Case(mode, Point(point), Fault(fault), expected)


def _rows(table: str) -> dict[str, dict[str, str]]:
    header, *lines = table.strip().splitlines()
    faults = header.split()
    return {point: dict(zip(faults, words, strict=True)) for point, *words in map(str.split, lines)}
