"""The zone of a due time or a recurring time."""

from __future__ import annotations

from mailer.errors import InvalidInput
from mailer.time_zone import is_time_zone


def check_zone(zone: str) -> None:
    """Raise InvalidInput for an unknown zone, which comes from `--tz`."""
    if not is_time_zone(zone):
        raise InvalidInput(
            f"unknown zone {zone!r}", where="--tz", hint='Write an IANA name such as "Europe/Amsterdam".'
        )
