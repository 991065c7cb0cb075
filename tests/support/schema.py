"""The schema: the tables of all SQLModel classes, which are imported here."""

from __future__ import annotations

from importlib import import_module

from sqlmodel import SQLModel

from tests.support.installed import ROOT

for package in ("mailer", "subscribers", "campaigns"):
    for path in sorted((ROOT / package).rglob("*.py")):
        if "(SQLModel, table=True)" in path.read_text("utf-8"):
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))

SCHEMA = SQLModel.metadata
