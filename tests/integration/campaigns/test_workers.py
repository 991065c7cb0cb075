"""Workers on file: their leases, and whether the process of one still runs."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import RowMapping, select

from campaigns.deliveries import workers
from campaigns.deliveries.workers import Process
from campaigns.tables import worker
from mailer.database import Database
from tests.support.deliveries import ANOTHER_MACHINE, LEASE, SentCampaign
from tests.support.waiting import until

SECOND = timedelta(seconds=1)


def test_a_worker_is_entered_with_its_process_and_lease(database: Database) -> None:
    campaign = SentCampaign(database, 0)
    first, second = campaign.worker(), campaign.worker()
    row = _worker(campaign, first.worker_id)
    assert (row["host"], row["process"]) == (ANOTHER_MACHINE.host, ANOTHER_MACHINE.number)
    assert (row["started_at"], row["lease_until"]) == (campaign.now, campaign.now + LEASE)
    assert row["retired_at"] is None
    assert first.worker_id < second.worker_id


def test_only_the_worker_that_renews_has_a_longer_lease(database: Database) -> None:
    campaign = SentCampaign(database, 0)
    first, second = campaign.worker(), campaign.worker()
    assert campaign.renew(first, campaign.now + SECOND)
    assert _worker(campaign, first.worker_id)["lease_until"] == campaign.now + SECOND + LEASE
    assert _worker(campaign, second.worker_id)["lease_until"] == campaign.now + LEASE


def test_only_the_worker_that_is_retired_can_not_renew(database: Database) -> None:
    campaign = SentCampaign(database, 0)
    first, second = campaign.worker(), campaign.worker()
    with database.write() as connection:
        workers.retire(connection, first.worker_id, campaign.now)
    assert _worker(campaign, first.worker_id)["retired_at"] == campaign.now
    assert not campaign.renew(first)
    assert campaign.renew(second)


def test_a_worker_is_dead_once_its_lease_has_passed(database: Database) -> None:
    campaign = SentCampaign(database, 0)
    context = campaign.worker()
    assert _find_dead(campaign, LEASE) == []
    assert _find_dead(campaign, LEASE + SECOND) == [context.worker_id]


def test_the_dead_are_found_among_the_living_and_the_retired(database: Database) -> None:
    campaign = SentCampaign(database, 0)
    retired, dead = campaign.worker(), campaign.worker()
    campaign.worker(campaign.now + LEASE)
    with database.write() as connection:
        workers.retire(connection, retired.worker_id, campaign.now)
    assert _find_dead(campaign, LEASE + SECOND) == [dead.worker_id]


def test_a_worker_whose_process_is_gone_is_dead_at_once(database: Database) -> None:
    campaign = SentCampaign(database, 0)
    gone = campaign.worker(process=Process(Process.current().host, "999999999:1"))
    campaign.worker()
    assert _find_dead(campaign, timedelta(0)) == [gone.worker_id]


def test_a_worker_is_at_work_until_its_lease_has_passed_or_it_is_retired(database: Database) -> None:
    campaign = SentCampaign(database, 0)
    assert not _any_at_work(campaign, timedelta(0))
    context = campaign.worker()
    assert _any_at_work(campaign, LEASE)
    assert not _any_at_work(campaign, LEASE + SECOND)
    with database.write() as connection:
        workers.retire(connection, context.worker_id, campaign.now)
    assert not _any_at_work(campaign, timedelta(0))


def test_a_worker_is_at_work_on_its_campaign_also_while_it_holds_no_delivery(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    assert not _is_at_work_on(campaign, campaign.id)
    context = campaign.worker()
    assert _is_at_work_on(campaign, context.campaign_id)
    assert not _is_at_work_on(campaign, context.campaign_id + 1)
    assert not _is_at_work_on(campaign, context.campaign_id, LEASE + SECOND)


def test_a_run_that_could_not_retire_its_worker_does_not_take_it_for_another_run(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    own, now = Process.current(), campaign.now
    with database.write() as connection:
        workers.register(connection, own, campaign.id, now, LEASE)
        assert workers.is_at_work_on(connection, campaign.id, now)
        assert not workers.is_at_work_on(connection, campaign.id, now, besides=own)
        workers.register(connection, ANOTHER_MACHINE, campaign.id, now, LEASE)
        assert workers.is_at_work_on(connection, campaign.id, now, besides=own)


def test_unretired_workers_are_those_at_work_and_the_dead(database: Database) -> None:
    campaign = SentCampaign(database, 0)
    dead, retired, alive = (
        campaign.worker(campaign.now - 2 * LEASE),
        campaign.worker(),
        campaign.worker(),
    )
    with database.write() as connection:
        workers.retire(connection, retired.worker_id, campaign.now)
        assert sorted(workers.unretired(connection)) == [dead.worker_id, alive.worker_id]


def test_this_process_is_not_gone() -> None:
    assert not Process.current().is_gone()
    assert Process.current().number.startswith(f"{os.getpid()}:")


def test_a_process_is_gone_when_it_has_ended() -> None:
    with _sleeping() as child:
        process = _process_of(child)
        assert not process.is_gone()
        child.kill()
        _wait_until_ended(child)
        assert process.is_gone()  # nobody has asked for its exit code: it is a zombie
    assert process.is_gone()


@pytest.mark.parametrize("name", [b"a) Z 1 2", b"\xff\xfe"], ids=["a parenthesis", "not UTF-8"])
def test_a_process_with_any_name_is_not_gone_until_it_has_ended(name: bytes) -> None:
    """A process sets its name by itself (prctl(2), PR_SET_NAME), and the kernel writes it into its status."""
    rename = f"import ctypes; ctypes.CDLL(None).prctl(15, {name!r}, 0, 0, 0); input(); input()"
    with subprocess.Popen([sys.executable, "-c", rename], stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        comm = Path(f"/proc/{child.pid}/comm")
        until(lambda: comm.read_bytes().strip() == name, "the new name")
        started = Path(f"/proc/{child.pid}/stat").read_bytes().rpartition(b")")[2].split()[19].decode()
        process = Process(Process.current().host, f"{child.pid}:{started}")
        assert process.is_gone() is False
        child.kill()
        _wait_until_ended(child)
        assert process.is_gone() is True


def test_another_process_that_got_the_number_of_one_that_ended_is_not_it() -> None:
    process = Process.current()
    assert Process(process.host, f"{os.getpid()}:1").is_gone()


@pytest.mark.parametrize(
    "number",
    ["999999999:", "999999999", f"{os.getpid()}:"],
    ids=["ended, with a separator", "ended", "this one"],  # the same in each process of the test run
)
def test_a_process_whose_start_is_unknown_is_not_taken_for_gone(number: str) -> None:
    assert not Process(Process.current().host, number).is_gone()


def test_a_process_of_another_machine_is_not_taken_for_gone() -> None:
    assert Process("another machine", "999999999:1").is_gone() is False


def test_all_processes_of_this_machine_have_one_host() -> None:
    command = "from campaigns.deliveries.workers import Process; print(Process.current().host)"
    shown = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == Process.current().host
    assert len(Process.current().host) == 64


def test_processes_of_another_container_have_another_host() -> None:
    """They have process numbers of their own, so one with the number of a dead worker may be anybody."""
    command = "from campaigns.deliveries.workers import Process; print(Process.current().host)"
    inside = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", sys.executable]
    shown = subprocess.run([*inside, "-c", command], capture_output=True, text=True, check=False)
    if shown.returncode:
        pytest.skip(f"no namespaces here: {shown.stderr.strip()}")
    assert shown.stdout.strip() != Process.current().host


def _sleeping() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def _process_of(child: subprocess.Popen[bytes]) -> Process:
    """As the child would name itself."""
    stat = Path(f"/proc/{child.pid}/stat").read_text(encoding="utf-8")
    started = stat.rpartition(")")[2].split()[19]
    return Process(Process.current().host, f"{child.pid}:{started}")


def _wait_until_ended(child: subprocess.Popen[bytes]) -> None:
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


def _worker(campaign: SentCampaign, worker_id: int) -> RowMapping:
    with campaign.database.read() as connection:
        return connection.execute(select(worker).where(worker.c.id == worker_id)).mappings().one()


def _find_dead(campaign: SentCampaign, after: timedelta) -> list[int]:
    with campaign.database.write() as connection:
        return workers.find_dead(connection, campaign.now + after)


def _any_at_work(campaign: SentCampaign, after: timedelta) -> bool:
    with campaign.database.read() as connection:
        return workers.any_at_work(connection, campaign.now + after)


def _is_at_work_on(campaign: SentCampaign, campaign_id: int, after: timedelta = timedelta(0)) -> bool:
    with campaign.database.read() as connection:
        return workers.is_at_work_on(connection, campaign_id, campaign.now + after)
