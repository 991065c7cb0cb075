"""Published campaigns, and a site that shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount

from campaigns import catalogue, transitions
from campaigns.lifecycle import Act
from campaigns.notes import read_images
from campaigns.page_links import PageLinks
from campaigns.rendering import brand_of, render_notes
from campaigns.web.archive import ArchiveEndpoint
from mailer.config import Settings, key_source
from mailer.database import Database, installation_id
from subscribers.web import PageServices
from templates.notes import ReleaseNotes
from templates.page import Pages
from tests.support.campaign import NOTES, TOPIC, settings_for
from tests.support.pictures import png

START = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
PICTURE = png(600, 600)


class Site:
    """A served archive, with campaigns."""

    def __init__(self, database: Database, folder: Path, **values: Any) -> None:
        archive = {"enabled": True, "topics": (TOPIC,)} | values.pop("archive", {})
        self.settings = settings_for(25, archive=archive, **values)
        self.database, self.folder = database, folder
        self._served: tuple[Settings, Starlette] | None = None

    def send(self, slug: str, notes: ReleaseNotes = NOTES, at: datetime = START) -> None:
        """Begin the sending of a campaign."""
        self.draft(slug, notes)
        self.act(slug, Act.SEND, at)

    def draft(self, slug: str, notes: ReleaseNotes = NOTES) -> None:
        """Create a campaign, and freeze its content."""
        images = {
            source: image
            for edition in notes.editions
            for source, image in read_images(edition, self.folder, self.settings).items()
        }
        with self.database.write() as connection:
            made = catalogue.create(connection, slug, notes, images, START)
            catalogue.freeze(connection, made.id, render_notes(notes, images, self.settings), START)

    def act(self, slug: str, act: Act, at: datetime = START) -> None:
        with self.database.write() as connection:
            transitions.change_state(connection, catalogue.find(connection, slug), act, at)

    def view(self, slug: str, locale: str = "en") -> str:
        """The path of the page that a mail links to."""
        with self.database.read() as connection:
            number = catalogue.find(connection, slug).id
            links = PageLinks(key_source(self.settings), installation_id(connection), "")
        return links.url(number, locale)  # type: ignore[arg-type]

    def client(self) -> httpx.AsyncClient:
        """A visitor of the pages. They are served anew where the settings changed."""
        if self._served is None or self._served[0] is not self.settings:
            pages = Pages(brand_of(self.settings))
            services = PageServices(self.database, pages, key_source(self.settings), self.settings)
            routes = ArchiveEndpoint(services, START).routes
            path = urlsplit(self.settings.public_url).path
            self._served = self.settings, Starlette(routes=[Mount(path, routes=routes)] if path else routes)
        transport = httpx.ASGITransport(self._served[1])
        return httpx.AsyncClient(transport=transport, base_url="https://example.com")

    async def get(self, path: str, **headers: str) -> httpx.Response:
        async with self.client() as client:
            return await client.get(path, headers=headers)
