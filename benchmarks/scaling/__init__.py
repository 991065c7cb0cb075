"""The cost model of docs/scaling.md: what a mail costs, and how many a second any number of processes and hosts send then.

`python -m benchmarks.scaling` prints the tables of docs/scaling.md, and writes them with --write.
"""

from benchmarks.scaling.costs import FILE, Costs
from benchmarks.scaling.plans import PLANS, Plan
from benchmarks.scaling.simulation import Forecast, forecast
from benchmarks.scaling.tables import PLAN_HEADS, plan_rows

__all__ = ["FILE", "PLANS", "PLAN_HEADS", "Costs", "Forecast", "Plan", "forecast", "plan_rows"]
