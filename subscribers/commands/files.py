"""Open files of people for import and sync, with a progress bar."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, NamedTuple, cast

from mailer.commands import CommandContext
from mailer.errors import InvalidInput
from subscribers.commands.options import hasher_of
from subscribers.intake import Evidence, Import, PeopleCsv, Refusals, as_text

_MEMORY_BYTES = 64 * 1024 * 1024


def seekable(file: Path) -> BinaryIO:
    """The file, readable more than once. Data from a pipe is stored in memory or an unnamed file."""
    stream = file.open("rb")
    if stream.seekable():
        return stream
    with stream:
        copy = SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115 - the caller closes it
        shutil.copyfileobj(stream, copy)
    copy.seek(0)
    return cast("BinaryIO", copy)


class PeopleFile(NamedTuple):
    """An open CSV file of people. `refusals` gets the refused rows."""

    text: TextIOWrapper
    name: str
    refusals: Refusals
    on_progress: Callable[[int], None]

    def import_job(self, context: CommandContext, evidence: Evidence, *, dry_run: bool) -> Import:
        """The import of this file."""
        return Import(
            database=context.database,
            evidence=evidence,
            hasher=hasher_of(context),
            zone=context.settings.tz,
            clock=context.clock,
            on_refusal=self.refusals.write,
            on_progress=self.on_progress,
            dry_run=dry_run,
        )


@contextmanager
def opened_people(
    context: CommandContext, file: Path, encoding: str | None, *, refusals: Path | None, wording: Path
) -> Iterator[PeopleFile]:
    """Open a CSV file of people, `-` for standard input; its refusals are written in its own dialect.

    Raises InvalidInput where the refusals would overwrite the file or the wording.
    """
    target = refusals or Path("stdin.refused.csv" if str(file) == "-" else file.with_suffix(".refused.csv"))
    file = Path("/dev/stdin") if str(file) == "-" else file
    if target.resolve() in {file.resolve(), wording.resolve()}:
        raise InvalidInput("the refusals would overwrite what is read.", where=str(target))
    with (
        Refusals(target) as refused,
        progress(context, file) as on_progress,
        as_text(seekable(file), encoding) as text,
    ):
        refused.delimiter = PeopleCsv(text, file.name).delimiter
        refused.encoding = text.encoding.removesuffix("-sig")
        text.seek(0)
        yield PeopleFile(text, file.name, refused, on_progress)


@contextmanager
def progress(context: CommandContext, file: Path) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal. It takes the number of bytes read."""
    if not sys.stderr.isatty():
        yield lambda _read: None
        return
    from rich.markup import escape  # noqa: PLC0415 - slow to import
    from rich.progress import (  # noqa: PLC0415 - as above
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=context.console, transient=True) as progress:
        task = progress.add_task(escape(file.name), total=file.stat().st_size)
        yield lambda read: progress.update(task, completed=read)
