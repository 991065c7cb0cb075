"""Names of time zones from outside: settings, options of commands and send windows."""

from __future__ import annotations

from zoneinfo import ZoneInfo

# The same zones once more, in folders of their own: "right" counts leap seconds.
_COPIES = ("posix/", "right/")


def is_time_zone(name: str) -> bool:
    """Whether the system's IANA database has a zone of this name.

    `zoneinfo.available_timezones` says the same, but reads the whole database for it, some 600 files.
    """
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # not a relative name, no such file, a folder, not a zone
        return False
    return not name.startswith(_COPIES)
