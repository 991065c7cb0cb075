"""The page with a person's own data: ``/me/<token>``.

GET and HEAD show one button and write nothing. The POST of that button spends the link and returns the page,
whose forms carry tokens of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mailer.database import in_thread
from mailer.errors import MailerError
from subscribers import ledger, own_data, pending_requests, people, rights
from subscribers.own_data import Act, ExportFormat, Form, FormTokens, Notice, overview, perform
from subscribers.own_data.forms import LIFETIME
from subscribers.pending_requests import LinkTarget, RequestKind, RequestLinks
from subscribers.people import Person
from subscribers.rights import SubjectRecord
from subscribers.signed_tokens import UnknownToken
from subscribers.web.answers import LARGEST_BODY, OVER_STATUS, PageServices, chosen, token_of
from subscribers.web.form import UnreadableForm, read_form
from templates.language import Locale
from templates.own_data_page import OwnData
from templates.page import Page

_FILES = {
    ExportFormat.JSON: ("application/json", "json"),
    ExportFormat.CSV: ("text/csv; charset=utf-8", "csv"),
    ExportFormat.HTML: ("text/html; charset=utf-8", "html"),
}
_FILE_NAMES: dict[Locale, str] = {"nl": "mijn-gegevens", "en": "my-data"}


class _Acted(NamedTuple):
    """What became of a form, and the person's data afterwards; none once they are erased."""

    notice: Notice
    record: SubjectRecord | None
    former: Person | tuple[str, str] | None


class OwnDataEndpoint:
    """Answers ``/me/<token>``."""

    def __init__(self, services: PageServices) -> None:
        self._services = services

    @property
    def route(self) -> Route:
        """The route of the page."""
        return Route(
            "/me/{token:path}",
            self.answer,
            methods=["GET", "POST"],
            name="own data",
            max_body_size=LARGEST_BODY,
        )

    async def answer(self, request: Request) -> Response:
        """The page, or the answer to one of its forms."""
        services, token = self._services, token_of(request)
        locale: Locale = services.settings.locale
        try:
            installation = await services.installation()
            links = RequestLinks(services.keys, installation, services.settings.public_url)
            target = links.read(token, {RequestKind.OWN_DATA})
            locale = target.locale
            if request.method != "POST":
                return await self._ask(target)
            form = await read_form(request)
            tokens = FormTokens(services.keys, installation, token)
            if chosen(form, "open"):
                return await self._open(target, tokens)
            return await self._act(target, tokens, form)
        except (UnreadableForm, MailerError, TimeoutError) as error:
            return services.failure(error, locale, "A request of the page with own data")

    async def _ask(self, target: LinkTarget) -> Response:
        found = await self._services.read(
            lambda connection, now: pending_requests.find_linked(connection, target, now)
        )
        if found is None:
            return self._services.page(Page.LINK_OVER, target.locale, status=OVER_STATUS)
        return self._services.page(Page.OWN_DATA_OPEN, target.locale)

    async def _open(self, target: LinkTarget, tokens: FormTokens) -> Response:
        """Spend the link and show the page."""

        def spend(connection: Connection, now: datetime) -> tuple[Person, SubjectRecord, datetime] | None:
            found = pending_requests.find_linked(connection, target, now)
            if found is None or found.subscriber_id is None:
                return None
            person = people.get(connection, found.subscriber_id)
            if person is None or not pending_requests.spend(connection, target.request_id, now):
                return None
            return person, self._record(connection, person), now + LIFETIME

        opened = await self._services.write(spend)
        if opened is None:
            return self._services.page(Page.LINK_OVER, target.locale, status=OVER_STATUS)
        person, record, expires_at = opened
        return self._show(record, target.locale, self._forms(tokens, person, expires_at))

    async def _act(self, target: LinkTarget, tokens: FormTokens, fields: Mapping[str, str]) -> Response:
        """Carry out a form, or return a file."""
        try:
            form = tokens.read(fields.get("form", ""), await self._services.now())
        except UnknownToken:
            return self._services.page(Page.FORM_OVER, target.locale, status=OVER_STATUS)
        if form.act is Act.EXPORT:
            return await self._export(form, fields.get("format", ""), target.locale)
        acted = await self._services.write(
            lambda connection, now: self._perform(connection, form, fields, target.locale, now)
        )
        if acted is None:
            return self._services.page(Page.LINK_OVER, target.locale, status=OVER_STATUS)
        if acted.former is not None:
            await in_thread(rights.erase_on_disk, self._services.database, acted.former)
        if acted.record is None:
            return self._services.page(Page.ERASED, target.locale)
        forms = self._forms(tokens, acted.record.person, form.expires_at)
        return self._show(acted.record, target.locale, forms, acted.notice.value)

    def _perform(
        self, connection: Connection, form: Form, fields: Mapping[str, str], locale: Locale, now: datetime
    ) -> _Acted | None:
        ledger.lock(connection)  # two forms at once are counted, and a move ends the former page's forms
        person = _owner(connection, form)
        if person is None:
            return None
        done = perform(
            connection, form.act, person, fields, hasher=self._services.hasher(), locale=locale, now=now
        )
        remaining = people.get(connection, form.subscriber_id)
        record = self._record(connection, remaining) if remaining is not None else None
        return _Acted(done.notice, record, done.former)

    async def _export(self, form: Form, wanted: str, locale: Locale) -> Response:
        try:
            chosen_format = ExportFormat(wanted)
        except ValueError:
            raise UnreadableForm from None

        def find(connection: Connection, _now: datetime) -> SubjectRecord | None:
            person = _owner(connection, form)
            return self._record(connection, person) if person is not None else None

        record = await self._services.read(find)
        if record is None:
            return self._services.page(Page.LINK_OVER, locale, status=OVER_STATUS)
        match chosen_format:
            case ExportFormat.JSON:
                content = own_data.to_json(rights.export_values(record))
            case ExportFormat.CSV:
                content = own_data.to_csv(rights.export_values(record))
            case ExportFormat.HTML:
                content = self._services.pages.render_own_data(self._overview(record, locale), locale)
        media_type, ending = _FILES[chosen_format]
        return self._services.file(content, media_type, f"{_FILE_NAMES[locale]}.{ending}")

    @staticmethod
    def _forms(tokens: FormTokens, person: Person, expires_at: datetime) -> dict[str, str]:
        """The token of each form."""
        return {act.value: tokens.make(Form(act, person.id, person.hashed.hash, expires_at)) for act in Act}

    def _show(
        self, record: SubjectRecord, locale: Locale, forms: Mapping[str, str], notice: str = ""
    ) -> Response:
        shown = self._overview(record, locale)
        html = self._services.pages.render_own_data(shown, locale, forms=forms, notice=notice)
        return self._services.html(html, locale)

    def _overview(self, record: SubjectRecord, locale: Locale) -> OwnData:
        settings = self._services.settings
        return overview(record, locale, settings.topics, settings.tz, settings.form_of_address)

    def _record(self, connection: Connection, person: Person) -> SubjectRecord:
        return rights.look_up(connection, person.address, self._services.hasher())


def _owner(connection: Connection, form: Form) -> Person | None:
    """The person of a form; None where they are erased or their address has changed."""
    person = people.get(connection, form.subscriber_id)
    return person if person is not None and person.hashed.hash == form.address_hash else None
