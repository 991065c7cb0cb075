"""`mailer init` and `mailer keys`: what they write, who may read it, and that repeating does no harm."""

from __future__ import annotations

import json
import os
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import click.testing
import pytest

from cli import mailer
from mailer.config import Settings, config_path, load_settings
from mailer.config.init_files import InitOptions, config_text, write_files
from mailer.database import Database, record_signing_key
from mailer.errors import ConfigurationError, MailerError
from mailer.message import Mailbox


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in os.environ:
        if name.startswith("MAILER_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(mailer, args, catch_exceptions=False)


def test_init_makes_settings_secrets_and_a_current_database(folder: Path) -> None:
    result = run("init", "--json")
    assert json.loads(result.stdout) == {
        "config": "mailer.toml",
        "secrets": "mailer.secrets.toml",
        "made": ["mailer.toml", "mailer.secrets.toml", "mailer.ledger.key"],
        "database": "migrated",
    }
    assert sorted(path.name for path in folder.iterdir()) == [
        "mailer.db",
        "mailer.ledger.key",
        "mailer.secrets.toml",
        "mailer.toml",
    ]
    assert Database(f"sqlite:///{folder / 'mailer.db'}").is_current()


def test_secrets_and_people_are_readable_by_their_owner_only(folder: Path) -> None:
    previous = os.umask(0)
    try:
        run("init")
    finally:
        os.umask(previous)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes["mailer.secrets.toml"] == modes["mailer.db"] == modes["mailer.ledger.key"] == 0o600


def test_what_init_writes_are_the_defaults(folder: Path) -> None:
    run("init")
    apart = ("secret_keys", "folder", "file", "ledger_key_file", "anchors")
    default = Settings()
    as_default = {name: getattr(default, name) for name in apart}
    assert load_settings().replace(**as_default) == default
    assert len(load_settings().keys()) == 1


def test_every_example_in_the_settings_file_is_a_setting(folder: Path) -> None:
    """Each line that is commented out works when the mark is taken away."""
    lines = config_text(InitOptions()).splitlines()
    live = [line.removeprefix("# ") if " = " in line and '"' in line else line for line in lines]
    (folder / "mailer.toml").write_text("\n".join(live), encoding="utf-8")
    assert load_settings().brand.website == "https://example.com"


def test_the_examples_of_limits_are_settings(folder: Path) -> None:
    text = config_text(InitOptions())
    for section in ("smtp.limits", "providers.gmail"):
        example = re.search(rf"^# \[{section}\]\n(?:# .+\n)+", text, re.MULTILINE)
        assert example
        text = text.replace(example[0], example[0].replace("# ", ""))
    (folder / "mailer.toml").write_text(text, encoding="utf-8")
    settings = load_settings()
    assert (settings.smtp.limits.per_second, settings.providers["gmail"].connections) == (50, 5)
    assert settings.smtp.limits.warm_up


def test_two_installations_have_different_keys(folder: Path) -> None:
    (folder / "other").mkdir()
    run("init")
    run("--config", "other/mailer.toml", "init")
    assert load_settings().keys() != load_settings(Path("other/mailer.toml")).keys()


def test_wishes_end_up_in_the_settings(folder: Path) -> None:
    sender = 'Zoë "Z" \\ Ångström <z@acme.example>'
    run(
        "init",
        "--sender",
        sender,
        "--public-url",
        "https://acme.example/mail",
        "--database-url",
        "sqlite:///x.db",
    )
    settings = load_settings()
    assert (settings.sender, settings.public_url) == (Mailbox.parse(sender), "https://acme.example/mail")
    assert (folder / "x.db").exists()


def test_the_sender_s_name_is_the_brand_until_it_is_edited() -> None:
    run("init", "--sender", "Acme news <news@acme.example>")
    assert load_settings().brand.name == "Acme news"


def test_a_database_password_goes_to_the_secrets_file(folder: Path) -> None:
    write_files(Path("mailer.toml"), InitOptions(database_url="postgresql://u:pa55@h/d"))
    assert "pa55" not in (folder / "mailer.toml").read_text(encoding="utf-8")
    assert load_settings().database_url.reveal() == "postgresql://u:pa55@h/d"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("public_url", "http://acme.example"),
        ("database_url", "nonsense"),
        ("database_url", "mysql://u@h/d"),
        ("database_url", "postgresql://u:p@ss@h/d"),
    ],
)
def test_a_wish_that_does_not_do_leaves_nothing_behind(folder: Path, option: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=option):
        run("init", f"--{option.replace('_', '-')}", value)
    assert list(folder.iterdir()) == []


