"""A whole campaign, sent by the installed command."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from benchmarks.audience import SLUG, Audience
from benchmarks.processes import Watch
from benchmarks.programs import Failed, mailer, run
from campaigns.models import Delivery
from mailer.database import Database
from mailer.database.columns import table


@dataclass(frozen=True, slots=True)
class Sent:
    """What a campaign took: the whole command, and sending alone.

    The whole command is from its start to its end, with the creation of the deliveries. Sending alone is from the first
    attempt to the last outcome, as the database has them; the first claim is some ms before the first attempt. CPU
    times are those of all its processes. `peak_bytes` is that of the process that sends.
    """

    messages: int
    seconds: float
    cpu_seconds: float
    sending_seconds: float
    sending_cpu_seconds: float
    peak_bytes: int

    @property
    def rate(self) -> float:
        """Messages a second, sending alone."""
        return self.messages / self.sending_seconds

    @property
    def whole_rate(self) -> float:
        """Messages a second, the whole command."""
        return self.messages / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU time a message while sending, in µs."""
        return self.sending_cpu_seconds / self.messages * 1e6

    @property
    def whole_cpu_us(self) -> float:
        """CPU time of the whole command a message, in µs."""
        return self.cpu_seconds / self.messages * 1e6


def send(
    audience: Audience,
    port: int,
    *,
    processes: int = 1,
    connections: int = 20,
    extra: dict[str, str] | None = None,
) -> Sent:
    """Send the campaign to `audience`; `extra` are environment variables. Raises Failed if not everybody got it."""
    command = [mailer(), "campaigns", "send", SLUG, "--yes", "--json", "--processes", str(processes)]
    watch = Watch()
    done = run(command, cwd=audience.folder, extra=variables(audience, port, connections) | (extra or {}),
               watch=watch)  # fmt: skip
    accepted = json.loads(done.output)["accepted"]
    if accepted != audience.people:
        raise Failed(f"{accepted} of {audience.people} mails were accepted: {done.output}")
    began, ended = (moment.timestamp() for moment in _first_and_last(audience))
    return Sent(
        accepted,
        done.seconds,
        done.cpu_seconds,
        ended - began,
        watch.cpu_between(began, ended),
        done.peak_bytes,
    )


def variables(audience: Audience, port: int, connections: int) -> dict[str, str]:
    """The environment variables for a sender."""
    return audience.environment | {
        "MAILER_SMTP__PORT": str(port),
        "MAILER_SMTP__CONNECTIONS": str(connections),
        "MAILER_UNSUBSCRIBE_CHECK": "off",  # there is no unsubscribe page here
    }


def _first_and_last(audience: Audience) -> tuple[datetime, datetime]:
    """When the first attempt began, and when the last outcome was recorded."""
    database = Database(
        audience.database_url or f"sqlite:///{audience.folder / 'mailer.db'}", audience.folder
    )
    columns = table(Delivery).c
    try:
        with database.read() as connection:
            first, last = connection.execute(
                select(func.min(columns.first_attempted_at), func.max(columns.completed_at))
            ).one()
    finally:
        database.close()
    return first, last
