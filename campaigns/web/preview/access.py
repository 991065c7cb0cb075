"""Who may see the preview: the browser on this machine that opened the address from the terminal first.

The address has a token that opens the preview once. It is seen in the list of processes when a browser starts with
it, so it leads to a second, secret address and is void from then on. Requests must name the host and origin that the
server has, which keeps out pages of other sites (DNS rebinding, cross-site requests).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

_BYTES = 24


class Access:
    """The secrets of one preview, served on loopback at `port`."""

    def __init__(self, port: int) -> None:
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._token: str | None = secrets.token_urlsafe(_BYTES)
        self._session = secrets.token_urlsafe(_BYTES)
        self.url = f"http://127.0.0.1:{port}/open/{self._token}"

    @property
    def path(self) -> str:
        """The path of the page."""
        return f"/{self._session}/"

    def redeem(self, token: str) -> bool:
        """Whether the token is the one in the address; it is void afterwards."""
        if self._token is None or not secrets.compare_digest(token.encode(), self._token.encode()):
            return False
        self._token = None
        return True

    def admits(self, session: str) -> bool:
        """Whether a path begins with the secret of the page."""
        return secrets.compare_digest(session.encode(), self._session.encode())

    def is_local(self, headers: Mapping[str, str]) -> bool:
        """Whether a request names this server as its host, and comes from no page of another origin."""
        origin = headers.get("origin")
        if headers.get("host", "").lower() not in self._hosts:
            return False
        if origin is not None and (
            urlsplit(origin).scheme != "http" or urlsplit(origin).netloc not in self._hosts
        ):
            return False
        return headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
