"""The kinds of requests."""

from __future__ import annotations

from enum import StrEnum


class RequestKind(StrEnum):
    """What confirming a request does."""

    OWN_DATA = "own_data"  # opens the page with the person's own data
    NEW_ADDRESS = "new_address"  # changes the person's address
    TOPIC = "topic"  # records the consent of a person on file to a topic
    SIGN_UP = "sign_up"  # records the consent of a person who may be unknown
