"""Who answers for the data, who processes them, and within which time a breach is told."""

from datetime import timedelta
from typing import Annotated, Literal

from msgspec import Meta

from mailer.config.value_types import Line, MailboxLine, Words
from mailer.settings_section import SettingsSection

_A_PURPOSE = 'must be one line of text, or one for each language: { nl = "mail", en = "mail" }'


class Controller(SettingsSection, frozen=True):
    """A controller (GDPR art. 4(7)): who decides what the data are used for, and is told of a breach first."""

    name: Line
    email: Line


class Processor(SettingsSection, frozen=True):
    """A processor (GDPR art. 28): who handles the data on the controllers' behalf.

    `purpose` is one text, or one for each language. `country` is an ISO 3166 code or a name. `hosts` are the hosts in
    these settings that belong to it, such as its relay; a name covers the names below it.
    """

    name: Line
    purpose: Annotated[Line | dict[Literal["nl", "en"], Line], Meta(extra={"reason": _A_PURPOSE})]
    country: Line
    hosts: Words = ()

    def purpose_in(self, language: str) -> str:
        """The purpose in this language, or in another where it is not given."""
        if isinstance(self.purpose, str):
            return self.purpose
        in_languages = {str(each): text for each, text in self.purpose.items()}
        return in_languages.get(language) or next(iter(in_languages.values()), "")


class PrivacySettings(SettingsSection, frozen=True):
    """What the record of processing, the privacy notice and a breach report say of the organisation.

    `contact` is the person who answers questions about privacy. `own_hosts` belong to the organisation itself. The
    two periods start when a breach is noticed: `tell_controllers_within` is what the privacy statement promises,
    `notify_authority_within` is the law's (GDPR art. 33).
    """

    contact: MailboxLine | None = None
    controllers: tuple[Controller, ...] = ()
    processors: tuple[Processor, ...] = ()
    own_hosts: Words = ()
    authority: Line = "Autoriteit Persoonsgegevens"
    tell_controllers_within: timedelta = timedelta(hours=24)
    notify_authority_within: timedelta = timedelta(hours=72)
