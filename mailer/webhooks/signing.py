"""Signatures of outgoing webhooks (Standard Webhooks 1.0.0), by the specification's own library.

An endpoint's secret is derived from a secret key, so that the database holds none.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime

from standardwebhooks import Webhook

from mailer.keyed_hash import KeyedHash

_PURPOSE = b"release-mailer webhook secret 1\0"


def derive_secret(key: bytes, endpoint: str, generation: int) -> str:
    """The secret of an endpoint (``whsec_...``); each rotation has its own generation."""
    octets = KeyedHash(key, _PURPOSE).digest(f"{endpoint}\0{generation}".encode())
    return f"whsec_{b64encode(octets).decode()}"


def signed_headers(secrets: Sequence[str], message_id: str, at: datetime, body: str) -> dict[str, str]:
    """The three headers of a call. While a secret is replaced, both sign."""
    signatures = [Webhook(secret).sign(msg_id=message_id, timestamp=at, data=body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
