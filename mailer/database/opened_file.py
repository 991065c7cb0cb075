"""Which SQLite file a program has opened, to notice that another one was put in its place.

SQLite goes on with a file that has no name any more: what is written to it is lost, and what it says of consents is old.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError

from mailer.errors import DatabaseReplaced

_Identity = tuple[int, int]
_NONE, _UNKNOWN = (-1, 0), (-1, 1)
_KEY = "file"


class OpenedFile:
    """The file at `path`, as the first connection found it.

    With `follows`, connections to a file that was replaced are opened anew: for a program in which no transaction depends
    on an earlier one. Otherwise each use of the database raises DatabaseReplaced, until `forget`.
    """

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)
        self._opened: _Identity | None = None
        self._is_replaced = False
        self.follows = False

    def watch(self, engine: Engine) -> None:
        """Look at the file whenever a connection of `engine` is opened or taken into use."""

        @event.listens_for(engine, "do_connect")
        def _(*_arguments: object) -> None:
            if self._opened is not None and not self.follows:
                self._require()

        @event.listens_for(engine, "connect")
        def _(_connection: Any, record: Any) -> None:
            if self._opened is None or self.follows:
                self._opened = self._found()
            record.info[_KEY] = self._opened

        @event.listens_for(engine, "checkout")
        def _(_connection: Any, record: Any, _proxy: object) -> None:
            if self._is_outdated(record.info):
                raise DisconnectionError  # the pool opens another one

    def is_outdated(self, connection: Connection) -> bool:
        """Whether `connection` has another file open than the one that is there now. Raises DatabaseReplaced as above.

        Without `follows` it asks what was last seen, which costs a batch of mails nothing: a run opens or takes another
        connection each second, for its beat.
        """
        return (self.follows or self._is_replaced) and self._is_outdated(connection.info)

    def forget(self) -> None:
        """All connections were closed: the next one opens what is there."""
        self._opened, self._is_replaced = None, False

    def _is_outdated(self, info: Mapping[Any, Any]) -> bool:
        if self.follows:
            return self._found() not in {_UNKNOWN, _NONE, info[_KEY]}
        self._require()
        return False

    def _require(self) -> None:
        found = self._found()
        if _UNKNOWN not in {found, self._opened} and found != self._opened:
            self._is_replaced = True
            raise DatabaseReplaced(
                f"Another file was put in the place of the database while it was used, or it was taken away: {self._path}.",
                hint="What was done until then is in the former file. Look at `mailer status` before you go on.",
            )

    def _found(self) -> _Identity:
        """What tells the file from another one."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 - at half the price
        except FileNotFoundError:
            return _NONE
        except OSError:  # a file system that is away for a moment
            return _UNKNOWN
        return found.st_dev, found.st_ino
