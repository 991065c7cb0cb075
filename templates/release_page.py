"""The public pages of release notes: a page for each note, and the list of a topic.

They have the theme of the mails and hold nobody's data. They load pictures of their own, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from mailer.message import InlineImage
from templates.brand import Brand
from templates.design import design_values
from templates.environment import render_template
from templates.language import Locale, format_long_date, load_texts
from templates.markdown import Hero, Section, extract_preheader, parse_notes, take_hero, write_html_body
from templates.notes import Action, ReleaseNotes
from templates.theme import HEAD_STYLE, STYLE, Theme, find_theme

_SUMMARY_CHARACTERS = 200
_ANCHOR = "part"  # the ids of sections, as in the mail
_ENCLOSED = re.compile(r'(?:(?<=src=")|(?<=srcset="))cid:([^"]+)(?=")')
_PICTURE_STYLE = re.compile(r' style="width: 100%; max-width: \d+px"')
_LABEL = re.compile(r'<span class="label">(?:(?!</span>).)*</span>')
_ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif"}
IMAGE_NAME = re.compile(r"[0-9a-f]{32}\.(?:png|jpg|gif)")  # as `image_name` writes it


class Link(NamedTuple):
    """A link to another page, with the language that it is in."""

    title: str
    href: str
    locale: Locale


@dataclass(frozen=True, slots=True)
class Article:
    """Release notes as HTML for a page. `summary` is plain text; `picture` stands above the title.

    `images` are those that it shows, by the name of their file, which says what they contain.
    """

    title: str
    version: str | None
    date: date | None
    locale: Locale
    theme: str
    summary: str
    picture: Hero | None
    lead: str
    sections: tuple[Section, ...]
    action: Action | None
    images: Mapping[str, InlineImage]

    def with_images_in(self, folder: str) -> Article:
        """The article with its images at addresses that begin with `folder`."""
        names = {image.content_id: name for name, image in self.images.items()}

        def place(html: str) -> str:
            return _ENCLOSED.sub(lambda found: folder + names[found[1]], html)

        picture = self.picture
        return replace(
            self,
            picture=picture
            and replace(
                picture,
                source=folder + names[picture.source.removeprefix("cid:")],
                dark=picture.dark and folder + names[picture.dark.removeprefix("cid:")],
            ),
            lead=place(self.lead),
            sections=tuple(replace(section, html=place(section.html)) for section in self.sections),
        )

    def html(self) -> str:
        """The whole body for a reader that has no style sheet, such as one of feeds."""
        parts = []
        if picture := self.picture:
            image = Markup('<p><img src="{}" alt="{}"></p>\n')
            parts.append(str(image.format(picture.source, picture.alt)))
        parts.append(self.lead)
        if action := self.action:
            parts.append(str(Markup('<p><a href="{}">{}</a></p>\n').format(action.url, action.label)))
        return _LABEL.sub("", "".join([*parts, *(section.html for section in self.sections)]))


@dataclass(frozen=True, slots=True)
class ListedNote:
    """A release note in the list of its topic."""

    link: Link
    version: str | None
    day: date
    summary: str = ""


class PageNumber(NamedTuple):
    """Which page of a list it is, and the number of the last one; the first is 1."""

    number: int = 1
    last: int = 1


ONLY_PAGE = PageNumber()


@dataclass(frozen=True, slots=True)
class Around:
    """What a page links to. `archive` is the list of the topic; `languages` has the same page in other languages.

    `newer` and `older` are the pages before and after it; `page` is that of a list.

    `address` is the page's own, for search engines; only with `is_indexed` they may list it.
    """

    archive: Link | None = None
    languages: Sequence[Link] = ()
    newer: Link | None = None
    older: Link | None = None
    atom: str | None = None
    json: str | None = None
    sign_up: str | None = None
    address: str | None = None
    is_indexed: bool = False
    page: PageNumber = ONLY_PAGE


class ReleasePage(NamedTuple):
    """The HTML of a page, and its content security policy."""

    html: str
    policy: str


class ReleasePages:
    """Renders the pages for one brand. `theme` is that of notes without one; `templates_dir` is as in `load_environment`."""

    def __init__(self, brand: Brand, theme: str, templates_dir: Path | None = None) -> None:
        self._brand, self._theme, self._templates_dir = brand, theme, templates_dir
        self._styles: dict[str, tuple[Markup, str]] = {}

    def article(self, notes: ReleaseNotes, images: Mapping[str, InlineImage]) -> Article:
        """The notes as HTML. `images` are by their source in the Markdown; those on other hosts become links, or are left out.

        Raises InvalidInput for notes that can't be shown.
        """
        remote = "link" if notes.remote_images == "refuse" else notes.remote_images
        document = parse_notes(notes._replace(remote_images=remote), image_hosts=())
        theme = find_theme(notes.theme or self._theme, self._templates_dir)
        picture, rest = take_hero(document, images) if theme.hero else (None, document)
        body = write_html_body(rest, images, anchor=_ANCHOR, is_page=True)
        return Article(
            title=notes.title,
            version=notes.version,
            date=notes.date,
            locale=notes.locale,
            theme=theme.name,
            summary=notes.preheader or extract_preheader(document, _SUMMARY_CHARACTERS),
            picture=picture,
            lead=_PICTURE_STYLE.sub("", body.lead),
            sections=tuple(
                replace(section, html=_PICTURE_STYLE.sub("", section.html)) for section in body.sections
            ),
            action=notes.action,
            images={image_name(images[source]): images[source] for source in document.local_images()},
        )

    def note(self, article: Article, around: Around) -> ReleasePage:
        """The page of one release note."""
        sections = [
            replace(one, html=Markup(one.html))  # noqa: S704 - write_html_body escapes
            for one in article.sections
        ]
        return self._page(
            "pages/release_note.html.j2",
            article.locale,
            find_theme(article.theme, self._templates_dir),
            around,
            title=article.title,
            article=article,
            lead=Markup(article.lead),  # noqa: S704 - as above
            sections=sections,
            has_contents=len(sections) > 1 and any(one.subheadings for one in sections),
            day=format_long_date(article.date, article.locale) if article.date else None,
            anchor=_ANCHOR,
        )

    def list_of_notes(
        self,
        name: str,
        locale: Locale,
        notes: Sequence[ListedNote],
        around: Around,
    ) -> ReleasePage:
        """A page of the list of a topic, newest first, by year. `name` is what people call the topic."""
        years = [
            (
                year,
                [(note, format_long_date(note.day, locale)) for note in of_year],
            )
            for year, of_year in groupby(notes, key=lambda note: note.day.year)
        ]
        theme = find_theme(self._theme, self._templates_dir)
        return self._page("pages/release_list.html.j2", locale, theme, around, title=name, years=years)

    def _page(
        self, template: str, locale: Locale, theme: Theme, around: Around, **values: Any
    ) -> ReleasePage:
        style, policy = self._style(theme)
        values |= {
            "locale": locale,
            "texts": load_texts(locale),
            "brand": self._brand,
            "logo": _data_url(self._brand.logo),
            "logo_dark": _data_url(self._brand.logo_dark),
            "style": style,
            "around": around,
        }
        return ReleasePage(render_template(template, values, templates_dir=self._templates_dir), policy)

    def _style(self, theme: Theme) -> tuple[Markup, str]:
        """The style sheet of the theme's pages, and the policy that allows it and pictures of the same host."""
        if theme.name not in self._styles:
            values = design_values(theme, self._brand)
            names = (theme.template(STYLE), theme.template(HEAD_STYLE), "pages/release.css.j2")
            style = "\n".join(
                render_template(name, values, templates_dir=self._templates_dir) for name in names
            )
            digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
            policy = (
                f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:; form-action 'none'; "
                "base-uri 'none'; frame-ancestors 'none'"
            )
            self._styles[theme.name] = Markup(style), policy  # noqa: S704 - our own files and checked settings
        return self._styles[theme.name]


def image_name(image: InlineImage) -> str:
    """The name of an image's file: the beginning of the SHA-256 of its content, and an ending for its type."""
    return f"{hashlib.sha256(image.data).hexdigest()[:32]}.{_ENDINGS[image.content_type]}"


def _data_url(image: InlineImage | None) -> str | None:
    """A logo as a URL that contains it."""
    if image is None:
        return None
    return f"data:{image.content_type};base64,{base64.b64encode(image.data).decode()}"
