"""A proof of one person's consent for a stranger: entry, nonce, address, wording, path to a signed root."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Any

from sqlalchemy import Connection, select, update

from mailer.config.ledger_key import LedgerKey
from mailer.errors import Refused
from subscribers.commitments import commit_to_subject
from subscribers.ledger.events import BrokenLink, encode
from subscribers.ledger.proof import Proof
from subscribers.ledger.safety import check_before_freezing
from subscribers.ledger.tiles import CHECKPOINT, read_frontier, stored_tree
from subscribers.people import Person

FORMAT = "release-mailer proof of consent 1"

_PAGES = {
    "en": (
        "Proof of consent",
        "{address} agreed on {given} to get mail about {topic}. The text that was shown:",
        "This shows that the consent was recorded. It does not show that no withdrawal followed.",
    ),
    "nl": (
        "Bewijs van toestemming",
        "{address} gaf op {given} toestemming voor mail over {topic}. De getoonde tekst:",
        "Dit toont aan dat de toestemming is vastgelegd. Het toont niet aan dat zij daarna niet is ingetrokken.",
    ),
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """The two files of a proof."""

    proof: str
    page: str


def sign_checkpoint(connection: Connection, key: LedgerKey) -> str:
    """Sign the ledger's size and root (C2SP tlog-checkpoint) once all entries fit them; needs a writing transaction.

    Raises BrokenLink where they do not, and where the ledger no longer holds what was signed last.
    """
    check_before_freezing(connection)
    check_signed(connection, key)
    frontier = read_frontier(connection)
    note = key.sign(f"{key.name}\n{frontier.size}\n{base64.b64encode(frontier.root).decode()}\n")
    connection.execute(update(CHECKPOINT).values(signed=note))
    return note


def check_signed(connection: Connection, key: LedgerKey) -> int:
    """Compare the ledger with the newest checkpoint that was signed; returns its size, 0 where there is none.

    Raises BrokenLink where the ledger no longer holds what was signed.
    """
    size = read_frontier(connection).size
    note = connection.execute(select(CHECKPOINT.c.signed)).scalar_one()
    if note is None:
        return 0
    text = key.open(note)
    if text is None:
        raise BrokenLink(size, "its checkpoint was signed by another key, or altered")
    _, digits, root, *_ = text.split("\n")
    signed = int(digits)
    if signed > size or base64.b64encode(stored_tree(connection, size).root(signed)).decode() != root:
        raise BrokenLink(min(signed, size), "the entries up to it are not those that were signed")
    return signed


def make_bundle(
    connection: Connection, proof: Proof, person: Person, key: LedgerKey, language: str
) -> Bundle:
    """The files that prove a person's consent; nothing of anybody else is in them.

    Raises BrokenLink for a damaged ledger, Refused where the address was corrected after the consent.
    """
    grant = proof.grant
    if commit_to_subject(person.nonce, person.email_normalised) != grant.event.subject:
        raise Refused("The address was corrected after this consent, which commits to the former one.")
    note = sign_checkpoint(connection, key)
    tree = stored_tree(connection, read_frontier(connection).size)
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
    return Bundle(json.dumps(values, ensure_ascii=False, indent=2) + "\n", page)


def _page(proof: Proof, person: Person, language: str) -> str:
    title, statement, limits = _PAGES[language]
    event = proof.grant.event
    statement = statement.format(
        address=person.email_normalised, given=f"{event.occurred_at:%Y-%m-%d %H:%M:%S %Z}", topic=event.topic
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body>\n<main>\n<h1>{title}</h1>\n<p>{escape(statement)}</p>\n<pre>{escape(proof.wording.text)}</pre>\n"
        f"<p>{escape(limits)}</p>\n<p>verify_consent.py, proof.json, {proof.grant.hash}</p>\n</main>\n</body>\n</html>\n"
    )
