"""The checks of secrets, database, free disk space, signing key, relays and the public address."""

from __future__ import annotations

import shutil
import stat
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mailer.config import SECRETS_NAME, Settings
from mailer.config.files import read_settings_file
from mailer.database import Database, WrongSecretKeys, require_signing_key
from mailer.database.sqlite_file import MIN_FREE_BYTES
from mailer.database.url import has_password
from mailer.doctor.results import CheckLevel, CheckResult, failure
from mailer.errors import ConfigurationError, MailerError, reason_of
from mailer.loopback import is_loopback
from mailer.quantity import quantity
from mailer.smtp import connect
from mailer.smtp.sasl import PASSWORD_METHODS, Method

_TIMEOUT_SECONDS = 5.0
_MICROSOFT = (".office365.com", ".office365.us", ".outlook.com", ".outlook.cn")
LITTLE_FREE_BYTES = 100_000_000
_SECRETS = ("password", "client_secret", "refresh_token")


def secrets(settings: Settings, config: Path) -> Iterator[CheckResult]:
    """Check that there are keys, and that only their owner can read them."""
    try:
        count = len(settings.keys())
    except ConfigurationError as error:
        yield failure("secrets", error)
        return
    keys = quantity(count, "key")
    path = config.with_name(SECRETS_NAME)
    if config.exists() and open_to_others(config) and holds_secrets(config):
        yield CheckResult(
            "secrets",
            CheckLevel.FAIL,
            f"{config} holds a secret and can be read by other users",
            f"Move passwords, tokens and keys to {path}, which has mode 0600.",
        )
    if not path.exists():
        yield CheckResult("secrets", CheckLevel.OK, keys)
    elif open_to_others(path):
        yield CheckResult(
            "secrets", CheckLevel.FAIL, f"{path} can be read by other users", f"Run: chmod 600 {path}"
        )
    else:
        yield CheckResult("secrets", CheckLevel.OK, f"{keys}, readable by their owner only")


def database(base: Database) -> Iterator[CheckResult]:
    """Check that the database can be written, has the tables of this version, keeps commits, and is private."""
    try:
        base.require_current()
        base.require_writable()
        problem = base.durability_problem()
    except MailerError as error:
        yield failure("database", error)
        return
    path = Path(base.url.database or "")
    if base.is_sqlite:
        yield from disk(path)
    if base.is_sqlite and open_to_others(path):
        yield CheckResult(
            "database", CheckLevel.WARN, f"{path} can be read by other users", f"Run: chmod 600 {path}"
        )
    elif problem:
        yield CheckResult("database", CheckLevel.WARN, problem, "See docs/postgresql.md.")
    else:
        yield CheckResult("database", CheckLevel.OK, f"{base.url.get_backend_name()}, tables are current")


def disk(path: Path) -> Iterator[CheckResult]:
    """Check that the disk of the file `path` has free space."""
    usage = shutil.disk_usage(path.absolute().parent)
    free = f"{usage.free / 1e6:,.0f} MB of {usage.total / 1e6:,.0f} MB are free"
    if usage.free < MIN_FREE_BYTES:
        yield CheckResult(
            "disk", CheckLevel.FAIL, free, "Free some space: no withdrawal can be written on a full disk."
        )
    elif usage.free < LITTLE_FREE_BYTES:
        yield CheckResult("disk", CheckLevel.WARN, free, "Free some space before it is full.")


def signing_key(settings: Settings, base: Database) -> Iterator[CheckResult]:
    """Check that the secret keys are those of this database. No result if that is unknown."""
    try:
        keys = settings.keys()
        with base.read() as connection:
            require_signing_key(connection, keys)
    except WrongSecretKeys as error:
        yield failure("secrets", error)
    except MailerError:
        return  # other checks report that there are no keys, or no database


