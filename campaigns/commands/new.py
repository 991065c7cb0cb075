"""The command that asks its way from nothing to a draft: new."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from campaigns import catalogue
from campaigns.commands.completion import complete_topic, complete_version
from campaigns.commands.notes_options import LocaleChoice, NotesOptions, open_source
from campaigns.commands.review import preview
from campaigns.notes import Changelog, check_line, read_source_text, render_notes
from campaigns.source import NotesSource, read_as_changelog
from campaigns.unannounced import last_announced, offer
from mailer.commands import CommandContext, json_option
from mailer.errors import InvalidInput, Refused
from subscribers.topic import parse_topic
from templates.language import LOCALES
from templates.lint import lint as lint_mail
from templates.notes import ReleaseNotes

Value = TypeVar("Value")
_CHANGELOGS = (
    "CHANGELOG.md",
    "CHANGES.md",
    "HISTORY.md",
    "NEWS.md",
    "docs/CHANGELOG.md",
    "CHANGELOG.rst",
    "CHANGES.rst",
    "NEWS.rst",
)
_TO_WRITE = """\
Say in a sentence or two what this release changes for its readers.

### Added

- **A name for it.** What one can do with it now.

### Fixed

- What went wrong, and does no more.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class _Questions:
    """Asks for values; with `yes` it takes what is proposed."""

    yes: bool

    def ask(self, question: str, proposed: str, check: Callable[[str], Value]) -> Value:
        """The answer, once `check` accepts it. Raises Refused where nobody answers."""
        while True:
            answer = proposed if self.yes else self._prompt(question, proposed)
            try:
                return check(answer)
            except InvalidInput as error:
                if self.yes:
                    raise
                click.echo(f"{error.reason} {error.hint or ''}".strip(), err=True)

    def _prompt(self, question: str, proposed: str) -> str:
        try:
            return str(click.prompt(question, default=proposed, err=True)).strip()
        except click.Abort:
            click.echo(err=True)
            raise Refused(
                "Nothing was created.",
                hint="In a script, give --yes, and options for what you want otherwise.",
            ) from None


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option(
    "--version",
    "version",
    shell_complete=complete_version,
    help="Of a changelog: which version; with --since, up to which.",
)
@click.option(
    "--since",
    metavar="VERSION",
    shell_complete=complete_version,
    help="Of a changelog: all releases after this version.",
)
@click.option("--title", help="The subject.")
@click.option("--preheader", help="What an inbox shows after the subject.")
@click.option(
    "--topic", shell_complete=complete_topic, help="Which consent it needs; by default the settings'."
)
@click.option("--locale", type=click.Choice(LOCALES), help="The language; by default the settings'.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file of notes to write; by default named after the version.",
)
@click.option("--slug", help="A short name for the campaign; by default made from the version.")
@click.option("--yes", is_flag=True, help="Do not ask; take what would be proposed.")
@json_option
@click.pass_obj
def new(
    context: CommandContext,
    file: Path | None,
    version: str | None,
    since: str | None,
    title: str | None,
    preheader: str | None,
    topic: str | None,
    locale: str | None,
    output: Path | None,
    slug: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Create a draft step by step.

    It asks for all that a campaign needs, and writes the notes. FILE is a changelog; without it the one in this folder is offered. Of a changelog the versions since the last mail are
    proposed. The notes become a file of their own with front matter, for you to edit. Without a terminal it refuses, or
    takes the proposals with --yes.

    \b
    Example:
      mailer campaigns new
      mailer campaigns new CHANGELOG.md --since 2.3.0
      mailer campaigns new CHANGELOG.md --yes --json
    """
    settings, questions = context.settings, _Questions(yes)
    found = _choose_source(context, questions, file, version, since, topic or settings.topic)
    notes = _start(context, found, NotesOptions(locales=(LocaleChoice(locale),) if locale else ()))
    notes = dataclasses.replace(
        notes,
        title=questions.ask("Subject", title or notes.title, lambda value: check_line(value, "--title")),
        topic=questions.ask("Topic", topic or notes.topic, lambda value: parse_topic(value, where="--topic")),
    )
    shown = "" if preheader is None else preheader
    shown = questions.ask(
        "Preheader (empty: from the notes)", shown, lambda value: value and check_line(value, "--preheader")
    )
    notes = dataclasses.replace(notes, preheader=shown or None)
    path = _choose_file(questions, notes, output, found[0].parent if found else Path())
    name = slug or catalogue.slug_of(notes.version or path.stem) or "release"
    with context.database.read() as connection:
        catalogue.check_new_slug(connection, name)  # before there is a file that the next try would meet
    _write(path, notes)
    source = NotesSource(str(path.resolve()))
    read, images = source.read(settings)
    rendered = render_notes(read, images, settings)
    findings = lint_mail(rendered, image_hosts=settings.image_hosts, notes=read, images=images)
    with context.database.write() as connection:
        campaign = catalogue.create(connection, name, read, images, context.now(), source=source)
    values = {
        "slug": campaign.slug,
        "file": str(path),
        "title": read.title,
        "version": read.version,
        "findings": len(findings),
    }
    said = f"{campaign.slug}: draft of “{read.title}”, from {path}\nNext: mailer campaigns preview {campaign.slug} --serve"
    context.report(values, said, as_json=as_json)
    if not yes and not as_json and _wants_preview():
        click.get_current_context().invoke(preview, slug=campaign.slug, serve=True)


def _wants_preview() -> bool:
    try:
        return click.confirm("Show the preview now?", default=True, err=True)
    except click.Abort:
        return False


def _choose_source(
    context: CommandContext,
    questions: _Questions,
    file: Path | None,
    version: str | None,
    since: str | None,
    topic: str,
) -> tuple[Path, str | None, str | None] | None:
    """The changelog with the range to take of it; None for notes that are still to be written."""
    if file is None:
        proposed = next((name for name in _CHANGELOGS if Path(name).is_file()), "")
        answer = questions.ask("Changelog (empty: write the notes yourself)", proposed, _existing)
        if answer is None:
            return None
        file = answer
    if version or since:
        return file, version, since
    changelog = read_as_changelog(read_source_text(file), file.name)
    if changelog is None:
        raise InvalidInput(
            "no heading in the file names a version.",
            where=str(file),
            hint=f"Create a campaign of it: mailer campaigns create {file}",
        )
    with context.database.read() as connection:
        last = last_announced(connection, changelog, topic)
    releases = offer(changelog, last, pre_releases=context.settings.digest_pre_releases)
    if not releases:
        raise InvalidInput(
            f"nothing was released since {last}.",
            where=str(file),
            hint="--version VERSION takes one version.",
        )
    newest = str(releases[0].versions[0])
    if len(releases) == 1 or last is None:
        return file, questions.ask("Version", newest, _version_in(changelog)), None
    labels = ", ".join(changelog.label(release) for release in releases)
    since = questions.ask(
        f"All releases since ({labels} are new since the last mail)", last, _version_in(changelog)
    )
    return file, newest, since


def _existing(answer: str) -> Path | None:
    if not answer:
        return None
    if not Path(answer).is_file():
        raise InvalidInput(f"There is no file {answer}.")
    return Path(answer)


def _version_in(changelog: Changelog) -> Callable[[str], str]:
    def check(answer: str) -> str:
        changelog.find(answer)
        return answer

    return check


def _start(
    context: CommandContext, found: tuple[Path, str | None, str | None] | None, options: NotesOptions
) -> ReleaseNotes:
    """The notes to begin with."""
    settings = context.settings
    if found is None:
        return ReleaseNotes(
            title=f"New in {settings.brand.name}",
            version=None,
            date=context.now().astimezone(settings.tz).date(),
            locale=options.locale or settings.locale,  # type: ignore[arg-type]  # click has checked it
            topic=settings.topic,
            preheader=None,
            body=_TO_WRITE,
            origin="notes",
        )
    path, version, since = found
    opened = open_source(
        context, path, dataclasses.replace(options, version=version, since=since), is_changelog=True
    )
    return opened.source.read(settings, opened.text)[0]


def _choose_file(questions: _Questions, notes: ReleaseNotes, output: Path | None, folder: Path) -> Path:
    """The file for the notes, which is not there yet."""
    name = catalogue.slug_of(notes.version or notes.title) or "notes"
    proposed = str(output or folder / f"notes-{name}.md")
    return questions.ask("File", proposed, _free)


def _write(path: Path, notes: ReleaseNotes) -> None:
    """Write the notes as a new file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(_as_file(notes))
    except OSError as error:
        raise InvalidInput(f"can't be created: {error.strerror}", where=str(path)) from None


def _free(answer: str) -> Path:
    if not answer or Path(answer).exists():
        raise InvalidInput("there is a file already.", where=answer, hint="Give another one (--output).")
    return Path(answer)


def _as_file(notes: ReleaseNotes) -> str:
    """The notes as Markdown with front matter. JSON's strings are YAML's, too."""
    values = {
        "title": notes.title,
        "version": notes.version,
        "date": notes.date.isoformat() if notes.date else None,
        "locale": notes.locale,
        "topic": notes.topic,
        "preheader": notes.preheader,
        "base_url": notes.base_url,
        "repository": notes.repository,
        "theme": notes.theme,
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items() if value]
    return "\n".join(["---", *lines, "---", "", notes.body.strip("\n"), ""])
