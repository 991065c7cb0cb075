"""The design tokens of a theme and a brand together, as the templates of mails and of their pages take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from templates.brand import Brand, adjust_contrast, contrast_ratio
from templates.theme import Theme

_MAX_SMALL_RADIUS = 8  # pixels, of buttons, code and pictures
# The grounds of alerts in mail/prose.css.j2 and mail/head.css.j2 that have the least contrast with text.
_DARKEST_ALERT, _LIGHTEST_ALERT = "#e8f6ec", "#33270a"


def design_values(theme: Theme, brand: Brand) -> dict[str, Any]:
    """The values of the templates that say how they look: the theme's tokens, with the brand's in their place."""
    light = {**theme.light, **({"page": brand.background} if brand.background else {})}
    radius = theme.radius if brand.radius is None else brand.radius
    on_brand = max("#ffffff", "#15181c", key=lambda ink: contrast_ratio(ink, brand.colour))
    return {
        "theme": theme,
        "light": light,
        "dark": theme.dark,
        "font": brand.font or theme.font,
        "heading_font": brand.font or theme.heading_font,
        "mono": "Menlo, Consolas, monospace",
        "size": theme.size,
        "title": theme.title,
        "inset": theme.inset,
        "radius": radius,
        "small_radius": min(radius or _MAX_SMALL_RADIUS, _MAX_SMALL_RADIUS) if brand.radius != 0 else 0,
        "colours": {
            "brand": adjust_contrast(brand.colour, on_brand),
            "on_brand": on_brand,
            "link": adjust_contrast(
                brand.colour, _worst_ground([*_grounds(light), _DARKEST_ALERT], "#000000")
            ),
            "link_dark": adjust_contrast(
                brand.colour, _worst_ground([*_grounds(theme.dark), _LIGHTEST_ALERT], "#ffffff")
            ),
        },
    }


def _grounds(scheme: Mapping[str, str]) -> list[str]:
    return [scheme[name] for name in ("page", "card", "panel", "code")]


def _worst_ground(grounds: list[str], ink: str) -> str:
    """The ground on which `ink` has the least contrast."""
    return min(grounds, key=lambda ground: contrast_ratio(ground, ink))
