"""The line after the subject is the first one that tells a reader something."""

from __future__ import annotations

import pytest

from tests.support.rendered import mail


@pytest.mark.parametrize(
    ("body", "preheader"),
    [
        (
            "[diff](https://example.com/compare/3.9.5...3.9.6)\n\n## Fixed\n\n- Preserve quotes.",
            "Preserve quotes.",
        ),
        ("_2026-06-08_\n\n- Faster.", "Faster."),
        ("> Released on 8 June 2026\n\nFaster.", "Faster."),
        ("*1 november 2026*\n\nSneller.", "Sneller."),
        ("| Commit | Description |\n| --- | --- |\n| a1b2c3d | Something useful |", "Something useful"),
        ("a1b2c3d...f6e5d4c\n\nText.", "Text."),
        ("**Full Changelog**: https://example.com/compare/v1...v2\n\nText.", "Text."),
        ("Added:\n\n- A thing", "A thing"),
        ("**What's Changed**\n\n- A thing", "A thing"),
        (
            "Nieuwe versie 2.4.0 (2026-11-01): Toegevoegd\n\nTekst.",
            "Nieuwe versie 2.4.0 (2026-11-01): Toegevoegd",
        ),
        ("- [Fix the crash on start](https://example.com/1)\n", "Fix the crash on start"),
        ("- #12\n- @octocat\n", ""),
        ("- Fix `a_b` in **bold** and [a link](https://example.com)", "Fix a_b in bold and a link"),
        ("Plain words\non two lines", "Plain words on two lines"),
    ],
)
def test_it_skips_what_says_nothing(body: str, preheader: str) -> None:
    assert mail(body).preheader == preheader
