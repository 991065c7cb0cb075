"""What PostgreSQL's driver says while connecting, and whether waiting helps."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from mailer.database.driver_errors import is_broken_off, translated_errors
from mailer.errors import ConfigurationError, MailerError, TryAgainLater

URL = make_url("postgresql://mailer:hunter2hunter2@db.example/mailer")
SERVER = 'connection failed: connection to server at "192.0.2.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ('FATAL:  password authentication failed for user "mailer"', ConfigurationError),
        (
            'FATAL:  no pg_hba.conf entry for host "192.0.2.9", user "mailer", no encryption',
            ConfigurationError,
        ),
        ('FATAL:  database "mailer" does not exist', ConfigurationError),
        (
            'root certificate file "/etc/ca.pem" does not exist\nEither provide the file, ...',
            ConfigurationError,
        ),
        ("SSL error: certificate verify failed", ConfigurationError),
        ('server certificate for "a.example" does not match host name "db.example"', ConfigurationError),
        ("server does not support SSL, but SSL was required", ConfigurationError),
        ("fe_sendauth: no password supplied", ConfigurationError),
        ("Connection refused\n\tIs the server running on that host?", TryAgainLater),
        ("timeout expired", TryAgainLater),
        ("FATAL:  the database system is starting up", TryAgainLater),
        ("FATAL:  the database system is shutting down", TryAgainLater),
        ("FATAL:  sorry, too many clients already", TryAgainLater),
        (
            "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
            TryAgainLater,
        ),
        ('FATAL:  too many connections for role "mailer"', TryAgainLater),
    ],
)
def test_only_what_waiting_can_mend_is_to_be_tried_again(said: str, kind: type[MailerError]) -> None:
    with pytest.raises(MailerError) as caught, translated_errors(URL):
        raise OperationalError(None, None, psycopg.OperationalError(SERVER + said))
    assert type(caught.value) is kind
    assert "\n" not in caught.value.message
    assert "hunter2" not in str(caught.value)


def test_a_password_that_the_driver_repeats_is_masked() -> None:
    with pytest.raises(MailerError) as caught, translated_errors(URL):
        raise OperationalError(
            None, None, psycopg.OperationalError("failed to resolve host 'hunter2hunter2'")
        )
    assert "hunter2" not in str(caught.value)
    assert "***" in str(caught.value)


@pytest.mark.parametrize(
    ("said", "means", "is_off"),
    [
        (sqlite3.OperationalError("attempt to write a readonly database"), "is read-only", True),
        (sqlite3.OperationalError("database or disk is full"), "full or failing", True),
        (sqlite3.OperationalError("disk I/O error"), "full or failing", False),
        (sqlite3.DatabaseError("database disk image is malformed"), "is damaged", False),
        (sqlite3.OperationalError("database is locked"), "away or busy", False),
        (psycopg.errors.ReadOnlySqlTransaction(), "is read-only", True),
        (psycopg.errors.DiskFull(), "full or failing", True),
        (psycopg.errors.IoError(), "full or failing", False),
        (psycopg.errors.DeadlockDetected(), "because of another one", True),
        (psycopg.errors.SerializationFailure(), "because of another one", True),
        (psycopg.errors.DataCorrupted(), "is damaged", False),
        (psycopg.errors.AdminShutdown(), "away or busy", True),
        (psycopg.OperationalError("the connection is lost"), "away or busy", True),
        (psycopg.errors.UndefinedTable(), "no tables", False),
    ],
)
def test_what_breaks_a_transaction_off_is_told_from_damage(said: Exception, means: str, is_off: bool) -> None:
    url = URL if isinstance(said, psycopg.Error) else make_url("sqlite:///mailer.db")
    error = OperationalError(None, None, said)
    assert is_broken_off(error) is is_off
    with pytest.raises(MailerError, match=means), translated_errors(url):
        raise error


def test_what_is_no_error_of_a_driver_breaks_nothing_off() -> None:
    assert not is_broken_off(ValueError("readonly"))
