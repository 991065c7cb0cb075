"""The installed command when PostgreSQL's primary is lost in mid-send and its standby promoted. docs/postgresql.md says what is true then."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mailer.database import Database
from tests.support.campaign import draft, subscribe, threaded, write_config
from tests.support.installed import InstalledMailer
from tests.support.relay import FaultyRelay
from tests.support.signed import signed
from tests.support.standby import Pair, replicated
from tests.support.waiting import until

PEOPLE = 300
CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Send:
    """`mailer campaigns send` with both servers in its settings, in a folder of its own."""

    mailer: InstalledMailer
    folder: Path
    pair: Pair
    relay: FaultyRelay
    process: subprocess.Popen[str]

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """The exit code and the report of another command in the folder."""
        done = self.mailer.run(*arguments, "--json", cwd=self.folder, check=False)
        return done.returncode, json.loads(done.stdout)

    def again(self) -> tuple[int, dict[str, Any]]:
        self.relay.slowness = 0
        return self.run("campaigns", "send", "notes", "--yes")

    def seconds_marked(self) -> int:
        """How many seconds of sending the head file knows of."""
        head = self.folder / "mailer.head"
        return int(json.loads(head.read_text(encoding="ascii"))["seconds_sent"]) if head.exists() else 0

    def has_halted(self) -> bool:
        """Whether no mail is taken for a second."""
        before = len(self.relay.accepted)
        time.sleep(1)
        return len(self.relay.accepted) == before

    def die(self) -> None:
        """Lose the sender and the primary at once, as with the machine that both are on; the standby is promoted."""
        self.process.kill()
        self.process.communicate()
        self.pair.fail_over()

    def mailed(self) -> Counter[str]:
        return Counter(mail.recipient for mail in self.relay.accepted)


@contextmanager
def sending(mailer: InstalledMailer, folder: Path, *, synchronous: bool) -> Iterator[Send]:
    """A send that has mailed a fifth of the people."""
    with replicated(synchronous=synchronous) as pair, threaded(FaultyRelay(pipelining=True)) as relay:
        database = Database(pair.url)
        database.create()
        signed(database)
        subscribe(database, PEOPLE)
        draft(database)
        database.close()
        relay.slowness = 0.05
        write_config(folder, relay.port, database_url=pair.url, connections=CONNECTIONS)
        process = mailer.start("campaigns", "send", "notes", "--yes", "--json", cwd=folder)
        until(lambda: len(relay.accepted) > PEOPLE // 5, "the first mails")
        try:
            yield Send(mailer, folder, pair, relay, process)
        finally:
            process.kill()
            process.communicate()


@pytest.mark.slow
def test_a_synchronous_standby_goes_on_where_the_primary_was_lost_with_the_sender(
    mailer: InstalledMailer, tmp_path: Path
) -> None:
    with sending(mailer, tmp_path, synchronous=True) as send:
        send.die()
        code, status = send.again()
        mailed = send.mailed()
    assert code == (3 if status["uncertain"] else 0)
    assert status["accepted"] + status["uncertain"] == PEOPLE
    assert status["uncertain"] <= CONNECTIONS
    assert set(mailed.values()) == {1}
    assert len(mailed) >= status["accepted"]


@pytest.mark.slow
def test_a_sender_goes_on_by_itself_and_the_former_primary_is_refused_when_it_is_back(
    mailer: InstalledMailer, tmp_path: Path
) -> None:
    with sending(mailer, tmp_path, synchronous=False) as send:
        send.process.send_signal(signal.SIGSTOP)
        send.pair.catch_up()
        send.pair.fail_over()
        send.process.send_signal(signal.SIGCONT)
        send.relay.slowness = 0.005
        out, errors = send.process.communicate(timeout=120)
        assert (send.process.returncode, json.loads(out)["accepted"]) == (0, PEOPLE), errors
        send.pair.return_primary()
        refused = [send.run("run-due"), send.again()]
        mailed = send.mailed()
    for code, report in refused:
        assert code == 4
        assert "older than mailer.head says" in report["error"]["message"]
    assert (len(mailed), set(mailed.values())) == (PEOPLE, {1})


@pytest.mark.slow
def test_an_asynchronous_standby_that_lags_more_than_the_head_file_is_refused(
    mailer: InstalledMailer, tmp_path: Path
) -> None:
    with sending(mailer, tmp_path, synchronous=False) as send:
        send.pair.cut_off()
        before = send.seconds_marked()
        until(lambda: send.seconds_marked() >= before + 2, "seconds that the standby has not")
        send.die()
        code, report = send.again()
        mailed = send.mailed()
    assert code == 4
    assert "older than mailer.head says" in report["error"]["message"]
    assert "mailer privacy replay" in report["error"]["hint"]
    assert set(mailed.values()) == {1}


@pytest.mark.slow
def test_where_the_synchronous_standby_is_lost_no_mail_is_offered_until_it_is_back(
    mailer: InstalledMailer, tmp_path: Path
) -> None:
    with sending(mailer, tmp_path, synchronous=True) as send:
        send.pair.stop_standby()
        until(send.has_halted, "the end of the mails in flight")
        held = len(send.relay.accepted)
        found = send.mailer.run("doctor", "--offline", cwd=send.folder, check=False).stdout
        assert "every commit waits" in found
        assert len(send.relay.accepted) == held < PEOPLE
        send.pair.start_standby()
        send.relay.slowness = 0
        out, errors = send.process.communicate(timeout=120)
        mailed = send.mailed()
    assert (json.loads(out)["accepted"], set(mailed.values())) == (PEOPLE, {1}), errors
