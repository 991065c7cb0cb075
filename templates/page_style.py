"""The stylesheet inside a page, in the brand's colours, and the policy that allows it and nothing else."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from markupsafe import Markup

from templates.brand import Brand, adjust_contrast
from templates.environment import render_template

# The background of the card in light and dark mode; the brand's colour gets enough contrast on each.
_LIGHT_BACKGROUND, _DARK_BACKGROUND = "#ffffff", "#1b1e24"


def page_style(brand: Brand, templates_dir: Path | None = None, *more: str) -> tuple[Markup, str]:
    """The stylesheet, with the templates `more` at its end, and the content security policy for pages with it.

    The policy allows that stylesheet, by its hash, a logo inside the page, if the brand has one, and a form to the
    page's own address: no script, font or frame, and nothing from elsewhere. `templates_dir` is as in
    `load_environment`.
    """
    values = {
        "light_accent": adjust_contrast(brand.colour, _LIGHT_BACKGROUND),
        "dark_accent": adjust_contrast(brand.colour, _DARK_BACKGROUND),
        "light_background": _LIGHT_BACKGROUND,
        "dark_background": _DARK_BACKGROUND,
    }
    names = ("pages/page.css.j2", *more)
    style = "".join(render_template(name, values, templates_dir=templates_dir) for name in names)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    images = "img-src data:; " if brand.logo else ""
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; {images}form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return Markup(style), policy  # noqa: S704 - our own files and colours from checked settings
