"""The settings, with their types and checks.

A variable overrides the secrets file, which overrides mailer.toml. Two underscores separate section and key:
``MAILER_SMTP__HOST`` is ``[smtp] host``. Relative paths start at the folder of the settings file.
"""

import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from msgspec import field, structs

from mailer.config.anchor_settings import AnchorSettings
from mailer.config.archive_settings import ArchiveSettings
from mailer.config.brand_settings import BrandSettings
from mailer.config.privacy_settings import PrivacySettings
from mailer.config.relay_settings import NamedRelay, RelaySettings
from mailer.config.retention_settings import RetentionSettings
from mailer.config.value_types import (
    ApprovalCount,
    Line,
    MailboxLine,
    Names,
    Secret,
    ShortName,
    Topic,
    Words,
    check_approvers,
    url_parts,
)
from mailer.errors import ConfigurationError
from mailer.limits import ProviderLimits
from mailer.loopback import is_loopback
from mailer.message import Mailbox
from mailer.settings_section import Checks, PositiveInt, Seconds, SettingsSection, WrongSettings
from mailer.time_zone import is_time_zone

if TYPE_CHECKING:
    from mailer.limits.throttle import Throttle

CONFIG_NAME = "mailer.toml"
SECRETS_NAME = "mailer.secrets.toml"
LEDGER_KEY_NAME = "mailer.ledger.key"
MIN_SECRET_LENGTH = 32

# The fields of Settings that say where the settings file is. None of them can be set.
NOT_SETTINGS = frozenset({"folder", "file"})

_A_NETWORK = 'must be an IP address, such as "10.0.0.5", or a network, such as "10.0.0.0/8"'

# The URL is written between angle brackets in a header: no user, password or space, and only ASCII.
_PLAIN_URL = re.compile(r"[A-Za-z0-9:/._~%\[\]-]+")

# URLs that `check_url` takes for certain: looking at them takes no SQLAlchemy, without which `run-due` mostly does.
_USUAL_DATABASE = re.compile(
    r"sqlite:///[A-Za-z0-9/._-]+"
    r"|postgresql://(?:[A-Za-z0-9/._-]+(?::[A-Za-z0-9._~%-]+)?@)?[A-Za-z0-9.-]*(?::[0-9]{1,5})?"
    r"/[A-Za-z0-9_]*(?:\?[A-Za-z0-9_=&%./-]*)?"
)


class RetrySettings(SettingsSection, frozen=True):
    """The times between attempts of a deferred delivery (RFC 5321 section 4.5.4.1): they double, up to the longest."""

    first_seconds: Seconds = 30 * 60
    longest_seconds: Seconds = 4 * 60 * 60
    give_up_seconds: Seconds = 4 * 24 * 60 * 60


class DkimSettings(SettingsSection, frozen=True):
    """Signing keys. Without keys the mail is not signed here; the relay may sign it."""

    domain: Line | None = None
    selector: Line | None = None
    key_file: Path | None = None
    ed25519_selector: Line | None = None
    ed25519_key_file: Path | None = None


class WebhookSettings(SettingsSection, frozen=True):
    """Exceptions for tests: webhooks normally call only public addresses, by HTTPS."""

    allow_private: bool = False
    allow_http: bool = False


class ServeSettings(SettingsSection, frozen=True):
    """The limits of `mailer serve`: connections in total and of one address, size and time of requests.

    `header_seconds` run from the connection or from the first byte of a request.
    """

    max_connections: PositiveInt = 1_000
    max_per_address: PositiveInt = 200
    header_bytes: PositiveInt = 16_384
    header_seconds: Seconds = 10
    body_seconds: Seconds = 30


class SignUpSettings(SettingsSection, frozen=True):
    """The topics for which /signup/TOPIC takes sign-ups, at most so many an hour. Without any there is no such page."""

    topics: Words = ()
    most_an_hour: PositiveInt = 1_000


class TopicSettings(SettingsSection, frozen=True):
    """How pages and mails call a topic, and the text that people agree to on a page, in each language."""

    nl: Line | None = None
    en: Line | None = None
    wording_nl: Line | None = None
    wording_en: Line | None = None


UnsubscribeCheck = Literal["require", "warn", "off"]


def _check_public_url(value: str) -> str:
    parts = url_parts(value)
    if parts is None or parts.query or parts.fragment or not _PLAIN_URL.fullmatch(value):
        raise ValueError('write it as "https://mail.example.com" or "https://example.com/path"')
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ValueError("must be https:// (RFC 8058 section 3.1); http:// is for loopback only")
    return value.rstrip("/")


def _check_database_url(value: Secret) -> Secret:
    if not _USUAL_DATABASE.fullmatch(value.reveal()):
        from mailer.database.url import check_url  # noqa: PLC0415 - slow to import, and `run-due` mostly needs none

        check_url(value.reveal())
    return value


def _check_zone(value: str) -> str:
    if not is_time_zone(value):
        raise ValueError('must be the IANA name of a time zone, such as "Europe/Amsterdam"')
    return value


def _check_networks(value: tuple[str, ...]) -> tuple[str, ...]:
    wrong = {str(number): _A_NETWORK for number, one in enumerate(value) if not _is_network(one)}
    if wrong:
        raise WrongSettings(wrong)
    return value


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def _check_key_lengths(value: tuple[Secret, ...]) -> tuple[Secret, ...]:
    if any(map(_is_short, value)):
        raise ValueError(f"each key has at least {MIN_SECRET_LENGTH} characters")
    return value


