"""The settings of the public pages of release notes."""

from mailer.config.value_types import Topic, Words
from mailer.settings_section import SettingsSection


class ArchiveSettings(SettingsSection, frozen=True):
    """Whether each sent campaign has a page, to which its mail links; without `enabled` there is no such page.

    `topics` also have a public archive with feeds, and search engines may list it only if `indexed`. `hidden` names
    campaigns (slugs) without a page.
    """

    enabled: bool = False
    topics: tuple[Topic, ...] = ()
    indexed: bool = False
    hidden: Words = ()
