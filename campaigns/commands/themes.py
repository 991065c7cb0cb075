"""Commands of themes, the looks of a mail: list, show, eject."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from campaigns.rendering import DEFAULT_THEME
from mailer.commands import CommandContext, json_option
from templates.theme import Theme, eject_theme, find_theme, list_themes

name_argument = click.argument("name")


@click.group()
def themes() -> None:
    """Show the themes of mails, and copy one to change it: list, show, eject.

    \b
    Example:
      mailer themes list
      mailer themes eject letter --as acme
    """


@themes.command("list")
@json_option
@click.pass_obj
def list_all(context: CommandContext, as_json: bool) -> None:
    """List the themes: those of the package and your own. A star marks the one of the settings.

    \b
    Example:
      mailer themes list
    """
    found = list_themes(context.settings.templates_dir)
    chosen = context.settings.theme or DEFAULT_THEME
    values = {
        "themes": [
            {"name": one.name, "description": one.description, "folder": str(one.folder)} for one in found
        ],
        "chosen": chosen,
    }
    width = max(len(one.name) for one in found)
    lines = [f"{'*' if one.name == chosen else ' '} {one.name:<{width}}  {one.description}" for one in found]
    context.report(values, "\n".join(lines), as_json=as_json)


@themes.command()
@name_argument
@json_option
@click.pass_obj
def show(context: CommandContext, name: str, as_json: bool) -> None:
    """Show the design tokens of a theme and the folder that it lies in.

    \b
    Example:
      mailer themes show letter
    """
    theme = find_theme(name, context.settings.templates_dir)
    values = asdict(theme) | {"folder": str(theme.folder)}
    context.report(values, "\n".join(_lines(theme)), as_json=as_json)


@themes.command()
@name_argument
@click.option(
    "--as",
    "new_name",
    metavar="NAME",
    help="The name of your theme; by default the same name, which then replaces it.",
)
@json_option
@click.pass_obj
def eject(context: CommandContext, name: str, new_name: str | None, as_json: bool) -> None:
    """Copy a theme into your templates, to change it.

    The files go into templates_dir of the settings. Without it they go into the folder "templates" beside the
    settings file. Files that exist are never replaced.

    \b
    Example:
      mailer themes eject letter --as acme
    """
    settings = context.settings
    folder = settings.templates_dir or settings.beside("templates") or Path("templates")
    files = eject_theme(find_theme(name, settings.templates_dir), new_name or name, folder)
    lines = [f"wrote {file}" for file in files]
    if settings.templates_dir is None:
        lines.append(f'Add to {settings.file.name}: templates_dir = "{folder.name}"')
    if new_name and settings.theme != new_name:
        lines.append(f'Add to {settings.file.name}: theme = "{new_name}"')
    context.report({"files": [str(file) for file in files]}, "\n".join(lines), as_json=as_json)


def _lines(theme: Theme) -> list[str]:
    values = asdict(theme)
    lines = [f"{theme.name}: {theme.description}", f"folder: {theme.folder}"]
    lines.append(f"font: {theme.font}")
    lines += [f"{key}: {values[key]} pixels" for key in ("size", "title", "inset", "radius")]
    lines.append(f"hero: {'yes' if theme.hero else 'no'}")
    for scheme in ("light", "dark"):
        lines.append(f"{scheme}: " + ", ".join(f"{key} {colour}" for key, colour in values[scheme].items()))
    return lines
