"""Where the real servers' programs are, and what a machine lacks to run them.

Debian installs one mail server at a time. Postfix is the installed one; Exim and OpenSMTPD are unpacked, not installed,
into `.relays` by `make relays`. Their users and the folders that are built into them exist only inside a mount
namespace, so nothing outside that folder changes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

UNPACKED = Path(__file__).parents[3] / ".relays"
LIBRARIES = UNPACKED / "root/usr/lib/x86_64-linux-gnu"
PROGRAMS = {"exim": UNPACKED / "root/usr/sbin/exim4", "opensmtpd": UNPACKED / "root/usr/sbin/smtpd"}
USERS = ("Debian-exim", "opensmtpd", "opensmtpq", "opensmtpf")


def why_not(name: str) -> str | None:
    """What stands in the way of running a real `postfix`, `exim` or `opensmtpd` here, or None."""
    if os.geteuid() != 0:
        return "only root may start a mail server"
    if name == "postfix":
        return None if postfix("postfix") else "there is no Postfix: install Debian's package postfix"
    if not PROGRAMS[name].exists():
        return f"there is no {name}: `make relays` fetches it (on Debian and Ubuntu)"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        return "mount namespaces can't be made"
    return None


def postfix(program: str) -> str | None:
    """The path of one of Postfix's commands."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def in_namespace(command: Sequence[str | Path], folder: Path, mounts: Mapping[Path, str]) -> list[str]:
    """`command` with the servers' users, without DNS, and with each of `mounts` (source -> built-in place)."""
    _write_users(folder)
    everywhere = {
        folder / "passwd": "/etc/passwd",
        folder / "group": "/etc/group",
        folder / "resolv.conf": "/etc/resolv.conf",
    }
    lines = [f'mount --bind "{source}" "{place}"' for source, place in {**everywhere, **mounts}.items()]
    script = "\n".join(["set -e", "mount --make-rprivate /", *lines, 'exec "$@"'])
    return ["unshare", "--mount", "sh", "-c", script, "sh", *map(str, command)]


def environment() -> dict[str, str]:
    """For an unpacked program: it finds the libraries that were unpacked with it."""
    return os.environ | {"LD_LIBRARY_PATH": str(LIBRARIES)}


def user_id(name: str) -> int:
    """The id that a server's user has inside the namespace."""
    return 64_100 + USERS.index(name)


def _write_users(folder: Path) -> None:
    passwd, group = Path("/etc/passwd").read_text("utf-8"), Path("/etc/group").read_text("utf-8")
    for name in USERS:
        passwd += f"{name}:x:{user_id(name)}:{user_id(name)}::/nonexistent:/usr/sbin/nologin\n"
        group += f"{name}:x:{user_id(name)}:\n"
    (folder / "passwd").write_text(passwd, encoding="utf-8")
    (folder / "group").write_text(group, encoding="utf-8")
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n", encoding="utf-8")
