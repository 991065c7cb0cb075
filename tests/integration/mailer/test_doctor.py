"""`mailer doctor`: each finding is what is so, and says what to do."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import text

from campaigns.unusable_settings import unusable_settings
from cli import unknown_link_answer
from mailer import doctor
from mailer.config import Settings, dkim_keys, parse_settings
from mailer.database import Database, record_signing_key
from mailer.doctor import CheckLevel, CheckResult
from mailer.doctor.checks import takes_passwords_no_longer
from mailer.doctor.dns import LookupFailed
from mailer.errors import ConfigurationError
from mailer.message import dkim
from mailer.smtp.sasl import Method
from tests.support.campaign import subscribe
from tests.support.certificates import loopback_certificates
from tests.support.pictures import GIF
from tests.support.relay import FaultyRelay
from tests.support.settings import settings_of
from tests.support.signed import write_key
from tests.support.small_disk import fill, small_disk

KEY = "k" * 32


def settings(**values: Any) -> Settings:
    return settings_of(**({"sender": "Acme <news@acme.example>", "secret_keys": (KEY,)} | values))


def zone(records: Mapping[str, str]) -> Callable[[str], tuple[str, ...]]:
    return lambda name: (records[name],) if name in records else ()


def by_check(findings: list[CheckResult]) -> dict[str, CheckResult]:
    return {finding.check: finding for finding in findings}


def login_at(relay: FaultyRelay, password: str) -> dict[str, object]:
    """The settings of a login by STARTTLS."""
    return {
        "host": "127.0.0.1",
        "port": relay.port,
        "ca_file": loopback_certificates().ca_file,
        "username": "user",
        "password": password,
    }


class TestSecrets:
    @pytest.mark.parametrize(
        ("mode", "level"), [(0o600, CheckLevel.OK), (0o640, CheckLevel.FAIL), (0o604, CheckLevel.FAIL)]
    )
    def test_only_the_owner_may_read_them(self, tmp_path: Path, mode: int, level: CheckLevel) -> None:
        (tmp_path / "mailer.secrets.toml").touch()
        (tmp_path / "mailer.secrets.toml").chmod(mode)
        (finding,) = doctor.secrets(settings(), tmp_path / "mailer.toml")
        assert finding.level is level
        assert (finding.hint or "").startswith("Run: chmod 600" if level is CheckLevel.FAIL else "")

    def test_without_keys_it_fails(self, tmp_path: Path) -> None:
        (finding,) = doctor.secrets(settings(secret_keys=()), tmp_path / "mailer.toml")
        assert finding.level is CheckLevel.FAIL
        assert "mailer init" in (finding.hint or "")

    @pytest.mark.parametrize(
        "text",
        [
            '[smtp]\npassword = "p"',
            f'secret_keys = ["{KEY}"]',
            '[relays.first]\npassword = "p"',
            '[smtp.oauth2]\nclient_secret = "s"',
            '[relays.first.oauth2]\nrefresh_token = "t"',
            'database_url = "postgresql://u:p@h/d"',
        ],
    )
    def test_a_secret_in_the_open_settings_file_is_found(self, tmp_path: Path, text: str) -> None:
        config = tmp_path / "mailer.toml"
        config.write_text(text, encoding="utf-8")
        config.chmod(0o644)
        assert [finding.level for finding in doctor.secrets(settings(), config)] == [
            CheckLevel.FAIL,
            CheckLevel.OK,
        ]


class TestDatabase:
    def test_a_migrated_one_is_fine(self, database: Database) -> None:
        if database.is_sqlite:
            Path(database.url.database or "").chmod(0o600)
        (finding,) = doctor.database(database)
        if database.is_sqlite:
            assert finding.level is CheckLevel.OK
        else:  # the tests' server runs without fsync
            assert (finding.level, "fsync" in finding.message) == (CheckLevel.WARN, True)

    def test_a_file_that_can_not_be_written_fails(self, sqlite_database: Database) -> None:
        read_only = Database(f"{sqlite_database.url}?mode=ro")
        (finding,) = doctor.database(read_only)
        read_only.close()
        assert (finding.level, "read-only" in finding.message) == (CheckLevel.FAIL, True)

    def test_a_full_disk_fails(self, sqlite_template: Path, tmp_path: Path) -> None:
        with small_disk(tmp_path) as disk:
            database = Database(f"sqlite:///{shutil.copyfile(sqlite_template, disk / 'mailer.db')}")
            assert [each.level for each in doctor.database(database)] != [CheckLevel.FAIL]
            fill(disk)
            found = list(doctor.database(database))
            database.close()
        assert any(each.level is CheckLevel.FAIL for each in found), found

    def test_a_database_that_takes_no_writes_fails(self, postgresql_database: Database) -> None:
        name = postgresql_database.url.database
        with postgresql_database.engine.begin() as connection:
            connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
        read_only = Database(postgresql_database.url.render_as_string(hide_password=False))
        (finding,) = doctor.database(read_only)
        read_only.close()
        assert (finding.level, "standby" in (finding.hint or "")) == (CheckLevel.FAIL, True)

    def test_a_role_that_may_only_read_fails(self, postgresql_database: Database) -> None:
        with postgresql_database.engine.begin() as connection:
            for statement in (
                "CREATE ROLE reader LOGIN",
                "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
            ):
                connection.execute(text(statement))
        reader = Database(postgresql_database.url.set(username="reader").render_as_string())
        levels = []
        for privileges in ("SELECT", "SELECT, INSERT"):
            with postgresql_database.engine.begin() as connection:
                connection.execute(text(f"GRANT {privileges} ON ALL TABLES IN SCHEMA public TO reader"))
            levels += [finding.level for finding in doctor.database(reader)]
        reader.close()
        with postgresql_database.engine.begin() as connection:
            connection.execute(text("DROP OWNED BY reader"))
            connection.execute(text("DROP ROLE reader"))
        assert levels == [CheckLevel.FAIL, CheckLevel.FAIL]

    def test_writing_to_see_whether_it_works_leaves_nothing_behind(self, database: Database) -> None:
        database.require_writable()
        database.require_writable()
        with database.read() as connection:
            assert connection.execute(text("SELECT count(*) FROM throttle")).scalar_one() == 0


class TestSigningKey:
    NOW = datetime(2026, 11, 28, tzinfo=UTC)

    def findings(self, database: Database, *keys: str) -> list[CheckResult]:
        return list(doctor.signing_key(settings(secret_keys=list(keys)), database))

    def test_the_keys_that_the_database_was_used_with_are_fine_and_so_is_a_rotation(
        self, database: Database
    ) -> None:
        assert self.findings(database, "a" * 32) == []
        with database.write() as connection:
            record_signing_key(connection, [b"a" * 32], self.NOW)
        assert self.findings(database, "a" * 32, "b" * 32) == []
        with database.write() as connection:
            record_signing_key(connection, [b"a" * 32, b"b" * 32], self.NOW + timedelta(seconds=1))
        assert self.findings(database, "b" * 32) == []

    def test_other_keys_fail_and_no_mail_is_signed_with_them(self, database: Database) -> None:
        with database.write() as connection:
            record_signing_key(connection, [b"a" * 32], self.NOW)
        (finding,) = self.findings(database, "b" * 32)
        assert (finding.level, "secrets file" in (finding.hint or "")) == (CheckLevel.FAIL, True)
        with pytest.raises(ConfigurationError, match="missing"), database.write() as connection:
            record_signing_key(connection, [b"b" * 32], self.NOW)
        assert "b" * 32 not in str(finding)

    def test_a_file_that_others_can_read_is_found(self, sqlite_database: Database) -> None:
        Path(sqlite_database.url.database or "").chmod(0o644)
        (finding,) = doctor.database(sqlite_database)
        assert finding.level is CheckLevel.WARN

    def test_one_that_is_not_there_fails(self, tmp_path: Path) -> None:
        (finding,) = doctor.database(Database(f"sqlite:///{tmp_path / 'nowhere.db'}"))
        assert finding.level is CheckLevel.FAIL
        assert "mailer init" in (finding.hint or "")


class TestRelay:
    async def test_starttls_and_a_login_are_tried(self) -> None:
        async with FaultyRelay(starttls=True, login=("user", "pass")) as relay:
            finding = await doctor.relay(settings(smtp=login_at(relay, "pass")))
        assert (finding.level, finding.message) == (
            CheckLevel.OK,
            f"127.0.0.1:{relay.port}, STARTTLS, logged in with PLAIN",
        )
        assert relay.contents == []

    @pytest.mark.parametrize(
        ("host", "method", "ends"),
        [
            ("smtp.office365.com", "login", True),
            ("SMTP-mail.Outlook.com.", "plain", True),
            ("smtp.office365.com", "xoauth2", False),
            ("smtp.office365.com", None, False),
            ("smtp.notoutlook.com", "plain", False),
            ("smtp.example.com", "plain", False),
        ],
    )
    def test_a_password_at_microsoft_is_warned_of(self, host: str, method: Method | None, ends: bool) -> None:
        assert takes_passwords_no_longer(host, method) is ends

    async def test_a_wrong_password_is_told_without_the_password(self) -> None:
        async with FaultyRelay(starttls=True, login=("user", "pass")) as relay:
            finding = await doctor.relay(settings(smtp=login_at(relay, "hunter2")))
        assert finding.level is CheckLevel.FAIL
        assert "hunter2" not in str(finding)

    async def test_a_relay_without_starttls_fails(self) -> None:
        async with FaultyRelay() as relay:
            finding = await doctor.relay(settings(smtp={"host": "127.0.0.1", "port": relay.port}))
        assert finding.level is CheckLevel.FAIL
        assert "STARTTLS" in finding.message

    async def test_a_relay_that_is_away_fails(self) -> None:
        finding = await doctor.relay(settings(smtp={"host": "127.0.0.1", "port": 1}))
        assert finding.level is CheckLevel.FAIL


class TestSender:
    def test_the_example_s_sender_will_not_do(self) -> None:
        (finding,) = doctor.sender(Settings(), None)
        assert finding.level is CheckLevel.FAIL

    def test_unsigned_mail_is_for_a_person_to_judge(self) -> None:
        (finding,) = doctor.sender(settings(), None)
        assert (finding.check, finding.level) == ("dkim", CheckLevel.WARN)

    @pytest.mark.parametrize(
        ("signing", "levels"),
        [
            ("acme.example", {CheckLevel.OK}),
            ("mail.acme.example", {CheckLevel.WARN}),
            ("acme.example.org", {CheckLevel.FAIL}),
        ],
    )
    def test_without_dns_only_the_same_domain_is_known_to_align(
        self, signing: str, levels: set[CheckLevel], tmp_path: Path
    ) -> None:
        key = dkim.generate(dkim.Algorithm.ED25519_SHA256, domain=signing, selector="s")
        assert {finding.level for finding in doctor.sender(self.signed(key, tmp_path), None)} == levels

    @pytest.mark.parametrize(
        ("tags", "level"), [("", CheckLevel.OK), ("; adkim=r", CheckLevel.OK), ("; adkim=s", CheckLevel.FAIL)]
    )
    def test_a_sister_domain_signs_where_the_organisation_allows_it(
        self, tags: str, level: CheckLevel, tmp_path: Path
    ) -> None:
        key = dkim.generate(dkim.Algorithm.ED25519_SHA256, domain="mail.acme.example", selector="s")
        records = {
            "s._domainkey.mail.acme.example": dkim.dns_record(key).text,
            "_dmarc.acme.example": f"v=DMARC1; p=reject; sp=quarantine{tags}",
        }
        sent_from = self.signed(key, tmp_path).replace(
            sender=settings(sender="Acme <news@news.acme.example>").sender
        )
        found = by_check(list(doctor.sender(sent_from, zone(records))))
        assert found["dkim"].level is level
        assert "news.acme.example: quarantine, by _dmarc.acme.example" in found["dmarc"].message

    def test_more_than_ten_look_ups_fail(self) -> None:
        included = {f"r{number}.example": "v=spf1 a -all" for number in range(6)}
        includes = " ".join(f"include:{name}" for name in included)
        records = included | {
            "acme.example": f"v=spf1 {includes} -all",
            "_dmarc.acme.example": "v=DMARC1; p=none",
        }
        found = by_check(list(doctor.sender(settings(), zone(records))))
        assert (found["spf"].level, "12 of 10 look-ups" in found["spf"].message) == (CheckLevel.FAIL, True)

    def test_everything_published_is_fine(self, tmp_path: Path) -> None:
        key = dkim.generate(dkim.Algorithm.ED25519_SHA256, domain="acme.example", selector="s")
        found = by_check(list(doctor.sender(self.signed(key, tmp_path), zone(self.records(key)))))
        assert {check: finding.level for check, finding in found.items()} == dict.fromkeys(
            ("dkim", "spf", "dmarc"), CheckLevel.OK
        )

    def test_another_key_s_record_fails(self, tmp_path: Path) -> None:
        key, other = (
            dkim.generate(dkim.Algorithm.ED25519_SHA256, domain="acme.example", selector="s")
            for _ in range(2)
        )
        found = by_check(list(doctor.sender(self.signed(key, tmp_path), zone(self.records(other)))))
        assert found["dkim"].level is CheckLevel.FAIL
        assert dkim.dns_record(key).text in (found["dkim"].hint or "")

    def test_nothing_published_says_what_to_publish(self, tmp_path: Path) -> None:
        key = dkim.generate(dkim.Algorithm.ED25519_SHA256, domain="acme.example", selector="s")
        found = by_check(list(doctor.sender(self.signed(key, tmp_path), zone({}))))
        assert [found[check].level for check in ("dkim", "spf", "dmarc")] == [
            CheckLevel.FAIL,
            CheckLevel.WARN,
            CheckLevel.WARN,
        ]

    def test_a_key_of_another_domain_fails(self, tmp_path: Path) -> None:
        key = dkim.generate(dkim.Algorithm.ED25519_SHA256, domain="other.example", selector="s")
        found = by_check(list(doctor.sender(self.signed(key, tmp_path), None)))
        assert found["dkim"].level is CheckLevel.FAIL

    def test_no_answer_from_dns_is_no_verdict(self, tmp_path: Path) -> None:
        def away(_: str) -> tuple[str, ...]:
            raise LookupFailed("LifetimeTimeout")

        key = dkim.generate(dkim.Algorithm.ED25519_SHA256, domain="acme.example", selector="s")
        found = list(doctor.sender(self.signed(key, tmp_path), away))
        assert [finding.level for finding in found] == [CheckLevel.WARN] * 3

    @staticmethod
    def signed(key: dkim.DkimKey, folder: Path) -> Settings:
        dkim_keys.write(key, folder / "key.pem")
        return settings(dkim={"domain": key.domain, "selector": key.selector, "key_file": folder / "key.pem"})

    @staticmethod
    def records(key: dkim.DkimKey) -> dict[str, str]:
        return {
            "s._domainkey.acme.example": dkim.dns_record(key).text,
            "acme.example": "v=spf1 include:relay.example -all",
            "relay.example": "v=spf1 ip4:192.0.2.0/24 -all",
            "_dmarc.acme.example": "v=DMARC1; p=none",
        }


class TestUnusableSettings:
    @pytest.mark.parametrize(
        ("values", "said"),
        [
            (
                {"proof_recipients": ("ada@acme.example", "nobody")},
                "proof_recipients in the settings, number 2",
            ),
            ({"proof_recipients": ("@acme.example",)}, "proof_recipients in the settings, number 1"),
            ({"repository": "acme"}, "repository in the settings"),
            ({"brand": {"logo": "missing.png"}}, "[brand] logo"),
            ({"brand": {"logo": "notes.txt"}}, "[brand] logo"),
            ({"brand": {"logo_dark": "missing.png"}}, "[brand] logo_dark"),
            ({"brand": {"logo": "part.gif"}}, "is cut off or damaged"),
            ({"templates_dir": "missing"}, "templates_dir"),
            ({"templates_dir": "notes.txt"}, "templates_dir"),
            ({"assets_dir": "missing"}, "assets_dir"),
            ({"theme": "missing"}, "theme"),
            ({"send_window": "always at noon"}, "send_window"),
            ({"return_path": "bounces"}, "return_path"),
            ({"return_path": "b" * 60 + "@acme.example"}, "return_path"),
            ({"relays": {"main": {"return_path": "bounces"}}}, "[relays.main] return_path"),
            ({"list_id": "not an id"}, "List-Id"),
            (
                {
                    "anchors": {
                        "authority_url": "https://tsa.example",
                        "authority_certificates": "missing.pem",
                    }
                },
                "missing.pem",
            ),
        ],
        ids=lambda one: str(one)[:40],
    )
    def test_each_is_named_with_what_to_do(self, values: dict[str, Any], said: str, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("no picture")
        (tmp_path / "part.gif").write_bytes(GIF[:-3])
        (found,) = unusable_settings(parse_settings(values, tmp_path / "mailer.toml"))
        assert found.level is CheckLevel.FAIL
        assert said in found.message
        assert "@acme" not in found.message
        assert found.hint

    def test_usable_ones_are_not(self, tmp_path: Path) -> None:
        (tmp_path / "logo.gif").write_bytes(GIF)
        (tmp_path / "own").mkdir()
        values = {
            "proof_recipients": ["Ada <ada@acme.example>"],
            "repository": "https://github.com/acme/portal",
            "brand": {"logo": "logo.gif", "logo_dark": "logo.gif"},
            "templates_dir": "own",
            "assets_dir": "own",
            "return_path": "bounces@acme.example",
            "list_id": "news.acme.example",
        }
        assert list(unusable_settings(parse_settings(values, tmp_path / "mailer.toml"))) == []

    @pytest.mark.parametrize("prefix", ["", "ed25519_"])
    @pytest.mark.parametrize(
        "kept", [("domain",), ("selector",), ("key_file",), ("domain", "key_file"), ("selector", "key_file")]
    )
    def test_a_part_of_dkim_that_is_missing_is_named(
        self, prefix: str, kept: tuple[str, ...], tmp_path: Path
    ) -> None:
        whole = {"domain": "acme.example", f"{prefix}selector": "r", f"{prefix}key_file": "r.pem"}
        part = {name: value for name, value in whole.items() if name.removeprefix(prefix) in kept}
        parsed = parse_settings(
            {"sender": "Acme <news@acme.example>", "dkim": part}, tmp_path / "mailer.toml"
        )
        found = by_check(list(doctor.sender(parsed, None)))["dkim"]
        assert found.level is CheckLevel.FAIL
        assert found.hint is not None
        assert "[dkim] has" in found.message
        missing = whole.keys() - part.keys()
        assert all(name.removeprefix("ed25519_") in found.message for name in missing)


def test_a_loopback_address_is_for_trying_things_out() -> None:
    assert doctor.public_address(settings(), unknown_link_answer()).level is CheckLevel.WARN


class WebApplication(BaseHTTPRequestHandler):
    """Answers like `mailer serve`, or, with other headers, like another server."""

    headers_sent: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        self.send_response(404)
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("headers", "level"), [({"X-Robots-Tag": "noindex, nofollow"}, CheckLevel.OK), ({}, CheckLevel.WARN)]
)
def test_the_public_address_must_lead_to_our_page(
    headers: dict[str, str], level: CheckLevel, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = loopback_certificates()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca_file))
    server = HTTPServer(("127.0.0.1", 0), type("Handler", (WebApplication,), {"headers_sent": headers}))
    server.socket = certificates.server_context().wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    finding = doctor.public_address(
        settings(public_url=f"https://127.0.0.1:{server.server_port}/mail"), unknown_link_answer()
    )
    thread.join(30)
    server.server_close()
    assert finding.level is level


def test_an_address_that_does_not_answer_is_found() -> None:
    finding = doctor.public_address(settings(public_url="https://127.0.0.1:1"), unknown_link_answer())
    assert finding.level is CheckLevel.WARN
    assert finding.message.endswith("does not answer (Connection refused)")
    assert "mailer serve" in (finding.hint or "")


class TestLedgerKey:
    def test_a_key_that_is_missing_open_or_damaged_is_named(
        self, sqlite_database: Database, tmp_path: Path
    ) -> None:
        path = tmp_path / "mailer.ledger.key"
        at = settings().replace(ledger_key_file=path)

        def level_and_message() -> tuple[CheckLevel, str]:
            found = doctor.signed_ledger(at, sqlite_database)
            assert found is not None
            return found.level, found.message

        assert level_and_message()[0] is CheckLevel.WARN
        subscribe(sqlite_database, 1)
        assert level_and_message()[0] is CheckLevel.FAIL
        assert "nothing is sent" in level_and_message()[1]
        write_key(tmp_path)
        assert level_and_message() == (CheckLevel.OK, "the consent ledger is signed")
        path.chmod(0o644)
        assert "can be read by other users" in level_and_message()[1]
        path.write_text("rubbish", encoding="ascii")
        assert level_and_message()[0] is CheckLevel.FAIL
