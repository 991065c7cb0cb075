"""Migrated, empty PostgreSQL databases: one is made, and emptied after each test that used it.

To make and to drop a database takes several times the processor time of emptying one. A database of which a test changed
more than the rows is dropped. Each test sees another name, so that a process of an earlier test can't connect.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.errors import ObjectInUse
from psycopg.sql import SQL, Identifier
from sqlalchemy import make_url

SPARE = "spare"
TRIES = 20  # to take a database back
TABLES = (
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY oid"
)
SEQUENCES = "SELECT sequencename::text, last_value FROM pg_sequences ORDER BY 1"
OWN = 16384  # the first number of what is not PostgreSQL's own
# Catalogues whose rows TRUNCATE leaves as they are. `xmin` is the transaction that wrote a row.
CATALOGUES = {
    "pg_attribute": "attrelid",
    "pg_attrdef": "oid",
    "pg_trigger": "oid",
    "pg_proc": "oid",
    "pg_constraint": "oid",
    "pg_index": "indexrelid",
    "pg_rewrite": "oid",
    "pg_type": "oid",
    "pg_namespace": "oid",
    "pg_extension": "oid",
    "pg_policy": "oid",
    "pg_sequence": "seqrelid",
    "pg_default_acl": "oid",
    "pg_statistic": "starelid",
    "pg_statistic_ext": "oid",
}
SCHEMA = f"""
SELECT array_agg((oid, relname, relnamespace, relkind, relowner, relacl, reloptions)::text ORDER BY oid)::text
    FROM pg_class WHERE oid >= {OWN}
UNION ALL SELECT array_agg((relpages, reltuples)::text ORDER BY oid)::text FROM pg_class WHERE oid >= {OWN} AND relkind = 'r'
UNION ALL SELECT array_agg(nspacl::text ORDER BY oid)::text FROM pg_namespace
UNION ALL SELECT (datdba, datacl, datconnlimit, datallowconn)::text FROM pg_database WHERE datname = current_database()
UNION ALL SELECT array_agg((setrole, setconfig)::text ORDER BY setrole)::text
    FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database()
""" + "".join(
    f"UNION ALL SELECT (count(*), sum(xmin::text::bigint))::text FROM {name} WHERE {number} >= {OWN}\n"
    for name, number in CATALOGUES.items()
)


class PostgresqlDatabases:
    """Copies of the template, which is a migrated database without open connections."""

    def __init__(self, template: str) -> None:
        self._template = make_url(template)
        self._names = (f"test_{number}" for number in itertools.count())
        self.has_spare = False
        self._maintenance = self._connect("postgres")
        with self._connect(self._template.database) as connection:
            self._schema = _all(connection, SCHEMA)
            self._tables = [name for (name,) in _all(connection, TABLES)]
            self._sequences = _all(connection, SEQUENCES)
            self._rows = {name: _rows(connection, name) for name in self._filled(connection)}

    def close(self) -> None:
        self._maintenance.close()

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The URL of a migrated, empty database."""
        name = next(self._names)
        if self.has_spare:
            self._maintain("ALTER DATABASE {} RENAME TO {}", SPARE, name)
        else:
            self._maintain("CREATE DATABASE {} TEMPLATE {}", name, str(self._template.database))
        self.has_spare = False
        yield self._url(name)
        self._take_back(name)
        self.has_spare = self._is_as_new()
        if not self.has_spare:
            self._maintain("DROP DATABASE {} WITH (FORCE)", SPARE)

    def _take_back(self, name: str) -> None:
        """Rename a database that was lent, after its sessions have ended. A thread of the test may begin another one."""
        for remaining in range(TRIES, 0, -1):
            self._maintenance.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            try:
                self._maintain("ALTER DATABASE {} RENAME TO {}", name, SPARE)
            except ObjectInUse:
                if remaining == 1:
                    raise
            else:
                return

    def _is_as_new(self) -> bool:
        """Empty the spare database, and say whether only its rows had changed."""
        with self._connect(SPARE) as connection:
            # So that no trigger fires, whatever the default of the database is.
            connection.execute(
                "SET default_transaction_read_only = off; SET session_replication_role = replica"
            )
            if [name for (name,) in _all(connection, TABLES)] != self._tables:
                return False
            used = dict.fromkeys([*self._filled(connection), *self._rows])
            connection.execute(SQL("TRUNCATE {} CASCADE").format(SQL(", ").join(map(Identifier, used))))
            connection.execute(f"DELETE FROM pg_statistic WHERE starelid >= {OWN}")
            for name, rows in self._rows.items():
                with connection.cursor().copy(SQL("COPY {} FROM STDIN").format(Identifier(name))) as copy:
                    copy.write(rows)
            for (name, now), (_, value) in zip(_all(connection, SEQUENCES), self._sequences, strict=True):
                if now != value:
                    connection.execute("SELECT setval(%s, %s, %s)", [name, value or 1, value is not None])
            return _all(connection, SCHEMA) == self._schema

    def _filled(self, connection: psycopg.Connection[Any]) -> list[str]:
        """The tables that have rows."""
        asked = SQL(", ").join(
            SQL("EXISTS (SELECT FROM {})").format(Identifier(name)) for name in self._tables
        )
        (answers,) = connection.execute(SQL("SELECT {}").format(asked)).fetchall()
        return [name for name, answer in zip(self._tables, answers, strict=True) if answer]

    def _maintain(self, statement: str, *names: str) -> None:
        self._maintenance.execute(SQL(statement).format(*map(Identifier, names)))

    def _connect(self, name: str | None) -> psycopg.Connection[Any]:
        return psycopg.connect(self._url(name), autocommit=True)

    def _url(self, name: str | None) -> str:
        return self._template.set(database=name).render_as_string(hide_password=False)


def _all(connection: psycopg.Connection[Any], query: str) -> list[Any]:
    return connection.execute(query).fetchall()


def _rows(connection: psycopg.Connection[Any], name: str) -> bytes:
    with connection.cursor().copy(SQL("COPY {} TO STDOUT").format(Identifier(name))) as copy:
        return b"".join(bytes(block) for block in copy)
