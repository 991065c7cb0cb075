"""The API of account systems over real HTTP, on real databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from mailer import access
from mailer.access import Scope
from mailer.database import Database
from subscribers import people
from subscribers.account.idempotency import REQUEST
from subscribers.address import normalise
from subscribers.ledger import EVENT
from subscribers.rights import holds
from tests.support.api import Api, grant, new_token, register_wording, serving_api
from tests.support.campaign import TOPIC

WITHDRAWAL = {"email": "jan@example.com", "topic": TOPIC}


@pytest.fixture(autouse=True)
def tokens_are_read_at_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new or revoked token counts at once, not within a second."""
    monkeypatch.setattr(access.store, "REFRESH_SECONDS", 0)


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    async with serving_api(database) as served:
        yield served


@pytest.fixture
async def sqlite_api(sqlite_database: Database) -> AsyncIterator[Api]:
    """On one engine, where the engine makes no difference."""
    async with serving_api(sqlite_database) as served:
        yield served


def events_in(database: Database) -> list[str]:
    with database.read() as connection:
        return [
            kind.value for kind in connection.execute(select(EVENT.c.kind).order_by(EVENT.c.id)).scalars()
        ]


async def test_a_consent_a_withdrawal_and_a_query_agree(api: Api) -> None:
    given = await api.post("consents", grant(first_name="Jan"))
    assert (given.status_code, given.json()["state"]) == (200, "granted")
    assert datetime.fromisoformat(given.json()["since"]) == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert await api.state() == "granted"
    taken = await api.post("withdrawals", WITHDRAWAL)
    assert (taken.status_code, taken.json()["state"]) == (200, "withdrawn")
    assert taken.json()["subscriber"] == given.json()["subscriber"]
    assert await api.state() == "withdrawn"
    assert events_in(api.database) == ["granted", "withdrawn"]


async def test_a_consent_older_than_the_withdrawal_undoes_nothing_and_says_so(api: Api) -> None:
    await api.post("consents", grant())
    await api.post("withdrawals", WITHDRAWAL)
    again = await api.post("consents", grant(given_at="2026-06-01T10:00:00Z"))
    assert (again.status_code, again.json()["state"]) == (200, "withdrawn")
    assert events_in(api.database) == ["granted", "withdrawn"]


async def test_a_withdrawal_older_than_the_consent_undoes_nothing(sqlite_api: Api) -> None:
    await sqlite_api.post("consents", grant())
    late = await sqlite_api.post("withdrawals", WITHDRAWAL | {"at": "2026-04-30T10:00:00Z"})
    assert (late.status_code, late.json()["state"]) == (200, "granted")


@pytest.mark.parametrize("topic", [TOPIC, "*"])
async def test_a_no_with_a_time_counts_from_then_so_that_no_consent_from_before_it_comes_after_it(
    api: Api, topic: str
) -> None:
    await api.post("consents", grant(given_at="2026-05-01T10:00:00Z"))
    await api.post("withdrawals", WITHDRAWAL | {"at": "2026-05-01T11:00:00Z"})
    again = {"email": "jan@example.com", "topic": topic, "at": "2026-05-01T11:02:00Z"}
    assert (await api.post("withdrawals", again)).json()["state"] == "withdrawn"
    overtaken = await api.post("consents", grant(given_at="2026-05-01T11:01:00Z"))
    assert overtaken.json()["state"] == "withdrawn"
    await api.post("withdrawals", again)
    assert events_in(api.database) == ["granted", "withdrawn", "withdrawn"]
    later = await api.post("consents", grant(given_at="2026-05-01T11:03:00Z"))
    assert later.json()["state"] == "granted"


