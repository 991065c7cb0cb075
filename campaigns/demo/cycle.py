"""The demo: real commands, a mail catcher, an account system, and a click on an unsubscribe link."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import uvicorn
from rich.console import Console

from campaigns.demo.account import EMAIL, Account
from campaigns.demo.processes import LOOPBACK, TIMEOUT_SECONDS, environment, free_port, wait_until_up
from mailer.catcher import Catcher, Caught, inbox_app
from mailer.errors import MailerError, Refused

MARKER = ".mailer-demo"
FIRST, SECOND = "2.4.0.nl", "2.5.0.en"
ONE_CLICK = b"List-Unsubscribe=One-Click"

_PACKAGED = Path(__file__).parents[1] / "examples"  # in the wheel
EXAMPLES = _PACKAGED if _PACKAGED.exists() else Path(__file__).parents[2] / "examples"

_CONFIG = """\
sender = "Kadeplan <nieuws@kadeplan.example>"
public_url = "http://{host}:{web_port}"
locale = "nl"

[smtp]
host = "{host}"
port = {smtp_port}
security = "none"

[webhooks]
allow_private = true
allow_http = true

[brand]
name = "Kadeplan"
colour = "#0d7c86"
website = "https://kadeplan.example"
privacy_url = "https://kadeplan.example/privacy"
postal_address = "Kadeplan B.V., Havenkade 1, Hoorn"
support_email = "help@kadeplan.example"
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """The result: mails of the first release, withdrawals, mails of the second release."""

    folder: Path
    first: int
    withdrawn: int
    second: int

    def values(self) -> dict[str, object]:
        """The values for ``--json``."""
        return asdict(self)

    def text(self) -> str:
        """The text for the terminal."""
        left = {0: "nobody left", 1: "1 person left"}.get(self.withdrawn, f"{self.withdrawn} people left")
        return (
            f"Version 2.4.0 went to {self.first} people who said yes, {left}, "
            f"and version 2.5.0 went to {self.second}.\nEverything is in {self.folder}."
        )


def run_cycle(folder: Path, console: Console, *, stay: bool) -> Summary:
    """Run the demo in `folder`. Files of an earlier demo are removed first.

    With `stay` the person at the terminal clicks, and the demo waits. Raises Refused if the folder contains something
    else, MailerError if a step fails.
    """
    _prepare(folder)
    with _inbox(folder) as (catcher, inbox):
        installation = Installation(folder, catcher, console, inbox)
        installation.set_up()
        with (
            installation.serving(),
            Account(folder, installation.web_url, installation.run).serving() as account,
        ):
            if stay:
                installation.wait(f"Open the settings of Mila's account at {account.url} and tick the box.")
            else:
                installation.say("One person ticks the box in their account.")
                account.tick()
            installation.release(FIRST)
            first = installation.mails()
            if stay:
                installation.wait(
                    f"Read the mails at {inbox} and click unsubscribe in Mila's: the box in her account unticks itself.",
                    then="version 2.5.0 goes to those who are left",
                )
            else:
                installation.click(next(mail for mail in first if mail.recipients[0] == EMAIL))
                account.wait_until_unticked()
            installation.release(SECOND)
            summary = installation.summary(first)
            if stay:
                installation.stay(summary)
        return summary


