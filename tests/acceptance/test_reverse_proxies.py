"""The real nginx, Caddy and Apache, set up with what `mailer deploy` prints: they pass links on and log none."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from mailer.access import Scope
from mailer.config import SECRETS_NAME
from mailer.database import Database
from tests.support.api import new_token
from tests.support.campaign import SECRET, TOPIC, subscribe
from tests.support.certificates import loopback_certificates
from tests.support.installed import InstalledMailer
from tests.support.links import address_of, links_in
from tests.support.loopback import free_port
from tests.support.reverse_proxy import PROGRAMS, ReverseProxy, reverse_proxy

TOO_LARGE = 100_000  # bytes; serve takes 16 KiB


@pytest.fixture
def home(mailer: InstalledMailer, tmp_path: Path) -> Path:
    mailer.run(
        "init", "--sender", "A <a@acme.example>", "--public-url", "https://localhost/mail", cwd=tmp_path
    )
    return tmp_path


@pytest.fixture
def token(home: Path) -> str:
    """The token of a link that is valid."""
    (home / SECRETS_NAME).write_text(f'secret_keys = ["{SECRET}"]\n', encoding="utf-8")
    database = Database(f"sqlite:///{home / 'mailer.db'}")
    (person,) = subscribe(database, 1)
    links = links_in(database, [SECRET.encode()], "")
    url = links.url(person, address_of(database, person), TOPIC, "en")
    database.close()
    return url.removeprefix("/u/")


@pytest.fixture
def tokens(home: Path, token: str) -> tuple[str, str]:
    """The token of a link, and one of an account system."""
    database = Database(f"sqlite:///{home / 'mailer.db'}")
    _, secret = new_token(database, [Scope.CONSENTS_WRITE])
    database.close()
    return token, secret


@pytest.fixture
def upstream() -> int:
    return free_port()


@pytest.fixture(params=sorted(PROGRAMS))
def proxy(
    request: pytest.FixtureRequest, mailer: InstalledMailer, home: Path, upstream: int
) -> Iterator[ReverseProxy]:
    name, files = request.param, loopback_certificates()
    options = ["--upstream", f"127.0.0.1:{upstream}"]
    if name != "caddy":
        options += ["--certificate", str(files.certificate_file), "--certificate-key", str(files.key_file)]
    snippet = mailer.run("deploy", name, *options, cwd=home).stdout
    with reverse_proxy(name, snippet, home / name) as running:
        yield running


@contextmanager
def serve(mailer: InstalledMailer, home: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    with mailer.start("serve", "--port", str(port), cwd=home, stdout=None) as process:
        try:
            assert process.stderr is not None
            assert "Listening" in process.stderr.readline()
            yield process
        finally:
            process.kill()


@contextmanager
def client(proxy: ReverseProxy) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=loopback_certificates().ca_file)
    with httpx.Client(
        base_url=f"https://localhost:{proxy.port}/mail/", verify=context, timeout=30, trust_env=False
    ) as found:
        yield found


def answers(proxy: ReverseProxy, token: str) -> dict[str, int]:
    """The status of each kind of request; 0 where the connection was closed without one."""
    requests = {
        "page": ("GET", token, None),
        "head": ("HEAD", token, None),
        "one-click": ("POST", token, b"List-Unsubscribe=One-Click"),
        "too large": ("POST", token, b"x" * TOO_LARGE),
        "altered": ("GET", f"{token[:-4]}AAAA", None),
        "other method": ("DELETE", token, None),
        "query": ("GET", f"{token}?from={token}", None),
    }
    found = dict.fromkeys(requests, 0)
    with client(proxy) as web:
        for name, (method, path, content) in requests.items():
            headers = {"Referer": f"https://localhost/mail/u/{token}"}
            if content:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            with suppress(httpx.TransportError):
                found[name] = web.request(method, f"u/{path}", content=content, headers=headers).status_code
    return found


def odd_requests(proxy: ReverseProxy, token: str) -> None:
    """What no browser sends, and the port without TLS."""
    context = ssl.create_default_context(cafile=loopback_certificates().ca_file)
    start = f"POST /mail/u/{token} HTTP/1.1\r\nHost: localhost\r\n"
    for text in (
        f"{start}Content-Length: 50\r\n\r\nhalf a body",  # and gone
        f"{start}Content-Length: 999999\r\n\r\n",
        f"{start}Transfer-Encoding: chunked\r\n\r\n{TOO_LARGE:x}\r\n{'x' * TOO_LARGE}\r\n0\r\n\r\n",
        f"{start}X: {'y' * 9000}\r\nX: {'y' * 9000}\r\n\r\n",
        f"{start}Content-Length: no\r\n\r\n",
    ):
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", proxy.port), timeout=3) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            secure.sendall(text.encode())
            if "half" not in text:
                secure.recv(100)
    with suppress(httpx.TransportError):
        httpx.get(f"http://localhost:{proxy.plain_port}/mail/u/{token}", timeout=60, follow_redirects=False)


def call_api(proxy: ReverseProxy, api_token: str) -> dict[str, int]:
    """The status of each kind of request to the API; 0 where the connection was closed without one."""
    consent = {
        "email": "jan@example.com",
        "topic": TOPIC,
        "given_at": "2026-05-01T10:00:00Z",
        "wording": "0" * 64,
    }
    requests = {
        "wordings": ("GET", "wordings", None),
        "batch": ("POST", "consents/batch", json.dumps({"items": [consent] * 1000}).encode()),
        "too large": ("POST", "consents/batch", b"x" * 3_000_000),
        "no such": ("DELETE", "consents", None),
        "long header": ("GET", "changes", None),
    }
    found = dict.fromkeys(requests, 0)
    with client(proxy) as web:
        for name, (method, path, content) in requests.items():
            headers = {"Authorization": f"Bearer {api_token}", "Content-Type": "application/json"}
            if name == "long header":
                headers["Authorization"] += "y" * 9000
            with suppress(httpx.TransportError):
                answer = web.request(method, f"api/v1/{path}", content=content, headers=headers)
                found[name] = answer.status_code
    return found


def assert_no_log_holds(proxy: ReverseProxy, *tokens: str) -> None:
    logs = proxy.logs()
    for token in tokens:
        for part in (token[:20], token[-20:], *token.split(".")):
            assert part not in logs, logs
    assert "jan@example.com" not in logs


def test_links_and_the_api_work_and_no_log_holds_a_token(
    mailer: InstalledMailer, home: Path, upstream: int, proxy: ReverseProxy, tokens: tuple[str, str]
) -> None:
    token, api_token = tokens
    with serve(mailer, home, upstream):
        found = answers(proxy, token)
        odd_requests(proxy, token)
        of_api = call_api(proxy, api_token)
    assert (found["page"], found["one-click"], found["altered"]) == (200, 200, 404)
    assert found["too large"] in {0, 413, 502}
    assert (of_api["wordings"], of_api["batch"], of_api["no such"]) == (200, 200, 405)
    assert of_api["too large"] in {0, 413, 502}
    assert_no_log_holds(proxy, token, api_token)


def test_no_log_holds_a_token_while_serve_is_down(
    proxy: ReverseProxy, upstream: int, tokens: tuple[str, str]
) -> None:
    token, api_token = tokens
    found = answers(proxy, token)
    odd_requests(proxy, token)
    assert found["page"] in {502, 503, 504}
    assert call_api(proxy, api_token)["wordings"] in {502, 503, 504}
    assert_no_log_holds(proxy, token, api_token)
    assert_serve_is_told_the_visitor_s_address(proxy, upstream)


def assert_serve_is_told_the_visitor_s_address(proxy: ReverseProxy, upstream: int) -> None:
    """Else all visitors would share the proxy's address, and no bound on one of them would hold."""
    with (
        socket.create_server(("127.0.0.1", upstream)) as listener,
        ThreadPoolExecutor(1) as thread,
        client(proxy) as web,
    ):
        listener.settimeout(20)
        pages = ("privacy", "privacy/nl/1", "view/x", "archive/notes", "archive/notes/feed.atom")
        for path in ("u/x", "api/v1/wordings", ".well-known/consent-log-key", *pages):
            sent = thread.submit(web.get, path, headers={"X-Forwarded-For": "192.0.2.1"})
            connection, _ = listener.accept()
            with connection:
                head = connection.recv(65536).decode().lower()
                connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            assert sent.result().status_code == 204
            forwarded = re.search(r"^x-forwarded-for: (.*)\r$", head, re.MULTILINE)
            assert forwarded is not None, head
            assert forwarded[1].endswith("127.0.0.1")


