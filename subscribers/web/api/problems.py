"""Errors as ``application/problem+json`` (RFC 9457). They do not repeat data of the request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


class Trouble(Exception):
    """An error to answer a request with. `errors` names members of the request, each with a reason."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})

    @property
    def problem(self) -> dict[str, Any]:
        """The members of the answer."""
        values: dict[str, Any] = {"code": self.code, "detail": self.detail}
        if self.errors:
            values["errors"] = self.errors
        return problem_values(self.status, values)

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(self.problem, self.status, self.headers, media_type=MEDIA_TYPE)


def in_field(field: str, detail: str) -> Trouble:
    """A member of the request is not valid."""
    return Trouble(
        422, "invalid-request", f"{field}: {detail}.", errors=[{"field": field, "detail": f"{detail}."}]
    )


def problem_values(status: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a problem; `values` are its code, detail and errors."""
    return {"type": "about:blank", "title": title_of(status), "status": status, **values}


def title_of(status: int) -> str:
    """The name of a status (RFC 9110), which is the same in every version of Python."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


def problem_response(
    status: int, values: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The answer with a problem."""
    return JSONResponse(problem_values(status, values), status, headers, media_type=MEDIA_TYPE)
