"""Sign a ledger that has no signature of its key yet."""

from __future__ import annotations

from sqlalchemy import Connection, update

from mailer.errors import ConfigurationError, Refused
from subscribers.ledger.checkpoint import signer_of
from subscribers.ledger.head_file import HeadFile
from subscribers.ledger.ledger import lock
from subscribers.ledger.safety import check_consents, check_entries
from subscribers.ledger.tiles import read_stored
from subscribers.ledger.walk import check_wordings
from subscribers.tables import CHECKPOINT


def sign_as_it_is(connection: Connection, head_file: HeadFile, *, anew: bool = False) -> int:
    """Sign the ledger as it is; returns how many entries it has. Needs a writing transaction.

    `anew` replaces what another key signed, and leaves the head file out. Raises BrokenEntry where entries, tree and
    consents do not go together, Refused where the ledger was signed already, ConfigurationError without a key.
    """
    lock(connection)
    signer = signer_of(connection)
    if signer is None or signer.key is None:
        raise ConfigurationError(
            "There is no key that signs the ledger.", hint="Make it: `mailer keys ledger`."
        )
    stored = read_stored(connection)
    if not anew and stored.signed is not None and signer.open(stored.signed) is not None:
        raise Refused(
            "The ledger is signed already; each new entry is signed when it is recorded.",
            hint="Check it: `mailer consent verify`.",
        )
    if not anew and (stored.signed is not None or head_file.is_signed()):
        raise Refused(
            "The ledger was signed before; a signature that is gone or of another key shows that it was tampered with.",
            hint="Run `mailer consent verify`. Only where you know why, such as a key that was lost: --anew.",
        )
    check_entries(connection, check_wordings(connection))
    check_consents(connection)
    frontier = stored.frontier
    connection.execute(update(CHECKPOINT).values(signed=signer.sign(frontier.size, frontier.root)))
    return frontier.size
