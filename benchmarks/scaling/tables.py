"""The tables of docs/scaling.md, computed from the costs, and written into the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.scaling.bounds import BOUND_HEADS, bound_rows
from benchmarks.scaling.costs import Costs
from benchmarks.scaling.plans import PLANS, Plan
from benchmarks.scaling.simulation import forecast

AUDIENCES = (1_000_000, 10_000_000, 100_000_000)
PLAN_HEADS = (
    "installation",
    "messages/s",
    *(f"{people // 1_000_000} million" for people in AUDIENCES),
    "limiting resource",
)
TRIPS = (
    "1 with PIPELINING; 2 without CHUNKING where the next envelope is not announced; "
    "3 with CHUNKING alone, 4 with neither"
)
COST_HEADS = ("", "what", "how much", "grows with")


def cost_rows(costs: Costs) -> list[tuple[str, ...]]:
    """Each cost: its name, what it is, how much, and what it grows with."""
    return [
        ("loop", "composing the mail, SMTP, the event loop itself", f"{costs.loop:,.0f} µs of CPU", "messages"),
        ("commit", "claim, gate and outcome in the database", f"{costs.commit:,.0f} µs of CPU",
         "messages, less in large groups"),
        ("sign", "RSA-2048, in a process of its own on all cores but one", f"{costs.sign:,.0f} µs of CPU", "messages × keys"),
        ("sync", "one durable commit", f"{costs.sync:,.0f} µs on that machine's disk", "groups, not messages"),
        ("server", "PostgreSQL's own CPU; nothing on SQLite", f"{costs.server:,.0f} µs on its host", "messages"),
        ("distance", "a round trip to PostgreSQL", f"{costs.distance:,.0f} µs (assumed)", "groups"),
        ("wait", "round trips to the relay", TRIPS, "messages ÷ connections"),
        ("relay", "what it accepts per second", "the relay's limit", "messages"),
    ]  # fmt: skip


def plan_rows(costs: Costs, plans: Sequence[Plan] = PLANS) -> list[tuple[str, ...]]:
    """For each plan: its name, its rate, the time for each audience, and the limiting resource."""
    rows = []
    for plan in plans:
        found = forecast(plan, costs)
        times = [_duration(people / found.rate) for people in AUDIENCES]
        rows.append((plan.name, f"{found.rate:,.0f}", *times, found.limiting_resource))
    return rows


def quick_tables(costs: Costs) -> dict[str, str]:
    """The tables that need no simulation, by name."""
    return {
        "costs": report.table(COST_HEADS, cost_rows(costs)),
        "bounds": report.table(BOUND_HEADS, bound_rows(costs)),
    }


def every_table(costs: Costs) -> dict[str, str]:
    """All tables of the page, by name; the simulation of the plans takes some seconds."""
    return quick_tables(costs) | {"plans": report.table(PLAN_HEADS, plan_rows(costs))}


def put_into(page: Path, tables: dict[str, str]) -> None:
    """Write each table between its two marks in `page`. Raises ValueError where a mark is missing."""
    text = page.read_text(encoding="utf-8")
    for name, written in tables.items():
        before, first, rest = text.partition(begin(name))
        _, last, after = rest.partition(END)
        if not (first and last):
            raise ValueError(f"{page} has no place for the table {name}: {begin(name)}")
        text = f"{before}{first}\n\n{written}\n\n{last}{after}"
    page.write_text(text, encoding="utf-8")


def begin(name: str) -> str:
    """The mark before a table."""
    return f"<!-- Table {name}, written by `python -m benchmarks.scaling --write`. -->"


END = "<!-- End of the table. -->"


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
