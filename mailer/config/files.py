"""Read the settings file and its secrets file, and combine them with the MAILER_* variables."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mailer.config.reading import UNREADABLE, read_section
from mailer.config.settings import CONFIG_NAME, NOT_SETTINGS, SECRETS_NAME, Settings
from mailer.config.variables import CONFIG_VARIABLE, read_variables
from mailer.errors import ConfigurationError, InvalidInput
from mailer.files import not_utf_8, read_file
from mailer.settings_section import SettingsSection

LARGEST_SETTINGS = 1_000_000  # bytes
AnySettingsSection = TypeVar("AnySettingsSection", bound=SettingsSection)


class Source(NamedTuple):
    """Where values come from: a file, a variable, or an option of a command. `name` is as errors show it."""

    name: str
    values: dict[str, Any]


def new_config_path(config: Path | None = None) -> Path:
    """The settings file that `mailer init` creates: `config`, MAILER_CONFIG, or mailer.toml in the working directory.

    Raises ConfigurationError where `config` names no file.
    """
    path = config or Path(os.environ.get(CONFIG_VARIABLE) or CONFIG_NAME)
    if not path.name:
        raise ConfigurationError(
            "The settings file has an empty name.",
            hint="Name it, as in --config mailer.toml, or leave it out.",
        )
    return path


def config_path(config: Path | None = None) -> Path:
    """The settings file: `config`, MAILER_CONFIG, or mailer.toml in the working directory or the nearest folder above.

    In the folders above, only a file of the same user or of root counts. Otherwise another user could write a
    mailer.toml that takes effect here. Without such a file the result is mailer.toml in the working directory.
    """
    if config or os.environ.get(CONFIG_VARIABLE) or Path(CONFIG_NAME).exists():
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
    names the file or variable and the key, never a value.
    """
    path = config_path(config)
    if path != Path(CONFIG_NAME) and not path.exists():
        raise ConfigurationError(f"{path} does not exist.", hint="Run `mailer init` to make one.")
    return combine((Source(str(each), _read(each)) for each in (path, path.with_name(SECRETS_NAME))), path)


def parse_settings(values: dict[str, Any], path: Path) -> Settings:
    """The settings from `values`, which were read from `path`, and from the environment.

    Raises ConfigurationError like `load_settings`.
    """
    return combine([Source(str(path), values)], path)


def combine(sources: Iterable[Source], path: Path) -> Settings:
    """The settings of the file `path` from `sources`, of which later ones win, and from the environment, which wins
    over all. All paths become absolute. Raises ConfigurationError like `load_settings`.
    """
    folder = path.parent.absolute()
    variables, unknown = read_variables()
    every = [*sources, *(Source(*variable) for variable in variables)]
    values: dict[str, Any] = {}
    for source in every:
        values = _merged(values, source.values)
    try:
        settings = read_section(values, Settings)
        is_refused = not NOT_SETTINGS.isdisjoint(values)
    except UNREADABLE:
        is_refused = True
    if unknown or is_refused or ("smtp" in values and settings.relays):
        raise _refusal(values, every, unknown)
    return _with_absolute_paths(settings, folder).replace(folder=folder, file=folder / path.name)


def _refusal(values: dict[str, Any], sources: Sequence[Source], unknown: Sequence[str]) -> ConfigurationError:
    """The error that says what is wrong with `values`, which of the `sources` they come from, and which variables are no
    settings.
    """
    from mailer.config.explanations import explain, origin  # noqa: PLC0415 - mostly nothing is wrong

    if reasons := explain(values, sources, unknown):
        return ConfigurationError(reasons)
    single, several = origin(("smtp",), sources), origin(("relays",), sources)
    return ConfigurationError(
        f"[smtp] is set in {single}, and [relays] in {several}.",
        hint="Name one relay in [smtp], or all of them in [relays].",
    )


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
    except UnicodeDecodeError as error:
        raise not_utf_8(error, path, ConfigurationError) from None
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
