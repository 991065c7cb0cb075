"""The web application for recipients, mail providers and monitoring. It only assembles the layers below.

``uvicorn web:create_app --factory --no-access-log``, or `mailer serve`. The log names routes, never paths, because a
path contains a person's token.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import urlsplit

from sqlalchemy import Connection
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from campaigns.personal_data import holders
from campaigns.rendering import brand_of
from campaigns.web import FIGURES, Monitoring
from mailer.config import Settings, key_source, load_settings
from mailer.database import Clock, Database, GroupCommit
from mailer.observability import Metric, Metrics
from mailer.webhooks import Reach
from subscribers.ledger import OutsideFiles
from subscribers.personal_data import PersonalDataHolders
from subscribers.self_service import unsubscribe
from subscribers.self_service.unsubscribe import View
from subscribers.service_mails import delivery as service_mails
from subscribers.web import (
    COUNTED,
    PRIVACY_PATH,
    ConfirmEndpoint,
    OwnDataEndpoint,
    PageServices,
    PrivacyNoticeEndpoint,
    SignUpEndpoint,
    UnsubscribeEndpoint,
    ledger_key_route,
)
from subscribers.web.api import ConsentApi
from subscribers.webhooks.delivery import Result, WebhookDelivery
from templates.notice_page import NoticePage
from templates.page import Pages

WEBHOOK_CALLS = "mailer_webhook_calls_total"
SERVICE_MAILS = "mailer_service_mails_total"
ANSWERS = "mailer_http_answers_total"
ANSWER_SECONDS = "mailer_http_answer_seconds"

log = logging.getLogger("mailer.web")


def create_app(settings: Settings | None = None) -> Starlette:
    """The application for `settings`; without them, for those that `load_settings` finds. Raises ConfigurationError."""
    application = Application(settings or load_settings())
    app = Starlette(
        routes=application.routes,
        lifespan=application.open,
        middleware=[
            Middleware(_AnswerLog, metrics=application.metrics, on_failed_post=application.doubt_database)
        ],
    )
    # A redirect loses the POST (RFC 8058, section 3.2), and would lead, with the link's token, where the Host header says.
    app.router.redirect_slashes = False
    return app


class Application:
    """The routes, and what they share."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = Database(settings.database_url.reveal(), settings.folder)
        self._database.follow_file()
        self._outside = OutsideFiles(self._database, settings)
        self._database.attach(PersonalDataHolders(holders))
        self._commits = GroupCommit(self._database, self._apply)
        self.metrics = Metrics(
            COUNTED
            | {
                ANSWERS: Metric("Answers over HTTP, by route and status.", {"route": (), "status": ()}),
                WEBHOOK_CALLS: Metric("Webhook calls, by result.", {"result": tuple(Result)}),
                SERVICE_MAILS: Metric(
                    "Service mails, by result of the attempt.", {"result": tuple(service_mails.Result)}
                ),
            },
            {
                ANSWER_SECONDS: Metric(
                    "Seconds from a request to the end of its answer, by route.", {"route": ()}
                )
            },
            FIGURES,
        )
        self._brand = brand_of(settings)
        self._monitoring = Monitoring(self._database, self.metrics)
        own_notice = f"{urlsplit(settings.public_url).path}{PRIVACY_PATH}"
        brand = replace(self._brand, privacy_url=self._brand.privacy_url or own_notice)
        pages = Pages(brand, settings.templates_dir, settings.form_of_address)
        self._services = PageServices(self._database, pages, key_source(settings), settings)
        self._unsubscribe = UnsubscribeEndpoint(self._services, self._commits, self.metrics)
        self._notice = PrivacyNoticeEndpoint(
            self._database,
            NoticePage(brand, own_notice, settings.templates_dir, settings.form_of_address),
            settings,
        )
        self._api = ConsentApi(
            self._database, keys=key_source(settings), public_url=settings.public_url, zone=settings.tz
        )

    @property
    def routes(self) -> list[BaseRoute]:
        """At the root, and below the path of `public_url` for a reverse proxy that does not take it off."""
        public: list[BaseRoute] = [
            self._unsubscribe.route,
            OwnDataEndpoint(self._services).route,
            ConfirmEndpoint(self._services).route,
            SignUpEndpoint(self._services).route,
            self._api.route,
            ledger_key_route(self._outside.signer),
            *self._notice.routes,
            *self._archive_routes(),
        ]
        path = urlsplit(self._settings.public_url).path
        return [
            *public,
            *([Mount(path, Router(public, redirect_slashes=False))] if path else []),
            *self._monitoring.routes,
        ]

    def _archive_routes(self) -> list[Route]:
        """The public pages of release notes, where the settings turn them on."""
        if not self._settings.archive.enabled:
            return []
        from campaigns.web.archive import ArchiveEndpoint  # noqa: PLC0415 - what renders notes is slow to import

        return ArchiveEndpoint(self._services, datetime.now(UTC)).routes

    def doubt_database(self) -> None:
        """A request failed: let /healthz find out soon whether the database takes writes."""
        self._monitoring.doubt()

    @asynccontextmanager
    async def open(self, _app: Starlette) -> AsyncIterator[None]:
        """What was submitted is committed before the application ends."""
        gc.freeze()  # else every full collection walks all imported code: 50 ms that every visitor waits
        calling = asyncio.create_task(self._call_webhooks())
        publishing = asyncio.create_task(asyncio.to_thread(self._notice.publish))
        delivery = self._service_mails()
        mailing = asyncio.create_task(delivery.run())
        self._monitoring.start()
        yield
        calling.cancel()
        await asyncio.wait([calling, publishing])
        await delivery.finish(mailing)
        gc.unfreeze()
        await self._commits.close()
        await self._api.close()
        await self._services.close()
        await asyncio.to_thread(self._outside.close)
        await self._monitoring.close()
        await self._database.aclose()

    async def _call_webhooks(self) -> None:
        allowed = self._settings.webhooks
        delivery = WebhookDelivery(
            self._database,
            key_source(self._settings),
            Reach(allowed.allow_private, allowed.allow_http),
            lambda result: self.metrics.count(WEBHOOK_CALLS, result=result.value),
        )
        await delivery.run()

    def _service_mails(self) -> service_mails.ServiceMailDelivery:
        return service_mails.ServiceMailDelivery(
            self._database,
            self._settings,
            lambda: self._brand,
            key_source(self._settings),
            lambda result: self.metrics.count(SERVICE_MAILS, result=result.value),
        )

    @cached_property
    def _clock(self) -> Clock:
        return self._database.clock()

    def _apply(self, connection: Connection, requests: Sequence[unsubscribe.Request]) -> list[View]:
        return unsubscribe.apply_requests(connection, requests, self._clock())


class _AnswerLog:
    """Counts and logs each answer by its route, and tells of each POST that fails on our side."""

    def __init__(self, app: ASGIApp, metrics: Metrics, on_failed_post: Callable[[], None]) -> None:
        self._app = app
        self._metrics = metrics
        self._on_failed_post = on_failed_post

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 500, time.monotonic()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            if status >= 500 and scope["method"] == "POST":
                self._on_failed_post()
            route = scope.get("route")
            name = route.name if isinstance(route, Route) else "other"
            self._metrics.count(ANSWERS, route=name, status=str(status))
            seconds = time.monotonic() - began
            self._metrics.observe(ANSWER_SECONDS, seconds, route=name)
            log.info("%s %s %d %.1f ms", scope["method"], name, status, seconds * 1000)
