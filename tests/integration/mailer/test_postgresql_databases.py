"""A database that a test leaves to the next one is as new."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from mailer.database import Database
from tests.support.campaign import draft, subscribe
from tests.support.postgresql_databases import PostgresqlDatabases


def use(databases: PostgresqlDatabases, *statements: str) -> dict[str, object]:
    """What is in the next database, before two people are added to it and `statements` are executed."""
    with databases.lent() as url:
        database = Database(url)
        with database.engine.begin() as connection:
            asked = {
                "rows": "SELECT (SELECT count(*) FROM subscriber) + (SELECT count(*) FROM consent_event)",
                "installations": "SELECT count(*) FROM installation",
                "size": "SELECT relpages FROM pg_class WHERE relname = 'subscriber'",
                "statistics": "SELECT count(*) FROM pg_statistic WHERE starelid = 'subscriber'::regclass",
                "triggers": "SELECT min(tgenabled::text) FROM pg_trigger WHERE NOT tgisinternal",
                "constraints": "SELECT count(*) FROM pg_constraint",
                "zone": "SHOW timezone",
            }
            found = {name: connection.execute(text(query)).scalar_one() for name, query in asked.items()}
        found["first number"] = subscribe(database, 2)[0]
        draft(database)
        with database.engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        database.close()
    return found


def test_the_rows_of_a_test_are_gone_and_the_database_is_the_same(
    postgresql_databases: PostgresqlDatabases,
) -> None:
    for _ in range(3):  # the server's own autovacuum may change a table's statistics meanwhile
        new = use(postgresql_databases, "ANALYZE subscriber")
        if postgresql_databases.has_spare:
            break
    assert postgresql_databases.has_spare
    assert use(postgresql_databases) == new
    assert (new["rows"], new["installations"], new["first number"]) == (0, 1, 1)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE consent_event DISABLE TRIGGER USER",
        "ALTER TABLE consent DROP CONSTRAINT pk_consent",
        "DROP TABLE consent",
        "CREATE TABLE another (id integer)",
        "ANALYZE heartbeat",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''Asia/Tokyo''', current_database()); END $$",
        "GRANT SELECT ON subscriber TO PUBLIC",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    ],
)
def test_a_database_in_which_more_than_rows_changed_is_not_left_to_the_next_test(
    postgresql_databases: PostgresqlDatabases, change: str
) -> None:
    new = use(postgresql_databases, change)
    assert not postgresql_databases.has_spare
    assert use(postgresql_databases) == new
