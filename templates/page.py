"""The pages behind an unsubscribe link. They load nothing: the stylesheet is inside the page."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from templates.brand import Brand
from templates.environment import render_template
from templates.language import Locale, load_texts
from templates.page_style import page_style


class Page(StrEnum):
    """The kinds of page; each has a title and a body in the language files."""

    ASK = "ask"
    UNSUBSCRIBED = "unsubscribed"
    NOT_SUBSCRIBED = "not_subscribed"
    RESUBSCRIBED = "resubscribed"
    INVALID_LINK = "invalid_link"
    BAD_REQUEST = "bad_request"
    UNAVAILABLE = "unavailable"
    PROOF = "proof"


class Pages:
    """Renders pages for one brand.

    `content_security_policy` is the header value for every page. It allows the stylesheet inside the page, by
    its hash, and a form to the page's own address, and nothing else: no script, image, font or frame.
    `templates_dir` is as in `load_environment`.
    """

    def __init__(self, brand: Brand, templates_dir: Path | None = None) -> None:
        self._brand = brand
        self._templates_dir = templates_dir
        self._style, self.content_security_policy = page_style(brand, templates_dir)

    def render(
        self,
        page: Page,
        locale: Locale,
        *,
        address: str | None = None,
        topic: str | None = None,
        undo_code: str | None = None,
    ) -> str:
        """The HTML of `page`. `address` is shown as given, so the caller masks it.

        With an `undo_code` the page has a button that posts it, to undo the withdrawal.
        """
        texts = load_texts(locale)["pages"]
        return self._render_template(
            "pages/page.html.j2",
            page=page,
            locale=locale,
            texts=texts,
            brand=self._brand,
            style=self._style,
            title=texts[f"{page}_title"],
            body=texts[f"{page}_body"].format(name=self._brand.name),
            wording=self.consent_wording(locale, topic) if topic else "",
            address=address,
            topic=topic,
            undo_code=undo_code,
        )

    def consent_wording(self, locale: Locale, topic: str) -> str:
        """The text, as shown, that a person agrees to with the button "Subscribe again"."""
        return load_texts(locale)["pages"]["resubscribe_wording"].format(name=self._brand.name, topic=topic)

    def _render_template(self, name: str, **values: object) -> str:
        return render_template(name, values, templates_dir=self._templates_dir)
