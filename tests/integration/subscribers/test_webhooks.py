"""Webhooks: real calls over HTTP and HTTPS to real receivers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import event, update
from starlette.responses import RedirectResponse, Response

import mailer.webhooks.caller as calling
from cli import mailer as command
from mailer.config import FixedKeys, KeyRing
from mailer.database import Database
from mailer.webhooks import Reach, parse_destination
from mailer.webhooks.caller import Answer, Caller
from subscribers import webhooks
from subscribers.webhooks import Endpoint
from subscribers.webhooks.delivery import WebhookDelivery
from subscribers.webhooks.endpoints import ENDPOINT
from tests.support.api import Api, grant, serving_api
from tests.support.campaign import SECRET, TOPIC, subscribe
from tests.support.receiver import TO_LOOPBACK, Receiver, receiving

RING = KeyRing((SECRET.encode(),))
ANYWHERE = Reach(allow_private=True, allow_http=True)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


def delivery_of(database: Database) -> WebhookDelivery:
    return WebhookDelivery(database, FixedKeys(RING), ANYWHERE)


def add(database: Database, receiver: Receiver, *, from_start: bool = True) -> str:
    with database.write() as connection:
        endpoint = webhooks.add(connection, receiver.url, RING, datetime.now(UTC), from_start=from_start)
    [receiver.secret] = webhooks.secrets_of(endpoint, RING, datetime.now(UTC))
    return endpoint.id


def endpoint_in(database: Database, endpoint_id: str) -> Endpoint:
    with database.read() as connection:
        return webhooks.find(connection, endpoint_id)


async def post(url: str, reach: Reach = ANYWHERE) -> Answer:
    async with Caller(reach) as caller:
        return await caller.post(parse_destination(url, ANYWHERE), b"{}", {})


def make_due(database: Database, **values: object) -> None:
    with database.write() as connection:
        connection.execute(update(ENDPOINT).values(next_attempt_at=datetime.now(UTC), **values))


async def test_an_endpoint_is_told_all_changes_in_order_a_hundred_at_a_time(
    database: Database, receiver: Receiver
) -> None:
    subscribe(database, 230)
    add(database, receiver)
    await delivery_of(database).run_once()
    assert [len(call["data"]["changes"]) for call in receiver.calls] == [100, 100, 30]
    assert {call["type"] for call in receiver.calls} == {"consent.changes"}
    assert [each["email"] for each in receiver.changes] == [f"person{n}@example.com" for n in range(1, 231)]
    await delivery_of(database).run_once()
    assert len(receiver.calls) == 3


async def test_the_calls_for_a_backlog_share_a_connection_and_cost_a_transaction_each(
    sqlite_database: Database, receiver: Receiver
) -> None:
    subscribe(sqlite_database, 230)
    add(sqlite_database, receiver)
    executed: list[str] = []
    event.listen(sqlite_database.engine, "before_cursor_execute", lambda *found: executed.append(found[2]))
    await delivery_of(sqlite_database).run_once()
    assert len(receiver.calls) == 3
    assert len(receiver.peers) == 1
    assert executed.count("BEGIN IMMEDIATE") == 1 + 3  # the first claims the endpoint


@asynccontextmanager
async def counting_server(calls_a_connection: int) -> AsyncIterator[tuple[str, list[int]]]:
    """Its URL, and of each connection the number of calls. At a further call it closes the connection."""
    connections: list[int] = []
    answering: list[asyncio.Task[None] | None] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine = len(connections)
        connections.append(0)
        answering.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError):
            while connections[mine] < calls_a_connection:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length))
                connections[mine] += 1
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await reader.read(1)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", connections
        await asyncio.gather(*filter(None, answering))


async def test_a_call_on_a_connection_that_the_receiver_closes_is_made_on_a_new_one(
    sqlite_database: Database,
) -> None:
    subscribe(sqlite_database, 230)
    async with counting_server(calls_a_connection=1) as (url, connections):
        endpoint_id = add(sqlite_database, Receiver(url))
        await delivery_of(sqlite_database).run_once()
    endpoint = endpoint_in(sqlite_database, endpoint_id)
    assert (endpoint.cursor, endpoint.failures) == (230, 0)
    assert connections == [1, 1, 1]


async def test_two_names_of_one_address_share_no_connection() -> None:
    async with counting_server(calls_a_connection=2) as (url, connections), Caller(ANYWHERE) as caller:
        for host in ("127.0.0.1", "127.1", "127.0.0.1"):
            destination = parse_destination(url.replace("127.0.0.1", host), ANYWHERE)
            assert (await caller.post(destination, b"{}", {})).is_accepted
    assert connections == [2, 1]


async def test_a_replay_ends_the_calls_that_are_going_on(
    sqlite_database: Database, receiver: Receiver
) -> None:
    subscribe(sqlite_database, 150)
    endpoint_id = add(sqlite_database, receiver)

    def replay_during_the_first(number: int) -> Response:
        if number == 1:
            with sqlite_database.write() as connection:
                webhooks.replay(connection, endpoint_id, 0, datetime.now(UTC))
        return Response(status_code=204)

    receiver.answer = replay_during_the_first
    await delivery_of(sqlite_database).run_once()
    assert (len(receiver.calls), endpoint_in(sqlite_database, endpoint_id).cursor) == (1, 0)
    await delivery_of(sqlite_database).run_once()
    assert [each["email"] for each in receiver.changes[100:]] == [
        f"person{n}@example.com" for n in range(1, 151)
    ]


async def test_a_new_endpoint_is_told_what_comes_after_it(
    sqlite_database: Database, receiver: Receiver
) -> None:
    subscribe(sqlite_database, 3)
    add(sqlite_database, receiver, from_start=False)
    subscribe(sqlite_database, 1, domain="later.example.com")
    await delivery_of(sqlite_database).run_once()
    assert [each["email"] for each in receiver.changes] == ["person1@later.example.com"]


async def test_a_failed_call_is_made_again_with_the_same_id_and_loses_nothing(
    database: Database, receiver: Receiver
) -> None:
    subscribe(database, 2)
    endpoint_id = add(database, receiver)
    receiver.answer = lambda number: Response(status_code=503 if number < 3 else 200)
    for failures in (1, 2, 0):
        await delivery_of(database).run_once()
        assert endpoint_in(database, endpoint_id).failures == failures
        assert (endpoint_in(database, endpoint_id).next_attempt_at > datetime.now(UTC)) == (failures > 0)
        make_due(database)
    assert len(set(receiver.ids)) == 1
    assert len(receiver.calls) == 3


async def test_after_two_days_of_failures_an_endpoint_is_parked_and_resumes_where_it_stopped(
    sqlite_database: Database, receiver: Receiver
) -> None:
    subscribe(sqlite_database, 2)
    endpoint_id = add(sqlite_database, receiver)
    receiver.answer = lambda number: Response(status_code=500 if number == 1 else 200)
    make_due(sqlite_database, failing_since=datetime.now(UTC) - timedelta(days=2), failures=50)
    await delivery_of(sqlite_database).run_once()
    assert endpoint_in(sqlite_database, endpoint_id).parked_at is not None
    await delivery_of(sqlite_database).run_once()
    assert len(receiver.calls) == 1
    with sqlite_database.write() as connection:
        webhooks.resume(connection, endpoint_id, datetime.now(UTC))
    await delivery_of(sqlite_database).run_once()
    assert len(receiver.changes) == 4


async def test_doctor_names_a_parked_endpoint_and_what_to_do(
    sqlite_database: Database, receiver: Receiver, tmp_path: Path
) -> None:
    endpoint_id = add(sqlite_database, receiver)
    make_due(sqlite_database, parked_at=datetime.now(UTC), last_answer="HTTP 500")
    config = tmp_path / "mailer.toml"
    config.write_text('sender = "Acme <news@acme.example>"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAILER_DATABASE_URL", sqlite_database.url.render_as_string(hide_password=False))
        done = CliRunner().invoke(command, ["--config", str(config), "doctor", "--offline"])
    assert f"fail  webhooks    {endpoint_id} is parked: HTTP 500" in done.output
    assert f"mailer webhooks resume {endpoint_id}" in done.output


async def test_a_replay_tells_everything_again(sqlite_database: Database, receiver: Receiver) -> None:
    subscribe(sqlite_database, 2)
    endpoint_id = add(sqlite_database, receiver)
    await delivery_of(sqlite_database).run_once()
    with sqlite_database.write() as connection:
        webhooks.replay(connection, endpoint_id, 1, datetime.now(UTC))
    await delivery_of(sqlite_database).run_once()
    assert [each["email"] for each in receiver.changes[2:]] == ["person2@example.com"]


async def test_several_processes_make_each_call_once(database: Database, receiver: Receiver) -> None:
    subscribe(database, 150)
    add(database, receiver)
    await asyncio.gather(*(delivery_of(database).run_once() for _ in range(4)))
    assert [len(call["data"]["changes"]) for call in receiver.calls] == [100, 50]


async def test_a_call_that_was_cut_off_is_made_again_when_its_lease_ends(
    sqlite_database: Database, receiver: Receiver
) -> None:
    subscribe(sqlite_database, 1)
    add(sqlite_database, receiver)
    make_due(sqlite_database, lease="gone", lease_until=datetime.now(UTC) + timedelta(seconds=20))
    await delivery_of(sqlite_database).run_once()
    assert receiver.calls == []
    make_due(sqlite_database, lease_until=datetime.now(UTC))
    await delivery_of(sqlite_database).run_once()
    assert len(receiver.changes) == 1


@pytest.mark.parametrize("ahead", [timedelta(hours=3), timedelta(days=365)])
async def test_a_clock_that_was_ahead_and_was_set_back_delays_no_call(
    sqlite_database: Database, receiver: Receiver, ahead: timedelta
) -> None:
    subscribe(sqlite_database, 1)
    add(sqlite_database, receiver)
    receiver.now = lambda: datetime.now(UTC) + ahead
    delivery = delivery_of(sqlite_database)
    delivery._clock = receiver.now
    await delivery.run_once()
    receiver.now = None
    subscribe(sqlite_database, 1, domain="example.org")
    await delivery_of(sqlite_database).run_once()
    assert len(receiver.changes) == 2
    until = datetime.now(UTC) + ahead
    with sqlite_database.write() as connection:  # cut off while the clock was ahead
        connection.execute(update(ENDPOINT).values(lease="gone", lease_until=until, cursor=0))
    await delivery_of(sqlite_database).run_once()
    assert len(receiver.changes) == 4


async def test_a_slow_receiver_delays_nobody_else(sqlite_database: Database, receiver: Receiver) -> None:
    async with receiving() as slow:
        released = asyncio.Event()

        slow.released = released
        add(sqlite_database, slow)
        add(sqlite_database, receiver)
        subscribe(sqlite_database, 1)
        running = asyncio.create_task(delivery_of(sqlite_database).run())
        await receiver.wait_for(1)
        released.set()
        running.cancel()
        await asyncio.wait([running])


async def test_a_redirect_is_a_failure_and_is_not_followed(
    sqlite_database: Database, receiver: Receiver
) -> None:
    subscribe(sqlite_database, 1)
    endpoint_id = add(sqlite_database, receiver)
    receiver.answer = lambda _: RedirectResponse(receiver.url)
    await delivery_of(sqlite_database).run_once()
    assert len(receiver.calls) == 1
    assert endpoint_in(sqlite_database, endpoint_id).last_answer == "HTTP 307"


async def test_of_a_long_answer_little_is_read(receiver: Receiver, sqlite_database: Database) -> None:
    subscribe(sqlite_database, 1)
    endpoint_id = add(sqlite_database, receiver)
    receiver.answer = lambda _: Response(b"x" * 50_000_000)
    await delivery_of(sqlite_database).run_once()
    assert endpoint_in(sqlite_database, endpoint_id).last_answer == "HTTP 200"


async def test_rubbish_instead_of_http_is_a_failure(sqlite_database: Database, receiver: Receiver) -> None:
    async def rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"\x00\xffrubbish\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(rubbish, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    answer = await post(f"http://127.0.0.1:{port}/")
    server.close()
    assert (answer.status, answer.is_accepted) == (None, False)


async def test_no_answer_in_time_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "TOTAL_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        answer = await post(f"http://127.0.0.1:{port}/")
    assert answer.detail == "no answer within 10 seconds"


async def test_a_name_that_leads_inside_is_not_called(receiver: Receiver) -> None:
    url = receiver.url.replace("127.0.0.1", "localhost")
    answer = await post(url, Reach(allow_http=True))
    assert answer.detail == "The name leads to an address that is not public."
    assert receiver.calls == []


async def test_with_serve_up_a_withdrawal_is_told_within_a_second(
    database: Database, receiver: Receiver
) -> None:
    async with serving_api(database, webhooks=TO_LOOPBACK) as api:
        await _grant_and_withdraw(api)
        add(database, receiver)
        began = asyncio.get_running_loop().time()
        await receiver.wait_for(2)
        taken = asyncio.get_running_loop().time() - began
    assert [each["kind"] for each in receiver.changes] == ["granted", "withdrawn"]
    assert [each["channel"] for each in receiver.changes] == ["api", "api"]
    assert taken < 5  # a busy machine; by itself it is some 0.2 s


async def _grant_and_withdraw(api: Api) -> None:
    await api.post("consents", grant())
    await api.post("withdrawals", {"email": "jan@example.com", "topic": TOPIC})


async def test_an_erasure_before_the_call_leaves_no_address_in_it(
    sqlite_database: Database, receiver: Receiver
) -> None:
    async with serving_api(sqlite_database) as api:
        await _grant_and_withdraw(api)
        await api.post("erasures", {"email": "jan@example.com"})
    add(sqlite_database, receiver)
    await delivery_of(sqlite_database).run_once()
    assert [(each["kind"], each["email"]) for each in receiver.changes] == [
        ("granted", None),
        ("withdrawn", None),
        ("erased", None),
    ]
