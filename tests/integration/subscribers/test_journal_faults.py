"""The leavers' journal on a disk that is full, or where the file can't be written: who left then is in it later."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from subscribers.leaver import Leaver, LeaverKind
from subscribers.ledger import Journal, journal, read_journal
from tests.support.small_disk import fill, small_disk

AT = datetime(2026, 11, 1, tzinfo=UTC)


def leavers(count: int) -> list[Leaver]:
    return [Leaver(f"{number:064x}", "b" * 16, "*", LeaverKind.WITHDRAWN, AT) for number in range(count)]


def wait_for_problem(kept: Journal) -> None:
    deadline = time.monotonic() + 20
    while kept.problem is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_who_leaves_while_the_disk_is_full_is_in_the_journal_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal, "RETRY_SECONDS", 0.05)
    with small_disk(tmp_path) as disk:
        path = disk / "mailer.journal"
        kept = Journal(path)
        path.write_bytes(b"\n")  # a block of the disk, of which the rest takes some of the lines
        filler = fill(disk)
        kept.record(leavers(100))
        wait_for_problem(kept)
        assert len(list(read_journal(path))) < 100
        filler.unlink()
        deadline = time.monotonic() + 20
        while kept.problem is not None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert list(read_journal(path)) == leavers(100)
        kept.close()
        assert list(read_journal(path)) == leavers(100)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} can't be written: No space left on device. It is tried again.",
        f"{path} is written again; nothing is missing.",
    ]


def test_who_leaves_while_the_file_can_not_be_written_is_in_it_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "mailer.journal"
    path.mkdir()
    kept = Journal(path)
    kept.record(leavers(2))
    wait_for_problem(kept)
    path.rmdir()
    kept.close()
    assert list(read_journal(path)) == leavers(2)


def test_what_is_lost_at_the_end_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mailer.journal"
    path.mkdir()
    kept = Journal(path)
    kept.record(leavers(2))
    kept.close()
    assert f"{path} lacks 2 lines: it can't be written: Is a directory." in caplog.text
