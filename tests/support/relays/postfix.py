"""Postfix, as Debian ships it: PIPELINING, CHUNKING, STARTTLS, and the transport `discard` for everything, or none."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tests.support.relays import programs
from tests.support.relays.sasl_service import SaslService
from tests.support.relays.server import (
    LOGIN,
    TIMEOUT_SECONDS,
    RealRelay,
    Rules,
    is_running,
    name_of,
    run,
    wait_for,
)

_SENT = re.compile(r": to=<([^>]*)>,.* status=sent ")

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.example.com
mydestination =
mynetworks = 127.0.0.0/8
default_transport = discard:
local_transport = discard:
relay_transport = discard:
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
alias_maps =
alias_database =
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
anvil_rate_time_unit = 60s
service_throttle_time = 1s
smtpd_client_connection_count_limit = {connections_per_host}
smtpd_client_connection_rate_limit = 0
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{sasl_port}
smtpd_sasl_security_options = noanonymous
smtpd_recipient_restrictions = {refused_at_rcpt} permit_mynetworks, reject
smtpd_end_of_data_restrictions = {refused_after_content}
{more}
"""

# Only what takes, keeps and discards mail: there is no service that could deliver it.
_MASTER = """\
127.0.0.1:{plain} inet n - n - 100 smtpd
127.0.0.1:{starttls} inet n - n - 100 smtpd
  -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
127.0.0.1:{tls} inet n - n - 100 smtpd
  -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
"""


class Postfix(RealRelay):
    """`more` are lines for main.cf, which win."""

    name: ClassVar[str] = "postfix"

    def __init__(self, rules: Rules | None = None, *, more: str = "") -> None:
        super().__init__(rules)
        self._more = more
        self._sasl = SaslService(*LOGIN)
        self._postfix = programs.postfix("postfix") or "postfix"

    @property
    def _config(self) -> Path:
        return self.folder / "config"

    def configure(self) -> None:
        for name in ("config", "queue", "data"):
            (self.folder / name).mkdir(exist_ok=True)
        # Its programs write to the log themselves while postlogd does not run, and most do so as this user.
        self.log.touch()
        run("chown", "postfix", self.folder / "data", self.log)
        rules = self.rules
        if rules.messages_per_connection is not None:
            raise ValueError("Postfix has no limit of messages a connection.")
        main = _MAIN.format(
            folder=self.folder,
            certificate=self.certificate,
            key=self.key,
            connections_per_host=rules.connections_per_host or 0,
            sasl_port=self._sasl.port,
            refused_at_rcpt=_refuse(rules.refused_at_rcpt),
            refused_after_content=_refuse(rules.refused_after_content),
            more=self._more,
        )
        (self._config / "main.cf").write_text(main, encoding="utf-8")
        master = _MASTER.format(plain=self.plain, starttls=self.starttls, tls=self.tls)
        (self._config / "master.cf").write_text(master, encoding="utf-8")

    def start(self) -> None:
        self._sasl.start()
        run(self._postfix, "-c", self._config, "start")
        self.wait_for_ports()

    def stop(self) -> None:
        if self._runs():
            run(self._postfix, "-c", self._config, "stop")
            wait_for(lambda: not self._runs())
        self._sasl.stop()

    def reload(self) -> None:
        run(self._postfix, "-c", self._config, "reload")

    def taken(self) -> Counter[str]:
        return Counter(_SENT.findall(self.read_log()))

    def main_process(self) -> int:
        return int((self.folder / "queue/pid/master.pid").read_text(encoding="ascii"))

    def workers(self) -> list[int]:
        """All but postlogd: while that is gone, the parent process waits for it when it logs, and restarts nothing."""
        return [process for process in super().workers() if name_of(process) != "postlogd"]

    def _runs(self) -> bool:
        try:
            return is_running(self.main_process())
        except (OSError, ValueError):
            return False


class HoldingPostfix(Postfix):
    """Postfix that keeps each mail in its queue `hold`, where it is counted.

    Its log is no count where it stops: what its programs have sent to postlogd, and postlogd has not written, is lost.
    """

    def __init__(self, rules: Rules | None = None) -> None:
        super().__init__(rules, more="smtpd_data_restrictions = check_client_access static:HOLD")

    def taken(self) -> Counter[str]:
        command: list[str | Path] = [programs.postfix("postqueue") or "postqueue", "-c", self._config, "-j"]
        listed = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=TIMEOUT_SECONDS
        ).stdout
        mails = [mail for mail in map(json.loads, listed.splitlines()) if mail["queue_name"] == "hold"]
        return Counter(recipient["address"] for mail in mails for recipient in mail["recipients"])


def _refuse(recipients: Sequence[str]) -> str:
    """A restriction that refuses these recipients and says nothing about others."""
    if not recipients:
        return ""
    pairs = ", ".join(f"{{ {name} = 550 5.7.1 Refused by policy }}" for name in recipients)
    return f"check_recipient_access inline:{{ {pairs} }},"
