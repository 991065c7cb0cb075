"""Exim, as Debian ships it: PIPELINING, CHUNKING, STARTTLS; it queues nothing, its one router is a black hole."""

from __future__ import annotations

import re
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tests.support.processes import descendants
from tests.support.relays import programs
from tests.support.relays.server import (
    LOGIN,
    TIMEOUT_SECONDS,
    RealRelay,
    Rules,
    is_running,
    send_signal,
    wait_for,
)

_RECEIVED = re.compile(r" <= .* for (\S+)$", re.MULTILINE)

_CONFIGURATION = """\
exim_path = {program}
primary_hostname = relay.example.com
spool_directory = {folder}/spool
log_file_path = {folder}/logs/%slog
pid_file_path = {folder}/spool/exim.pid
local_interfaces = 127.0.0.1
disable_ipv6
daemon_smtp_ports = {plain} : {starttls} : {tls}
tls_on_connect_ports = {tls}
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
chunking_advertise_hosts = *
pipelining_connect_advertise_hosts =
smtp_accept_max = 100
smtp_accept_max_per_host = {connections_per_host}
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = {messages_per_connection}
host_lookup =
rfc1413_hosts =
queue_only = true
queue_run_max = 0
split_spool_directory = true
log_selector = +received_recipients
acl_smtp_mail = check_login
acl_smtp_rcpt = check_rcpt
acl_smtp_data = check_data
never_users =

begin acl
check_login:
  accept condition = ${{if eq{{$received_port}}{{{plain}}}}}
  accept authenticated = *
  deny message = 530 5.7.0 Authentication required
check_rcpt:
  {refused_at_rcpt}
  accept
check_data:
  {refused_after_content}
  accept

begin routers
black_hole:
  driver = redirect
  data = :blackhole:
  domains = *

begin transports

begin retry

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
  server_advertise_condition = ${{if def:tls_in_cipher}}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{{eq{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
  server_advertise_condition = ${{if def:tls_in_cipher}}
"""


class Exim(RealRelay):
    """Each mail stays in its spool; nobody takes it from there."""

    name: ClassVar[str] = "exim"

    def __init__(self, rules: Rules | None = None) -> None:
        super().__init__(rules)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "logs/mainlog"

    def configure(self) -> None:
        user = programs.user_id("Debian-exim")
        for name in ("spool", "logs"):
            (self.folder / name).mkdir(exist_ok=True)
            subprocess.run(["chown", str(user), self.folder / name], check=True)
        subprocess.run(["chown", str(user), self.key], check=True)
        rules = self.rules
        text = _CONFIGURATION.format(
            program=programs.PROGRAMS["exim"],
            folder=self.folder,
            plain=self.plain,
            starttls=self.starttls,
            tls=self.tls,
            certificate=self.certificate,
            key=self.key,
            connections_per_host="" if rules.connections_per_host is None else rules.connections_per_host,
            messages_per_connection=(
                1000 if rules.messages_per_connection is None else rules.messages_per_connection
            ),
            refused_at_rcpt=_refuse("$local_part@$domain", rules.refused_at_rcpt),
            refused_after_content=_refuse("$recipients", rules.refused_after_content),
            user=LOGIN[0],
            password=LOGIN[1],
        )
        (self.folder / "exim.conf").write_text(text, encoding="utf-8")

    def start(self) -> None:
        command: list[str | Path] = [programs.PROGRAMS["exim"], "-C", self.folder / "exim.conf", "-bdf"]
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                programs.in_namespace(command, self.folder, {}),
                env=programs.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.wait_for_ports()

    def stop(self) -> None:
        if self._process is not None:
            serving = descendants(self._process.pid)
            for process in (self._process.pid, *serving):
                send_signal(process, signal.SIGTERM)
            self._process.wait(TIMEOUT_SECONDS)
            wait_for(lambda: not any(is_running(process) for process in serving))
            self._process = None

    def reload(self) -> None:
        send_signal(self.main_process(), signal.SIGHUP)

    def taken(self) -> Counter[str]:
        return Counter(_RECEIVED.findall(self.read_log()))

    def main_process(self) -> int:
        assert self._process is not None
        return self._process.pid


def _refuse(subject: str, recipients: Sequence[str]) -> str:
    """A statement of an access list that refuses where `subject` is one of `recipients`."""
    if not recipients:
        return ""
    condition = f"${{if inlisti{{{subject}}}{{{':'.join(recipients)}}}}}"
    return f"deny condition = {condition}\n       message = 550 5.7.1 Refused by policy"
