"""Turn the values of TOML files and variables into sections of settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from types import NoneType
from typing import Any, NamedTuple, TypeVar, get_args, get_origin

import msgspec

from mailer.config.value_types import (
    BETWEEN_COMMAS,
    BOOLEANS,
    ApprovalCount,
    convert_custom,
    count_approvals,
    duration,
    mailbox,
)
from mailer.message import Mailbox
from mailer.settings_section import SettingsSection

UNREADABLE = (ValueError, msgspec.ValidationError)

AnySection = TypeVar("AnySection", bound=SettingsSection)
AnyValue = TypeVar("AnyValue")


class Table(NamedTuple):
    """Sections with names of the user's, such as [relays.NAME]."""

    name: Any
    rows: type[SettingsSection]


def read_section(values: Mapping[str, Any], kind: type[AnySection]) -> AnySection:
    """The section of type `kind` with these values. Raises one of UNREADABLE; `explanations` says what is wrong."""
    return convert(read_texts(values, kind), kind)


def convert(value: Any, kind: type[AnyValue]) -> AnyValue:
    """`value` as one of type `kind`. Raises one of UNREADABLE."""
    return msgspec.convert(value, kind, dec_hook=convert_custom)


def read_texts(value: Any, kind: Any) -> Any:
    """`value` with each text in it read in the form that its setting has. Raises ValueError."""
    if isinstance(value, Mapping) and (within := section_in(kind)) is not None:
        if isinstance(within, Table):
            return {name: read_texts(row, within.rows) for name, row in value.items()}
        kinds = kinds_of(within)
        return {name: read_texts(one, kinds.get(name)) for name, one in value.items()}
    value = read_text(value, kind)
    if isinstance(value, list | tuple) and (item := item_in(kind)) is not None:
        return [read_texts(one, item) for one in value]
    return value


def read_text(value: Any, kind: Any) -> Any:
    """`value`, read as settings of type `kind` are written if it is a text. Raises ValueError.

    A variable is a text. In TOML a duration is one, and a list may be; 0 and 1 may stand for false and true.
    """
    plain = _plain(kind)
    if kind is ApprovalCount:
        return count_approvals(value)
    if plain is bool:
        return BOOLEANS.get(str(value).strip().lower(), value)
    if plain is Mailbox and value is not None:
        return mailbox(value)
    return _read_as(value, plain, kind) if isinstance(value, str) else value


def kinds_of(section: type[SettingsSection]) -> dict[str, Any]:
    """The types of a section's settings, by name. For a whole start msgspec's `structs.fields` takes 0.3 ms longer."""
    kinds: dict[str, Any] = {}
    for parent in reversed(section.__mro__):
        kinds |= getattr(parent, "__annotations__", {})
    return kinds


def section_in(kind: Any) -> type[SettingsSection] | Table | None:
    """The section, or the table of sections, that a type holds; None where it holds neither."""
    kind = _without_none(kind)
    if isinstance(kind, type) and issubclass(kind, SettingsSection):
        return kind
    if get_origin(kind) is dict and (rows := section_in(get_args(kind)[1])) is not None:
        assert not isinstance(rows, Table)  # noqa: S101 - there is no table of tables
        return Table(get_args(kind)[0], rows)
    return None


def item_in(kind: Any) -> Any:
    """The type of the items of a list; None where `kind` is no list."""
    kind = _plain(kind)
    return get_args(kind)[0] if get_origin(kind) is tuple else None


def _read_as(text: str, plain: Any, kind: Any) -> object:
    """`text` as one of type `kind`, without its marks `plain`. What is not read here, msgspec reads or refuses."""
    if plain is timedelta:
        return duration(text)
    if plain in (int, float):
        return _number(text, plain)
    if get_origin(plain) is not tuple:
        return text
    if section_in(get_args(plain)[0]):
        return _json_list(text)
    return _between_commas(text) if BETWEEN_COMMAS in getattr(kind, "__metadata__", ()) else _words(text)


def _number(text: str, kind: type[int | float]) -> object:
    try:
        return kind(text)
    except ValueError:
        return text


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _between_commas(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _json_list(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"must be a list of sections, as JSON in a variable ({error})") from None


def _plain(kind: Any) -> Any:
    """A type without its marks, and without None."""
    kind = _without_none(kind)
    return getattr(kind, "__origin__", kind) if hasattr(kind, "__metadata__") else kind


def _without_none(kind: Any) -> Any:
    others = [one for one in get_args(kind) if one is not NoneType]
    return others[0] if NoneType in get_args(kind) and len(others) == 1 else kind
