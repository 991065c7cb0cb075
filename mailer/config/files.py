"""Read the settings file, its secrets file and the MAILER_* variables."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from mailer.config.reading import UNREADABLE, read_section
from mailer.config.settings import CONFIG_NAME, SECRETS_NAME, Settings
from mailer.errors import ConfigurationError, InvalidInput
from mailer.files import read_file
from mailer.settings_section import SettingsSection

LARGEST_SETTINGS = 1_000_000  # bytes
AnySettingsSection = TypeVar("AnySettingsSection", bound=SettingsSection)


def new_config_path(config: Path | None = None) -> Path:
    """The settings file that `mailer init` creates: `config`, MAILER_CONFIG, or mailer.toml in the working directory."""
    return config or Path(os.environ.get("MAILER_CONFIG") or CONFIG_NAME)


def config_path(config: Path | None = None) -> Path:
    """The settings file: `config`, MAILER_CONFIG, or mailer.toml in the working directory or the nearest folder above.

    In the folders above, only a file of the same user or of root counts. Otherwise another user could write a
    mailer.toml that takes effect here. Without such a file the result is mailer.toml in the working directory.
    """
    if config or os.environ.get("MAILER_CONFIG") or Path(CONFIG_NAME).exists():
        return new_config_path(config)
    above = (folder / CONFIG_NAME for folder in Path.cwd().parents)
    return next((path for path in above if _is_ours(path)), Path(CONFIG_NAME))


def _is_ours(path: Path) -> bool:
    try:
        return path.stat().st_uid in {0, os.geteuid()}
    except OSError:
        return False


def load_settings(config: Path | None = None) -> Settings:
    """Read the settings from `config`, its secrets file and the environment.

    Without `config` it reads the file that `config_path` finds, if it exists. Raises ConfigurationError. The message
    names the file and the key, never the value of a secret.
    """
    path = config_path(config)
    if path != Path(CONFIG_NAME) and not path.exists():
        raise ConfigurationError(f"{path} does not exist.", hint="Run `mailer init` to make one.")
    return parse_settings(_merged(_read(path), _read(path.with_name(SECRETS_NAME))), path)


def parse_settings(values: dict[str, Any], path: Path, source: str | None = None) -> Settings:
    """The settings from `values`, which were read from `path`, and from the environment. All paths become absolute.

    Errors name the `source` of the values, if it is not the file. Raises ConfigurationError like `load_settings`.
    """
    folder = path.parent.absolute()
    values = _merged(values, _variables())
    try:
        settings = read_section(values, Settings)
    except UNREADABLE:
        from mailer.config.explanations import explain  # noqa: PLC0415 - mostly nothing is wrong

        raise ConfigurationError(explain(values, source or str(path))) from None
    if "smtp" in values and settings.relays:
        raise ConfigurationError(
            f"[smtp] and [relays] are both set in {source or path} (or in MAILER_* variables).",
            hint="Name one relay in [smtp], or all of them in [relays].",
        )
    return _with_absolute_paths(settings, folder).replace(folder=folder, file=folder / path.name)


def _variables() -> dict[str, Any]:
    """The values of the MAILER_* variables, by key and section. Those that name no setting are left out.

    Raises ConfigurationError for bytes that are no text.
    """
    values: dict[str, Any] = {}
    for variable, text in os.environ.items():
        prefix, _, name = variable.lower().partition("_")
        first, *more = name.split("__")
        if prefix == "mailer" and first in Settings.__struct_fields__:
            if not _is_unicode(text):
                raise ConfigurationError(f"The variable {variable} is not valid UTF-8.")
            value: Any = text
            for key in reversed(more):
                value = {key: value}
            values = _merged(values, {first: value})
    return values


def _is_unicode(text: str) -> bool:
    """False for the bytes of a variable that are not UTF-8; Python keeps them as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """The keys of both. Sections are merged key by key; the value in `over` wins."""
    return under | {
        key: _merged(under[key], value)
        if isinstance(value, dict) and isinstance(under.get(key), dict)
        else value
        for key, value in over.items()
    }


def _read(path: Path) -> dict[str, Any]:
    """The values in a TOML file, with or without a byte order mark; empty where the file does not exist."""
    try:
        return tomllib.loads(read_settings_file(path))
    except FileNotFoundError:
        return {}
    except InvalidInput as error:
        raise ConfigurationError(f"{path} {error.reason}.") from None
    except (ValueError, RecursionError) as error:  # also for a number or an array without an end
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}.") from None


def read_settings_file(path: Path) -> str:
    """The text of a settings or secrets file. Raises OSError, UnicodeDecodeError, InvalidInput as `read_file` does."""
    return read_file(path, LARGEST_SETTINGS).decode("utf-8-sig")


def _with_absolute_paths(section: AnySettingsSection, folder: Path) -> AnySettingsSection:
    updates: dict[str, object] = {}
    for name in section.__struct_fields__:
        match value := getattr(section, name):
            case Path():
                updates[name] = folder / value
            case SettingsSection():
                updates[name] = _with_absolute_paths(value, folder)
            case dict():
                updates[name] = {key: _with_absolute_paths(one, folder) for key, one in value.items()}
    return section.replace(**updates) if updates else section
