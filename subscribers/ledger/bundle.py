"""A proof of one person's consent for a stranger: entry, nonce, address, wording, path to a signed root."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from mailer.errors import Refused
from subscribers.commitments import commit_to_subject
from subscribers.ledger.anchor import Anchor
from subscribers.ledger.checkpoint import Checkpoint, not_signed, parse_checkpoint, signer_of
from subscribers.ledger.events import BrokenEntry, encode
from subscribers.ledger.proof import Proof
from subscribers.ledger.tiles import read_stored, stored_tree
from subscribers.people import Person

if TYPE_CHECKING:
    from mailer.config.ledger_key import LedgerKey

FORMAT = "release-mailer proof of consent 1"

_PAGES = {
    "en": (
        "Proof of consent",
        "{address} agreed on {given} to get mail about {topic}. The text that was shown:",
        "This shows that the consent was recorded. It does not show that no withdrawal followed.",
        "Check it: python verify_consent.py FILE.zip --key KEY. Entry hash: {hash}",
    ),
    "nl": (
        "Bewijs van toestemming",
        "{address} gaf op {given} toestemming voor mail over {topic}. De getoonde tekst:",
        "Dit toont aan dat de toestemming is vastgelegd. Het toont niet aan dat zij daarna niet is ingetrokken.",
        "Controleer het: python verify_consent.py BESTAND.zip --key SLEUTEL. Hash van de vermelding: {hash}",
    ),
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files of a proof. `timestamp` is an authority's answer (RFC 3161, DER) over the checkpoint, where there is one."""

    proof: str
    page: str
    checkpoint: str
    timestamp: bytes | None = None


def make_bundle(
    connection: Connection, proof: Proof, person: Person, language: str, anchors: Sequence[Anchor] = ()
) -> Bundle:
    """The files that prove a person's consent; nothing of anybody else is in them.

    `proof` is the one of `rights.prove`, which has compared the whole ledger.
    The checkpoint is that of the oldest of `anchors` that has a time stamp and covers the consent, or else the newest.
    Raises BrokenEntry for a damaged ledger, Refused where the address was corrected after the consent, and where the
    ledger is not signed.
    """
    grant = proof.grant
    if commit_to_subject(person.nonce, person.email_normalised) != grant.event.subject:
        raise Refused("The address was corrected after this consent, which commits to the former one.")
    stored, signer = read_stored(connection), signer_of(connection)
    key = signer.key if signer is not None else None
    signed = signer.open(stored.signed) if signer is not None and stored.signed is not None else None
    if key is None or signed is None or signed.size < grant.id:
        raise not_signed()
    note, timestamp = stored.signed, None
    if (anchored := _oldest_stamped(anchors, key, grant.id)) is not None:
        (note, timestamp), signed = anchored
    tree = stored_tree(connection, signed.size)
    if tree.root() != signed.root:
        raise BrokenEntry(signed.size, "the entries up to it are not those of an anchor")
    page = _page(proof, person, language)
    wording = proof.wording
    values: dict[str, Any] = {
        "format": FORMAT,
        "entry": json.loads(encode(grant.id, grant.event, grant.recorded_at)),
        "address": person.email_normalised,
        "nonce": person.nonce.hex(),
        "wording": {
            "text": wording.text,
            "language": wording.language,
            "topic": wording.topic,
            "version": wording.version,
        },
        "path": [one.hex() for one in tree.inclusion_path(grant.id - 1)],
        "checkpoint": note,
        "key": key.vkey,
        "page_sha256": sha256(page.encode()).hexdigest(),
    }
    return Bundle(json.dumps(values, ensure_ascii=False, indent=2) + "\n", page, note or "", timestamp)


def _oldest_stamped(
    anchors: Sequence[Anchor], key: LedgerKey, entry_id: int
) -> tuple[tuple[str, bytes], Checkpoint] | None:
    """The oldest anchor with a time stamp that this key signed and that covers an entry: its note, stamp and checkpoint."""
    from mailer.config.ledger_key import open_note  # noqa: PLC0415 - cryptography is slow to import

    for anchor in sorted(anchors, key=lambda each: each.made_at):
        text = open_note(anchor.checkpoint, key.vkey) if anchor.timestamp is not None else None
        opened = parse_checkpoint(text) if text is not None else None
        if anchor.timestamp is not None and opened is not None and opened.size >= entry_id:
            return (anchor.checkpoint, anchor.timestamp), opened
    return None


def _page(proof: Proof, person: Person, language: str) -> str:
    title, statement, limits, check = _PAGES[language]
    event = proof.grant.event
    statement = statement.format(
        address=person.email_normalised, given=f"{event.occurred_at:%Y-%m-%d %H:%M:%S %Z}", topic=event.topic
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body>\n<main>\n<h1>{title}</h1>\n<p>{escape(statement)}</p>\n<pre>{escape(proof.wording.text)}</pre>\n"
        f"<p>{escape(limits)}</p>\n<p>{escape(check.format(hash=proof.grant.hash))}</p>\n</main>\n</body>\n</html>\n"
    )
