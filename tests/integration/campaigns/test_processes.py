"""More processes for one campaign: where the system starts no more of them."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from contextlib import nullcontext
from typing import Any

import pytest

from campaigns.sending import joined_by
from mailer.errors import NoProcess


def test_where_one_process_can_not_be_started_the_others_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def start_one(*_: Any, **__: Any) -> subprocess.Popen[bytes]:
        if started:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))  # fork(2)
        started.append(start(["sleep", "60"]))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", start_one)
    with pytest.raises(NoProcess), joined_by(2, "notes", None, lambda _: nullcontext()):
        pytest.fail("it is not reached")
    assert started[0].poll() == -signal.SIGTERM
