"""Libraries whose inner workings we rely on are held to the releases that were tested."""

from __future__ import annotations

import re
from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]


def test_aiosmtplib_has_an_upper_bound_and_the_installed_release_is_below_it() -> None:
    declared = [Requirement(line) for line in requires("release-mailer") or []]
    (requirement,) = [one for one in declared if one.name == "aiosmtplib"]
    assert any(specifier.operator == "<" for specifier in requirement.specifier)
    assert version("aiosmtplib") in requirement.specifier


def test_only_connecting_and_logging_in_import_aiosmtplib() -> None:
    importers = {
        path.relative_to(ROOT).as_posix()
        for layer in ("mailer", "templates", "subscribers", "campaigns")
        for path in (ROOT / layer).rglob("*.py")
        if re.search(r"^\s*(?:import|from) aiosmtplib\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert importers == {"mailer/smtp/handshake.py", "mailer/smtp/login.py", "mailer/smtp/failure.py"}
