"""The language that a browser prefers."""

from __future__ import annotations

from starlette.requests import Request

from templates.language import LOCALES, Locale

_LONGEST_HEADER = 500


def preferred_locale(request: Request, default: Locale) -> Locale:
    """The first language of ours that the browser names (RFC 9110, section 12.5.4)."""
    accepted = []
    for part in request.headers.get("accept-language", "")[:_LONGEST_HEADER].split(","):
        language, _, weight = part.strip().partition(";q=")
        try:
            accepted.append((-float(weight or 1), language.lower().partition("-")[0]))
        except ValueError:
            continue
    wanted = [language for weight, language in sorted(accepted, key=lambda each: each[0]) if weight < 0]
    return next((locale for language in wanted for locale in LOCALES if locale == language), default)
