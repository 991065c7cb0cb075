"""The marker file is whole, however many write it at once, and what killed writers left is removed."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from mailer.backup import Marker, Position
from mailer.new_files import LEFT_AFTER_SECONDS

SECONDS = 10


def position(entries: int) -> Position:
    return Position("a" * 32, entries, "b" * 64, entries, "c" * 300)


def test_two_that_write_it_at_once_do_not_disturb_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mailer.head"
    first, second = Marker(path), Marker(path)
    is_syncing, may_go_on = threading.Event(), threading.Event()
    sync = os.fsync

    def wait_once(descriptor: int) -> None:
        if threading.current_thread() is slow:
            is_syncing.set()
            may_go_on.wait(SECONDS)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", wait_once)
    slow = threading.Thread(target=first.write, args=(position(1),))
    slow.start()
    assert is_syncing.wait(SECONDS)
    second.write(position(2))
    assert first.read() == position(2)
    may_go_on.set()
    slow.join()
    assert first.written == first.read() == position(1)
    assert [each.name for each in tmp_path.iterdir()] == ["mailer.head"]


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def in_mid_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The id of a process that has written the file and not renamed it."""
    before = names(path.parent)
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(os, "fsync", lambda _: time.sleep(SECONDS * 6))
        Marker(path).write(position(1))
        os._exit(1)
    deadline = time.monotonic() + SECONDS
    while not any(each.stat().st_size for each in path.parent.glob("*.new") if each.name not in before):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return child


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def age(folder: Path) -> None:
    """Let what is being written seem old."""
    for one in folder.glob("*.new"):
        then = time.time() - 2 * LEFT_AFTER_SECONDS
        os.utime(one, (then, then))


def test_the_next_writer_removes_what_killed_ones_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mailer.head"
    for _ in range(3):
        kill(in_mid_write(path, monkeypatch))
    others = {"mailer.head.new", "other.0a1b2c3d.new", "mailer.head.0a1b2c3d"}
    for name in others:
        (tmp_path / name).touch()
    assert len(names(tmp_path)) == 3 + len(others)
    age(tmp_path)
    Marker(path).write(position(2))
    assert set(names(tmp_path)) == {"mailer.head", *others}
    assert Marker(path).read() == position(2)


def test_what_another_process_writes_now_is_not_removed_however_old_it_seems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mailer.head"
    writer = in_mid_write(path, monkeypatch)
    age(tmp_path)
    Marker(path).write(position(2))
    assert len(names(tmp_path)) == 2
    kill(writer)
    age(tmp_path)
    Marker(path).write(position(3))
    assert names(tmp_path) == ["mailer.head"]


def test_what_was_made_just_now_is_not_removed_though_it_is_not_locked_yet(tmp_path: Path) -> None:
    (tmp_path / "mailer.head.0a1b2c3d.new").touch()
    Marker(tmp_path / "mailer.head").write(position(1))
    assert len(names(tmp_path)) == 2


def test_no_link_is_followed_and_a_folder_disturbs_nothing(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / "mailer.head.0a1b2c3d.new").symlink_to("elsewhere")
    (tmp_path / "mailer.head.1a1b2c3d.new").mkdir()
    age(tmp_path)
    Marker(tmp_path / "mailer.head").write(position(1))
    assert Marker(tmp_path / "mailer.head").read() == position(1)
    assert (tmp_path / "elsewhere").exists()
