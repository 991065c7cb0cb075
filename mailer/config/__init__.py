"""Settings and the files beside them.

`settings` reads mailer.toml, the secrets file and MAILER_* variables. `init_files` writes the first ones. `secret_keys`
rotates the keys in the secrets file, `dkim_keys` reads and writes DKIM's private key files; import these by name.
"""

from __future__ import annotations

from mailer.config.settings import (
    CONFIG_NAME,
    SECRETS_NAME,
    SHORTEST_SECRET,
    TOPIC_PATTERN,
    BrandSettings,
    DkimSettings,
    NamedRelay,
    RelaySettings,
    RetrySettings,
    Settings,
    TimeoutSettings,
    config_path,
    duration,
    load_settings,
    parse_settings,
)

__all__ = [
    "CONFIG_NAME",
    "SECRETS_NAME",
    "SHORTEST_SECRET",
    "TOPIC_PATTERN",
    "BrandSettings",
    "DkimSettings",
    "NamedRelay",
    "RelaySettings",
    "RetrySettings",
    "Settings",
    "TimeoutSettings",
    "config_path",
    "duration",
    "load_settings",
    "parse_settings",
]
