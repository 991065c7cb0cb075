"""What a user installs: the wheel holds everything, and its command stands on its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.installed import ROOT, InstalledMailer


def test_the_command_runs_from_the_wheel_not_from_the_source_tree(mailer: InstalledMailer) -> None:
    where = (
        "import cli, web, mailer, templates, subscribers, campaigns as c; print(mailer.__file__, c.__file__)"
    )
    done = subprocess.run(
        [mailer.python, "-c", where],
        cwd=mailer.venv,
        env=mailer.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(Path(path).is_relative_to(mailer.venv) for path in done.stdout.split())


@pytest.mark.parametrize("package", ["mailer", "templates", "subscribers", "campaigns"])
def test_the_wheel_holds_every_file_of_a_package(mailer: InstalledMailer, package: str) -> None:
    """Templates, pages, texts, migrations and py.typed included."""
    files = (
        path for path in (ROOT / package).rglob("*") if path.is_file() and path.parent.name != "__pycache__"
    )
    assert {str(path.relative_to(ROOT)) for path in files} <= set(mailer.contents)


def test_the_wheel_holds_nothing_else(mailer: InstalledMailer) -> None:
    top = {name.partition("/")[0] for name in mailer.contents}
    metadata = "-".join(mailer.wheel.name.split("-")[:2]) + ".dist-info"
    assert top == {"mailer", "templates", "subscribers", "campaigns", "cli.py", "web.py", metadata}


def test_a_stray_file_in_the_working_directory_is_not_run(mailer: InstalledMailer, tmp_path: Path) -> None:
    for name in ("cli.py", "mailer.py", "click.py"):
        (tmp_path / name).write_text("raise SystemExit('stray')", encoding="utf-8")
    assert "stray" not in mailer.run("--version", cwd=tmp_path).stdout
