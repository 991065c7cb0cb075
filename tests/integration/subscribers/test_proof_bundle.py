"""Third parties can check a proof of consent, and only a real consent gives a valid proof."""

from __future__ import annotations

import json
import os
import random
import re
import runpy
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from sqlalchemy import text

from mailer.config import ledger_key
from mailer.config.ledger_key import LedgerKey
from mailer.database import Database
from mailer.errors import ConfigurationError, MailerError, Refused
from subscribers import ledger, people, rights
from subscribers.address import AddressHasher, normalise
from subscribers.ledger import HeadFile, LedgerSigner
from subscribers.ledger.bundle import Bundle, make_bundle
from subscribers.rights import Correction
from tests.support.campaign import SECRET, TOPIC, subscribe, withdraw
from tests.support.signed import LEDGER_KEY, signed

MUTATIONS = int(os.environ.get("MAILER_TESTS_BUNDLE_MUTATIONS", "300"))
SCRIPT = Path(__file__).parents[3] / "examples" / "verify_consent.py"
Check = Callable[..., None]


def bundle_of(database: Database, email: str, language: str = "en") -> Bundle:
    with database.read() as connection:
        person = people.find(connection, normalise(email))
        assert person is not None
        proof = ledger.prove(connection, person.id, TOPIC)
        return make_bundle(connection, proof, person, language)


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Runs the script on a bundle; raises what the script ends with."""

    def run(proof: str, page: str, *options: str) -> None:
        file = tmp_path / "proof.zip"
        with ZipFile(file, "w") as archive:
            archive.writestr("proof.json", proof)
            archive.writestr("page.html", page)
        monkeypatch.setattr(sys, "argv", ["verify_consent.py", str(file), *options])
        runpy.run_path(str(SCRIPT), run_name="__main__")

    return run


@pytest.mark.parametrize("size", [1, 2, 3, 7, 300])
def test_a_proof_is_verified_in_a_ledger_of_any_size(
    sqlite_database: Database, check: Check, size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    subscribe(sqlite_database, size)
    for number in {1, (size + 1) // 2, size}:
        made = bundle_of(sqlite_database, f"person{number}@example.com")
        check(made.proof, made.page, "--key", LEDGER_KEY.vkey)
        assert f"Proved: person{number}@example.com" in capsys.readouterr().out


def test_a_proof_is_verified_on_both_databases_also_after_a_withdrawal(
    database: Database, check: Check
) -> None:
    people_on_file = subscribe(database, 2)
    withdraw(database, people_on_file[0])
    made = bundle_of(database, "person1@example.com", language="nl")
    check(made.proof, made.page, "--key", LEDGER_KEY.vkey)
    assert "niet is ingetrokken" in made.page
    assert "python verify_consent.py BESTAND.zip --key SLEUTEL" in made.page


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["page.html", "proof.json", "page2.html"])
def test_a_bundle_with_a_second_page_or_proof_is_refused(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Other programs may show the first of two files of one name; the script reads the last."""
    subscribe(sqlite_database, 2)
    made = bundle_of(sqlite_database, "person1@example.com")
    file = tmp_path / "proof.zip"
    with ZipFile(file, "w") as archive:
        archive.writestr(name, "person2@example.com agreed")
        archive.writestr("proof.json", made.proof)
        archive.writestr("page.html", made.page)
    monkeypatch.setattr(sys, "argv", [SCRIPT.name, str(file), "--key", LEDGER_KEY.vkey])
    with pytest.raises(SystemExit, match="in it twice"):
        runpy.run_path(str(SCRIPT), run_name="__main__")


