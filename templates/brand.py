"""The sender's brand in mails and pages, and colours with enough contrast."""

from __future__ import annotations

from dataclasses import dataclass

from mailer.message import InlineImage

_MIN_CONTRAST_RATIO = 4.5  # for text of normal size (WCAG 2.2, criterion 1.4.3, level AA)
_SHADES = 25


@dataclass(frozen=True, slots=True)
class Brand:
    """The name, colours, links and logo of the sender. The mail contains the logos.

    `colour` and `background` are ``#rrggbb``; `background` is the ground of mails on a light screen. `logo_dark` is
    for dark screens. `radius` (pixels) and `font` replace the theme's. `footer` is a line at the end of each mail.
    """

    name: str
    colour: str
    website: str | None = None
    postal_address: str | None = None
    privacy_url: str | None = None
    support_email: str | None = None
    logo: InlineImage | None = None
    logo_dark: InlineImage | None = None
    background: str | None = None
    radius: int | None = None
    font: str | None = None
    footer: str | None = None

    def after_title(self, title: str) -> str:
        """What follows the title of a page or a mail: the name, unless the title has it."""
        return "" if self.name in title else f" · {self.name}"


def contrast_ratio(first: str, second: str) -> float:
    """The contrast ratio of two colours, from 1 to 21 (WCAG 2.2, "contrast ratio")."""
    dark, light = sorted((_relative_luminance(first), _relative_luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def adjust_contrast(colour: str, background: str) -> str:
    """`colour`, darkened or lightened no more than text on `background` needs (WCAG AA)."""
    target = max("#000000", "#ffffff", key=lambda extreme: contrast_ratio(extreme, background))
    shades = (_mix(colour, target, step / _SHADES) for step in range(_SHADES))
    return next(
        (shade for shade in shades if contrast_ratio(shade, background) >= _MIN_CONTRAST_RATIO), target
    )


def _relative_luminance(colour: str) -> float:
    red, green, blue = (_linearise(channel / 255) for channel in bytes.fromhex(colour.removeprefix("#")))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linearise(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _mix(colour: str, target: str, share: float) -> str:
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(target[1:]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
