"""The cost model of docs/scaling.md with the costs of this run: compared with its rates, and extrapolated."""

from __future__ import annotations

import os
from dataclasses import replace

from benchmarks import inside, relays
from benchmarks.audience import copied
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.report import Section, amount
from benchmarks.scaling import PLAN_HEADS, PLANS, Costs, Plan, forecast, plan_rows

NEEDED = {"unsigned": "sqlite", "signed": "signed"}


def model(bench: Bench) -> Section:
    """Measure the costs from the inside, and predict the rates that other parts have measured."""
    section = Section("The cost model")
    found = bench.measured
    if missing := [part for name, part in NEEDED.items() if name not in found]:
        section.lines.append(f"It needs the parts {' and '.join(missing)}.")
        return section
    with relays.smtp_sink() as port, copied(bench.audience(bench.sizes.profiled)) as copy:
        seen = inside.look(copy, port)
    costs = Costs(
        loop=seen.cpu_us - seen.commit_us,
        commit=seen.commit_us,
        sign=found["sign"],
        sync=seen.wait_us,
        server=found.get("server", Costs.read().server),  # without PostgreSQL, that of an earlier run
    )
    bench.costs = costs
    section.lines.append(
        f"A message's share of CPU, in µs: commits {costs.commit:.0f}, signature {costs.sign:.0f}, all else "
        f"{costs.loop:.0f}; a commit, of {seen.group:.1f} messages, waits {costs.sync:.0f} for the disk. The signature is "
        "from the bench of assembly, the rest from an unsigned run: the signed runs are predicted from these."
    )
    _compare(bench, section, costs)
    section.lines.append("The plans of docs/scaling.md with the same costs:")
    section.table(PLAN_HEADS, plan_rows(costs, PLANS[: bench.sizes.plans]))
    return section


def _compare(bench: Bench, section: Section, costs: Costs) -> None:
    here = Plan(
        "unsigned, one process",
        connections=CONNECTIONS,
        cores=os.cpu_count() or 1,
        sink=relays.sink_cost(bench.payload),
    )
    signed = replace(here, name="signed, one process", signed=True)
    rows = []
    for plan, name in (
        (here, "unsigned"),
        (signed, "signed"),
        (replace(signed, name="signed, two processes", processes=2), "signed twice"),
    ):
        predicted, measured = forecast(plan, costs), bench.measured[name]
        share = amount(measured / predicted.rate)
        rows.append(
            (plan.name, f"{predicted.rate:,.0f}", f"{measured:,.0f}", share, predicted.limiting_resource)
        )
    section.table(
        ("on this machine", "predicted, messages/s", "measured", "ratio", "limiting resource"), rows
    )
