"""mailer consent wording: manage the texts that ask for consent."""

from __future__ import annotations

from pathlib import Path

import click

from mailer.commands import CommandContext, json_option
from subscribers.account import wordings
from subscribers.commands.options import (
    check_language,
    file_type,
    read_wording,
    topic_option,
    topic_or_default,
)


@click.group()
def wording() -> None:
    """Register, list and show the texts that people consent to.

    \b
    Example:
      mailer consent wording add wording.txt --language en
    """


@wording.command()
@click.argument("file", type=file_type)
@click.option("--language", required=True, callback=check_language, help="The text's language, such as nl.")
@click.option("--version", "wording_version", default="", help="Your name for this version of the text.")
@topic_option
@json_option
@click.pass_obj
def add(
    context: CommandContext,
    file: Path,
    language: str,
    wording_version: str,
    topic: str | None,
    as_json: bool,
) -> None:
    """Register a text.

    The API and the sign-up form cite it by its SHA-256.

    Registering a text again changes nothing. On a topic a text has one language and version, and these have
    one text.

    \b
    Example:
      mailer consent wording add wording.txt --language en --version 2026-05
    """
    about = topic_or_default(context, topic)
    with context.database.write() as connection:
        registered = wordings.register(
            connection,
            read_wording(file),
            context.now(),
            topic=about,
            language=language,
            version=wording_version.strip(),
        )
    context.report(registered.values, registered.sha256, as_json=as_json)


@wording.command("list")
@json_option
@click.pass_obj
def list_(context: CommandContext, as_json: bool) -> None:
    """List the registered texts: SHA-256, topic, language, version.

    \b
    Example:
      mailer consent wording list
    """
    with context.database.read() as connection:
        found = wordings.list_all(connection)
    lines = [
        f"{each.sha256}  {each.topic}  {each.language or '-'}  {each.version}".rstrip() for each in found
    ]
    context.report(
        {"wordings": [each.values for each in found]},
        "\n".join(lines) or "No text is registered.",
        as_json=as_json,
    )


@wording.command()
@click.argument("sha256", metavar="SHA256")
@json_option
@click.pass_obj
def show(context: CommandContext, sha256: str, as_json: bool) -> None:
    """Show a text, verbatim. The first 8 digits of its SHA-256 are enough.

    \b
    Example:
      mailer consent wording show 5ef1a6b2
    """
    with context.database.read() as connection:
        found = wordings.find_by_prefix(connection, sha256)
    context.report(found.values | {"text": found.text}, found.text, as_json=as_json)
