"""Commands that create, update and delete campaigns."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from campaigns import catalogue
from campaigns.commands.options import (
    campaigns,
    confirm_act,
    dispatch_of,
    report_status,
    slug_argument,
    yes_option,
)
from campaigns.lifecycle import Act
from campaigns.notes import render_notes
from campaigns.source import NotesSource
from mailer.commands import CommandContext, json_option
from templates.lint import lint as lint_mail
from templates.lint import lint_notes
from templates.notes import RemoteImages


@campaigns.command()
@click.argument("notes", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option(
    "--changelog",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the notes from a changelog in Markdown; needs --version.",
)
@click.option("--version", "version", help="Which version's section of the changelog.")
@click.option("--title", help="The subject, for notes from a changelog.")
@click.option("--preheader", help="What an inbox shows after the subject, for notes from a changelog.")
@click.option("--slug", help="A short name for the campaign; by default made from version or file name.")
@click.option("--topic", help="Which consent it needs; by default what the file or the settings say.")
@click.option(
    "--locale",
    type=click.Choice(["nl", "en"]),
    help="The language; by default what the file or the settings say.",
)
@click.option("--base-url", metavar="URL", help="The web address that relative links start from.")
@click.option(
    "--remote-images",
    type=click.Choice(["refuse", "link", "omit"]),
    help="Images from other hosts: refuse the notes, make links, or leave them out; by default what the settings say.",
)
@json_option
@click.pass_obj
def create(
    context: CommandContext,
    notes: Path | None,
    changelog: Path | None,
    version: str | None,
    title: str | None,
    preheader: str | None,
    slug: str | None,
    topic: str | None,
    locale: str | None,
    base_url: str | None,
    remote_images: RemoteImages | None,
    as_json: bool,
) -> None:
    """Create a draft from Markdown or from a changelog's section.

    \b
    Example:
      mailer campaigns create notes.md
      mailer campaigns create --changelog CHANGELOG.md --version 2.4.0 --locale nl
    """
    source = notes or changelog
    if source is None or (notes and changelog) or (changelog and not version):
        raise click.UsageError("Give a Markdown file, or --changelog FILE with --version.")
    if notes and (version or title or preheader):
        raise click.UsageError(
            "--version, --title and --preheader go with --changelog; in a file of its own they are in its front matter."
        )
    origin = NotesSource(
        str(source.resolve()),
        version if changelog else None,
        title=title,
        preheader=preheader,
        topic=topic,
        locale=locale,
        base_url=base_url,
        remote_images=remote_images,
    )
    settings = context.settings
    found, images = origin.read(settings)
    findings = lint_mail(render_notes(found, images, settings), image_hosts=settings.image_hosts)
    findings += lint_notes(found)
    name = slug or catalogue.slug_of(found.version or source.stem) or "release"
    with context.database.write() as connection:
        campaign = catalogue.create(connection, name, found, images, context.now(), source=origin)
    values = {
        "slug": campaign.slug,
        "state": campaign.state,
        "title": found.title,
        "version": found.version,
        "locale": found.locale,
        "topic": found.topic,
        "images": len(images),
        "findings": len(findings),
    }
    said = f"{campaign.slug}: draft of “{found.title}”\nNext: mailer campaigns preview {campaign.slug}"
    if findings:
        said += f"\nLint found {len(findings)}: mailer campaigns lint {campaign.slug}"
    context.report(values, said, as_json=as_json)


@campaigns.command()
@slug_argument
@click.option(
    "--from",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the notes from this file from now on; by default from where they came.",
)
@click.option("--version", "version", help="The file is a changelog; take this version's section.")
@json_option
@click.pass_obj
def update(context: CommandContext, slug: str, file: Path | None, version: str | None, as_json: bool) -> None:
    """Read a campaign's notes again. Its approval and its due time are void.

    It is refused once mails of the campaign were offered to a relay.

    \b
    Example:
      mailer campaigns update 2.4.0
      mailer campaigns update 2.4.0 --from notes.md
    """
    if version and file is None:
        raise click.UsageError("--version goes with --from.")
    source = None
    if file is not None:
        with context.database.read() as connection:
            known = catalogue.find(connection, slug).source
        source = dataclasses.replace(
            NotesSource.load(known) if known else NotesSource(""),
            path=str(file.resolve()),
            version=version,
            title=None,
            preheader=None,
        )
    dispatch_of(context).update(slug, source)
    report_status(context, slug, as_json=as_json)


@campaigns.command()
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
