"""`mailer deploy`: files that systemd and cron take as they are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.campaign import write_config
from tests.support.installed import InstalledMailer

HIGHEST_EXPOSURE = 3.0  # of systemd-analyze's 10


@pytest.fixture
def home(mailer: InstalledMailer, tmp_path: Path) -> Path:
    mailer.run("init", "--public-url", "https://acme.example/mail", cwd=tmp_path)
    return tmp_path


@pytest.fixture
def units(mailer: InstalledMailer, home: Path) -> list[Path]:
    folder = home / "units"
    folder.mkdir()
    written = mailer.run("deploy", "systemd", "--user", "root", "--folder", folder, "--json", cwd=home).stdout
    return [Path(path) for path in json.loads(written)["written"]]


def systemd_analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        absent = "There is no systemd-analyze on this machine."
        if os.environ.get("MAILER_TESTS_REQUIRE_SYSTEMD_ANALYZE"):
            pytest.fail(absent)
        pytest.skip(absent)
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_systemd_finds_nothing_wrong_with_the_units(units: list[Path]) -> None:
    done = systemd_analyze("verify", *units)
    ours = [line for line in done.stderr.splitlines() if "release-mailer" in line]
    assert (ours, len(units)) == ([], 5)


def test_each_service_is_hardened(units: list[Path]) -> None:
    services = [unit for unit in units if unit.suffix == ".service"]
    assert len(services) == 3
    for unit in services:
        done = systemd_analyze("security", "--offline=true", unit)
        exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        assert exposure is not None, done.stderr
        assert float(exposure[1]) < HIGHEST_EXPOSURE


def test_a_unit_names_the_program_and_the_folder_of_the_settings(
    mailer: InstalledMailer, home: Path, units: list[Path]
) -> None:
    text = next(unit for unit in units if unit.name == "release-mailer.service").read_text(encoding="utf-8")
    assert f"ExecStart={mailer.command} serve\n" in text
    assert f"WorkingDirectory={home}\n" in text
    assert f"ReadWritePaths={home}\n" in text


def test_the_cron_line_runs(mailer: InstalledMailer, home: Path) -> None:
    crontab = mailer.run("deploy", "cron", "--mailto", "ops@acme.example", cwd=home).stdout
    (line,) = (line for line in crontab.splitlines() if line.startswith("*/5 * * * *  "))
    done = subprocess.run(
        ["/bin/sh", "-c", line.removeprefix("*/5 * * * *  ")],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "MAILTO=ops@acme.example\n" in crontab


@pytest.mark.parametrize("name", ["with space", "100%", "it's", 'a"b', "$HOME", "a;b", "{a}", "a\nb"])
def test_a_folder_that_would_need_quoting_is_refused(
    mailer: InstalledMailer, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    write_config(folder, 25)
    for kind in ("systemd", "cron"):
        done = mailer.run("deploy", kind, cwd=folder, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert "quoting" in done.stderr


def test_an_option_that_would_need_quoting_is_refused(mailer: InstalledMailer, home: Path) -> None:
    for arguments in (
        ["nginx", "--upstream", "127.0.0.1:8025; } evil {"],
        ["apache", "--certificate", "a b"],
        ["caddy", "--upstream", "a\n}"],
        ["cron", "--mailto", "a\n* * * * * evil"],
        ["systemd", "--user", "root\nExecStart=evil"],
    ):
        done = mailer.run("deploy", *arguments, cwd=home, check=False)
        assert (done.returncode, done.stdout) == (1, ""), arguments


@pytest.mark.parametrize(
    "upstream", ["localhost", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "::1:8025", "http://a:1"]
)
@pytest.mark.parametrize("proxy", ["nginx", "caddy", "apache"])
def test_an_upstream_that_is_no_host_with_a_port_is_refused(
    mailer: InstalledMailer, home: Path, proxy: str, upstream: str
) -> None:
    done = mailer.run("deploy", proxy, "--upstream", upstream, cwd=home, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"--upstream: {upstream!r} is not a host with a port" in done.stderr
    assert "127.0.0.1:8025" in done.stderr


def test_nginx_repeats_requests_of_the_unsubscribe_page_alone(mailer: InstalledMailer, home: Path) -> None:
    snippet = mailer.run("deploy", "nginx", cwd=home).stdout
    repeated = [part for part in snippet.split("location ")[1:] if "non_idempotent" in part]
    assert [part.split(" {")[0] for part in repeated] == ["^~ /mail/u/"]


def test_without_settings_it_says_where_to_run_it(mailer: InstalledMailer, tmp_path: Path) -> None:
    done = mailer.run("deploy", "systemd", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "mailer.toml does not exist" in done.stderr
