"""An audit shows a third party that each accepted mail had a standing consent, without the database."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import ZipFile

import pytest
from cryptography.exceptions import InvalidSignature
from sqlalchemy import select, update

from campaigns import approvals, deliveries
from campaigns.approvals import Approval, Approver
from campaigns.audit import FORMAT, Audit, write_audit
from campaigns.deliveries import OldDeliveries, campaign, delivery
from campaigns.states import CampaignState, DeliveryState
from mailer.database import Database
from mailer.errors import Refused
from mailer.retention import purge_expired
from subscribers import ledger, rights
from subscribers.address import AddressHasher, normalise
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import NewEvent
from subscribers.rights import Correction
from tests.support.campaign import SECRET, TOPIC
from tests.support.deliveries import SentCampaign
from tests.support.installed import ROOT
from tests.support.signed import LEDGER_KEY, signed

HASHER = AddressHasher([SECRET.encode()])
HOUR = timedelta(hours=1)

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_audit", ROOT / "examples" / "verify_audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sent(sqlite_database: Database) -> SentCampaign:
    """Three accepted mails, one that was withheld; one person changed their address before, one left after."""
    return send(sqlite_database)


def send(database: Database) -> SentCampaign:
    sent = SentCampaign(database, people=4)
    with database.write() as connection:
        correct = Correction(email=normalise("new@example.com"))
        address = normalise("person1@example.com")
        rights.rectify(connection, address, correct, hasher=HASHER, source="asked", now=sent.now)
        withdraw(database, sent.people[3], connection)
    context = sent.worker()
    claimed = sent.claim(context)
    sent.attempt(context, claimed)
    with database.write() as connection:
        connection.execute(
            update(delivery)
            .where(delivery.c.state == DeliveryState.ATTEMPTING)
            .values(state=DeliveryState.ACCEPTED, completed_at=sent.now)
        )
        withdraw(database, sent.people[1], connection)
    return sent


def withdraw(_database: Database, person: int, connection: Any) -> None:
    now = datetime.now(UTC)
    ledger.append(connection, [NewEvent(person, TOPIC, ConsentKind.WITHDRAWN, now, Channel.PAGE)], now)


def audit(sent: SentCampaign, file: Path) -> Audit:
    now = datetime.now(UTC)
    with sent.database.read() as connection:
        return write_audit(connection, file, now - HOUR, now + HOUR, now)


def test_each_accepted_mail_is_shown_to_have_had_a_consent(
    database: Database, tmp_path: Path, script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    made = audit(send(database), tmp_path / "audit.zip")
    assert (made.campaigns, made.outcomes) == (1, {"accepted": 3, "withheld": 1})
    script.verify(ZipFile(tmp_path / "audit.zip"), LEDGER_KEY.vkey)
    told = capsys.readouterr().out
    assert "each of 3 accepted mails had a standing consent" in told
    assert "notes: 3 accepted of 4 deliveries" in told
    assert "The key is the given one" in told


def test_it_names_who_approved_the_content(
    sent: SentCampaign, tmp_path: Path, script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with sent.database.write() as connection:
        connection.execute(update(campaign).values(content_hash="c1"))
        for name in ("Ada", "Bram"):
            made = Approval(Approver(name, name.lower()), sent.now, 4, "c1")
            approvals.record(connection, sent.id, made)
    audit(sent, tmp_path / "audit.zip")
    script.verify(ZipFile(tmp_path / "audit.zip"), LEDGER_KEY.vkey)
    told = capsys.readouterr().out
    assert "approved by Ada (ada) at 20" in told
    assert "approved by Bram (bram) at 20" in told


def test_no_name_and_no_address_is_in_it(sent: SentCampaign, tmp_path: Path) -> None:
    audit(sent, tmp_path / "audit.zip")
    with ZipFile(tmp_path / "audit.zip") as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    for hidden in (b"@example.com", b"person", b"Zo\xc3\xab", b"Vries", b"nonce"):
        assert hidden not in content.replace(LEDGER_KEY.name.encode(), b"")
    assert (tmp_path / "audit.zip").stat().st_mode & 0o077 == 0


def test_it_verifies_after_an_erasure(
    sent: SentCampaign, tmp_path: Path, script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with sent.database.write() as connection:
        address = normalise("person3@example.com")
        rights.erase(connection, address, hasher=HASHER, source="asked", now=datetime.now(UTC))
    audit(sent, tmp_path / "audit.zip")
    script.verify(ZipFile(tmp_path / "audit.zip"))
    told = capsys.readouterr().out
    assert "3 accepted mails" in told
    assert LEDGER_KEY.vkey in told


def test_a_mail_after_a_withdrawal_is_found(sent: SentCampaign, tmp_path: Path, script: ModuleType) -> None:
    """The withheld one, as if it had been accepted: its person's newest entry is the withdrawal."""
    with sent.database.write() as connection:
        newest = ledger.newest_entry_id(delivery.c.subscriber_id)
        withheld = delivery.c.state == DeliveryState.WITHHELD
        values = {"state": DeliveryState.ACCEPTED, "ledger_entry": newest}
        connection.execute(update(delivery).where(withheld).values(values))
    audit(sent, tmp_path / "audit.zip")
    with pytest.raises(SystemExit, match="had no standing consent"):
        script.verify(ZipFile(tmp_path / "audit.zip"))


