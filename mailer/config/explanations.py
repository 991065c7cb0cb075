"""Say in plain words which settings are wrong, and what they must be."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import inspect, structs

from mailer.config.reading import (
    UNREADABLE,
    Table,
    convert,
    item_in,
    kinds_of,
    read_text,
    read_texts,
    section_in,
)
from mailer.config.settings import NOT_SETTINGS, Settings
from mailer.config.value_types import A_DURATION, A_MAILBOX
from mailer.config.variables import CONFIG_VARIABLE, PREFIX
from mailer.settings_section import SettingsSection, WrongSettings

if TYPE_CHECKING:
    from mailer.config.files import Source

Location: TypeAlias = tuple[str, ...]
Problem: TypeAlias = tuple[Location, str]

# How alike two names are, from 0 to 1 (difflib).
_MISSPELT = 0.75
_RELATED = 0.6

_MUST_BE: Mapping[type[inspect.Type], str] = {
    inspect.BoolType: "must be true or false",
    inspect.StrType: "must be text, in quotes",
    inspect.DateType: "must be a date, such as 2026-12-01",
    inspect.TimeDeltaType: A_DURATION,
    inspect.VarTupleType: 'must be a list, such as ["one", "two"]',
    inspect.NamedTupleType: A_MAILBOX,
    inspect.DictType: "must be a section",
    inspect.StructType: "must be a section",
}


def explain(values: Mapping[str, Any], sources: Sequence[Source], unknown: Sequence[str]) -> str:
    """A line for each wrong setting, below the name of the source that it comes from, and for each of the `unknown`
    variables; empty where nothing is wrong.

    No line has a value: it may be a secret in the wrong place.
    """
    by_origin: dict[str, list[str]] = {}
    for location, reason in _in_section(values, Settings, ()):
        by_origin.setdefault(origin(location, sources), []).append(f"  {'.'.join(location)}: {reason}")
    if unknown:
        by_origin["the environment"] = [f"  {name}: {_of_unknown_variable(name)}" for name in unknown]
    return "\n".join(
        line for name, lines in by_origin.items() for line in (f"Invalid settings in {name}:", *lines)
    )


def origin(location: Location, sources: Sequence[Source]) -> str:
    """Which of `sources` the value at `location` comes from. Of a missing value it is the section's, and several sources
    may have a part of a section.
    """
    deepest, names = 0, list[str]()
    for source in reversed(sources):
        depth, value = _follow(source.values, location)
        if depth > deepest:
            deepest, names = depth, []
        if depth == deepest > 0:
            names.insert(0, source.name)
        if depth and not isinstance(value, Mapping):
            break  # it replaces what the sources before it have there
    return ", ".join(names)


def _follow(values: Mapping[str, Any], location: Location) -> tuple[int, Any]:
    """How many keys of `location` there are in `values`, and the value at the last of them."""
    value: Any = values
    for depth, key in enumerate(location):
        if not isinstance(value, Mapping) or key not in value:
            return depth, value
        value = value[key]
    return len(location), value


def _in_section(values: Any, section: type[SettingsSection], at: Location) -> Iterator[Problem]:
    if not isinstance(values, Mapping):
        yield at, _must_be_section(at)
        return
    problems: list[Problem] = []
    settable = _settable(section)
    for field in (field for field in structs.fields(section) if field.name in settable):
        if field.name in values:
            problems += _in_field(values[field.name], field, section, at)
        elif field.required:
            problems.append(((*at, field.name), "is missing"))
    unknown = [name for name in values if name not in settable]
    problems += [((*at, name), _of_unknown(name, section)) for name in unknown]
    yield from problems or _between(values, section, at)


def _in_field(
    value: Any, field: structs.FieldInfo, section: type[SettingsSection], at: Location
) -> Iterator[Problem]:
    problems = list(_in_value(value, field.type, (*at, field.name)))
    yield from problems
    if not problems and (check := section.checks.get(field.name)) is not None:
        yield from _in_checked(convert(read_texts(value, field.type), field.type), check, (*at, field.name))


def _in_checked(value: Any, check: Callable[[Any], Any], at: Location) -> Iterator[Problem]:
    try:
        check(value)
    except WrongSettings as error:
        yield from (((*at, number), reason) for number, reason in error.reasons.items())
    except ValueError as error:
        yield at, str(error)


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
        yield at, _must_be_section((*at, "NAME"))
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
    """What is wrong with a section whose settings are each right."""
    try:
        convert(read_texts(values, section), section)
    except UNREADABLE as error:
        yield at, str(error.__cause__)


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


def _must_be_section(at: Location) -> str:
    variable = "__".join(("MAILER", *at)).upper().replace("__", "_", 1)
    return f"must be a section, [{'.'.join(at)}]; a variable sets one key of it, {variable}__KEY"


def _of_unknown(name: str, section: type[SettingsSection]) -> str:
    """That there is no such setting, and which one was probably meant."""
    if close := difflib.get_close_matches(name.lower(), _settable(section), n=1):
        return f"there is no such setting; did you mean `{close[0]}`?"
    if section is not Settings and name in _settable(Settings):
        return f"there is no such setting; `{name}` stands above the first [section]"
    return "there is no such setting; `mailer schema settings` prints all that there are"


def _of_unknown_variable(variable: str) -> str:
    """That no setting has this name, and which one was probably meant."""
    if meant := _meant(variable.upper().removeprefix(PREFIX)):
        return f"there is no such setting; did you mean {PREFIX}{meant}?"
    return (
        "there is no such setting; `mailer schema settings` prints all that there are. "
        f"Unset a variable of another program: env -u {variable} mailer ..."
    )


def _meant(name: str) -> str | None:
    """The setting's variable that `name` probably stands for; both without the prefix."""
    first, *more = name.split("__")
    row = more[0] if more[1:] else "NAME"
    names = [*_variables(Settings, (), row), CONFIG_VARIABLE.removeprefix(PREFIX)]
    if close := difflib.get_close_matches(name, names, n=1, cutoff=_MISSPELT):
        return close[0]
    sections = {each.partition("__")[0]: each for each in names}
    if close := difflib.get_close_matches(first, sections, n=1, cutoff=_MISSPELT):
        return close[0] if sections[close[0]] == close[0] else f"{close[0]}__KEY"
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=_RELATED)), None)


def _variables(section: type[SettingsSection], at: Location, row: str) -> Iterator[str]:
    """The variables of all settings, without the prefix; `row` stands for the name of a section of the user's."""
    kinds = kinds_of(section)
    for name in _settable(section):
        place, inner = (*at, name.upper()), section_in(kinds[name])
        if inner is None:
            yield "__".join(place)
        elif isinstance(inner, Table):
            yield from _variables(inner.rows, (*place, row), row)
        else:
            yield from _variables(inner, place, row)


def _settable(section: type[SettingsSection]) -> list[str]:
    """The names of a section's settings."""
    names = section.__struct_fields__
    return [name for name in names if name not in NOT_SETTINGS] if section is Settings else list(names)
