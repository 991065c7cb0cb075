"""Settings and secrets are whole or not there: killed at any system call, read by others, locked, linked, or no file at all."""

from __future__ import annotations

import io
import itertools
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click.testing
import pytest

from cli import mailer
from mailer.config import load_settings, secret_keys
from mailer.config.init_files import InitOptions, is_unfinished, write_files
from mailer.database import Database
from mailer.errors import ConfigurationError, InvalidInput
from mailer.files import locked_folder, read_file, write_file

COMMAND = Path(sys.executable).with_name("mailer")
# What changes a file or a folder. SQLite writes the database itself; other tests cover that.
WRITING = "write,pwrite64,openat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,fsync,fdatasync,fchmod,ftruncate,mkdir"


def command(*args: str, folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILER_")}
    return subprocess.run(
        [COMMAND, *args], cwd=folder, env=kept, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MAILER_"):
            monkeypatch.delenv(name)


def killed_at(last: int, work: Callable[[], object]) -> bool:
    """Do `work` in a copy of this process that is killed at its writing call number `last`; False where it ended before."""
    child = os.fork()
    if child == 0:
        _count_calls(last)
        try:
            work()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def _count_calls(last: int) -> None:
    """Kill this process at call number `last` of those that write. A file is written in two halves."""
    seen = itertools.count(1)

    def count(*_: object) -> None:
        if next(seen) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, args: tuple[object, ...]) -> None:
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_CREAT)
        if writes or event in {"os.rename", "os.remove", "os.chmod", "os.chown", "fcntl.flock"}:
            count()

    class InHalves(io.FileIO):
        def write(self, content: Any, /) -> int:
            half = max(len(content) // 2, 1)
            count()
            written = super().write(content[:half])
            count()
            return written

    def fdopen(file: int, mode: str) -> io.BufferedWriter:
        assert mode == "wb"
        return io.BufferedWriter(InHalves(file, "w"))

    os.fdopen = fdopen  # type: ignore[assignment]
    for name in ("fsync", "fchmod", "close"):
        setattr(os, name, _counted(getattr(os, name), count))
    sys.addaudithook(watch)


def _counted(call: Callable[..., Any], count: Callable[..., None]) -> Callable[..., Any]:
    def counted(*args: Any) -> Any:
        count()
        return call(*args)

    return counted


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_init_killed_at_any_writing_call_is_mended_by_the_next_one(tmp_path: Path) -> None:
    step = 1
    while killed_at(step, lambda: write_files(tmp_path / "mailer.toml", InitOptions())):
        write_files(tmp_path / "mailer.toml", InitOptions())
        assert names(tmp_path) == ["mailer.secrets.toml", "mailer.toml"], step
        settings = load_settings(tmp_path / "mailer.toml")
        assert len(settings.keys()) == 1
        assert (tmp_path / "mailer.secrets.toml").stat().st_mode & 0o777 == 0o600
        for path in tmp_path.iterdir():
            path.unlink()
        step += 1
    assert step > 12  # it was killed all along the way


@pytest.mark.parametrize("task", ["rotate", "prepare", "activate"])
def test_keys_killed_at_any_writing_call_are_the_old_ones_or_the_new_ones(task: str, tmp_path: Path) -> None:
    secrets = tmp_path / "mailer.secrets.toml"
    write_files(tmp_path / "mailer.toml", InitOptions())
    if task == "activate":
        secret_keys.prepare(secrets)
    old = secrets.read_bytes()
    step = 1
    while killed_at(step, lambda: getattr(secret_keys, task)(secrets)):
        kept = secrets.read_bytes()
        load_settings(tmp_path / "mailer.toml").keys()
        assert kept == old or len(kept) > len(old) - 40, step
        assert [line for line in old.splitlines() if b"-" in line and line in kept], step
        secrets.write_bytes(old)
        getattr(secret_keys, task)(secrets)
        assert names(tmp_path) == ["mailer.secrets.toml", "mailer.toml"], step
        secrets.write_bytes(old)
        step += 1
    assert step > 8


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")
@pytest.mark.parametrize("task", ["init", "rotate"])
def test_the_command_killed_by_the_kernel_at_a_call_that_writes_leaves_what_init_mends(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = ["strace", "-f", "-qq", "-e", f"trace={WRITING}", "-o", "calls"]
    args = [str(COMMAND), "init"] if task == "init" else [str(COMMAND), "keys", "rotate"]
    base = tmp_path / "base"
    base.mkdir()
    if task == "rotate":
        assert command("init", folder=base).returncode == 0
    shutil.copytree(base, tmp_path / "whole")
    if subprocess.run([*trial, *args], cwd=tmp_path / "whole", capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace here")
    lines = (tmp_path / "whole" / "calls").read_text(encoding="utf-8", errors="replace").splitlines()
    for number, (name, count) in enumerate(_points(lines)):
        folder = tmp_path / str(number)
        shutil.copytree(base, folder)
        fault = f"inject={name}:signal=SIGKILL:when={count}"
        subprocess.run(
            ["strace", "-f", "-qq", "-e", f"trace={name}", "-e", fault, "-o", os.devnull, *args],
            cwd=folder,
            capture_output=True,
            check=False,
        )
        monkeypatch.chdir(folder)
        assert click.testing.CliRunner().invoke(mailer, ["init"]).exit_code == 0, (name, count)
        assert not list(folder.glob("*.new")), (name, count)
        assert load_settings().keys(), (name, count)
        assert Database(f"sqlite:///{folder / 'mailer.db'}").is_current(), (name, count)


def _points(lines: list[str]) -> list[tuple[str, int]]:
    """Some calls to be killed at, by name and number: of those that concern the settings, and of the database's."""
    counts: dict[str, int] = {}
    points, others, opened = [], 0, False
    for line in lines:
        found = re.match(r"\d+ +(\w+)\((.*)", line)
        if found is None:
            continue
        name, rest = found[1], found[2]
        counts[name] = counts.get(name, 0) + 1
        opened = opened or "mailer.toml" in rest or "mailer.secrets" in rest
        if "mailer." in rest and ("O_CREAT" in rest or name != "openat"):
            points.append((name, counts[name]))
        elif opened and name in {"write", "pwrite64", "fsync", "fdatasync", "fchmod"}:
            others += 1
            if others <= 6 or others % 9 == 0:
                points.append((name, counts[name]))
    return points[:: max(len(points) // 4, 1)]


@pytest.mark.parametrize(
    "begun", ["", "\n", "# Secrets of Rel", "# Secrets of Release Mailer. Keep a copy in a safe"]
)
def test_a_secrets_file_without_a_word_in_it_is_made_anew(begun: str, tmp_path: Path) -> None:
    write_files(tmp_path / "mailer.toml", InitOptions())
    (tmp_path / "mailer.secrets.toml").write_text(begun, encoding="utf-8")
    assert write_files(tmp_path / "mailer.toml", InitOptions()) == [tmp_path / "mailer.secrets.toml"]
    assert len(load_settings(tmp_path / "mailer.toml").keys()) == 1


def test_an_invalid_file_with_a_key_in_it_is_never_replaced(tmp_path: Path) -> None:
    write_files(tmp_path / "mailer.toml", InitOptions())
    secrets = tmp_path / "mailer.secrets.toml"
    secrets.write_text(secrets.read_text(encoding="utf-8").replace("]", ""), encoding="utf-8")
    assert not is_unfinished(secrets)
    assert write_files(tmp_path / "mailer.toml", InitOptions()) == []


def test_an_empty_secrets_file_of_a_database_in_use_is_not_refilled_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = click.testing.CliRunner()
    assert run.invoke(mailer, ["init"]).exit_code == 0
    assert run.invoke(mailer, ["demo", "--help"]).exit_code == 0
    (tmp_path / "mailer.secrets.toml").write_text("", encoding="utf-8")
    assert run.invoke(mailer, ["init"]).exit_code == 0  # nothing was signed with the lost key
    assert len(load_settings().keys()) == 1


class TestWriting:
    def test_owner_and_mode_stay_and_a_link_is_followed(self, tmp_path: Path) -> None:
        real, link = tmp_path / "real" / "file", tmp_path / "link"
        real.parent.mkdir()
        real.write_bytes(b"old")
        real.chmod(0o640)
        link.symlink_to(real)
        write_file(link, b"new", 0o600)
        assert link.is_symlink()
        assert real.read_bytes() == b"new"
        assert real.stat().st_mode & 0o777 == 0o640
        assert names(real.parent) == ["file"]

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_a_file_of_somebody_else_stays_theirs(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"old")
        os.chown(path, 65534, 65534)
        write_file(path, b"new", 0o600)
        assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)

    def test_what_a_killed_process_left_is_removed_and_nothing_else(self, tmp_path: Path) -> None:
        for name in ("file.0a1b2c3d.new", "file.new", "file.0a1b2c3d", "other.0a1b2c3d.new"):
            (tmp_path / name).touch()
        with locked_folder(tmp_path / "file"):
            pass
        assert names(tmp_path) == ["file.0a1b2c3d", "file.new", "other.0a1b2c3d.new"]

    def test_two_rotations_at_once_add_two_keys(self, tmp_path: Path) -> None:
        write_files(tmp_path / "mailer.toml", InitOptions())
        secrets = tmp_path / "mailer.secrets.toml"
        both = [threading.Thread(target=secret_keys.rotate, args=[secrets]) for _ in range(6)]
        for one in both:
            one.start()
        for one in both:
            one.join()
        assert len(load_settings(tmp_path / "mailer.toml").keys()) == 7

    def test_a_write_that_fails_leaves_the_old_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"old")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
        try:
            with pytest.raises(ConfigurationError, match="can't be written: File too large"):
                write_file(tmp_path / "file", b"x" * 100_000, 0o600)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert names(tmp_path) == ["file"]
        assert (tmp_path / "file").read_bytes() == b"old"


class TestReading:
    @pytest.mark.parametrize("name", ["/dev/zero", "pipe", "folder"])
    def test_what_is_no_file_is_refused_at_once(self, name: str, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "folder").mkdir()
        with pytest.raises(InvalidInput, match="is not a regular file"):
            read_file(tmp_path / name, 100)

    def test_a_file_may_have_as_many_bytes_as_the_limit_says(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x" * 100)
        assert read_file(tmp_path / "file", 100) == b"x" * 100
        with pytest.raises(InvalidInput, match="has 100 bytes; the limit is 99"):
            read_file(tmp_path / "file", 99)

    @pytest.mark.parametrize("name", ["mailer.toml", "mailer.secrets.toml"])
    @pytest.mark.parametrize("what", ["zero", "pipe", "large"])
    def test_settings_are_judged_before_they_are_read(self, name: str, what: str, tmp_path: Path) -> None:
        write_files(tmp_path / "mailer.toml", InitOptions())
        path = tmp_path / name
        path.unlink()
        if what == "zero":
            path.symlink_to("/dev/zero")
        elif what == "pipe":
            os.mkfifo(path)
        else:
            with path.open("wb") as file:
                file.truncate(1_000_000_000)
        with pytest.raises(ConfigurationError, match=name):
            load_settings(tmp_path / "mailer.toml")

    @pytest.mark.parametrize("what", ["/dev/zero", "pipe"])
    def test_a_wording_that_is_no_file_is_refused(
        self, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        run = click.testing.CliRunner()
        run.invoke(mailer, ["init"])
        os.mkfifo("pipe")
        Path("people.csv").write_text("email\nann@example.com\n", encoding="utf-8")
        refused = run.invoke(
            mailer, ["subscribers", "import", "people.csv", "--source", "x", "--wording", what]
        )
        assert isinstance(refused.exception, InvalidInput)
        assert "not a regular file" in str(refused.exception)