class Installation:
    """The installation of the demo: a folder with its settings, the catcher, and the terminal."""

    def __init__(self, folder: Path, catcher: Catcher, console: Console, inbox: str) -> None:
        self._folder, self._catcher, self._console, self._inbox = folder, catcher, console, inbox
        self._web_port = free_port()
        self.web_url = f"http://{LOOPBACK}:{self._web_port}"

    def set_up(self) -> None:
        """Write the settings, create the database, import the people who consented."""
        config = _CONFIG.format(host=LOOPBACK, web_port=self._web_port, smtp_port=self._catcher.port)
        (self._folder / "mailer.toml").write_text(config, encoding="utf-8")
        shutil.copytree(EXAMPLES, self._folder, dirs_exist_ok=True)
        self.run("init")
        self.run(
            *("subscribers", "import", "people.csv"),
            *("--source", "account settings, export of 1 November", "--wording", "wording.nl.txt"),
        )

    def release(self, notes: str) -> None:
        """Create a campaign from release notes, lint it, send it."""
        self.run("campaigns", "create", f"release-notes/{notes}.md", "--slug", notes)
        self.run("campaigns", "lint", notes)
        self.run("campaigns", "send", notes, "--yes")

    def mails(self) -> list[Caught]:
        """All mails that the catcher has."""
        return self._catcher.messages()

    def click(self, mail: Caught) -> None:
        """Send the one-click request that a mail provider sends for its user (RFC 8058 section 3.2)."""
        url = mail.unsubscribe_url() or ""
        self.say("One person clicks unsubscribe in their mail program.")
        request = Request(url, data=ONE_CLICK, method="POST")  # noqa: S310 - our own server's URL
        with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            self._console.print(f"POST {url[:40]}… {answer.status}", style="dim", markup=False)

    def summary(self, first: list[Caught]) -> Summary:
        """Compare the recipients of both releases. Raises MailerError if the second has a new recipient."""
        got_first = {mail.recipients[0] for mail in first}
        got_second = {mail.recipients[0] for mail in self.mails()[len(first) :]}
        if not got_second <= got_first:
            raise MailerError("The second release went to somebody who did not get the first.")
        return Summary(self._folder, len(got_first), len(got_first - got_second), len(got_second))

    def wait(self, what: str, *, then: str = "version 2.4.0 is sent") -> None:
        """Ask the person at the terminal to do something, and wait for Enter."""
        self.say(f"{what}\nThen press Enter here, and {then}.")
        with suppress(EOFError):
            input()

    def stay(self, summary: Summary) -> None:
        """Serve the inbox and the pages until Ctrl-C."""
        self.say(f"{summary.text()}\nThe inbox at {self._inbox} works until you press Ctrl-C.")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Run `mailer serve` as a process of its own."""
        command = ("serve", "--host", LOOPBACK, "--port", str(self._web_port))
        self._announce(*command)
        process = subprocess.Popen(  # noqa: S603 - our own command
            _command(*command), cwd=self._folder, env=environment(), stderr=subprocess.DEVNULL
        )
        try:
            wait_until_up(f"http://{LOOPBACK}:{self._web_port}/healthz")
            yield
        finally:
            process.terminate()
            process.wait()

    def run(self, *words: str) -> str:
        """Run a mailer command; returns its output. Raises MailerError if it fails."""
        self._announce(*words)
        done = subprocess.run(  # noqa: S603 - our own command
            _command(*words),
            cwd=self._folder,
            env=environment(),
            stdout=subprocess.PIPE,
            check=False,
            encoding="utf-8",
        )
        if "--json" not in words:  # the output may contain a secret
            sys.stderr.write(done.stdout)
        if done.returncode:
            raise MailerError(f"`mailer {' '.join(words)}` ended with {done.returncode}.")
        return done.stdout

    def _announce(self, *words: str) -> None:
        shown = subprocess.list2cmdline(words)
        self._console.print(f"\n$ mailer {shown}", style="bold", markup=False, soft_wrap=True)

    def say(self, words: str) -> None:
        self._console.print(f"\n{words}", style="green", markup=False, soft_wrap=True)


@contextmanager
def _inbox(folder: Path) -> Iterator[tuple[Catcher, str]]:
    """Run the catcher and its page in a thread; yields the catcher and the URL of the page."""
    catcher = Catcher(folder / "Maildir")
    listener = socket.create_server((LOOPBACK, 0))
    config = uvicorn.Config(
        inbox_app(catcher), log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)

    async def host() -> None:
        async with catcher:
            await server.serve(sockets=[listener])

    thread = threading.Thread(target=asyncio.run, args=(host(),), daemon=True)
    thread.start()
    address = f"http://{LOOPBACK}:{listener.getsockname()[1]}/"
    wait_until_up(address)
    try:
        yield catcher, address
    finally:
        server.should_exit = True
        thread.join()


def _prepare(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise Refused(f"{folder} contains files that are not from a demo.", hint="Choose another --folder.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARKER).touch()


def _command(*words: str) -> list[str]:
    return [sys.executable, "-P", "-c", "from cli import main; main()", *words]
