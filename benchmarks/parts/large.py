"""The effect of a large audience on memory, on the rate, on the cost of a message, and on the import."""

from __future__ import annotations

from statistics import median

from benchmarks import audience, campaign, relays
from benchmarks.audience import copied
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.campaign import Sent
from benchmarks.parts.turns import HEADS, Turn, add_goals
from benchmarks.programs import Finished
from benchmarks.report import Goal, Row, Section

SHARE = 5  # smtp-source sends a fifth of as many before, and a fifth after
SMALL_ROUNDS = 3


def large(bench: Bench) -> Section:
    """One campaign to the large audience, beside some to a small one."""
    section = Section("A large audience")
    few, many = bench.audience(bench.sizes.small), bench.audience(bench.sizes.large)
    with relays.smtp_sink() as port:
        small = []
        for _ in range(SMALL_ROUNDS):
            with copied(few) as copy:
                small.append(campaign.send(copy, port))
        before = _smtp_source(bench, port)
        bench.say(f"{many.people:,} on sqlite")
        big = campaign.send(many, port)  # the last part that uses these people, who are too many to copy
        after = _smtp_source(bench, port)
    theirs = Finished("", (before.seconds + after.seconds) / 2 * SHARE,
                      (before.cpu_seconds + after.cpu_seconds) / 2 * SHARE, 0)  # fmt: skip
    turn = Turn(theirs, big)
    bench.say(f"{many.people:,}: smtp-source {turn.their_rate:,.0f}/s, sending {big.rate:,.0f}/s")
    add_goals(section, "SQLite", [turn], alone=1.0, whole=0.95)
    _add_goals(section, small, big, many)
    section.table(HEADS, [turn.cells(1)])
    section.lines.append(
        f"smtp-source sends {many.people // SHARE:,} mails before and as many after; its rate is that of both."
    )
    section.table(
        ("recipients", "sending, messages/s", "CPU, µs", "peak, MB", "import, rows/s"),
        [
            (f"{each.people:,}", f"{sent.rate:,.0f}", f"{sent.cpu_us:.0f}", f"{sent.peak_bytes / 1e6:.0f}",
             f"{each.people / each.import_seconds:,.0f}")
            for each, sent in ((few, sorted(small, key=lambda sent: sent.rate)[1]), (many, big))
        ],
    )  # fmt: skip
    section.lines.append(f"The import of the large file took {many.imported.cpu_seconds:,.0f} s of CPU.")
    bench.points["SQLite"].append((many.people, big.whole_rate))
    bench.points["smtp-source"].append((many.people, turn.their_rate))
    _add_profile(bench, section)
    return section


def _add_goals(section: Section, small: list[Sent], big: Sent, many: audience.Audience) -> None:
    memory = big.peak_bytes / median(sent.peak_bytes for sent in small)
    cost = big.cpu_us / median(sent.cpu_us for sent in small)
    few, count = small[0].messages, big.messages
    section.rows += [
        Row(f"peak memory at {count:,} recipients", Goal(100, "MB", at_most=True), big.peak_bytes / 1e6),
        Row(f"peak memory at {count:,} against {few:,}", Goal(1.1, at_most=True), memory),
        Row(f"CPU a message at {count:,} against {few:,}", Goal(1.1, at_most=True), cost),
        Row(f"import of {count:,} rows with consent events", Goal(20_000, "rows/s"), count / many.import_seconds),
    ]  # fmt: skip


def _smtp_source(bench: Bench, port: int) -> Finished:
    return relays.smtp_source(port, bench.sizes.large // SHARE, CONNECTIONS, payload=bench.payload)


def _add_profile(bench: Bench, section: Section) -> None:
    profile, rows = bench.folder / "import.profile", bench.sizes.profiled
    audience.make(bench.folder / "import-profiled", rows, profile=profile)
    section.profile(f"Where the time of an import of {rows:,} rows goes", [profile])
