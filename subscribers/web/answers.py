"""What the endpoints for people share: pages with their headers, the database, the clock and the keys."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from mailer.config import KeySource, Settings
from mailer.database import Clock, Database, ThreadWork, installation_id
from mailer.errors import MailerError, TryAgainLater
from subscribers.address import AddressHasher
from subscribers.self_service import InvalidToken, NewerKey
from subscribers.signed_tokens import UnknownToken
from subscribers.web.form import UnreadableForm
from templates.language import Locale
from templates.page import Page, Pages

ANSWER_SECONDS = 20
RETRY_SECONDS = 120
NEW_KEY_RETRY_SECONDS = 2
INVALID_LINK_STATUS = 404
OVER_STATUS = 410  # of a link or form that counts no more
THREADS_FOR_WRITES = 3
"""Fewer than the event loop's threads, of which there are at least five: the others stay free for reads."""

MOST_WRITES = 64
"""Writes that run or wait for a thread. Further ones are put off at once."""

LARGEST_BODY = 16 * 1024
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
ROBOTS = {"X-Robots-Tag": "noindex, nofollow"}

Result = TypeVar("Result")

log = logging.getLogger(__name__)


def page_headers(pages: Pages) -> dict[str, str]:
    """The headers of every page: it is kept nowhere, names its address to nobody, and loads nothing."""
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": pages.content_security_policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        **ROBOTS,
    }


class PageServices:
    """Reads, writes and answers for the endpoints of one application."""

    def __init__(self, database: Database, pages: Pages, keys: KeySource, settings: Settings) -> None:
        self.database, self.pages, self.keys, self.settings = database, pages, keys, settings
        self._headers = page_headers(pages)
        self._installation: str | None = None
        self._reading_installation = asyncio.Lock()  # the first visitor reads it; the others wait for that
        self._writes = 0
        self._threads = asyncio.Semaphore(THREADS_FOR_WRITES)
        self._work = ThreadWork()

    @cached_property
    def _clock(self) -> Clock:
        return self.database.clock()

    async def installation(self) -> str:
        """The installation's id. Raises MailerError or TimeoutError."""
        if self._installation is None:
            async with asyncio.timeout(ANSWER_SECONDS), self._reading_installation:
                self._installation = self._installation or await self._read_installation()
        return self._installation

    async def _read_installation(self) -> str:
        async with self.database.session() as session:
            connection = await session.connection()
            return await connection.run_sync(installation_id)

    async def now(self) -> datetime:
        """The present moment. The first look at the clock may need the database. Raises MailerError or TimeoutError."""
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._work.run(self._read_clock)

    def _read_clock(self) -> datetime:
        return self._clock()

    def hasher(self) -> AddressHasher:
        """Hashes addresses with the current keys."""
        return AddressHasher.of(self.keys.current())

    async def read(self, query: Callable[[Connection, datetime], Result]) -> Result:
        """The result of `query` in a reading transaction. Raises MailerError or TimeoutError."""

        def work() -> Result:
            with self.database.read() as connection:
                return query(connection, self._clock())

        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._work.run(work)

    async def write(self, act: Callable[[Connection, datetime], Result]) -> Result:
        """The result of `act` in a writing transaction, once it is committed. Raises MailerError or TimeoutError.

        A write may wait long for another one, so only a few of them hold a thread, however many there are. After a
        TimeoutError it may still be committed.
        """

        def work() -> Result:
            with self.database.write() as connection:
                return act(connection, self._clock())

        if self._writes >= MOST_WRITES:
            raise TryAgainLater("Too many writes wait for the database.")
        self._writes += 1
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._threads.acquire()
                return await self._work.run(work, on_end=self._threads.release)
        finally:
            self._writes -= 1

    async def close(self) -> None:
        """Wait for the reads and writes of visitors who were told to come back later."""
        await self._work.close()

    def page(
        self,
        page: Page,
        locale: Locale,
        *,
        status: int = 200,
        address: str | None = None,
        topic: str | None = None,
        quoted: str | None = None,
        person: str = "",
    ) -> Response:
        """The answer with a simple page."""
        html = self.pages.render(page, locale, address=address, topic=topic, quoted=quoted, person=person)
        return self.html(html, locale, status=status)

    def html(self, html: str, locale: Locale, *, status: int = 200) -> Response:
        """The answer with this HTML."""
        return HTMLResponse(html, status, self._headers | {"Content-Language": locale})

    def text(self, text: str) -> Response:
        """The answer with plain text."""
        return PlainTextResponse(text, headers=self._headers)

    def file(self, content: str, media_type: str, name: str) -> Response:
        """The answer with a file to save."""
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(content, headers=self._headers | disposition, media_type=media_type)

    def failure(
        self, error: UnreadableForm | MailerError | TimeoutError, locale: Locale, what: str
    ) -> Response:
        """The answer to an invalid link or form; or, where the database is away, to try again.

        `what` is for the log, and names nobody.
        """
        match error:
            case InvalidToken() | UnknownToken():
                return self.page(Page.INVALID_LINK, locale, status=INVALID_LINK_STATUS)
            case UnreadableForm():
                return self.page(Page.BAD_REQUEST, locale, status=400)
        log.warning("%s is put off: %s", what, why_unavailable(error))
        response = self.page(Page.UNAVAILABLE, locale, status=503)
        seconds = NEW_KEY_RETRY_SECONDS if isinstance(error, NewerKey) else RETRY_SECONDS
        response.headers["Retry-After"] = str(seconds)
        return response


def token_of(request: Request) -> str:
    """The token in the path of a link, without what follows it.

    Mail programs and people add a full stop, a bracket, a slash or a parameter to a link. No token has these characters, and
    the signature covers all of the token.
    """
    text: str = request.path_params["token"]
    found = _TOKEN.match(text)
    return found[0] if found else text


def why_unavailable(error: MailerError | TimeoutError) -> str:
    """Why the database gave no answer, for the log."""
    return error.message if isinstance(error, MailerError) else "The database takes too long."


def chosen(form: Mapping[str, str], action: str) -> bool:
    """Whether the form's button posts `action`."""
    return form.get("action") == action
