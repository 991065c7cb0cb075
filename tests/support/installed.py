"""The installed command: a wheel of this tree in its own virtual environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]


_started: list[subprocess.Popen[str]] = []


@contextmanager
def commands_ended() -> Iterator[None]:
    """At the end, kill the commands that were started meanwhile and still run, and close their pipes.

    A test that failed leaves them, and the next one is blamed for them.
    """
    before = len(_started)
    try:
        yield
    finally:
        for process in _started[before:]:
            process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        del _started[before:]


@dataclass(frozen=True, slots=True)
class InstalledMailer:
    """The installed `mailer` command. It sees neither the source tree nor the MAILER_* variables of the test
    run.
    """

    wheel: Path
    venv: Path

    @property
    def command(self) -> Path:
        return self.venv / "bin" / "mailer"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def contents(self) -> list[str]:
        """The names of the files in the wheel."""
        with zipfile.ZipFile(self.wheel) as archive:
            return archive.namelist()

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The clean environment, and `extra`."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MAILER_", "PYTHON", "COV_"))
        }
        return kept | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "100"} | dict(extra or {})

    def start(
        self,
        *args: str | Path,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        stdout: int | IO[bytes] | None = subprocess.PIPE,
        stderr: int | IO[bytes] | None = subprocess.PIPE,
        process_group: int | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[str]:
        """Start `mailer ARGS` in `cwd`; `env` is added to the clean environment."""
        process = subprocess.Popen(
            [self.command, *args],
            cwd=cwd,
            env=self.environment(env),
            stdout=stdout,
            stderr=stderr,
            process_group=process_group,
            pass_fds=pass_fds,
            encoding="utf-8",
        )
        _started.append(process)
        return process

    def run(
        self,
        *args: str | Path,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # noqa: A002 - subprocess's own word
        check: bool = True,
        timeout: float = 240,
    ) -> subprocess.CompletedProcess[str]:
        """Run `mailer ARGS` in `cwd` to its end; `env` is added to the clean environment.

        With `check`, an exit code other than 0 fails the test with both streams in sight.
        """
        done = subprocess.run(
            [self.command, *args],
            cwd=cwd,
            env=self.environment(env),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            words = " ".join(str(arg) for arg in args)
            raise AssertionError(
                f"mailer {words} ended with {done.returncode}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"
            )
        return done


def installed_once(folder: Path) -> InstalledMailer:
    """What `install` installed in `folder` before, or else install it now. One process at a time may call it."""
    done = folder / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        install(folder)
        done.touch()
    (wheel,) = folder.glob("*.whl")
    return InstalledMailer(wheel, folder / "venv")


def install(folder: Path) -> InstalledMailer:
    """Build the wheel and install it, and nothing else, in `folder`.

    Its dependencies are those of the environment that runs the tests, which come after its own packages on
    the path; that environment's editable installation stays out, because a .pth file is not read from there.
    """
    _run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
    (wheel,) = folder.glob("*.whl")
    venv = folder / "venv"
    _run(sys.executable, "-m", "venv", "--without-pip", venv)
    mailer = InstalledMailer(wheel, venv)
    _run(
        *(sys.executable, "-m", "pip", "--python", mailer.python, "install"),
        *("--no-deps", "--no-index", "--quiet", wheel),
    )
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return mailer


def _run(*command: str | Path) -> None:
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
