"""The parts of the suite. Each measures one subject beside its peers, alternately, and reports the result."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks import assembly, audience, campaign, programs, relays, scaling, unsubscribe
from benchmarks.account_api import consents
from benchmarks.account_box import box
from benchmarks.audience import copied
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.campaign import Sent
from benchmarks.preview import preview
from benchmarks.real_relays import real_relays
from benchmarks.release import release
from benchmarks.report import Goal, Row, Section, amount
from benchmarks.scaling import Costs, Plan, forecast


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `name` is what --only takes."""

    name: str
    measure: Callable[[Bench], Section]


def ledger_on(engine: str, title: str, goal: float) -> Callable[[Bench], Section]:
    """A whole campaign on one database engine, beside smtp-source."""

    def measure(bench: Bench) -> Section:
        people = bench.audience(bench.sizes.recipients, engine)
        theirs, ours = [], list[Sent]()
        with relays.smtp_sink() as port:
            for _ in range(bench.sizes.rounds):
                finished = relays.smtp_source(port, people.people, CONNECTIONS)
                theirs.append(people.people / finished.seconds)
                with copied(people) as copy:
                    ours.append(campaign.send(copy, port))
        section = Section(f"A whole campaign on {title}")
        ratios = [sent.whole_rate / rate for sent, rate in zip(ours, theirs, strict=True)]
        what = (
            f"whole campaign of {people.people:,} on {title}, unsigned, one process, against `smtp-source -d`"
        )
        section.rows.append(Row(what, Goal(goal), median(ratios), ratios))
        sending = median(sent.rate / rate for sent, rate in zip(ours, theirs, strict=True))
        section.lines.append(
            f"Enrolment of the audience included. Sending alone, from the first claim to the last outcome: "
            f"{amount(sending)} of smtp-source."
        )
        section.table(
            ("round", "smtp-source, messages/s", "ours", "sending alone", "enrolment, s", "CPU a message, µs",
             "of it in commits", "messages a commit", "its wait, µs"),
            [
                (number, f"{rate:,.0f}", f"{sent.whole_rate:,.0f}", f"{sent.rate:,.0f}",
                 f"{sent.enrol_seconds:.2f}", f"{sent.cpu_us:.0f}", f"{sent.commit_us:.0f}",
                 f"{sent.group:.1f}", f"{sent.wait_us:.0f}")
                for number, (rate, sent) in enumerate(zip(theirs, ours, strict=True), 1)
            ],
        )  # fmt: skip
        bench.points[title].append((people.people, median(sent.whole_rate for sent in ours)))
        if engine == "sqlite":
            bench.points["smtp-source"].append((people.people, median(theirs)))
            bench.measured["loop"] = median(sent.cpu_us - sent.commit_us for sent in ours)
            bench.measured["commit"] = median(sent.commit_us for sent in ours)
            bench.measured["sync"] = median(sent.wait_us for sent in ours)
            bench.measured["unsigned"] = median(sent.rate for sent in ours)
        _profile(bench, section, engine)
        return section

    return measure


