"""Groups of commands that are imported when they are used, so that each command imports only what it needs.

It stands outside `mailer.commands`, because `mailer --help` imports it and no settings, database or other command.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Self

import click
from click.exceptions import NoSuchCommand

from mailer.lone_surrogates import has_lone_surrogate


class _Text(click.types.StringParamType):
    """A text on the command line. Its bytes must be UTF-8."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(super().convert(value, param, ctx))
        if has_lone_surrogate(text):
            self.fail(
                "it is not UTF-8 text. Write it in UTF-8, in a terminal with a UTF-8 locale.", param, ctx
            )
        return text


class _Number(click.types.IntParamType):
    """A whole number on the command line, such as the id of a row. No database takes one of more than 64 bits."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number = int(super().convert(value, param, ctx))
        if not -_MOST <= number <= _MOST:
            self.fail("it is too large.", param, ctx)
        return number


class _NamedPath(click.Path):
    """A file or folder on the command line. An empty name would be that of the working directory."""

    @classmethod
    def like(cls, path: click.Path) -> Self:
        """With the same conditions as `path`."""
        named = cls()
        vars(named).update(vars(path))
        return named

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("it is empty. Name a file or a folder.", param, ctx)
        return super().convert(value, param, ctx)


_MOST = 2**63 - 1
_TEXT, _NUMBER = _Text(), _Number()


class LazyGroup(click.Group):
    """A group that lists its commands without importing them.

    `places` has a command's module and attribute by its name, such as ``{"send": "campaigns.commands.sending:send"}``.
    Commands that were added to the group otherwise are found too. All of them refuse a text that is not UTF-8, an
    empty path, and a number of more than 64 bits.
    """

    def __init__(self, *arguments: Any, places: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted({*self.places, *self.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.places:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.places[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        _check_values(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            raise NoSuchCommand(error.command_name, possibilities=self.list_commands(ctx), ctx=ctx) from None


def _check_values(command: click.Command) -> None:
    """Let a command, and those that a group has, refuse the values that `LazyGroup` names."""
    for parameter in command.params:
        if parameter.type is click.STRING:
            parameter.type = _TEXT
        elif parameter.type is click.INT:
            parameter.type = _NUMBER
        elif type(parameter.type) is click.Path:
            parameter.type = _NamedPath.like(parameter.type)
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _check_values(each)
