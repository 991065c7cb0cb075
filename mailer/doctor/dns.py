"""Look up TXT records in DNS."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from dns.exception import DNSException
from dns.resolver import NXDOMAIN, NoAnswer, Resolver

Lookup: TypeAlias = Callable[[str], tuple[str, ...]]
"""Looks up the TXT records of a name, as `txt_records` does."""

_TIMEOUT_SECONDS = 4.0


class LookupFailed(Exception):
    """DNS did not answer. The record may exist."""


def txt_records(name: str) -> tuple[str, ...]:
    """The TXT records of `name`, each with its strings joined; none where there is no such name.

    Takes at most some seconds. Raises LookupFailed.
    """
    try:
        resolver = Resolver()
        resolver.lifetime = _TIMEOUT_SECONDS
        answer = resolver.resolve(name, "TXT")
    except (NXDOMAIN, NoAnswer):
        return ()
    except DNSException as error:
        raise LookupFailed(type(error).__name__) from None
    return tuple(b"".join(record.strings).decode("utf-8", "replace") for record in answer)
