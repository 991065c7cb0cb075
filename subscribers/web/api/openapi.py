"""The description of the API (OpenAPI 3.1): complete, with the errors and the outgoing webhook."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from subscribers.web.api import schemas
from subscribers.web.api.problems import MEDIA_TYPE

_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}


def _problem(description: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    answer: dict[str, Any] = {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}
    return answer | ({"headers": headers} if headers else {})


ERRORS: dict[int | str, dict[str, Any]] = {
    400: _problem("The request can't be read."),
    401: _problem("There is no valid token."),
    403: _problem("The token lacks the scope."),
    413: _problem("The body is too large."),
    415: _problem("The body is not application/json."),
    422: _problem("A member of the request is not valid; `errors` names it."),
    429: _problem("Too many requests.", _RETRY_AFTER),
    503: _problem("The database or the ledger can't take it now.", _RETRY_AFTER),
}


def not_found() -> dict[int | str, dict[str, Any]]:
    """The answer for a person who is not on file."""
    return {404: _problem("Nobody with this id or address is on file.")}


def conflict() -> dict[int | str, dict[str, Any]]:
    """The answer if the data on file conflict with the request."""
    return {409: _problem("What is on file stands against it.")}


def describe(app: FastAPI, server: str) -> dict[str, Any]:
    """The document; `server` is the URL below which the paths are."""
    document = get_openapi(
        title="Release Mailer",
        version="1",
        summary="Consents of an account system's users, both ways.",
        openapi_version="3.1.0",
        routes=app.routes,
        webhooks=app.webhooks.routes,
        servers=[{"url": server}],
    )
    components = document["components"]["schemas"]
    problem = schemas.ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    components |= problem.pop("$defs", {}) | {"ProblemDetails": problem}
    grant = schemas.Grant.model_json_schema(ref_template="#/components/schemas/{model}")
    components.setdefault("Grant", grant)
    item = components["Batch"]["properties"]["items"]
    item["items"] = {"anyOf": [{"$ref": "#/components/schemas/Grant"}, {"type": "object"}]}
    for unused in ("HTTPValidationError", "ValidationError"):
        components.pop(unused, None)
    return document
