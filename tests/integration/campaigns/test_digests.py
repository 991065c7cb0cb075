"""Digests on both databases: what is new becomes one campaign, by one host, or nothing does."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns import catalogue
from campaigns.digest_catalogue import all_digests
from campaigns.digests import Digests, Plan
from campaigns.sending import Dispatch
from campaigns.states import CampaignState
from campaigns.stored_content import load_notes
from campaigns.timing.cron import Cadence
from mailer.database import Database
from mailer.errors import InvalidInput, NotFound
from tests.support.campaign import TOPIC, counts, settings_for, subscribe, unwatched
from tests.support.clock import SetClock
from tests.support.relay import FaultyRelay

NOVEMBER = datetime(2026, 11, 23, 12, tzinfo=UTC)
FIRST_OF_DECEMBER = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)  # 9 o'clock in Amsterdam

OLD = """## [2.3.0] - 2026-10-01

### Added

- Old news.
"""
NEW = """# Changelog

## [Unreleased]

- Not yet.

## [2.5.0] - 2026-11-29

### Added

- The newest thing.

## [2.4.1] - 2026-11-20 [YANKED]

- A mistake.

## [2.4.0] - 2026-11-15

### Fixed

- An [old bug][bug].

"""
LINKS = "\n[bug]: https://example.com/bug\n"


class Team:
    """A changelog, a clock, and a host or two."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.clock = database, SetClock(NOVEMBER)
        self.changelog = folder / "CHANGELOG.md"
        self.changelog.write_text(OLD, encoding="utf-8")

    def digests(self, **values: Any) -> Digests:
        return Digests(self.database, settings_for(25, **values), self.clock)

    def plan(self, **values: Any) -> Plan:
        cadence = Cadence.parse("0 9 1 * *", "Europe/Amsterdam", self.clock())
        plan = Plan("monthly", self.changelog, cadence, TOPIC, "en", None, timedelta(hours=6))
        return replace(plan, **values)

    def create(self, **values: Any) -> None:
        """Make the digest; a minute later somebody may look after it."""
        self.digests().create(self.plan(**values))
        self.clock.now += timedelta(minutes=1)

    def release(self) -> None:
        self.changelog.write_text(NEW + OLD + LINKS, encoding="utf-8")


@pytest.fixture
def team(database: Database, tmp_path: Path) -> Team:
    return Team(database, tmp_path)


async def test_what_came_in_since_the_last_one_is_sent_as_one_campaign(team: Team) -> None:
    subscribe(team.database, 2)
    team.create()
    team.release()
    assert team.digests().run_due() == []
    team.clock.now = FIRST_OF_DECEMBER
    (ticked,) = team.digests().run_due()
    assert (ticked.slug, ticked.versions) == ("monthly-2026-12-01", ("2.5.0", "2.4.0"))
    async with FaultyRelay() as relay:
        dispatch = Dispatch(team.database, settings_for(relay.port), team.clock)
        assert (dispatch.start_due(), dispatch.due()) == ([], ["monthly-2026-12-01"])
        await dispatch.runs.run("monthly-2026-12-01", unwatched)
    assert counts(team.database, "monthly-2026-12-01").accepted == 2
    content = relay.accepted[0].content
    assert b"The newest thing" in content
    assert b"https://example.com/bug" in content
    assert b"Old news" not in content
    assert b"A mistake" not in content
    assert b"Not yet" not in content


def test_a_version_is_announced_once(team: Team) -> None:
    team.create()
    team.release()
    team.clock.now = FIRST_OF_DECEMBER
    assert team.digests().run_due()[0].slug
    assert team.digests().run_due() == []
    team.clock.now = datetime(2027, 1, 1, 8, 0, tzinfo=UTC)
    (ticked,) = team.digests().run_due()
    assert (ticked.slug, ticked.problem) == (None, None)


def test_when_nothing_came_in_there_is_no_campaign(team: Team) -> None:
    team.create()
    team.clock.now = FIRST_OF_DECEMBER
    (ticked,) = team.digests().run_due()
    assert str(ticked) == "digest monthly: nothing new"
    with team.database.read() as connection:
        assert catalogue.all_campaigns(connection) == []