async def test_a_star_withdraws_every_topic(sqlite_api: Api) -> None:
    register_wording(sqlite_api.database, topic="digest")
    await sqlite_api.post("consents", grant())
    await sqlite_api.post("consents", grant(topic="digest"))
    answer = await sqlite_api.post("withdrawals", {"email": "JAN@example.com", "topic": "*"})
    assert (answer.json()["topic"], answer.json()["state"]) == ("*", "withdrawn")
    assert (await sqlite_api.state(), await sqlite_api.state(topic="digest")) == ("withdrawn", "withdrawn")


async def test_an_erased_person_comes_back_by_a_later_consent_only(sqlite_api: Api) -> None:
    await sqlite_api.post("consents", grant())
    erased = await sqlite_api.post("erasures", {"email": "jan@example.com"})
    assert (erased.status_code, erased.content) == (204, b"")
    old = await sqlite_api.post("consents", grant())
    assert (old.json()["subscriber"], old.json()["state"]) == (None, "suppressed")
    new = await sqlite_api.post("consents", grant(given_at=datetime.now(UTC).isoformat()))
    assert new.json()["state"] == "granted"


async def test_an_erasure_under_a_hold_is_answered_with_its_ground_and_date(sqlite_api: Api) -> None:
    granted = await sqlite_api.post("consents", grant())
    now = datetime.now(UTC)
    until = now + timedelta(days=1)
    with sqlite_api.database.write() as connection:
        person = people.find(connection, normalise("jan@example.com"))
        assert person is not None
        holds.add(connection, person.id, "claim 2026/117", until, now)
    for _ in range(2):
        answer = await sqlite_api.post("erasures", {"email": "jan@example.com"})
        assert answer.status_code == 202
        assert answer.json() == {
            "subscriber": granted.json()["subscriber"],
            "holds": [{"ground": "claim 2026/117", "until": until.isoformat()}],
        }
    assert await sqlite_api.state() == "objected"


@pytest.mark.parametrize("path", ["withdrawals", "erasures"])
async def test_an_erased_person_who_says_no_again_is_not_brought_back_by_a_consent_from_between(
    sqlite_api: Api, path: str
) -> None:
    await sqlite_api.post("consents", grant())
    await sqlite_api.post("erasures", {"email": "jan@example.com"})
    between = datetime.now(UTC).isoformat()
    again = await sqlite_api.post(path, WITHDRAWAL if path == "withdrawals" else {"email": "jan@example.com"})
    assert again.status_code == 404
    answer = await sqlite_api.post("consents", grant(given_at=between))
    assert answer.json()["state"] == "suppressed"


async def test_a_correction_takes_the_consents_along(api: Api) -> None:
    given = (await api.post("consents", grant())).json()
    body = {"subscriber": given["subscriber"], "surname": "de Vries", "new_email": "devries@example.com"}
    corrected = await api.post("rectifications", body)
    assert corrected.json() == {"subscriber": given["subscriber"], "changed": ["surname", "email"]}
    assert await api.state("devries@example.com") == "granted"
    assert (await api.post("consents/query", {"email": "jan@example.com"})).status_code == 404


async def test_a_correction_to_an_address_of_somebody_else_is_a_conflict(sqlite_api: Api) -> None:
    await sqlite_api.post("consents", grant())
    await sqlite_api.post("consents", grant("zoe@example.com"))
    body = {"email": "jan@example.com", "new_email": "zoe@example.com"}
    answer = await sqlite_api.post("rectifications", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "new_email")


async def test_changes_come_in_order_page_by_page_and_lose_the_address_at_an_erasure(api: Api) -> None:
    await api.post("consents", grant())
    await api.post("consents", grant("zoe@example.com"))
    await api.post("withdrawals", WITHDRAWAL)
    await api.post("erasures", {"email": "jan@example.com"})
    first = await api.changes(limit=3)
    assert await api.changes(limit=3, after="") == first  # as a program asks that has kept no cursor yet
    rest = await api.changes(limit=3, after=first["next"])
    assert (first["more"], rest["more"]) == (True, False)
    listed = [(each["kind"], each["email"], each["topic"]) for each in first["changes"] + rest["changes"]]
    assert listed == [
        ("granted", None, TOPIC),
        ("granted", "zoe@example.com", TOPIC),
        ("withdrawn", None, TOPIC),
        ("erased", None, "*"),
    ]
    assert await api.changes(after=rest["next"]) == {"changes": [], "next": rest["next"], "more": False}


