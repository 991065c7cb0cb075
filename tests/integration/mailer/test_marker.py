"""The marker file is whole, however many write it at once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from mailer.backup import Marker, Position

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
