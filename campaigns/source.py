"""The source of a campaign's notes, to read them again."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self

from campaigns.file_language import locale_in_name, refuse_other_language
from campaigns.notes import (
    STDIN,
    Changelog,
    Defaults,
    Frame,
    as_markdown,
    check_line,
    drop_contributors,
    gather_notes,
    heard_lines,
    is_release,
    keep_kinds,
    parse_kinds,
    read_changelog,
    read_images,
    read_markdown,
    read_release,
    read_source_text,
    read_title,
    unheard,
)
from mailer.config import Settings
from mailer.errors import InvalidInput
from mailer.message import InlineImage
from subscribers.topic import parse_topic
from templates.language import parse_locale
from templates.markdown import Repository
from templates.notes import ReleaseNotes, RemoteImages

_CHANGELOG_NAME = re.compile(r"(?:change-?logs?|changes|history|news|releases)\b", re.IGNORECASE)
_CHANGELOG_HEADING = re.compile(
    r"#\s+(?:change ?log|changes|history|news|release notes)\W*$", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class NotesSource:
    """A file of notes, and the options with which the campaign was created.

    `path` is a Markdown file of its own, or the JSON of a release. With `version` or `since` it is a changelog: that
    version's section, or all releases after `since` up to `version`. `only` names kinds of change, with commas between.
    The other options override the file. `translations` are the files of the same notes in other languages,
    and `locales` the path and language of those whose language was given.
    """

    path: str
    version: str | None = None
    title: str | None = None
    preheader: str | None = None
    topic: str | None = None
    locale: str | None = None
    base_url: str | None = None
    remote_images: RemoteImages | None = None
    since: str | None = None
    only: str | None = None
    repository: str | None = None
    contributors: Literal["keep", "omit"] | None = None
    translations: tuple[str, ...] = ()
    locales: tuple[tuple[str, str], ...] = ()

    @classmethod
    def load(cls, document: str) -> Self:
        """A source from the database."""
        values = json.loads(document)
        values["translations"] = tuple(values.get("translations", ()))
        values["locales"] = tuple((path, locale) for path, locale in values.get("locales", ()))
        return cls(**values)

    def dump(self) -> str:
        """This source as JSON, for the database."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @property
    def name(self) -> str:
        """What messages call the file."""
        return "standard input" if self.path == STDIN else Path(self.path).name

    def takes_front_matter(self, text: str) -> bool:
        """Whether the file is Markdown of its own, whose front matter has the title."""
        return not (self.version or self.since or is_release(text))

    def read(
        self, settings: Settings, text: str | None = None
    ) -> tuple[ReleaseNotes, dict[str, InlineImage]]:
        """Read the notes and their images from disk; `text` is the file's text where it was read already.

        Raises InvalidInput with file and line, also for two files in one language or on two topics.
        """
        notes, images = self._read_edition(settings, text)
        others: list[ReleaseNotes] = []
        for path in self.translations:
            source = dataclasses.replace(
                self, path=path, locale=dict(self.locales).get(path), translations=()
            )
            other, more = source.read(settings)
            _refuse_mismatch(notes, [notes, *others], other, images, more)
            others.append(other)
            images |= more
        return notes._replace(translations=tuple(others)), images

    def _read_edition(
        self, settings: Settings, text: str | None = None
    ) -> tuple[ReleaseNotes, dict[str, InlineImage]]:
        """The notes of one file, in one language."""
        if text is None:
            text = read_source_text(Path(self.path))
        repository = Repository.parse(self.repository, where="--repository") if self.repository else None
        locale = parse_locale(self.locale) if self.locale else None
        topic = parse_topic(self.topic, where="--topic") if self.topic is not None else None
        defaults = Defaults(
            locale=locale or locale_in_name(self.name) or settings.locale,
            topic=topic or settings.topic,
            product=settings.brand.name,
            base_url=self.base_url,
            repository=settings_repository(settings),
        )
        notes = self._read(text, defaults, settings)
        if locale is None and notes.where_key("locale") is None:
            refuse_other_language(self.name)
        remote_images = self.remote_images or settings.remote_images
        if is_release(text) and self.remote_images is None and remote_images == "refuse":
            remote_images = "link"  # nobody can save the pictures of a release beside its notes
        notes = notes._replace(
            body=self._select(notes, settings),
            locale=locale or notes.locale,
            topic=topic or notes.topic,
            base_url=self.base_url or notes.base_url,
            remote_images=remote_images,
            repository=str(repository) if repository else notes.repository,
        )
        return notes, read_images(notes, Path(self.path).parent, settings)

    def _read(self, text: str, defaults: Defaults, settings: Settings) -> ReleaseNotes:
        if is_release(text):
            return read_release(text, self.name, defaults, title=self.title, preheader=self.preheader)
        text = as_markdown(text, self.name)
        if self.since is not None:
            return self._gather(Changelog(text, self.name), defaults, settings)
        if self.version:
            return read_changelog(
                text, self.version, self.name, defaults, title=self.title, preheader=self.preheader
            )
        return read_markdown(text, self.name, defaults)

    def _gather(self, changelog: Changelog, defaults: Defaults, settings: Settings) -> ReleaseNotes:
        """The releases after `since`, up to `version`, as one set of notes."""
        heard = heard_lines(changelog, self.since)
        found = unheard(changelog, heard, pre_releases=settings.digest_pre_releases)
        if self.version:
            ordered = changelog.newest_first(changelog.releases)
            newest = changelog.find(self.version).line
            newer = {release.line for release in ordered[: [one.line for one in ordered].index(newest)]}
            found = tuple(release for release in found if release.line not in newer)
        if not found:
            upper = f", up to {self.version}" if self.version else ""
            raise InvalidInput(
                f"nothing was released since {self.since}{upper}.",
                where=self.name,
                hint="--version VERSION takes the section of one version.",
            )
        frame = Frame(
            defaults.locale,
            defaults.topic,
            defaults.product,
            defaults.base_url,
            repository=defaults.repository,
            theme=settings.theme or "digest",
        )
        notes = gather_notes(changelog, found, frame)
        return notes._replace(
            title=check_line(self.title, "--title") if self.title else notes.title,
            preheader=check_line(self.preheader, "--preheader") if self.preheader else None,
        )

    def _select(self, notes: ReleaseNotes, settings: Settings) -> str:
        body = notes.body
        if self.only:
            body = keep_kinds(body, parse_kinds(self.only), notes.origin)
        if (self.contributors or settings.contributors) == "omit":
            body = drop_contributors(body)
        if not body.strip():
            raise InvalidInput(
                "nothing is left of the notes.", where=notes.origin, hint="Give other options."
            )
        return body


