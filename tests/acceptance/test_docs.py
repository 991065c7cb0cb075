"""The documents say what the code does."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from docs.generate_cli import PAGE, commands, page
from docs.generate_images import FOLDER, PICTURES
from docs.generate_tree import PICTURE, picture
from mailer.config import Settings
from mailer.config.reading import kinds_of
from tests.support.browser import chromium
from tests.support.installed import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
PATHS = {context.command_path for _, context in commands()}
LEAVES = {path for path in PATHS if not any(other.startswith(f"{path} ") for other in PATHS)}
MAP = ROOT / "docs" / "architecture.md"
names = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def test_the_page_of_commands_is_the_commands_own_help() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


@names
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = [*re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", text), *re.findall(r'src="([^"]+)"', text)]
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (document.parent / target).exists()] == []


@names
def test_every_command_in_a_document_exists(document: Path) -> None:
    lines = re.findall(
        r"(?:^|[`$]\s*|&& )(mailer(?: (?!-)[a-z-]+)+)", document.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [line for line in lines if not _is_command(line)] == []


@names
def test_every_make_target_in_a_document_exists(document: Path) -> None:
    targets = set(re.findall(r"`make ([a-z]+)", document.read_text(encoding="utf-8")))
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert targets <= known


@names
def test_every_variable_in_a_document_is_a_setting(document: Path) -> None:
    found = set(re.findall(r"\bMAILER_([A-Z_]*[A-Z])\b", document.read_text(encoding="utf-8")))
    assert {name for name in found if not _is_setting(name)} == set()


def test_every_path_in_the_map_of_the_code_exists() -> None:
    paths = re.findall(r"`((?:[\w.]+/)+[\w.]*|\w+\.py)`", MAP.read_text(encoding="utf-8"))
    assert len(paths) > 40
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_map_names_one_package_for_each_of_twenty_changes() -> None:
    _, _, section = MAP.read_text(encoding="utf-8").partition("## Where to make a change")
    rows = re.findall(r"^\| (.+) \| (.+) \|$", section, re.MULTILINE)[1:]
    assert len(rows) >= 20
    for change, package in rows:
        assert re.fullmatch(r"`\w+(/\w+)?`", package), change
        assert (ROOT / package.strip("`")).is_dir(), change


def test_the_list_of_decisions_has_each_page_with_its_number_and_title() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(
        r"^- (\d+): \[(.+)\]\((.+)\)$", (folder / "README.md").read_text("utf-8"), re.MULTILINE
    )
    headings = [
        (page.name, page.read_text("utf-8").partition("\n")[0]) for page in sorted(folder.glob("0*.md"))
    ]
    assert [(name, f"# {number}. {title}") for number, title, name in listed] == headings
    assert [int(name[:3]) for name, _ in headings] == [int(number) for number, _, _ in listed]


PRIVACY = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(tests/[^`]+)`", PRIVACY))))
def test_each_test_that_the_page_on_privacy_names_exists(named: str) -> None:
    path, *classes, test = named.split("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"^ *(async )?def {test}\(", text, re.MULTILINE)
    assert all(re.search(rf"^class {name}\b", text, re.MULTILINE) for name in classes)


def test_each_promise_of_the_page_on_privacy_has_a_command_and_a_test_or_says_what_is_missing() -> None:
    lines = [line for line in PRIVACY.splitlines() if line.startswith("| ")]
    assert len(lines) >= 30
    for line in lines:
        promise, how, test, missing = (cell.strip() for cell in line.strip("|").split("|"))
        assert (how and test) or missing, promise


def test_the_picture_of_the_tree_is_the_one_that_its_script_draws() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(), "run `python docs/generate_tree.py`"


@pytest.mark.browser
def test_the_pictures_of_pages_can_be_drawn_anew() -> None:
    with chromium() as browser:
        for name, draw in PICTURES.items():
            beginning = (FOLDER / f"{name}.png").read_bytes()[:20]  # its last four bytes are the width
            assert draw(browser).startswith(beginning), name


def test_the_file_that_ci_runs_calls_the_readme_s_two_commands() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert {"make test", "make demo </dev/null 2>&1 | cat"} <= set(script.splitlines())
    assert subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=False).returncode == 0


def test_the_lock_files_hold_hashes_and_no_addresses() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert "--index" not in text
        pinned = re.split(r"\n(?=\S)", text.strip())
        assert all(re.match(r"[a-z0-9.-]+==\S+", entry) and "--hash=sha256:" in entry for entry in pinned)


def _is_command(line: str) -> bool:
    """Whether the first words are a command; what follows may be its arguments, which a group has none of."""
    return any(line == path or (path in LEAVES and line.startswith(f"{path} ")) for path in PATHS)


def _is_setting(name: str) -> bool:
    section, _, key = name.lower().partition("__")
    if section in {"config", "tests_require_browser", "tests_kills"}:
        return True
    kind = kinds_of(Settings).get(section)
    return kind is not None and (not key or key in getattr(kind, "__struct_fields__", ()))
