"""The leavers' journal: what is written is read back, and a torn line loses nothing else."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.errors import InvalidInput
from subscribers.leaver import Leaver, LeaverKind
from subscribers.ledger import Journal, read_journal

LEAVERS = st.builds(
    Leaver,
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.text("0123456789abcdef", min_size=16, max_size=16),
    st.sampled_from(["*", "release-notes"]),
    st.sampled_from(LeaverKind),
    st.datetimes(timezones=st.just(UTC)),
)
ONE = Leaver("a" * 64, "b" * 16, "*", LeaverKind.ERASED, datetime(2026, 11, 1, tzinfo=UTC))


@given(groups=st.lists(st.lists(LEAVERS, max_size=4), max_size=4))
def test_what_is_recorded_is_read_back_in_order(
    groups: list[list[Leaver]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "mailer.journal"
    journal = Journal(path)
    for group in groups:
        journal.record(group)
    journal.close()
    expected = [leaver for group in groups for leaver in group]
    assert (list(read_journal(path)) if path.exists() else []) == expected


def test_without_a_thread_it_is_written_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    journal = Journal(tmp_path / "mailer.journal")
    journal.record([ONE])
    journal.record([ONE])
    journal.close()
    assert list(read_journal(tmp_path / "mailer.journal")) == [ONE, ONE]


@pytest.mark.parametrize("cut", [1, 10, 60, 150])
def test_a_line_that_was_cut_short_spoils_no_other(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "mailer.journal"
    for _ in range(2):
        journal = Journal(path)
        journal.record([ONE])
        journal.close()
    content = path.read_bytes()
    path.write_bytes(content[:-cut])
    journal = Journal(path)
    journal.record([ONE])
    journal.close()
    assert list(read_journal(path)) == [ONE] * (3 if cut == 1 else 2)


def test_any_other_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mailer.journal"
    path.write_text('{"kind": "left"}\n{"kind": "left"}\n')
    with pytest.raises(InvalidInput, match="line 1"):
        list(read_journal(path))
