"""The versions of a changelog that no campaign announced yet."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from campaigns import catalogue
from campaigns.notes import Changelog, Release, ReleaseStatus, heard_lines, unheard
from campaigns.states import CampaignState
from campaigns.stored_content import load_notes

_BETWEEN = " – "  # between the first and the last version of notes that gather several


def last_announced(connection: Connection, changelog: Changelog, topic: str) -> str | None:
    """The newest version in the last campaign about this changelog; None where there was none.

    A campaign counts from its draft on, unless it was cancelled.
    """
    labels = {changelog.label(release): release for release in changelog.releases}
    for campaign in catalogue.all_campaigns(connection):
        if campaign.topic != topic or campaign.state is CampaignState.CANCELLED:
            continue
        version = load_notes(campaign.notes).version or ""
        if release := labels.get(version.rpartition(_BETWEEN)[2]):
            return str(release.versions[0])
    return None


def offer(changelog: Changelog, last: str | None, *, pre_releases: bool = False) -> Sequence[Release]:
    """What to mail by default, newest first: all releases since `last`, or the newest one where there is no last."""
    if last is not None:
        return unheard(changelog, heard_lines(changelog, last), pre_releases=pre_releases)
    released = [
        release
        for release in changelog.newest_first(changelog.releases)
        if release.status is ReleaseStatus.RELEASED
        and release.body
        and (pre_releases or not release.versions[0].is_pre_release)
    ]
    return released[:1]
