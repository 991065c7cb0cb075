"""`mailer doctor`: what stands between these settings and a delivered mail, one finding a line."""

from __future__ import annotations

import stat
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from mailer.config import SECRETS_NAME, Settings, dkim_keys
from mailer.database import Database
from mailer.database.url import has_password
from mailer.doctor import dns
from mailer.errors import ConfigurationError, MailerError
from mailer.message import dkim, headers
from mailer.smtp import connect, tls_context
from mailer.smtp.sasl import PASSWORD_METHODS, Method

Lookup = Callable[[str], tuple[str, ...]]
_PATIENCE = 5.0
_MICROSOFT = (".office365.com", ".office365.us", ".outlook.com", ".outlook.cn")
_SECRETS = ("password", "client_secret", "refresh_token")


class Level(StrEnum):
    """How bad it is: `fail` stops a campaign or breaks a promise, `warn` is for a person to judge."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found, and what to do about it."""

    check: str
    level: Level
    message: str
    hint: str | None = None


def secrets(settings: Settings, config: Path) -> Iterator[Finding]:
    """Whether there are keys, and whether only their owner can read them."""
    try:
        count = len(settings.keys())
    except ConfigurationError as error:
        yield failure("secrets", error)
        return
    keys = "1 key" if count == 1 else f"{count} keys"
    path = config.with_name(SECRETS_NAME)
    if config.exists() and open_to_others(config) and holds_secrets(config):
        yield Finding(
            "secrets",
            Level.FAIL,
            f"{config} holds a secret and can be read by other users",
            f"Move passwords, tokens and keys to {path}, which has mode 0600.",
        )
    if not path.exists():
        yield Finding("secrets", Level.OK, keys)
    elif open_to_others(path):
        yield Finding("secrets", Level.FAIL, f"{path} can be read by other users", f"Run: chmod 600 {path}")
    else:
        yield Finding("secrets", Level.OK, f"{keys}, readable by their owner only")


def database(base: Database) -> Iterator[Finding]:
    """Whether it can be reached, has this version's tables, and, for a file, is closed to others."""
    try:
        current = base.is_current()
    except MailerError as error:
        yield failure("database", error)
        return
    path = Path(base.url.database or "")
    if not current:
        yield Finding("database", Level.FAIL, "its tables are of another version", "Run `mailer init`.")
    elif base.is_sqlite and open_to_others(path):
        yield Finding("database", Level.WARN, f"{path} can be read by other users", f"Run: chmod 600 {path}")
    else:
        yield Finding("database", Level.OK, f"{base.url.get_backend_name()}, tables are current")


async def relay(settings: Settings, name: str = "smtp") -> Finding:
    """Whether it lets us in: connection, certificate, EHLO, login. No mail is offered."""
    smtp, check = settings.every_relay[name], "relay" if name == "smtp" else name
    patient = smtp.model_copy(
        update={
            "timeouts": smtp.timeouts.model_copy(update={"connect": _PATIENCE, "greeting": 4 * _PATIENCE})
        }
    )
    try:
        ready = await connect(patient, tls_context(patient))
    except MailerError as error:
        return failure(check, error)
    ready.transport.close()
    how = {"none": "in clear", "starttls": "STARTTLS", "tls": "TLS"}[smtp.security]
    who = f"logged in with {ready.method.upper()}" if ready.method else "without login"
    message = f"{smtp.host}:{smtp.port}, {how}, {who}"
    if smtp.security == "none" and not _is_here(smtp.host):
        return Finding(
            check,
            Level.WARN,
            f"{message}: mail crosses the network unencrypted",
            'Set security = "starttls".',
        )
    if takes_passwords_no_longer(smtp.host, ready.method):
        return Finding(
            check,
            Level.WARN,
            f"{message}: Microsoft ends logins by password at the end of December 2026",
            f"Set [{'smtp' if name == 'smtp' else f'relays.{name}'}.oauth2]; docs/relays.md says how.",
        )
    return Finding(check, Level.OK, message)


@dataclass(frozen=True, slots=True)
class ExpectedAnswer:
    """How our own web application answers a GET of `path` below the public URL: status, and some of its headers."""

    path: str
    status: int
    headers: Mapping[str, str]


def takes_passwords_no_longer(host: str, method: Method | None) -> bool:
    """Whether a login by password at this relay ends: Microsoft 365 takes tokens only, from 2027 on."""
    return method in PASSWORD_METHODS and f".{host.lower().rstrip('.')}".endswith(_MICROSOFT)


