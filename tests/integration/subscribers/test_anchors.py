"""Anchors: a rollback of the database is found also where the head file was rolled back with it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from mailer.errors import ConfigurationError, MailerError, TryAgainLater
from mailer.timestamps import check_timestamp
from subscribers.ledger.anchor import Anchor, append_anchor, read_anchors
from tests.support.authority import Authority, running_authority
from tests.support.installed import ROOT
from tests.support.keyboard import Keyboard, keyboard_for
from tests.support.signed import LEDGER_KEY, write_key


@pytest.fixture
def keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyboard:
    (tmp_path / "mailer.toml").touch()
    write_key(tmp_path)
    found = keyboard_for(25, tmp_path, monkeypatch, "# Version 1\n\n- A thing.\n")
    found.subscribe("a@example.com")
    return found


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with running_authority(tmp_path_factory.mktemp("authority")) as running:
        yield running


@pytest.fixture
def stamping(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The settings name the authority."""
    authority.status, authority.answer = 200, None
    authority.asked.clear()
    monkeypatch.setenv("MAILER_ANCHORS__AUTHORITY_URL", authority.url)
    monkeypatch.setenv("MAILER_ANCHORS__AUTHORITY_CERTIFICATES", str(authority.certificates))
    return authority


def problem(keyboard: Keyboard, *options: str) -> str:
    return str(keyboard("consent", "verify", *options, code=1).exception)


def test_a_rollback_of_database_and_head_file_is_found_by_an_anchor_alone(
    keyboard: Keyboard, tmp_path: Path
) -> None:
    for name in ("mailer.db", "mailer.head"):
        shutil.copy(tmp_path / name, tmp_path / f"{name}.former")
    keyboard("consent", "withdraw", "a@example.com")
    keyboard("consent", "anchor")
    for name in ("mailer.db", "mailer.head"):
        (tmp_path / name).with_name(f"{name}-wal").unlink(missing_ok=True)
        shutil.copy(tmp_path / f"{name}.former", tmp_path / name)
    for options in ((), ("--quick",)):
        assert "mailer.anchors" in problem(keyboard, *options)
    (tmp_path / "mailer.anchors").rename(tmp_path / "elsewhere")
    assert keyboard.json("consent", "verify")["intact"] is True, "nothing else finds it"
    assert "it is missing" in problem(keyboard, "--anchor", "elsewhere")


def test_another_history_of_the_same_length_is_found(keyboard: Keyboard, tmp_path: Path) -> None:
    shutil.copy(tmp_path / "mailer.db", tmp_path / "former.db")
    keyboard("consent", "withdraw", "a@example.com")
    keyboard("consent", "anchor")
    (tmp_path / "mailer.db-wal").unlink(missing_ok=True)
    shutil.copy(tmp_path / "former.db", tmp_path / "mailer.db")
    (tmp_path / "mailer.head").unlink()
    keyboard.subscribe("b@example.com")
    assert "are not those of the anchor" in problem(keyboard)


def test_anchors_that_fit_are_counted(keyboard: Keyboard, tmp_path: Path) -> None:
    keyboard("consent", "anchor")
    keyboard.subscribe("b@example.com")
    keyboard("consent", "anchor", "--to", "elsewhere")
    assert keyboard.json("consent", "verify", "--anchor", "elsewhere")["anchors"] == 2
    [one] = read_anchors(tmp_path / "mailer.anchors")
    assert Anchor.load(one.dump()) == one


def test_a_file_that_is_no_list_of_anchors_is_refused_with_its_line(
    keyboard: Keyboard, tmp_path: Path
) -> None:
    keyboard("consent", "anchor")
    for line in ("", "x", "[]", "{}", '{"checkpoint":"x","made_at":"x","timestamp":null}'):
        with (tmp_path / "broken").open("w", encoding="utf-8") as file:
            file.write((tmp_path / "mailer.anchors").read_text(encoding="utf-8") + line + "\n")
        with pytest.raises(ConfigurationError, match="broken, line 2"):
            read_anchors(tmp_path / "broken")


