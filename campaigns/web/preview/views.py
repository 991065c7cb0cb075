"""The HTML of a mail as different mail programs show it."""

from __future__ import annotations

import re
from enum import StrEnum

_SCHEME = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)", re.IGNORECASE)
_ALWAYS, _NEVER = "(min-width:0px)", "(max-width:0px)"
# <!--[if mso]>...<![endif]--> is a comment for all but Outlook; <!--[if !mso]><!-->...<!--<![endif]--> is shown by all others.
# No pattern looks past the next beginning of its kind, so the time stays in proportion to the length.
_HIDDEN = re.compile(
    r"<!--\[if ([^\]]{0,200})\]>(?!<!-->)((?:(?!<!--\[if ).)*?)<!\[endif\]-->", re.DOTALL | re.IGNORECASE
)
_REVEALED = re.compile(
    r"<!--\[if ([^\]]{0,200})\]><!-->((?:(?!<!--\[if [^\]]{0,200}\]><!-->).)*?)<!--<!\[endif\]-->",
    re.DOTALL | re.IGNORECASE,
)
_MEDIA = re.compile(r"@media[^{}@]{0,500}\{(?:[^{}@]*\{[^{}@]*\})*[^{}@]*\}", re.IGNORECASE)
_STYLE = re.compile(r"(<style\b[^>]{0,500}>)((?:(?!<style).)*?)(</style>)", re.DOTALL | re.IGNORECASE)
_HEAD = re.compile(r"<head\b[^>]{0,500}>", re.IGNORECASE)
_OUTLOOK_VERSION = 16
_NOTHING_ELSE = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin"


class View(StrEnum):
    """What a mail program does with a mail."""

    LIGHT = "light"
    DARK = "dark"
    NO_IMAGES = "no-images"
    NO_STYLES = "no-styles"
    OUTLOOK = "outlook"


VIEWS = {
    View.LIGHT: "Light",
    View.DARK: "Dark",
    View.NO_IMAGES: "Images off",
    View.NO_STYLES: "Styles stripped",
    View.OUTLOOK: "Outlook",
}


def as_seen(html: str, view: View) -> str:
    """The HTML as a browser has to get it to show `view`. Links open nowhere inside the preview."""
    shown = _SCHEME.sub(
        lambda found: _ALWAYS if (found[1].lower() == "dark") == (view is View.DARK) else _NEVER, html
    )
    if view is View.OUTLOOK:
        shown = _for_outlook(shown)
    return _HEAD.sub(lambda found: f'{found[0]}<base target="_blank">', shown, count=1)


def content_policy(view: View) -> str:
    """The Content-Security-Policy of a mail: it runs and loads nothing. Images and styles are blocked as `view` says."""
    images = "'none'" if view is View.NO_IMAGES else "data:"
    elements = "'none'" if view is View.NO_STYLES else "'unsafe-inline'"
    return f"{_NOTHING_ELSE}; img-src {images}; style-src-attr 'unsafe-inline'; style-src-elem {elements}"


def _for_outlook(html: str) -> str:
    """The HTML with the branches for Outlook, and without media queries, which Word's engine ignores."""
    shown = _REVEALED.sub(lambda found: found[2] if _is_met(found[1]) else "", html)
    shown = _HIDDEN.sub(lambda found: found[2] if _is_met(found[1]) else "", shown)
    return _STYLE.sub(lambda found: found[1] + _MEDIA.sub("", found[2]) + found[3], shown)


def _is_met(condition: str) -> bool:
    """Whether Outlook 2016 and later take a branch, such as "mso | IE", "!mso", "(gte mso 9)&(lt mso 17)"."""
    return any(
        all(_is_true(part.strip(" ()")) for part in alternative.split("&"))
        for alternative in condition.split("|")
    )


def _is_true(term: str) -> bool:
    found = re.fullmatch(
        r"(!?)\s*\(?(?:(gte|gt|lte|lt)\s+)?mso(?:\s+(\d+)(?:\.\d+)?)?\)?", term, re.IGNORECASE
    )
    if not found:
        return False
    negated, operator, number = found.groups()
    version = int(number[:4]) if number else _OUTLOOK_VERSION
    true = {
        "gte": version <= _OUTLOOK_VERSION,
        "gt": version < _OUTLOOK_VERSION,
        "lte": version >= _OUTLOOK_VERSION,
        "lt": version > _OUTLOOK_VERSION,
    }.get((operator or "").lower(), version == _OUTLOOK_VERSION)
    return true != bool(negated)
