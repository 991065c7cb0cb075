"""What an account system asks for: record, withdraw, correct and erase, each once.

`requests` are the values, `apply` does them in one transaction for many, `idempotency` remembers what was answered,
`wordings` finds the text that a consent names.
"""

from __future__ import annotations

from subscribers.account.apply import AccountRequests
from subscribers.account.idempotency import IdempotencyKeys, IdempotentRequest, RequestFingerprint
from subscribers.account.overview import consents_of
from subscribers.account.requests import (
    Erase,
    Grant,
    Outcome,
    Rectify,
    Request,
    SubmittedRequest,
    Withdraw,
    problem,
)

__all__ = [
    "AccountRequests",
    "Erase",
    "Grant",
    "IdempotencyKeys",
    "IdempotentRequest",
    "Outcome",
    "Rectify",
    "Request",
    "RequestFingerprint",
    "SubmittedRequest",
    "Withdraw",
    "consents_of",
    "problem",
]