def test_without_a_key_the_script_says_which_one_to_compare(
    sqlite_database: Database, check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    subscribe(sqlite_database, 2)
    made = bundle_of(sqlite_database, "person1@example.com")
    check(made.proof, made.page)
    assert f"Compare this key with the published one: {LEDGER_KEY.vkey}" in capsys.readouterr().out


def test_a_bundle_holds_nothing_of_anybody_else(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 40)
    made = bundle_of(sqlite_database, "person7@example.com")
    content = made.proof + made.page
    with sqlite_database.read() as connection:
        others = connection.execute(
            text("SELECT id, nonce, address_hash FROM subscriber WHERE id <> 7")
        ).all()
        subjects = connection.execute(text("SELECT subject FROM consent_event WHERE id <> 7")).scalars().all()
    assert not any(row.nonce.hex() in content or row.address_hash in content for row in others)
    assert not any(subject in content for subject in subjects)
    assert content.count("person7@example.com") == 2
    assert content.count("person") == 2
    assert "de Vries" not in content


def values_in(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(tree, dict):
        return [one for key, value in tree.items() for one in values_in(value, (*path, key))]
    if isinstance(tree, list):
        return [one for key, value in enumerate(tree) for one in values_in(value, (*path, key))]
    return [path]


def mutated(value: Any, rng: random.Random) -> Any:
    if not isinstance(value, str) or not value:
        return rng.choice([value + 1 if isinstance(value, int) else 1, "x", not value])
    at = rng.randrange(len(value))
    return rng.choice(
        [
            value[:at] + chr(rng.choice([*range(32, 127), 10, 233])) + value[at + 1 :],
            value[:at] + value[at + 1 :],
            value + rng.choice(["0", " ", "\n", "="]),
            value.upper(),
            value[::-1],
        ]
    )


@pytest.fixture(scope="module")
def verify() -> Callable[..., None]:
    """The script's function."""
    found: Callable[..., None] = runpy.run_path(str(SCRIPT))["verify"]
    return found


def signed_anew(proof: dict[str, Any], key: LedgerKey) -> dict[str, Any]:
    """The same proof with the signature of another key of the same name."""
    with suppress(AttributeError, KeyError, TypeError):
        text = proof["checkpoint"].partition("\n\n")[0] + "\n"
        return proof | {"checkpoint": key.sign(text), "key": key.vkey}
    return proof


def test_no_mutation_of_any_value_is_accepted_also_when_it_is_signed_with_another_key(
    sqlite_database: Database, verify: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    subscribe(sqlite_database, 9)
    made = bundle_of(sqlite_database, "person4@example.com")
    original, page = json.loads(made.proof), made.page.encode()
    verify(original, page, LEDGER_KEY.vkey)
    assert "Proved" in capsys.readouterr().out
    rng, paths = random.Random(MUTATIONS), values_in(original)
    other = LedgerKey(LEDGER_KEY.name, rng.randbytes(32))
    for number in range(MUTATIONS):
        proof = json.loads(made.proof)
        *parents, last = paths[number % len(paths)]
        place = proof
        for key in parents:
            place = place[key]
        before = place[last]
        place[last] = mutated(before, rng)
        if rng.random() < 0.2:
            proof = signed_anew(proof, other)
        elif place[last] == before and type(place[last]) is type(before):
            continue
        with pytest.raises((SystemExit, Exception)):
            verify(proof, page, LEDGER_KEY.vkey)
    assert "Proved" not in capsys.readouterr().out


def test_no_alteration_of_the_page_is_accepted(
    sqlite_database: Database, verify: Callable[..., None]
) -> None:
    subscribe(sqlite_database, 2)
    made = bundle_of(sqlite_database, "person1@example.com")
    page, rng = made.page.encode(), random.Random(3)
    for _ in range(50):
        place = rng.randrange(len(page))
        altered = page[:place] + bytes([page[place] ^ rng.randrange(1, 256)]) + page[place + 1 :]
        with pytest.raises(SystemExit, match="the page"):
            verify(json.loads(made.proof), altered, LEDGER_KEY.vkey)


@pytest.mark.parametrize("script", ["verify_consent.py", "verify_audit.py"])
@pytest.mark.parametrize("content", ["none", "text", "another's"])
def test_of_a_file_that_is_something_else_nothing_is_proved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, content: str
) -> None:
    file = tmp_path / "file.zip"
    if content == "text":
        file.write_text("Text.", encoding="utf-8")
    elif content == "another's":
        with ZipFile(file, "w") as archive:
            archive.writestr("other.json", "{}")
    monkeypatch.setattr(sys, "argv", [script, str(file)])
    with pytest.raises(
        SystemExit, match=r"^Not proved: .*file\.zip is no (proof bundle|audit), or was altered"
    ):
        runpy.run_path(str(SCRIPT.with_name(script)), run_name="__main__")


def test_the_script_has_at_most_40_lines_and_opens_nothing_but_the_bundle() -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    assert len(script.splitlines()) <= 40
    assert not re.search(r"urllib|http|socket|requests|open\(", script)


def test_a_proof_of_before_a_rotation_is_signed_with_the_former_key_which_signed_the_next(
    sqlite_database: Database, verify: Callable[..., None], tmp_path: Path
) -> None:
    path = tmp_path / "mailer.ledger.key"
    ledger_key.write(LEDGER_KEY, path)
    sqlite_database.attach(LedgerSigner.of_file(path))
    people_on_file = subscribe(sqlite_database, 2)
    before = bundle_of(sqlite_database, "person1@example.com")
    fresh = ledger_key.rotate(path)
    assert ledger_key.read(path) == fresh
    [former] = fresh.former
    assert ledger_key.open_note(former.note, LEDGER_KEY.vkey) == f"{ledger_key.ROTATION}\n{fresh.vkey}\n"
    sqlite_database.attach(LedgerSigner.of_file(path))
    withdraw(sqlite_database, people_on_file[1])
    with sqlite_database.read() as connection:
        assert ledger.verify(connection).signed == 3
    after = bundle_of(sqlite_database, "person1@example.com")
    verify(json.loads(before.proof), before.page.encode(), LEDGER_KEY.vkey)
    verify(json.loads(after.proof), after.page.encode(), fresh.vkey)
    with pytest.raises(SystemExit, match="another key"):
        verify(json.loads(after.proof), after.page.encode(), LEDGER_KEY.vkey)
    assert fresh.published.startswith(fresh.vkey + "\n\n" + LEDGER_KEY.vkey)


def test_a_bundle_signed_with_another_key_and_another_page_are_refused(
    sqlite_database: Database, check: Check
) -> None:
    subscribe(sqlite_database, 3)
    signed(sqlite_database, ledger_key.fresh("example.com"))
    with sqlite_database.write() as connection:
        ledger.sign_as_it_is(connection, HeadFile(sqlite_database, None), anew=True)
    other = bundle_of(sqlite_database, "person2@example.com")
    with pytest.raises(SystemExit, match="another key"):
        check(other.proof, other.page, "--key", LEDGER_KEY.vkey)
    with pytest.raises(SystemExit, match="the page"):
        check(other.proof, other.page + " ")


def test_no_proof_is_made_for_an_address_that_was_corrected_after_the_consent(
    sqlite_database: Database,
) -> None:
    subscribe(sqlite_database, 1)
    with sqlite_database.write() as connection:
        rights.rectify(
            connection,
            normalise("person1@example.com"),
            Correction(email=normalise("new@example.com")),
            hasher=AddressHasher([SECRET.encode()]),
            source="by phone",
            now=datetime.now(UTC),
        )
    with pytest.raises(Refused, match="corrected after this consent"):
        bundle_of(sqlite_database, "new@example.com")


def test_the_key_is_kept_in_a_file_of_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "mailer.ledger.key"
    assert ledger_key.read(path) is None
    ledger_key.write(LEDGER_KEY, path)
    assert ledger_key.read(path) == LEDGER_KEY
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match="exists already"):
        ledger_key.write(LEDGER_KEY, path)


@pytest.mark.parametrize("content", ["", "PRIVATE+KEY+x", "PRIVATE+KEY+x+00000000+AAAA", "x+y+z", "é"])
def test_a_file_that_holds_no_key_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mailer.ledger.key"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(MailerError, match="holds no Ed25519 key"):
        ledger_key.read(path)
