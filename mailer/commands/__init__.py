"""The commands init, doctor, serve, keys, backup, deploy and upgrade, and the parts that all commands share.

Each command has its own module, so that a command imports only what it needs. `context` holds the settings,
database and streams of one command, `options` the shared options. `acts` records what a command does with personal
data.
"""

from __future__ import annotations

from mailer.commands.acts import record_act, record_leaving, recorded_act
from mailer.commands.context import CommandContext
from mailer.commands.options import json_option
from mailer.commands.tables import format_table, write_table

__all__ = [
    "CommandContext",
    "format_table",
    "json_option",
    "record_act",
    "record_leaving",
    "recorded_act",
    "write_table",
]
