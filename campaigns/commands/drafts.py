"""Commands that create, update and delete campaigns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import click

from campaigns import catalogue
from campaigns.commands.completion import complete_topic, complete_version
from campaigns.commands.notes_options import (
    LocaleChoice,
    NotesOptions,
    locale_option,
    notes_options,
    open_source,
    other_languages,
)
from campaigns.commands.options import (
    confirm_act,
    dispatch_of,
    report_status,
    slug_argument,
    yes_option,
)
from campaigns.file_language import name_without_locale
from campaigns.lifecycle import Act
from campaigns.notes import STDIN
from campaigns.rendering import render_notes
from campaigns.source import NotesSource, read_as_changelog
from mailer.commands import CommandContext, json_option
from subscribers import audience
from templates.lint import lint as lint_mail
from templates.notes import ReleaseNotes


@click.command()
@click.argument(
    "notes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True),
    nargs=-1,
)
@click.option(
    "--changelog",
    type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True),
    help="Take the notes from a changelog; without --version and --since all since the last campaign.",
)
@click.option("--title", help="The subject, for notes from a changelog or a release.")
@click.option(
    "--preheader", help="What an inbox shows after the subject, for notes from a changelog or a release."
)
@click.option("--slug", help="A short name for the campaign; by default made from version or file name.")
@click.option(
    "--topic",
    metavar="TOPIC",
    shell_complete=complete_topic,
    help="Which consent it needs; by default what the file or the settings say.",
)
@notes_options
@json_option
@click.pass_obj
def create(
    context: CommandContext,
    notes: tuple[Path, ...],
    changelog: Path | None,
    title: str | None,
    preheader: str | None,
    slug: str | None,
    topic: str | None,
    options: NotesOptions,
    as_json: bool,
) -> None:
    """Create a draft from Markdown, a changelog or a release.

    NOTES is a Markdown file, a changelog, or the JSON of `gh release view --json` or `glab release view --output json`;
    "-" is standard input. Several files, one a language, make one campaign; so does notes.nl.md with notes.en.md beside
    it. Each person gets the language of the wording that they agreed to.

    \b
    Example:
      mailer campaigns create notes.md
      mailer campaigns create notes.nl.md notes.en.md
      mailer campaigns create --locale nl=nieuws.md --locale en=news.md
      mailer campaigns create --changelog CHANGELOG.md --version 2.4.0 --locale nl
      mailer campaigns create CHANGELOG.md --since 2.3.0 --only added,changed
      gh release view v2.4.0 --json name,tagName,body,publishedAt,url | mailer campaigns create -
    """
    if options.files and (notes or changelog):
        raise click.UsageError("--locale nl=FILE names the files; give no others.")
    notes = notes or options.files
    path = notes[0] if notes else changelog
    if path is None or (notes and changelog):
        raise click.UsageError("Give a file of notes, or --changelog FILE.")
    opened = open_source(
        context,
        path,
        options,
        is_changelog=changelog is not None,
        since_last_campaign=True,
        title=title,
        preheader=preheader,
        topic=topic,
        translations=notes[1:],
    )
    source, settings = opened.source, context.settings
    if notes and (options.version or options.since) and not read_as_changelog(opened.text, source.name):
        raise click.UsageError(
            "--version and --since go with --changelog FILE; a file of its own has its version in it."
        )
    if (title or preheader) and source.takes_front_matter(opened.text):
        raise click.UsageError(
            "--title and --preheader go with a changelog or a release; in a file of its own they are in its front matter."
        )
    found, images = source.read(settings, opened.text)
    rendered = render_notes(found, images, settings)
    findings = lint_mail(rendered, image_hosts=settings.image_hosts, notes=found, images=images)
    name = slug or catalogue.slug_of(found.version or name_without_locale(source.name)) or "release"
    kept = None if source.path == STDIN else source
    with context.database.write() as connection:
        campaign = catalogue.create(connection, name, found, images, context.now(), source=kept)
    people, doubt = _who_agreed(context, found.topic)
    values = {
        "slug": campaign.slug,
        "state": campaign.state,
        "title": found.title,
        "version": found.version,
        "locale": found.locale,
        "locales": [one.locale for one in found.editions],
        "topic": found.topic,
        "people": people,
        "images": len(images),
        "findings": len(findings),
    }
    draft = _description(campaign.slug, found, opened.chosen)
    context.report(values, f"{draft}{doubt}\n{_next_steps(campaign.slug, len(findings))}", as_json=as_json)


def _description(slug: str, notes: ReleaseNotes, chosen: str | None) -> str:
    said = f"{slug}: draft of “{notes.title}”"
    if notes.translations:
        said += f" in {len(notes.editions)} languages: {', '.join(one.locale for one in notes.editions)}"
    return f"{said} ({chosen})" if chosen else said


def _next_steps(slug: str, findings: int) -> str:
    said = f"Next: mailer campaigns preview {slug}"
    return f"{said}\nLint found {findings}: mailer campaigns lint {slug}" if findings else said


def _who_agreed(context: CommandContext, topic: str) -> tuple[int, str]:
    """How many people agreed to a topic, and what to say where nobody did and people agreed to others.

    The topic may be mistyped then. On a new installation nobody has agreed to any.
    """
    with context.database.read() as connection:
        people = audience.count(connection, topic)
        topics = [] if people else list(audience.count_by_topic(connection))
    return people, f"\nNobody agreed to {topic!r}. Topics on file: {', '.join(topics)}." if topics else ""


@click.command()
@slug_argument
@click.option(
    "--from",
    "files",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="Take the notes from this file from now on; by default from where they came. Once for each language.",
)
@click.option(
    "--version",
    "version",
    shell_complete=complete_version,
    help="The file is a changelog; take this version's section.",
)
@locale_option
@json_option
@click.pass_obj
def update(
    context: CommandContext,
    slug: str,
    files: tuple[Path, ...],
    version: str | None,
    locales: tuple[LocaleChoice, ...],
    as_json: bool,
) -> None:
    """Read a campaign's notes again. Its approval and its due time are void.

    It is refused once mails of the campaign were offered to a relay. Several files, one a language, replace the notes
    in all languages; so does notes.nl.md with notes.en.md beside it.

    \b
    Example:
      mailer campaigns update 2.4.0
      mailer campaigns update 2.4.0 --from notes.md
      mailer campaigns update 2.4.0 --from notes.nl.md --from notes.en.md
      mailer campaigns update 2.4.0 --locale nl=nieuws.md --locale en=news.md
    """
    options = NotesOptions(version=version, locales=locales)
    options.refuse_mixed_locales()
    if options.files and files:
        raise click.UsageError("--locale nl=FILE names the files; give no --from.")
    files = files or options.files
    if options.are_given and not files:
        raise click.UsageError("--version and --locale go with --from.")
    source = None
    if files:
        with context.database.read() as connection:
            known = catalogue.find(connection, slug).source
        source = _replace_files(
            context, NotesSource.load(known) if known else NotesSource(""), files, options
        )
    dispatch_of(context).update(slug, source)
    report_status(context, slug, as_json=as_json)


def _replace_files(
    context: CommandContext, known: NotesSource, files: Sequence[Path], options: NotesOptions
) -> NotesSource:
    """The source with other files. The options that say which notes to take of a file are dropped.

    The language that was chosen for one file stays with one file.
    """
    first, *others = files
    locale = options.locale or (known.locale if len(files) == 1 and not known.locales else None)
    if not others and locale is None:
        others = other_languages(context, first, options)
    return dataclasses.replace(
        known,
        path=str(first.resolve()),
        version=options.version,
        since=None,
        title=None,
        preheader=None,
        locale=locale,
        locales=options.paths_with_locale,
        translations=tuple(str(one.resolve()) for one in others),
    )


@click.command()
@slug_argument
@yes_option
@json_option
@click.pass_obj
def delete(context: CommandContext, slug: str, yes: bool, as_json: bool) -> None:
    """Delete a campaign that has mailed nobody. Its slug is free again.

    \b
    Example:
      mailer campaigns delete 2.4.0
      mailer campaigns delete 2.4.0 --yes
    """
    if not yes:
        confirm_act(context, slug, Act.DELETE, f"Delete {slug}?", "Nothing was deleted.")
    dispatch_of(context).delete(slug)
    context.report({"slug": slug, "deleted": True}, f"{slug}: deleted", as_json=as_json)