def signed(bench: Bench) -> Section:
    """Signed campaigns by one process and by two, beside OpenSSL and the usual way."""
    people = bench.audience(bench.sizes.signed)
    openssl, usual, one, two = list[float](), list[float](), list[Sent](), list[Sent]()
    with relays.smtp_sink() as port:
        for _ in range(bench.sizes.rounds):
            openssl.append(assembly.openssl_rate(2))
            for processes, found in ((1, one), (2, two)):
                with copied(people) as copy:
                    found.append(campaign.send(copy, port, processes=processes, extra=bench.signing))
            usual.append(_usual_way(bench, port, signed=True))
        unsigned = _usual_way(bench, port, signed=False)
    section = Section("Signed with RSA-2048")
    rates = [sent.rate for sent in one]
    for what, goal, ratios in (
        ("signed RSA-2048, one process, against the OpenSSL signing rate of one core", 0.8,
         _ratios(rates, openssl)),
        ("signed RSA-2048, two processes against one", 1.7, _ratios([sent.rate for sent in two], rates)),
        ("against aiosmtplib + EmailMessage + dkimpy, all signed", 20.0, _ratios(rates, usual)),
    ):  # fmt: skip
        section.rows.append(Row(what, Goal(goal), median(ratios), ratios))
    section.lines.append(
        "Another process signs for each sender. All of them and the sink share the cores of this machine."
    )
    section.table(
        (
            "round",
            "openssl speed, /s",
            "one process, messages/s",
            "CPU, µs",
            "two processes",
            "CPU, µs",
            "usual way",
        ),
        [
            (number, *(f"{figure:,.0f}" for figure in (rate, a.rate, a.cpu_us, b.rate, b.cpu_us, theirs)))
            for number, (rate, a, b, theirs) in enumerate(zip(openssl, one, two, usual, strict=True), 1)
        ],
    )
    section.lines.append(f"The usual way without signing: {unsigned:,.0f} messages/s.")
    assembled = assembly.rates()
    section.table(
        ("one mail into bytes, on one core", "a second"),
        [(name, f"{rate:,.0f}") for name, rate in assembled.items()],
    )
    bench.measured["sign"] = 1e6 / assembled[assembly.OURS] - 1e6 / assembled[assembly.UNSIGNED]
    bench.measured["signed"] = median(rates)
    bench.measured["signed twice"] = median(sent.rate for sent in two)
    _profile(bench, section, "sqlite", bench.signing)
    return section


def round_trips(bench: Bench) -> Section:
    """How often a sender waits for the relay, and the cost of a distant relay."""
    section = Section("Round trips")
    messages = bench.sizes.far_away
    rows = []
    first = CONNECTIONS / messages  # without CHUNKING, the first message of a connection was not announced
    sinks = (("CHUNKING", relays.chunking_sink, 1.0), ("PIPELINING", relays.smtp_sink, 1.0 + first))
    for name, sink, goal in sinks:
        counted = []
        with sink() as port:
            for milliseconds in (0, 20, 100):
                with relays.far_away(port, milliseconds / 1000) as far:
                    far.round_trips()
                    seconds = _wire(far.port, messages, CONNECTIONS)
                    counted.append(far.round_trips() / messages)
                rows.append((name, milliseconds, f"{messages / seconds:,.0f}", f"{counted[-1]:.2f}"))
        what = f"round trips a message on a warm connection: {name}, counted by the proxy"
        section.rows.append(Row(what, Goal(goal, at_most=True), max(counted), counted))
    section.table(("relay offers", "round trip, ms", "messages/s", "round trips a message"), rows)
    section.lines.append(f"{CONNECTIONS} warm connections, {messages:,} ready messages of 12 KB.")
    with relays.smtp_sink() as pipelining, relays.chunking_sink() as chunking:
        count = bench.sizes.signed
        theirs = [count / relays.smtp_source(pipelining, count, CONNECTIONS).seconds for _ in range(3)]
        pipelined = [count / _wire(pipelining, count, CONNECTIONS) for _ in range(3)]
        chunked = [count / _wire(chunking, count, CONNECTIONS) for _ in range(3)]
    section.table(
        ("ready messages, no ledger, no way at all", "messages/s", "against smtp-source"),
        [
            (name, f"{median(rates):,.0f}", amount(median(rates) / median(theirs)))
            for name, rates in (
                ("smtp-source -d", theirs),
                ("ours, PIPELINING, smtp-sink", pipelined),
                ("ours, CHUNKING, a sink of our own in Python", chunked),
            )
        ],
    )
    return section