def _check_next_key(value: Secret | None) -> Secret | None:
    if value is not None and _is_short(value):
        raise ValueError(f"a key has at least {MIN_SECRET_LENGTH} characters")
    return value


def _is_short(key: Secret) -> bool:
    return len(key.reveal()) < MIN_SECRET_LENGTH


class Settings(SettingsSection, frozen=True):
    """The settings. `repr` does not show secrets."""

    database_url: Secret = field(default_factory=lambda: Secret("sqlite:///mailer.db"))
    public_url: Line = "http://127.0.0.1:8025"
    sender: MailboxLine = field(default_factory=lambda: Mailbox("Release notes", "news@example.com"))
    reply_to: MailboxLine | None = None
    return_path: Line | None = None
    list_id: Line | None = None
    topic: Topic = "release-notes"
    locale: Literal["nl", "en"] = "en"
    form_of_address: Literal["formal", "informal"] = "formal"
    zone: str = "Europe/Amsterdam"
    require_approval: ApprovalCount = 0
    approvers: Names = ()
    digest_pre_releases: bool = False
    trusted_proxies: Words = ("127.0.0.1", "::1")
    image_hosts: Words = ()
    assets_dir: Path | None = None
    remote_images: Literal["refuse", "link", "omit"] = "refuse"
    repository: Line | None = None
    contributors: Literal["keep", "omit"] = "keep"
    proof_recipients: Words = ()
    templates_dir: Path | None = None
    theme: ShortName | None = None
    unsubscribe_check: UnsubscribeCheck | None = None
    lease_seconds: Seconds = 60
    drain_seconds: Seconds = 30
    send_window: Line | None = None
    max_lateness: timedelta = timedelta(hours=6)
    secret_keys: tuple[Secret, ...] = ()
    next_secret_key: Secret | None = None
    smtp: RelaySettings = field(default_factory=RelaySettings)
    relays: dict[ShortName, NamedRelay] = field(default_factory=dict)
    providers: dict[ShortName, ProviderLimits] = field(default_factory=dict)
    brand: BrandSettings = field(default_factory=BrandSettings)
    retry: RetrySettings = field(default_factory=RetrySettings)
    dkim: DkimSettings = field(default_factory=DkimSettings)
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    serve: ServeSettings = field(default_factory=ServeSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    anchors: AnchorSettings = field(default_factory=AnchorSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    topics: dict[Topic, TopicSettings] = field(default_factory=dict)
    sign_up: SignUpSettings = field(default_factory=SignUpSettings)
    archive: ArchiveSettings = field(default_factory=ArchiveSettings)
    ledger_key_file: Path = field(default_factory=lambda: Path(LEDGER_KEY_NAME))
    folder: Path = field(default_factory=Path)
    file: Path = field(default_factory=lambda: Path(CONFIG_NAME))

    checks: ClassVar[Checks] = {
        "database_url": _check_database_url,
        "public_url": _check_public_url,
        "zone": _check_zone,
        "approvers": check_approvers,
        "trusted_proxies": _check_networks,
        "secret_keys": _check_key_lengths,
        "next_secret_key": _check_next_key,
    }

    @property
    def tz(self) -> ZoneInfo:
        """The time zone of times that name none."""
        return ZoneInfo(self.zone)

    @property
    def every_relay(self) -> dict[str, NamedRelay]:
        """All relays by name. The relay in [smtp] has the name smtp."""
        return self.relays or {"smtp": NamedRelay(**structs.asdict(self.smtp))}

    @property
    def unsubscribe_check_mode(self) -> UnsubscribeCheck:
        """Whether sending requires that the unsubscribe page answers. The default is "warn" if all relays are on loopback."""
        if self.unsubscribe_check is not None:
            return self.unsubscribe_check
        return "warn" if all(is_loopback(relay.host) for relay in self.every_relay.values()) else "require"

    def beside(self, name: str) -> Path | None:
        """The file `name` in the folder of the settings file; None where the settings come from no file."""
        return self.folder / name if self.folder.is_absolute() else None

    def per_sender(self) -> dict[str, Self]:
        """For each relay with its own sender or return path, a copy of the settings with these values."""
        copies = {}
        for name, relay in self.relays.items():
            own = {"sender": relay.sender, "return_path": relay.return_path}
            if changes := {key: value for key, value in own.items() if value is not None}:
                copies[name] = self.replace(**changes, relays={})
        return copies

    def throttle(self) -> "Throttle | None":
        """The limits of all relays and providers; None where there are none."""
        relays = {name: relay.limits for name, relay in self.every_relay.items()}
        if not (self.providers or any(limits.any_is_set for limits in relays.values())):
            return None
        from mailer.limits.throttle import Throttle  # noqa: PLC0415 - it needs the tables, which are slow to import

        return Throttle(relays, self.providers, self.zone)

    def keys(self) -> tuple[bytes, ...]:
        """The secret keys, oldest first, newest last.

        Raises ConfigurationError where there is none.
        """
        if not self.secret_keys:
            raise ConfigurationError(
                "There are no secret keys, so no unsubscribe link can be signed.",
                hint=f"Restore {SECRETS_NAME} from your copy or set MAILER_SECRET_KEYS (oldest first, comma between). "
                "For a new installation run `mailer init`.",
            )
        return tuple(key.reveal().encode() for key in self.secret_keys)
