"""Where a folder was cloned from, to propose it as the repository of its notes."""

from __future__ import annotations

import configparser
from pathlib import Path

from mailer.errors import InvalidInput
from templates.markdown import Repository

_LARGEST = 100_000  # bytes of .git/config


def cloned_from(folder: Path) -> str | None:
    """The web address of the remote "origin" of the working tree around `folder`, without credentials; None without one."""
    resolved = folder.resolve()
    file = next(
        (found for one in (resolved, *resolved.parents) if (found := one / ".git" / "config").is_file()), None
    )
    if file is None:
        return None
    parser = configparser.ConfigParser(strict=False, allow_no_value=True, interpolation=None)
    try:
        if file.stat().st_size > _LARGEST:
            return None
        parser.read_string(file.read_text(encoding="utf-8"))
        return str(Repository.parse(parser.get('remote "origin"', "url")))
    except (OSError, UnicodeDecodeError, configparser.Error, InvalidInput, TypeError, AttributeError):
        return None
