"""Headless Chromium, and an end for commands that a failed test left running."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.installed import commands_ended


@pytest.fixture(autouse=True)
def _no_command_outlives_its_test() -> Iterator[None]:
    with commands_ended():
        yield


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for a module; a test opens contexts of its own in it.

    Not for the session: as long as it is open, its event loop stands in the way of asynchronous tests.
    """
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        absent = "There is no Chromium on this machine."
        pytest.fail(absent) if os.environ.get("MAILER_TESTS_REQUIRE_BROWSER") else pytest.skip(absent)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()
