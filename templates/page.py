"""The pages behind an unsubscribe link: one template, one small stylesheet, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
from enum import StrEnum
from pathlib import Path

from markupsafe import Markup

from templates.brand import Brand, readable
from templates.environment import fill
from templates.language import Locale, texts_of

# What the card stands on, by day and by night; the brand's colour is made legible on each.
_LIGHT, _DARK = "#ffffff", "#1b1e24"


class Page(StrEnum):
    """What a page tells."""

    ASK = "ask"
    DONE = "done"
    AWAY = "away"
    RESTORED = "restored"
    INVALID = "invalid"
    REFUSED = "refused"
    LATER = "later"


class Pages:
    """Renders pages for one brand.

    `content_security_policy` is the header value that goes with every page: it allows the stylesheet inside the
    page, by its hash, and the form back to the page itself. No script, no image, no font, no frame.
    `templates_dir` is as in `environment`.
    """

    def __init__(self, brand: Brand, templates_dir: Path | None = None) -> None:
        self._brand = brand
        self._templates_dir = templates_dir
        style = self._fill(
            "pages/page.css.j2",
            accent=readable(brand.colour, _LIGHT),
            accent_in_the_dark=readable(brand.colour, _DARK),
            light=_LIGHT,
            dark=_DARK,
        )
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self._style = Markup(style)  # noqa: S704 - our own file and two checked colours
        self.content_security_policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )

    def render(
        self, page: Page, locale: Locale, *, address: str | None = None, topic: str | None = None
    ) -> str:
        """The HTML of `page`; `address` is shown as given, so it comes masked."""
        words = texts_of(locale)["pages"]
        return self._fill(
            "pages/page.html.j2",
            page=page,
            locale=locale,
            words=words,
            brand=self._brand,
            style=self._style,
            title=words[f"{page}_title"],
            body=words[f"{page}_body"].format(name=self._brand.name),
            consent=self.consent(locale, topic) if topic else "",
            address=address,
            topic=topic,
        )

    def consent(self, locale: Locale, topic: str) -> str:
        """What somebody agrees to with "subscribe again", word for word as the page shows it."""
        return texts_of(locale)["pages"]["undo_consent"].format(name=self._brand.name, topic=topic)

    def _fill(self, name: str, **values: object) -> str:
        return fill(name, values, templates_dir=self._templates_dir)
