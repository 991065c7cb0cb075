"""DMARC as of RFC 9989: the organisational domain by a walk up the DNS tree, alignment, and the policy that applies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mailer.doctor.dns import Lookup

MOST_QUERIES = 8  # RFC 9989 section 4.10: no walk takes more


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A DMARC policy record, and the domain at whose `_dmarc` it stands. Tags are lower case."""

    domain: str
    tags: dict[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def policy(self) -> str:
        """What `p` asks for: none, quarantine or reject; without a valid `p` it is none (section 4.7)."""
        return _policy(self.tags.get("p"), "none")

    @property
    def subdomain_policy(self) -> str:
        """What holds for domains below: `sp`, or else `p`."""
        return _policy(self.tags.get("sp"), self.policy)

    def is_strict(self, tag: str) -> bool:
        """Whether `adkim` or `aspf` asks for the very same domain."""
        return self.tags.get(tag, "r").lower() == "s"


def parse(domain: str, text: str) -> DmarcRecord | None:
    """A TXT record as a DMARC record; None where it is something else (section 4.7)."""
    first, *rest = (part.strip() for part in text.split(";"))
    name, _, value = first.partition("=")
    if name.strip() != "v" or value.strip() != "DMARC1":
        return None
    pairs = (part.partition("=") for part in rest if "=" in part)
    return DmarcRecord(domain, {key.strip().lower(): value.strip() for key, _, value in pairs}, text)


def walk(domain: str, lookup: Lookup) -> Iterator[DmarcRecord]:
    """The records found on the way up from `domain`, `domain`'s own first (section 4.10).

    A name with several records counts as one without. Raises what `lookup` raises.
    """
    for name in _steps(domain):
        found = [record for text in lookup(f"_dmarc.{name}") if (record := parse(name, text))]
        if len(found) == 1:
            yield found[0]
            if found[0].tags.get("psd", "u").lower() in ("y", "n"):
                return


def _steps(domain: str) -> Iterator[str]:
    """`domain` and the names above it that a walk asks for: of a long name the last seven labels come second."""
    labels = domain.lower().rstrip(".").split(".")
    yield ".".join(labels)
    for size in range(min(len(labels) - 1, MOST_QUERIES - 1), 0, -1):
        yield ".".join(labels[-size:])


def organisational_domain(domain: str, lookup: Lookup) -> str:
    """The domain that stands for the organisation to which `domain` belongs (section 4.10.2)."""
    return _organisational(domain, list(walk(domain, lookup)))


def _organisational(domain: str, records: list[DmarcRecord]) -> str:
    domain = domain.lower().rstrip(".")
    for record in records:
        kind = record.tags.get("psd", "u").lower()
        if kind == "n":
            return record.domain
        if kind == "y" and record.domain != domain:
            labels = len(record.domain.split(".")) + 1
            return ".".join(domain.split(".")[-labels:])
    return records[-1].domain if records else domain


def policy_record(domain: str, lookup: Lookup) -> DmarcRecord | None:
    """The record whose policy applies to mail from `domain`: its own, the organisation's, or the public suffix's."""
    records = list(walk(domain, lookup))
    own = {record.domain: record for record in records}
    for name in (domain.lower().rstrip("."), _organisational(domain, records)):
        if name in own:
            return own[name]
    return records[-1] if records else None


def aligned(one: str, other: str, lookup: Lookup, *, strict: bool = False) -> bool:
    """Whether two domains are the same, or unless `strict`, belong to the same organisation (section 4.4)."""
    one, other = one.lower().rstrip("."), other.lower().rstrip(".")
    if one == other or strict:
        return one == other
    return organisational_domain(one, lookup) == organisational_domain(other, lookup)


def _policy(value: str | None, otherwise: str) -> str:
    found = (value or "").lower()
    return found if found in ("none", "quarantine", "reject") else otherwise
