"""The commands init, doctor, serve, keys, backup, deploy and upgrade, and the parts that all commands share.

Each command has its own module, so that a command imports only what it needs. `context` holds the settings, database and
streams of one command, `options` the shared options, `questions` asks before an act, `tables` writes tables, `waiting`
says what takes long, and `daily` what is due once a day. `acts` records what a command does with personal data; import it by name, because it needs the tables, which are slow to
import.
"""

from __future__ import annotations

from mailer.commands.context import CommandContext
from mailer.commands.options import json_option, processes_option
from mailer.commands.questions import confirm
from mailer.commands.tables import format_table, write_table
from mailer.commands.waiting import busy

__all__ = [
    "CommandContext",
    "busy",
    "confirm",
    "format_table",
    "json_option",
    "processes_option",
    "write_table",
]
