"""The installed command and real mail servers: Postfix, Exim and OpenSMTPD, counted by their own logs and queues.

`MAILER_TESTS_RELAYS_PEOPLE` says how many people there are; `make soak` takes 9,000, and has the table of
docs/relays.md written (`MAILER_TESTS_RELAYS_TABLE`).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mailer.database import Database
from tests.support.figures import report_figures
from tests.support.installed import InstalledMailer
from tests.support.relays import Exim, HoldingPostfix, OpenSMTPD, Postfix, RealRelay, Rules, programs, table
from tests.support.relays.campaign import OPEN, SendCampaign, Sent
from tests.support.relays.server import wait_for

PEOPLE = int(os.environ.get("MAILER_TESTS_RELAYS_PEOPLE", "250"))
SERVERS: dict[str, type[RealRelay]] = {one.name: one for one in (Postfix, Exim, OpenSMTPD)}
KEEPING = SERVERS | {"postfix": HoldingPostfix}  # their counts miss no mail when they stop or are killed
CONNECTIONS = 20
DOCUMENTATION = Path(__file__).parents[2] / "docs/relays.md"
ROWS: list[table.Row] = []
EVENTFUL = 160  # people, in the tests in which something happens while they are mailed
PACE = {"limits.per_second": 80}

pytestmark = pytest.mark.timeout(300 + PEOPLE // 10)


def running(
    name: str, rules: Rules | None = None, servers: Mapping[str, type[RealRelay]] = KEEPING
) -> RealRelay:
    """A server of that name; skips the test where this machine can't run one, or fails it where it must."""
    if reason := programs.why_not(name):
        message = f"No real {name}: {reason}."
        pytest.fail(message) if os.environ.get("MAILER_TESTS_REQUIRE_RELAYS") else pytest.skip(message)
    return servers[name](rules)


@pytest.fixture(scope="module")
def as_shipped(request: pytest.FixtureRequest) -> Iterator[RealRelay]:
    """One server for the module, with the limits that it ships with."""
    with running(request.param, servers=SERVERS) as relay:
        yield relay


@pytest.fixture
def campaign(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path
) -> Callable[..., SendCampaign]:
    """A campaign through a server: `campaign(relay, people=9)`; other values are settings of [smtp]."""

    def make(relay: RealRelay, people: int = PEOPLE, **smtp: Any) -> SendCampaign:
        return SendCampaign(mailer, sqlite_database, tmp_path, relay, people=people, **smtp)

    return make


def assert_everybody_once(sent: Sent, people: int) -> None:
    assert (sent.exit_code, sent.states["accepted"]) == (0, people), sent.said
    assert sent.twice == []
    assert len(sent.taken) == people


@pytest.mark.parametrize(
    ("as_shipped", "security", "auth"),
    [
        (name, security, {"none": "auto", "starttls": "plain", "tls": "login"}[security])
        for name, server in SERVERS.items()
        for security in server.securities
    ],
    indirect=["as_shipped"],
)
def test_everybody_gets_one_mail_in_one_run(
    campaign: Callable[..., SendCampaign], as_shipped: RealRelay, security: str, auth: str
) -> None:
    sent = campaign(as_shipped, security=security, auth=auth, connections=CONNECTIONS).run()
    assert_everybody_once(sent, PEOPLE)
    if "MAILER_TESTS_RELAYS_TABLE" in os.environ:
        peer = table.smtp_source(as_shipped, PEOPLE, CONNECTIONS) if security == "none" else None
        ROWS.append(row := table.Row(as_shipped.name, security, PEOPLE, sent, peer))
        report_figures(str(row).strip())


def test_the_table_of_the_documentation_is_written() -> None:
    """At the end of the runs above, where they were asked to be written down."""
    page = Path(os.environ.get("MAILER_TESTS_RELAYS_TABLE", DOCUMENTATION))
    if ROWS:
        table.write(page, ROWS)
    written = page.read_text(encoding="utf-8").partition(table.BEGIN)[2].partition(table.END)[0]
    assert table.HEADER in written
    for name, server in SERVERS.items():
        for security in server.securities:
            assert f"| {name} | {security} |" in written


@pytest.mark.parametrize("as_shipped", ["postfix", "exim"], indirect=True)
def test_a_wrong_password_ends_with_1(campaign: Callable[..., SendCampaign], as_shipped: RealRelay) -> None:
    sent = campaign(as_shipped, 5, security="starttls", password="battery staple").run()
    assert (sent.exit_code, sent.states["pending"]) == (1, 5)
    assert "refused the login" in sent.said
    assert "battery" not in sent.said


