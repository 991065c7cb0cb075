"""The key with which the tests sign ledgers: in the databases of the fixtures, and beside settings files."""

from __future__ import annotations

from pathlib import Path

from mailer.config import ledger_key
from mailer.config.ledger_key import LedgerKey
from mailer.database import Database
from subscribers.ledger import LedgerSigner

LEDGER_KEY = LedgerKey("example.com/consent-ledger/0", bytes(range(32)))


def signed(database: Database, key: LedgerKey | None = LEDGER_KEY) -> Database:
    """The same database, whose ledger is signed with `key`."""
    database.attach(LedgerSigner(lambda: key))
    return database


def sign_as_commands_do(database: Database) -> None:
    """Sign the ledger of a database that is none of the fixtures': with the key that lies beside its file, if any."""
    if database._attached:
        return
    beside = Path(database.url.database or "").with_name("mailer.ledger.key")
    if not database.is_sqlite:
        signed(database)
    elif beside.exists():
        database.attach(LedgerSigner.of_file(beside))


def write_key(folder: Path) -> None:
    """Put the key beside the settings."""
    path = folder / "mailer.ledger.key"
    if not path.exists():
        ledger_key.write(LEDGER_KEY, path)
