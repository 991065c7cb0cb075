"""Make the key that signs the consent ledger."""

from __future__ import annotations

from mailer.commands.context import CommandContext
from mailer.config import ledger_key
from mailer.database import is_ledger_signed
from mailer.errors import ConfigurationError
from mailer.message import headers


def make_ledger_key(context: CommandContext, *, replace_lost: bool = False) -> bool:
    """Make the key where there is none; returns whether it was made.

    Raises ConfigurationError where the ledger was signed with a key that is gone, unless `replace_lost`.
    """
    path = context.settings.ledger_key_file
    if ledger_key.read(path) is not None:
        return False
    if not replace_lost and _is_signed(context):
        raise ConfigurationError(
            f"{path} is missing, and this database's consent ledger was signed with it.",
            hint="Restore the file from your copy. If it is lost for good, `mailer init --new-key` makes a new one and "
            "`mailer consent sign --anew` signs with it; proofs of before are then checked with the former public key.",
        )
    ledger_key.write(ledger_key.fresh(headers.ascii_domain(context.settings.sender.domain)), path)
    return True


def _is_signed(context: CommandContext) -> bool:
    if not context.database.is_current():
        return False
    with context.database.read() as connection:
        return is_ledger_signed(connection)
