"""The routes. Each parses a request, applies it with `subscribers.account`, and answers with the outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

from mailer.access import Scope, Token
from subscribers import account
from subscribers.account import Outcome, RequestFingerprint, SubmittedRequest
from subscribers.account.idempotency import LONGEST_KEY
from subscribers.web.api import parsing, schemas
from subscribers.web.api.authentication import any_token, require
from subscribers.web.api.openapi import ERRORS, conflict, not_found
from subscribers.web.api.problems import Trouble, problem_response, problem_values
from subscribers.web.api.service import Service

Writes = Annotated[Token, Depends(require(Scope.CONSENTS_WRITE))]
Rights = Annotated[Token, Depends(require(Scope.RIGHTS_WRITE))]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=LONGEST_KEY,
        pattern="^[ -~]+$",
        description="What was done under a key is done once, and answered alike for a day.",
    ),
]


def create_router(service: Service) -> APIRouter:
    """The routes, answered by `service`."""
    router = APIRouter(responses=ERRORS)
    _add_consents(router, service)
    _add_changes(router, service)
    _add_rights(router, service)
    _add_wordings(router, service)
    return router


def _add_consents(router: APIRouter, service: Service) -> None:
    @router.post("/consents", response_model=schemas.SubscriberConsent)
    async def record_consent(
        request: Request, body: schemas.Grant, token: Writes, key: IdempotencyKey = None
    ) -> Response:
        """Record a consent. A consent that is older than the person's withdrawal changes nothing; `state`
        shows that.
        """
        grant = parsing.grant(body, token, service)
        return await _submit(service, grant, request, token, key)

    @router.post("/withdrawals", response_model=schemas.SubscriberConsent, responses=not_found())
    async def withdraw_consent(
        request: Request, body: schemas.Withdrawal, token: Writes, key: IdempotencyKey = None
    ) -> Response:
        """Withdraw a consent. It takes effect at once, also in a campaign that is being sent."""
        withdrawal = parsing.withdrawal(body, token, service)
        return await _submit(service, withdrawal, request, token, key)

    @router.post(
        "/consents/query",
        response_model=schemas.Consents,
        responses=not_found(),
        dependencies=[Depends(require(Scope.CONSENTS_READ))],
    )
    async def query_consents(body: schemas.Query) -> Response:
        """The consents of a person, by topic."""
        return _answer(await service.consents_of(parsing.who(body, service)))

    @router.post("/consents/batch", response_model=schemas.BatchResults)
    async def record_consents(
        request: Request, body: schemas.Batch, token: Writes, key: IdempotencyKey = None
    ) -> Response:
        """Record up to 1,000 consents. Each item has its own result, and valid items are recorded."""
        fingerprints: list[RequestFingerprint | None] = [None] * len(body.items)
        if key is not None:
            raw = await request.body()
            fingerprints = [
                service.fingerprint(token.id, "batch", key, raw, index) for index in range(len(body.items))
            ]
        return await _batch(service, token, body.items, fingerprints)


def _add_changes(router: APIRouter, service: Service) -> None:
    @router.get(
        "/changes",
        response_model=schemas.Changes,
        responses=conflict(),
        dependencies=[Depends(require(Scope.CHANGES_READ))],
    )
    async def read_changes(query: Annotated[schemas.ChangesQuery, Query()]) -> Response:
        """All changes to consents, through every channel, in order."""
        return _answer(await service.changes(parsing.cursor(query.after, service), query.limit))


def _add_rights(router: APIRouter, service: Service) -> None:
    @router.post("/rectifications", response_model=schemas.Rectified, responses=not_found() | conflict())
    async def rectify(
        request: Request, body: schemas.Rectification, token: Rights, key: IdempotencyKey = None
    ) -> Response:
        """Correct the data on file about a person. The consents do not change."""
        rectification = parsing.rectification(body, token, service)
        return await _submit(service, rectification, request, token, key)

    @router.post(
        "/erasures",
        status_code=204,
        response_class=Response,
        responses=not_found() | {202: {"model": schemas.Held, "description": "It waits until a hold ends."}},
    )
    async def erase(
        request: Request, body: schemas.Erasure, token: Rights, key: IdempotencyKey = None
    ) -> Response:
        """Erase a person. Where the law requires you to keep the data, they get no more mail and are erased afterwards."""
        erasure = parsing.erasure(body, token, service)
        return await _submit(service, erasure, request, token, key)


def _add_wordings(router: APIRouter, service: Service) -> None:
    @router.get("/wordings", response_model=schemas.Wordings, dependencies=[Depends(any_token)])
    async def list_wordings() -> Response:
        """The registered texts."""
        return JSONResponse({"wordings": await service.wordings()})

    @router.post(
        "/wordings",
        response_model=schemas.Wording,
        responses=conflict(),
        dependencies=[Depends(require(Scope.WORDINGS_WRITE))],
    )
    async def register_wording(body: schemas.NewWording) -> Response:
        """Register a text that asks for consent, so that consents can name it. Registering it again changes
        nothing.
        """
        return _answer(
            await service.register_wording(
                body.text, topic=body.topic, language=body.language, version=body.version
            )
        )


async def _submit(
    service: Service, act: account.Request, request: Request, token: Token, key: str | None
) -> Response:
    fingerprint = None
    if key is not None:
        name = request.url.path.rpartition("/")[2]
        fingerprint = service.fingerprint(token.id, name, key, await request.body())
    return _answer(await service.submit(SubmittedRequest(act, fingerprint)))


async def _batch(
    service: Service, token: Token, items: list[dict[str, Any]], fingerprints: list[RequestFingerprint | None]
) -> Response:
    results: list[Mapping[str, Any] | None] = [None] * len(items)
    submissions: dict[int, SubmittedRequest] = {}
    for index, item in enumerate(items):
        try:
            grant = parsing.grant(schemas.Grant.model_validate(item), token, service)
        except ValidationError as error:
            results[index] = parsing.invalid_request(error.errors(include_url=False)).problem
        except Trouble as trouble:
            results[index] = trouble.problem
        else:
            submissions[index] = SubmittedRequest(grant, fingerprints[index])
    pending = list(submissions.items())
    if pending and pending[0][1].fingerprint is not None:
        # A key that was used for another batch is found out before anything of this one is recorded.
        index, submission = pending.pop(0)
        first = await service.submit_item(submission)
        if first.values.get("code") == "idempotency-key-reused":
            return _answer(first)
        results[index] = _result(first)
    outcomes = await asyncio.gather(*(service.submit_item(submission) for _, submission in pending))
    for (index, _), outcome in zip(pending, outcomes, strict=True):
        results[index] = _result(outcome)
    return JSONResponse({"results": results})


def _result(outcome: Outcome) -> Mapping[str, Any]:
    if outcome.is_problem:
        return problem_values(outcome.status, outcome.values)
    return {"status": outcome.status, **outcome.values}


def _answer(outcome: Outcome) -> Response:
    if outcome.is_problem:
        headers = {"Retry-After": "5"} if outcome.status == 503 else None
        return problem_response(outcome.status, outcome.values, headers)
    if outcome.status == 204:
        return Response(status_code=204)
    return JSONResponse(dict(outcome.values), outcome.status)
