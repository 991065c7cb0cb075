"""Settings: three sources, in order; everything typed; no secret ever shown."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from mailer.config import RelaySettings, Secret, Settings, load_settings, parse_settings
from mailer.config.reading import Table, kinds_of, section_in
from mailer.errors import ConfigurationError
from mailer.message import Mailbox
from mailer.settings_section import SettingsSection

HOST = st.sampled_from(
    ["localhost", "smtp_1.example.com.", "192.0.2.25", "::1", "fe80::1%eth0", "bücher.example"]
)
LINE = st.text(st.characters(blacklist_categories=["Cc", "Cs"]), min_size=1, max_size=60)
OAUTH2 = {"token_url": "https://login.example.com/token", "client_id": "an-application"}
ODD_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)
SECRET = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=32, max_size=64)


def places(
    section: type[SettingsSection] = Settings, within: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Where each setting stands, with a section's name before it."""
    for name, kind in kinds_of(section).items():
        yield (*within, name)
        inner = section_in(kind)
        if isinstance(inner, Table):
            yield from places(inner.rows, (*within, name, "one"))
        elif inner is not None:
            yield from places(inner, (*within, name))


PLACES = list(places())


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("MAILER_"):
            monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, config: str = "", secrets: str | None = None) -> Path:
    path = folder / "mailer.toml"
    path.write_text(config, encoding="utf-8")
    if secrets is not None:
        (folder / "mailer.secrets.toml").write_text(secrets, encoding="utf-8")
    return path