def test_a_single_release_keeps_its_own_name_and_lines(team: Team) -> None:
    team.create()
    team.changelog.write_text("## 2.4.0 (2026-11-15)\n\n- One thing.\n\n" + OLD, encoding="utf-8")
    assert team.digests().run("monthly").slug == "monthly-2026-11-23"
    with team.database.read() as connection:
        notes = load_notes(catalogue.find(connection, "monthly-2026-11-23").notes)
    assert (notes.version, notes.where(0)) == ("2.4.0", "CHANGELOG.md, line 3")


def test_a_digest_can_begin_after_a_version_that_was_announced_by_hand(team: Team) -> None:
    team.release()
    team.create(since="2.4.0")
    assert team.digests().run("monthly").versions == ("2.5.0",)


def test_what_is_unreleased_is_not_sent_and_is_new_once_it_is_released(team: Team) -> None:
    team.changelog.write_text(f"## 2.4.0 (Unreleased)\n\n- Secret.\n\n{OLD}", encoding="utf-8")
    team.create()
    assert team.digests().run("monthly").slug is None
    team.changelog.write_text(f"## 2.4.0 (2026-12-01)\n\n- Out.\n\n{OLD}", encoding="utf-8")
    assert team.digests().run("monthly").versions == ("2.4.0",)


def test_a_pre_release_is_sent_only_where_the_settings_say_so(team: Team) -> None:
    team.create()
    team.changelog.write_text(f"## 2.4.0-rc.1\n\n- Try it.\n\n{OLD}", encoding="utf-8")
    assert team.digests().run("monthly").slug is None
    assert team.digests(digest_pre_releases=True).run("monthly").versions == ("2.4.0-rc.1",)


@pytest.mark.parametrize(
    "edited",
    [
        "## v2.3.0\n\n- Old news, in other words.\n",
        "### Version 2.3 (1 October 2026)\n\n- Old news.\n",
        "# acme@2.3.0\n\n- Old news.\n",
        "- Note\n\n## [2.3.0]\n\n- Old news.\n",
        "## [2.3.0]\n\n- Old news.\n\n## 2.3.0\n\n- Twice.\n",
    ],
)
def test_what_stood_in_the_file_before_is_never_new_however_it_is_edited(team: Team, edited: str) -> None:
    team.create()
    team.changelog.write_text(edited, encoding="utf-8")
    assert team.digests().run("monthly").slug is None


def test_a_heading_that_began_no_release_before_begins_no_new_one(team: Team) -> None:
    team.changelog.write_text("## 2.3.0\n\n- Old.\n\n## Acme 2.2\n\n- Older.\n", encoding="utf-8")
    team.create()
    text = "## 2.4.0\n\n- New.\n\n## 2.3.0\n\n- Old.\n\n## Acme 2.2\n\n- Older.\n\n## Acme 2.1\n\n- Oldest.\n"
    team.changelog.write_text(text.replace("\n\n## Acme 2.1\n\n- Oldest.", ""), encoding="utf-8")
    assert team.digests().run("monthly").versions == ("2.4.0",)
    team.changelog.write_text(text, encoding="utf-8")
    team.clock.now += timedelta(minutes=1)
    assert "2.2" not in team.digests().run("monthly").versions


def test_a_new_version_in_doubt_fails_the_turn_and_names_the_lines(team: Team) -> None:
    team.create()
    text = "## 2.4.0\n\n- a\n\n## 2.4.0\n\n- b\n\n" + OLD
    team.changelog.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match="lines 1 and 5"):
        team.digests().run("monthly")
    team.clock.now = FIRST_OF_DECEMBER
    assert "lines 1 and 5" in (team.digests().run_due()[0].problem or "")


