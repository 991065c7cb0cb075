"""Settings and the files beside them.

`settings` declares the settings, `value_types` their types. `files` reads mailer.toml and the secrets file, `variables`
the MAILER_* variables; `reading` turns their values into settings. `explanations` says in plain words what is wrong
with them. `init_files` writes the first mailer.toml and secrets file. `secret_keys` rotates the keys in the secrets
file. `dkim_keys` reads and writes the files of DKIM's private keys. `ledger_key` reads and writes the key that signs the
consent ledger. `trusted_proxies` says which peers are proxies. Import the last five modules by name.
"""

from __future__ import annotations

from mailer.config.brand_settings import BrandSettings
from mailer.config.files import config_path, load_settings, new_config_path, parse_settings
from mailer.config.key_ring import FixedKeys, KeyRing, KeySource, key_ring, key_source
from mailer.config.relay_settings import NamedRelay, OAuth2Settings, RelaySettings, TimeoutSettings
from mailer.config.settings import (
    CONFIG_NAME,
    SECRETS_NAME,
    DkimSettings,
    RetrySettings,
    ServeSettings,
    Settings,
    TopicSettings,
)
from mailer.config.value_types import TOPIC_PATTERN, Secret, duration, url_parts

__all__ = [
    "CONFIG_NAME",
    "SECRETS_NAME",
    "TOPIC_PATTERN",
    "BrandSettings",
    "DkimSettings",
    "FixedKeys",
    "KeyRing",
    "KeySource",
    "NamedRelay",
    "OAuth2Settings",
    "RelaySettings",
    "RetrySettings",
    "Secret",
    "ServeSettings",
    "Settings",
    "TimeoutSettings",
    "TopicSettings",
    "config_path",
    "duration",
    "key_ring",
    "key_source",
    "load_settings",
    "new_config_path",
    "parse_settings",
    "url_parts",
]
