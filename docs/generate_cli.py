"""Writes docs/cli.md from the help texts of the commands: `make docs`. A test compares the two."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from cli import mailer

PAGE = Path(__file__).with_name("cli.md")
WIDTH = 100
OPENING = """\
# The `mailer` command

<!-- Written by `make docs` from the help texts of the commands. -->

Results go to stdout, progress and messages to stderr. With `--json` the result is one JSON object, and so is an error:
`{"error": {"message": ..., "hint": ..., "code": ...}}`, where `code` is the exit code and `hint` may be null.

| exit code | meaning |
|---|---|
| 0 | done; deferred mails wait for `mailer run-due` |
| 1 | a clear error |
| 2 | wrong usage |
| 3 | done, but some mails were rejected or are uncertain |
| 4 | refused by lint, gate, approval or the campaign's state |
| 75 | try again later: the relay or the database is away, or another run holds the work |
"""


def commands(
    command: click.Command = mailer, parent: click.Context | None = None
) -> Iterator[tuple[click.Command, click.Context]]:
    """Every command and group, each with the context to write its help in."""
    name = command.name if parent else "mailer"
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH
    )
    yield command, context
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                yield from commands(found, context)


def page() -> str:
    """The whole page."""
    sections = (
        f"\n{'#' * min(2 + context.command_path.count(' '), 4)} `{context.command_path}`\n\n"
        f"```text\n{command.get_help(context)}\n```\n"
        for command, context in commands()
    )
    return OPENING + "".join(sections)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
