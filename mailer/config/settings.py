"""Settings: mailer.toml, its secrets file and MAILER_* variables, read once at the door.

A variable wins over the secrets file, which wins over mailer.toml. Nested keys take two underscores:
``MAILER_SMTP__HOST`` is ``[smtp] host``. Relative paths are read from the folder of the configuration file.
"""

from __future__ import annotations

import os
import re
import tomllib
from datetime import timedelta
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from mailer.errors import ConfigurationError
from mailer.limits import ProviderLimits, RelayLimits

CONFIG_NAME = "mailer.toml"
SECRETS_NAME = "mailer.secrets.toml"
SHORTEST_SECRET = 32

# What a topic is called, everywhere: `subscribers.topic` reads it with the same grammar.
TOPIC_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"

# What stands between angle brackets in a header, unescaped: no user or password, no space, no other alphabet.
_PLAIN_URL = re.compile(r"[A-Za-z0-9:/._~%\[\]-]+")


def _one_line(value: str) -> str:
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError("must be one line, without control characters")
    return value


def _mailbox(value: str) -> str:
    local, _, domain = parseaddr(value)[1].rpartition("@")
    if not local or not domain:
        raise ValueError('write it as "Name <name@example.com>"')
    return value


def _colour(value: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise ValueError('write the colour as "#1f5fbf"')
    return value.lower()


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f'unknown zone {value!r}; write an IANA name such as "Europe/Amsterdam"')
    return value


def _duration(value: object) -> object:
    """A length of time as people write it: 90m, 6h, 2d."""
    return duration(value) if isinstance(value, str) else value


def duration(text: str) -> timedelta:
    """Read 45s, 90m, 6h or 2d. Raises ValueError, saying how to write it."""
    found = re.fullmatch(r"\s*([1-9]\d{0,5})\s*([smhd])\s*", text)
    if not found:
        raise ValueError(f'{text!r} is no length of time; write it as "90m", "6h" or "2d"')
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[found[2]]
    return timedelta(**{unit: int(found[1])})


def _words(value: object) -> object:
    """A variable holds a list as words between commas or spaces; TOML holds it as an array."""
    return [word for word in re.split(r"[,\s]+", value) if word] if isinstance(value, str) else value


