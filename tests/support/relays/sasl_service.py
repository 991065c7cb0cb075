"""Dovecot's authentication service, as far as Postfix asks it: PLAIN, LOGIN and XOAUTH2 over TCP on loopback.

(Dovecot Authentication Protocol 1.2. Fields are separated by tabs, lines end with LF.)
"""

from __future__ import annotations

import base64
import os
import socketserver
import threading

from tests.support.loopback import free_port

_HELLO = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nMECH\tXOAUTH2\tplaintext\nSPID\t{pid}\nCUID\t1\nCOOKIE\t0123456789abcdef0123456789abcdef\nDONE\n"
_USERNAME, _PASSWORD = (base64.b64encode(word).decode() for word in (b"Username:", b"Password:"))


class SaslService:
    """Knows one user and one password; for XOAUTH2 the password is the access token."""

    def __init__(self, user: str, password: str) -> None:
        self.port = free_port()
        self._user, self._password = user, password
        self._server: socketserver.ThreadingTCPServer | None = None

    def start(self) -> None:
        service = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                service._serve(self)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        if self._server is None:
            self._server = Server(("127.0.0.1", self.port), Handler)
            threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _serve(self, connection: socketserver.StreamRequestHandler) -> None:
        connection.wfile.write(_HELLO.format(pid=os.getpid()).encode())
        under_way: dict[str, list[str]] = {}
        mechanisms: dict[str, str] = {}
        for line in connection.rfile:
            verb, *fields = line.decode().rstrip("\n").split("\t")
            if verb not in ("AUTH", "CONT"):
                continue
            number = fields[0]
            if verb == "AUTH":
                mechanisms[number] = fields[1]
                given = [field.removeprefix("resp=") for field in fields if field.startswith("resp=")]
                under_way[number] = given
            else:
                under_way[number].append(fields[1])
            connection.wfile.write(self._answer(number, mechanisms[number], under_way[number]).encode())

    def _answer(self, number: str, mechanism: str, responses: list[str]) -> str:
        asked = {"LOGIN": (_USERNAME, _PASSWORD)}.get(mechanism, ("",))
        if len(responses) < len(asked):
            return f"CONT\t{number}\t{asked[len(responses)]}\n"
        said = [base64.b64decode(response) for response in responses]
        if said == self._expected(mechanism):
            return f"OK\t{number}\tuser={self._user}\n"
        return f"FAIL\t{number}\tuser={self._user}\n"

    def _expected(self, mechanism: str) -> list[bytes]:
        user, password = self._user.encode(), self._password.encode()
        return {
            "PLAIN": [b"\0" + user + b"\0" + password],
            "LOGIN": [user, password],
            "XOAUTH2": [b"user=" + user + b"\1auth=Bearer " + password + b"\1\1"],
        }[mechanism]
