"""A prepared statement does what SQLAlchemy's own execution does, on both engines."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import bindparam, select, update

from mailer.database import AnyOf, Database, Prepared, pipelined
from mailer.database.columns import table
from mailer.errors import MailerError
from subscribers.models import Subscriber
from tests.support.campaign import subscribe

subscriber = table(Subscriber)
MOMENT = datetime(2026, 11, 22, 13, 30, 0, 123456, tzinfo=timezone(timedelta(hours=1)))

RENAME = Prepared(
    update(subscriber)
    .where(AnyOf(subscriber.c.id, "ids"), subscriber.c.salutation == "Ms")
    .values(surname=bindparam("name"), created_at=bindparam("at", type_=subscriber.c.created_at.type))
    .returning(subscriber.c.id, subscriber.c.surname, subscriber.c.created_at)
)


@pytest.mark.parametrize("chosen", [[], [0], [0, 2, 4]])
def test_it_writes_and_reads_values_as_their_types_want_it(database: Database, chosen: list[int]) -> None:
    people = subscribe(database, 5)
    ids = [people[position] for position in chosen]
    with database.write() as connection:
        rows = RENAME.rows(connection, {"ids": ids, "name": "'t Hooft % ?", "at": MOMENT})
    assert sorted(rows) == [(number, "'t Hooft % ?", MOMENT.astimezone(UTC)) for number in ids]
    with database.read() as connection:
        renamed = select(subscriber.c.id).where(subscriber.c.created_at == MOMENT)
        assert list(connection.execute(renamed.order_by(subscriber.c.id)).scalars()) == ids


def test_it_runs_once_for_each_row_with_what_they_share(database: Database) -> None:
    people = subscribe(database, 3)
    statement = Prepared(
        update(subscriber)
        .where(subscriber.c.id == bindparam("number"))
        .values(surname=bindparam("name"), first_name=bindparam("first")),
        each=("number", "name"),
    )
    with database.write() as connection:
        rows = [(number, f"n{number}") for number in people[:2]]
        statement.run_each(connection, rows, {"first": "Sam"})
    with database.read() as connection:
        found = connection.execute(
            select(subscriber.c.surname, subscriber.c.first_name).order_by(subscriber.c.id)
        )
        assert [tuple(row) for row in found] == [
            (f"n{people[0]}", "Sam"),
            (f"n{people[1]}", "Sam"),
            ("de Vries 3", "Zoë"),
        ]


@pytest.mark.parametrize("together", [False, True])
def test_what_a_driver_complains_of_is_an_error_of_ours_and_repeats_no_value(
    database: Database, together: bool
) -> None:
    (person,) = subscribe(database, 1)
    values = {"ids": [person], "name": None, "at": MOMENT}
    way = pipelined if together else nullcontext
    with (
        pytest.raises(MailerError, match=r"refused a statement: \w+\.$"),
        database.write() as connection,
        way(connection),
    ):
        RENAME.run(connection, values)
    with database.write() as connection:
        assert RENAME.rows(connection, values | {"ids": [], "name": "x"}) == []


def test_statements_that_go_out_together_are_all_done(database: Database) -> None:
    people = subscribe(database, 2)
    with database.write() as connection, pipelined(connection):
        for number, name in zip(people, ("a", "b"), strict=True):
            RENAME.run(connection, {"ids": [number], "name": name, "at": MOMENT})
    with database.read() as connection:
        found = connection.execute(select(subscriber.c.surname).order_by(subscriber.c.id)).scalars()
        assert list(found) == ["a", "b"]
