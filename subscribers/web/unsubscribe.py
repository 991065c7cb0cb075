"""The unsubscribe page and the target of mail providers' one-click POST (RFC 8058).

GET and HEAD write nothing. A POST needs no cookie and no login, is answered without a redirect, and may be
repeated.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from mailer.config import KeySource
from mailer.database import Database, GroupCommit, installation_id
from mailer.errors import MailerError
from mailer.observability import Metric, Metrics
from subscribers.models import Channel
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
from subscribers.self_service.preferences import TopicChoice
from subscribers.web.answers import ANSWER_SECONDS, LARGEST_BODY, RETRY_SECONDS, page_headers
from subscribers.web.form import UnreadableForm, read_form
from subscribers.web.preferences import Preferences
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

_ALL = frozenset({Page.ASK_ALL, Page.UNSUBSCRIBED_ALL})  # pages that are about no single topic

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
        preferences: Preferences,
    ) -> None:
        self._preferences = preferences
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
        return await self._ask(target, await self._look_up(target))

    async def _ask(self, target: Target, view: View, notice: str = "") -> Response:
        """The page with the one button that leaves all, and the topics below it."""
        choices = await self._preferences.choices(target) if view.email is not None else []
        on = {each.topic for each in choices or () if each.is_on}
        if choices is None or on - {target.topic}:
            page = Page.ASK_ALL
        else:
            page = Page.ASK if view.subscription is Subscription.ON else Page.NOT_SUBSCRIBED
        return self._view(page, target, view, choices=choices or (), notice=notice)

    async def _act(self, links: Links, token: str, target: Target, form: Mapping[str, str]) -> Response:
        if target.is_nobody:
            return self._answer_proof(target, form)
        if _is_one_click(form):
            await self._submit(Withdrawal(target, Channel.ONE_CLICK))
            self._metrics.count(WITHDRAWALS, channel=Channel.ONE_CLICK.value)
            return PlainTextResponse("Unsubscribed.\n", headers=self._headers)
        match form.get("action"):
            case "withdraw":
                return await self._withdraw(links, token, target)
            case "resubscribe":
                return await self._undo(links, token, target, form.get("undo", ""))
            case "own_data":
                return await self._ask_own_data(target)
            case action:
                return await self._choose(target, action, form.get("topic", ""))

    def _answer_proof(self, target: Target, form: Mapping[str, str]) -> Response:
        if _is_one_click(form):
            return PlainTextResponse("A proof or a test: nothing was changed.\n", headers=self._headers)
        return self._page(Page.PROOF, target.locale)

    async def _withdraw(self, links: Links, token: str, target: Target) -> Response:
        view = await self._submit(Withdrawal(target, Channel.PAGE))
        self._metrics.count(WITHDRAWALS, channel=Channel.PAGE.value)
        entry_id = view.undoable_entry_id
        undo_code = links.undo_code(token, entry_id) if entry_id is not None else None
        return self._view(Page.UNSUBSCRIBED, target, view, undo_code)

    async def _choose(self, target: Target, action: str | None, topic: str) -> Response:
        """Turn a topic, or all of them, off; or ask by mail whether one is to be turned on."""
        match action:
            case "withdraw_all":
                await self._preferences.turn_off_all(target)
                self._metrics.count(WITHDRAWALS, channel=Channel.PAGE.value)
                return await self._after_all(target)
            case "turn_off":
                title = await self._preferences.turn_off(target, topic)
                self._metrics.count(WITHDRAWALS, channel=Channel.PAGE.value)
                return await self._after_choice(target, title, on=False)
            case "turn_on":
                title = await self._preferences.turn_on(target, topic)
                return await self._after_choice(target, title, on=True)
            case _:
                raise UnreadableForm

    async def _after_all(self, target: Target) -> Response:
        view, choices = await self._look_up(target), await self._preferences.choices(target)
        return self._view(Page.UNSUBSCRIBED_ALL, target, view, choices=choices or ())

    async def _after_choice(self, target: Target, title: str, *, on: bool) -> Response:
        notice = self._pages.choice_notice(target.locale, title, on=on)
        return await self._ask(target, await self._look_up(target), notice)

    async def _look_up(self, target: Target) -> View:
        async with self._database.session() as session:
            connection = await session.connection()
            return await connection.run_sync(unsubscribe.look_up, target)

    async def _undo(self, links: Links, token: str, target: Target, undo_code: str) -> Response:
        try:
            entry_id = links.read_undo_code(token, undo_code)
        except InvalidToken:
            return await self._show(target)
        title = self._preferences.title(target.topic, target.locale)
        wording = self._pages.consent_wording(target.locale, title)
        view = await self._submit(Resubscribe(target, entry_id, wording))
        if view.subscription is not Subscription.ON:
            return self._view(Page.NOT_SUBSCRIBED, target, view)
        self._metrics.count(UNDONE)
        return self._view(Page.RESUBSCRIBED, target, view)

    async def _ask_own_data(self, target: Target) -> Response:
        """Let a link to the person's own data be mailed. The answer is the same where the limit is reached."""
        view = await self._preferences.request_own_data(target)
        address = mask_email(view.email) if view.email is not None else None
        return self._page(Page.OWN_DATA_ASKED, target.locale, address=address)

    async def _submit(self, request: unsubscribe.Request) -> View:
        return await self._commits.submit(request)

    def _view(
        self,
        page: Page,
        target: Target,
        view: View,
        undo_code: str | None = None,
        *,
        choices: Sequence[TopicChoice] = (),
        notice: str = "",
    ) -> Response:
        """The answer with a page about the person of a link."""
        locale = target.locale
        is_known = view.email is not None
        html = self._pages.render(
            page,
            locale,
            address=mask_email(view.email) if view.email is not None else None,
            topic=self._preferences.title(target.topic, locale) if is_known and page not in _ALL else None,
            undo_code=undo_code,
            choices=self._preferences.shown(choices, locale),
            notice=notice,
        )
        return self._html(html, locale)

    def _page(self, page: Page, locale: Locale, *, status: int = 200, address: str | None = None) -> Response:
        return self._html(self._pages.render(page, locale, address=address), locale, status=status)

    def _html(self, html: str, locale: Locale, *, status: int = 200) -> Response:
        return HTMLResponse(html, status, self._headers | {"Content-Language": locale})


def _is_one_click(form: Mapping[str, str]) -> bool:
    return any(
        name.casefold() == "list-unsubscribe" and value.strip().casefold() == "one-click"
        for name, value in form.items()
    )
