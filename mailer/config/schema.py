"""The JSON schema of the settings, with which editors complete and check mailer.toml."""

from __future__ import annotations

from typing import Any

from mailer.config.settings import Settings

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_INTERNAL = ("folder", "file")  # set from where the file lies
_MAILBOX = {"type": "string", "description": 'A mailbox, such as "Acme <news@acme.example>".'}
_DURATION = {
    "type": "string",
    "pattern": r"^\s*[1-9]\d{0,5}\s*[smhd]\s*$",
    "description": 'Such as "90m", "6h" or "2d".',
}


def settings_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of mailer.toml and mailer.secrets.toml. It has no secret in it."""
    schema = Settings.model_json_schema()
    for name in _INTERNAL:
        del schema["properties"][name]
    schema["$defs"]["Mailbox"] = _MAILBOX
    return {"$schema": _DIALECT, **_as_written(schema), "title": "The settings of Release Mailer"}


def _as_written(node: Any) -> Any:
    """The schema of the values as TOML has them: durations as 6h; without defaults that only the program can write."""
    if isinstance(node, list):
        return [_as_written(one) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "duration":
        return _DURATION
    kept = {name: _as_written(value) for name, value in node.items()}
    is_plain = isinstance(node.get("default"), str | int | float | bool)
    if "default" in kept and (not is_plain or node.get("writeOnly") or "$ref" in node):
        del kept["default"]
    return kept
