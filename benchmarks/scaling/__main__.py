"""`python -m benchmarks.scaling [--write]`: print the tables of docs/scaling.md, or write them into the page."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.programs import ROOT
from benchmarks.scaling.costs import FILE, Costs
from benchmarks.scaling.tables import every_table, put_into

PAGE = ROOT / "docs/scaling.md"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling",
        description="Compute the tables of docs/scaling.md from the costs of a mail, in µs.",
    )
    parser.add_argument(
        "--costs", type=Path, default=FILE, help="the file that a run of the suite has written"
    )
    parser.add_argument("--write", action="store_true", help="write them into docs/scaling.md")
    for name in Costs.__dataclass_fields__:
        parser.add_argument(f"--{name}", type=float, help="in place of what the file says")
    options = parser.parse_args()
    costs = Costs.read(options.costs)
    given = {name: value for name in asdict(costs) if (value := getattr(options, name)) is not None}
    tables = every_table(replace(costs, **given))
    if options.write:
        put_into(PAGE, tables)
    else:
        print("\n\n".join(tables.values()))


if __name__ == "__main__":
    main()
