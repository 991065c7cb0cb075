"""Read a release as GitHub and GitLab describe it in JSON: title, tag, date, address and notes.

``gh release view --json name,tagName,body,publishedAt,url``, ``glab release view --output json``, the answers of both REST
APIs, and the event file of a GitHub workflow are understood. The author and other people in the file are not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from campaigns.notes.changelog import key_of, read_title
from campaigns.notes.markdown import Defaults, check_line
from campaigns.notes.text import clean
from mailer.errors import InvalidInput
from templates.language import load_texts
from templates.markdown import expand_shortcodes, find_repository
from templates.notes import ReleaseNotes

_RELEASE_PAGE = re.compile(r"(https?://[^\s?#]{3,500}?)/(-/)?releases/(?:tag/)?[^/?#]+/?", re.IGNORECASE)
_HINT = (
    "Write it with `gh release view TAG --json name,tagName,body,publishedAt,url`, or with "
    "`glab release view TAG --output json`."
)


@dataclass(frozen=True, slots=True)
class PublishedRelease:
    """A release on GitHub or GitLab. `repository` is known where the file names the release's page."""

    tag: str
    name: str
    date: date | None
    body: str
    repository: str | None


def is_release(text: str) -> bool:
    """Whether a text is JSON. Notes in Markdown never begin with a brace."""
    return text.lstrip("\ufeff \t\r\n")[:1] == "{" or re.match(r"\ufeff?\s*\[\s*\{\s*\"", text) is not None


def parse_release(text: str, origin: str) -> PublishedRelease:
    """The release that the JSON describes. Raises InvalidInput where it is none, or is not published."""
    values = _release_in(_load(text, origin), origin)
    tag, body = _text(values, "tagName", "tag_name"), _text(values, "body", "description")
    if not tag:
        raise InvalidInput("the JSON is not a release: it has no tag.", where=origin, hint=_HINT)
    if values.get("isDraft") is True or values.get("draft") is True or values.get("upcoming_release") is True:
        raise InvalidInput(
            f"the release {tag[:100]} is not published yet.",
            where=origin,
            hint="Publish it first, then mail its notes.",
        )
    links = values.get("_links")
    own = links.get("self") if isinstance(links, dict) else None
    page = _RELEASE_PAGE.fullmatch(str(own or _text(values, "html_url", "url")))
    return PublishedRelease(
        tag=" ".join(tag.split()),
        name=" ".join(_text(values, "name").split()),
        date=_date(_text(values, "publishedAt", "published_at", "released_at", "createdAt", "created_at")),
        body=body.strip("\n").rstrip(),
        repository=f"{page[1]}{'/-' if page[2] else ''}" if page and "/api/" not in page[1] else None,
    )


def read_release(
    text: str, origin: str, defaults: Defaults, *, title: str | None = None, preheader: str | None = None
) -> ReleaseNotes:
    """Read notes from the JSON of a release. Without a title of its own it is called after product and version.

    Raises what `parse_release` raises, and InvalidInput where the release says nothing.
    """
    release = parse_release(text, origin)
    if not release.body.strip():
        raise InvalidInput(
            f"the notes of the release {release.tag[:100]} say nothing.",
            where=origin,
            hint="Write them, then export it again.",
        )
    version = _version(release.tag)
    own = expand_shortcodes(release.name)
    if not own or key_of(own) in {key_of(release.tag), key_of(version)}:
        own = load_texts(defaults.locale)["mail"]["changelog_title"].format(
            product=defaults.product, version=version
        )
    return ReleaseNotes(
        title=check_line(title or own, "--title" if title else f"{origin}, name"),
        version=check_line(version, f"{origin}, tag"),
        date=release.date,
        locale=defaults.locale,
        topic=defaults.topic,
        preheader=check_line(preheader, "--preheader") if preheader else None,
        body=release.body,
        origin=f"{origin}, notes",
        base_url=defaults.base_url,
        repository=release.repository or find_repository(release.body) or defaults.repository,
        short_references=True,
    )


def _version(tag: str) -> str:
    """The version in a tag: 2.4.0 of v2.4.0, "cli 1.2.3" of cli@1.2.3; the tag itself where it names none."""
    title = read_title(tag)
    if title is None or not title.versions:
        return tag
    version = title.versions[0]
    return f"{version.package} {version.number}" if version.package else version.number


def _load(text: str, origin: str) -> object:
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"the JSON is not valid: {error.msg}.", where=f"{origin}, line {error.lineno}", hint=_HINT
        ) from None
    except (RecursionError, ValueError):
        raise InvalidInput(
            "the JSON is nested too deeply, or has too long a number.", where=origin, hint=_HINT
        ) from None


def _release_in(value: object, origin: str) -> Mapping[str, Any]:
    """The one release in an answer, a list of one, or an event."""
    if isinstance(value, list):
        releases = [one for one in value if isinstance(one, dict)]
        if len(releases) != 1:
            tags = [_text(one, "tagName", "tag_name")[:40] for one in releases[:12]]
            raise InvalidInput(
                f"the JSON has {len(releases)} releases: {', '.join(tags)}.",
                where=origin,
                hint=f"Give the file of one release. {_HINT}",
            )
        value = releases[0]
    if isinstance(value, dict):
        inner = value.get("release")
        return inner if isinstance(inner, dict) else value
    raise InvalidInput("the JSON is not a release.", where=origin, hint=_HINT)


def _text(values: Mapping[str, Any], *names: str) -> str:
    """The first of the values that is a text, without what no mail can hold."""
    found = next((values[name] for name in names if isinstance(values.get(name), str) and values[name]), "")
    return clean(found)


def _date(written: str) -> date | None:
    try:
        return datetime.fromisoformat(written).date()
    except ValueError:
        return None