Line = Annotated[str, AfterValidator(_one_line)]
Mailbox = Annotated[Line, AfterValidator(_mailbox)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_words)]
RelayName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Security = Literal["none", "starttls", "tls"]
AnySection = TypeVar("AnySection", bound=BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimeoutSettings(_Section):
    """Seconds a phase may take; the defaults are RFC 5321 section 4.5.3.2's, where it names one."""

    connect: PositiveFloat = 30
    greeting: PositiveFloat = 300
    ehlo: PositiveFloat = 300
    tls: PositiveFloat = 60
    auth: PositiveFloat = 120
    mail: PositiveFloat = 300
    rcpt: PositiveFloat = 300
    data: PositiveFloat = 120
    block: PositiveFloat = 180
    final: PositiveFloat = 600


class RelaySettings(_Section):
    """The SMTP server that we hand mail to.

    `security` is never weakened on the way: with ``starttls`` a relay that does not offer it gets no mail. Without
    `chunking` the content goes with DATA also where the relay offers CHUNKING.
    """

    host: Line = "localhost"
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Security = "starttls"
    username: Line | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    helo_name: Line | None = None
    connections: Annotated[int, Field(ge=1, le=1000)] = 10
    messages_per_connection: PositiveInt = 1000
    chunking: bool = True
    idle_seconds: PositiveFloat = 30
    timeouts: TimeoutSettings = TimeoutSettings()
    limits: RelayLimits = RelayLimits()


class NamedRelay(RelaySettings):
    """One of several relays: its share of the mail, and an identity of its own where it needs one."""

    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    sender: Mailbox | None = None
    return_path: Line | None = None


class BrandSettings(_Section):
    """What a mail and a page show of the sender. `logo` is a local PNG, JPEG or GIF that travels in the mail."""

    name: Line = "Release Mailer"
    colour: Annotated[str, AfterValidator(_colour)] = "#1f5fbf"
    website: Line | None = None
    privacy_url: Line | None = None
    postal_address: Line | None = None
    support_email: Line | None = None
    logo: Path | None = None


class RetrySettings(_Section):
    """When a deferred delivery is tried again (RFC 5321 section 4.5.4.1): first, then doubling, then given up."""

    first_seconds: PositiveFloat = 30 * 60
    longest_seconds: PositiveFloat = 4 * 60 * 60
    give_up_seconds: PositiveFloat = 4 * 24 * 60 * 60


class DkimSettings(_Section):
    """Signing keys; without any the mail leaves unsigned, for a relay that signs."""

    domain: Line | None = None
    selector: Line | None = None
    key_file: Path | None = None
    ed25519_selector: Line | None = None
    ed25519_key_file: Path | None = None


class Settings(BaseSettings):
    """Everything that can be set, typed and checked. Secrets never show in `repr`."""

    model_config = SettingsConfigDict(
        env_prefix="MAILER_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    database_url: SecretStr = SecretStr("sqlite:///mailer.db")
    public_url: Line = "http://127.0.0.1:8025"
    sender: Mailbox = "Release notes <news@example.com>"
    reply_to: Mailbox | None = None
    return_path: Line | None = None
    list_id: Line | None = None
    unsubscribe_mailbox: Line | None = None
    topic: Annotated[str, StringConstraints(pattern=f"^(?:{TOPIC_PATTERN})$")] = "release-notes"
    locale: Literal["nl", "en"] = "en"
    zone: Annotated[str, AfterValidator(_zone)] = "Europe/Amsterdam"
    require_approval: bool = False
    digest_pre_releases: bool = False
    image_hosts: Words = ()
    proof_recipients: Words = ()
    templates_dir: Path | None = None
    lease_seconds: PositiveFloat = 60
    drain_seconds: PositiveFloat = 30
    send_window: Line | None = None
    max_lateness: Annotated[timedelta, BeforeValidator(_duration)] = timedelta(hours=6)
    secret_keys: Secrets = ()
    smtp: RelaySettings = RelaySettings()
    relays: dict[RelayName, NamedRelay] = {}
    providers: dict[RelayName, ProviderLimits] = {}
    brand: BrandSettings = BrandSettings()
    retry: RetrySettings = RetrySettings()
    dkim: DkimSettings = DkimSettings()
    folder: Path = Path()

    @field_validator("public_url")
    @classmethod
    def _public_url_is_https(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.query or parts.fragment or not parts.hostname or not _PLAIN_URL.fullmatch(value):
            raise ValueError('write it as "https://mail.example.com" or "https://example.com/path"')
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
            raise ValueError("must be https:// (RFC 8058 section 3.1); http:// is for loopback only")
        return value.rstrip("/")

    @field_validator("secret_keys")
    @classmethod
    def _keys_are_long(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < SHORTEST_SECRET for key in value):
            raise ValueError(f"each key has at least {SHORTEST_SECRET} characters")
        return value

    @model_validator(mode="after")
    def _one_way_to_name_relays(self) -> Self:
        if self.relays and "smtp" in self.model_fields_set:
            raise ValueError(
                "there are [smtp] and [relays]; name one relay in [smtp], or all of them in [relays]"
            )
        return self

    @property
    def tz(self) -> ZoneInfo:
        """The zone in which times without a zone are read."""
        return ZoneInfo(self.zone)

    @property
    def every_relay(self) -> dict[str, NamedRelay]:
        """All relays by name; the one of [smtp] goes by that name."""
        return self.relays or {"smtp": NamedRelay(**dict(self.smtp))}

    def as_other_senders(self) -> dict[str, Self]:
        """These settings as they are for each relay that has a sender or return path of its own."""
        found = {}
        for name, relay in self.relays.items():
            own = {"sender": relay.sender, "return_path": relay.return_path}
            if changes := {key: value for key, value in own.items() if value is not None}:
                found[name] = self.model_copy(update=changes | {"relays": {}})
        return found

    def keys(self) -> tuple[bytes, ...]:
        """The secret keys, oldest first, newest last.

        Raises ConfigurationError where there is none.
        """
        if not self.secret_keys:
            raise ConfigurationError(
                "There are no secret keys, so no unsubscribe link can be signed.",
                hint="Run `mailer init`, or set MAILER_SECRET_KEYS (oldest first, comma between).",
            )
        return tuple(key.get_secret_value().encode() for key in self.secret_keys)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables win over what the files gave (`init_settings`)."""
        return (env_settings, init_settings)


def config_path(config: Path | None = None) -> Path:
    """Where the settings file is, or would be."""
    return config or Path(os.environ.get("MAILER_CONFIG") or CONFIG_NAME)


def load_settings(config: Path | None = None) -> Settings:
    """Read the settings from `config`, its secrets file and the environment.

    Without `config` it is the file that MAILER_CONFIG names, or else mailer.toml in the working directory
    where there is one. Raises ConfigurationError, which names the file and the key but never a secret's value.
    """
    path = config_path(config)
    if path != Path(CONFIG_NAME) and not path.exists():
        raise ConfigurationError(f"{path} does not exist.", hint="Run `mailer init` to make one.")
    return parse_settings(_merged(_read(path), _read(path.with_name(SECRETS_NAME))), path)


def parse_settings(values: dict[str, Any], path: Path) -> Settings:
    """Settings of `values`, as read from `path`, and of the environment; every path in them is absolute.

    Raises ConfigurationError like `load_settings`.
    """
    folder = path.parent.absolute()
    try:
        settings = Settings(**values)
    except SettingsError as error:
        raise ConfigurationError(f"A MAILER_* variable does not do: {error}.") from None
    except ValidationError as error:
        raise ConfigurationError(_explain(error, path)) from None
    return _rooted(settings, folder).model_copy(update={"folder": folder})


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Both files' keys; a section that stands in both is merged too, and `over` wins key by key."""
    return under | {
        key: _merged(under[key], value)
        if isinstance(value, dict) and isinstance(under.get(key), dict)
        else value
        for key, value in over.items()
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}.") from None


def _rooted(section: AnySection, folder: Path) -> AnySection:
    updates: dict[str, object] = {}
    for name, value in section:
        match value:
            case Path():
                updates[name] = folder / value
            case BaseModel():
                updates[name] = _rooted(value, folder)
            case dict():
                updates[name] = {key: _rooted(section, folder) for key, section in value.items()}
    return section.model_copy(update=updates)


def _explain(error: ValidationError, path: Path) -> str:
    lines = [f"The settings in {path} (or in MAILER_* variables) do not do:"]
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        key = ".".join(str(part) for part in problem["loc"])
        unknown = problem["type"] == "extra_forbidden"
        said = "there is no such setting" if unknown else problem["msg"].removeprefix("Value error, ")
        lines.append(f"  {key}: {said}")
    return "\n".join(lines)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