def test_repeating_changes_no_file_and_says_so(folder: Path) -> None:
    first = run("init").stdout.splitlines()
    assert first[:3] == ["mailer.toml: made", "mailer.secrets.toml: made", "mailer.ledger.key: made"]
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = run("init", "--sender", "New <new@acme.example>")
    assert "left as it is" in result.stderr
    assert result.stdout.count(": kept\n") == 3
    assert "database: up to date" in result.stdout
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_a_lost_secrets_file_is_made_anew_beside_settings_that_stay(folder: Path) -> None:
    run("init", "--sender", "Acme <news@acme.example>")
    (folder / "mailer.secrets.toml").unlink()
    assert json.loads(run("init", "--json").stdout)["made"] == ["mailer.secrets.toml"]
    assert str(load_settings().sender) == "Acme <news@acme.example>"


def test_keys_that_the_database_was_used_with_are_not_replaced_unless_asked_for(folder: Path) -> None:
    run("init")
    database = Database(f"sqlite:///{folder / 'mailer.db'}")
    with database.write() as connection:
        record_signing_key(connection, load_settings().keys(), datetime.now(UTC))
    database.close()
    (folder / "mailer.secrets.toml").unlink()
    with pytest.raises(ConfigurationError, match=r"is missing.*\n.*--new-key"):
        run("init")
    assert not (folder / "mailer.secrets.toml").exists()
    assert json.loads(run("init", "--new-key", "--json").stdout)["made"] == ["mailer.secrets.toml"]


def test_init_works_on_postgresql(postgresql_database: Database) -> None:
    url = postgresql_database.url.render_as_string(hide_password=False)
    assert json.loads(run("init", "--database-url", url, "--json").stdout)["database"] == "unchanged"


