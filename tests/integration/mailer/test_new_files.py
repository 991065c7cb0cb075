"""What commands write gets its name when it is whole: killed before, they leave nothing that looks whole, and the next one tidies up."""

from __future__ import annotations

import os
import signal
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import mailer
from mailer.backup.restore import restore
from mailer.backup.snapshot import take
from mailer.database import Database
from mailer.errors import InvalidInput, MailerError
from mailer.new_files import LEFT_AFTER_SECONDS, new_file, new_folder, write_output
from tests.support.campaign import SECRET
from tests.support.deliveries import SentCampaign
from tests.support.signed import write_key

JAN = "person1@example.com"
PERSONAL = {"copy.db", "audit.zip", "bundle.zip", "breach"}
COMMANDS = {
    "copy.db": ("backup", "copy.db"),
    "audit.zip": ("privacy", "audit", "--from", "2026-11-01", "--output", "audit.zip"),
    "bundle.zip": ("consent", "prove", JAN, "--bundle", "bundle.zip"),
    "breach": ("privacy", "breach", "--since", "2026-11-01", "--output", "breach"),
    "report.html": ("campaigns", "report", "notes", "--html", "report.html"),
    "preview/notes.html": ("campaigns", "preview", "notes", "--folder", "preview", "--no-open"),
    "units/release-mailer.service": ("deploy", "systemd", "--folder", "units"),
    "themes/themes/ours": ("themes", "eject", "letter", "--as", "ours"),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_database: Database) -> Path:
    """The working directory, with a database of three people and a campaign to them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILER_SECRET_KEYS", SECRET)
    monkeypatch.setenv("MAILER_TEMPLATES_DIR", "themes")
    (tmp_path / "mailer.toml").touch()
    (tmp_path / "units").mkdir()
    write_key(tmp_path)
    SentCampaign(sqlite_database, 3)
    return tmp_path


def run(*arguments: str) -> None:
    done = CliRunner().invoke(mailer, arguments)
    assert done.exit_code == 0, (done.output, done.exception)


def killed_before_naming(path: Path, work: Callable[[], object]) -> bool:
    """Do `work` in a copy of this process that is killed when a file or folder is to get the name `path`."""
    child = os.fork()
    if child == 0:

        def watch(event: str, args: tuple[object, ...]) -> None:
            if event == "os.rename" and os.path.realpath(str(args[1])) == str(path):
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        try:
            work()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def left_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.new*"))


def age(folder: Path) -> None:
    then = time.time() - 2 * LEFT_AFTER_SECONDS
    for one in left_in(folder):
        os.utime(one, (then, then))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_killed_leaves_nothing_that_looks_whole(home: Path, name: str) -> None:
    path = home / name
    assert killed_before_naming(path, lambda: run(*COMMANDS[name]))
    assert not path.exists()
    assert left_in(path.parent)
    age(path.parent)
    run(*COMMANDS[name])
    assert path.exists()
    assert left_in(path.parent) == []
    private = stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert private == (name in PERSONAL)


@pytest.mark.parametrize("name", ["report.html", "preview/notes.html", "units/release-mailer.service"])
def test_what_is_written_again_is_the_old_file_or_the_new_one(home: Path, name: str) -> None:
    path = home / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("old")
    path.chmod(0o640)
    assert killed_before_naming(path, lambda: run(*COMMANDS[name]))
    assert path.read_text() == "old"
    run(*COMMANDS[name])
    assert path.read_text() != "old"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_copy_of_the_database_before_a_restore_is_whole_or_not_there(
    sqlite_database: Database, tmp_path: Path
) -> None:
    now = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    backup, place = tmp_path / "backup.db", Path(str(sqlite_database.url.database))
    take(sqlite_database, backup)
    former = place.with_name(f"{place.name}.before-restore-20261128T120000.000000Z")

    def put_back() -> None:
        with closing(Database(f"sqlite:///{place}")) as database:
            restore(database, backup, lambda _: None, now)

    assert killed_before_naming(former, put_back)
    assert not former.exists()
    put_back()
    assert former.exists()
    assert former.with_name(former.name + ".sha256").exists()


def test_a_backup_and_its_checksum_are_both_there_or_neither(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "copy.db"
    folder = target.with_name("copy.db.sha256")
    folder.mkdir()
    with pytest.raises(MailerError, match=r"copy\.db\.sha256 exists already"):
        take(sqlite_database, target)
    assert not target.exists()
    folder.rmdir()
    rename = Path.replace

    def without_room(path: Path, to: Path) -> Path:
        if to == target:
            raise OSError(28, "No space left on device")
        return rename(path, to)

    monkeypatch.setattr(Path, "replace", without_room)
    with pytest.raises(MailerError, match="No space left"):
        take(sqlite_database, target)
    assert not list(tmp_path.glob("copy.db*"))


def test_a_report_can_go_to_standard_output(home: Path) -> None:
    program = str(Path(sys.executable).with_name("mailer"))
    command = [program, *COMMANDS["report.html"][:-1], "/dev/stdout"]
    piped = subprocess.run(command, cwd=home, stdout=subprocess.PIPE, check=True, timeout=60).stdout
    with (home / "redirected.html").open("wb") as file:
        subprocess.run(command, cwd=home, stdout=file, check=True, timeout=60)
    assert piped.startswith(b"<!doctype html>")
    # Both write at its beginning: what the command says of it takes the place of some of it.
    assert (home / "redirected.html").read_bytes()[100:1000] == piped[100:1000]
    assert left_in(home) == []


class TestNewFiles:
    def test_what_fails_leaves_nothing(self, tmp_path: Path) -> None:
        def fail(making: AbstractContextManager[Path], beside: str) -> None:
            with making as new:
                Path(f"{new}{beside}").touch()
                raise ValueError("no")

        for making, beside in (
            (new_file(tmp_path / "file"), "-wal"),
            (new_folder(tmp_path / "folder"), "/inside"),
        ):
            with pytest.raises(ValueError, match="no"):
                fail(making, beside)
        assert not list(tmp_path.iterdir())

    def test_a_file_that_came_meanwhile_is_not_replaced(self, tmp_path: Path) -> None:
        with pytest.raises(FileExistsError), new_file(tmp_path / "file"):
            (tmp_path / "file").write_text("of another process")
        assert [one.read_text() for one in tmp_path.iterdir()] == ["of another process"]

    def test_a_link_to_nothing_is_a_file_that_is_there(self, tmp_path: Path) -> None:
        (tmp_path / "file").symlink_to("nothing")
        with pytest.raises(FileExistsError), new_file(tmp_path / "file"):
            pass

    def test_what_another_process_writes_now_stays(self, tmp_path: Path) -> None:
        with new_folder(tmp_path / "same") as first, new_folder(tmp_path / "other"):
            (first / "inside").touch()
            age(tmp_path)
            with pytest.raises(ValueError, match="no"), new_folder(tmp_path / "same"):
                raise ValueError("no")
            assert (first / "inside").exists()
        assert (tmp_path / "same" / "inside").exists()

    def test_output_goes_through_a_link_a_pipe_and_into_a_file_of_somebody_else(self, tmp_path: Path) -> None:
        real, link, pipe = tmp_path / "real", tmp_path / "link", tmp_path / "pipe"
        link.symlink_to("real")
        write_output(link, "text")
        assert (link.is_symlink(), real.read_text()) == (True, "text")
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        write_output(pipe, "text")
        assert os.read(reader, 10) == b"text"
        os.close(reader)
        if os.geteuid() == 0:
            os.chown(real, 65534, 65534)
            write_output(real, "of root")
            assert (real.read_text(), real.stat().st_uid) == ("of root", 65534)

    def test_output_goes_into_an_open_file_that_has_no_name_any_more(self, tmp_path: Path) -> None:
        with (tmp_path / "file").open("w+") as file:
            (tmp_path / "file").unlink()
            write_output(Path(f"/dev/fd/{file.fileno()}"), "text")
            assert file.read() == "text"
        assert not list(tmp_path.iterdir())

    def test_output_under_a_second_name_stays_one_file(self, tmp_path: Path) -> None:
        first, second = tmp_path / "first", tmp_path / "second"
        first.write_text("old")
        second.hardlink_to(first)
        write_output(first, "new")
        assert second.read_text() == "new"

    def test_who_else_may_read_the_output_is_kept(self, tmp_path: Path) -> None:
        path, name = tmp_path / "file", "system.posix_acl_access"
        path.write_text("old")
        anybody = 0xFFFFFFFF
        entries = ((1, 6, anybody), (2, 6, 65534), (4, 4, anybody), (16, 6, anybody), (32, 0, anybody))
        acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
        try:
            os.setxattr(path, name, acl)
        except OSError:
            pytest.skip("the file system has no access control lists")
        write_output(path, "new")
        assert (path.read_text(), os.getxattr(path, name)) == ("new", acl)

    def test_a_read_only_output_is_not_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_text("old")
        path.chmod(0o444)
        inode = path.stat().st_ino
        with suppress(PermissionError):  # root may write it
            write_output(path, "new")
        assert path.stat().st_ino == inode
        assert path.read_text() == ("new" if os.geteuid() == 0 else "old")

    @pytest.mark.parametrize("name", [".", "/", "dangling"])
    def test_a_folder_is_new(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.chdir(tmp_path)
        Path("dangling").symlink_to("nothing")
        with pytest.raises(InvalidInput, match="it exists already"), new_folder(Path(name)):
            pass

    @pytest.mark.parametrize("kind", ["file", "folder", "link"])
    def test_a_folder_that_came_meanwhile_is_not_replaced(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "folder"

        def of_another_process() -> None:
            if kind == "folder":
                (path / "inside").mkdir(parents=True)
            elif kind == "link":
                path.symlink_to("nothing")
            else:
                path.touch()

        with pytest.raises(InvalidInput, match="it exists already"), new_folder(path):
            of_another_process()
        assert list(tmp_path.iterdir()) == [path]
