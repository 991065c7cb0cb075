"""Release notes rendered for a test, and the words in each part of the mail."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from textwrap import dedent
from typing import Any

from bs4 import BeautifulSoup, Tag

from mailer.message import InlineImage
from templates.brand import Brand
from templates.notes import ReleaseNotes, RenderedNotes
from templates.render import render

BRAND = Brand(
    name="Acme",
    colour="#1f5fbf",
    website="https://acme.example",
    postal_address="Kade 1, Zwolle",
    privacy_url="https://acme.example/privacy",
    support_email="help@acme.example",
)
PIXELS = InlineImage(
    "plan@image", "image/png", b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (1040).to_bytes(4) * 2
)


def notes(body: str, **changes: Any) -> ReleaseNotes:
    values: dict[str, Any] = {
        "title": "Acme 2.4",
        "version": "2.4.0",
        "date": date(2026, 11, 2),
        "locale": "en",
        "topic": "release-notes",
        "preheader": None,
        "body": dedent(body).strip("\n"),
        "origin": "notes.md",
        "theme": "letter",
    }
    return ReleaseNotes(**(values | changes))


def mail(body: str, brand: Brand = BRAND, **changes: Any) -> RenderedNotes:
    return render(notes(body, **changes), brand, images={"plan.png": PIXELS})


def prose(rendered: RenderedNotes) -> Tag:
    """The element of the HTML that holds the body, with all sections in it."""
    first, *others = BeautifulSoup(rendered.html, "html.parser").select(".prose > div")
    for cell in others:
        first.extend(list(cell.contents))
    return first


def words(source: str) -> Counter[str]:
    """The words of a text, without the punctuation around and inside them."""
    return Counter(re.findall(r"\w{2,}", re.sub(r"[_\\]", " ", source)))


def seen(rendered: RenderedNotes) -> str:
    """Everything that the HTML shows or links to: text, addresses, descriptions; code in backticks."""
    soup = BeautifulSoup(rendered.html, "html.parser")
    for code in soup.find_all(["code", "pre"]):
        code.insert_before("`")
        code.insert_after("`")
    for block in soup.find_all(["p", "li", "h1", "h2", "h3", "h4", "h5", "h6", "td", "th", "div", "br"]):
        block.append("\n")
    attributes = (
        str(tag.get(name, "")) for tag in soup.find_all(["a", "img"]) for name in ("href", "title", "alt")
    )
    return "\n".join([soup.get_text(), *attributes])
