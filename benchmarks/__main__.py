"""`python -m benchmarks [--quick] [--only PART...] [--sending]`: measure, and write RESULTS.md.

All programs are measured in turns in one run; medians and ratios count. A part that fails is reported, and the others go
on. RESULTS.md, throughput.svg and costs.json go to --output, after each part, so a run can be ended with Ctrl-C. From
costs.json, `python -m benchmarks.scaling --write` computes the tables of docs/scaling.md. smtp-source and smtp-sink are from
Debian's package postfix.
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
from benchmarks.bench import FULL, QUICK, Bench, Sizes, bench
from benchmarks.chart import chart
from benchmarks.parts import OTHERS, PARTS, Part
from benchmarks.programs import Missing, find
from benchmarks.report import Section

MIN_PART_SECONDS = 900
HERE = Path(__file__).resolve().parent


def main() -> None:
    options = _options()
    signal.signal(signal.SIGALRM, _took_too_long)
    parts = _chosen(options)
    _print_plan(parts, quick=options.quick)
    options.output.mkdir(parents=True, exist_ok=True)
    with bench(_sizes(options), options.folder) as running:
        described = machine.description(running.folder)
        sections: list[Section] = []
        for number, part in enumerate(parts):
            sections.append(_measured(part, running))
            text = report.text(
                described,
                _how(running, quick=options.quick),
                sections,
                unfinished=[each.name for each in parts[number + 1 :]],
                left_out=[each.name for each in PARTS if each not in parts],
            )
            (options.output / "RESULTS.md").write_text(text, encoding="utf-8")
            _write_others(running, options.output)
            for row in sections[-1].rows:
                print(row, flush=True)
    print(f"{options.output / 'RESULTS.md'} has it all.", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [part.name for part in PARTS]
    parser.add_argument("--quick", action="store_true", help="small sizes, one round")
    parser.add_argument("--only", nargs="+", metavar="PART", choices=names, help=f"of {', '.join(names)}")
    parser.add_argument(
        "--sending", action="store_true", help="only the parts about sending, which come first"
    )
    parser.add_argument("--rounds", type=int, help="of each comparison (3; --quick: 1)")
    parser.add_argument(
        "--recipients", type=int, nargs="+", help="of the campaigns on each engine (27,000 and 100,000)"
    )
    parser.add_argument("--large", type=int, help="of the large audience (1,000,000)")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("/var/tmp"),  # noqa: S108 - the run creates its own folder in it
        help="on a real disk: in memory an fsync costs nothing",
    )
    parser.add_argument("--output", type=Path, default=HERE, help="where the results go")
    return parser.parse_args()


def _sizes(options: argparse.Namespace) -> Sizes:
    sizes = QUICK if options.quick else FULL
    return replace(
        sizes,
        rounds=options.rounds or sizes.rounds,
        recipients=tuple(options.recipients or sizes.recipients),
        large=options.large or sizes.large,
    )


def _chosen(options: argparse.Namespace) -> list[Part]:
    if options.only:
        return [part for part in PARTS if part.name in options.only]
    return [part for part in PARTS if not (options.sending and part in OTHERS)]


def _print_plan(parts: list[Part], *, quick: bool) -> None:
    """About how long each part takes, and what is missing."""
    estimates = {part.name: part.quick_seconds if quick else part.seconds for part in parts}
    told = ", ".join(f"{name} {seconds} s" for name, seconds in estimates.items())
    print(
        f"About {sum(estimates.values()) / 60:.0f} minutes on a quiet machine, with the sizes as they are: {told}.",
        file=sys.stderr,
    )
    for program in ("smtp-source", "smtp-sink"):
        try:
            find(program, "postfix")
        except Missing as missing:
            print(f"{missing} Whatever needs it will be left out.", file=sys.stderr)


def _how(running: Bench, *, quick: bool) -> str:
    rounds = running.sizes.rounds
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {'a quick look' if quick else 'a full run'}: {rounds} "
        f"round{'s' if rounds > 1 else ''}, one sink, mails of {running.length / 1000:.1f} KB, 20 connections."
    )


def _measured(part: Part, running: Bench) -> Section:
    running.say(f"== {part.name}")
    began = time.perf_counter()
    signal.alarm(max(MIN_PART_SECONDS, 3 * part.seconds))
    try:
        section = part.measure(running)
    except Exception as error:  # noqa: BLE001 - the other parts must run, and the report must say so
        running.say(f"{part.name} failed: {error!r}")
        section = Section(part.name, lines=[f"**This part failed:** {type(error).__name__}: {error}"])
    finally:
        signal.alarm(0)
    section.lines.append(f"\nThis part took {time.perf_counter() - began:.0f} s.")
    return section


def _took_too_long(_number: int, _frame: FrameType | None) -> NoReturn:
    raise TimeoutError("it took too long")


def _write_others(running: Bench, output: Path) -> None:
    """Write the chart and the costs, where this run has measured what they need."""
    if running.points:
        title = "Whole campaigns, unsigned, one process, beside smtp-source"
        points = {name: sorted(found) for name, found in running.points.items()}
        drawing = chart(title, "recipients", "messages a second", points)
        (output / "throughput.svg").write_text(drawing, encoding="utf-8")
    if running.costs is not None:
        running.costs.write(output / "costs.json")


if __name__ == "__main__":
    main()