def large(bench: Bench) -> Section:
    """The effect of a large audience on memory, on the cost of a message, and on the rate of the import."""
    sizes = bench.sizes
    section = Section("A large audience")
    few, many = bench.audience(sizes.small), bench.audience(sizes.large)
    with relays.smtp_sink() as port:
        small = []
        for _ in range(3):
            with copied(few) as copy:
                small.append(campaign.send(copy, port))
        big = campaign.send(many, port)  # the last part that uses these people, who are too many to copy
    megabytes = big.peak_bytes / 1e6
    memory = big.peak_bytes / median(sent.peak_bytes for sent in small)
    cost = median(sent.rate for sent in small) / big.rate
    imported = many.people / many.import_seconds
    section.rows += [
        Row(f"peak memory at {many.people:,} recipients", Goal(150, "MB", at_most=True), megabytes),
        Row(f"peak memory against {few.people:,}", Goal(1.1, at_most=True), memory),
        Row(
            f"cost a message at {many.people:,} against {few.people:,}", Goal(1.1, at_most=True), cost
        ),
        Row(f"import of {many.people:,} rows with consent events", Goal(20_000, "rows/s"), imported),
    ]  # fmt: skip
    section.table(
        ("recipients", "sending, messages/s", "CPU a message, µs", "enrolment, s", "peak, MB", "import, rows/s"),
        [
            (f"{each.people:,}", f"{sent.rate:,.0f}", f"{sent.cpu_us:.0f}", f"{sent.enrol_seconds:.2f}",
             f"{sent.peak_bytes / 1e6:.0f}", f"{each.people / each.import_seconds:,.0f}")
            for each, sent in ((few, sorted(small, key=lambda sent: sent.rate)[1]), (many, big))
        ],
    )  # fmt: skip
    section.lines.append(
        f"The import of the large file took {many.imported.cpu_seconds:,.0f} s of CPU and at most "
        f"{many.imported.peak_bytes / 1e6:.0f} MB."
    )
    bench.points["SQLite"].append((many.people, big.whole_rate))
    profile = bench.folder / "import.profile"
    audience.make(bench.folder / "import-profiled", sizes.profiled, profile=profile)
    section.profile(f"Where the time of an import of {sizes.profiled:,} rows goes", [profile])
    return section


