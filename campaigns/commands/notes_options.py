"""The options that say which notes to take, and how; create, lint and preview share them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from campaigns import catalogue
from campaigns.commands.completion import complete_version
from campaigns.file_language import files_of_other_languages, languages_left_out
from campaigns.notes import STDIN, Changelog, read_source_text
from campaigns.source import NotesSource, read_as_changelog
from campaigns.unannounced import last_announced, offer
from mailer.commands import CommandContext
from mailer.errors import InvalidInput, NotFound
from templates.language import LOCALES
from templates.notes import RemoteImages

_SUFFIXES = frozenset({".md", ".markdown", ".txt", ".html", ".rst"})  # of names that mean a file


@dataclass(frozen=True, slots=True)
class LocaleChoice:
    """A language, or a language and its file."""

    locale: str
    file: Path | None = None


class LocaleOption(click.ParamType[LocaleChoice]):
    """``nl``, or ``nl=notes.md``."""

    name = "locale"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 - click's signature
        return "[nl|en|nl=FILE|en=FILE]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> LocaleChoice:
        if isinstance(value, LocaleChoice):
            return value
        locale, equals, file = str(value).partition("=")
        if locale not in LOCALES:
            self.fail(f"{locale!r} is not one of {', '.join(LOCALES)}.", param, ctx)
        if not equals:
            return LocaleChoice(locale)
        if not Path(file).is_file():
            self.fail(f"there is no file {file!r}.", param, ctx)
        return LocaleChoice(locale, Path(file))


locale_option = click.option(
    "--locale",
    "locales",
    type=LocaleOption(),
    multiple=True,
    help="The language; by default what the file or the settings say. As nl=FILE, once for each language: its file.",
)
_SHARED = (
    click.option(
        "--version",
        "version",
        shell_complete=complete_version,
        help="Of a changelog: which version's section; with --since, up to which.",
    ),
    click.option(
        "--since",
        metavar="VERSION",
        shell_complete=complete_version,
        help="Of a changelog: all releases after this version.",
    ),
    click.option("--only", metavar="KINDS", help="Only these kinds of change, such as added,changed."),
    locale_option,
    click.option("--base-url", metavar="URL", help="The web address that relative links start from."),
    click.option(
        "--repository",
        metavar="URL",
        help="The repository that #123 and @user belong to; by default what the notes or the settings say.",
    ),
    click.option(
        "--remote-images",
        type=click.Choice(["refuse", "link", "omit"]),
        help="Images from other hosts: refuse the notes, make links, or leave them out; by default what the settings say.",
    ),
    click.option(
        "--contributors",
        type=click.Choice(["keep", "omit"]),
        help="Lists of contributors: keep them or leave them out; by default what the settings say.",
    ),
)


@dataclass(frozen=True, slots=True)
class NotesOptions:
    """What `notes_options` reads."""

    version: str | None = None
    since: str | None = None
    only: str | None = None
    locales: tuple[LocaleChoice, ...] = ()
    base_url: str | None = None
    repository: str | None = None
    remote_images: RemoteImages | None = None
    contributors: Literal["keep", "omit"] | None = None

    @property
    def locale(self) -> str | None:
        """The language of the (first) file, where it is given."""
        return self.locales[0].locale if self.locales else None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are given with their language."""
        return tuple(choice.file for choice in self.locales if choice.file)

    @property
    def paths_with_locale(self) -> tuple[tuple[str, str], ...]:
        """The path and the language of these files."""
        return tuple((str(one.file.resolve()), one.locale) for one in self.locales if one.file)

    def refuse_mixed_locales(self) -> None:
        """Raise UsageError for several languages of which one has no file."""
        if len(self.locales) > 1 and len(self.files) != len(self.locales):
            raise click.UsageError(
                "Give --locale once, or each time with its file: --locale nl=FILE --locale en=FILE."
            )

    @property
    def are_given(self) -> bool:
        """Whether any of them is given."""
        return self != NotesOptions()