def public_address(settings: Settings, expected: ExpectedAnswer) -> Finding:
    """Whether the public URL leads to our web application, which gives the `expected` answer."""
    url = settings.public_url
    if urlsplit(url).scheme != "https":
        return Finding(
            "public_url",
            Level.WARN,
            f"{url} reaches no further than this machine",
            "Fine for trying things out. For real mail set the HTTPS address of `mailer serve`.",
        )
    page = f"{url}{expected.path}"
    hint = f"Is `mailer serve` running, and does the reverse proxy pass {url}/u/ on to it?"
    try:
        with urllib.request.urlopen(page, timeout=_PATIENCE):  # noqa: S310 - https, see above
            pass
    except urllib.error.HTTPError as error:
        with error:
            same = all(error.headers[name] == value for name, value in expected.headers.items())
            ours = error.code == expected.status and same
        if ours:
            return Finding("public_url", Level.OK, f"{url} reaches the unsubscribe page")
        return Finding(
            "public_url", Level.WARN, f"{page} answers {error.code}, but not as our page would", hint
        )
    except OSError as error:
        reason = getattr(error, "reason", error)
        return Finding("public_url", Level.WARN, f"{page} does not answer ({reason})", hint)
    return Finding("public_url", Level.WARN, f"{page} answers, but not as our page would", hint)


def sender(settings: Settings, lookup: Lookup | None = dns.txt_records) -> Iterator[Finding]:
    """Whether SPF, DKIM and DMARC line up with the From domain; without `lookup`, DNS is left alone."""
    domain = _domain(settings.sender.email)
    if domain in {"", "example.com"}:
        yield Finding(
            "sender",
            Level.FAIL,
            "the sender is still the example's",
            'Set sender = "Your news <news@your.domain>".',
        )
        return
    yield from _signature(settings, domain, lookup)
    if lookup is not None:
        bounces = _domain((settings.return_path or settings.sender.email).strip("<> "))
        yield _record(
            lookup,
            ("spf", bounces, "v=spf1"),
            f"Publish which servers send for {bounces}, the relay among them (RFC 7208).",
        )
        yield _record(
            lookup,
            ("dmarc", f"_dmarc.{domain}", "v=DMARC1"),
            f'Google, Yahoo and Microsoft ask for one; start with TXT "v=DMARC1; p=none" at _dmarc.{domain}.',
        )


def _domain(email: str) -> str:
    return headers.ascii_domain(email.rpartition("@")[2].lower())


def _signature(settings: Settings, domain: str, lookup: Lookup | None) -> Iterator[Finding]:
    try:
        keys = dkim_keys.read(settings.dkim)
    except MailerError as error:
        yield failure("dkim", error)
        return
    if not keys:
        yield Finding(
            "dkim",
            Level.WARN,
            "mail leaves unsigned",
            f"Fine where the relay signs for {domain}; else run `mailer keys dkim`.",
        )
    for key in keys:
        if not aligned(key.domain, domain):
            yield Finding(
                "dkim",
                Level.FAIL,
                f"{key.dns_name} does not sign for {domain}, so DMARC ignores it",
                f'Set [dkim] domain = "{domain}" and make a key for it.',
            )
        elif lookup is None:
            yield Finding("dkim", Level.OK, f"{key.dns_name}, {key.algorithm}")
        else:
            yield _published(key, lookup)


def _published(key: dkim.DkimKey, lookup: Lookup) -> Finding:
    record = dkim.dns_record(key)
    wanted = record.text.rpartition("p=")[2]
    try:
        found = "".join(lookup(record.name)).replace(" ", "")
    except dns.LookupFailed as error:
        return Finding("dkim", Level.WARN, f"{record.name} can't be looked up ({error})", "Try again later.")
    if f"p={wanted}" in found:
        return Finding("dkim", Level.OK, f"{record.name}, {key.algorithm}, published")
    problem = "is not this key's record" if found else "is not published"
    return Finding("dkim", Level.FAIL, f"{record.name} {problem}", f"Publish: {record.zone_line}")


def _record(lookup: Lookup, wanted: tuple[str, str, str], hint: str) -> Finding:
    check, name, start = wanted
    try:
        found = [text for text in lookup(name) if text.startswith(start)]
    except dns.LookupFailed as error:
        return Finding(check, Level.WARN, f"{name} can't be looked up ({error})", "Try again later.")
    if not found:
        return Finding(check, Level.WARN, f"{name} has no {start} record", hint)
    return Finding(check, Level.OK, f"{name}: {found[0]}")


def aligned(signing: str, visible: str) -> bool:
    """Whether one domain is the other or lies below it: DMARC's relaxed alignment (RFC 7489 section 3.1)."""
    one, other = f".{signing.lower()}", f".{visible.lower()}"
    return one.endswith(other) or other.endswith(one)


def holds_secrets(config: Path) -> bool:
    """Whether a readable settings file has a key in it that belongs in the secrets file."""
    values = tomllib.loads(config.read_text(encoding="utf-8"))
    relays = [values.get("smtp", {}), *values.get("relays", {}).values()]
    return (
        "secret_keys" in values
        or any(secret in {**relay, **relay.get("oauth2", {})} for relay in relays for secret in _SECRETS)
        or has_password(values.get("database_url", "sqlite:///"))
    )


def open_to_others(path: Path) -> bool:
    """Whether the file's mode lets anyone but its owner in."""
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def failure(check: str, error: MailerError) -> Finding:
    """An error as a finding."""
    return Finding(check, Level.FAIL, error.message.rstrip("."), error.hint)
