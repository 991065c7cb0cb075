"""mailer keys api: the tokens of systems that use the API."""

from __future__ import annotations

from datetime import timedelta

import click

from mailer.access import Scope, Token, create, list_all, revoke
from mailer.commands.acts import record_act
from mailer.commands.context import CommandContext
from mailer.commands.options import json_option
from mailer.errors import InvalidInput

LONGEST_NAME = 100


@click.group()
def api() -> None:
    """Create, list and revoke the tokens of the API.

    \b
    Example:
      mailer keys api create --name portal --scope consents:write --scope changes:read
    """


@api.command("create")
@click.option("--name", required=True, help="Which system uses it; shown in lists.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may do; repeat for more.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3660),
    default=365,
    show_default=True,
    help="How long it is valid.",
)
@click.option(
    "--rate",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    help="Requests a second, in each process that serves.",
)
@json_option
@click.pass_obj
def create_(
    context: CommandContext, name: str, scopes: tuple[str, ...], days: int, rate: int, as_json: bool
) -> None:
    """Create a token and print it. Only its hash is stored.

    \b
    Example:
      mailer keys api create --name portal --scope consents:write --scope changes:read
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidInput(f"it is to be one line of at most {LONGEST_NAME} characters.", where="--name")
    with context.database.write() as connection:
        now = context.now()
        expires_at = now + timedelta(days=days)
        token_id, secret = create(
            connection,
            name,
            frozenset(map(Scope, scopes)),
            requests_per_second=rate,
            expires_at=expires_at,
            now=now,
        )
        record_act(context, (), connection=connection)
    context.report(
        {"id": token_id, "token": secret, "name": name, "scopes": sorted(scopes), "expires_at": expires_at},
        f"{secret}\n\nThis is token {token_id}, valid until {expires_at:%Y-%m-%d}. It is not shown again.",
        as_json=as_json,
    )


@api.command("list")
@json_option
@click.pass_obj
def list_(context: CommandContext, as_json: bool) -> None:
    """List the tokens, with their scopes and the day of their last use.

    \b
    Example:
      mailer keys api list
    """
    with context.database.read() as connection:
        tokens = list_all(connection)
        now = context.now()
    lines = [_line(token, valid=token.is_valid(now)) for token in tokens]
    context.report(
        {"tokens": [_values(token, valid=token.is_valid(now)) for token in tokens]},
        "\n".join(lines) or "There are no tokens.",
        as_json=as_json,
    )


@api.command("revoke")
@click.argument("token_id", metavar="ID")
@json_option
@click.pass_obj
def revoke_(context: CommandContext, token_id: str, as_json: bool) -> None:
    """Revoke a token. All processes refuse it within a second.

    \b
    Example:
      mailer keys api revoke 4f1d0c2a9b7e
    """
    with context.database.write() as connection:
        revoke(connection, token_id, context.now())
    context.report({"id": token_id, "revoked": True}, f"Token {token_id} is revoked.", as_json=as_json)


def _values(token: Token, *, valid: bool) -> dict[str, object]:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "requests_per_second": token.requests_per_second,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "last_used_on": token.last_used_on,
        "valid": valid,
    }


def _line(token: Token, *, valid: bool) -> str:
    until = f"until {token.expires_at:%Y-%m-%d}" if token.expires_at else "without end"
    state = until if valid else "revoked" if token.revoked_at else "expired"
    used = f"last used {token.last_used_on}" if token.last_used_on else "never used"
    return f"{token.id}  {token.name}  {' '.join(sorted(token.scopes))}  {state}, {used}"
