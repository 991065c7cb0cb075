"""The pages behind an unsubscribe link: one template, one small stylesheet, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
from enum import StrEnum

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from templates.brand import Brand, readable
from templates.language import Locale, texts

# The grounds that the card has in page.css; the brand's colour is made legible on each.
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
    """

    def __init__(self, brand: Brand) -> None:
        self._brand = brand
        environment = Environment(
            loader=PackageLoader("templates", "pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._template = environment.get_template("page.html")
        self._style = Markup(  # noqa: S704 - made of our own file and two checked colours
            environment.get_template("page.css").render(
                accent=readable(brand.colour, _LIGHT),
                accent_in_the_dark=readable(brand.colour, _DARK),
                light=_LIGHT,
                dark=_DARK,
            )
        )
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self.content_security_policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )

    def render(
        self, page: Page, locale: Locale, *, address: str | None = None, topic: str | None = None
    ) -> str:
        """The HTML of `page`; `address` is shown as given, so it comes masked."""
        words = texts(locale)["pages"]
        return self._template.render(
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
        return texts(locale)["pages"]["undo_consent"].format(name=self._brand.name, topic=topic)