def test_headings_of_gathered_releases_keep_their_order_of_rank(team: Team) -> None:
    team.create()
    text = "## 2.5.0\n\n## Added\n\nText\n----\n\n### Detail\n\n- a\n\n## 2.4.0\n\n- b\n\n" + OLD
    team.changelog.write_text(text, encoding="utf-8")
    slug = team.digests().run("monthly").slug or ""
    with team.database.read() as connection:
        notes = load_notes(catalogue.find(connection, slug).notes)
    headings = [line for line in notes.body.splitlines() if line.startswith("#")]
    assert headings[0] == "## 2.5.0"
    assert headings[-1] == "## 2.4.0"
    assert all(line.startswith("###") for line in headings[1:-1])


def test_a_file_that_lists_the_oldest_first_is_gathered_newest_first(team: Team) -> None:
    team.changelog.write_text("## 1.0\n\n- a\n\n## 1.1\n\n- b\n", encoding="utf-8")
    team.create(since="1.1")
    assert team.digests().run("monthly").slug is None
    team.changelog.write_text(
        "## 1.0\n\n- a\n\n## 1.1\n\n- b\n\n## 1.2\n\n- c\n\n## 1.3\n\n- d\n", encoding="utf-8"
    )
    assert team.digests().run("monthly").versions == ("1.3", "1.2")


def test_where_approval_is_required_it_stops_as_a_draft_and_says_so(team: Team) -> None:
    team.create()
    team.release()
    team.clock.now = FIRST_OF_DECEMBER
    (ticked,) = team.digests(require_approval=True).run_due()
    assert "waits for approval: mailer campaigns preview monthly-2026-12-01" in str(ticked)
    assert counts(team.database, "monthly-2026-12-01").state is CampaignState.DRAFT
    dispatch = Dispatch(team.database, settings_for(25, require_approval=True), team.clock)
    assert (dispatch.start_due(), dispatch.due()) == ([], [])


def test_a_digest_that_cron_left_for_two_days_is_missed_and_its_releases_come_with_the_next(
    team: Team,
) -> None:
    team.create()
    team.release()
    team.clock.now = FIRST_OF_DECEMBER + timedelta(days=2)
    (ticked,) = team.digests().run_due()
    assert "missed" in (ticked.problem or "")
    assert "mailer digests run monthly" in str(ticked)
    assert team.digests().run_due() == []
    team.clock.now = datetime(2027, 1, 1, 8, 0, tzinfo=UTC)
    assert team.digests().run_due()[0].versions == ("2.5.0", "2.4.0")


def test_a_changelog_that_is_gone_is_said_once_and_can_be_made_up_for_by_hand(team: Team) -> None:
    team.create()
    team.changelog.unlink()
    team.clock.now = FIRST_OF_DECEMBER
    (ticked,) = team.digests().run_due()
    assert "can't be read" in (ticked.problem or "")
    assert team.digests().run_due() == []
    team.release()
    team.clock.now += timedelta(minutes=1)
    assert team.digests().run("monthly").versions == ("2.5.0", "2.4.0")


def test_of_four_hosts_at_once_one_makes_the_digest(team: Team) -> None:
    team.create()
    team.release()
    team.clock.now = FIRST_OF_DECEMBER
    ready, made = threading.Barrier(4), []

    def host() -> None:
        ready.wait()
        made.extend(team.digests().run_due())

    hosts = [threading.Thread(target=host) for _ in range(4)]
    for one in hosts:
        one.start()
    for one in hosts:
        one.join()
    assert [one.slug for one in made] == ["monthly-2026-12-01"]
    with team.database.read() as connection:
        assert len(catalogue.all_campaigns(connection)) == 1


def test_names_are_unique_and_a_deleted_digest_comes_no_more(team: Team) -> None:
    team.create()
    with pytest.raises(InvalidInput, match="already"):
        team.create()
    with pytest.raises(InvalidInput, match="is not a valid name"):
        team.digests().create(team.plan(name="Every Month"))
    team.digests().delete("monthly")
    with team.database.read() as connection:
        assert all_digests(connection) == []
    with pytest.raises(NotFound, match="mailer digests list"):
        team.digests().run("monthly")
