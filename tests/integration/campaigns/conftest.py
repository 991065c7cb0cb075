"""A relay, for tests of commands that send."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.campaign import threaded
from tests.support.relay import FaultyRelay


@pytest.fixture
def relay() -> Iterator[FaultyRelay]:
    with threaded(FaultyRelay(pipelining=True)) as found:
        yield found