class TestSources:
    def test_without_a_file_the_defaults_hold(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(folder)
        assert load_settings().database_url.reveal() == "sqlite:///mailer.db"

    def test_a_file_that_was_asked_for_must_be_there(self, folder: Path) -> None:
        with pytest.raises(ConfigurationError, match="does not exist"):
            load_settings(folder / "mailer.toml")

    def test_a_variable_names_the_file(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAILER_CONFIG", str(write(folder, 'topic = "from-the-file"')))
        assert load_settings().topic == "from-the-file"

    def test_a_variable_that_names_no_file_is_an_error(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MAILER_CONFIG", str(folder / "nowhere.toml"))
        with pytest.raises(ConfigurationError, match=r"nowhere\.toml does not exist"):
            load_settings()

    def test_secrets_win_over_the_file_and_variables_over_both(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = write(
            folder,
            'topic = "a"\nsender = "a@x.example"\nreply_to = "a@x.example"',
            'topic = "b"\nsender = "b@x.example"',
        )
        monkeypatch.setenv("MAILER_TOPIC", "c")
        settings = load_settings(config)
        assert (settings.topic, settings.sender, settings.reply_to) == (
            "c",
            Mailbox("", "b@x.example"),
            Mailbox("", "a@x.example"),
        )

    @pytest.mark.parametrize("name", ["mailer.toml", "mailer.secrets.toml"])
    def test_a_byte_order_mark_is_skipped(self, folder: Path, name: str) -> None:
        config = write(folder)
        (folder / name).write_text('topic = "b"', encoding="utf-8-sig")
        assert load_settings(config).topic == "b"

    def test_the_limits_of_serve_are_settings(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        config = write(folder, "[serve]\nmax_per_address = 3")
        monkeypatch.setenv("MAILER_SERVE__HEADER_SECONDS", "2.5")
        serve = load_settings(config).serve
        assert (serve.max_per_address, serve.header_seconds, serve.max_connections) == (3, 2.5, 1_000)

    def test_a_section_is_merged_key_by_key_from_all_three(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = write(
            folder,
            '[smtp]\nhost = "file"\nport = 25\nusername = "file"',
            '[smtp]\npassword = "pa55"\nusername = "secrets"',
        )
        monkeypatch.setenv("MAILER_SMTP__HOST", "variable")
        smtp = load_settings(config).smtp
        assert (smtp.host, smtp.port, smtp.username) == ("variable", 25, "secrets")
        assert smtp.password == Secret("pa55")

    def test_a_section_inside_a_section_is_merged_too(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = write(folder, "[smtp.timeouts]\nconnect = 1\nfinal = 2")
        monkeypatch.setenv("MAILER_SMTP__TIMEOUTS__FINAL", "3")
        timeouts = load_settings(config).smtp.timeouts
        assert (timeouts.connect, timeouts.final, timeouts.data) == (1, 3, 120)

    def test_mailboxes_come_from_variables_too(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAILER_SENDER", "Acme <a@x.example>")
        monkeypatch.setenv("MAILER_REPLY_TO", "b@x.example")
        monkeypatch.setenv("MAILER_RELAYS__SPARE__SENDER", "Spare <c@x.example>")
        settings = load_settings(write(folder))
        assert (settings.sender, settings.reply_to) == (
            Mailbox("Acme", "a@x.example"),
            Mailbox("", "b@x.example"),
        )
        assert settings.relays["spare"].sender == Mailbox("Spare", "c@x.example")

    @pytest.mark.parametrize("text", ["a, b", "a b", "a,b", " a ,  b "])
    def test_a_variable_holds_a_list_as_words(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAILER_IMAGE_HOSTS", text)
        assert parse_settings({}, Path("mailer.toml")).image_hosts == ("a", "b")

    @pytest.mark.parametrize(
        ("text", "value"), [("Yes", True), ("on ", True), ("1", True), ("OFF", False), ("0", False)]
    )
    def test_a_variable_says_yes_or_no(self, text: str, value: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAILER_ARCHIVE__ENABLED", text)
        assert parse_settings({}, Path("mailer.toml")).archive.enabled is value

    def test_a_number_may_stand_for_yes_or_no(self) -> None:
        assert parse_settings({"archive": {"enabled": 1}}, Path("mailer.toml")).archive.enabled

    @pytest.mark.parametrize("text", ["25", " 25 ", "+25", "025", "2_5"])
    def test_a_variable_holds_a_number_as_people_write_it(
        self, text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MAILER_SMTP__PORT", text)
        monkeypatch.setenv("MAILER_DRAIN_SECONDS", text)
        settings = parse_settings({}, Path("mailer.toml"))
        assert (settings.smtp.port, settings.drain_seconds) == (25, 25.0)

    def test_a_list_in_a_list_of_sections_may_be_words_too(self) -> None:
        processor = {"name": "A", "purpose": "mail", "country": "NL", "hosts": "a.example, b.example"}
        settings = parse_settings({"privacy": {"processors": [processor]}}, Path("mailer.toml"))
        assert settings.privacy.processors[0].hosts == ("a.example", "b.example")

    def test_a_variable_holds_a_list_of_sections_as_json(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAILER_PRIVACY__CONTROLLERS", '[{"name": "Acme", "email": "a@x.example"}]')
        settings = parse_settings({"privacy": {"authority": "Another"}}, Path("mailer.toml"))
        assert [each.name for each in settings.privacy.controllers] == ["Acme"]
        assert settings.privacy.authority == "Another"

    def test_the_domains_of_a_provider_come_from_variables_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAILER_PROVIDERS__ACME__DOMAINS", "acme.example, @ACME.test")
        monkeypatch.setenv("MAILER_PROVIDERS__ACME__PER_HOUR", "3")
        limits = parse_settings({}, Path("mailer.toml")).providers["acme"]
        assert (limits.domains, limits.per_hour) == (("acme.example", "acme.test"), 3)

    @given(
        HOST, st.integers(1, 65535), st.sampled_from(["none", "starttls", "tls"]), st.one_of(st.none(), LINE)
    )
    def test_what_a_file_says_is_what_comes_out(
        self, host: str, port: int, security: Any, username: str | None
    ) -> None:
        smtp = {"host": host, "port": port, "security": security, "username": username}
        assert parse_settings({"smtp": smtp}, Path("mailer.toml")).smtp == RelaySettings(**smtp)

    def test_relative_paths_start_at_the_folder_of_the_file(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(
            folder,
            '[dkim]\nkey_file = "k.pem"\n[smtp]\nca_file = "/etc/ca.pem"\n[brand]\nlogo = "img/logo.png"',
        )
        monkeypatch.chdir(folder.parent)
        settings = load_settings(Path(folder.name, "mailer.toml"))
        assert settings.folder == folder
        assert settings.dkim.key_file == folder / "k.pem"
        assert settings.brand.logo == folder / "img" / "logo.png"
        assert settings.smtp.ca_file == Path("/etc/ca.pem")


class TestChecks:
    @pytest.mark.parametrize(
        "url",
        [
            "https://mail.example.com",
            "https://example.com/news",
            "http://127.0.0.1:8025",
            "http://localhost:1",
            "http://[::1]:8025",
        ],
    )
    def test_https_or_this_machine_will_do(self, url: str) -> None:
        assert Settings(public_url=url + "/").public_url == url

    @pytest.mark.parametrize(
        "url",
        [
            "http://mail.example.com",
            "mail.example.com",
            "https://",
            "https://x.example/?a=b",
            "https://x.example/#a",
            "ftp://x",
            "https://mailer:secret@x.example",
            "https://x.example/a b",
            "https://x.example/>,<https://y.example",
            "https://bücher.example",
            "https://[::1",
            "https://mail.example.com:99999",
            "https://mail.example.com:abc",
            "https://mail.example.com:0/",
        ],
    )
    def test_any_other_public_url_is_refused(self, url: str) -> None:
        with pytest.raises(ConfigurationError, match="public_url"):
            parse_settings({"public_url": url}, Path("mailer.toml"))

    @settings(max_examples=25)
    @given(LINE, st.sampled_from("\r\n\t\0\x7f\x1b"), LINE)
    def test_no_setting_that_ends_up_in_a_header_has_a_control_character(
        self, before: str, control: str, after: str
    ) -> None:
        for key in ("sender", "reply_to", "list_id", "topic", "unsubscribe_mailbox"):
            with pytest.raises(ConfigurationError, match=key):
                parse_settings({key: before + control + after}, Path("mailer.toml"))

    @pytest.mark.parametrize("key", ["sender", "reply_to"])
    @pytest.mark.parametrize("value", ["", "Acme", "Acme <news>", "news@", "not an address"])
    def test_a_mailbox_has_an_address(self, key: str, value: str) -> None:
        with pytest.raises(ConfigurationError, match=key):
            parse_settings({key: value}, Path("mailer.toml"))

    def test_a_mistyped_key_is_named(self, folder: Path) -> None:
        with pytest.raises(ConfigurationError) as caught:
            load_settings(write(folder, "[smtp]\nhots = 'x'\n"))
        assert "smtp.hots: there is no such setting" in str(caught.value)
        assert "mailer.toml" in str(caught.value)

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ("[archive]\nenable = true", "archive.enable: there is no such setting; did you mean `enabled`?"),
            ("[archiv]\nenabled = true", "archiv: there is no such setting; did you mean `archive`?"),
            (
                "[smtp.limits]\nper_secnd = 3",
                "smtp.limits.per_secnd: there is no such setting; did you mean `per_second`?",
            ),
            ("[relays.one]\nhots = 'x'", "relays.one.hots: there is no such setting; did you mean `host`?"),
            (
                "[brand]\nrequire_approval = 2",
                "brand.require_approval: there is no such setting; `require_approval` stands above the first [section]",
            ),
            (
                "[nowhere]\nnothing = 2",
                "nowhere: there is no such setting; `mailer schema settings` prints all",
            ),
            (
                "folder = '/elsewhere'",
                "folder: there is no such setting; `mailer schema settings` prints all",
            ),
            ("file = 'other.toml'", "file: there is no such setting; `mailer schema settings` prints all"),
            ("fil = 'other.toml'", "fil: there is no such setting; `mailer schema settings` prints all"),
            ("[brand]\nfolder = 'x'", "brand.folder: there is no such setting; did you mean `footer`?"),
        ],
    )
    def test_a_mistyped_key_is_told_what_was_meant(self, folder: Path, settings: str, reason: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            load_settings(write(folder, settings))
        assert reason in f"{caught.value}\n"

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ("[archive]\nenabled = 'maybe'", "archive.enabled: must be true or false"),
            ("[archive]\ntopics = ['Release notes']", "archive.topics.0: can't be a name"),
            ("[archive]\ntopics = 3", "archive.topics: must be a list"),
            ("require_approval = 3", "require_approval: must be 0, 1 or 2"),
            ("require_approval = 'two'", "require_approval: must be 0, 1 or 2"),
            ("approvers = ['Ada', ' ada ']", "approvers: must name at least two different people"),
            ("locale = 'de'", "locale: must be 'en' or 'nl'"),
            ("sender = 3", "sender: must be text"),
            ("templates_dir = 3", "templates_dir: must be the path of a file"),
            ("brand = 3", "brand: must be a section"),
            ("topics = 3", "topics: must be a section"),
            (
                "[smtp]\nport = 'x'\nhost = 3",
                "smtp.host: must be text, in quotes\n  smtp.port: must be a whole number",
            ),
            ("[smtp]\nconnections = 0", "smtp.connections: must be a whole number from 1 to 1000"),
            ("[smtp]\nidle_seconds = -1", "smtp.idle_seconds: must be a number above 0, at most 31536000"),
            ("lease_seconds = inf", "lease_seconds: must be a number above 0, at most 31536000"),
            ("retry.give_up_seconds = 1e300", "retry.give_up_seconds: must be a number above 0, at most"),
            ("retention.workers = '99999d'", "retention.workers: must be a hundred years (36500d) at most"),
            ('[smtp]\nhost = "a\\u0000"', "smtp.host: must be one line"),
            ("[[privacy.controllers]]\nname = 'A'", "privacy.controllers.0.email: is missing"),
            ("[smtp.limits.warm_up]\nstart = 'soon'", "smtp.limits.warm_up.start: must be a date"),
            ("max_lateness = 'soon'", "max_lateness: must be a duration"),
            ("max_lateness = true", "max_lateness: must be a duration"),
            ("max_lateness = 90", "max_lateness: must be a duration"),
            ("[smtp.limits]\nper_day = 'null'", "smtp.limits.per_day: must be a whole number above 0"),
            ("unsubscribe_check = 'null'", "unsubscribe_check: must be 'off', 'require' or 'warn'"),
            (
                "[privacy]\nprocessors = [{ name = 'A', country = 'NL', purpose = { de = 'Post' } }]",
                "privacy.processors.0.purpose: must be one line of text, or one for each language: { nl =",
            ),
            (
                "[privacy.controllers]\nname = 'A'",
                "privacy.controllers: must be a list of sections, each with its name in two brackets, [[name]]; in",
            ),
            ("trusted_proxies = ['::1', '10.0.0.0/33']", "trusted_proxies.1: must be an IP address, such as"),
            (
                "smtp.oauth2 = { token_url = 'https://[x', client_id = 'x' }",
                'token_url: write it as "https://',
            ),
            (
                "anchors = { authority_url = 'http://x:y', authority_certificates = 'x' }",
                "write authority_url as",
            ),
            ("smtp.host = ''", "smtp.host: must be the name or the address of a host"),
            *[
                (f"smtp.host = '{text}'", "smtp.host: must be the name or the address of a host alone")
                for text in (
                    "127.0.0.1:25",
                    "smtp.example.com:587",
                    "smtp://example.com",
                    "me@example.com",
                    "a/b",
                    "[::1]",
                    "[::1]:25",
                )
            ],
            ("smtp.host = 'smtp..example'", "smtp.host: must be the name or the address of a host"),
            ("smtp.host = 'smtp example'", "smtp.host: must be the name or the address of a host"),
            (f"smtp.host = '{'x' * 64}.example'", "smtp.host: must be the name or the address of a host"),
            (f"smtp.host = '{'x.' * 130}example'", "smtp.host: must be the name or the address of a host"),
            (f"public_url = 'https://{'x' * 64}.example'", "public_url: write it as"),
            ("relays.one.host = '.'", "relays.one.host: must be the name or the address of a host"),
            ("zone = ''\nlease_seconds = 0", "zone: must be the IANA name of a time zone"),
            ("zone = 'Mars'\nlease_seconds = 0", "lease_seconds: must be a number above 0"),
            ("database_url = 'mysql://x/y'", "database_url: names neither a SQLite file nor PostgreSQL"),
            (
                "database_url = 'sqlite:///:memory:'",
                "database_url: names neither a SQLite file nor PostgreSQL",
            ),
            ("[relays.'a b']\nhost = 'x'", "relays.a b: can't be a name"),
        ],
    )
    def test_a_wrong_value_is_told_what_it_must_be(self, folder: Path, settings: str, reason: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            load_settings(write(folder, settings))
        assert reason in str(caught.value)
        assert "Input should" not in str(caught.value)

    @given(st.data())
    def test_whatever_a_setting_has_for_a_value_it_is_read_or_explained(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from(PLACES))
        values: Any = data.draw(ODD_VALUES)
        for name in reversed(place):
            values = {name: values}
        try:
            parse_settings(values, Path("mailer.toml"))
        except ConfigurationError as error:
            assert all(name in str(error) for name in place[:1])  # noqa: PT017 - most of them are refused

    @pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000])
    def test_a_value_without_an_end_is_no_toml(self, folder: Path, value: str) -> None:
        with pytest.raises(ConfigurationError, match=r"mailer\.toml is not valid TOML"):
            load_settings(write(folder, f"approvers = {value}\n"))

    @pytest.mark.parametrize(
        ("variable", "value", "reason"),
        [
            ("MAILER_SECRET_KEYS", "\udcff" + "k" * 40, "MAILER_SECRET_KEYS is not valid UTF-8"),
            ("MAILER_PRIVACY__CONTROLLERS", "[" * 5000, "privacy.controllers: must be a list of sections"),
            ("MAILER_SENDER", "(" * 5000, "sender: it has no address"),
        ],
    )
    def test_a_variable_that_can_not_be_read_is_named(
        self, variable: str, value: str, reason: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, value)
        with pytest.raises(ConfigurationError, match=reason):
            parse_settings({}, Path("mailer.toml"))

    @pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
    def test_a_file_that_is_not_utf_8_is_named_with_its_line(self, folder: Path, encoding: str) -> None:
        file = write(folder, "")
        file.write_bytes('topic = "news"\nzone = "Größe"\n'.encode(encoding))
        with pytest.raises(
            ConfigurationError, match=r"mailer\.toml, line [12]: this is not UTF-8 text"
        ) as caught:
            load_settings(file)
        assert caught.value.hint == "Save the file as UTF-8."

    def test_a_file_that_is_no_toml_is_named_with_its_line(self, folder: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"mailer\.toml is not valid TOML.*line 2"):
            load_settings(write(folder, "a = 1\nb = = 2\n"))

    @pytest.mark.parametrize(
        ("variable", "file", "secrets", "message"),
        [
            ("", "lease_seconds = 0", "drain_seconds = 0", "mailer.toml: lease_seconds; mailer.secrets.toml: drain_seconds"),
            ("", "lease_seconds = 0", "lease_seconds = -1", "mailer.secrets.toml: lease_seconds"),
            ("LEASE_SECONDS=0", "lease_seconds = 9", "", "MAILER_LEASE_SECONDS: lease_seconds"),
            ("TRUSTED_PROXIES=x", "trusted_proxies = ['y']", "", "MAILER_TRUSTED_PROXIES: trusted_proxies.0"),
            ("SMTP__PORT=x", "smtp.port = 0", "", "MAILER_SMTP__PORT: smtp.port"),
            ("SMTP=x", "smtp.port = 25", "", "MAILER_SMTP: smtp"),
            ("SMTP__PORT=25", "smtp = 1", "smtp.password = 1", "mailer.secrets.toml: smtp.password"),
            ("ANCHORS__DAILY=1", "anchors.authority_url = 'https://x.example'", "", "mailer.toml, MAILER_ANCHORS__DAILY: anchors"),
            ("SMTP__OAUTH2__SCOPE=x", "smtp.oauth2.client_id = 'x'", "", "mailer.toml, MAILER_SMTP__OAUTH2__SCOPE: smtp.oauth2.token_url"),
            ("RELAYS__ONE=x", "", "", "MAILER_RELAYS__ONE: relays.one"),
        ],
    )  # fmt: skip
    @pytest.mark.usefixtures("_variable")
    def test_an_error_says_where_the_wrong_value_is(
        self, folder: Path, file: str, secrets: str, message: str
    ) -> None:
        with pytest.raises(ConfigurationError) as caught:
            load_settings(write(folder, file, secrets))
        found = str(caught.value).replace(f"{folder}/", "").split("Invalid settings in ")[1:]
        keys = [[line.split(": ")[0].strip() for line in each.splitlines()] for each in found]
        assert "; ".join(f"{name} {key}" for name, *names in keys for key in names) == message

    @pytest.fixture
    def _variable(self, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
        name, is_given, text = variable.partition("=")
        if is_given:
            monkeypatch.setenv(f"MAILER_{name}", text)

    def test_an_error_names_both_places_of_two_settings_that_exclude_each_other(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MAILER_RELAYS__ONE__HOST", "one.example")
        with pytest.raises(ConfigurationError) as caught:
            load_settings(write(folder, "smtp.port = 25"))
        assert f"[smtp] is set in {folder}/mailer.toml, and [relays] in MAILER_RELAYS__ONE__HOST." in str(
            caught.value
        )

    @pytest.mark.parametrize("place", PLACES, ids=".".join)
    def test_no_error_shows_a_value(self, place: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
        variable = "__".join(place).upper()
        monkeypatch.setenv(f"MAILER_{variable}", "hunter2 <@>/\x07")
        try:
            parse_settings({}, Path("mailer.toml"))
        except ConfigurationError as error:
            assert f"MAILER_{variable}:" in str(error)  # noqa: PT017 - few take any text
            assert "hunter2" not in str(error)  # noqa: PT017 - as above

    def test_a_section_can_not_be_a_variable_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAILER_SMTP", "hunter2")
        with pytest.raises(ConfigurationError, match="smtp") as caught:
            parse_settings({}, Path("mailer.toml"))
        assert "hunter2" not in str(caught.value)

    def test_a_mistyped_key_in_a_variable_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAILER_SMTP__HOTS", "hunter2")
        with pytest.raises(ConfigurationError, match=r"smtp\.hots: there is no such setting") as caught:
            parse_settings({}, Path("mailer.toml"))
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize(
        ("variable", "meant"),
        [
            ("MAILER_DATABSE_URL", "MAILER_DATABASE_URL"),
            ("MAILER_SENDR__EMAIL", "MAILER_SENDER"),
            ("MAILER_SMTP_HOST", "MAILER_SMTP__HOST"),
            ("MAILER_SMPT__HOTS", "MAILER_SMTP__HOST"),
            ("MAILER_SMTP_PORT", "MAILER_SMTP__PORT"),
            ("MAILER_BRANDS__TITLE", "MAILER_BRAND__KEY"),
            ("MAILER_RELAY__SPARE__HOST", "MAILER_RELAYS__SPARE__HOST"),
            ("MAILER_RELAYS_SPARE__HOST", "MAILER_RELAYS__NAME__HOST"),
            ("MAILER__SENDER", "MAILER_SENDER"),
            ("MAILER_CONFG", "MAILER_CONFIG"),
            ("MAILER_PASSWORD", "MAILER_SMTP__PASSWORD"),
            ("mailer_sendr", "MAILER_SENDER"),
        ],
    )
    def test_a_mistyped_variable_is_named_with_the_one_that_was_meant(
        self, variable: str, meant: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, "hunter2")
        with pytest.raises(ConfigurationError) as caught:
            parse_settings({}, Path("mailer.toml"))
        assert f"{variable}: there is no such setting; did you mean {meant}?" in str(caught.value)
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize(
        "variable", ["MAILER_DSN", "MAILER_FROM", "MAILER_FILE", "MAILER_CHECKS", "MAILER_"]
    )
    def test_a_variable_like_no_setting_is_refused_and_how_to_unset_it_is_said(
        self, variable: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, "smtp://user:hunter2@relay.example")
        with pytest.raises(ConfigurationError, match=f"{variable}: .*env -u {variable} mailer") as caught:
            parse_settings({}, Path("mailer.toml"))
        assert "hunter2" not in str(caught.value)

    def test_all_that_is_wrong_in_files_and_variables_is_said_at_once(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MAILER_DATABSE_URL", "x")
        monkeypatch.setenv("MAILER_SENDR", "x")
        with pytest.raises(ConfigurationError) as caught:
            load_settings(write(folder, "lease_seconds = 0\n[brnd]\nname = 'x'"))
        assert all(
            name in str(caught.value)
            for name in ("MAILER_DATABSE_URL", "MAILER_SENDR:", "lease_seconds", "`brand`")
        )

    @pytest.mark.parametrize(
        "table", ["[sendr]", "[relay.one]", "[[relays]]", "[smpt.limits]", "[smtp.limts]"]
    )
    def test_a_mistyped_table_is_refused(self, folder: Path, table: str) -> None:
        with pytest.raises(ConfigurationError, match=r"Invalid settings in .*mailer\.toml"):
            load_settings(write(folder, f"{table}\nhost = 'a.example'"))

    @given(st.sampled_from(PLACES), st.data())
    def test_a_variable_with_one_wrong_letter_is_never_ignored(
        self, place: tuple[str, ...], data: st.DataObject
    ) -> None:
        name = "__".join(place).upper()
        at = data.draw(st.integers(0, len(place[0]) - 1))
        letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ_").filter(lambda one: one != name[at]))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(f"MAILER_{name[:at]}{letter}{name[at + 1 :]}", "\x07")
            with pytest.raises(ConfigurationError):
                parse_settings({}, Path("mailer.toml"))

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("MAILER_PORT", "tcp://10.0.0.5:8025"),
            ("MAILER_SMTP_PORT", "tcp://10.0.0.5:25"),
            ("MAILER_PORT_8025_TCP", "tcp://10.0.0.5:8025"),
            ("MAILER_PORT_8025_TCP_ADDR", "10.0.0.5"),
            ("MAILER_SERVICE_HOST", "10.0.0.5"),
            ("MAILER_WEB_SERVICE_PORT_HTTP", "8025"),
            ("MAILER_NAME", "/account/mailer"),
            ("MAILER_ENV_LANG", "C.UTF-8"),
            ("MAILER_TESTS_SEED", "1"),
            ("MAILER_CONFIG", "mailer.toml"),
            ("MAILER", "x"),
            ("_MAILER_COMPLETE", "bash_source"),
        ],
    )
    def test_variables_of_containers_and_others_are_left_alone(
        self, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, value)
        assert parse_settings({}, Path("mailer.toml")).sender == Settings().sender

    @pytest.mark.parametrize("text", ["hunter2", '{"name": "hunter2"}', '["hunter2"]', "[hunter2"])
    def test_a_list_that_is_wrong_in_a_variable_is_not_shown(
        self, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        monkeypatch.setenv("MAILER_PRIVACY__CONTROLLERS", text)
        with pytest.raises(ConfigurationError, match=r"privacy\.controllers") as caught:
            parse_settings({}, Path("mailer.toml"))
        assert "hunter2" not in str(caught.value)
        assert ("as JSON" in str(caught.value)) is text.endswith("hunter2")

    def test_no_variable_moves_the_folder(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAILER_FOLDER", "/elsewhere")
        with pytest.raises(ConfigurationError, match="MAILER_FOLDER: there is no such setting"):
            load_settings(write(folder))

    def test_an_unknown_zone_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match=r"Europe/Amsterdam"):
            parse_settings({"zone": "Europe/Amsterdm"}, Path("mailer.toml"))

    def test_without_keys_nothing_is_signed(self) -> None:
        with pytest.raises(ConfigurationError, match="no secret keys"):
            Settings().keys()

    def test_keys_are_kept_oldest_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAILER_SECRET_KEYS", f"{'o' * 32},{'n' * 32}")
        assert parse_settings({}, Path("mailer.toml")).keys() == (b"o" * 32, b"n" * 32)

    def test_settings_do_not_change_after_they_were_read(self) -> None:
        with pytest.raises(AttributeError, match="immutable"):
            Settings().topic = "other"  # type: ignore[misc]


class TestSecrets:
    @given(SECRET, SECRET, SECRET)
    def test_no_secret_shows_when_settings_are_printed(self, key: str, password: str, database: str) -> None:
        settings = parse_settings(
            {
                "secret_keys": [key],
                "database_url": f"postgresql://u:{database}@h/d",
                "smtp": {"password": password},
            },
            Path("mailer.toml"),
        )
        shown = f"{settings!r} {settings} {structs.asdict(settings)}"
        assert not any(secret in shown for secret in (key, password, database))

    @given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=10, max_size=31))
    def test_no_secret_shows_when_it_is_refused(self, short: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            parse_settings(
                {"secret_keys": [{short: short}], "smtp": {"password": [short]}},
                Path("x.toml"),
            )
        assert short not in str(caught.value)
        assert caught.value.__cause__ is None
        assert "secret_keys" in str(caught.value)

    def test_no_secret_shows_when_its_file_is_no_toml(self, folder: Path) -> None:
        config = write(folder, "", 'secret_keys = ["hunter2hunter2hunter2hunter2hunter2" "x"]')
        with pytest.raises(ConfigurationError) as caught:
            load_settings(config)
        assert "hunter2" not in str(caught.value)

    @given(st.lists(SECRET, min_size=1, max_size=4))
    def test_keys_come_back_as_they_were_written(self, keys: list[str]) -> None:
        values = json.loads(json.dumps({"secret_keys": keys}))
        assert parse_settings(values, Path("mailer.toml")).keys() == tuple(key.encode() for key in keys)


class TestRelays:
    SECTIONS = (
        '[relays.main]\nhost = "a.example"\nweight = 3\nlimits.per_second = 50\nca_file = "ca.pem"\n'
        '[relays.spare]\nhost = "b.example"\nsender = "News <news@b.example>"\n'
        "[providers.gmail]\nper_second = 20\n"
    )

    def test_the_one_of_smtp_is_the_simple_case(self, folder: Path) -> None:
        settings = load_settings(write(folder, '[smtp]\nhost = "a.example"\nlimits.per_day = 500'))
        (relay,) = settings.every_relay.values()
        assert (relay.host, relay.weight, relay.limits.per_day) == ("a.example", 1, 500)
        assert list(settings.every_relay) == ["smtp"]

    def test_several_have_names_weights_limits_and_identities(self, folder: Path) -> None:
        settings = load_settings(write(folder, self.SECTIONS))
        main, spare = settings.every_relay.values()
        assert (main.host, main.weight, main.limits.per_second) == ("a.example", 3, 50)
        assert main.ca_file == folder / "ca.pem"
        assert (spare.host, spare.weight, spare.sender) == ("b.example", 1, Mailbox("News", "news@b.example"))
        assert settings.per_sender().keys() == {"spare"}
        assert settings.providers["gmail"].per_second == 20

    def test_their_passwords_come_from_the_secrets_file_or_a_variable(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = write(folder, self.SECTIONS, '[relays.main]\npassword = "pa55"')
        monkeypatch.setenv("MAILER_RELAYS__SPARE__PASSWORD", "w0rd")
        main, spare = load_settings(config).every_relay.values()
        assert (main.password, spare.password) == (Secret("pa55"), Secret("w0rd"))
        assert main.host == "a.example"

    def test_one_and_several_at_once_is_an_error(self, folder: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"\[smtp\] is set in .*, and \[relays\] in "):
            load_settings(write(folder, '[smtp]\nhost = "a.example"\n' + self.SECTIONS))

    @pytest.mark.parametrize(
        "section",
        [
            "[smtp]\nlimits.per_second = 0",
            "[smtp]\nlimits.per_week = 1",
            "[relays.'a b']\nhost = 'a.example'",
        ],
    )
    def test_what_does_not_do_is_named(self, folder: Path, section: str) -> None:
        with pytest.raises(ConfigurationError, match="Invalid settings"):
            load_settings(write(folder, section))


class TestOAuth2:
    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"auth": "xoauth2", "username": "news@example.com"}, "no oauth2 section"),
            ({"oauth2": OAUTH2}, "no username"),
            ({"oauth2": OAUTH2, "username": "u", "auth": "login"}, "leave one of them out"),
            (
                {"oauth2": OAUTH2 | {"token_url": "http://login.example.com/token"}, "username": "u"},
                "https://",
            ),
            (
                {"oauth2": OAUTH2 | {"token_url": "https://u:p@login.example.com/"}, "username": "u"},
                "https://",
            ),
            ({"auth": "kerberos"}, "auth"),
        ],
    )
    def test_what_does_not_go_together_is_refused(self, values: dict[str, Any], said: str) -> None:
        with pytest.raises(ConfigurationError, match=f"smtp.*{said}"):
            parse_settings({"smtp": values}, Path("mailer.toml"))

    def test_its_secrets_come_from_the_secrets_file_and_are_never_shown(self, folder: Path) -> None:
        config = (
            '[smtp]\nusername = "news@example.com"\n[smtp.oauth2]\n'
            'token_url = "https://login.example.com/token"\nclient_id = "an-application"\n'
        )
        secrets = '[smtp.oauth2]\nclient_secret = "unseen-1"\nrefresh_token = "unseen-2"\n'
        settings = load_settings(write(folder, config, secrets))
        assert settings.smtp.oauth2 is not None
        assert settings.smtp.oauth2.refresh_token == Secret("unseen-2")
        assert "unseen" not in repr(settings)
