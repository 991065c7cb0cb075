"""A description of the machine that the figures come from."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path

import psycopg
from cryptography.hazmat.backends.openssl import backend

from benchmarks.programs import Missing, find, run

PACKAGES = ("uvloop", "SQLAlchemy", "psycopg", "cryptography", "aiosmtplib", "dkimpy", "uvicorn", "starlette")


def description(folder: Path) -> list[tuple[str, str]]:
    """The properties of the machine, as pairs of a name and a value."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return [
        ("Processor", f"{_processor()}, {os.cpu_count()} cores"),
        ("Memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"),
        ("System", f"{platform.system()} {platform.release()}"),
        ("Disk", f"{_file_system(folder)}, fsync of 4 KiB {fsync_ms(folder):.2f} ms (median of 100)"),
        ("Load before", ", ".join(f"{load:.2f}" for load in os.getloadavg()) + " (1, 5, 15 minutes)"),
        ("Python", f"{' '.join(sys.version.split())}, {packages}"),
        ("Libraries", f"SQLite {_sqlite()}, libpq {psycopg.pq.version()}, {backend.openssl_version_text()}"),
        ("Postfix", _postfix()),
        ("openssl speed", _openssl()),
    ]


def fsync_ms(folder: Path, rounds: int = 100) -> float:
    """How long an fsync takes on the disk under `folder`, in milliseconds."""
    taken = []
    path = folder / "fsync"
    with path.open("wb", buffering=0) as file:
        for _ in range(rounds):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    path.unlink()
    return statistics.median(taken) * 1000


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _file_system(folder: Path) -> str:
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "file system unknown"
    above = [mount for mount in mounts if folder.is_relative_to(mount[1])]
    return max(above, key=lambda mount: len(mount[1]))[2]


def _sqlite() -> str:
    import sqlite3  # noqa: PLC0415 - only its version is needed

    return sqlite3.sqlite_version


def _postfix() -> str:
    try:
        return run([find("postconf", "postfix"), "-d", "-h", "mail_version"]).output.strip()
    except Missing as missing:
        return str(missing)


def _openssl() -> str:
    try:
        return run([find("openssl", "openssl"), "version"]).output.strip()
    except Missing as missing:
        return str(missing)
