"""How long after a one-click withdrawal the box in the account is unticked, with `mailer serve` and examples/account.

A sample ticks the box, withdraws with the unsubscribe link as a mail provider does (RFC 8058), and asks the
account until the box is unticked. With `grants`, that many other people consent through the API just before
the withdrawal, in batches of 1,000; the webhook must deliver these first.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median, quantiles

import httpx

from benchmarks.bench import Bench
from benchmarks.parts.account_api import BATCH, WORDING, grant
from benchmarks.processes import cpu_seconds
from benchmarks.programs import HOST, PYTHON, ROOT, free_port, mailer, run, serving
from benchmarks.report import Goal, Row, Section
from benchmarks.unsubscribe import FORM, TOPIC
from mailer.config import Settings, key_source, load_settings
from mailer.database import Database, installation_id
from subscribers import people
from subscribers.address import normalise
from subscribers.self_service import Links

EMAIL = "mila@example.org"
GRANTS = 5 * BATCH
POLL_SECONDS = 0.01
GIVE_UP_SECONDS = 60
LONGEST_PAUSE_SECONDS = 0.5  # longer than the interval at which serve looks for changes

CONFIG = """
sender = "Acme <notes@example.com>"
public_url = "{url}"

[webhooks]
allow_private = true
allow_http = true
"""


@dataclass(frozen=True, slots=True)
class Delay:
    """One sample: seconds until the box was unticked, the grants per second before, CPU seconds of both servers."""

    seconds: float
    grants_a_second: float
    serve_cpu: float
    account_cpu: float


@dataclass(frozen=True, slots=True)
class Servers:
    """`mailer serve` and the account, and what a sample needs to talk to them."""

    mailer: httpx.Client
    account: httpx.Client
    token: str
    database: Database
    settings: Settings
    pids: tuple[int, int]


def box(bench: Bench) -> Section:
    """From a one-click withdrawal to the account's box unticked: of one person alone, and behind many grants."""
    section = Section("From a one-click withdrawal to the account's box")
    rows: list[tuple[object, ...]] = []
    for name, samples, grants in (
        ("of one person alone", bench.sizes.withdrawals, 0),
        (f"right after {GRANTS:,} grants by API", max(bench.sizes.withdrawals // 10, 2), GRANTS),
    ):
        folder = bench.folder / f"account-box-{grants}"
        folder.mkdir()
        found = measure(folder, samples, grants)
        delays = [each.seconds for each in found]
        what = f"from a one-click withdrawal to the account's box unticked, {name}"
        # Of a few samples the slowest counts.
        p99 = quantiles(delays, n=100)[98] if samples >= 100 else max(delays)
        section.rows.append(Row(f"{what}: p99", Goal(2, "s", at_most=True), p99, delays))
        rows.append(
            (
                name,
                samples,
                f"{median(delays):.2f}",
                f"{max(delays):.2f}",
                f"{median(each.grants_a_second for each in found):,.0f}",
                f"{mean(each.serve_cpu for each in found):.2f}",
                f"{mean(each.account_cpu for each in found):.2f}",
            )
        )
    heads = ("withdrawal", "samples", "median, s", "slowest, s", "grants/s before it",
             "CPU of serve a sample, s", "CPU of the account a sample, s")  # fmt: skip
    section.table(heads, rows)
    section.lines.append(
        "`mailer serve`, the account of `examples/account` and the measuring process share the machine. "
        f"The box is looked at every {POLL_SECONDS * 1000:.0f} ms."
    )
    return section


def measure(folder: Path, samples: int, grants: int) -> list[Delay]:
    """Take that many samples, each after `grants` grants by other people."""
    with _servers(folder) as servers:
        return [_sample(servers, number, grants) for number in range(samples)]


def _sample(servers: Servers, number: int, grants: int) -> Delay:
    cpu = [cpu_seconds(pid) for pid in servers.pids]
    servers.account.post("/", data={"box": "on"})
    path = _unsubscribe_path(servers)
    time.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))  # noqa: S311 - no secret
    began = time.perf_counter()
    for first in range(0, grants, BATCH):
        _grant(servers, [f"person{number}.{each}@example.com" for each in range(first, first + BATCH)])
    granted = time.perf_counter()
    assert _is_ticked(servers)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    servers.mailer.post(path, content=FORM, headers=form).raise_for_status()
    while _is_ticked(servers):
        assert time.perf_counter() < granted + GIVE_UP_SECONDS, "the box stayed ticked"
        time.sleep(POLL_SECONDS)
    seconds = time.perf_counter() - granted
    spent = [cpu_seconds(pid) - before for pid, before in zip(servers.pids, cpu, strict=True)]
    return Delay(seconds, grants / (granted - began), *spent)


def _is_ticked(servers: Servers) -> bool:
    return bool(servers.account.get("/state").json()["ticked"])


def _grant(servers: Servers, emails: Sequence[str]) -> None:
    now = datetime.now(UTC)
    answer = servers.mailer.post(
        "/api/v1/consents/batch",
        json={"items": [grant(email, now) for email in emails]},
        headers={"Authorization": f"Bearer {servers.token}"},
    )
    assert all(each["status"] == 200 for each in answer.json()["results"]), answer.text[:500]


def _unsubscribe_path(servers: Servers) -> str:
    """The path of the link in a mail to the account's user."""
    with servers.database.read() as connection:
        person = people.find(connection, normalise(EMAIL))
        assert person is not None
        links = Links(key_source(servers.settings), installation_id(connection), servers.settings.public_url)
    url = links.url(person.id, person.hashed, TOPIC, "en")
    return url.removeprefix(servers.settings.public_url)


@contextmanager
def _servers(folder: Path) -> Iterator[Servers]:
    mailer_port, account_port = free_port(), free_port()
    url = f"http://{HOST}:{mailer_port}"
    (folder / "mailer.toml").write_text(CONFIG.format(url=url), encoding="utf-8")
    (folder / "wording.txt").write_text(WORDING, encoding="utf-8")
    program = mailer()

    def command(*arguments: str) -> str:
        return run([program, *arguments], cwd=folder).output

    command("init")
    command("consent", "wording", "add", "wording.txt", "--language", "en", "--topic", TOPIC)
    created = command("keys", "api", "create", "--name", "account", "--scope", "consents:write", "--json")
    token = json.loads(created)["token"]
    hook = f"http://{HOST}:{account_port}/hook"
    account = {
        "RELEASE_MAILER_URL": url,
        "TOKEN": token,
        "SECRET": json.loads(command("webhooks", "add", hook, "--json"))["secret"],
        "WORDING": "wording.txt",
        "EMAIL": EMAIL,
    }
    example = [PYTHON, "-m", "uvicorn", "--app-dir", str(ROOT / "examples/account"), "account:app"]
    settings = load_settings(folder / "mailer.toml")
    database = Database(settings.database_url.reveal(), folder)
    with (
        serving([program, "serve", "--port", str(mailer_port)], mailer_port, cwd=folder) as serve,
        serving([*example, "--port", str(account_port), "--log-level", "warning"], account_port, cwd=folder,
                extra=account) as portal,
        httpx.Client(base_url=url, timeout=GIVE_UP_SECONDS) as to_mailer,
        httpx.Client(base_url=f"http://{HOST}:{account_port}", timeout=GIVE_UP_SECONDS) as to_account,
    ):  # fmt: skip
        yield Servers(to_mailer, to_account, token, database, settings, (serve.pid, portal.pid))
    database.close()
