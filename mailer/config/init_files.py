"""The files that `mailer init` writes: mailer.toml, and the secrets file, which only its owner can read."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from mailer.config.files import Source, combine, read_settings_file
from mailer.config.secret_keys import fresh_key
from mailer.config.settings import SECRETS_NAME, Settings
from mailer.database.url import has_password
from mailer.errors import InvalidInput
from mailer.files import locked_folder, write_file
from mailer.message import Mailbox

_CONFIG = """\
# Settings of Release Mailer. Every key can also be set as a variable: MAILER_SENDER, MAILER_SMTP__HOST, ...
# Secrets belong in {secrets} beside this file, not here. `mailer doctor` checks both.

# What recipients see as From. DKIM, SPF and DMARC of its domain must allow the relay.
sender = {sender}
# reply_to = "Support <support@example.com>"

# Who gets `mailer campaigns proof`.
# proof_recipients = ["team@example.com"]

# Where `mailer serve` is reached from outside; unsubscribe links start with it. HTTPS, except on this machine.
public_url = {public_url}

# What people agree to receive, in which language, and the zone in which times without a zone are read.
topic = {topic}
locale = {locale}
zone = {zone}

# What people can choose on the unsubscribe page, with its titles; without these there is nothing to choose.
# topics.release-notes = {{ nl = "Nieuwe versies", en = "New versions" }}

# How people are addressed: "formal" (Geachte mevrouw De Vries, u; Dear Ms de Vries) or "informal" (Beste Zoë, je; Hi Zoë).
# form_of_address = "formal"

# How mails look: "letter", "product", "digest", or a theme of your own (`mailer themes list`). Without it "product",
# and "digest" for several versions in one mail.
# theme = "letter"

# How many people approve each campaign before it can be sent: false or 0, true or 1, or 2 different people. Two who
# share a login on this machine count as two where `approvers` has the names that they give with --as.
require_approval = false
# approvers = ["Ada", "Bram"]

# When mail may go out, and how long after its time a scheduled campaign may still begin.
# send_window = "weekdays 08:00 to 18:00 Europe/Amsterdam"
max_lateness = "6h"
{database_url}
[smtp]
# The relay that mail is handed to. security: "starttls", "tls", or "none" for a relay on this machine.
host = {host}
port = {port}
security = {security}
# username = "release-mailer"      # its password goes into the secrets file: [smtp] password = "..."
# [smtp.oauth2] has a token in place of a password, as Microsoft 365 and Google want it: docs/relays.md.
# ca_file = "relay-ca.pem"          # the authorities to trust, in place of the system's
connections = {connections}

# How fast, in any second, minute, hour or day, for all processes together. Several relays with weights are named
# in [relays.NAME] in place of [smtp]. Both are in docs/throttling.md.
# [smtp.limits]
# per_second = 50
# per_day = 200000
# warm_up = {{ start = 2026-12-01, first_day = 500, growth = 2.0, days = 10 }}

# What one provider of recipients gets at most; gmail, microsoft, yahoo, apple and others are known by name.
# [providers.gmail]
# per_second = 20
# connections = 5

[brand]
# How mails and pages present you. `name` is the name of your product or organisation.
name = {name}
colour = {colour}
# website = "https://example.com"
# privacy_url = "https://example.com/privacy"
# postal_address = "Example Ltd, 1 Example Street, Amsterdam"
# support_email = "support@example.com"
# logo = "logo.png"
# logo_dark = "logo-dark.png"         # for dark screens
# background = "#f2f4f7"              # behind the mail; radius = 12 and font = "Georgia, serif" replace the theme's, too
# footer = "Chamber of commerce 12345678"

[retention]
# How long each kind of data is kept; docs/privacy.md has the list.
# after_leaving = "30d"
# deliveries = "396d"

[privacy]
# What the privacy notice at /privacy says. docs/operate.md says how to name the companies that process data, and the
# controllers, who are told of a breach.
# contact = "Robin Smit <privacy@example.com>"
"""

_SECRETS = """\
# Secrets of Release Mailer. Keep a copy in a safe place: without these keys old unsubscribe links stop working.
# Oldest first; the last one signs. `mailer keys rotate` adds one.
secret_keys = [
  {key},
]
{database_url}"""


@dataclass(frozen=True, slots=True)
class InitOptions:
    """The options of `mailer init`. None means the default."""

    sender: str | None = None
    public_url: str | None = None
    database_url: str | None = None

    def sources(self) -> list[Source]:
        """The settings that the given options are, each with the name of its option."""
        values = {"sender": self.sender, "public_url": self.public_url, "database_url": self.database_url}
        return [
            Source(f"--{name.replace('_', '-')}", {name: value})
            for name, value in values.items()
            if value is not None
        ]


def write_files(config: Path, options: InitOptions) -> list[Path]:
    """Write the settings file and the secrets file, each only if it does not exist; returns the written files.

    An unfinished file is replaced. A database URL with a password goes to the secrets file. Raises
    ConfigurationError for an invalid option, before anything is written.
    """
    secret = options.database_url is not None and has_password(options.database_url)
    made = []
    for path, text, mode in (
        (config, config_text(options, with_database=not secret), 0o644),
        (config.with_name(SECRETS_NAME), secrets_text(options, with_database=secret), 0o600),
    ):
        combine([Source(str(path), tomllib.loads(text)), *options.sources()], path)
        with locked_folder(path):
            if not path.exists() or is_unfinished(path):
                write_file(path, text.encode(), mode)
                made.append(path)
    return made


def is_unfinished(path: Path) -> bool:
    """Whether a settings or secrets file has no setting because `mailer init` was interrupted while writing it.

    Such a file is empty or ends within the text before the first setting.
    """
    try:
        begun = read_settings_file(path).strip()
    except (OSError, UnicodeDecodeError, InvalidInput):
        return False  # `load_settings` reports the error
    starts = (_CONFIG.partition("{sender}")[0].format(secrets=SECRETS_NAME), _SECRETS.partition("{key}")[0])
    return any(start.startswith(begun) for start in starts)


def config_text(options: InitOptions, *, with_database: bool = True) -> str:
    """The text of a commented settings file with these options and the defaults."""
    default = Settings()
    return _CONFIG.format(
        secrets=SECRETS_NAME,
        sender=_toml(options.sender or str(default.sender)),
        public_url=_toml(options.public_url or default.public_url),
        topic=_toml(default.topic),
        locale=_toml(default.locale),
        zone=_toml(default.zone),
        host=_toml(default.smtp.host),
        port=default.smtp.port,
        security=_toml(default.smtp.security),
        connections=default.smtp.connections,
        name=_toml(_sender_name(options.sender) or default.brand.name),
        colour=_toml(default.brand.colour),
        database_url=_database_line(options) if with_database else "",
    )


def secrets_text(options: InitOptions, *, with_database: bool = False) -> str:
    """The text of a secrets file with one new key."""
    return _SECRETS.format(
        key=_toml(fresh_key()),
        database_url=_database_line(options) if with_database else "",
    )


def _database_line(options: InitOptions) -> str:
    default = Settings().database_url.reveal()
    return f"\n# A SQLite file, or postgresql://user@host/database for many hosts.\ndatabase_url = {_toml(options.database_url or default)}\n"


def _sender_name(sender: str | None) -> str:
    try:
        return Mailbox.parse(sender or "").name
    except InvalidInput:
        return ""  # `combine` refuses such a sender, with the setting's name


def _toml(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
