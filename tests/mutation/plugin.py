"""A pytest plugin for runs that look at one mutant: one engine at a time, and few examples, the same in each run."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

MIGRATED = Path("migrated.db")  # in the copy of the tree

hypothesis.settings.register_profile(
    "mutation",
    deadline=None,
    max_examples=30,
    derandomize=True,
    database=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=["sqlite", "postgresql"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that need no other engine than the one that is asked for."""
    wanted = config.getoption("engine")
    if wanted:
        on_postgresql = wanted == "postgresql"
        items[:] = [item for item in items if _needs_postgresql(item) == on_postgresql]


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Keep the migrated SQLite file of the first run for all others."""
    if fixturedef.argname != "sqlite_template":
        return (yield)
    if MIGRATED.exists():
        fixturedef.func = lambda tmp_path_factory: MIGRATED  # type: ignore[misc]
    migrated = yield
    if migrated != MIGRATED:
        shutil.copyfile(str(migrated), MIGRATED)
    return migrated


def _needs_postgresql(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function):
        return False
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return "postgresql_database" in item.fixturenames or "postgresql" in parameters
