"""A campaign that the installed command sends through a real server, and how it ended: states, log, rate."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailer.database import Database
from tests.support.campaign import SECRET, draft, subscribe
from tests.support.installed import InstalledMailer
from tests.support.relays.server import LOGIN, RealRelay
from tests.support.signed import write_key

OPEN = ("pending", "deferred")


@dataclass(frozen=True, slots=True)
class Sent:
    """How a run ended. `states` are the campaign's counts after it, `taken` the server's own count by
    recipient.
    """

    exit_code: int
    seconds: float
    states: Mapping[str, Any]
    taken: Counter[str]
    said: str

    @property
    def twice(self) -> list[str]:
        """Who got more than one mail, by the server's own log."""
        return [recipient for recipient, mails in self.taken.items() if mails > 1]


class SendCampaign:
    """`people` who agreed, and the command that mails them through `relay` as often as it is run."""

    def __init__(
        self,
        mailer: InstalledMailer,
        database: Database,
        folder: Path,
        relay: RealRelay,
        *,
        people: int,
        security: str = "none",
        **smtp: object,
    ) -> None:
        self._mailer, self._relay, self._folder = mailer, relay, folder
        self.people = people
        self._before = relay.taken()
        subscribe(database, people)
        draft(database)
        write_key(folder)
        url = database.url.render_as_string(hide_password=False)
        settings: dict[str, object] = {
            "host": "localhost",
            "port": relay.ports[security],
            "security": security,
            "connections": 10,
        }
        if security != "none":
            settings |= {"ca_file": str(relay.ca_file)}
            settings |= {"username": LOGIN[0], "password": LOGIN[1]}
        lines = [f"{name} = {json.dumps(value)}" for name, value in (settings | smtp).items()]
        (folder / "mailer.toml").write_text(
            f'database_url = "{url}"\nsender = "Acme <notes@example.com>"\npublic_url = "https://example.com"\n'
            f'secret_keys = ["{SECRET}"]\n[smtp]\n' + "\n".join(lines) + "\n",
            encoding="utf-8",
        )

    def start(self) -> subprocess.Popen[str]:
        """The command, under way."""
        return self._mailer.start("campaigns", "send", "notes", "--yes", "--json", cwd=self._folder)

    def run(self) -> Sent:
        """The command, to its end."""
        began = time.perf_counter()
        return self.finish(self.start(), began)

    def finish(self, process: subprocess.Popen[str], began: float) -> Sent:
        """Wait for the command, and for the server's log to tell of all that was accepted."""
        output, complaint = process.communicate(timeout=600)
        seconds = time.perf_counter() - began
        states = json.loads(output) if process.returncode in (0, 3) else self.status()
        self._relay.wait_until_taken(self._before.total() + states["accepted"])
        taken = self._relay.taken() - self._before
        return Sent(process.returncode, seconds, states, taken, output + complaint)

    def status(self) -> dict[str, Any]:
        """The campaign's counts."""
        said = self._mailer.run("campaigns", "status", "notes", "--json", cwd=self._folder)
        found: dict[str, Any] = json.loads(said.stdout)
        return found

    def taken(self) -> int:
        """How many of its mails the server has taken by now."""
        return (self._relay.taken() - self._before).total()
