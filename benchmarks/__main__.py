"""`python -m benchmarks [--quick] [--only PART] [--recipients N] [--large N]`: measure, and write RESULTS.md.

All programs are measured alternately in one run; medians and ratios count. A part that fails is reported,
and the others go on. The whole takes a quarter of an hour, --quick some two minutes. smtp-source and smtp-sink are
from Debian's package postfix.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

from benchmarks import machine, report
from benchmarks.bench import FULL, QUICK, Bench, bench
from benchmarks.chart import chart
from benchmarks.parts import PARTS, Part
from benchmarks.programs import Missing, find
from benchmarks.report import Section

MAX_PART_SECONDS = 900
HERE = Path(__file__).resolve().parent


def main() -> None:
    options = _options()
    signal.signal(signal.SIGALRM, _took_too_long)
    sizes = QUICK if options.quick else FULL
    sizes = replace(
        sizes, recipients=options.recipients or sizes.recipients, large=options.large or sizes.large
    )
    parts = [part for part in PARTS if not options.only or part.name in options.only]
    left_out = [part.name for part in PARTS if part not in parts]
    for program in ("smtp-source", "smtp-sink"):
        try:
            find(program, "postfix")
        except Missing as missing:
            print(f"{missing} Whatever needs it will be left out.", file=sys.stderr)
    options.output.mkdir(parents=True, exist_ok=True)
    with bench(sizes, options.folder) as running:
        described = machine.description(running.folder)
        how = f"{datetime.now(UTC):%Y-%m-%d}, {'a quick look' if options.quick else 'a full run'}: {sizes.rounds} "
        how += f"round{'s' if sizes.rounds > 1 else ''}, one sink, mails of 12 to 13 KB, 20 connections."
        sections: list[Section] = []
        for number, part in enumerate(parts):
            sections.append(_measured(part, running))
            unfinished = [each.name for each in parts[number + 1 :]]
            text = report.text(described, how, sections, unfinished, left_out)
            (options.output / "RESULTS.md").write_text(text, encoding="utf-8")
            for row in sections[-1].rows:
                print(row)
        if running.points:
            title = "Whole campaigns, unsigned, one process, beside smtp-source"
            drawing = chart(title, "recipients", "messages a second", _sorted(running))
            (options.output / "throughput.svg").write_text(drawing, encoding="utf-8")
    print(f"{options.output / 'RESULTS.md'} has it all.", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, one round")
    parser.add_argument(
        "--only", nargs="+", metavar="PART", choices=[part.name for part in PARTS], help="just these parts"
    )
    parser.add_argument("--recipients", type=int, help="of the whole campaign (100,000)")
    parser.add_argument("--large", type=int, help="of the large audience (1,000,000)")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("/var/tmp"),  # noqa: S108 - the run creates its own folder in it
        help="on a real disk: in memory an fsync costs nothing",
    )
    parser.add_argument("--output", type=Path, default=HERE, help="where RESULTS.md and the chart go")
    return parser.parse_args()


def _measured(part: Part, running: Bench) -> Section:
    print(f"== {part.name}", file=sys.stderr)
    began = time.perf_counter()
    signal.alarm(MAX_PART_SECONDS)
    try:
        section = part.measure(running)
    except Exception as error:  # noqa: BLE001 - the other parts must run, and the report must say so
        print(f"{part.name} failed: {error!r}", file=sys.stderr)
        return Section(part.name, lines=[f"**This part failed:** {type(error).__name__}: {error}"])
    finally:
        signal.alarm(0)
    section.lines.append(f"\nThis part took {time.perf_counter() - began:.0f} s.")
    return section


def _took_too_long(_number: int, _frame: FrameType | None) -> NoReturn:
    raise TimeoutError(f"it took more than {MAX_PART_SECONDS} s")


def _sorted(running: Bench) -> dict[str, list[tuple[float, float]]]:
    return {name: sorted(points) for name, points in running.points.items()}


if __name__ == "__main__":
    main()
