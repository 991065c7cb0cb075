"""Standard output in other encodings than UTF-8, or none at all: a report never fails after the work is done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTES = "# Ünïcödé “Tïtle” 😀\n\nx\n"


def run(folder: Path, encoding: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAILER_")}
    return subprocess.run(
        [sys.executable, "-c", "import cli; cli.main()", *arguments],
        cwd=folder,
        env=environment | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("encoding", ["latin-1", "ascii:strict"])
def test_a_report_is_written_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "n.md").write_text(NOTES, encoding="utf-8")
    assert run(tmp_path, encoding, "init").returncode == 0
    created = run(tmp_path, encoding, "campaigns", "create", "n.md")
    assert created.returncode == 0, created.stderr
    assert b"Traceback" not in created.stderr
    listed = run(tmp_path, encoding, "campaigns", "list", "--json")
    text = listed.stdout.decode(encoding.partition(":")[0])
    assert len(json.loads(text)["campaigns"]) == 1


@pytest.mark.parametrize("encoding", ["ascii:strict"])
def test_an_error_is_written_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    for arguments in (["campaigns", "status", "“😀”", "--json"], ["--config", "“😀”.toml", "status"]):
        done = run(tmp_path, encoding, *arguments)
        assert done.returncode != 0
        assert b"Traceback" not in done.stderr
        if "--json" in arguments:
            assert json.loads(done.stdout.decode(encoding.partition(":")[0]))["error"]["code"] == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["campaigns", "list"], ["campaigns", "list", "--json"], ["status"]],
)
def test_a_report_that_can_not_be_written_is_told_without_a_traceback(
    tmp_path: Path, arguments: list[str]
) -> None:
    assert run(tmp_path, "utf-8", "init").returncode == 0
    mailer = Path(sys.executable).with_name("mailer")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [mailer, *arguments], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: What the command writes, such as its report, can't be written")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
@pytest.mark.parametrize(
    ("arguments", "code"), [(["campaigns", "status", "nope"], 1), (["status", "--nope"], 2)]
)
def test_an_error_that_standard_error_does_not_take_is_an_object_and_a_code_as_ever(
    tmp_path: Path, arguments: list[str], code: int
) -> None:
    assert run(tmp_path, "utf-8", "init").returncode == 0
    mailer = Path(sys.executable).with_name("mailer")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [mailer, *arguments, "--json"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=full, check=False
        )
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (code, code)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["campaigns", "create", "n.md"], 0),
        (["campaigns", "create", "n.md", "--json"], 0),
        (["doctor", "--offline"], 1),
        (["doctor", "--offline", "--json"], 1),
        (["run-due", "--json"], 0),
        (["subscribers", "list"], 1),
        (["subscribers", "list", "--json"], 0),
    ],
    ids=str,
)
def test_a_report_that_nobody_reads_changes_no_exit_code_of_work_that_is_done(
    tmp_path: Path, arguments: list[str], code: int
) -> None:
    (tmp_path / "n.md").write_text(NOTES, encoding="utf-8")
    assert run(tmp_path, "utf-8", "init").returncode == 0
    mailer = Path(sys.executable).with_name("mailer")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(
            [mailer, *arguments], cwd=tmp_path, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("closed", [1, 2])
def test_a_command_without_output_ends_as_any_other(closed: int) -> None:
    command = [sys.executable, "-c", "import cli; cli.command()", "--version"]
    without = ["sh", "-c", f'exec "$@" {closed}>&-', "sh", *command]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(without, env=environment, capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_profile_of_a_command_is_written(tmp_path: Path) -> None:
    mailer, profile = Path(sys.executable).with_name("mailer"), tmp_path / "profile"
    command = [sys.executable, "-m", "cProfile", "-o", str(profile), str(mailer), "--version"]
    subprocess.run(command, cwd=tmp_path, stdout=subprocess.DEVNULL, check=True)
    assert profile.stat().st_size > 0
