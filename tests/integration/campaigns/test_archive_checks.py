"""What `mailer doctor` says about [archive], the theme and the send window in the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from campaigns.archive.checks import archive_findings
from cli import find_problems
from mailer.database import Database
from mailer.doctor import CheckLevel
from tests.support.campaign import TOPIC, settings_for
from tests.support.release_pages import Site

HTTPS = "https://example.com"


@pytest.mark.parametrize(
    ("archive", "found"),
    [
        ({}, []),
        ({"topics": (TOPIC, "named", "release-note")}, ["topics names 'release-note'"]),
        ({"enabled": False, "topics": ("release-note",)}, ["topics names 'release-note'"]),
        ({"hidden": ("2.4.0", "2.4.O")}, ["hidden names '2.4.O'"]),
        (
            {"topics": ("a", "b"), "hidden": ("c",)},
            ["topics names 'a'", "topics names 'b'", "hidden names 'c'"],
        ),
    ],
)
def test_names_that_nothing_has_are_found(
    sqlite_database: Database, tmp_path: Path, archive: dict[str, Any], found: list[str]
) -> None:
    topics = {"named": {"en": "Named"}}
    site = Site(sqlite_database, tmp_path, archive=archive, topics=topics)
    site.draft("2.4.0")
    with sqlite_database.read() as connection:
        findings = list(archive_findings(connection, site.settings))
    assert [one.message.partition(",")[0] for one in findings] == found
    assert all(one.level is CheckLevel.WARN and one.hint for one in findings)


@pytest.mark.parametrize(
    ("public_url", "enabled", "count"),
    [("http://127.0.0.1:8025", True, 1), ("http://127.0.0.1:8025", False, 0), (HTTPS, True, 0)],
)
def test_pages_that_only_this_machine_can_open_are_found(
    sqlite_database: Database, tmp_path: Path, public_url: str, enabled: bool, count: int
) -> None:
    site = Site(sqlite_database, tmp_path, archive={"enabled": enabled})
    site.draft("2.4.0")
    settings = site.settings.replace(public_url=public_url)
    found = [one for one in find_problems(settings, sqlite_database) if one.check == "archive"]
    assert len(found) == count
    assert all(public_url in one.message for one in found)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"theme": "letter", "send_window": "daily 08:00 to 18:00"}, []),
        ({"theme": "lettre"}, ["lettre"]),
        ({"send_window": "daily at noon"}, ["send_window: can't read the send window"]),
        ({"theme": "lettre", "send_window": "daily 08:00 to 18:00 Mars"}, ["lettre", "send_window: unknown zone"]),
    ],
)  # fmt: skip
def test_a_theme_and_a_window_that_can_not_be_used_are_found_before_they_are(
    sqlite_database: Database, changes: dict[str, str], told: list[str]
) -> None:
    found = [
        one for one in find_problems(settings_for(25, **changes), sqlite_database) if one.check == "settings"
    ]
    assert all(part in one.message for part, one in zip(told, found, strict=True))
