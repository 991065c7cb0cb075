"""The archive as files: complete, linked to each other, and beside files of others."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from campaigns.archive import Archive
from campaigns.archive.export import archive_files
from campaigns.archive.folder import LIST_NAME, Written, write_folder
from campaigns.lifecycle import Act
from campaigns.rendering import brand_of
from mailer.database import Database, installation_id
from mailer.errors import InvalidInput
from tests.support.campaign import NOTES, TOPIC
from tests.support.keyboard import Keyboard
from tests.support.release_pages import PICTURE, START, Site

DUTCH = NOTES._replace(title="Versie 2.4.0", locale="nl", body="![Het plan](plan.png)\n")
TOPICS = ["notes"]
FILES = {"notes/en/index.html": b"a list", "notes/feed.atom": b"a feed"}


@pytest.fixture
def site(sqlite_database: Database, tmp_path: Path) -> Site:
    (tmp_path / "plan.png").write_bytes(PICTURE)
    made = Site(sqlite_database, tmp_path)
    made.send("2.3.0")
    made.send("index", NOTES._replace(translations=(DUTCH,)))
    return made


def exported(site: Site, url: str | None = None) -> dict[str, bytes]:
    with site.database.read() as connection:
        archive = Archive(site.settings, brand_of(site.settings), installation_id(connection))
        return archive_files(connection, archive, [TOPIC], "en", url=url)


def references(files: dict[str, bytes]) -> Iterator[tuple[str, str]]:
    """Each file with an address that it refers to."""
    for path, content in files.items():
        if path.endswith((".html", ".atom", ".json")):
            text = content.decode()
            pattern = (
                r'"(?:home_page_url|feed_url|url)": "([^"]+)"'
                if path.endswith(".json")
                else r'(?:href|src)="([^"]+)"'
            )
            for found in re.findall(pattern, text):
                yield path, found


@pytest.mark.parametrize("url", [None, "https://www.acme.example/releases"])
def test_every_link_within_the_archive_leads_to_a_file(site: Site, url: str | None) -> None:
    files = exported(site, url)
    root = "https://www.acme.example/releases/"
    within = 0
    for path, reference in references(files):
        target = urljoin(root + path, reference)
        if target.startswith(root):
            within += 1
            assert unquote(urlsplit(target).path).removeprefix("/releases/") in files, f"{path}: {reference}"
    assert within > 30
    assert f"{TOPIC}/nl/index/index.html" in files


def test_files_come_after_those_that_they_refer_to(site: Site) -> None:
    """So a visitor of a folder that is being written finds no link that leads nowhere, except between its lists."""
    order = list(exported(site))
    assert order.index(f"{TOPIC}/index.html") > order.index(f"{TOPIC}/en/2.3.0/index.html")
    assert order.index(f"{TOPIC}/feed.atom") > order.index(f"{TOPIC}/en/2.3.0/index.html")
    pictures = [path for path in order if "/images/" in path]
    assert pictures
    assert order.index(pictures[0]) < order.index(f"{TOPIC}/nl/index/index.html")


def test_with_an_address_feeds_have_whole_links(site: Site) -> None:
    feed = ET.fromstring(exported(site, "https://www.acme.example/r")[f"{TOPIC}/feed.atom"])  # noqa: S314
    links = [link.get("href", "") for link in feed.iter("{http://www.w3.org/2005/Atom}link")]
    assert links
    assert all(link.startswith("https://www.acme.example/r/") for link in links)


def test_notes_that_can_not_be_shown_stop_the_export_and_are_named(site: Site) -> None:
    site.send("2.5.0", NOTES._replace(body="Text.", theme="letter"))
    with site.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE campaign SET notes = replace(notes, 'letter', 'gone') WHERE slug = '2.5.0'"
        )
    with pytest.raises(InvalidInput, match=r"2\.5\.0"):
        exported(site)


def test_a_page_in_the_place_of_the_list_stops_the_export_and_is_named(site: Site) -> None:
    site.send("index.html")
    with pytest.raises(InvalidInput, match=r"campaign 'index.html' would be in the place of the list"):
        exported(site)


def test_a_folder_gets_what_changed_and_loses_what_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "public" / "releases"
    assert write_folder(folder, TOPICS, FILES) == Written(2, 0, 0)
    assert write_folder(folder, TOPICS, FILES) == Written(0, 2, 0)
    assert write_folder(folder, TOPICS, {"notes/feed.atom": b"another"}) == Written(1, 0, 1)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"notes/feed.atom", LIST_NAME}
    assert not (folder / "notes/en").exists()


def test_the_folders_of_other_topics_stay_until_their_own_export(tmp_path: Path) -> None:
    both = {**FILES, "news/en/index.html": b"another list", "newsletter/feed.atom": b"a third"}
    write_folder(tmp_path, ["notes", "news", "newsletter"], both)
    assert write_folder(tmp_path, ["news"], {}) == Written(0, 0, 1, kept=("newsletter", "notes"))
    assert not (tmp_path / "news").exists()
    assert write_folder(tmp_path, TOPICS, FILES) == Written(0, 2, 0, kept=("newsletter",))
    (tmp_path / "newsletter/feed.atom").unlink()  # by hand
    assert write_folder(tmp_path, ["news"], {"news/en/index.html": b"another list"}).kept == ("notes",)
    assert json.loads((tmp_path / LIST_NAME).read_text())["files"].keys() == both.keys() - {
        "newsletter/feed.atom"
    }


def test_files_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/style.css").write_text("theirs")
    write_folder(tmp_path, TOPICS, FILES)
    (tmp_path / "notes/en/more.html").write_text("theirs")
    (tmp_path / "notes/feed.atom").write_text("changed by hand")
    assert write_folder(tmp_path, TOPICS, {}) == Written(0, 0, 1)
    for name in ("notes/style.css", "notes/en/more.html", "notes/feed.atom"):
        assert (tmp_path / name).exists()


@pytest.mark.parametrize("make", [lambda path: path.write_text("theirs"), lambda path: path.mkdir()])
def test_a_file_of_others_in_the_way_is_not_replaced(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "notes").mkdir()
    make(tmp_path / "notes/feed.atom")
    with pytest.raises(InvalidInput, match="no export has written"):
        write_folder(tmp_path, TOPICS, FILES)
    assert not (tmp_path / "notes/en").exists()


def test_a_link_does_not_lead_the_export_elsewhere(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    folder.mkdir()
    (folder / "notes").symlink_to(outside)
    with pytest.raises(InvalidInput, match="leads out"):
        write_folder(folder, TOPICS, FILES)
    assert list(outside.iterdir()) == []


def test_a_list_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    folder.mkdir()
    (folder / LIST_NAME).symlink_to(outside / "new")
    with pytest.raises(InvalidInput, match="leads out"):
        write_folder(folder, TOPICS, FILES)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", [LIST_NAME, "notes/feed.atom"])
def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes").mkdir()
    os.mkfifo(tmp_path / name)
    with pytest.raises(InvalidInput):
        write_folder(tmp_path, TOPICS, FILES)
    assert not (tmp_path / "notes/en").exists()


def test_a_pipe_in_the_place_of_a_file_that_is_gone_stays(tmp_path: Path) -> None:
    write_folder(tmp_path, TOPICS, FILES)
    (tmp_path / "notes/feed.atom").unlink()
    os.mkfifo(tmp_path / "notes/feed.atom")
    assert write_folder(tmp_path, TOPICS, {}) == Written(0, 0, 1)


@pytest.mark.parametrize(
    "content", ["x", "[]", '{"files": {"../../etc/passwd": "0"}}', '{"files": {"/etc/passwd": ""}}']
)
def test_a_list_that_is_not_ours_stops_the_export(tmp_path: Path, content: str) -> None:
    (tmp_path / LIST_NAME).write_text(content)
    with pytest.raises(InvalidInput, match="list of exported files"):
        write_folder(tmp_path, TOPICS, FILES)
    assert not (tmp_path / "notes").exists()


def test_an_interrupted_export_is_completed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, TOPICS, FILES)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    changed = {path: content + b"!" for path, content in FILES.items()} | {"notes/new.html": b"new"}
    with monkeypatch.context() as patched:
        patched.setattr("campaigns.archive.folder._remove", stop)
        with pytest.raises(KeyboardInterrupt):
            write_folder(tmp_path, TOPICS, {"notes/new.html": b"new"})
    assert write_folder(tmp_path, TOPICS, changed).written == 2
    for path, content in changed.items():
        assert (tmp_path / path).read_bytes() == content


def test_the_command_writes_and_updates_a_folder(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site.folder)
    monkeypatch.setenv("MAILER_SECRET_KEYS", "k" * 32)
    keyboard = Keyboard()
    assert "there is no topic to export" in str(keyboard("archive", "export", "out", code=1).exception)
    for url in ("x", "https://[::1", "https://www.example.com:abc/"):
        assert "--url" in str(
            keyboard("archive", "export", "out", "--topic", TOPIC, "--url", url, code=1).exception
        )
    run = partial(keyboard.json, "archive", "export", "out", "--topic", TOPIC)
    monkeypatch.setenv("MAILER_ARCHIVE__ENABLED", "true")
    shown = keyboard.json("campaigns", "show", "index")
    pages = shown["pages"]
    assert isinstance(pages, dict)
    assert set(pages) == {"en", "nl"}
    assert all("/view/" in address for address in pages.values())
    first = run()
    assert first["topics"] == [TOPIC]
    assert first["written"] == sum(path.is_file() for path in (site.folder / "out" / TOPIC).rglob("*"))
    refused = str(keyboard("archive", "export", "out", "--topic", "mistyped", code=1).exception)
    assert refused.startswith("--topic: there is no topic 'mistyped'")
    assert (site.folder / f"out/{TOPIC}/en/2.3.0").exists()
    monkeypatch.setenv("MAILER_TOPIC", "news")
    another = keyboard.json("archive", "export", "out", "--topic", "news")
    assert (another["removed"], another["kept"]) == (0, [TOPIC])
    monkeypatch.delenv("MAILER_TOPIC")
    site.act("2.3.0", Act.CANCEL, START)
    assert run()["removed"] == 1
    assert not (site.folder / f"out/{TOPIC}/en/2.3.0").exists()
    assert json.loads((site.folder / f"out/{TOPIC}/feed.json").read_text())["items"]
