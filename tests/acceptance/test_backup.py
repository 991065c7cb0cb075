"""`mailer backup`, `mailer restore` and `mailer privacy replay`, and a plain copy of the file, as operators use them."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from mailer.config import load_settings
from mailer.database import Database
from subscribers.address import AddressHasher, normalise
from tests.support.campaign import SECRET, TOPIC, draft, subscribe, write_config
from tests.support.installed import InstalledMailer
from tests.support.links import links_in
from tests.support.web_server import serving_in_thread
from web import create_app

STATES = "SELECT state FROM consent ORDER BY subscriber_id"


@pytest.fixture
def home(mailer: InstalledMailer, tmp_path: Path) -> Path:
    """A folder with settings, three people and a draft."""
    write_config(tmp_path, 25)
    mailer.run("init", cwd=tmp_path)
    database = Database("sqlite:///mailer.db", tmp_path)
    subscribe(database, 3)
    draft(database)
    database.close()
    return tmp_path


@pytest.fixture
def address(home: Path) -> Iterator[str]:
    """The web application, as `mailer serve` runs it."""
    with serving_in_thread(create_app(load_settings(home / "mailer.toml"))) as served:
        yield served


def states(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    found = [state for (state,) in connection.execute(STATES)]
    connection.close()
    return found


def one_click(home: Path, address: str, number: int) -> None:
    database = Database("sqlite:///mailer.db", home)
    hashed = AddressHasher([SECRET.encode()]).newest(normalise(f"person{number}@example.com").key)
    keys = load_settings(home / "mailer.toml").keys()
    url = links_in(database, keys, address).url(number, hashed, TOPIC, "en")
    database.close()
    answer = httpx.post(url, data={"List-Unsubscribe": "One-Click"}, timeout=30)
    assert answer.status_code == 200


def test_a_backup_is_private_complete_and_has_a_checksum(mailer: InstalledMailer, home: Path) -> None:
    done = json.loads(mailer.run("backup", "copy.db", "--json", cwd=home).stdout)
    for name in ("copy.db", "copy.db.sha256"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    assert (home / "copy.db.sha256").read_text() == f"{done['sha256']}  copy.db\n"
    assert states(home / "copy.db") == ["granted"] * 3
    kept = {Path(one["file"]).name for one in done["keep"]}
    assert kept == {"mailer.toml", "mailer.secrets.toml", "mailer.ledger.key"}
    assert sorted(path.name for path in home.glob("copy*")) == ["copy.db", "copy.db.sha256"]


def test_a_backup_replaces_no_file(mailer: InstalledMailer, home: Path) -> None:
    mailer.run("backup", "copy.db", cwd=home)
    before = (home / "copy.db").read_bytes()
    again = mailer.run("backup", "copy.db", cwd=home, check=False)
    assert (again.returncode, (home / "copy.db").read_bytes()) == (1, before)
    assert "exists already" in again.stderr


def test_a_backup_that_was_altered_is_not_restored(mailer: InstalledMailer, home: Path) -> None:
    mailer.run("backup", "copy.db", cwd=home)
    with (home / "copy.db").open("ab") as file:
        file.write(b"x")
    before = states(home / "mailer.db")
    done = mailer.run("restore", "copy.db", "--yes", cwd=home, check=False)
    assert done.returncode == 1
    assert "SHA-256" in done.stderr
    assert states(home / "mailer.db") == before


@pytest.mark.parametrize("kind", ["cut off", "empty", "another program's", "no database"])
def test_what_is_no_whole_backup_is_named_and_nothing_is_changed(
    mailer: InstalledMailer, home: Path, kind: str
) -> None:
    mailer.run("backup", "copy.db", cwd=home)
    wrong = home / "wrong.db"
    if kind == "another program's":
        with closing(sqlite3.connect(wrong)) as connection:
            connection.execute("CREATE TABLE t (a)")
    else:
        whole = (home / "copy.db").read_bytes()
        wrong.write_bytes(
            {"cut off": whole[: len(whole) // 2], "empty": b"", "no database": b"id;name"}[kind]
        )
    refused = mailer.run("restore", "wrong.db", "--yes", cwd=home, check=False)
    assert refused.returncode == 1
    assert "wrong.db" in refused.stderr
    assert "Nothing was changed." in refused.stderr
    assert "restoring" not in refused.stderr
    assert states(home / "mailer.db") == ["granted"] * 3


def test_restoring_asks(mailer: InstalledMailer, home: Path) -> None:
    mailer.run("backup", "copy.db", cwd=home)
    assert mailer.run("restore", "copy.db", cwd=home, check=False).returncode == 4
    assert not list(home.glob("*before-restore*"))


def test_after_a_restore_nothing_is_sent_until_all_is_decided(mailer: InstalledMailer, home: Path) -> None:
    mailer.run("backup", "copy.db", cwd=home)
    mailer.run("consent", "withdraw", "person2@example.com", cwd=home)
    mailer.run("subscribers", "erase", "person3@example.com", "--yes", cwd=home)
    done = json.loads(mailer.run("restore", "copy.db", "--yes", "--json", cwd=home).stdout)
    assert done["campaigns"] == ["notes"]
    assert states(Path(done["former"])) == ["granted", "withdrawn"]
    refused = mailer.run("run-due", cwd=home, check=False)
    assert refused.returncode == 4
    assert "mailer privacy replay" in refused.stderr
    assert "mailer deliveries resolve notes --assume-sent" in refused.stderr
    steps = [
        line
        for line in mailer.run("doctor", "--offline", cwd=home, check=False).stdout.splitlines()
        if "mailer " in line
    ]
    assert [line for line in steps if line.startswith(" " * 18 + "mailer deliveries resolve notes")]
    replayed = json.loads(mailer.run("privacy", "replay", "--json", cwd=home).stdout)
    assert (replayed["withdrawn"], replayed["erased"]) == (1, 1)
    assert states(home / "mailer.db") == ["granted", "withdrawn"]
    again = json.loads(mailer.run("privacy", "replay", "--json", cwd=home).stdout)
    assert (again["withdrawn"], again["suppressed"], again["erased"]) == (0, 0, 0)
    mailer.run("deliveries", "resolve", "notes", "--assume-sent", cwd=home)
    assert mailer.run("run-due", cwd=home).stderr == ""


def test_without_a_journal_the_operator_has_to_say_so(mailer: InstalledMailer, home: Path) -> None:
    mailer.run("restore", "--yes", cwd=home)
    assert mailer.run("privacy", "replay", cwd=home, check=False).returncode == 4
    mailer.run("privacy", "replay", "--lost", cwd=home)


def test_a_damaged_database_is_replaced_and_kept(mailer: InstalledMailer, home: Path) -> None:
    mailer.run("backup", "copy.db", cwd=home)
    (home / "mailer.db").write_bytes(b"no database" * 1000)
    done = json.loads(mailer.run("restore", "copy.db", "--yes", "--json", cwd=home).stdout)
    assert Path(done["former"]).read_bytes() == b"no database" * 1000
    assert states(home / "mailer.db") == ["granted"] * 3


def test_a_restore_takes_effect_in_a_running_page_at_once(
    mailer: InstalledMailer, home: Path, address: str
) -> None:
    mailer.run("backup", "copy.db", cwd=home)
    one_click(home, address, 1)
    mailer.run("restore", "copy.db", "--yes", cwd=home)
    one_click(home, address, 2)
    assert states(home / "mailer.db") == ["granted", "withdrawn", "granted"]
    mailer.run("privacy", "replay", cwd=home)
    assert states(home / "mailer.db") == ["withdrawn", "withdrawn", "granted"]


def test_a_plain_copy_of_the_file_two_seconds_after_a_withdrawal_has_it(home: Path, address: str) -> None:
    one_click(home, address, 2)
    time.sleep(2)
    copied = shutil.copyfile(home / "mailer.db", home / "copied.db")
    assert states(copied) == ["granted", "withdrawn", "granted"]


def test_the_journal_names_nobody_and_outlives_the_database(home: Path, address: str) -> None:
    one_click(home, address, 2)
    journal = home / "mailer.journal"
    deadline = time.monotonic() + 30
    while not journal.exists() or not journal.read_text().endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    [line] = journal.read_text().splitlines()
    values = json.loads(line)
    assert (values["kind"], values["topic"]) == ("withdrawn", TOPIC)
    assert "person" not in line
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600


def test_a_journal_that_can_not_be_written_keeps_nobody_from_leaving(home: Path, address: str) -> None:
    (home / "mailer.journal").mkdir()
    one_click(home, address, 2)
    assert states(home / "mailer.db") == ["granted", "withdrawn", "granted"]


def test_the_database_itself_is_no_backup(mailer: InstalledMailer, home: Path) -> None:
    (home / "link.db").symlink_to("mailer.db")
    for name in ("mailer.db", "link.db"):
        refused = mailer.run("restore", name, "--yes", cwd=home, check=False)
        assert refused.returncode == 1
        assert f"{name}: it is the database itself" in refused.stderr
        assert "`mailer restore` without a file" in refused.stderr
    assert not list(home.glob("mailer.db.before-restore*"))
