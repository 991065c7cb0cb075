"""Reading a file of people: more than once, and with a bar that shows how far it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from mailer.commands import CommandContext

_MEMORY_BYTES = 64 * 1024 * 1024


def seekable(file: Path) -> BinaryIO:
    """The file, which is read more than once; what comes through a pipe is kept in memory or a nameless file."""
    stream = file.open("rb")
    if stream.seekable():
        return stream
    with stream:
        copy = SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115 - the caller closes it
        shutil.copyfileobj(stream, copy)
    copy.seek(0)
    return cast("BinaryIO", copy)


@contextmanager
def progress(context: CommandContext, file: Path) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; takes the number of bytes read."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=context.console, disable=not context.console.is_terminal, transient=True
    ) as progress:
        task = progress.add_task(escape(file.name), total=file.stat().st_size)
        yield lambda read: progress.update(task, completed=read)
