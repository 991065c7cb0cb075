"""Who approved a campaign, and whether enough different people did.

An approval is of the frozen content, by its hash. Approvals of former content never count.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from itertools import combinations
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, or_, select

from campaigns.campaign import Campaign
from campaigns.states import CampaignState
from campaigns.tables import approval
from mailer.config import Settings
from mailer.errors import Refused
from mailer.quantity import quantity

WAITING = frozenset(
    {CampaignState.DRAFT, CampaignState.APPROVED, CampaignState.SCHEDULED, CampaignState.MISSED}
)


class Approver(NamedTuple):
    """The approver: the given name, and the login on this machine by the operating system."""

    name: str | None
    login: str | None

    def __str__(self) -> str:
        login = f"login {self.login or 'unknown'}"
        return f"{self.name}, {login}" if self.name else login


class Approval(NamedTuple):
    """One approval: by whom, when, of which content (SHA-256, hex), and how many people were to get it then."""

    by: Approver
    approved_at: datetime
    audience: int
    content_hash: str

    def values(self) -> dict[str, object]:
        """The approval for JSON."""
        return {
            "name": self.by.name,
            "login": self.by.login,
            "approved_at": self.approved_at,
            "audience": self.audience,
            "content_hash": self.content_hash,
        }


class ApprovalRule(NamedTuple):
    """How many different people must approve, and the names that count although they share a login."""

    required: int = 0
    approvers: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> ApprovalRule:
        """The rule of these settings."""
        return cls(settings.require_approval, settings.approvers)

    def are_different(self, one: Approver, other: Approver) -> bool:
        """Whether two approvers count as two people.

        One name is one person. One login is one person, unless both names are among the `approvers`.
        """
        names = [_folded(each.name) for each in (one, other)]
        if names[0] and names[0] == names[1]:
            return False
        if one.login is not None and other.login is not None and one.login != other.login:
            return True
        return {*names} <= {_folded(each) for each in self.approvers}


NO_APPROVAL = ApprovalRule()


class ApprovalStatus(NamedTuple):
    """The approvals of a campaign, newest first; those that count, and how many people are `missing`.

    `awaited` has the `approvers` of the settings who have not approved, while somebody is missing.
    """

    required: int
    given: tuple[Approval, ...]
    counted: tuple[Approval, ...]
    missing: int
    awaited: tuple[str, ...]

    def values(self) -> dict[str, object]:
        """The approvals for JSON. `approved_by`, `approved_login` and `approved_audience` are of the newest."""
        newest = self.given[0] if self.given else None
        return {
            "approved_by": newest and newest.by.name,
            "approved_login": newest and newest.by.login,
            "approved_audience": newest and newest.audience,
            "approvals_required": self.required,
            "approvals_missing": self.missing,
            "approvals_awaited": list(self.awaited),
            "approvals": [one.values() | {"counts": one in self.counted} for one in self.given],
        }

    def waits_for(self) -> str:
        """Whom it waits for, such as "the approval of 1 more person (Ada or Bram)"."""
        more = "more " if self.counted else ""
        people = quantity(self.missing, f"{more}person", f"{more}people")
        names = f" ({' or '.join(self.awaited)})" if self.awaited else ""
        return f"the approval of {people}{names}"

    def refuse_if_missing(self, slug: str) -> None:
        """Raise Refused, with whom it waits for, where too few people approved."""
        if not self.missing:
            return
        hint = f"Look at it with `mailer campaigns preview {slug}`, then `mailer campaigns approve {slug}`."
        if not self.given:
            by = f" by {self.required} people" if self.required > 1 else ""
            raise Refused(f"Campaign {slug!r} is not approved yet{by}.", hint=hint)
        if uncounted := self.uncounted_reason():
            hint = f"{uncounted} {hint}"
        given = "; ".join(str(one.by) for one in reversed(self.given))
        raise Refused(
            f"Campaign {slug!r} is not approved yet: it waits for {self.waits_for()}. Approved by: {given}.",
            hint=hint,
        )

    def uncounted_reason(self) -> str:
        """Why an approval does not count beside the others; empty where all that are needed do."""
        if not self.missing or len(self.given) == len(self.counted):
            return ""
        return (
            "Approvals under one name, or from one login, count as those of one person. "
            "People who share a login count where `approvers` in the settings has both names."
        )


def judge(
    given: Sequence[Approval], rule: ApprovalRule, content_hash: str | None, *, waits: bool
) -> ApprovalStatus:
    """Which of the approvals, newest first, count under the rule: the largest set of different people.

    Only a campaign that `waits` to be sent misses an approval.
    """
    valid = [one for one in given if one.content_hash == content_hash]
    counted = _different(valid, rule)
    missing = max(rule.required - len(counted), 0) if waits else 0
    names = {_folded(one.by.name) for one in valid}
    awaited = tuple(name for name in rule.approvers if _folded(name) not in names) if missing else ()
    return ApprovalStatus(rule.required, tuple(given), counted, missing, awaited)


def status(connection: Connection, campaign: Campaign, rule: ApprovalRule) -> ApprovalStatus:
    """The approvals of a campaign under the rule."""
    given = read(connection, campaign.id)
    return judge(given, rule, campaign.content_hash, waits=campaign.state in WAITING)


def read(connection: Connection, campaign_id: int) -> list[Approval]:
    """The approvals of a campaign, newest first."""
    statement = select(approval).where(approval.c.campaign_id == campaign_id).order_by(approval.c.id.desc())
    return [
        Approval(Approver(row.name, row.login), row.approved_at, row.audience, row.content_hash)
        for row in connection.execute(statement)
    ]


def record(connection: Connection, campaign_id: int, made: Approval) -> None:
    """Record an approval. It replaces the earlier one of the same name and login, and all those of other content."""
    replaced = approval.c.name.is_not_distinct_from(made.by.name) & approval.c.login.is_not_distinct_from(
        made.by.login
    )
    connection.execute(
        delete(approval).where(
            approval.c.campaign_id == campaign_id,
            or_(replaced, approval.c.content_hash != made.content_hash),
        )
    )
    connection.execute(insert(approval).values(made.values() | {"campaign_id": campaign_id}))


def drop(connection: Connection, campaign_id: int) -> None:
    """Drop the approvals of a campaign, because its content changes."""
    connection.execute(delete(approval).where(approval.c.campaign_id == campaign_id))


def _different(given: Sequence[Approval], rule: ApprovalRule) -> tuple[Approval, ...]:
    """The newest approvals by as many different people as the rule asks for, or else by as many as there are."""
    for number in range(min(max(rule.required, 1), len(given)), 0, -1):
        for chosen in combinations(given, number):
            if all(rule.are_different(one.by, other.by) for one, other in combinations(chosen, 2)):
                return chosen
    return ()


def _folded(name: str | None) -> str:
    """A name for comparison: without differences of case, spaces and Unicode form."""
    return " ".join(unicodedata.normalize("NFKC", name or "").casefold().split())
