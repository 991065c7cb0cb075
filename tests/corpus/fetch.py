"""Fetch the changelogs of well-known packages with the registries' own clients; keep them in a folder that git ignores.

`python -m tests.corpus.fetch` fetches them all and says what is there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDER = Path(__file__).parent / "fetched"
PACKAGES = Path(__file__).parent / "packages.toml"
_NAME = re.compile(
    r"(?:changelog|changes|history|releases?|release-notes|news)(?:\.[a-z-]+)?\.(?:md|markdown|rst)",
    re.IGNORECASE,
)
_BATCH = 10


class Unavailable(Exception):
    """The packages can't be had here; the message says why."""


def fetch(seconds: float) -> list[Path]:
    """The changelogs, fetched if they are not there yet. Raises Unavailable after `seconds`, or where a client fails."""
    until = time.monotonic() + seconds
    packages = tomllib.loads(PACKAGES.read_text(encoding="utf-8"))
    wanted = FOLDER / "packages.toml"
    if not wanted.exists() or wanted.read_bytes() != PACKAGES.read_bytes():
        FOLDER.joinpath("changelogs").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as archives, ThreadPoolExecutor() as both:
            for done in [
                both.submit(_fetch_crates, packages["crates"], Path(archives, "crates"), until),
                both.submit(_fetch_npm, packages["npm"], Path(archives, "npm"), until),
            ]:
                done.result()
        shutil.copyfile(PACKAGES, wanted)
    return sorted(FOLDER.joinpath("changelogs").iterdir())


def _fetch_crates(crates: dict[str, str], manifest: Path, until: float) -> None:
    manifest.joinpath("src").mkdir(parents=True, exist_ok=True)
    manifest.joinpath("src", "lib.rs").touch()
    lines = [
        f'{name} = {{ version = "={version}", default-features = false }}' for name, version in crates.items()
    ]
    manifest.joinpath("Cargo.toml").write_text(
        "\n".join(
            ['[package]\nname = "corpus"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]', *lines]
        ),
        encoding="utf-8",
    )
    home = manifest / "cargo"
    command = ["cargo", "fetch", "--quiet", "--target", "x86_64-unknown-linux-gnu"]
    _run(command, manifest, until, {"CARGO_HOME": str(home)})
    for name, version in crates.items():
        for archive in home.glob(f"registry/cache/*/{name}-{version}.crate"):
            _take(archive, name)


def _fetch_npm(packages: dict[str, str], folder: Path, until: float) -> None:
    folder.mkdir()
    wanted = [f"{name}@{version}" for name, version in packages.items()]
    for start in range(0, len(wanted), _BATCH):
        _run(
            ["npm", "pack", "--silent", "--ignore-scripts", *wanted[start : start + _BATCH]],
            folder,
            until,
            {},
        )
    for archive in folder.glob("*.tgz"):
        _take(archive, re.sub(r"-\d+\.\d+\.\d+.*", "", archive.name))


def _run(command: list[str], folder: Path, until: float, variables: dict[str, str]) -> None:
    if shutil.which(command[0]) is None:
        raise Unavailable(f"there is no {command[0]}")
    try:
        subprocess.run(
            command,
            cwd=folder,
            env=os.environ | variables,
            check=True,
            capture_output=True,
            timeout=max(until - time.monotonic(), 0.1),
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} took too long") from None
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"{command[0]} failed with exit code {error.returncode}") from None


def _take(archive: Path, name: str) -> None:
    """The changelogs at the top of a package's archive."""
    target = FOLDER / "changelogs"
    with tarfile.open(archive) as package:
        for member in package:
            parts = Path(member.name).parts
            if (
                len(parts) == 2
                and member.isfile()
                and _NAME.fullmatch(parts[1])
                and (file := package.extractfile(member))
            ):
                target.joinpath(f"{name}--{parts[1]}").write_bytes(file.read())


if __name__ == "__main__":
    print(f"{len(fetch(600))} changelogs in {FOLDER}", file=sys.stdout)  # noqa: T201
