"""Detects that the database went back during a run: a promoted standby may lack the last commits.

Such a database would cause a second mail. The run remembers the deliveries, and compares them after each
outage.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from campaigns import holds
from campaigns.deliveries import Settlement, recovery
from campaigns.states import DeliveryState
from mailer.errors import MailerError
from mailer.quantity import quantity

REMEMBERED = 100_000  # deliveries at least; a standby lags by seconds
FORGOTTEN_AT_ONCE = 10_000
MAX_NAMED = 50


class Hindsight:
    """The recent attempts and outcomes of a run, to compare with the database."""

    def __init__(self, *, is_needed: bool) -> None:
        self._is_needed = is_needed  # a SQLite file does not go back while a process uses it
        self._mailed = array("q")  # of each its number and the attempt: 16 bytes, where a tuple takes 90
        self.is_doubtful = False
        self.forgotten: set[int] = set()

    def remember(self, outcomes: Iterable[Settlement]) -> None:
        """Remember outcomes that the database has committed."""
        if self._is_needed:
            accepted = (one for one in outcomes if one.state is DeliveryState.ACCEPTED)
            self._mailed.extend([number for one in accepted for number in (one.delivery_id, one.attempt)])
            if len(self._mailed) > 2 * (REMEMBERED + FORGOTTEN_AT_ONCE):
                del self._mailed[: 2 * FORGOTTEN_AT_ONCE]

    def mailed(self) -> dict[int, int]:
        """The attempt of each delivery that is remembered."""
        flat = self._mailed[:]  # while the thread that sends goes on
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def doubt(self) -> None:
        """Note an outage, or a lost connection: afterwards another database may answer."""
        self.is_doubtful = self._is_needed

    def has_gone_back(self, connection: Connection, outcomes: Iterable[Settlement], now: datetime) -> bool:
        """Whether the database lacks earlier commits: mails then count as accepted, and all campaigns are held.

        `outcomes` are about to be recorded. After an outage it compares once, and after a difference always.
        """
        offered = {one.delivery_id: one.attempt for one in outcomes if one.state is DeliveryState.ACCEPTED}
        forgotten = recovery.accept_forgotten(connection, self.mailed(), offered, now)
        if forgotten and not self.forgotten:
            holds.hold(connection, "it went back while mail was sent", now)
        self.forgotten |= set(forgotten)
        self.is_doubtful = bool(self.forgotten)
        return self.is_doubtful

    def error(self) -> MailerError | None:
        """The error that names the lost deliveries; None if nothing was lost."""
        if not self.forgotten:
            return None
        named = ", ".join(map(str, sorted(self.forgotten)[:MAX_NAMED]))
        more = f" and {len(self.forgotten) - MAX_NAMED:,} more" if len(self.forgotten) > MAX_NAMED else ""
        return MailerError(
            f"The database went back: it had lost {quantity(len(self.forgotten), 'mail')} accepted by the relay. They "
            f"count as accepted again: deliveries {named}{more}.",
            hint="All campaigns are held, because other changes are lost too. Next: mailer status",
        )
