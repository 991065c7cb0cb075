"""The privacy notice at /privacy, in each language, with its earlier versions. It sets no cookie."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from mailer.config import Settings
from mailer.database import Database
from mailer.errors import MailerError, NotFound
from subscribers.rights.notice import NoticeVersion, find_version, privacy_notice, publish, versions
from subscribers.web.language import preferred_locale
from templates.language import LOCALES, Locale
from templates.notice_page import NoticePage, ShownVersion

PATH = "/privacy"
ANSWER_SECONDS = 20

log = logging.getLogger(__name__)


class PrivacyNoticeEndpoint:
    """Answers ``/privacy``, ``/privacy/LANGUAGE`` and ``/privacy/LANGUAGE/NUMBER``. A request only reads."""

    def __init__(self, database: Database, page: NoticePage, settings: Settings) -> None:
        self._database = database
        self._page = page
        self._settings = settings
        self._headers = {
            "Cache-Control": "no-cache",
            "Content-Security-Policy": page.content_security_policy,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    @property
    def routes(self) -> list[Route]:
        """The routes of the page, of a language, and of a version."""
        paths = (PATH, f"{PATH}/{{language}}", f"{PATH}/{{language}}/{{version}}")
        return [Route(path, self.answer, methods=["GET"], name="privacy notice") for path in paths]

    def publish(self) -> None:
        """Keep the notice of these settings as a new version, if it differs from the newest one.

        The page works without: then it shows no number.
        """
        try:
            with self._database.write() as connection:
                publish(connection, self._settings, self._database.clock()())
        except MailerError as error:
            log.warning("The privacy notice gets no version now: %s", error.message)

    async def answer(self, request: Request) -> Response:
        """The notice in force, or the version that the path names."""
        language = request.path_params.get("language", preferred_locale(request, self._settings.locale))
        version = request.path_params.get("version")
        locale = next((each for each in LOCALES if each == language), None)
        if locale is None or (version is not None and not _is_number(version)):
            return PlainTextResponse("There is no such page.\n", 404)
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._database.session() as session:
                connection = await session.connection()
                found, known = await connection.run_sync(self._find, int(version) if version else None)
        except NotFound:
            return PlainTextResponse("There is no such version.\n", 404)
        except (MailerError, TimeoutError) as error:
            log.warning("The privacy notice is shown without its versions: %s", error)
            found, known = None, []
        return self._html(found, known, locale)

    def _find(
        self, connection: Connection, version: int | None
    ) -> tuple[NoticeVersion | None, list[ShownVersion]]:
        known = [self._shown(number, since) for number, since in versions(connection)]
        if not known and version is None:
            return None, []
        return find_version(connection, version), known

    def _html(self, found: NoticeVersion | None, known: list[ShownVersion], locale: Locale) -> Response:
        headers = self._headers | {"Content-Language": locale, "Vary": "Accept-Language"}
        if found is None:
            html = self._page.render(privacy_notice(self._settings, locale), locale)
        else:
            shown = self._shown(found.version, found.since, found.until)
            html = self._page.render(found.documents[locale], locale, shown, known)
        return HTMLResponse(html, headers=headers)

    def _shown(self, number: int, since: datetime, until: datetime | None = None) -> ShownVersion:
        zone = self._settings.tz
        return ShownVersion(
            number, since.astimezone(zone).date(), until.astimezone(zone).date() if until else None
        )


def _is_number(written: str) -> bool:
    return written.isascii() and written.isdecimal() and len(written) <= 9
