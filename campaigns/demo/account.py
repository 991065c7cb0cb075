"""The example account system. Ticking its box records consent by API; a withdrawal unticks the box by webhook."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.request import Request, urlopen

from campaigns.demo.processes import LOOPBACK, TIMEOUT_SECONDS, environment, free_port, wait_until_up
from mailer.errors import MailerError

EMAIL = "mila@example.org"
WORDING = "wording.en.txt"
SECONDS_TO_UNTICK = 10


class Account:
    """The account system, as a process. `run` runs a mailer command and returns its output. `mailer_url` has the API."""

    def __init__(self, folder: Path, mailer_url: str, run: Callable[..., str]) -> None:
        self._folder, self._mailer_url, self._run = folder, mailer_url, run
        self._port = free_port()
        self.url = f"http://{LOOPBACK}:{self._port}/"

    @contextmanager
    def serving(self) -> Iterator[Self]:
        """Create its token and webhook, and serve its page."""
        self._run("consent", "wording", "add", WORDING, "--language", "en")
        token = json.loads(
            self._run("keys", "api", "create", "--name", "account", "--scope", "consents:write", "--json")
        )["token"]
        secret = json.loads(self._run("webhooks", "add", f"{self.url}hook", "--json"))["secret"]
        given = {
            "RELEASE_MAILER_URL": self._mailer_url,
            "TOKEN": token,
            "SECRET": secret,
            "WORDING": WORDING,
            "EMAIL": EMAIL,
        }
        server = (sys.executable, "-m", "uvicorn", "--app-dir", "account", "account:app")
        process = subprocess.Popen(  # noqa: S603 - our own example
            [*server, "--host", LOOPBACK, "--port", str(self._port), "--log-level", "warning"],
            cwd=self._folder,
            env=environment() | given,
        )
        try:
            wait_until_up(self.url)
            yield self
        finally:
            process.terminate()
            process.wait()

    def tick(self) -> None:
        """Tick the box as the form does. Raises MailerError if it stays unticked."""
        request = Request(self.url, data=b"box=on", method="POST")  # noqa: S310 - a page of our own on loopback
        urlopen(request, timeout=TIMEOUT_SECONDS).close()  # noqa: S310
        if not self._is_ticked():
            raise MailerError("The box in the account stayed unticked.")

    def wait_until_unticked(self) -> None:
        """Wait until the webhook has unticked the box. Raises MailerError after SECONDS_TO_UNTICK seconds."""
        deadline = time.monotonic() + SECONDS_TO_UNTICK
        while self._is_ticked():
            if time.monotonic() > deadline:
                raise MailerError("The box in the account stayed ticked after the person unsubscribed.")
            time.sleep(0.05)

    def _is_ticked(self) -> bool:
        with urlopen(f"{self.url}state", timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - as above
            ticked: bool = json.load(answer)["ticked"]
        return ticked
