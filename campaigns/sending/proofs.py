"""Send proofs of a campaign to the team's own addresses."""

from __future__ import annotations

from collections.abc import Sequence

from mailer.config import Settings
from mailer.message import Content
from mailer.smtp import Accepted, Envelope
from mailer.smtp.relays import Relays


async def send_proofs(
    proofs: Sequence[tuple[Envelope, Content]], settings: Settings
) -> list[tuple[bool, str]]:
    """Send them; for each, whether it was accepted, and the relay's reply."""
    replies = []
    async with Relays(settings.every_relay) as relays:
        for envelope, message in proofs:
            async with relays.connection() as connection:
                outcome = await connection.send(envelope, message)
            if isinstance(outcome, Accepted):
                replies.append((True, f"accepted: {outcome.reply}"))
            else:
                replies.append((False, f"{type(outcome).__name__.lower()}: {outcome.reason}"))
    return replies
