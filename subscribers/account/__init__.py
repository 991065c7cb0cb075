"""What an account system asks for: record, withdraw, correct and erase, each once.

`requests` are the values, `apply` does them in one transaction for many, `idempotency` remembers what was answered,
`wordings` finds the text that a consent names.
"""

from __future__ import annotations

from subscribers.account.apply import AccountRequests
from subscribers.account.idempotency import IdempotencyKeys, IdempotentRequest, Mark
from subscribers.account.overview import consents_of
from subscribers.account.requests import (
    Erase,
    Grant,
    Outcome,
    Rectify,
    Request,
    Submission,
    Withdraw,
    problem,
)

__all__ = [
    "AccountRequests",
    "Erase",
    "Grant",
    "IdempotencyKeys",
    "IdempotentRequest",
    "Mark",
    "Outcome",
    "Rectify",
    "Request",
    "Submission",
    "Withdraw",
    "consents_of",
    "problem",
]