async def test_changes_are_gap_free_while_many_write(postgresql_database: Database) -> None:
    async with serving_api(postgresql_database) as api, serving_api(postgresql_database) as other:
        writing = asyncio.gather(
            *(each.post("consents", grant(f"p{n}@example.com")) for n in range(60) for each in (api, other)),
        )
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while not writing.done() or cursor.get("more"):
            page = await api.changes(limit=7, **cursor)
            seen += [each["email"] for each in page["changes"]]
            cursor = {"after": page["next"]}
        await writing
        seen += [each["email"] for each in (await api.changes(**cursor))["changes"]]
    assert sorted(seen) == sorted(f"p{n}@example.com" for n in range(60))


async def test_the_same_key_and_body_get_the_same_answer_and_change_nothing_more(api: Api) -> None:
    first = await api.post("consents", grant(), Idempotency_Key="k")
    await api.post("withdrawals", WITHDRAWAL | {"at": "2026-05-02T10:00:00Z"})
    await api.post("consents", grant(given_at="2026-06-01T10:00:00Z"))
    again = await api.post("consents", grant(), Idempotency_Key="k")
    assert again.json() == first.json()
    other = await api.post("consents", grant(surname="Other"), Idempotency_Key="k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert events_in(api.database) == ["granted", "withdrawn", "granted"]


async def test_what_did_nothing_is_tried_again_under_its_key(api: Api) -> None:
    missed = await api.post("withdrawals", WITHDRAWAL, Idempotency_Key="k")
    unknown = await api.post("consents", grant(topic="digest"), Idempotency_Key="m")
    batch = {"items": [grant("zoe@example.com", topic="digest")]}
    await api.post("consents/batch", batch, Idempotency_Key="n")
    assert (missed.status_code, unknown.status_code) == (404, 422)
    register_wording(api.database, topic="digest")
    await api.post("consents", grant())
    assert (await api.post("withdrawals", WITHDRAWAL, Idempotency_Key="k")).json()["state"] == "withdrawn"
    assert (await api.post("consents", grant(topic="digest"), Idempotency_Key="m")).json()[
        "state"
    ] == "granted"
    [result] = (await api.post("consents/batch", batch, Idempotency_Key="n")).json()["results"]
    assert (result["status"], result["state"]) == (200, "granted")
    assert await api.state() == "withdrawn"


async def test_requests_with_one_key_at_the_same_time_are_done_once(api: Api) -> None:
    await api.post("consents", grant())
    answers = await asyncio.gather(
        *(api.post("withdrawals", WITHDRAWAL, Idempotency_Key="k") for _ in range(10))
    )
    assert len({answer.text for answer in answers}) == 1
    assert events_in(api.database).count("withdrawn") == 1


async def test_what_idempotency_keeps_holds_no_address_and_goes_at_an_erasure(sqlite_api: Api) -> None:
    await sqlite_api.post("consents", grant(first_name="Jan"), Idempotency_Key="jan@example.com")
    with sqlite_api.database.read() as connection:
        rows = str(connection.execute(select(REQUEST)).all())
    assert "jan" not in rows.lower()
    await sqlite_api.post("erasures", {"email": "jan@example.com"})
    with sqlite_api.database.read() as connection:
        assert connection.execute(select(REQUEST)).all() == []


async def test_a_batch_takes_the_good_items_and_names_what_is_wrong_with_the_others(api: Api) -> None:
    items = [
        grant(),
        grant("nobody"),
        {"email": "zoe@example.com"},
        grant("zoe@example.com", wording="0" * 64),
    ]
    answer = await api.post("consents/batch", {"items": [*items, grant("zoe@example.com"), grant()]})
    results = answer.json()["results"]
    assert [each["status"] for each in results] == [200, 422, 422, 422, 200, 200]
    assert results[1]["errors"][0]["field"] == "email"
    assert {each["field"] for each in results[2]["errors"]} == {"topic", "given_at", "wording"}
    assert results[3]["errors"][0]["field"] == "wording"
    assert results[0]["subscriber"] == results[5]["subscriber"]


async def test_a_batch_that_comes_again_gets_the_same_answer(sqlite_api: Api) -> None:
    batch = {"items": [grant(f"p{n}@example.com") for n in range(250)]}
    first = await sqlite_api.post("consents/batch", batch, Idempotency_Key="k")
    again = await sqlite_api.post("consents/batch", batch, Idempotency_Key="k")
    other = await sqlite_api.post("consents/batch", {"items": [grant()] * 300}, Idempotency_Key="k")
    assert (first.json(), other.status_code) == (again.json(), 422)
    assert len(events_in(sqlite_api.database)) == 250


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("consents", grant(given_at="2026-05-01T10:00:00"), "given_at"),
        ("consents", grant(given_at="2126-05-01T10:00:00Z"), "given_at"),
        ("consents", grant(given_at="1980-05-01T10:00:00Z"), "given_at"),
        ("consents", grant(given_at="2026-02-30T10:00:00Z"), "given_at"),
        ("consents", grant("jan@"), "email"),
        ("consents", grant(first_name="a\nb"), "first_name"),
        ("consents", grant(surname="x" * 201), "surname"),
        ("consents", grant(topic="not a topic"), "topic"),
        ("consents", grant(wording="abc"), "wording"),
        ("consents", grant(age=30), "age"),
        ("consents", grant(note="x\u2028y"), "note"),
        ("withdrawals", {"topic": TOPIC}, "body"),
        ("withdrawals", WITHDRAWAL | {"subscriber": "sub_" + "0" * 32}, "body"),
        ("rectifications", {"email": "jan@example.com", "new_email": "x"}, "new_email"),
    ],
)
async def test_an_error_names_the_field_and_repeats_nothing(
    sqlite_api: Api, path: str, body: dict[str, Any], field: str
) -> None:
    answer = await sqlite_api.post(path, body)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert field in {each["field"] for each in answer.json()["errors"]}
    assert not any(
        value in answer.text for value in body.values() if isinstance(value, str) and len(value) > 8
    )
    assert "pattern" not in answer.text


