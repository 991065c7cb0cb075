"""Say in plain words which settings are wrong, and what they must be."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from mailer.config.settings import Settings

# The reasons by pydantic's types of errors, filled in from their contexts. Others keep pydantic's message.
_REASONS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "missing": "is missing",
    "string_pattern_mismatch": "can't be a name; use a-z, 0-9, dashes and underscores, and begin with a letter or digit",
    "string_type": "must be text, in quotes",
    "path_type": "must be the path of a file, in quotes",
    "tuple_type": 'must be a list, such as ["one", "two"]',
    "dict_type": "must be a section",
    "model_type": "must be a section",
}


@dataclass(frozen=True, slots=True)
class _Table:
    """Sections with names of the user's, such as [relays.NAME]."""

    rows: type[BaseModel]


_Section = type[BaseModel] | _Table


def explain(error: ValidationError, source: str) -> str:
    """A line for each wrong setting of `source`. It has no value, which may be secret."""
    lines = [f"Invalid settings in {source} (or in MAILER_* variables):"]
    for problem in error.errors(include_input=False, include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            reason = _of_unknown([str(part) for part in problem["loc"]])
        else:
            reason = _of_wrong(problem["type"], problem.get("ctx", {}), problem["msg"])
        lines.append(f"  {key}: {reason}")
    return "\n".join(lines)


def _of_wrong(kind: str, context: Mapping[str, Any], message: str) -> str:
    form = _REASONS.get(kind)
    return form.format(**context) if form else message.removeprefix("Value error, ")


def _of_unknown(location: Sequence[str]) -> str:
    """That there is no such setting, and which one was probably meant."""
    *section, name = location
    known = _names_in(section)
    if close := difflib.get_close_matches(name.lower(), known, n=1):
        return f"there is no such setting; did you mean `{close[0]}`?"
    if section and name in Settings.model_fields:
        return f"there is no such setting; `{name}` stands above the first [section]"
    return "there is no such setting"


def _names_in(section: Sequence[str]) -> list[str]:
    """The settings of a section, such as those of ["smtp", "limits"]. Empty where there is no such section."""
    found: _Section | None = Settings
    for name in section:
        if isinstance(found, _Table):
            found = found.rows
        elif found is not None:
            field = found.model_fields.get(name)
            found = _section_in(field.annotation) if field else None
    return [] if found is None or isinstance(found, _Table) else list(found.model_fields)


def _section_in(annotation: Any) -> _Section | None:
    """The section, or the table of sections, that a type holds; None where it holds neither."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) is dict:
        return _Table(get_args(annotation)[1])
    return next((found for part in get_args(annotation) if (found := _section_in(part))), None)
