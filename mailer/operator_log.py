"""The operator's log: who read or changed personal data with a command, when, and of how many people.

A row holds numbers of people, never an address or a name. A disclosure to somebody outside also holds to whom and on
what ground (GDPR art. 5(2), 15(1)(c), 30).
"""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Collection, Generator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Row, String, Table, and_, func, insert, not_, select, update
from sqlalchemy import table as lexical_table

from mailer.database import BIG, TABLES, UTCDateTime
from mailer.retention import ExpiredRows

MOST_IDS = 10
LONGEST_LOGIN = 100


ACT = Table(
    "operator_act",
    TABLES,
    Column("id", BIG, primary_key=True),
    Column("at", UTCDateTime),
    Column("login", String(LONGEST_LOGIN)),
    Column("command", String(200)),
    Column("people", BIG),
    Column("subscriber_ids", String(250)),
    Column("disclosed_to", String(200)),
    Column("ground", String(500)),
)
_PEOPLE = lexical_table("subscriber")  # this package counts them and knows nothing else about them


@dataclass(frozen=True, slots=True)
class Disclosure:
    """To whom outside personal data were disclosed, and on what ground."""

    to: str
    ground: str


@dataclass(slots=True)
class PeopleConcerned:
    """The people whom an act concerns: their number, and their ids where there are at most ten."""

    number: int | None = None
    ids: Collection[int] = field(default_factory=tuple)

    @classmethod
    def of(cls, ids: Collection[int]) -> PeopleConcerned:
        """These people."""
        return cls(len(ids), ids if len(ids) <= MOST_IDS else ())


@dataclass(frozen=True, slots=True)
class OperatorAct:
    """A row of the log. `people` is None where the command was broken off."""

    id: int
    at: datetime
    login: str
    command: str
    people: int | None
    subscriber_ids: tuple[int, ...]
    disclosed_to: str | None
    ground: str | None


def login() -> str:
    """The login name of this process's owner, by the operating system and not by a variable."""
    user = os.getuid()
    try:
        return pwd.getpwuid(user).pw_name[:LONGEST_LOGIN]
    except KeyError:  # in a container, the number may have no name
        return f"uid {user}"


def record(
    connection: Connection,
    command: str,
    people: PeopleConcerned,
    now: datetime,
    disclosure: Disclosure | None = None,
) -> int:
    """Record an act of this process's owner; returns the row's id. Needs a writing transaction."""
    row = {
        "at": now,
        "login": login(),
        "command": command,
        "people": people.number,
        "subscriber_ids": _ids_text(people.ids),
        "disclosed_to": disclosure.to if disclosure else None,
        "ground": disclosure.ground if disclosure else None,
    }
    act_id: int = connection.execute(insert(ACT).values(row).returning(ACT.c.id)).scalar_one()
    return act_id


def complete(connection: Connection, act_id: int, people: PeopleConcerned) -> None:
    """Record of how many people an act that was recorded at its start was."""
    values = {"people": people.number, "subscriber_ids": _ids_text(people.ids)}
    connection.execute(update(ACT).where(ACT.c.id == act_id).values(values))


def everybody(connection: Connection) -> PeopleConcerned:
    """All people on file, for what concerns the whole database."""
    return PeopleConcerned(connection.execute(select(func.count()).select_from(_PEOPLE)).scalar_one())


def read(
    connection: Connection, *, since: datetime | None = None, until: datetime | None = None
) -> Generator[OperatorAct]:
    """The acts from `since` on and before `until`, oldest first."""
    statement = select(ACT).order_by(ACT.c.id).execution_options(yield_per=1000)
    if since is not None:
        statement = statement.where(ACT.c.at >= since)
    if until is not None:
        statement = statement.where(ACT.c.at < until)
    with connection.execute(statement) as rows:
        yield from map(_act, rows)


def disclosures_of(connection: Connection, subscriber_id: int) -> list[OperatorAct]:
    """The disclosures of one person's data, oldest first."""
    of_person = select(ACT).where(
        ACT.c.disclosed_to.is_not(None), ACT.c.subscriber_ids == _ids_text([subscriber_id])
    )
    return [_act(row) for row in connection.execute(of_person.order_by(ACT.c.id))]


def last_of(connection: Connection, command: str) -> datetime | None:
    """When `command` was last recorded. That is not the latest time where a clock was ahead."""
    newest = select(ACT.c.at).where(ACT.c.command == command).order_by(ACT.c.id.desc()).limit(1)
    found: datetime | None = connection.execute(newest).scalar_one_or_none()
    return found


def expired(acts_before: datetime, disclosures_before: datetime) -> list[ExpiredRows]:
    """The acts and the disclosures from before these moments."""
    is_disclosure = ACT.c.disclosed_to.is_not(None)
    return [
        ExpiredRows("operator_log", ACT.c.id, and_(ACT.c.at <= acts_before, not_(is_disclosure))),
        ExpiredRows("disclosures", ACT.c.id, and_(ACT.c.at <= disclosures_before, is_disclosure)),
    ]


def _act(row: Row[Any]) -> OperatorAct:
    values = row._asdict()
    return OperatorAct(**values | {"subscriber_ids": tuple(json.loads(values["subscriber_ids"]))})


def _ids_text(ids: Collection[int]) -> str:
    return json.dumps(sorted(ids), separators=(",", ":"))
