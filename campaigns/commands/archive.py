"""Commands of the public archive: export."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click
from sqlalchemy import Connection

from campaigns.archive import Archive, PublishedCampaigns
from campaigns.archive.checks import known_topics
from campaigns.archive.export import archive_files
from campaigns.archive.folder import write_folder
from campaigns.commands.completion import complete_topic
from campaigns.rendering import brand_of
from mailer.commands import CommandContext, json_option
from mailer.config import Settings, url_parts
from mailer.database import installation_id
from mailer.errors import InvalidInput
from subscribers.topic import parse_topic

_WEB_ADDRESS = re.compile(r"https?://[!#-;=?-~]+")


@click.group()
def archive() -> None:
    """Publish the archive of release notes: export.

    \b
    Example:
      mailer archive export public/releases --url https://www.acme.example/releases
    """


@archive.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--topic",
    "topics",
    metavar="TOPIC",
    multiple=True,
    shell_complete=complete_topic,
    help="A topic to export, repeatable; by default those of [archive] in the settings.",
)
@click.option(
    "--url",
    metavar="URL",
    help="Where the folder will be on the web. Without it the feeds have relative links, too.",
)
@json_option
@click.pass_obj
def export(
    context: CommandContext, folder: Path, topics: tuple[str, ...], url: str | None, as_json: bool
) -> None:
    """Write the archive as files for a site of your own.

    DIR gets a folder for each topic: the list, a page for each release note, the pictures and the feeds, with
    relative links. Repeat it after each campaign. Pages of cancelled and hidden campaigns are removed again. Folders
    of other topics stay as they are. Files that the command did not write are neither replaced nor removed.

    \b
    Example:
      mailer archive export public/releases --url https://www.acme.example/releases
    """
    settings = context.settings
    where = "--topic" if topics else "topics in [archive]"
    wanted = [parse_topic(one, where=where) for one in dict.fromkeys(topics or settings.archive.topics)]
    if not wanted:
        raise InvalidInput(
            "there is no topic to export",
            where="--topic",
            hint=f'Give --topic, such as {settings.topic}, or set `topics = ["{settings.topic}"]` in [archive].',
        )
    brand = brand_of(settings)
    privacy = brand.privacy_url or f"{settings.public_url}/privacy"
    with context.database.read() as connection:
        made = Archive(settings, replace(brand, privacy_url=privacy), installation_id(connection))
        _refuse_unknown(connection, settings, wanted, where)
        published = PublishedCampaigns(settings.archive.hidden).topics(connection)
        files = archive_files(
            connection,
            made,
            wanted,
            settings.locale,
            url=_parse_url(url) if url else None,
            is_indexed=settings.archive.indexed,
        )
    result = write_folder(folder, wanted, files)
    values = {"folder": str(folder), "topics": wanted, **asdict(result)}
    text = f"{folder}: {result.written} written, {result.unchanged} unchanged, {result.removed} removed"
    text += "".join(f"\n{one}: nothing is published yet" for one in wanted if one not in published)
    text += "".join(f"\n{folder / one}: left as it is, from an earlier export" for one in result.kept)
    context.report(values, text, as_json=as_json)


def _refuse_unknown(connection: Connection, settings: Settings, wanted: Sequence[str], where: str) -> None:
    """Raise InvalidInput for a topic that nothing else names: it is mistyped."""
    known = known_topics(connection, settings)
    if unknown := [one for one in wanted if one not in known]:
        raise InvalidInput(
            f"there is no topic {unknown[0]!r}",
            where=where,
            hint=f"The topics are {', '.join(sorted(known))}.",
        )


def _parse_url(url: str) -> str:
    parts = url_parts(url)
    if not _WEB_ADDRESS.fullmatch(url) or parts is None or parts.query or parts.fragment:
        raise InvalidInput(
            "is not the web address of a folder",
            where="--url",
            hint='Write it as "https://www.example.com/releases".',
        )
    return url.rstrip("/")
