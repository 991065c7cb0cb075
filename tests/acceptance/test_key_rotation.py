"""A rotation of the secret keys loses no withdrawal: `mailer serve` runs on, 1,000 one-click requests come
meanwhile.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from mailer.config import key_source, load_settings
from mailer.database import Database, installation_id
from subscribers.kinds import ConsentKind
from subscribers.self_service import Links
from tests.support.campaign import TOPIC, subscribe
from tests.support.figures import report_figures
from tests.support.installed import InstalledMailer
from tests.support.links import address_of

REQUESTS = 1000
ROTATE_AFTER = 300
RETRIES = 10


@pytest.mark.parametrize(
    "steps",
    [[("keys", "rotate")], [("keys", "rotate", "--prepare"), ("keys", "rotate", "--activate")]],
    ids=["one step", "two steps"],
)
def test_no_one_click_request_is_lost_while_the_keys_are_rotated(
    mailer: InstalledMailer, tmp_path: Path, steps: list[tuple[str, ...]]
) -> None:
    mailer.run("init", cwd=tmp_path)
    settings = load_settings(tmp_path / "mailer.toml")
    database = Database(settings.database_url.reveal(), settings.folder)
    people = subscribe(database, REQUESTS)
    with database.read() as connection:
        links = Links(key_source(settings), installation_id(connection), settings.public_url)
    answers: Counter[int] = Counter()
    with mailer.start("serve", "--port", "0", cwd=tmp_path, stdout=None) as process:
        try:
            assert process.stderr is not None
            address = re.search(r"http://[^ ]+", process.stderr.readline())
            assert address is not None
            with (
                httpx.Client(base_url=address[0], timeout=60) as client,
                ThreadPoolExecutor(8) as threads,
            ):

                def leave(person: int) -> None:
                    """Mail a link, as the worker signs it now, and post to it as a provider does."""
                    path = (
                        "/u/"
                        + links.url(person, address_of(database, person), TOPIC, "en").rpartition("/u/")[2]
                    )
                    for _ in range(RETRIES):
                        answer = client.post(path, content=b"List-Unsubscribe=One-Click")
                        answers[answer.status_code] += 1
                        if answer.status_code != 503:
                            return
                        time.sleep(int(answer.headers["Retry-After"]))

                leaving = [threads.submit(leave, person) for person in people[:ROTATE_AFTER]]
                for step in steps:
                    mailer.run(*step, cwd=tmp_path)
                leaving += [threads.submit(leave, person) for person in people[ROTATE_AFTER:-100]]
                for one in leaving:
                    one.result()
                time.sleep(1.1)  # by now the worker signs with the new key
                for person in people[-100:]:
                    leave(person)
        finally:
            process.kill()
    with database.read() as connection:
        withdrawn = connection.exec_driver_sql(
            f"SELECT count(*) FROM consent WHERE state = '{ConsentKind.WITHDRAWN.value}'"
        ).scalar_one()
    database.close()
    report_figures(
        f"keys rotated in {len(steps)} step(s): {REQUESTS:,} one-click requests, answers {dict(answers)}"
    )
    assert withdrawn == REQUESTS
    assert answers[404] == 0
    assert answers[200] == REQUESTS
