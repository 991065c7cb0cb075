"""The check of the key that signs the consent ledger."""

from __future__ import annotations

from mailer.config import Settings, ledger_key
from mailer.database import Database, is_ledger_signed
from mailer.doctor.checks import open_to_others
from mailer.doctor.results import CheckLevel, CheckResult, failure
from mailer.errors import ConfigurationError, MailerError

_CHECK = "ledger key"


def signed_ledger(settings: Settings, base: Database) -> CheckResult | None:
    """Check that there is a key, for its owner only, and that it signs. No result where the database does not answer."""
    path = settings.ledger_key_file
    try:
        key = ledger_key.read(path)
    except ConfigurationError as error:
        return failure(_CHECK, error)
    try:
        with base.read() as connection:
            is_signed = is_ledger_signed(connection)
    except MailerError:
        return None
    if key is None and is_signed:
        message = f"{path} is missing: no consent can be recorded, and nothing is sent"
        return CheckResult(_CHECK, CheckLevel.FAIL, message, "Restore the file from your copy.")
    if key is None:
        message = "the consent ledger is not signed: whoever can write to the database can add consents"
        hint = "Run `mailer keys ledger`, then `mailer consent sign`."
        return CheckResult(_CHECK, CheckLevel.WARN, message, hint)
    if open_to_others(path):
        message, hint = f"{path} can be read by other users", f"Run: chmod 600 {path}"
        return CheckResult(_CHECK, CheckLevel.FAIL, message, hint)
    return CheckResult(
        _CHECK, CheckLevel.OK, "the consent ledger is signed" if is_signed else "there is a key"
    )
