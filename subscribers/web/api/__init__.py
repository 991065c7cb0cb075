"""The API of account systems, ``/api/v1``: the only package that imports FastAPI.

`schemas` has the objects of the API, `routes` the operations, `authentication` the tokens, `problems` the
errors. `openapi` writes the description.
"""

from __future__ import annotations

from subscribers.web.api.application import ConsentApi

__all__ = ["ConsentApi"]
