"""What the shell completes beside commands and options: topics and versions of a changelog."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click
from sqlalchemy import select, union

from campaigns.notes import read_source_text
from campaigns.source import read_as_changelog
from mailer.commands import completion
from mailer.errors import MailerError
from subscribers.tables import CONSENT, WORDING

_MOST = 50


def complete_topic(ctx: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """The topics with this prefix: those of the settings, of wordings and of consents; none if they can't be read."""
    topics: set[str] = set()
    with suppress(MailerError):
        settings = completion.settings_of(ctx)
        topics.add(settings.topic)
        with completion.reading(settings) as connection:
            columns = (WORDING.c.topic, CONSENT.c.topic)
            topics.update(connection.execute(union(*(select(one).distinct() for one in columns))).scalars())
    return sorted(one for one in topics if one.startswith(begun))


def complete_version(ctx: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """The versions with this prefix in the changelog that the command line names, newest first."""
    given = [ctx.params.get(name) for name in ("changelog", "file", "notes", "slug", "slugs")]
    # An option that still lacks its value leaves the arguments before it unread.
    values = [*given, *ctx.args]
    files = [one for value in values for one in (value if isinstance(value, tuple) else (value,)) if one]
    for file in (Path(str(one)) for one in files):
        with suppress(MailerError):
            if file.is_file() and (changelog := read_as_changelog(read_source_text(file), file.name)):
                versions = [str(one.versions[0]) for one in changelog.newest_first(changelog.releases)]
                return [version for version in versions if version.startswith(begun)][:_MOST]
    return []
