"""A throw-away copy of this machine: what is done in it is gone afterwards, and nothing is started.

The copy is an overlay of the root file system in namespaces of its own. Only root can make one.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

PREPARE = """
set -eu
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root" "$1/tree"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs none "$1/root/tmp"
mkdir "$1/root/tmp/tree"
mount --bind -o ro "$2" "$1/root/tmp/tree"
cp /etc/resolv.conf "$1/root/etc/resolv.conf.copy" 2>/dev/null || true
printf '#!/bin/sh\\nexit 101\\n' > "$1/root/usr/sbin/policy-rc.d"
chmod 0755 "$1/root/usr/sbin/policy-rc.d"
chroot "$1/root" /bin/bash -eu  # not PID 1, or systemctl would ask for a running systemd
"""


def run_on_bare_machine(script: str, tree: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `script` as root in a copy of this machine, where `tree` is /tmp/tree; skipped where there can be none."""
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    mount = ["mount", "-t", "tmpfs", "none", str(folder)]
    possible = os.geteuid() == 0 and not subprocess.run([*namespaces, *mount], check=False).returncode
    if not possible:
        absent = "Only root can make a copy of this machine, and not in every container."
        if os.environ.get("MAILER_TESTS_REQUIRE_BARE_MACHINE"):
            pytest.fail(absent)
        pytest.skip(absent)
    kept = {
        name: os.environ[name]
        for name in ("PIP_INDEX_URL", "PIP_CERT", "SSL_CERT_FILE")
        if name in os.environ
    }
    kept |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    return subprocess.run(
        [*namespaces, "/bin/sh", "-c", PREPARE, "sh", str(folder), str(tree)],
        input=script,
        env=kept
        | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
    )
