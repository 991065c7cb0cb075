"""What every command needs from outside: settings, database, clock and the two output streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mailer.config import Settings, config_path, load_settings, new_config_path
from mailer.output import to_json, write_report

if TYPE_CHECKING:
    from rich.console import Console

    from mailer.database import Clock, Database
    from mailer.doctor import CheckResult, ExpectedAnswer


class CommandContext:
    """One for each command (`@click.pass_obj`); everything in it is made at first use.

    `config` is the settings file that was asked for; with None it is searched (`mailer.config.config_path`). The other
    arguments come from the layers above:

    - `web_application`: the name of the web application's factory, for uvicorn.
    - `unknown_link_answer`: how the web application answers an unsubscribe link that is not ours.
    - `keep_outside_files`: lets a database's ledger keep its files outside; returns what closes them.
    - `find_problems`: what needs attention in the theme, the archive and the database, for `mailer doctor`.
    """

    def __init__(
        self,
        config: Path | None = None,
        *,
        web_application: str,
        unknown_link_answer: Callable[[], ExpectedAnswer],
        keep_outside_files: Callable[[Settings, Database], Callable[[], None]],
        find_problems: Callable[[Settings, Database], Iterable[CheckResult]],
    ) -> None:
        self.config = config
        self.web_application = web_application
        self.unknown_link_answer = unknown_link_answer
        self.find_problems = find_problems
        self._keep_outside_files = keep_outside_files
        self._close_outside_files: Callable[[], None] | None = None

    @property
    def new_config_path(self) -> Path:
        """Where `mailer init` creates the settings file."""
        return new_config_path(self.config)

    @property
    def config_path(self) -> Path:
        """Where the settings file is, or would be."""
        return config_path(self.config)

    @cached_property
    def settings(self) -> Settings:
        """Raises ConfigurationError where the file or a variable is invalid."""
        return load_settings(self.config)

    @cached_property
    def database(self) -> Database:
        """The database that the settings name; it connects at its first transaction."""
        from mailer.database import Database  # noqa: PLC0415 - slow to import, and `run-due` mostly needs none

        database = Database(self.settings.database_url.reveal(), self.settings.folder)
        self._close_outside_files = self._keep_outside_files(self.settings, database)
        return database

    @cached_property
    def clock(self) -> Clock:
        """The clock that all hosts share."""
        return self.database.clock()

    def now(self) -> datetime:
        """The time, aware, by the clock that all hosts share."""
        return self.clock()

    @cached_property
    def console(self) -> Console:
        """For people: progress, questions and messages, on stderr."""
        from rich.console import Console  # noqa: PLC0415 - slow to import, and a quiet run says nothing

        return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

    def report(self, values: Mapping[str, object], text: str, *, as_json: bool) -> None:
        """The command's result on stdout: `values` as one JSON object on a line, else `text`.

        It is left out where nobody reads any more: what the command did is done all the same.
        """
        write_report(to_json(values) if as_json else text.rstrip("\n"))

    def close(self) -> None:
        """Finish the ledger's files outside, and close the database's connections."""
        if self._close_outside_files is not None:
            self._close_outside_files()
        if "database" in self.__dict__:
            self.database.close()
