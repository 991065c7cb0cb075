"""The recipients' door: the unsubscribe page, and the target of mail providers' one-click POST (RFC 8058).

GET and HEAD write nothing, whoever follows a link. A POST needs no cookie and no login, is answered without a
redirect, and may be repeated.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from mailer.database import Database, GroupCommit
from mailer.errors import MailerError
from mailer.observability import Metrics
from subscribers.self_service import (
    InvalidToken,
    Links,
    Resubscribe,
    Subscription,
    Target,
    View,
    Withdrawal,
    mask_email,
    unsubscribe,
)
from templates.language import Locale
from templates.page import Page, Pages

LARGEST_BODY = 16 * 1024
BODY_SECONDS = 10
ANSWER_SECONDS = 20
RETRY_SECONDS = 120

WITHDRAWALS = "mailer_withdrawals_total"
UNDONE = "mailer_withdrawals_undone_total"
COUNTED = {
    WITHDRAWALS: "Requests to withdraw that were honoured, by door.",
    UNDONE: "Withdrawals undone on the page.",
}

# The answer to a link that is not ours. `mailer doctor` asks for it to see that the public URL leads here.
UNKNOWN_LINK = "/u/doctor"
UNKNOWN_LINK_STATUS = 404
ROBOTS = {"X-Robots-Tag": "noindex, nofollow"}

log = logging.getLogger(__name__)


class Unreadable(Exception):
    """The body of a POST is not one of the forms that are understood here."""


class UnsubscribeEndpoint:
    """Answers ``/u/<token>``. Reads go to `database`, writes through `settle`, which groups them.

    `locale` is the language for visitors whose link does not tell theirs.
    """

    def __init__(
        self,
        links: Links,
        database: Database,
        settle: GroupCommit[unsubscribe.Request, View],
        pages: Pages,
        metrics: Metrics,
        *,
        locale: Locale,
    ) -> None:
        self._links = links
        self._database = database
        self._settle = settle
        self._pages = pages
        self._metrics = metrics
        self._locale = locale
        self._headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": pages.content_security_policy,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            **ROBOTS,
        }

    @property
    def route(self) -> Route:
        """One route for the token with and without a trailing slash: a redirect would lose the POST."""
        return Route(
            "/u/{token:path}",
            self.answer,
            methods=["GET", "POST"],
            name="unsubscribe",
            max_body_size=LARGEST_BODY,
        )

    async def answer(self, request: Request) -> Response:
        """The page, or what became of the POST."""
        locale = self._locale
        try:
            target = self._links.read(request.path_params["token"].rstrip("/"))
            locale = target.locale
            form = await _form(request) if request.method == "POST" else None
            async with asyncio.timeout(ANSWER_SECONDS):
                return await (self._show(target) if form is None else self._act(target, form))
        except InvalidToken:
            return self._page(Page.INVALID_LINK, locale, status=UNKNOWN_LINK_STATUS)
        except Unreadable:
            return self._page(Page.BAD_REQUEST, locale, status=400)
        except (MailerError, TimeoutError) as error:
            reason = error.message if isinstance(error, MailerError) else "The database takes too long."
            log.warning("An unsubscribe request is put off: %s", reason)
            response = self._page(Page.UNAVAILABLE, locale, status=503)
            response.headers["Retry-After"] = str(RETRY_SECONDS)
            return response

    async def _show(self, target: Target) -> Response:
        async with self._database.session() as session:
            connection = await session.connection()
            view = await connection.run_sync(unsubscribe.look_up, target)
        return self._view(
            Page.ASK if view.subscription is Subscription.ON else Page.NOT_SUBSCRIBED, target, view
        )

    async def _act(self, target: Target, form: Mapping[str, object]) -> Response:
        if form.get("List-Unsubscribe") == "One-Click":
            await self._settle.submit(Withdrawal(target, "one-click unsubscribe (RFC 8058)"))
            self._metrics.count(WITHDRAWALS, door="one-click")
            return PlainTextResponse("Unsubscribed.\n", headers=self._headers)
        match form.get("action"):
            case "withdraw":
                view = await self._settle.submit(Withdrawal(target, "unsubscribe page"))
                self._metrics.count(WITHDRAWALS, door="page")
                return self._view(Page.UNSUBSCRIBED, target, view)
            case "resubscribe":
                wording = self._pages.consent_wording(target.locale, target.topic)
                view = await self._settle.submit(Resubscribe(target, "unsubscribe page, undone", wording))
                if view.subscription is not Subscription.ON:
                    return self._view(Page.NOT_SUBSCRIBED, target, view)
                self._metrics.count(UNDONE)
                return self._view(Page.RESUBSCRIBED, target, view)
            case _:
                raise Unreadable

    def _view(self, page: Page, target: Target, view: View) -> Response:
        known = view.email is not None and view.subscription is not Subscription.OFF
        return self._page(
            page,
            target.locale,
            address=mask_email(view.email) if known and view.email else None,
            topic=target.topic if known else None,
        )

    def _page(
        self,
        page: Page,
        locale: Locale,
        *,
        status: int = 200,
        address: str | None = None,
        topic: str | None = None,
    ) -> Response:
        html = self._pages.render(page, locale, address=address, topic=topic)
        return HTMLResponse(html, status, self._headers | {"Content-Language": locale})


async def _form(request: Request) -> Mapping[str, object]:
    """The fields of a small form, urlencoded or multipart (RFC 8058 section 3.2). Raises Unreadable."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.form(max_files=0, max_fields=10, max_part_size=1024)
    except HTTPException as error:
        if error.status_code == 413:
            raise
        raise Unreadable from None
    except (ClientDisconnect, TimeoutError, ValueError):
        raise Unreadable from None
