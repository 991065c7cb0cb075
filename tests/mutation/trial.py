"""Which mutants of a module its tests do not notice."""

from __future__ import annotations

import contextlib
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.process import passes
from tests.mutation.targets import Target

# What tests import before they import what is mutated.
_LIBRARIES = (
    "_hypothesis_pytestplugin", "pytest_asyncio.plugin", "pytest_timeout", "aiosmtplib", "aiosqlite", "alembic.config",
    "cryptography.hazmat.primitives.serialization", "email_validator", "hypothesis", "psycopg", "pydantic",
    "sqlmodel", "starlette.applications", "uvicorn", "uvloop",
)  # fmt: skip
_FLAGS = (
    "-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:pytest_cov", "-p", "no:anyio",
    "-p", "tests.mutation.plugin", "--hypothesis-profile", "mutation", "--timeout", "120",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",  # hypothesis is imported, and says so
)  # fmt: skip


def survivors_of(target: Target, *, on_postgresql: bool) -> Iterator[Mutant]:
    """The mutants of `target` that its tests do not notice; works in the tree that is the working directory.

    All are tried the quick way on SQLite. Those that remain are tried with a fresh import, on both engines where
    `target` asks for that and `on_postgresql` is set.
    """
    mutants = list(mutants_of(Path(target.module).read_text(encoding="utf-8")))
    found = Path("survivors.json")
    quickly = ["-p", "tests.mutation.quick", "--mutate", target.module, "--survivors", str(found)]
    command = [sys.executable, "-m", "pytest", *_FLAGS, *quickly, "--engine", "sqlite", *target.tests]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if not found.exists():
        raise RuntimeError(f"the tests of {target.module} can't be run:\n{done.stdout}{done.stderr}")
    remaining = [mutants[number] for number in json.loads(found.read_text(encoding="utf-8"))]
    if remaining:
        trial = _Trial(
            target, ("sqlite", "postgresql") if target.postgresql and on_postgresql else ("sqlite",)
        )
        yield from (mutant for mutant in remaining if not trial.notices(mutant))


class _Trial:
    """The tests of one target, run with a fresh import of the mutant, in forks of a process that is ready for it."""

    def __init__(self, target: Target, engines: Sequence[str]) -> None:
        self._target, self._engines, self._path = target, engines, Path(target.module)
        self._source = self._path.read_text(encoding="utf-8")
        for name in (*_LIBRARIES, *target.ready):
            importlib.import_module(name)
        mutated = target.module.removesuffix(".py").replace("/", ".")
        if mutated in sys.modules:
            raise RuntimeError(f"{mutated} is imported by what is to be ready before it: {target.ready}")
        self._limits: dict[str, float] = {}
        for engine in engines:
            limit, _ = passes(lambda engine=engine: self._run(engine))  # type: ignore[misc]
            if limit is None:
                raise RuntimeError(f"the tests of {target.module} fail without a change on {engine}")
            self._limits[engine] = limit
        sys.dont_write_bytecode = True

    def notices(self, mutant: Mutant) -> bool:
        """Whether a test fails, or does not come to an end, with `mutant` in place."""
        with self._in_place(mutant.source):
            return any(
                passes(lambda engine=engine: self._run(engine), self._limits[engine])[0] is None  # type: ignore[misc]
                for engine in self._engines
            )

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

    def _run(self, engine: str) -> bool:
        return pytest.main([*_FLAGS, "--engine", engine, *self._target.tests]) == pytest.ExitCode.OK
