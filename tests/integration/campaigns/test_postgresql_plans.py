"""The plans that PostgreSQL makes once for all values of the statements of sending."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text

from campaigns import deliveries
from campaigns.deliveries import ClaimContext, Settlement, recovery
from campaigns.states import DeliveryState
from mailer.database import Database, Prepared, Step
from tests.support.deliveries import SentCampaign


@pytest.mark.parametrize("reads_wordings", [False, True])
def test_the_deliveries_of_a_batch_are_looked_up_by_their_ids(
    postgresql_database: Database, reads_wordings: bool
) -> None:
    """Not by going through all that the worker holds, of which there are a thousand."""
    campaign = SentCampaign(postgresql_database, 50)
    context = ClaimContext(campaign.worker().worker_id, campaign.id, "release-notes", reads_wordings)
    accepted = [Settlement(1, 1, DeliveryState.ACCEPTED)]
    steps = [
        deliveries.gate_step(context, [1], campaign.now),
        deliveries.settle_together(context, accepted, campaign.now),
        deliveries.settle_and_gate(context, accepted, [1], campaign.now),
    ]
    with postgresql_database.engine.connect() as connection:
        for step in steps:
            plan = _plan(connection, step)
            assert "pk_delivery" in plan
            assert "ix_delivery" not in plan
            assert "Seq Scan on delivery" not in plan


def test_what_a_worker_holds_is_found_by_the_index_of_what_is_held(postgresql_database: Database) -> None:
    campaign = SentCampaign(postgresql_database, 50)
    campaign.claim(campaign.worker())
    with postgresql_database.engine.connect() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")
        plan = _plan(connection, Step(Prepared(recovery._RELEASE), {"worker": 1}))
    assert "ix_delivery_held" in plan


def test_an_enrolment_gives_the_planner_statistics_of_no_name_or_address(
    postgresql_database: Database,
) -> None:
    """Their statistics take longest, and no plan of sending needs them."""
    SentCampaign(postgresql_database, 50)
    with postgresql_database.read() as connection:
        found = connection.execute(
            text("SELECT tablename, attname FROM pg_stats WHERE schemaname = 'public'")
        )
        known = set(map(tuple, found))
    assert {name for table, name in known if table == "subscriber"} == {"id", "address_hash"}
    assert {("consent", "topic"), ("delivery", "campaign_id"), ("campaign", "id")} <= known


def _plan(connection: Connection, step: Step) -> str:
    numbered = step.statement.numbered()
    values = ", ".join("NULL" for _ in numbered.values(step.values))
    connection.exec_driver_sql("DEALLOCATE ALL")
    connection.exec_driver_sql("SET enable_seqscan = off")  # the tables are small
    connection.exec_driver_sql(f"PREPARE step AS {numbered.sql}")
    explained = connection.exec_driver_sql(f"EXPLAIN EXECUTE step ({values})").scalars()
    return "\n".join(explained)
