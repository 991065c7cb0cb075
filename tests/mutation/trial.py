"""Run a module's tests against each of its mutants, each in a process forked from one that is ready."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.mutation.mutants import Mutant
from tests.mutation.targets import Target

# What tests import before they import what is mutated.
_LIBRARIES = (
    "_hypothesis_pytestplugin",
    "pytest_asyncio.plugin",
    "pytest_timeout",
    "_hypothesis_pytestplugin", "pytest_asyncio.plugin", "pytest_timeout", "xdist.plugin",
    "aiosmtplib", "aiosqlite", "alembic.config", "cryptography.hazmat.primitives.serialization", "email_validator",
    "hypothesis", "psycopg", "pydantic_settings", "sqlmodel", "starlette.applications", "uvicorn", "uvloop",
)  # fmt: skip
QUICK = "MUTATION_QUICK" in os.environ  # only on SQLite: a first look
_PATIENCE = 5  # times as long as the tests take without a change, after which a mutant counts as noticed
_AT_LEAST = 20.0  # seconds


class Trial:
    """The tests of one target, in the tree that is the working directory."""

    def __init__(self, target: Target) -> None:
        self._target, self._path = target, Path(target.module)
        self._source = self._path.read_text(encoding="utf-8")
        for name in (*_LIBRARIES, *target.ready):
            importlib.import_module(name)
        mutated = target.module.removesuffix(".py").replace("/", ".")
        if mutated in sys.modules:
            raise RuntimeError(f"{mutated} is imported by what is to be ready before it: {target.ready}")
        self._limit = 600.0
        if not self._all_pass():  # this also compiles, once, what no mutant changes
            raise RuntimeError(f"the tests of {target.module} fail without any change")
        sys.dont_write_bytecode = True
        started = time.monotonic()
        self._all_pass()
        self._limit = max(_AT_LEAST, _PATIENCE * (time.monotonic() - started))

    def notices(self, mutant: Mutant) -> bool:
        """Whether a test fails, or does not come to an end, with `mutant` in place."""
        with self._in_place(mutant.source):
            return not self._all_pass()

    def _all_pass(self) -> bool:
        return all(self._pass(engine) for engine in self._engines())

    def _engines(self) -> Sequence[str]:
        return ("sqlite", "postgresql") if self._target.postgresql and not QUICK else ("sqlite",)

    @contextlib.contextmanager
    def _in_place(self, source: str) -> Iterator[None]:
        try:
            self._write(source)
            yield
        finally:
            self._write(self._source)

    def _write(self, source: str) -> None:
        self._path.write_text(source, encoding="utf-8")
        # Two changes of one length within a second have the same compiled file, as Python sees it.
        Path(importlib.util.cache_from_source(str(self._path))).unlink(missing_ok=True)

    def _pass(self, engine: str) -> bool:
        child = os.fork()
        if child == 0:
            gc.disable()
            os.setsid()  # so that servers which a test started end with it
            _become_silent()
            os._exit(_run(self._target.tests, engine))
        watch = os.pidfd_open(child)
        in_time, _, _ = select.select([watch], [], [], self._limit)
        os.close(watch)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        return bool(in_time) and os.waitstatus_to_exitcode(status) == 0


def _become_silent() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)


def _run(tests: Sequence[str], engine: str) -> int:
    flags = [
        "-x",
        "-q",
        "--tb=no",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-p",
        "no:pytest_cov",
        "-p",
        "no:anyio",
    ]
    flags += ["-p", "tests.mutation.plugin"]
    flags += ["--hypothesis-profile", "mutation", "--timeout", "120"]
    flags += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is imported, and says so
    return int(pytest.main([*flags, "--engine", engine, *tests]))
