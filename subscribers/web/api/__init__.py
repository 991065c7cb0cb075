"""The API of account systems, ``/api/v1``: the only package that imports FastAPI.

`schemas` is the contract, `routes` answers, `authentication` knows the callers, `problems` are the errors, and
`openapi` describes it all.
"""

from __future__ import annotations

from subscribers.web.api.application import ConsentApi

__all__ = ["ConsentApi"]
