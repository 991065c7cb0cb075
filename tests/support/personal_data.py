"""Find people's data in octets, however they are encoded."""

from __future__ import annotations

import base64
import html
import json
import quopri
from collections.abc import Iterable
from urllib.parse import quote


def spellings(text: str) -> set[bytes]:
    """The octets by which `text` may stand in a file, a header or a URL."""
    plain = text.encode()
    written = {
        plain,
        json.dumps(text)[1:-1].encode(),
        html.escape(text).encode(),
        quote(text, safe="").encode(),
        quote(text).encode(),
        quopri.encodestring(plain).replace(b"=\n", b"").strip(),
        plain.hex().encode(),
        text.encode("utf-16-le"),
        text.encode("cp1252", "ignore")
        if text.encode("cp1252", "ignore").decode("cp1252") == text
        else plain,
    }
    # Within a longer text base64 depends on the place; the first and last characters also hold neighbours.
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + plain).rstrip(b"=")
        inner = encoded[-(-before * 8 // 6) : -1]
        written |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return written


class Sought:
    """Texts that are looked for, whatever their case."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._spellings = {
            text: {one for spelling in (text, text.lower()) for one in spellings(spelling)} for text in texts
        }

    def find(self, content: str | bytes) -> list[str]:
        """Those that `content` holds."""
        octets = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        lower = octets.decode("utf-8", "surrogateescape").lower().encode("utf-8", "surrogateescape")
        return [
            text
            for text, written in self._spellings.items()
            if any(one in octets or one in lower for one in written)
        ]
