"""Renders service mails. They look like the release mail, without release notes and link to unsubscribe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from templates.brand import Brand, adjust_contrast, contrast_ratio
from templates.environment import render_template
from templates.language import Locale, TextSection, load_texts
from templates.mjml import compile_mjml
from templates.service_mail import RenderedServiceMail, ServiceMailKind, ServiceMailValues

HTML_TEMPLATE = "mail/service_mail.mjml.j2"
TEXT_TEMPLATE = "mail/service_mail.txt.j2"
_LIGHT_BACKGROUND, _DARK_BACKGROUND = "#f3f4f6", "#1c1f24"


@dataclass(frozen=True, slots=True)
class _Shown:
    """The parts of the mail in their order."""

    title: str
    greeting: str
    paragraphs: tuple[str, ...]
    wording: str
    url: str
    button: str
    closing: tuple[str, ...]


def render_service_mail(
    kind: ServiceMailKind,
    locale: Locale,
    brand: Brand,
    values: ServiceMailValues,
    *,
    templates_dir: Path | None = None,
) -> RenderedServiceMail:
    """Render a service mail. Raises TemplateError for a broken template."""
    texts = load_texts(locale)
    shown = _show(kind, texts["service_mail"], brand, values)
    context = {
        "mail": shown,
        "locale": locale,
        "brand": brand,
        "texts": texts,
        "colours": {
            "brand": brand.colour,
            "on_brand": max("#ffffff", "#15181c", key=lambda ink: contrast_ratio(ink, brand.colour)),
            "link": adjust_contrast(brand.colour, _LIGHT_BACKGROUND),
            "link_dark": adjust_contrast(brand.colour, _DARK_BACKGROUND),
        },
    }
    mjml = render_template(HTML_TEMPLATE, context, templates_dir=templates_dir)
    return RenderedServiceMail(
        subject=f"{shown.title} · {brand.name}",
        html=compile_mjml(mjml, template=HTML_TEMPLATE, css="", templates_dir=templates_dir),
        text=render_template(TEXT_TEMPLATE, context, templates_dir=templates_dir),
        images=(brand.logo,) if brand.logo else (),
    )


def _show(kind: ServiceMailKind, texts: TextSection, brand: Brand, values: ServiceMailValues) -> _Shown:
    named = {"name": brand.name, "topic": values.topic, "address": values.new_address}
    contact = texts["contact"].format(email=brand.support_email) if brand.support_email else texts["reply"]
    closing = [texts[f"{kind}_ignore"].format(**named, contact=contact)]
    if values.url:
        closing.insert(0, texts[f"{kind}_expiry"])
    return _Shown(
        texts[f"{kind}_title"].format(**named),
        values.greeting,
        (texts[f"{kind}_body"].format(**named),),
        values.wording,
        values.url,
        texts[f"{kind}_button"] if values.url else "",
        tuple(closing),
    )
