"""mailer webhooks: manage the URLs that receive changes to consents."""

from __future__ import annotations

import asyncio
import secrets
from zoneinfo import ZoneInfo

import click

from mailer.commands import CommandContext, json_option
from mailer.commands.acts import record_act
from mailer.config import key_ring, key_source
from mailer.database import installation_id
from mailer.errors import InvalidInput, MailerError
from mailer.webhooks import Reach, parse_destination
from subscribers import webhooks as endpoints
from subscribers.commands.options import number_of_change
from subscribers.public_ids import PublicIds
from subscribers.webhooks import Endpoint

id_argument = click.argument("endpoint_id", metavar="ID")


@click.group()
def webhooks() -> None:
    """Send each change to a consent to other systems.

    A call has up to 100 changes, in order, signed by Standard Webhooks. A failed call is repeated for two
    days; then the URL is parked. No change is lost: `mailer webhooks resume` continues where the calls
    stopped.

    \b
    Example:
      mailer webhooks add https://portal.example.com/hooks/mailer
    """


@webhooks.command()
@click.argument("url")
@click.option(
    "--from-start", is_flag=True, help="Begin with the oldest change; by default with the next one."
)
@json_option
@click.pass_obj
def add(context: CommandContext, url: str, from_start: bool, as_json: bool) -> None:
    """Call a URL with each change from now on.

    Prints the secret that signs the calls.

    \b
    Example:
      mailer webhooks add https://portal.example.com/hooks/mailer
    """
    try:
        parse_destination(url, _reach(context))
    except InvalidInput as error:
        raise InvalidInput(f"{error.reason}.", where="URL", hint=error.hint) from None
    ring, now = key_ring(context.settings), context.now()
    with context.database.write() as connection:
        endpoint = endpoints.add(connection, url, ring, now, from_start=from_start)
        record_act(context, (), connection=connection)
    [secret] = endpoints.secrets_of(endpoint, ring, now)
    context.report(
        {"id": endpoint.id, "secret": secret},
        f"Webhook {endpoint.id}. The receiver checks calls with this secret:\n{secret}",
        as_json=as_json,
    )


@webhooks.command("list")
@json_option
@click.pass_obj
def list_(context: CommandContext, as_json: bool) -> None:
    """List the webhooks, with what waits and the last answer.

    \b
    Example:
      mailer webhooks list
    """
    with context.database.read() as connection:
        found = endpoints.list_all(connection)
        newest = endpoints.newest_number(connection)
    lines = [
        f"{each.id}  {each.url}  {_state(each, newest, context.settings.tz)}  {each.last_answer or 'not called yet'}"
        for each in found
    ]
    values = [_values(each, newest) for each in found]
    context.report({"webhooks": values}, "\n".join(lines) or "There are no webhooks.", as_json=as_json)


@webhooks.command()
@id_argument
@json_option
@click.pass_obj
def remove(context: CommandContext, endpoint_id: str, as_json: bool) -> None:
    """Remove a URL.

    \b
    Example:
      mailer webhooks remove 4f1d0c2a9b7e
    """
    with context.database.write() as connection:
        endpoints.remove(connection, endpoint_id)
    context.report({"id": endpoint_id, "removed": True}, "Removed.", as_json=as_json)


@webhooks.command()
@id_argument
@json_option
@click.pass_obj
def rotate(context: CommandContext, endpoint_id: str, as_json: bool) -> None:
    """Make a new secret. For a day calls are signed with both.

    \b
    Example:
      mailer webhooks rotate 4f1d0c2a9b7e
    """
    ring, now = key_ring(context.settings), context.now()
    with context.database.write() as connection:
        endpoint = endpoints.rotate(connection, endpoint_id, ring, now)
    secret = endpoints.secrets_of(endpoint, ring, now)[0]
    context.report({"id": endpoint_id, "secret": secret}, secret, as_json=as_json)


@webhooks.command()
@id_argument
@json_option
@click.pass_obj
def resume(context: CommandContext, endpoint_id: str, as_json: bool) -> None:
    """Call a parked URL again, from where it stopped.

    \b
    Example:
      mailer webhooks resume 4f1d0c2a9b7e
    """
    with context.database.write() as connection:
        endpoints.resume(connection, endpoint_id, context.now())
    context.report({"id": endpoint_id, "resumed": True}, "It is called again.", as_json=as_json)


@webhooks.command()
@id_argument
@click.option("--after", metavar="CURSOR", help="The id of a change; without it, everything from the start.")
@json_option
@click.pass_obj
def replay(context: CommandContext, endpoint_id: str, after: str | None, as_json: bool) -> None:
    """Call a URL again with the changes after one, or with all.

    \b
    Example:
      mailer webhooks replay 4f1d0c2a9b7e
    """
    with context.database.write() as connection:
        public_ids = PublicIds(installation_id(connection))
        number = number_of_change(public_ids, after) if after is not None else 0
        endpoints.replay(connection, endpoint_id, number, context.now())
        record_act(context, (), connection=connection)
    context.report({"id": endpoint_id, "replayed": True}, "The changes are sent again.", as_json=as_json)


@webhooks.command()
@id_argument
@json_option
@click.pass_obj
def test(context: CommandContext, endpoint_id: str, as_json: bool) -> None:
    """Call a URL once without changes, and print the answer.

    The exit code is 1 unless the answer is 2xx.

    \b
    Example:
      mailer webhooks test 4f1d0c2a9b7e
    """
    from mailer.webhooks.caller import Answer, Caller  # noqa: PLC0415 - httpx is slow to import
    from subscribers.webhooks.delivery import call  # noqa: PLC0415 - as above

    with context.database.read() as connection:
        endpoint = endpoints.find(connection, endpoint_id)
    now = context.now()
    values = {"type": "consent.changes", "timestamp": now.isoformat(), "data": {"changes": []}}
    message_id, keys, reach = (
        f"msg_test_{secrets.token_hex(8)}",
        key_source(context.settings),
        _reach(context),
    )

    async def run() -> Answer:
        async with Caller(reach) as caller:
            return await call(endpoint, message_id, values, keys=keys, caller=caller, now=now)

    answer = asyncio.run(run())
    context.report(
        {"id": endpoint_id, "accepted": answer.is_accepted, "answer": answer.detail},
        answer.detail,
        as_json=as_json,
    )
    if not answer.is_accepted:
        raise click.exceptions.Exit(MailerError.exit_code)


def _reach(context: CommandContext) -> Reach:
    chosen = context.settings.webhooks
    return Reach(chosen.allow_private, chosen.allow_http)


def _state(endpoint: Endpoint, newest: int, zone: ZoneInfo) -> str:
    if endpoint.parked_at is not None:
        return f"parked since {endpoint.parked_at.astimezone(zone):%Y-%m-%d %H:%M %Z}"
    waiting = max(newest - endpoint.cursor, 0)
    since = endpoint.failing_since
    failing = f", failing since {since.astimezone(zone):%Y-%m-%d %H:%M %Z}" if since else ""
    return f"{waiting} waiting{failing}"


def _values(endpoint: Endpoint, newest: int) -> dict[str, object]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "waiting": max(newest - endpoint.cursor, 0),
        "failures": endpoint.failures,
        "failing_since": endpoint.failing_since,
        "next_attempt_at": endpoint.next_attempt_at,
        "parked_at": endpoint.parked_at,
        "last_answer": endpoint.last_answer,
    }
