"""Say in plain words which settings are wrong, and what they must be."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from msgspec import inspect, structs

from mailer.config.reading import (
    UNREADABLE,
    Table,
    convert,
    item_in,
    read_text,
    read_texts,
    section_in,
)
from mailer.config.settings import Settings
from mailer.config.value_types import A_MAILBOX
from mailer.settings_section import SettingsSection, WrongSettings

Location: TypeAlias = tuple[str, ...]
Problem: TypeAlias = tuple[Location, str]

_MUST_BE: Mapping[type[inspect.Type], str] = {
    inspect.BoolType: "must be true or false",
    inspect.StrType: "must be text, in quotes",
    inspect.DateType: "must be a date, such as 2026-12-01",
    inspect.TimeDeltaType: 'must be a duration, such as "90m", "6h" or "2d"',
    inspect.VarTupleType: 'must be a list, such as ["one", "two"]',
    inspect.NamedTupleType: A_MAILBOX,
    inspect.DictType: "must be a section",
    inspect.StructType: "must be a section",
}


def explain(values: Mapping[str, Any], source: str) -> str:
    """A line for each wrong setting of `source`. It has no value of a setting that may be secret."""
    lines = [f"Invalid settings in {source} (or in MAILER_* variables):"]
    lines += [f"  {'.'.join(location)}: {reason}" for location, reason in _in_section(values, Settings, ())]
    return "\n".join(lines)


def _in_section(values: Any, section: type[SettingsSection], at: Location) -> Iterator[Problem]:
    if not isinstance(values, Mapping):
        yield at, "must be a section"
        return
    problems: list[Problem] = []
    for field in structs.fields(section):
        if field.name in values:
            problems += _in_value(values[field.name], field.type, (*at, field.name))
        elif field.required:
            problems.append(((*at, field.name), "is missing"))
    unknown = [name for name in values if name not in section.__struct_fields__]
    problems += [((*at, name), _of_unknown(name, section)) for name in unknown]
    yield from problems or _between(values, section, at)


def _in_value(value: Any, kind: Any, at: Location) -> Iterator[Problem]:
    within = section_in(kind)
    if isinstance(within, Table):
        yield from _in_table(value, within, at)
    elif within is not None and value is not None:
        yield from _in_section(value, within, at)
    else:
        yield from _in_list_or_single(value, kind, at)


def _in_table(value: Any, table: Table, at: Location) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield at, "must be a section"
        return
    for name, row in value.items():
        yield from _in_single(name, table.name, (*at, name))
        yield from _in_section(row, table.rows, (*at, name))


def _in_list_or_single(value: Any, kind: Any, at: Location) -> Iterator[Problem]:
    try:
        read = read_text(value, kind)
    except ValueError as error:
        yield at, str(error)
        return
    item = item_in(kind)
    if item is None or not isinstance(read, list | tuple):
        yield from _in_single(read, kind, at)
        return
    for number, one in enumerate(read):
        yield from _in_value(one, item, (*at, str(number)))


def _in_single(value: Any, kind: Any, at: Location) -> Iterator[Problem]:
    try:
        convert(value, kind)
    except UNREADABLE as error:
        own = error.__cause__
        yield at, str(own) if isinstance(own, ValueError) else _reason(inspect.type_info(kind), value)


def _between(values: Mapping[str, Any], section: type[SettingsSection], at: Location) -> Iterator[Problem]:
    """What is wrong with a section whose settings each have the right type."""
    try:
        convert(read_texts(values, section), section)
    except UNREADABLE as error:
        match error.__cause__:
            case WrongSettings(reasons=reasons):
                yield from (((*at, name), reason) for name, reason in reasons.items())
            case cause:
                yield at, str(cause)


def _reason(kind: inspect.Type, value: object) -> str:
    """What a value of this type must be."""
    match kind:
        case inspect.Metadata(type=inner, extra=extra):
            has_form = isinstance(value, str) or isinstance(inner, inspect.UnionType)
            return str(extra["reason"]) if extra and has_form else _reason(inner, value)
        case inspect.UnionType(types=types):
            return next(_reason(one, value) for one in types if not isinstance(one, inspect.NoneType))
        case inspect.LiteralType(values=values):
            *others, last = map(repr, values)
            return f"must be {', '.join(others)} or {last}"
        case inspect.VarTupleType(item_type=inspect.StructType()):
            return "must be a list of sections, each with its name in two brackets, [[name]]; in a variable, JSON"
        case inspect.IntType() | inspect.FloatType():
            return f"must be {_number(kind)}"
        case _:
            return _MUST_BE[type(kind)]


def _number(kind: inspect.IntType | inspect.FloatType) -> str:
    name = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
    if kind.ge is not None:
        return f"{name} from {kind.ge} to {kind.le}"
    return f"{name} above {kind.gt}" if kind.le is None else f"{name} above {kind.gt}, at most {kind.le}"


def _of_unknown(name: str, section: type[SettingsSection]) -> str:
    """That there is no such setting, and which one was probably meant."""
    if close := difflib.get_close_matches(name.lower(), section.__struct_fields__, n=1):
        return f"there is no such setting; did you mean `{close[0]}`?"
    if section is not Settings and name in Settings.__struct_fields__:
        return f"there is no such setting; `{name}` stands above the first [section]"
    return "there is no such setting"
