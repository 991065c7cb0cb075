"""An OAuth 2.0 token endpoint over HTTPS on loopback, as an authorisation server has it (RFC 6749)."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs

from tests.support.certificates import loopback_certificates

CLIENT = {"client_id": "an-application", "client_secret": "the client's secret"}
REFRESH_TOKEN = "the-refresh-token"


class TokenEndpoint:
    """Gives out `token-1`, `token-2` and on, each for `life` seconds; `asked` has the forms that it was sent.

    `refusal` is an error that it answers with instead, as a status and a body. With `rotates`, each answer replaces the
    refresh token, and the one before it ends.
    """

    def __init__(self, *, life: float = 3600.0) -> None:
        self.life = life
        self.asked: list[dict[str, str]] = []
        self.rotates = False
        self.refresh_token = REFRESH_TOKEN
        self.refusal: tuple[int, Mapping[str, str]] | None = None
        self.redirect_to: str | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.server_port}/tenant/oauth2/v2.0/token"

    @property
    def newest(self) -> str:
        """The token that was given out last."""
        return f"token-{len(self.asked)}"

    def __enter__(self) -> Self:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status, answer = endpoint._answer({name: one[0] for name, one in parse_qs(body).items()})
                self.send_response(status)
                if endpoint.redirect_to is not None:
                    self.send_header("Location", endpoint.redirect_to)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = loopback_certificates().server_context()
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, fields: dict[str, str]) -> tuple[int, Mapping[str, object]]:
        self.asked.append(fields)
        if self.redirect_to is not None:
            return 307, {}
        if self.refusal is not None:
            return self.refusal
        if {name: fields.get(name) for name in CLIENT} != CLIENT:
            return 401, {"error": "invalid_client"}
        if fields["grant_type"] == "refresh_token" and fields["refresh_token"] != self.refresh_token:
            return 400, {"error": "invalid_grant", "error_description": "The refresh token has expired."}
        answer = {"token_type": "Bearer", "access_token": self.newest, "expires_in": self.life}
        if self.rotates:
            self.refresh_token = f"refresh-token-{len(self.asked)}"
            answer["refresh_token"] = self.refresh_token
        return 200, answer
