"""Who answers for the data, who processes them, and within which time a breach is told."""

from __future__ import annotations

from datetime import timedelta

from mailer.config.value_types import Duration, Line, OptionalMailboxLine, SettingsSection, Words


class Controller(SettingsSection):
    """A controller (GDPR art. 4(7)): who decides what the data are used for, and is told of a breach first."""

    name: Line
    email: Line


class Processor(SettingsSection):
    """A processor (GDPR art. 28): who handles the data on the controllers' behalf.

    `hosts` are the hosts in these settings that belong to it, such as its relay. A name covers the names below it.
    """

    name: Line
    purpose: Line
    country: Line
    hosts: Words = ()


class PrivacySettings(SettingsSection):
    """What the record of processing, the privacy notice and a breach report say of the organisation.

    `contact` is the person who answers questions about privacy. The two periods start when a breach is noticed:
    `tell_controllers_within` is what the privacy statement promises, `notify_authority_within` is the law's (GDPR art. 33).
    """

    contact: OptionalMailboxLine = None
    controllers: tuple[Controller, ...] = ()
    processors: tuple[Processor, ...] = ()
    authority: Line = "Autoriteit Persoonsgegevens"
    tell_controllers_within: Duration = timedelta(hours=24)
    notify_authority_within: Duration = timedelta(hours=72)
