"""The FastAPI application: the routes, and every error as a problem."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount

from mailer.config import KeySource
from mailer.database import Database
from mailer.errors import MailerError
from subscribers.web.api import schemas
from subscribers.web.api.authentication import LARGEST_BODY, Authentication
from subscribers.web.api.openapi import describe
from subscribers.web.api.parsing import invalid_request
from subscribers.web.api.problems import Trouble, problem_response, title_of
from subscribers.web.api.routes import create_router
from subscribers.web.api.service import Service

PATH = "/api/v1"
DESCRIPTION = "/openapi.json"

log = logging.getLogger(__name__)


class ConsentApi:
    """Answers below ``/api/v1``."""

    def __init__(self, database: Database, *, keys: KeySource, public_url: str, zone: ZoneInfo) -> None:
        self._service = Service(database, keys, zone)
        app = FastAPI(
            title="Release Mailer", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
        )
        app.include_router(create_router(self._service))
        _describe_webhook(app)
        app.add_exception_handler(Trouble, _answer_trouble)
        app.add_exception_handler(RequestValidationError, _answer_invalid)
        app.add_exception_handler(HTTPException, _answer_http)
        app.add_exception_handler(MailerError, _answer_unavailable)
        app.add_exception_handler(TimeoutError, _answer_unavailable)
        # Made when somebody asks: it takes longer than all else in the start of `serve`.
        document = cache(lambda: JSONResponse(describe(app, f"{public_url}{PATH}")).body)

        async def openapi(_request: Request) -> Response:
            return Response(document(), media_type=JSONResponse.media_type)

        app.add_route(DESCRIPTION, openapi, name="openapi", include_in_schema=False)
        bounded = RequestBodyLimitMiddleware(app, LARGEST_BODY)
        guarded = Authentication(bounded, self._service.find_token, self._service.note_use, DESCRIPTION)
        self.route = Mount(PATH, app=guarded, name="api")

    async def close(self) -> None:
        """Finish what was submitted."""
        await self._service.close()


def _describe_webhook(app: FastAPI) -> None:
    @app.webhooks.post("consent.changes")
    def consent_changes(body: schemas.ChangesEvent) -> None:
        """Up to 100 changes in order, sent to each endpoint of `mailer webhooks add` (Standard Webhooks)."""


async def _answer_trouble(_request: Request, error: Any) -> Response:
    return error.response()  # type: ignore[no-any-return]


async def _answer_invalid(_request: Request, error: Any) -> Response:
    return invalid_request(error.errors()).response()


async def _answer_http(_request: Request, error: Any) -> Response:
    status: int = error.status_code
    code = title_of(status).lower().replace(" ", "-")
    detail = "The body is not JSON." if status == 400 else f"{title_of(status)}."
    return problem_response(status, {"code": code, "detail": detail}, error.headers)


async def _answer_unavailable(_request: Request, error: Any) -> Response:
    reason = error.message if isinstance(error, MailerError) else "The database takes too long."
    log.warning("A request of the API is put off: %s", reason)
    values = {"code": "unavailable", "detail": "The database does not answer. Try again later."}
    return problem_response(503, values, {"Retry-After": "5"})
