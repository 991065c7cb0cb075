"""SpamAssassin finds nothing in the example mails, in any theme. Skipped where it is not installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from campaigns.notes import Defaults, read_images, read_markdown
from campaigns.sending.compose import sample_of
from templates.render import render
from templates.theme import list_themes
from tests.support.rendered import BRAND
from tests.support.settings import settings_of

EXAMPLES = sorted((Path(__file__).parents[3] / "examples/release-notes").glob("*.md"))
DEFAULTS = Defaults("en", "release-notes", "Kadeplan", base_url="https://kadeplan.example/")
MOST_POINTS = -1.0


def as_arrived(mail: bytes) -> bytes:
    """A mail in an mbox, with what a relay on this machine adds: without it no rule trusts the way of the mail."""
    now = datetime.now(UTC)
    return (
        f"From news@kadeplan.example {now:%a %b %d %H:%M:%S %Y}\n"
        "Received: from [127.0.0.1] (localhost [127.0.0.1]) by mail.kadeplan.example (Postfix) with ESMTPS id 4X1;"
        f" {format_datetime(now)}\n"
    ).encode() + mail.replace(b"\r\n", b"\n")


def example_mails() -> dict[str, bytes]:
    settings = settings_of(sender="Kadeplan <news@kadeplan.example>", public_url="https://kadeplan.example")
    mails = {}
    for path in EXAMPLES:
        notes = read_markdown(path.read_text(encoding="utf-8"), path.name, DEFAULTS)
        images = read_images(notes, path.parent, settings)
        for theme in list_themes():
            rendered = render(notes._replace(theme=theme.name), BRAND, images=images)
            mails[f"{path.name} in {theme.name}"] = sample_of(rendered, notes.topic, settings)
    return mails


def test_the_examples_get_no_points_in_any_theme(tmp_path: Path) -> None:
    program = shutil.which("spamassassin")
    if program is None:
        pytest.skip("SpamAssassin is not installed")
    mails = example_mails()
    mbox = b"\n".join(map(as_arrived, mails.values()))
    judged = subprocess.run(
        [program, "--local", "--mbox", f"--prefspath={tmp_path / 'none'}"],
        input=mbox, capture_output=True, check=True, cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    ).stdout.decode("utf-8", "replace")  # fmt: skip
    found = re.findall(
        r"^X-Spam-Status: \w+, score=(\S+)(?:.|\n\s)*?tests=((?:\S|\n\s)+)", judged, re.MULTILINE
    )
    assert len(found) == len(mails) == len(EXAMPLES) * 3
    for name, (points, rules) in zip(mails, found, strict=True):
        assert float(points) <= MOST_POINTS, f"{name}: {points} points by {rules}"
        assert not re.search("FONT|CONTRAST|COLOR", rules), f"{name}: {rules}"
