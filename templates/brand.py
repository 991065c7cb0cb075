"""Who the mail is from, and colours of theirs that everyone can read."""

from __future__ import annotations

from dataclasses import dataclass

from mailer.message import InlineImage

_AA = 4.5  # WCAG 2.2, criterion 1.4.3: the contrast of normal text with its ground
_STEPS = 25


@dataclass(frozen=True, slots=True)
class Brand:
    """What a mail shows of its sender. `colour` is ``#rrggbb``; the logo travels inside the mail."""

    name: str
    colour: str
    website: str | None = None
    postal_address: str | None = None
    privacy_url: str | None = None
    support_email: str | None = None
    logo: InlineImage | None = None


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def readable(colour: str, ground: str) -> str:
    """`colour`, darkened or lightened just as far as text in it needs on `ground` (WCAG AA)."""
    target = max("#000000", "#ffffff", key=lambda extreme: contrast(extreme, ground))
    shades = (_mix(colour, target, step / _STEPS) for step in range(_STEPS))
    return next((shade for shade in shades if contrast(shade, ground) >= _AA), target)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in bytes.fromhex(colour.removeprefix("#")))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _mix(colour: str, target: str, share: float) -> str:
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(target[1:]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
