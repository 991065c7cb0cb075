"""A folder of files that is written again and again, and may hold files of others.

A list in the folder names the files that were written, so that what is no longer part can be removed and nothing else
is ever replaced or removed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mailer.errors import ConfigurationError, InvalidInput
from mailer.files import locked_folder, write_file

LIST_NAME = ".release-mailer-archive.json"
_MODE = 0o644
_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


@dataclass(frozen=True, slots=True)
class Written:
    """How many files were written, were as they should be, and were removed.

    `kept` are the subfolders with files of earlier calls that this call was not about.
    """

    written: int
    unchanged: int
    removed: int
    kept: tuple[str, ...] = ()


def write_folder(folder: Path, subfolders: Iterable[str], files: Mapping[str, bytes]) -> Written:
    """Let `subfolders` of `folder` hold `files`, by their path in `folder`, in that order.

    Each file is replaced whole or not at all. Files of an earlier call in these subfolders that are not among them are
    removed, unless somebody changed them. Other subfolders stay as they are. Raises InvalidInput, before anything is
    written, where a file of others is in the way or a link leads out of the folder; ConfigurationError where a file
    can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"can't be created: {error.strerror}", where=str(folder)) from None
    _refuse_link_out(folder, folder / LIST_NAME)
    with locked_folder(folder / LIST_NAME):
        wanted = set(subfolders)
        listed = _read_list(folder / LIST_NAME)
        before = {path: digest for path, digest in listed.items() if _subfolder(path) in wanted}
        kept = {
            path: digest for path, digest in listed.items() if path not in before and (folder / path).exists()
        }
        after = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
        for path, content in files.items():
            _check(folder, path, content, is_ours=path in before)
        _write_list(folder, kept | before | after)  # an interrupted call has not written more than it lists
        written = sum(_write(folder / path, content) for path, content in files.items())
        removed = sum(_remove(folder, path, digest) for path, digest in before.items() if path not in after)
        _write_list(folder, kept | after)
    return Written(written, len(files) - written, removed, tuple(sorted(set(map(_subfolder, kept)))))


def _subfolder(path: str) -> str:
    return path.partition("/")[0]


def _check(folder: Path, path: str, content: bytes, *, is_ours: bool) -> None:
    target = folder / path
    _refuse_link_out(folder, target)
    try:
        if is_ours or not target.exists() or _has(target, content):
            return
    except OSError:
        pass  # a folder, or a file that can't be read
    raise InvalidInput(
        "there is a file that no export has written",
        where=str(target),
        hint="Move it away, or name another folder.",
    )


def _write(target: Path, content: bytes) -> bool:
    """Write the file unless it has this content; returns whether it was written."""
    try:
        if _has(target, content):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{target} can't be written: {error.strerror}.") from None
    with locked_folder(target):
        write_file(target, content, _MODE)
    return True


def _remove(folder: Path, path: str, digest: str) -> bool:
    """Remove a file that has the content with which it was written, and folders that are empty then. Whether it is gone."""
    target = folder / path
    with suppress(OSError):
        is_file = target.is_file() and _is_inside(folder, target)
        if is_file and hashlib.sha256(target.read_bytes()).hexdigest() == digest:
            target.unlink()
            _remove_empty_folders(folder, path)
            return True
    return not target.exists()


def _remove_empty_folders(folder: Path, path: str) -> None:
    """Remove the folders between `folder` and a path in it, from the innermost to the first that is not empty."""
    with suppress(OSError):
        for parent in PurePosixPath(path).parents:
            if parent != PurePosixPath():
                (folder / parent).rmdir()


def _has(target: Path, content: bytes) -> bool:
    """Whether it is a file with this content. Reading a pipe would wait for somebody who writes to it."""
    return target.is_file() and target.read_bytes() == content


def _refuse_link_out(folder: Path, target: Path) -> None:
    if not _is_inside(folder, target):
        raise InvalidInput("a link leads out of the folder", where=str(target), hint="Remove the link.")


def _is_inside(folder: Path, target: Path) -> bool:
    return target.resolve().is_relative_to(folder.resolve()) and not target.is_symlink()


def _read_list(path: Path) -> dict[str, str]:
    """The files of the last call by their path, with the SHA-256 of their content (hex)."""
    try:
        if not path.exists():
            return {}
        values = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        files = {str(name): str(digest) for name, digest in values["files"].items()}
        if all(map(_PATH.fullmatch, files)):
            return files
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        pass
    raise InvalidInput(
        "the list of exported files can't be read",
        where=str(path),
        hint="Restore it, or name another folder.",
    )


def _write_list(folder: Path, files: Mapping[str, str]) -> None:
    content = json.dumps({"files": dict(files)}, indent=1).encode() + b"\n"
    path = folder / LIST_NAME
    if not _has(path, content):
        write_file(path, content, _MODE)
