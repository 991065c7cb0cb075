"""The public key that signs the consent ledger, for whoever checks a proof of consent."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from subscribers.ledger import LedgerSigner

PATH = "/.well-known/consent-log-key"


def ledger_key_route(signer: LedgerSigner | None) -> Route:
    """Answers GET with the key as C2SP signed notes write it, then the former keys with their notes; 404 without a key."""

    async def answer(_request: Request) -> Response:
        key = signer.key if signer is not None else None
        if key is None:
            return PlainTextResponse("This ledger has no key.\n", 404)
        return PlainTextResponse(key.published, headers={"Cache-Control": "max-age=3600"})

    return Route(PATH, answer, name="ledger key")
