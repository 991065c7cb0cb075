"""Who gets the proofs of campaigns, by the settings."""

from __future__ import annotations

from mailer.config import Settings
from mailer.errors import InvalidInput
from mailer.message import Mailbox


def proof_recipients(settings: Settings) -> list[str]:
    """The addresses of all of them. Raises InvalidInput as `parse_proof_recipient`."""
    return [parse_proof_recipient(settings, number) for number in range(len(settings.proof_recipients))]


def parse_proof_recipient(settings: Settings, number: int) -> str:
    """The address of one of them. Raises InvalidInput, which names its place and not the address."""
    try:
        return Mailbox.parse(settings.proof_recipients[number]).email
    except InvalidInput as error:
        where = f"proof_recipients in the settings, number {number + 1}"
        raise InvalidInput(error.reason, where=where, hint='Write it as "you@acme.example".') from None
