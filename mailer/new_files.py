"""New files and folders: complete and durable, or absent. A half one has another name, and never looks whole."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mailer.errors import InvalidInput
from mailer.files import give_to_owner, incomplete_files, incomplete_name, sync_folder, sync_path, target_of

LEFT_AFTER_SECONDS = 60
_BESIDE_SQLITE = ("", "-journal", "-wal", "-shm")
# The folder takes no new file, or not in the place of this one, which is mounted by itself; to write into it may work.
_NO_NEW_FILE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV}
_EXISTS = "it exists already; name a new folder."


@contextmanager
def new_file(
    path: Path, mode: int = 0o600, *, beside: bool = False, replaces: bool = False
) -> Iterator[Path]:
    """Fill a new file: yields the path of an empty one, which gets the name `path` at the end, durably, or is removed.

    So a half file never looks whole. `beside` the settings it is the folder's owner's also where root writes it. What
    killed processes left of the same file is removed. Raises OSError, and FileExistsError where there is such a file and
    the new one does not replace it.
    """
    _require_absent(path, replaces=replaces)
    partial = incomplete_name(path)
    file = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, mode)
    try:
        _lock(file)
        if beside:
            give_to_owner(file, path.absolute().parent)
        _remove_unlocked(path, file)
        yield partial
        os.fsync(file)
        _require_absent(path, replaces=replaces)
        partial.replace(path)
        sync_folder(path.parent)
    except BaseException:
        _remove(partial)
        raise
    finally:
        os.close(file)


def write_output(path: Path, text: str) -> None:
    """Write a text for people as UTF-8, in place of what is there: completely or not at all where that is possible.

    A device or a pipe, such as /dev/stdout, a file with two names, somebody else's file, and one whose folder takes no new
    file are written as they are. Raises OSError, also for a file that its owner made read-only.
    """
    if _may_be_replaced(path):
        try:
            _replace(target_of(path), text)
        except OSError as error:
            if error.errno not in _NO_NEW_FILE or not path.exists():
                raise
        else:
            return
    path.write_text(text, encoding="utf-8")


def _may_be_replaced(path: Path) -> bool:
    """Whether `path` is a file of this process's owner, or not there, and not what a process has open (proc(5)).

    A file that is read-only may not be replaced; nor one with a second name, which would keep the old content.
    """
    if path.absolute().is_relative_to("/dev") or path.absolute().is_relative_to("/proc"):
        return False
    try:
        old = path.stat()
    except FileNotFoundError:
        return True
    is_ours = (old.st_uid, old.st_gid) == (os.geteuid(), os.getegid())
    return is_ours and stat.S_ISREG(old.st_mode) and old.st_nlink == 1 and bool(old.st_mode & stat.S_IWUSR)


def _replace(path: Path, text: str) -> None:
    with new_file(path, 0o666, replaces=True) as new:
        if path.exists():
            shutil.copystat(path, new)  # with the list of who else may read it
        new.write_text(text, encoding="utf-8")


@contextmanager
def new_folder(path: Path, mode: int = 0o700) -> Iterator[Path]:
    """Fill a new folder, for its owner only: it gets its name at the end, with everything in it, or not at all.

    What killed processes left of the same folder is removed. Raises InvalidInput where `path` exists already or can't be
    made.
    """
    if os.path.lexists(path):
        raise InvalidInput(_EXISTS, where=str(path))
    partial = incomplete_name(path)
    try:
        partial.mkdir(mode)
        folder = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidInput(f"it can't be created: {error.strerror}.", where=str(path)) from None
    try:
        _lock(folder)
        _remove_unlocked(path, folder)
        yield partial
        for one in (*partial.rglob("*"), partial):
            sync_path(one)
        _rename_folder(partial, path)
        sync_folder(path.parent)
    except BaseException:
        _remove(partial)
        raise
    finally:
        os.close(folder)


def _rename_folder(partial: Path, path: Path) -> None:
    try:
        partial.rename(path)
    except OSError:
        if os.path.lexists(path):  # it came meanwhile
            raise InvalidInput(_EXISTS, where=str(path)) from None
        raise


def _require_absent(path: Path, *, replaces: bool) -> None:
    if not replaces and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _lock(file: int) -> None:
    with suppress(OSError):  # a file system without locks: nobody removes what is left there
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_unlocked(path: Path, own: int) -> None:
    """Remove what killed processes left of `path`: nobody has a lock on it, and it is older than one that is not locked yet.

    `own` is a file that was made now: the file system's clock is compared with itself.
    """
    now = os.fstat(own).st_mtime
    with suppress(OSError):  # a folder that can't be listed
        for one in incomplete_files(path):
            with suppress(OSError):
                _remove_if_left(one, now)


def _remove_if_left(path: Path, now: float) -> None:
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if abs(now - os.fstat(opened).st_mtime) > LEFT_AFTER_SECONDS:
            _remove(path)
    finally:
        os.close(opened)


def _remove(path: Path) -> None:
    """Remove a folder with what is in it, or a file with those that SQLite makes beside it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    for ending in _BESIDE_SQLITE:
        with suppress(OSError):
            path.with_name(path.name + ending).unlink(missing_ok=True)
