"""`mailer demo` without a terminal: the whole story from the wheel alone, in a folder of its own."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.installed import InstalledMailer


def test_the_demo_sends_clicks_and_leaves_that_person_out(mailer: InstalledMailer, tmp_path: Path) -> None:
    done = mailer.run("demo", "--json", "--folder", "show", cwd=tmp_path)
    summary = json.loads(done.stdout)
    assert summary["withdrawn"] == 1
    assert summary["second"] == summary["first"] - 1 > 10
    assert (
        len(list((tmp_path / "show" / "Maildir" / "new").iterdir())) == summary["first"] + summary["second"]
    )
    assert "$ mailer campaigns send" in done.stderr


def test_the_demo_leaves_a_folder_with_other_things_alone(mailer: InstalledMailer, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    done = mailer.run("demo", "--folder", ".", cwd=tmp_path, check=False)
    assert done.returncode == 4
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