async def test_an_error_says_what_a_cursor_or_a_key_is_to_be(sqlite_api: Api) -> None:
    [error] = (await sqlite_api.changes(after="yesterday"))["errors"]
    assert error["field"] == "after"
    assert "`next` of an earlier answer" in error["detail"]
    answer = await sqlite_api.post("consents", grant(), Idempotency_Key="one\ttwo")
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, "Idempotency-Key")
    assert "such as a UUID" in error["detail"]


async def test_a_clock_that_is_a_minute_fast_is_taken_for_now(sqlite_api: Api) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=1)
    answer = await sqlite_api.post("consents", grant(given_at=ahead.isoformat()))
    assert answer.json()["state"] == "granted"
    assert datetime.fromisoformat(answer.json()["since"]) < ahead


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer rmt_unknown", "Basic eDp5", "Bearer \xe9"])
async def test_without_a_valid_token_nothing_is_answered(sqlite_api: Api, authorization: str) -> None:
    headers = {"Authorization": authorization.encode("latin-1")}
    answer = await sqlite_api.client.get("/api/v1/changes", headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("scope", list(Scope))
async def test_a_token_does_what_its_scope_allows_and_nothing_else(sqlite_api: Api, scope: Scope) -> None:
    _, secret = new_token(sqlite_api.database, [scope])
    requests: list[tuple[Scope, str, str]] = [
        (Scope.CONSENTS_WRITE, "POST", "consents"),
        (Scope.CONSENTS_WRITE, "POST", "withdrawals"),
        (Scope.CONSENTS_WRITE, "POST", "consents/batch"),
        (Scope.CONSENTS_READ, "POST", "consents/query"),
        (Scope.CHANGES_READ, "GET", "changes"),
        (Scope.RIGHTS_WRITE, "POST", "rectifications"),
        (Scope.RIGHTS_WRITE, "POST", "erasures"),
        (Scope.WORDINGS_WRITE, "POST", "wordings"),
    ]
    for needed, method, path in requests:
        answer = await sqlite_api.client.request(
            method,
            f"/api/v1/{path}",
            json=VALID.get(path),
            headers={"Authorization": f"Bearer {secret}"},
        )
        assert (answer.status_code == 403) == (needed is not scope), path


VALID: dict[str, Any] = {
    "consents": grant(),
    "withdrawals": WITHDRAWAL,
    "consents/batch": {"items": [grant()]},
    "consents/query": {"email": "jan@example.com"},
    "rectifications": {"email": "jan@example.com"},
    "erasures": {"email": "jan@example.com"},
    "wordings": {"text": "Yes.", "language": "en", "topic": TOPIC},
}


async def test_a_revoked_token_is_refused(sqlite_api: Api) -> None:
    token_id, secret = new_token(sqlite_api.database)
    headers = {"Authorization": f"Bearer {secret}"}
    assert (await sqlite_api.client.get("/api/v1/changes", headers=headers)).status_code == 200
    with sqlite_api.database.write() as connection:
        access.revoke(connection, token_id, datetime.now(UTC))
    assert (await sqlite_api.client.get("/api/v1/changes", headers=headers)).status_code == 401


async def test_a_token_that_asks_too_often_is_told_to_wait(sqlite_database: Database) -> None:
    _, secret = new_token(sqlite_database, requests_per_second=2)
    async with serving_api(sqlite_database) as api:
        headers = {"Authorization": f"Bearer {secret}"}
        answers = [await api.client.get("/api/v1/changes", headers=headers) for _ in range(8)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)


async def test_a_cursor_of_a_restored_or_other_database_is_refused_not_skipped(sqlite_api: Api) -> None:
    await sqlite_api.post("consents", grant())
    await sqlite_api.post("withdrawals", WITHDRAWAL)
    cursor = (await sqlite_api.changes())["next"]
    with sqlite_api.database.write() as connection:
        connection.execute(text("DROP TRIGGER consent_event_no_delete"))
        connection.execute(text("UPDATE consent SET event_id = 1"))
        connection.execute(EVENT.delete().where(EVENT.c.id > 1))
    for each in (cursor, "chg_" + "0" * 32):
        answer = await sqlite_api.client.get("/api/v1/changes", params={"after": each})
        assert (answer.status_code, answer.json()["code"]) == (409, "unknown-cursor")


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"\xff", b'{"email": "\\ud800"}', b"NaN", b""])
async def test_a_body_that_is_no_json_is_an_error_of_the_caller(sqlite_api: Api, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await sqlite_api.client.post("/api/v1/consents", content=body, headers=headers)
    assert answer.status_code in {400, 422}
    assert answer.headers["Content-Type"] == "application/problem+json"


async def in_parts(size: int) -> AsyncIterator[bytes]:
    """A body without a length before it."""
    for _ in range(size // 1000):
        yield b"x" * 1000


@pytest.mark.parametrize("content", [b"x" * 3_000_000, in_parts(3_000_000)], ids=["length", "chunked"])
async def test_a_body_of_many_megabytes_is_refused(
    sqlite_api: Api, content: bytes | AsyncIterator[bytes]
) -> None:
    answer = await sqlite_api.client.post("/api/v1/consents", content=content)
    assert (answer.status_code, answer.json()["code"]) == (413, "content-too-large")
    assert answer.headers["Content-Type"] == "application/problem+json"