@pytest.mark.parametrize(
    "wish",
    [
        ("--sender", "no address"),
        ("--public-url", "http://acme.example"),
        ("--public-url", "acme.example"),
        ("--database-url", "mysql://acme.example/mailer"),
    ],
)
def test_a_wish_that_does_not_do_leaves_no_files(folder: Path, wish: tuple[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=f"^Invalid settings in {wish[0]}:\n"):
        run("init", *wish)
    assert list(folder.iterdir()) == []


def test_rotating_keeps_the_old_key_for_old_links() -> None:
    run("init")
    (old,) = load_settings().keys()
    assert json.loads(run("keys", "rotate", "--json").stdout)["keys"] == 2
    assert load_settings().keys()[0] == old
    assert load_settings().keys()[1] != old


def test_keys_from_a_variable_are_not_rotated_in_a_file_that_loses(monkeypatch: pytest.MonkeyPatch) -> None:
    run("init")
    monkeypatch.setenv("MAILER_SECRET_KEYS", "k" * 32)
    with pytest.raises(ConfigurationError, match="MAILER_SECRET_KEYS"):
        run("keys", "rotate")


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_a_dkim_key_is_private_and_what_is_printed_can_be_pasted(folder: Path, algorithm: str) -> None:
    run("init", "--sender", "Acme <news@acme.example>")
    printed = run("keys", "dkim", "--selector", "s1", "--algorithm", algorithm).stdout
    assert (folder / "dkim-s1.pem").stat().st_mode & 0o777 == 0o600
    assert "s1._domainkey.acme.example. IN TXT" in printed
    section = printed[printed.index("[dkim]") :]
    assert tomllib.loads(section)["dkim"]["domain"] == "acme.example"
    with (folder / "mailer.toml").open("a", encoding="utf-8") as file:
        file.write(section)
    findings = json.loads(run("doctor", "--offline", "--json").stdout)["findings"]
    assert {"dkim": "ok"}.items() <= {finding["check"]: finding["level"] for finding in findings}.items()


def test_doctor_finds_a_theme_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    run("init", "--sender", "Acme <news@acme.example>")
    monkeypatch.setenv("MAILER_THEME", "nope")
    findings = json.loads(run("doctor", "--offline", "--json").stdout)["findings"]
    (found,) = [one for one in findings if "nope" in one["message"]]
    assert (found["check"], found["level"]) == ("settings", "fail")
    assert "templates_dir" in found["hint"]


def test_a_dkim_key_for_an_international_sender_is_for_the_domain_as_dns_knows_it(folder: Path) -> None:
    run("init", "--sender", "Acme <news@bücher.example>")
    printed = run("keys", "dkim").stdout
    assert "mailer._domainkey.xn--bcher-kva.example. IN TXT" in printed
    with (folder / "mailer.toml").open("a", encoding="utf-8") as file:
        file.write(printed[printed.index("[dkim]") :])
    findings = json.loads(run("doctor", "--offline", "--json").stdout)["findings"]
    assert {"dkim": "ok"}.items() <= {finding["check"]: finding["level"] for finding in findings}.items()


def test_a_dkim_key_is_never_overwritten(folder: Path) -> None:
    run("init")
    run("keys", "dkim")
    before = (folder / "dkim-mailer.pem").read_bytes()
    with pytest.raises(ConfigurationError, match="exists already"):
        run("keys", "dkim")
    assert (folder / "dkim-mailer.pem").read_bytes() == before


def test_commands_in_a_folder_below_use_the_same_settings_and_database(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init", "--sender", "Acme <news@acme.example>")
    notes = folder / "notes" / "2026"
    notes.mkdir(parents=True)
    monkeypatch.chdir(notes)
    assert json.loads(run("campaigns", "list", "--json").stdout) == {"campaigns": []}
    assert list(notes.iterdir()) == []


def test_init_in_a_folder_below_makes_settings_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init")
    (folder / "other").mkdir()
    monkeypatch.chdir(folder / "other")
    run("init", "--sender", "Other <news@other.example>")
    assert load_settings().sender == Mailbox("Other", "news@other.example")
    assert load_settings().folder == folder / "other"


def test_settings_of_another_user_do_not_count_in_folders_below(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init")
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    assert config_path() == folder / "mailer.toml"
    if os.geteuid() == 0:
        os.chown(folder / "mailer.toml", 4242, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert config_path() == Path("mailer.toml")


def test_init_makes_no_new_key_for_a_ledger_that_was_signed(folder: Path) -> None:
    run("init")
    (folder / "wording.txt").write_text("Yes.", encoding="utf-8")
    run("consent", "grant", "jan@example.com", "--source", "by phone", "--wording", "wording.txt")
    (folder / "mailer.ledger.key").unlink()
    with pytest.raises(ConfigurationError, match="ledger was signed with it"):
        run("init")
    with pytest.raises(ConfigurationError, match="ledger was signed with it"):
        run("keys", "ledger")
    run("init", "--new-key")
    with pytest.raises(MailerError, match="signed by another key"):
        run("consent", "verify")
    run("consent", "sign", "--anew", "--yes")
    assert json.loads(run("consent", "verify", "--quick", "--json").stdout)["signed"] == 1
    assert json.loads(run("consent", "verify", "--json").stdout)["in_head_file"] == 1
