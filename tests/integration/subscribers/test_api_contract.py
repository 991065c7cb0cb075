"""The API does what its description says: no undocumented answer, and nothing that the schema forbids is taken.

schemathesis makes the requests, sound and unsound, from the description that is served.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from mailer.database import Database
from tests.support.api import new_token, register_wording, settings_for
from tests.support.web_server import serving_in_thread
from web import create_app

# What is right by the schema, but not on file, or at odds with what is: a time in the future, an unknown text.
SEMANTIC = ["2xx", "404", "409", "422"]


@pytest.fixture(scope="module")
def served(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a served API, and a token."""
    path = tmp_path_factory.mktemp("contract") / "mailer.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{path}")
    register_wording(database)
    _, secret = new_token(database, requests_per_second=100_000)
    with serving_in_thread(create_app(settings_for(database))) as address:
        yield address, secret
    database.close()


@pytest.fixture(scope="module")
def contract(served: tuple[str, str]) -> schemathesis.BaseSchema:
    address, _ = served
    config = SchemathesisConfig.from_dict(
        {
            "base-url": f"{address}/api/v1",
            "checks": {"positive_data_acceptance": {"expected-statuses": SEMANTIC}},
        }
    )
    return schemathesis.openapi.from_dict(
        httpx.get(f"{address}/api/v1/openapi.json", timeout=60).json(), config=config
    )


OPERATIONS = [
    ("POST", "/consents"),
    ("POST", "/withdrawals"),
    ("POST", "/consents/query"),
    ("POST", "/consents/batch"),
    ("GET", "/changes"),
    ("POST", "/rectifications"),
    ("POST", "/erasures"),
    ("GET", "/wordings"),
    ("POST", "/wordings"),
]


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        *((*each, GenerationMode.POSITIVE) for each in OPERATIONS),
        # Nothing is sent to list the wordings, so nothing can be wrong with it.
        *((*each, GenerationMode.NEGATIVE) for each in OPERATIONS if each != ("GET", "/wordings")),
    ],
)
def test_every_answer_is_as_described(
    contract: schemathesis.BaseSchema,
    served: tuple[str, str],
    method: str,
    path: str,
    mode: GenerationMode,
) -> None:
    strategy = contract[path][method].as_strategy(generation_mode=mode)

    @given(case=strategy)
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def call(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {served[1]}"})

    call()


def test_the_description_is_complete(served: tuple[str, str]) -> None:
    document = httpx.get(f"{served[0]}/api/v1/openapi.json", timeout=60).json()
    assert document["openapi"].startswith("3.1")
    assert set(document["webhooks"]) == {"consent.changes"}
    described = {(method.upper(), path) for path, each in document["paths"].items() for method in each}
    assert described == set(OPERATIONS)
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name
