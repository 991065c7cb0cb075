"""Renders service mails. They look like the release mail, without release notes and link to unsubscribe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from templates.brand import Brand
from templates.design import design_values
from templates.environment import render_template
from templates.language import Locale, Register, TextSection, load_texts
from templates.mjml import compile_mjml
from templates.service_mail import RenderedServiceMail, ServiceMailKind, ServiceMailValues
from templates.theme import find_theme

HTML_TEMPLATE = "mail/service_mail.mjml.j2"
TEXT_TEMPLATE = "mail/service_mail.txt.j2"


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
    theme: str = "product",
    templates_dir: Path | None = None,
    register: Register = "formal",
) -> RenderedServiceMail:
    """Render a service mail with the colours and fonts of `theme`. `register` is that of the texts.

    Raises TemplateError for a broken template.
    """
    texts = load_texts(locale, register)
    shown = _show(kind, texts["service_mail"], brand, values)
    context = design_values(find_theme(theme, templates_dir), brand) | {
        "mail": shown,
        "locale": locale,
        "brand": brand,
        "texts": texts,
    }
    mjml = render_template(HTML_TEMPLATE, context, templates_dir=templates_dir)
    html = compile_mjml(mjml, template=HTML_TEMPLATE, css="", templates_dir=templates_dir)
    return RenderedServiceMail(
        subject=shown.title + brand.after_title(shown.title),
        html=html,
        text=render_template(TEXT_TEMPLATE, context, templates_dir=templates_dir),
        images=tuple(
            logo for logo in (brand.logo, brand.logo_dark) if logo and f"cid:{logo.content_id}" in html
        ),
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
