"""Real reverse proxies on loopback, with the files that `mailer deploy` prints and nothing of the machine's own.

The tests replace what differs on a real host: ports, certificate and log files.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificates import loopback_certificates
from tests.support.loopback import free_port

PROGRAMS = {"nginx": "nginx", "caddy": "caddy", "apache": "apache2"}
MODULES = (  # of Apache, in this order
    *("mpm_event", "authz_core", "unixd", "socache_shmcb", "ssl"),
    *("proxy", "proxy_http", "alias", "log_config", "reqtimeout"),
)
SECONDS = 20


@dataclass(frozen=True, slots=True)
class ReverseProxy:
    """A running proxy: its address, and the folder with all that it logs."""

    name: str
    port: int
    plain_port: int
    folder: Path

    def logs(self) -> str:
        """Everything that it has written, standard output and standard error too."""
        files = sorted((self.folder / "logs").iterdir())
        return "\n".join(f"== {file.name}\n{file.read_text('utf-8', 'replace')}" for file in files)


@contextmanager
def reverse_proxy(name: str, snippet: str, folder: Path) -> Iterator[ReverseProxy]:
    """`snippet` in a real `name`; the test is skipped where it is not installed, but not in CI."""
    program = shutil.which(PROGRAMS[name], path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if program is None:
        absent = f"There is no {PROGRAMS[name]} on this machine."
        if os.environ.get("MAILER_TESTS_REQUIRE_PROXIES"):
            pytest.fail(absent)
        pytest.skip(absent)
    (folder / "logs").mkdir(parents=True)
    proxy = ReverseProxy(name, free_port(), free_port(), folder)
    command = {"nginx": _nginx, "caddy": _caddy, "apache": _apache}[name](proxy, snippet)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (
        (folder / "logs" / "output").open("wb") as output,
        subprocess.Popen(
            [program, *command], cwd=folder, stdout=output, stderr=output, env=environment
        ) as process,
    ):
        try:
            _wait_for(proxy, process)
            yield proxy
        finally:
            process.terminate()
            process.wait(SECONDS)


def replace(text: str, old: str, new: str) -> str:
    """A replacement that must find what it replaces, or the test would try something else."""
    assert old in text, f"{old!r} is not in the file that was printed"
    return text.replace(old, new)


def _nginx(proxy: ReverseProxy, snippet: str) -> list[str | Path]:
    snippet = replace(snippet, "listen 443 ssl;", f"listen 127.0.0.1:{proxy.port} ssl;")
    snippet = replace(snippet, "listen 80;", f"listen 127.0.0.1:{proxy.plain_port};")
    logs, folder = proxy.folder / "logs", proxy.folder
    snippet = replace(snippet, "/var/log/nginx/", f"{logs}/")
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"daemon off; {user} worker_processes 1; pid {folder}/pid; error_log {logs}/error;\n"
        f"events {{}}\nhttp {{ access_log {logs}/access; {temporary}\n{snippet}\n}}\n",
        encoding="utf-8",
    )
    return ["-c", folder / "nginx.conf", "-e", logs / "start", "-p", folder]


def _caddy(proxy: ReverseProxy, snippet: str) -> list[str | Path]:
    files = loopback_certificates()
    options = f"{{\n    admin off\n    auto_https disable_redirects\n    https_port {proxy.port}\n    http_port {proxy.plain_port}\n"
    snippet = replace(snippet, "{\n    log {\n", f"{options}    log {{\n")
    snippet = replace(snippet, "lb_try_duration 10s", "lb_try_duration 1s")  # each request waits as long
    snippet = replace(
        snippet,
        "    handle ",
        f"    tls {files.certificate_file} {files.key_file}\n    bind 127.0.0.1\n    handle ",
    )
    (proxy.folder / "Caddyfile").write_text(snippet, encoding="utf-8")
    return ["run", "--config", proxy.folder / "Caddyfile", "--adapter", "caddyfile"]


def _apache(proxy: ReverseProxy, snippet: str) -> list[str | Path]:
    snippet = replace(snippet, "*:443", f"127.0.0.1:{proxy.port}")
    snippet = replace(snippet, "*:80", f"127.0.0.1:{proxy.plain_port}")
    logs, folder = proxy.folder / "logs", proxy.folder
    modules = "\n".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
        for name in MODULES
        if Path(f"/usr/lib/apache2/modules/mod_{name}.so").exists()  # some are built in
    )
    user = "User nobody\nGroup nogroup\n" if os.geteuid() == 0 else ""
    combined = '"%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined'
    (folder / "apache.conf").write_text(
        f"{modules}\n{user}ServerRoot {folder}\nServerName localhost\nPidFile {folder}/pid\n"
        f"DefaultRuntimeDir {folder}\nMutex file:{folder}\nListen 127.0.0.1:{proxy.port}\n"
        f"Listen 127.0.0.1:{proxy.plain_port}\nErrorLog {logs}/error\nLogLevel warn\nLogFormat {combined}\n"
        f"Define APACHE_LOG_DIR {logs}\n{snippet}\n",
        encoding="utf-8",
    )
    return ["-f", folder / "apache.conf", "-D", "FOREGROUND"]


def _wait_for(proxy: ReverseProxy, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", proxy.port), timeout=1).close()
        except OSError:
            assert process.poll() is None, f"{proxy.name} ended: {proxy.logs()}"
            assert time.monotonic() < deadline, f"{proxy.name} does not listen: {proxy.logs()}"
            time.sleep(0.05)
        else:
            return
