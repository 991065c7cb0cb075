"""The JSON schema of the settings, with which editors complete and check mailer.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from mailer.config.settings import NOT_SETTINGS, Settings
from mailer.config.value_types import Secret

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MAILBOX = {"type": "string", "description": 'A mailbox, such as "Acme <news@acme.example>".'}

# What stands in TOML for the types with these formats.
_WRITTEN: dict[str, dict[str, Any]] = {
    "duration": {
        "type": "string",
        "pattern": r"^\s*[1-9]\d{0,5}\s*[smhd]\s*$",
        "description": 'Such as "90m", "6h" or "2d".',
    },
    "mailbox": {"$ref": "#/$defs/Mailbox"},
    "approvals": {"enum": [False, True, 0, 1, 2], "default": 0},
}


def settings_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of mailer.toml and mailer.secrets.toml. It has no secret in it."""
    _, definitions = msgspec.json.schema_components(
        [Settings], schema_hook=_of_custom, ref_template="#/$defs/{name}"
    )
    schema = definitions.pop("Settings")
    for name in NOT_SETTINGS:
        del schema["properties"][name]
    schema |= {"$defs": definitions | {"Mailbox": _MAILBOX}, "title": "The settings of Release Mailer"}
    return {"$schema": _DIALECT, **_as_written(schema)}


def _of_custom(kind: type[Any]) -> dict[str, Any]:
    schemas: dict[type[Any], dict[str, Any]] = {
        Path: {"type": "string", "format": "path"},
        Secret: {"type": "string", "format": "password", "writeOnly": True},
    }
    return schemas[kind]


def _as_written(node: Any) -> Any:
    """The schema of the values as TOML has them: durations as 6h; without defaults that TOML does not have."""
    if isinstance(node, list):
        return [_as_written(one) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") in _WRITTEN:
        return _WRITTEN[node["format"]]
    kept = {name: _as_written(value) for name, value in node.items()}
    # TOML has no null, and empty lists say nothing.
    if not isinstance(kept.get("default"), str | int | float):
        kept.pop("default", None)
    return kept