def rewrite(file: Path, change: Callable[[dict[str, bytes]], None]) -> ZipFile:
    """The audit with some of its files changed."""
    with ZipFile(file) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    altered = file.with_name("altered.zip")
    with ZipFile(altered, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return ZipFile(altered)


def change_manifest(files: dict[str, bytes], change: Callable[[Manifest], None]) -> None:
    """Change the manifest, and sign it anew as the holder of the key would."""
    manifest = json.loads(files["manifest.json"])
    change(manifest)
    files["manifest.json"] = json.dumps(manifest).encode()
    text = f"{FORMAT}\n{sha256(files['manifest.json']).hexdigest()}\n"
    files["manifest.note"] = LEDGER_KEY.sign(text).encode()


def without_line(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        files[name] = b"".join(files[name].splitlines(keepends=True)[:-1])

    return change


def replaced(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new, 1)

    return change


ALTERATIONS = {
    "an entry is missing": without_line("entries.jsonl"),
    "a withdrawal is no longer one": replaced("entries.jsonl", b'"withdrawn"', b'"requested"'),
    "a mail is missing": without_line("deliveries/1.jsonl"),
    "a mail has another outcome": replaced("deliveries/1.jsonl", b'"accepted"', b'"rejected"'),
    "the window is another": replaced("manifest.json", b'"from"', b'"From"'),
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_an_alteration_is_found(
    sent: SentCampaign, tmp_path: Path, script: ModuleType, alteration: str
) -> None:
    audit(sent, tmp_path / "audit.zip")
    altered = rewrite(tmp_path / "audit.zip", ALTERATIONS[alteration])
    with pytest.raises(SystemExit, match="Not proved"):
        script.verify(altered, LEDGER_KEY.vkey)


@pytest.mark.parametrize("size", [2, 0, 99], ids=["left out", "empty", "cut off"])
def test_one_who_has_the_key_can_not_audit_another_ledger_than_a_campaign_was_sent_on(
    sent: SentCampaign, tmp_path: Path, script: ModuleType, size: int
) -> None:
    """Each campaign keeps the checkpoint of its audience. Without a withdrawal the root at that size is another one, and a
    ledger that ends before it has none.
    """
    audit(sent, tmp_path / "audit.zip")

    def other_checkpoint(manifest: Manifest) -> None:
        [one] = manifest["campaigns"]
        one["ledger_checkpoint"] = LEDGER_KEY.sign(f"{LEDGER_KEY.name}\n{size}\n{'A' * 43}=\n")

    altered = rewrite(tmp_path / "audit.zip", lambda files: change_manifest(files, other_checkpoint))
    with pytest.raises(SystemExit, match="was sent on another ledger"):
        script.verify(altered, LEDGER_KEY.vkey)


def test_another_key_is_refused(sent: SentCampaign, tmp_path: Path, script: ModuleType) -> None:
    audit(sent, tmp_path / "audit.zip")
    with ZipFile(tmp_path / "audit.zip") as archive:
        with pytest.raises(SystemExit, match="signed with another key"):
            script.verify(archive, LEDGER_KEY.vkey.replace("example.com", "example.org"))
        note = archive.read("manifest.note").decode()
    forged = note[:-6] + ("AAAA=\n" if note[-6:] != "AAAA=\n" else "BBBB=\n")
    altered = rewrite(tmp_path / "audit.zip", lambda files: files.update({"manifest.note": forged.encode()}))
    with pytest.raises((SystemExit, InvalidSignature, ValueError)):
        script.verify(altered, LEDGER_KEY.vkey)


def test_before_deliveries_are_deleted_the_campaign_keeps_their_number_and_root(
    sent: SentCampaign, tmp_path: Path, script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with sent.database.write() as connection:
        connection.execute(update(campaign).values(state=CampaignState.FINISHED, finished_at=sent.now))
    deliveries.seal_ended(sent.database, sent.now)
    audit(sent, tmp_path / "before.zip")
    script.verify(ZipFile(tmp_path / "before.zip"))
    purge_expired(sent.database, [OldDeliveries(sent.now, deliveries.keep_seal)])
    with sent.database.read() as connection:
        kept = connection.execute(select(campaign.c.sealed_deliveries, campaign.c.sealed_root)).one()
    audit(sent, tmp_path / "after.zip")
    script.verify(ZipFile(tmp_path / "after.zip"))
    with ZipFile(tmp_path / "before.zip") as archive:
        [before] = json.loads(archive.read("manifest.json"))["campaigns"]
    assert tuple(kept) == (4, before["root"])
    assert f"4 were deleted at the end of their period, root {before['root']}" in capsys.readouterr().out


def test_the_window_leaves_out_campaigns_that_ended_before_it(sent: SentCampaign, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with sent.database.write() as connection:
        connection.execute(update(campaign).values(finished_at=now - 2 * HOUR))
    assert audit(sent, tmp_path / "audit.zip").campaigns == 0


def test_without_a_signed_ledger_there_is_no_audit(sent: SentCampaign, tmp_path: Path) -> None:
    signed(sent.database, None)
    with pytest.raises(Refused, match="not signed"):
        audit(sent, tmp_path / "audit.zip")
    assert not (tmp_path / "audit.zip").exists()
