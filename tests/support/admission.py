"""A person who agreed on a form, put on file as an import does."""

from __future__ import annotations

from datetime import datetime

from mailer.database import Database
from subscribers.address import AddressHasher, normalise
from subscribers.intake import Applicant, Decision, Evidence, admission
from subscribers.people import Names

HASHER = AddressHasher([b"an old key, 32 characters or more", b"a new key, 32 characters or more."])


def admit(database: Database, email: str, at: datetime, now: datetime, topic: str) -> Decision:
    """What becomes of a consent to `topic` that was given at `at`."""
    address = normalise(email)
    applicant = Applicant(0, Names("de heer", "Jan", "De Vries"), address, HASHER.newest(address.key), at)
    with database.write() as connection:
        evidence = Evidence(topic, "a form", "Yes, mail me.", "en", "1")
        [candidate] = admission.admit(connection, [applicant], evidence, HASHER, now)
    return candidate.decision
