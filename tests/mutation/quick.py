"""A pytest plugin that collects the tests once, and then runs them against each mutant in a fork of that process.

The mutated module is not imported anew: its functions get the code of the mutant's, its other values are replaced.
That is ten times as quick as a fresh start, and may miss a change, such as one of a value that a test module read
when it was imported. So what is not noticed here is tried once more by `trial`.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from tests.mutation.mutants import mutants_of
from tests.mutation.process import passes


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutate", help="the file to mutate")
    parser.addoption("--survivors", help="where to write the numbers of the mutants that no test noticed")


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run the tests without a change, and then against all mutants."""
    path = session.config.getoption("mutate")
    if not path:
        return None
    source = Path(path).read_text(encoding="utf-8")
    name = path.removesuffix(".py").replace("/", ".")
    gc.freeze()
    limit, _ = passes(lambda: _run(session, name, source))
    if limit is None:
        raise pytest.UsageError(f"the tests of {path} fail without a change")
    survivors = [
        number
        for number, mutant in enumerate(mutants_of(source))
        if passes(lambda mutant=mutant: _run(session, name, mutant.source), limit)[0] is not None  # type: ignore[misc]
    ]
    Path(session.config.getoption("survivors")).write_text(json.dumps(survivors), encoding="utf-8")
    return True


def _run(session: pytest.Session, name: str, source: str) -> bool:
    """Whether all tests pass with `source` in place of the module `name`."""
    replace(sys.modules[name], source)
    for item, following in zip(session.items, [*session.items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return False
    return True


def replace(module: ModuleType, source: str) -> None:
    """Let `module`, and all that imported something from it, go on with `source`."""
    fresh = ModuleType(module.__name__)
    fresh.__file__ = module.__file__
    exec(compile(source, str(module.__file__), "exec"), vars(fresh))  # noqa: S102 - it is our own, with one change
    for name, value in vars(fresh).items():
        before = vars(module).get(name)
        if value is before or name.startswith("__"):
            continue
        if isinstance(value, FunctionType) and isinstance(before, FunctionType):
            _take_over(before, value)
        elif isinstance(value, type) and isinstance(before, type):
            _take_over_class(before, value)
        else:
            for other in list(sys.modules.values()):
                if getattr(other, "__dict__", {}).get(name) is before:
                    setattr(other, name, value)


def _take_over(before: Any, after: Any) -> None:
    if hasattr(before, "__wrapped__"):
        _take_over(before.__wrapped__, after.__wrapped__)
    else:
        before.__code__ = after.__code__
        before.__defaults__, before.__kwdefaults__ = after.__defaults__, after.__kwdefaults__


def _take_over_class(before: type, after: type) -> None:
    for name, value in vars(after).items():
        old = vars(before).get(name)
        for kind, part in (
            (FunctionType, None),
            ((classmethod, staticmethod), "__func__"),
            (property, "fget"),
        ):
            if isinstance(value, kind) and isinstance(old, kind):
                _take_over(getattr(old, part) if part else old, getattr(value, part) if part else value)