async def relay(settings: Settings, name: str = "smtp") -> CheckResult:
    """Check connection, certificate, EHLO and login of a relay. No mail is offered."""
    smtp, check = settings.every_relay[name], "relay" if name == "smtp" else name
    patient = smtp.replace(
        timeouts=smtp.timeouts.replace(connect=_TIMEOUT_SECONDS, greeting=4 * _TIMEOUT_SECONDS)
    )
    try:
        ready = await connect(patient)
    except MailerError as error:
        return failure(check, error)
    ready.transport.close()
    how = {"none": "unencrypted", "starttls": "STARTTLS", "tls": "TLS"}[smtp.security]
    who = f"logged in with {ready.method.upper()}" if ready.method else "without login"
    message = f"{smtp.host}:{smtp.port}, {how}, {who}"
    if smtp.security == "none" and not is_loopback(smtp.host):
        return CheckResult(
            check,
            CheckLevel.WARN,
            f"{message}: mail crosses the network unencrypted",
            'Set security = "starttls".',
        )
    if takes_passwords_no_longer(smtp.host, ready.method):
        return CheckResult(
            check,
            CheckLevel.WARN,
            f"{message}: Microsoft ends logins by password at the end of December 2026",
            f"Set [{'smtp' if name == 'smtp' else f'relays.{name}'}.oauth2]; docs/relays.md says how.",
        )
    return CheckResult(check, CheckLevel.OK, message)


@dataclass(frozen=True, slots=True)
class ExpectedAnswer:
    """The answer of our web application to a GET of `path` below the public URL: status, and some headers."""

    path: str
    status: int
    headers: Mapping[str, str]


def takes_passwords_no_longer(host: str, method: Method | None) -> bool:
    """Whether this relay will refuse passwords: Microsoft 365 accepts only tokens from 2027 on."""
    return method in PASSWORD_METHODS and f".{host.lower().rstrip('.')}".endswith(_MICROSOFT)


def public_address(settings: Settings, expected: ExpectedAnswer) -> CheckResult:
    """Check that the public URL leads to our web application, which gives the `expected` answer."""
    url = settings.public_url
    if urlsplit(url).scheme != "https":
        return CheckResult(
            "public_url",
            CheckLevel.WARN,
            f"{url} reaches no further than this machine",
            "Fine for trying things out. For real mail set the HTTPS address of `mailer serve`.",
        )
    page = f"{url}{expected.path}"
    hint = f"Is `mailer serve` running, and does the reverse proxy pass {url}/u/ on to it?"
    try:
        with urllib.request.urlopen(page, timeout=_TIMEOUT_SECONDS):  # noqa: S310 - https, see above
            pass
    except urllib.error.HTTPError as error:
        with error:
            same = all(error.headers[name] == value for name, value in expected.headers.items())
            ours = error.code == expected.status and same
        if ours:
            return CheckResult("public_url", CheckLevel.OK, f"{url} reaches the unsubscribe page")
        return CheckResult(
            "public_url", CheckLevel.WARN, f"{page} answers {error.code}, but not as our page would", hint
        )
    except OSError as error:
        # A URLError has another error as its reason, or a text.
        reason = reason_of(getattr(error, "reason", error))
        return CheckResult("public_url", CheckLevel.WARN, f"{page} does not answer ({reason})", hint)
    return CheckResult("public_url", CheckLevel.WARN, f"{page} answers, but not as our page would", hint)


def holds_secrets(config: Path) -> bool:
    """Whether a readable settings file contains a key that belongs in the secrets file."""
    values = tomllib.loads(read_settings_file(config))
    relays = [values.get("smtp", {}), *values.get("relays", {}).values()]
    return (
        "secret_keys" in values
        or any(secret in {**relay, **relay.get("oauth2", {})} for relay in relays for secret in _SECRETS)
        or has_password(values.get("database_url", "sqlite:///"))
    )


def open_to_others(path: Path) -> bool:
    """Whether the file's mode gives access to others than its owner."""
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