def test_no_log_holds_a_link_while_serve_goes_and_comes(
    mailer: InstalledMailer, home: Path, upstream: int, proxy: ReverseProxy, token: str
) -> None:
    for stop in (signal.SIGTERM, signal.SIGKILL):
        with serve(mailer, home, upstream) as process:
            process.send_signal(stop)
            answers(proxy, token)
            process.wait(30)
    with half_answering(upstream):
        found = answers(proxy, token)
    assert found["page"] in {0, 200, 502}
    with serve(mailer, home, upstream):
        assert answers(proxy, token)["one-click"] == 200
    assert_no_log_holds(proxy, token)


@contextmanager
def half_answering(port: int) -> Iterator[None]:
    """A server that is killed in the midst of each answer."""
    program = (
        "import socket, sys\n"
        "listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "print('ready', flush=True)\n"
        "answers = [b'', b'HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nhalf', b'HTTP/1.1 200 O', b'nonsense\\r\\n\\r\\n']\n"
        "while True:\n"
        "    for answer in answers:\n"
        "        connection = listener.accept()[0]\n"
        "        connection.recv(65536)\n"
        "        connection.sendall(answer)\n"
        "        connection.close()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(port)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield
        finally:
            process.kill()


def test_the_readme_s_former_snippet_would_have_been_found_out(
    mailer: InstalledMailer, home: Path, upstream: int, token: str
) -> None:
    """nginx writes the link to its error log where only the access log is off: the test can fail."""
    files = loopback_certificates()
    options = ["--certificate", str(files.certificate_file), "--certificate-key", str(files.key_file)]
    snippet = mailer.run("deploy", "nginx", *options, "--upstream", f"127.0.0.1:{upstream}", cwd=home).stdout
    with reverse_proxy("nginx", snippet.replace("error_log /dev/null;", ""), home / "nginx") as proxy:
        answers(proxy, token)
        assert token in proxy.logs()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8025", "https://localhost"])
def test_a_proxy_is_set_up_for_https_and_with_or_without_a_path(
    mailer: InstalledMailer, tmp_path: Path, url: str
) -> None:
    mailer.run("init", "--public-url", url, cwd=tmp_path)
    for name in PROGRAMS:
        done = mailer.run("deploy", name, cwd=tmp_path, check=False)
        if url.startswith("https"):
            assert " /u/" in done.stdout.replace('"', " ")
        else:
            assert (done.returncode, "public_url" in done.stderr) == (1, True)
