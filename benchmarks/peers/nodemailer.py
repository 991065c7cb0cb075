"""nodemailer's pool, installed with npm into a folder of the run."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.timed import Timed
from benchmarks.programs import Missing, find, run

PROGRAM = Path(__file__).with_name("nodemailer.cjs")
INSTALL_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Nodemailer:
    """An installed nodemailer."""

    node: str
    folder: Path

    @property
    def version(self) -> str:
        """Its version, and node's."""
        package = self.folder / "node_modules/nodemailer/package.json"
        own = json.loads(package.read_text(encoding="utf-8"))["version"]
        return f"nodemailer {own}, node {run([self.node, '--version']).output.strip().removeprefix('v')}"

    def send(
        self, port: int, messages: int, connections: int, *, paragraphs: int, key: Path | None = None
    ) -> Timed:
        """Send mails with that many paragraphs through its pool; signed where there is a key."""
        numbers = map(str, (port, messages, connections, paragraphs))
        modules = {"NODE_PATH": str(self.folder / "node_modules")}
        return Timed.of(run([self.node, PROGRAM, *numbers, *([key] if key else [])], extra=modules), messages)


def install(folder: Path) -> Nodemailer:
    """Install the newest release into `folder`. Raises Missing with the reason why that is not possible."""
    node, npm = find("node", "nodejs"), find("npm", "npm")
    folder.mkdir(exist_ok=True)
    command = [
        npm,
        "install",
        "--no-audit",
        "--no-fund",
        "--fetch-retries=0",
        "--prefix",
        str(folder),
        "nodemailer",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise Missing(f"npm did not install nodemailer within {INSTALL_SECONDS} s.") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Missing(f"npm could not install nodemailer: {said[0] if said else done.returncode}")
    return Nodemailer(node, folder)