@pytest.mark.parametrize(("name", "most"), [("exim", 15), ("opensmtpd", 40)])
@pytest.mark.parametrize("connections", [1, 10])
def test_a_limit_of_messages_a_connection_delays_nobody(
    campaign: Callable[..., SendCampaign], name: str, most: int, connections: int
) -> None:
    with running(name, Rules(messages_per_connection=most)) as relay:
        assert_everybody_once(campaign(relay, 200, connections=connections).run(), 200)


@pytest.mark.parametrize("name", ["postfix", "exim"])
def test_a_limit_of_connections_a_host_delays_nobody(
    campaign: Callable[..., SendCampaign], name: str
) -> None:
    with running(name, Rules(connections_per_host=2)) as relay:
        assert_everybody_once(campaign(relay, 200, connections=10).run(), 200)


@pytest.mark.parametrize("connections", [1, 10])
@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("postfix", "refused_at_rcpt"),
        ("postfix", "refused_after_content"),
        ("exim", "refused_at_rcpt"),
        ("exim", "refused_after_content"),
        ("opensmtpd", "refused_at_rcpt"),
    ],
)
def test_one_of_nine_is_refused_and_the_eight_others_get_their_mail(
    campaign: Callable[..., SendCampaign], name: str, rule: str, connections: int
) -> None:
    rules = Rules(**{rule: ("person4@example.com",)})  # type: ignore[arg-type]
    with running(name, rules) as relay:
        sent = campaign(relay, 9, connections=connections).run()
    assert (sent.exit_code, sent.states["accepted"], sent.states["rejected"]) == (3, 8, 1), sent.said
    assert len(sent.taken) == 8
    assert "person4@example.com" not in sent.taken


def under_way(
    campaign: Callable[..., SendCampaign], relay: RealRelay
) -> tuple[SendCampaign, Callable[[], Sent]]:
    """A run of which the server has taken a quarter of the mails, and a function that waits for its end."""
    run = campaign(relay, EVENTFUL, **PACE)
    began, process = time.perf_counter(), run.start()
    assert wait_for(lambda: run.taken() >= EVENTFUL // 4)
    return run, partial(run.finish, process, began)


@pytest.mark.parametrize("name", list(SERVERS))
def test_a_server_that_stops_and_starts_repeats_nobody_and_loses_nobody(
    campaign: Callable[..., SendCampaign], name: str
) -> None:
    with running(name) as relay:
        run, finish = under_way(campaign, relay)
        relay.stop()
        relay.start()
        sent = finish()
        for _ in range(5):
            if any(sent.states[state] for state in OPEN):
                sent = run.run()
    assert_nobody_twice_or_lost(sent, EVENTFUL)


@pytest.mark.parametrize("name", ["postfix", "exim"])
def test_a_server_that_reads_its_configuration_again_repeats_nobody_and_loses_nobody(
    campaign: Callable[..., SendCampaign], name: str
) -> None:
    with running(name) as relay:
        _, finish = under_way(campaign, relay)
        relay.reload()
        assert_everybody_once(finish(), EVENTFUL)


@pytest.mark.parametrize("name", list(SERVERS))
def test_a_server_that_stands_still_for_a_second_repeats_nobody_and_loses_nobody(
    campaign: Callable[..., SendCampaign], name: str
) -> None:
    with running(name) as relay:
        _, finish = under_way(campaign, relay)
        relay.signal_workers(signal.SIGSTOP)
        time.sleep(1)
        relay.signal_workers(signal.SIGCONT)
        assert_everybody_once(finish(), EVENTFUL)


@pytest.mark.parametrize("name", ["postfix", "exim"])
def test_a_server_whose_processes_are_killed_repeats_nobody_and_loses_nobody(
    campaign: Callable[..., SendCampaign], name: str
) -> None:
    with running(name) as relay:
        run, finish = under_way(campaign, relay)
        relay.signal_workers(signal.SIGKILL)
        sent = finish()
        for _ in range(5):
            if any(sent.states[state] for state in OPEN):
                sent = run.run()
    assert_nobody_twice_or_lost(sent, EVENTFUL)


def assert_nobody_twice_or_lost(sent: Sent, people: int) -> None:
    """Everybody got one mail, but for those in doubt, one a connection at most, and those that the server put
    off.

    A server that lost one of its processes answers 451; such a mail waits for half an hour.
    """
    states = sent.states
    assert sent.twice == []
    assert states["accepted"] + states["uncertain"] + states["deferred"] == people, sent.said
    assert states["deferred"] <= 10
    assert states["uncertain"] <= 10
    assert states["accepted"] <= len(sent.taken) <= people
