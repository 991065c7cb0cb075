"""The commands init, doctor, serve and keys, and what the commands of all rooms share.

Each command is a module of its own, so that none waits for what another imports. `context` holds the settings,
database and streams of one command, `options` the shared options.
"""

from __future__ import annotations

from mailer.commands.context import CommandContext
from mailer.commands.options import json_option
from mailer.commands.tables import format_table, write_table

__all__ = ["CommandContext", "format_table", "json_option", "write_table"]
