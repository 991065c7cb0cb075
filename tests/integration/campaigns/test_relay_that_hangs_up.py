"""Runs whose relay closes each connection after some mails, without a word."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from campaigns.states import CampaignState
from mailer.database import Database
from tests.support.campaign import counts, dispatch_for, draft, send, settings_for, subscribe
from tests.support.faults import Point
from tests.support.relay import FaultyRelay, HungUp, Session

EXTENSIONS = [{"pipelining": True}, {"pipelining": True, "chunking": True}]


class HangingUp(Session):
    """Closes the connection with its reply to the last mail that it takes, in one packet."""

    most = 5

    async def take(self, content: bytes, point: Point) -> None:
        if self.messages == self.most - 1:
            self.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        await super().take(content, point)
        if self.messages == self.most:
            await self.flush()
            raise HungUp


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("extensions", EXTENSIONS, ids=["pipelining", "chunking"])
async def test_a_connection_that_is_closed_while_a_batch_commits_leaves_no_mail_in_doubt(
    database: Database, extensions: dict[str, Any], connections: int
) -> None:
    subscribe(database, 30)
    draft(database)
    async with FaultyRelay(**extensions) as relay:
        relay.session_class = HangingUp
        await send(dispatch_for(database, settings_for(relay.port, smtp={"connections": connections})))
    status = counts(database)
    assert (status.state, status.accepted) == (CampaignState.FINISHED, len(relay.accepted))
    assert (status.accepted, status.uncertain) == (30, 0)


class TakingOne(HangingUp):
    most = 1


@pytest.mark.parametrize("extensions", [{}, *EXTENSIONS], ids=["plain", "pipelining", "chunking"])
async def test_a_relay_that_hangs_up_after_each_mail_puts_nobody_off(
    sqlite_database: Database, extensions: dict[str, Any]
) -> None:
    subscribe(sqlite_database, 60)
    draft(sqlite_database)
    async with FaultyRelay(**extensions) as relay:
        relay.session_class = TakingOne
        await send(dispatch_for(sqlite_database, settings_for(relay.port, smtp={"connections": 1})))
    status = counts(sqlite_database)
    assert (status.accepted, status.deferred, status.uncertain) == (60, 0, 0)


class LeavingWithTheInvitation(Session):
    """Closes the connection with its reply to the DATA of the announced fifth mail, in one packet."""

    async def on_data(self, line: bytes) -> None:
        if self.messages == 4:
            self.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            self.out += b"354 Go on\r\n"
            await self.flush()
            raise HungUp
        await super().on_data(line)


async def test_an_announced_mail_whose_connection_is_closed_while_a_batch_commits_is_not_in_doubt(
    sqlite_database: Database,
) -> None:
    subscribe(sqlite_database, 30)
    draft(sqlite_database)
    async with FaultyRelay(pipelining=True) as relay:
        relay.session_class = LeavingWithTheInvitation
        await send(dispatch_for(sqlite_database, settings_for(relay.port, smtp={"connections": 1})))
    status = counts(sqlite_database)
    assert (status.accepted, status.deferred, status.uncertain) == (30, 0, 0)
