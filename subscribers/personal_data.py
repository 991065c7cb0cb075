"""Holders of personal data: each package that holds some declares what it shows of a person, and what it erases.

`subscribers` can't see the tables of the layers above it. So `cli.py` and `web.py` attach their holders to the
database, and access, export and erasure ask all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection

from mailer.database import attached


class PersonalDataHolder(Protocol):
    """A package that holds data about people. `name` is the key of its data in an export."""

    @property
    def name(self) -> str: ...

    @property
    def tables(self) -> frozenset[str]:
        """The tables in which a row is about a person."""

    def find(self, connection: Connection, subscriber_id: int) -> list[dict[str, Any]]:
        """What there is about a person, as plain values with readable names, oldest first."""

    def erase(self, connection: Connection, subscriber_id: int) -> None:
        """Erase what leads to the person or may name them. Needs a writing transaction."""


class PersonalDataHolders(NamedTuple):
    """The holders of the layers above, for `Database.attach`. `load` is called at the first use."""

    load: Callable[[], Sequence[PersonalDataHolder]]


def holders_of(connection: Connection) -> Sequence[PersonalDataHolder]:
    """The holders that were attached to the connection's database."""
    found = attached(connection, PersonalDataHolders)
    return found.load() if found is not None else ()


OWN_TABLES = frozenset(
    {
        "subscriber",
        "consent",
        "consent_note",
        "consent_event",
        "suppression",
        "pending_request",
        "service_mail",
        "operator_act",
        "former_subscriber",
        "archiving_hold",
    }
)
"""The tables about people that `look_up` and `erase` of `subscribers.rights` see to themselves.

The entries of the ledger and of the operator's log remain after an erasure; their numbers then lead to nobody.
"""
