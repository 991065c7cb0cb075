"""The command that asks its way from nothing to a draft: new."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import click

from campaigns import catalogue
from campaigns.commands.completion import complete_topic, complete_version
from campaigns.commands.notes_file import TO_WRITE, parse_new_file, write_notes
from campaigns.commands.notes_options import LocaleChoice, NotesOptions, open_source
from campaigns.commands.questions import Questions
from campaigns.commands.review import preview
from campaigns.notes import Changelog, check_line, cloned_from, read_source_text
from campaigns.rendering import render_notes
from campaigns.source import NotesSource, read_as_changelog
from campaigns.unannounced import last_announced, offer
from mailer.commands import CommandContext, json_option
from mailer.errors import InvalidInput
from mailer.quantity import quantity
from subscribers.topic import parse_topic
from templates.language import LOCALES
from templates.lint import lint as lint_mail
from templates.markdown import Repository
from templates.notes import ReleaseNotes, RemoteImages

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
    "--topic",
    metavar="TOPIC",
    shell_complete=complete_topic,
    help="Which consent it needs; by default the settings'.",
)
@click.option("--locale", type=click.Choice(LOCALES), help="The language; by default the settings'.")
@click.option(
    "--repository",
    metavar="URL",
    help="The repository that #123 and relative links belong to; where it is needed, the one that was cloned is proposed.",
)
@click.option(
    "--remote-images",
    type=click.Choice(["refuse", "link", "omit"]),
    help="Images from other hosts: refuse the notes, make links, or leave them out; by default what the settings say.",
)
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
    repository: str | None,
    remote_images: RemoteImages | None,
    output: Path | None,
    slug: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Create a draft step by step.

    It asks for all that a campaign needs, and writes the notes. FILE is a changelog; without it the one in this
    folder is offered. Of a changelog the versions since the last mail are proposed. The notes become a file of their
    own with front matter, for you to edit. Without a terminal it refuses, or takes the proposals with --yes.

    \b
    Example:
      mailer campaigns new
      mailer campaigns new CHANGELOG.md --since 2.3.0
      mailer campaigns new CHANGELOG.md --yes --json
    """
    settings, questions = context.settings, Questions(yes)
    with context.database.read():
        pass  # without a database there is nothing to ask for
    found = _choose_source(context, questions, file, version, since, topic or settings.topic)
    options = NotesOptions(
        locales=(LocaleChoice(locale),) if locale else (), repository=repository, remote_images=remote_images
    )
    notes = _start_or_ask(context, questions, found, options)
    notes = _ask_for_lines(questions, notes, title or notes.title, topic or notes.topic, preheader or "")
    path = _choose_file(questions, notes, output, found[0].parent if found else Path())
    name = slug or catalogue.slug_of(notes.version or path.stem) or "release"
    with context.database.read() as connection:
        catalogue.check_new_slug(connection, name)  # before there is a file that the next try would meet
    write_notes(path, notes)
    source = NotesSource(
        str(path.resolve()),
        remote_images=None if notes.remote_images == settings.remote_images else notes.remote_images,
    )
    read, images = source.read(settings)
    rendered = render_notes(read, images, settings)
    today = context.now().astimezone(settings.tz).date()
    findings = lint_mail(rendered, image_hosts=settings.image_hosts, notes=read, images=images, today=today)
    with context.database.write() as connection:
        campaign = catalogue.create(connection, name, read, images, context.now(), source=source)
    values = {
        "slug": campaign.slug,
        "file": str(path),
        "title": read.title,
        "version": read.version,
        "findings": len(findings),
    }
    said = f"{campaign.slug}: draft of “{read.title}”, from {path}\n"
    if findings:
        said += f"{quantity(len(findings), 'finding')}: mailer campaigns lint {campaign.slug}\n"
    said += f"Next: mailer campaigns preview {campaign.slug} --serve"
    context.report(values, said, as_json=as_json)
    if not yes and not as_json and _wants_preview():
        click.get_current_context().invoke(preview, slug=campaign.slug, serve=True)


def _ask_for_lines(
    questions: Questions, notes: ReleaseNotes, title: str, topic: str, preheader: str
) -> ReleaseNotes:
    """The notes with the subject, the topic and the preheader that the answers give; these are proposed."""
    title = questions.ask("Subject", title, lambda value: check_line(value, "--title"))
    topic = questions.ask("Topic", topic, lambda value: parse_topic(value, where="--topic"))
    preheader = questions.ask(
        "Preheader",
        preheader,
        lambda value: value and check_line(value, "--preheader"),
        nothing="from the notes",
    )
    return notes._replace(title=title, topic=topic, preheader=preheader or None)


def _wants_preview() -> bool:
    try:
        return click.confirm("Show the preview now?", default=True, err=True)
    except click.Abort:
        return False


def _choose_source(
    context: CommandContext,
    questions: Questions,
    file: Path | None,
    version: str | None,
    since: str | None,
    topic: str,
) -> tuple[Path, str | None, str | None] | None:
    """The changelog with the range to take of it; None for notes that are still to be written."""
    if file is None:
        proposed = next((name for name in _CHANGELOGS if Path(name).is_file()), "")
        answer = questions.ask("Changelog", proposed, _existing, nothing="write the notes yourself")
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


def _start_or_ask(
    context: CommandContext,
    questions: Questions,
    found: tuple[Path, str | None, str | None] | None,
    options: NotesOptions,
) -> ReleaseNotes:
    """The notes to begin with. Where a mail can't have their links or pictures, ask what to do about these."""
    try:
        return _start(context, found, options)
    except InvalidInput as error:
        if questions.yes or found is None:
            raise
        click.echo(str(error), err=True)
    if options.repository is None:
        proposed = cloned_from(found[0].parent) or ""
        answer = questions.ask(
            "Repository that relative links lead into", proposed, _repository, nothing="none"
        )
        options = dataclasses.replace(options, repository=answer)
    if options.remote_images is None:
        answer = questions.ask("Pictures of other hosts: link or omit", "link", _remote_images)
        options = dataclasses.replace(options, remote_images=answer)
    return _start(context, found, options)


def _repository(answer: str) -> str | None:
    return str(Repository.parse(answer)) if answer else None


def _remote_images(answer: str) -> RemoteImages:
    if answer not in {"link", "omit"}:
        raise InvalidInput("It is either link or omit.")
    return "omit" if answer == "omit" else "link"


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
            body=TO_WRITE,
            origin="notes",
        )
    path, version, since = found
    opened = open_source(
        context, path, dataclasses.replace(options, version=version, since=since), is_changelog=True
    )
    return opened.source.read(settings, opened.text)[0]


def _choose_file(questions: Questions, notes: ReleaseNotes, output: Path | None, folder: Path) -> Path:
    """The file for the notes, which is not there yet."""
    name = catalogue.slug_of(notes.version or notes.title) or "notes"
    proposed = str(output or folder / f"notes-{name}.md")
    return questions.ask("File", proposed, parse_new_file)
