"""A form goes to the address that is given, through the proxy of the environment where that is another machine's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mailer.form_post import MAX_ANSWER_BYTES, post_form
from tests.support.loopback import free_port


@contextmanager
def answering(body: bytes = b"") -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """The URL of a server, and the targets and bodies of the requests to it."""
    asked: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_a_redirect_is_the_answer() -> None:
    with answering(b"moved") as (url, asked):
        answer = post_form(f"{url}/page", {"a": "b c"}, timeout_seconds=10)
    assert (answer.status, answer.headers["Location"], answer.body) == (302, "/elsewhere", b"moved")
    assert asked == [("/page", b"a=b+c")]


def test_no_more_is_read_than_the_limit() -> None:
    with answering(bytes(MAX_ANSWER_BYTES + 1)) as (url, _):
        assert len(post_form(url, {}, timeout_seconds=10).body) == MAX_ANSWER_BYTES


def test_a_proxy_is_asked_for_other_machines_and_not_for_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with answering() as (url, asked):
        monkeypatch.setenv("http_proxy", url)
        post_form("http://elsewhere.example/page", {}, timeout_seconds=10)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
        post_form(f"{url}/page", {}, timeout_seconds=10)
    assert [target for target, _ in asked] == ["http://elsewhere.example/page", "/page"]


def test_an_answer_that_can_not_be_read_is_an_error_of_the_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(1000)
                sock.sendall(b"220 relay.test ESMTP\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(OSError, match="can't be read"):
            post_form(f"http://127.0.0.1:{listener.getsockname()[1]}", {}, timeout_seconds=10)
        thread.join(10)
