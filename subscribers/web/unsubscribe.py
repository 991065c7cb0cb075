"""The unsubscribe page and the target of mail providers' one-click POST (RFC 8058).

GET and HEAD write nothing. A POST needs no cookie and no login, is answered without a redirect, and may be
repeated.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import cached_property

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from mailer.config import KeySource
from mailer.database import Clock, Database, GroupCommit, in_thread, installation_id
from mailer.errors import MailerError
from mailer.observability import Metric, Metrics
from subscribers.models import Channel
from subscribers.own_data import request_link
from subscribers.self_service import (
    InvalidToken,
    Links,
    NewerKey,
    Resubscribe,
    Subscription,
    Target,
    View,
    Withdrawal,
    mask_email,
    unsubscribe,
)
from subscribers.web.answers import ANSWER_SECONDS, LARGEST_BODY, RETRY_SECONDS, page_headers
from subscribers.web.form import UnreadableForm, read_form
from templates.language import Locale
from templates.page import Page, Pages

NEW_KEY_RETRY_SECONDS = 2

WITHDRAWALS = "mailer_withdrawals_total"
UNDONE = "mailer_withdrawals_undone_total"
COUNTED = {
    WITHDRAWALS: Metric(
        "Requests to withdraw that were honoured, by channel.",
        {"channel": (Channel.ONE_CLICK.value, Channel.PAGE.value)},
    ),
    UNDONE: Metric("Withdrawals undone on the page."),
}

# An invalid link, and its answer. `mailer doctor` requests it to check that the public URL leads here.
UNKNOWN_LINK = "/u/doctor"
UNKNOWN_LINK_STATUS = 404

log = logging.getLogger(__name__)


class UnsubscribeEndpoint:
    """Answers ``/u/<token>``. Reads go to `database`, writes through `commits`, which groups them.

    `locale` is the language for links without a language.
    """

    def __init__(
        self,
        database: Database,
        commits: GroupCommit[unsubscribe.Request, View],
        pages: Pages,
        metrics: Metrics,
        *,
        keys: KeySource,
        public_url: str,
        locale: Locale,
    ) -> None:
        self._keys = keys
        self._public_url = public_url
        self._links: Links | None = None
        self._reading_installation = asyncio.Lock()  # the first visitor reads it; the others wait for that
        self._database = database
        self._commits = commits
        self._pages = pages
        self._metrics = metrics
        self._locale = locale
        self._headers = page_headers(pages)

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
        """The page, or the answer to a POST."""
        locale = self._locale
        token = request.path_params["token"].rstrip("/")
        try:
            links = await self._get_links()
            target = links.read(token)
            locale = target.locale
            form = await read_form(request) if request.method == "POST" else None
            async with asyncio.timeout(ANSWER_SECONDS):
                return await (self._show(target) if form is None else self._act(links, token, target, form))
        except InvalidToken:
            return self._page(Page.INVALID_LINK, locale, status=UNKNOWN_LINK_STATUS)
        except UnreadableForm:
            return self._page(Page.BAD_REQUEST, locale, status=400)
        except (MailerError, TimeoutError) as error:
            reason = error.message if isinstance(error, MailerError) else "The database takes too long."
            log.warning("An unsubscribe request is put off: %s", reason)
            response = self._page(Page.UNAVAILABLE, locale, status=503)
            seconds = NEW_KEY_RETRY_SECONDS if isinstance(error, NewerKey) else RETRY_SECONDS
            response.headers["Retry-After"] = str(seconds)
            return response

    async def _get_links(self) -> Links:
        """The links of this installation, whose id is in the database."""
        if self._links is None:
            async with asyncio.timeout(ANSWER_SECONDS), self._reading_installation:
                self._links = self._links or await self._read_links()
        return self._links

    async def _read_links(self) -> Links:
        async with self._database.session() as session:
            connection = await session.connection()
            installation = await connection.run_sync(installation_id)
        return Links(self._keys, installation, self._public_url)

    async def _show(self, target: Target) -> Response:
        if target.is_nobody:
            return self._page(Page.PROOF, target.locale)
        async with self._database.session() as session:
            connection = await session.connection()
            view = await connection.run_sync(unsubscribe.look_up, target)
        return self._view(
            Page.ASK if view.subscription is Subscription.ON else Page.NOT_SUBSCRIBED, target, view
        )

    async def _act(self, links: Links, token: str, target: Target, form: Mapping[str, str]) -> Response:
        if target.is_nobody:
            if _is_one_click(form):
                return PlainTextResponse("A proof or a test: nothing was changed.\n", headers=self._headers)
            return self._page(Page.PROOF, target.locale)
        if _is_one_click(form):
            await self._submit(Withdrawal(target, Channel.ONE_CLICK))
            self._metrics.count(WITHDRAWALS, channel=Channel.ONE_CLICK.value)
            return PlainTextResponse("Unsubscribed.\n", headers=self._headers)
        match form.get("action"):
            case "withdraw":
                view = await self._submit(Withdrawal(target, Channel.PAGE))
                self._metrics.count(WITHDRAWALS, channel=Channel.PAGE.value)
                undo_code = (
                    links.undo_code(token, view.undoable_entry_id)
                    if view.undoable_entry_id is not None
                    else None
                )
                return self._view(Page.UNSUBSCRIBED, target, view, undo_code)
            case "resubscribe":
                return await self._undo(links, token, target, form.get("undo", ""))
            case "own_data":
                return await self._ask_own_data(target)
            case _:
                raise UnreadableForm

    async def _undo(self, links: Links, token: str, target: Target, undo_code: str) -> Response:
        try:
            entry_id = links.read_undo_code(token, undo_code)
        except InvalidToken:
            return await self._show(target)
        wording = self._pages.consent_wording(target.locale, target.topic)
        view = await self._submit(Resubscribe(target, entry_id, wording))
        if view.subscription is not Subscription.ON:
            return self._view(Page.NOT_SUBSCRIBED, target, view)
        self._metrics.count(UNDONE)
        return self._view(Page.RESUBSCRIBED, target, view)

    async def _ask_own_data(self, target: Target) -> Response:
        """Let a link to the person's own data be mailed. The answer is the same where the limit is reached."""

        def ask() -> View:
            with self._database.write() as connection:
                request_link(connection, target, self._clock())
                return unsubscribe.look_up(connection, target)

        view = await in_thread(ask)
        address = mask_email(view.email) if view.email is not None else None
        return self._page(Page.OWN_DATA_ASKED, target.locale, address=address)

    @cached_property
    def _clock(self) -> Clock:
        return self._database.clock()

    async def _submit(self, request: unsubscribe.Request) -> View:
        return await self._commits.submit(request)

    def _view(self, page: Page, target: Target, view: View, undo_code: str | None = None) -> Response:
        return self._page(
            page,
            target.locale,
            address=mask_email(view.email) if view.email is not None else None,
            topic=target.topic if view.email is not None else None,
            undo_code=undo_code,
        )

    def _page(
        self,
        page: Page,
        locale: Locale,
        *,
        status: int = 200,
        address: str | None = None,
        topic: str | None = None,
        undo_code: str | None = None,
    ) -> Response:
        html = self._pages.render(page, locale, address=address, topic=topic, undo_code=undo_code)
        return HTMLResponse(html, status, self._headers | {"Content-Language": locale})


def _is_one_click(form: Mapping[str, str]) -> bool:
    return any(
        name.casefold() == "list-unsubscribe" and value.strip().casefold() == "one-click"
        for name, value in form.items()
    )
