"""Check SPF (RFC 7208): exactly one valid record, with at most ten look-ups."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailer.doctor.dns import Lookup

MOST_LOOKUPS = 10  # section 4.6.4
_ENOUGH = 30  # look-ups after which nothing more is followed: receivers gave up long before
_MECHANISM = re.compile(r"[+?~-]?(all|include|a|mx|ptr|ip4|ip6|exists)(?=$|[:/])(.*)", re.IGNORECASE)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Spf:
    """A domain's record, its number of look-ups, and the permanent error that receivers find, if any."""

    text: str | None
    lookups: int = 0
    problem: str | None = None


def check(domain: str, lookup: Lookup) -> Spf:
    """Read a domain's record and those that it includes. Raises what `lookup` raises.

    Counted are the terms that ask DNS. What macros lead to is not followed, nor are the hosts that `mx` names
    counted.
    """
    texts = _records(domain, lookup)
    if not texts:
        return Spf(None)
    counter = _Counter(lookup)
    counter.read(domain, texts, ())
    return Spf(texts[0], counter.lookups, counter.problem)


def _records(domain: str, lookup: Lookup) -> tuple[str, ...]:
    return tuple(text for text in lookup(domain) if re.match(r"v=spf1( |$)", text, re.IGNORECASE))


class _Counter:
    """Follows includes and redirects, and stops at the first problem."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self.lookups = 0
        self.problem: str | None = None

    def read(self, domain: str, texts: tuple[str, ...], above: tuple[str, ...]) -> None:
        if len(texts) > 1:
            self.problem = f"{domain} has {len(texts)} SPF records; there may be one"
            return
        redirect, catches_all = None, False
        for term in texts[0].split()[1:]:
            if (found := _MECHANISM.fullmatch(term)) is not None:
                kind = found[1].lower()
                catches_all = catches_all or kind == "all"
                self._mechanism(kind, found[2].lstrip(":"), (*above, domain))
            elif (modifier := _MODIFIER.fullmatch(term)) is not None:
                redirect = modifier[2] if modifier[1].lower() == "redirect" else redirect
            else:
                self.problem = f"{domain}: {term!r} is not a term of SPF"
            if self.problem:
                return
        if redirect is not None and not catches_all:
            self._follow(redirect, (*above, domain))

    def _mechanism(self, kind: str, target: str, path: tuple[str, ...]) -> None:
        if kind == "include":
            self._follow(target, path)
        elif kind in ("a", "mx", "ptr", "exists"):
            self.lookups += 1

    def _follow(self, target: str, path: tuple[str, ...]) -> None:
        self.lookups += 1
        name = target.lower().rstrip(".")
        if "%" in name or self.lookups > _ENOUGH:
            return  # with a macro, which record it leads to depends on the mail
        if name in path:
            self.problem = f"{path[-1]} includes {name}, which leads back to itself"
            return
        texts = _records(name, self._lookup)
        if not texts:
            self.problem = f"{path[-1]} includes {name}, which has no SPF record"
            return
        self.read(name, texts, path)
