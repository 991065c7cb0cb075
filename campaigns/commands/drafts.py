"""Commands that make drafts: create."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from campaigns import catalogue
from campaigns.commands.options import campaigns
from campaigns.notes import Defaults, read_changelog, read_images, read_markdown, read_text, render_notes
from mailer.commands import CommandContext, json_option
from subscribers.topic import parse_topic
from templates.language import parse_locale
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
    settings = context.settings
    language = parse_locale(locale) if locale else None
    defaults = Defaults(
        locale=language or settings.locale,
        topic=settings.topic if topic is None else parse_topic(topic),
        product=settings.brand.name,
        base_url=base_url,
    )
    text = read_text(source)
    found = (
        read_changelog(text, version or "", source.name, defaults, title=title, preheader=preheader)
        if changelog
        else read_markdown(text, source.name, defaults)
    )
    found = dataclasses.replace(
        found,
        locale=language or found.locale,
        topic=found.topic if topic is None else defaults.topic,
        base_url=base_url or found.base_url,
        remote_images=remote_images or settings.remote_images,
    )
    images = read_images(found, source.parent, settings)
    findings = lint_mail(render_notes(found, images, settings), image_hosts=settings.image_hosts)
    findings += lint_notes(found)
    name = slug or catalogue.slug_of(found.version or source.stem) or "release"
    with context.database.write() as connection:
        campaign = catalogue.create(connection, name, found, images, context.now())
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
