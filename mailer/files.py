"""Read files of bounded size, and write files completely or not at all."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from mailer.errors import ConfigurationError, InvalidInput, MailerError

AnyError = TypeVar("AnyError", bound=MailerError)
_READ_AT_ONCE = 65_536


def read_file(path: Path, largest: int) -> bytes:
    """The content of a regular file of at most `largest` bytes. A device, a pipe or a folder is not read.

    Raises OSError where it can't be opened, and InvalidInput, which names the file, for what must not be
    read.
    """
    # Without blocking: opening a pipe would wait for somebody to write to it.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise InvalidInput("is not a regular file", where=str(path))
        content = bytearray()
        while len(content) <= largest and (part := os.read(file, _READ_AT_ONCE)):
            content += part
    finally:
        os.close(file)
    if len(content) > largest:
        size = max(found.st_size, len(content))
        raise InvalidInput(f"has {size:,} bytes; the limit is {largest:,}", where=str(path))
    return bytes(content)


def undecodable_line(error: UnicodeDecodeError) -> int:
    """The number of the line, from 1, with the first byte that is no text, where the whole file was decoded at once."""
    return error.object.count(b"\n", 0, error.start) + 1


def not_utf_8(error: UnicodeDecodeError, path: Path, report: type[AnyError]) -> AnyError:
    """The error of the type `report` that says in which line a file is not UTF-8."""
    return report(
        f"{path}, line {undecodable_line(error)}: this is not UTF-8 text.", hint="Save the file as UTF-8."
    )


def file_version(path: Path) -> tuple[int, int, int] | None:
    """What differs once a file is replaced or written: inode, size, time of the change in ns. None without a file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def locked_folder(path: Path) -> Iterator[None]:
    """Lock the folder of the file `path` (links are followed), so that one process at a time writes in it.

    Incomplete files of a killed process are removed. On a file system without locks it locks nothing.
    """
    target = target_of(path)
    try:
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError(f"{target.parent} can't be opened: {error.strerror}.") from None
    try:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        _remove_leftovers(target)
        yield
    finally:
        os.close(folder)


def incomplete_name(path: Path) -> Path:
    """A new name for what is to become `path`. `incomplete_files` finds it where the process is killed."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")


def incomplete_files(path: Path) -> list[Path]:
    """What is being written for `path`, or was left by killed processes."""
    name = re.compile(re.escape(path.name) + r"\.[0-9a-f]{8}\.new")
    return [one for one in path.parent.iterdir() if name.fullmatch(one.name)]


def write_file(path: Path, content: bytes, mode: int) -> None:
    """Write a new file with `mode`, or replace the one that is there, whose owner, group and mode stay; but a
    file that others may not read by `mode` is closed to them. A new one that root writes is the folder's owner's.

    A reader sees the old content or the new one, even after a crash. A symbolic link remains, and its target
    is replaced. The caller must hold `locked_folder`. Raises ConfigurationError; the old file then remains.
    """
    target = target_of(path)
    new = incomplete_name(target)
    try:
        old = target.stat() if target.exists() else None
        with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            if old:
                _keep_owner(file.fileno(), old)
            else:
                give_to_owner(file.fileno(), target.parent)
            os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode) & (0o770 | mode) if old else mode & ~_umask())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        verb = "can't be written" if target.exists() else "can't be created"
        raise ConfigurationError(f"{path} {verb}: {error.strerror}.") from None


def give_to_owner(file: int, folder: Path) -> None:
    """Give a file that root has just created in `folder` to the folder's owner, as whom the program runs otherwise.

    `file` is its descriptor, so that nobody puts another file in its place meanwhile. Where that can't be, nothing changes.
    """
    if os.geteuid() == 0:
        with suppress(OSError):
            owner = folder.stat()
            os.fchown(file, owner.st_uid, owner.st_gid)


def target_of(path: Path) -> Path:
    """The file itself, where `path` is a symbolic link to it."""
    return Path(os.path.realpath(path))


def sync_folder(folder: Path) -> None:
    """Make a rename durable. File systems that can't sync a folder do so by themselves."""
    with suppress(OSError):
        sync_path(folder)


def sync_path(path: Path) -> None:
    """Make what was written into a file or a folder durable. Raises OSError."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _keep_owner(file: int, old: os.stat_result) -> None:
    """Raises PermissionError where the file belongs to somebody else, and this process may not give it to
    them.
    """
    made = os.fstat(file)
    if made.st_uid != old.st_uid:
        os.fchown(file, old.st_uid, old.st_gid)
    elif made.st_gid != old.st_gid:
        with suppress(PermissionError):
            os.fchown(file, -1, old.st_gid)


def _umask() -> int:
    """The process's mask. It can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _remove_leftovers(target: Path) -> None:
    for path in incomplete_files(target):
        path.unlink(missing_ok=True)
