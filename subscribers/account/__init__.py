"""Apply the requests of account systems: record, withdraw, correct and erase. A repeated request has no
second effect.

`requests` has the values. `apply` applies many of them in one transaction, `runs` those that go together, `withdrawal` one.
`idempotency` stores the answers. `wordings` finds the text that a consent names.
"""

from __future__ import annotations

from subscribers.account.apply import AccountRequests
from subscribers.account.idempotency import (
    IdempotencyKeys,
    RequestFingerprint,
    StoredAnswers,
    old_answers,
)
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
    "Outcome",
    "Rectify",
    "Request",
    "RequestFingerprint",
    "StoredAnswers",
    "SubmittedRequest",
    "Withdraw",
    "consents_of",
    "old_answers",
    "problem",
]
