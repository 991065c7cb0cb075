"""Which requests are recorded together. Values without I/O."""

from __future__ import annotations

from collections.abc import Sequence

from subscribers.account.requests import Grant, SubmittedRequest


def runs_of(submissions: Sequence[SubmittedRequest], indexes: Sequence[int]) -> list[list[int]]:
    """The indexes of the requests, in order. Grants that can be recorded together are in one list."""
    runs: list[list[int]] = []
    shared: tuple[str, str] | None = None
    keys: set[str] = set()
    for index in indexes:
        request = submissions[index].request
        if not isinstance(request, Grant):
            runs.append([index])
            shared = None
            continue
        common, key = (request.topic, request.wording), request.address.key
        if common == shared and key not in keys:
            runs[-1].append(index)
        else:
            runs.append([index])
            shared, keys = common, set()
        keys.add(key)
    return runs
