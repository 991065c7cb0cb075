"""The CPU time that commands take whatever they have to do."""

from __future__ import annotations

from statistics import median

from benchmarks import campaign, programs, relays
from benchmarks.audience import SLUG, Audience, copied
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.report import Goal, Row, Section


def start_up(bench: Bench) -> Section:
    """`--help`, `run-due` with nothing due, and `send` with one recipient."""
    section = Section("Start-up")
    one, times = bench.audience(1), 10 if bench.sizes.rounds > 1 else 3
    with copied(one) as copy, relays.smtp_sink() as port:
        found = {
            "`mailer --help`": (0.2, [programs.run([programs.mailer(), "--help"]) for _ in range(times)]),
            "`mailer run-due`, nothing due": (0.3, _run_due(copy, times)),
            "`mailer campaigns send`, one recipient": (0.3, [_send(one, port) for _ in range(times)]),
        }
    for name, (goal, finished) in found.items():
        spent = [each.cpu_seconds for each in finished]
        section.rows.append(Row(f"{name}, CPU", Goal(goal, "s", at_most=True), median(spent), spent))
    section.table(
        ("command", "seconds, median", "seconds of CPU, median"),
        [
            (name, f"{median(each.seconds for each in finished):.2f}",
             f"{median(each.cpu_seconds for each in finished):.2f}")
            for name, (_, finished) in found.items()
        ],
    )  # fmt: skip
    section.lines.append(f"Each {times} times.")
    return section


def _run_due(people: Audience, times: int) -> list[programs.Finished]:
    """Without the first run, which does what is done once a day."""
    command = [programs.mailer(), "run-due"]
    runs = [programs.run(command, cwd=people.folder, extra=people.environment) for _ in range(times + 1)]
    return runs[1:]


def _send(people: Audience, port: int) -> programs.Finished:
    command = [programs.mailer(), "campaigns", "send", SLUG, "--yes", "--json"]
    with copied(people) as copy:
        extra = campaign.variables(copy, port, CONNECTIONS)
        return programs.run(command, cwd=copy.folder, extra=extra)