def notes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, which gets them as `options`."""
    names = [field.name for field in dataclasses.fields(NotesOptions)]

    def with_options(*args: Any, **values: Any) -> None:
        options = NotesOptions(**{name: values.pop(name) for name in names})
        options.refuse_mixed_locales()
        command(*args, options=options, **values)

    with_options.__doc__, with_options.__name__ = command.__doc__, command.__name__
    with_options.__click_params__ = list(getattr(command, "__click_params__", ()))  # type: ignore[attr-defined]  # click's
    result: Callable[..., None] = with_options
    for option in reversed(_SHARED):
        result = option(result)
    return result


def is_file(context: CommandContext, name: str, options: NotesOptions) -> bool:
    """Whether an argument SLUG|FILE means a file. Raises NotFound for what looks like one and is neither."""
    if options.are_given or name == STDIN or Path(name).exists():
        return True
    if "/" in name or Path(name).suffix.lower() in _SUFFIXES:
        try:
            with context.database.read() as connection:
                catalogue.find(connection, name)
        except NotFound as error:
            raise NotFound(
                f"There is no file and no campaign {name!r}.", hint=f"Check the path. {error.hint}"
            ) from None
    return False


def other_languages(
    context: CommandContext, path: Path, options: NotesOptions, *, tell: bool = True
) -> list[Path]:
    """The files beside `path` that belong to the same campaign; none where --locale chooses one language.

    With `tell` those are told that look as if they did and are left out.
    """
    if options.locale or str(path) == STDIN:
        return []
    others = files_of_other_languages(path)
    if tell:
        for sentence in languages_left_out(path, others):
            context.console.print(sentence, style="yellow", markup=False)
    return others


@dataclass(frozen=True, slots=True)
class OpenedSource:
    """A source, its text, and what was chosen where the options left it open."""

    source: NotesSource
    text: str
    chosen: str | None = None


def open_source(
    context: CommandContext,
    path: Path,
    options: NotesOptions,
    *,
    is_changelog: bool = False,
    since_last_campaign: bool = False,
    title: str | None = None,
    preheader: str | None = None,
    topic: str | None = None,
    translations: Sequence[Path] = (),
    is_alone: bool = True,
) -> OpenedSource:
    """Read a file of notes, and choose what to take of it.

    Of a changelog without --version and --since that is the newest release, or with `since_last_campaign` all
    releases since the last campaign. `translations` are the files in other languages; without them those beside the
    file are taken, unless --locale chooses one language. Tells which of these are left out, where the file `is_alone` on
    the command line. Raises InvalidInput.
    """
    text = read_source_text(path)
    others = translations or other_languages(context, path, options, tell=is_alone)
    source = NotesSource(
        STDIN if str(path) == STDIN else str(path.resolve()),
        title=title,
        preheader=preheader,
        topic=topic,
        translations=tuple(str(one.resolve()) for one in others),
        locale=options.locale,
        locales=options.paths_with_locale,
        **{name: value for name, value in dataclasses.asdict(options).items() if name != "locales"},
    )
    if options.version or options.since:
        return OpenedSource(source, text)
    changelog = read_as_changelog(text, source.name)
    if changelog is None and is_changelog:
        changelog = Changelog(text, source.name)
    if changelog is None:
        return OpenedSource(source, text)
    last = None
    if since_last_campaign:
        with context.database.read() as connection:
            last = last_announced(connection, changelog, source.topic or context.settings.topic)
    return _newest_releases(context, OpenedSource(source, text), changelog, last)


def _newest_releases(
    context: CommandContext, opened: OpenedSource, changelog: Changelog, last: str | None
) -> OpenedSource:
    """All releases after version `last`, or the newest one where there is no `last`. Raises InvalidInput for none."""
    source, text = opened.source, opened.text
    found = offer(changelog, last, pre_releases=context.settings.digest_pre_releases)
    if not found:
        since = f" since {last}, the last one mailed" if last else ""
        raise InvalidInput(
            f"nothing was released{since}.",
            where=source.name,
            hint="--version VERSION takes the section of one version.",
        )
    newest = str(found[0].versions[0])
    labels = [changelog.label(release) for release in found]
    if len(found) > 1:
        chosen = f"{len(found)} versions since {last}: {', '.join(labels)}"
        return OpenedSource(dataclasses.replace(source, version=newest, since=last), text, chosen)
    return OpenedSource(dataclasses.replace(source, version=newest), text, f"version {labels[0]}")