def settings_repository(settings: Settings) -> str | None:
    """The repository in the settings. Raises InvalidInput where it is no address of one."""
    if settings.repository is None:
        return None
    return str(Repository.parse(settings.repository, where="repository in the settings"))


def read_as_changelog(text: str, name: str) -> Changelog | None:
    """The changelog that a text is by the file's name or by its first line; None for other notes.

    The first line is the title of a changelog, or a release without a title above it, as git-cliff and towncrier
    write it.
    """
    if text.startswith("---") or is_release(text):
        return None
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("<!--")), "")
    title = read_title(first.lstrip("# "))
    is_dated = title is not None and title.is_dated and bool(title.versions)
    is_untitled = first.startswith("## ") and not re.search(r"^# ", text, re.MULTILINE)
    if not (_CHANGELOG_NAME.match(name) or _CHANGELOG_HEADING.match(first) or is_untitled or is_dated):
        return None
    changelog = Changelog(as_markdown(text, name), name)
    return changelog if changelog.releases else None


def _refuse_mismatch(
    first: ReleaseNotes,
    known: Sequence[ReleaseNotes],
    other: ReleaseNotes,
    images: Mapping[str, InlineImage],
    more: Mapping[str, InlineImage],
) -> None:
    """Raise InvalidInput where a further file does not fit the others of its campaign."""
    same = next((one for one in known if one.locale == other.locale), None)
    if same is not None:
        raise InvalidInput(
            f"the language is {other.locale}, as in {same.origin}.",
            where=other.origin,
            hint='Name the files notes.nl.md and notes.en.md, or write "locale: ..." at their beginning.',
        )
    if other.topic != first.topic:
        raise InvalidInput(
            f"the topic is {other.topic!r}, but {first.topic!r} in {first.origin}.",
            where=other.origin,
            hint="All languages of a campaign have one topic.",
        )
    if first.version and other.version and other.version != first.version:
        raise InvalidInput(
            f"the version is {other.version}, but {first.version} in {first.origin}.",
            where=other.origin,
            hint="All languages of a campaign are about one version. Is one of the two files of an earlier release?",
        )
    clash = next((name for name in images.keys() & more.keys() if images[name] != more[name]), None)
    if clash is not None:
        raise InvalidInput(
            f'the image "{clash}" is another one than in {first.origin}.',
            where=other.origin,
            hint="Give one of the two another name.",
        )