def test_files_that_cannot_be_read_are_named_with_the_reason(
    keyboard: Keyboard, stamping: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyboard("consent", "anchor")
    monkeypatch.setenv("MAILER_ANCHORS__AUTHORITY_CERTIFICATES", str(tmp_path / "missing.pem"))
    assert f"{tmp_path / 'missing.pem'} can't be read: No such file or directory." in problem(keyboard)
    path = tmp_path / "mailer.anchors"
    path.unlink()
    path.symlink_to(path)
    assert "mailer.anchors can't be read: Too many levels of symbolic links." in problem(keyboard)


@pytest.mark.parametrize("kept", [1, 5, 40, -30])
def test_a_line_that_was_cut_short_is_ended_and_left_out(
    keyboard: Keyboard, tmp_path: Path, kept: int
) -> None:
    keyboard("consent", "anchor")
    path = tmp_path / "mailer.anchors"
    [one] = read_anchors(path)
    line = path.read_bytes()
    path.write_bytes(line + line[:kept])
    assert read_anchors(path) == [one]
    append_anchor(path, one)
    assert read_anchors(path) == [one, one]


def test_an_anchor_of_another_key_is_refused(keyboard: Keyboard, tmp_path: Path) -> None:
    keyboard("consent", "anchor")
    path = tmp_path / "mailer.anchors"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(
        json.dumps(values | {"checkpoint": values["checkpoint"].replace("\n1\n", "\n2\n")}) + "\n"
    )
    assert "signed by another key, or altered" in problem(keyboard)


def test_an_authority_stamps_the_checkpoint_and_verify_checks_the_stamp(
    keyboard: Keyboard, stamping: Authority, tmp_path: Path
) -> None:
    assert keyboard.json("consent", "anchor")["is_stamped"] is True
    [one] = read_anchors(tmp_path / "mailer.anchors")
    assert one.timestamp is not None
    stamped_at = check_timestamp(one.timestamp, one.checkpoint.encode(), stamping.certificates)
    assert abs((stamped_at - one.made_at).total_seconds()) < 600
    assert keyboard.json("consent", "verify")["anchors"] == 1
    with pytest.raises(MailerError, match="not valid"):
        check_timestamp(one.timestamp, b"something else", stamping.certificates)
    cut = Anchor(one.checkpoint, one.made_at, one.timestamp[:-1] + bytes([one.timestamp[-1] ^ 1]))
    (tmp_path / "mailer.anchors").write_text(cut.dump() + "\n", encoding="utf-8")
    assert "time stamp is not valid" in problem(keyboard)


def test_a_proof_holds_the_oldest_stamp_after_the_consent_and_others_check_it(
    keyboard: Keyboard, stamping: Authority, tmp_path: Path
) -> None:
    keyboard("consent", "anchor")
    keyboard.subscribe("b@example.com")
    keyboard("consent", "anchor")
    for email, anchor in (("a@example.com", 0), ("b@example.com", 1)):
        keyboard("consent", "prove", email, "--bundle", f"{email}.zip")
        with ZipFile(tmp_path / f"{email}.zip") as bundle:
            bundle.extractall(tmp_path)
            proof = json.loads(bundle.read("proof.json"))
        assert proof["checkpoint"] == read_anchors(tmp_path / "mailer.anchors")[anchor].checkpoint
        assert proof["checkpoint"] == (tmp_path / "checkpoint.txt").read_text(encoding="utf-8")
    openssl = ["openssl", "ts", "-verify", "-data", "checkpoint.txt", "-in", "checkpoint.tsr"]
    checked = subprocess.run(
        [*openssl, "-CAfile", stamping.certificates], cwd=tmp_path, capture_output=True, check=False
    )
    assert b"Verification: OK" in checked.stdout + checked.stderr
    script: list[str | Path] = [sys.executable, ROOT / "examples" / "verify_consent.py"]
    script += ["b@example.com.zip", "--key", LEDGER_KEY.vkey]
    told = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "Proved: b@example.com" in told


def test_a_stamp_of_another_authority_is_refused(
    keyboard: Keyboard, stamping: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyboard("consent", "anchor")
    with running_authority(tmp_path / "another") as another:
        monkeypatch.setenv("MAILER_ANCHORS__AUTHORITY_CERTIFICATES", str(another.certificates))
        assert "time stamp is not valid" in problem(keyboard)


def test_run_due_makes_one_a_day_where_the_settings_want_it(
    keyboard: Keyboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyboard("run-due")
    assert not (tmp_path / "mailer.anchors").exists()
    monkeypatch.setenv("MAILER_ANCHORS__DAILY", "true")
    for number in (2, 3):  # each takes a whole look, because the ledger has grown
        keyboard.subscribe(f"b{number}@example.com")
        keyboard("run-due")
    assert len(read_anchors(tmp_path / "mailer.anchors")) == 1


def test_an_authority_that_is_away_keeps_no_mail_from_being_sent(
    keyboard: Keyboard, stamping: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_ANCHORS__DAILY", "true")
    stamping.status = 503
    assert "no anchor of the ledger was made" in keyboard("run-due").stderr
    assert not (tmp_path / "mailer.anchors").exists()
    refused = keyboard("consent", "anchor", code=TryAgainLater.exit_code)
    assert "503" in str(refused.exception)
    monkeypatch.setenv("MAILER_ANCHORS__AUTHORITY_URL", "http://127.0.0.1:1/")
    refused = keyboard("consent", "anchor", code=TryAgainLater.exit_code)
    assert "does not answer: Connection refused.\n" in str(refused.exception)


def test_an_endless_answer_of_an_authority_is_read_to_its_limit_only(
    keyboard: Keyboard, stamping: Authority
) -> None:
    stamping.answer = bytes(5_000_000)
    refused = keyboard("consent", "anchor", code=TryAgainLater.exit_code)
    assert "more than 100,000 bytes" in str(refused.exception)
