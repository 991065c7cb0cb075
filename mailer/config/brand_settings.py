"""The settings of what mails and pages show of the sender."""

from pathlib import Path
from typing import Annotated, ClassVar

from msgspec import Meta

from mailer.config.value_types import Colour, Fonts, Line
from mailer.settings_section import Checks, SettingsSection


class BrandSettings(SettingsSection, frozen=True):
    """How mails and pages present the sender.

    `logo` and `logo_dark` (for dark screens) are local PNG, JPEG or GIF files; the mail contains them. `background`,
    `radius` (pixels) and `font` replace those of the theme. `footer` is a line at the end of each mail.
    """

    name: Line = "Release Mailer"
    colour: Colour = "#1f5fbf"
    website: Line | None = None
    privacy_url: Line | None = None
    postal_address: Line | None = None
    support_email: Line | None = None
    logo: Path | None = None
    logo_dark: Path | None = None
    background: Colour | None = None
    radius: Annotated[int, Meta(ge=0, le=40)] | None = None
    font: Fonts | None = None
    footer: Line | None = None

    checks: ClassVar[Checks] = {"colour": str.lower, "background": lambda colour: colour and colour.lower()}