def audience_sizes(bench: Bench) -> Section:
    """Throughput against audience size, for the chart."""
    section = Section("Throughput against audience size")
    sizes = [bench.sizes.recipients // 100, bench.sizes.recipients // 10]
    with relays.smtp_sink() as port:
        for people in sizes:
            for engine, title in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")):
                with copied(bench.audience(people, engine)) as copy:
                    bench.points[title].append((people, campaign.send(copy, port).whole_rate))
            seconds = relays.smtp_source(port, people, CONNECTIONS).seconds
            bench.points["smtp-source"].append((people, people / seconds))
    section.lines.append("![Messages a second against the size of the audience](throughput.svg)")
    section.table(
        ("", "recipients", "messages/s, enrolment included"),
        [
            (name, f"{people:,.0f}", f"{rate:,.0f}")
            for name, points in bench.points.items()
            for people, rate in sorted(points)
        ],
    )
    return section


def unsubscribes(bench: Bench) -> Section:
    """Many simultaneous unsubscribe requests."""
    found = []
    for number in range(bench.sizes.rounds):
        folder = bench.folder / f"unsubscribe-{number}"
        folder.mkdir()
        found.append(unsubscribe.measure(folder, bench.sizes.posts, 100))
    rates, tails = [each.rate for each in found], [each.p99_ms for each in found]
    section = Section("Unsubscribing")
    what = "unsubscribe POSTs, 100 at a time, one process, SQLite"
    section.rows += [
        Row(what, Goal(2000, "/s"), median(rates), rates),
        Row(f"{what}: p99", Goal(100, "ms", at_most=True), median(tails), tails),
    ]
    section.table(
        ("round", "POSTs/s", "median, ms", "p99, ms", "CPU of the server a POST, µs"),
        [
            (number, f"{each.rate:,.0f}", f"{each.median_ms:.1f}", f"{each.p99_ms:.1f}", f"{each.cpu_us:.0f}")
            for number, each in enumerate(found, 1)
        ],
    )
    folder, profile = bench.folder / "unsubscribe-profiled", bench.folder / "unsubscribe.profile"
    folder.mkdir()
    unsubscribe.measure(folder, bench.sizes.profiled, 100, profile=profile)
    section.profile(f"Where the server's time goes, for {bench.sizes.profiled:,} POSTs", [profile])
    return section


def breach(bench: Bench) -> Section:
    """The documents of a breach of the large audience's database."""
    people = bench.audience(bench.sizes.large)
    done = programs.run(
        [programs.find("mailer", "none: it is this project's own"), "privacy", "breach",
         "--since", "2025-01-01", "--output", "breach", "--json"],
        cwd=people.folder,
    )  # fmt: skip
    shutil.rmtree(people.folder / "breach")
    section = Section("The documents of a breach")
    what = f"all documents of a breach that concerns {people.people:,} people"
    section.rows += [
        Row(what, Goal(60, "s", at_most=True), done.seconds),
        Row(f"{what}: peak memory", Goal(150, "MB", at_most=True), done.peak_bytes / 1e6),
    ]
    section.lines.append(f"{done.cpu_seconds:.1f} s of CPU.")
    return section


def start_up(_bench: Bench) -> Section:
    """The cost of `mailer --help`."""
    mailer = programs.find("mailer", "none: it is this project's own")
    programs.run([mailer, "--help"])
    spent = [programs.run([mailer, "--help"]).cpu_seconds for _ in range(10)]
    section = Section("Start-up")
    section.rows.append(Row("`mailer --help`, CPU", Goal(0.2, "s", at_most=True), median(spent), spent))
    section.lines.append("The median of ten.")
    return section


def model(bench: Bench) -> Section:
    """The cost model of docs/scaling.md with the costs of this run, compared with its runs, and extrapolated."""
    section = Section("The cost model")
    found = bench.measured
    if not found.keys() >= {"unsigned", "signed"}:
        section.lines.append("It needs the parts sqlite and signed.")
        return section
    costs = Costs(loop=found["loop"], commit=found["commit"], sign=found["sign"], sync=found["sync"])
    section.lines.append(
        f"A message's share of CPU, in µs: commits {costs.commit:.0f}, signature {costs.sign:.0f}, all else "
        f"{costs.loop:.0f}; a commit waits {costs.sync:.0f} for the disk. The signature is from the bench of assembly, "
        "the rest from the unsigned runs: the signed runs are foretold from these."
    )
    here = Plan("unsigned", connections=CONNECTIONS, cores=os.cpu_count() or 1, sink=relays.sink_cost())
    plans = (
        (replace(here, name="unsigned, one process"), "unsigned"),
        (replace(here, name="signed, one process", signed=True), "signed"),
        (replace(here, name="signed, two processes", signed=True, processes=2), "signed twice"),
    )
    rows = []
    for plan, name in plans:
        foretold = forecast(plan, costs)
        rate, gives_way = foretold.rate, foretold.first_to_give_way
        rows.append((plan.name, f"{rate:,.0f}", f"{found[name]:,.0f}", amount(found[name] / rate), gives_way))
    section.table(("on this machine", "foretold, messages/s", "measured", "ratio", "limiting resource"), rows)
    section.lines.append("The plans of docs/scaling.md with the same costs:")
    section.table(scaling.HEADS, scaling.table(costs))
    return section


PARTS = (
    Part("sqlite", ledger_on("sqlite", "SQLite", 0.8)),
    Part("postgresql", ledger_on("postgresql", "PostgreSQL", 0.6)),
    Part("signed", signed),
    Part("round-trips", round_trips),
    Part("real-relays", real_relays),
    Part("breach", breach),
    Part("large", large),
    Part("unsubscribe", unsubscribes),
    Part("api", consents),
    Part("account-box", box),
    Part("start-up", start_up),
    Part("preview", preview),
    Part("release", release),
    Part("model", model),
    Part("audience-sizes", audience_sizes),
)


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def _usual_way(bench: Bench, port: int, *, signed: bool) -> float:
    """Messages per second, from before the first connection to after the last message."""
    count = bench.sizes.peers
    key = [str(bench.key_file)] if signed else []
    command = [programs.PYTHON, "-m", "benchmarks.peers", str(port), str(count), str(CONNECTIONS), *key]
    return count / float(json.loads(programs.run(command).output)["seconds"])


def _wire(port: int, messages: int, connections: int) -> float:
    command = [programs.PYTHON, "-m", "benchmarks.wire", str(port), str(messages), str(connections)]
    return float(json.loads(programs.run(command).output)["seconds"])


def _profile(bench: Bench, section: Section, engine: str, extra: dict[str, str] | None = None) -> None:
    path = bench.folder / "profile"
    with relays.smtp_sink() as port, copied(bench.audience(bench.sizes.profiled, engine)) as copy:
        sent = campaign.send(copy, port, profile=path, extra=extra)
    paths = sorted(bench.folder.glob("profile.*"))
    section.profile(
        f"Where the time goes, for {sent.messages:,} messages in {sent.send_seconds:.1f} s", paths
    )
    for each in paths:
        each.unlink()
