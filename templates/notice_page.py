"""The page that shows the privacy notice. It loads nothing: the stylesheet is inside the page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from templates.brand import Brand
from templates.document import Document
from templates.environment import render_template
from templates.language import LOCALES, Locale, Register, format_long_date, load_texts
from templates.page_style import page_style


class ShownVersion(NamedTuple):
    """A version of the notice. `until` is None for the one in force."""

    number: int
    since: date
    until: date | None = None


class NoticePage:
    """Renders the notice for one brand. `path` is where the page is; `path`/LANGUAGE/NUMBER is one version.

    `content_security_policy` is the header value for the page. `templates_dir` is as in `load_environment`;
    `register` is that of the texts.
    """

    def __init__(
        self, brand: Brand, path: str, templates_dir: Path | None = None, register: Register = "formal"
    ) -> None:
        self._brand = brand
        self._path = path
        self._templates_dir = templates_dir
        self._register = register
        self._style, self.content_security_policy = page_style(brand, templates_dir, "pages/notice.css.j2")

    def render(
        self,
        document: Document,
        locale: Locale,
        version: ShownVersion | None = None,
        versions: Sequence[ShownVersion] = (),
    ) -> str:
        """The HTML of the notice, with links to its other `versions`; without a `version` it has no number yet."""
        other = next(each for each in LOCALES if each != locale)
        former = f"/{version.number}" if version is not None and version.until is not None else ""
        values = {
            "document": document,
            "locale": locale,
            "texts": load_texts(locale, self._register)["notice"],
            "brand": self._brand,
            "style": self._style,
            "other_language": {"href": f"{self._path}/{other}{former}", "locale": other},
            "newest_href": f"{self._path}/{locale}",
            "version": None
            if version is None
            else {
                "number": version.number,
                "day": format_long_date(version.since, locale),
                "until": format_long_date(version.until, locale) if version.until else None,
                "is_in_force": version.until is None,
            },
            "links": [
                {
                    "number": each.number,
                    "day": format_long_date(each.since, locale),
                    "href": f"{self._path}/{locale}/{each.number}",
                    "is_current": version is not None and each.number == version.number,
                }
                for each in versions
            ],
        }
        return render_template("pages/notice.html.j2", values, templates_dir=self._templates_dir)
