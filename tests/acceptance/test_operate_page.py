"""docs/operate.md to the letter: every block, in order, on a throw-away copy of this machine."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.bare_machine import run_on_bare_machine
from tests.support.installed import ROOT

PAGE = ROOT / "docs" / "operate.md"
CRON_LINE = "*/5 * * * *  cd /srv/mailer && /opt/release-mailer/.venv/bin/mailer run-due"
KEPT = "PIP_INDEX_URL,PIP_CERT,SSL_CERT_FILE,http_proxy,https_proxy,no_proxy,HTTP_PROXY,HTTPS_PROXY,NO_PROXY"
CERTIFICATE = """
apt-get install --yes --quiet=2 openssl
mkdir --parents /etc/letsencrypt/live/acme.example
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=acme.example -keyout \
    /etc/letsencrypt/live/acme.example/privkey.pem -out /etc/letsencrypt/live/acme.example/fullchain.pem
"""
CHECKS = """
cd /srv/mailer
test "$(stat -c '%U %a' mailer.secrets.toml)" = "mailer 600"
crontab -u mailer -l | grep --quiet --fixed-strings 'MAILTO=ops@acme.example'
crontab -u mailer -l | grep --quiet --fixed-strings {cron_line}
su mailer -c {job}
test -e /etc/systemd/system/release-mailer-run-due.timer
tar --list --file /tmp/mailer.tar | grep --quiet mailer.secrets.toml
su mailer -c 'set -e; cd /srv/mailer; m=/opt/release-mailer/.venv/bin/mailer
$m restore backups/mailer-*.db --yes; $m privacy replay --lost; $m run-due'
echo everything ran
"""


def blocks() -> list[tuple[str, str]]:
    """Who runs each block, and the block."""
    text = PAGE.read_text(encoding="utf-8")
    found = [dedent(block) for block in re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)]
    return [(block.partition("\n")[0].removeprefix("# as "), block) for block in found]


def test_each_block_says_who_runs_it() -> None:
    assert len(blocks()) > 10
    assert {user for user, _ in blocks()} == {"root", "mailer"}


def test_the_same_cron_line_stands_everywhere() -> None:
    documents = [ROOT / "README.md", PAGE, ROOT / "docs" / "scheduling.md", ROOT / "docs" / "cli.md"]
    for document in documents:
        lines = re.findall(r"^ *((?:\S+ ){5} *cd .*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(lines) == {CRON_LINE}, document


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_block_runs_on_a_bare_machine(tmp_path: Path) -> None:
    bare = tmp_path / "repository.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", ROOT, bare], check=True)
    script = ["exec 2>&1", "apt-get update --quiet=2", CERTIFICATE]  # certbot needs the internet
    for user, block in blocks():
        body = f"export REPOSITORY=/tmp/tree\nset -eux\n{block}"
        who = "bash -c" if user == "root" else f"su --login mailer --whitelist-environment {KEPT} -c"
        script.append(f"{who} {shlex.quote(body)} </dev/null")
        if "adduser" in block:  # the checkout belongs to the user who runs the tests
            script.append("su --login mailer -c 'git config --global --add safe.directory \"*\"'")
    job = CRON_LINE.removeprefix("*/5 * * * *  ")
    script.append(CHECKS.format(cron_line=shlex.quote(CRON_LINE), job=shlex.quote(job)))
    machine = tmp_path / "machine"
    machine.mkdir()
    done = run_on_bare_machine("\n".join(script), bare, machine)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert done.stdout.rstrip().endswith("everything ran"), done.stdout[-5000:]
