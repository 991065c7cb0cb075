"""Signed campaigns by one process and by two, beside OpenSSL's own rate, the usual way in Python, and nodemailer."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from benchmarks import assembly, campaign, relays
from benchmarks.audience import Audience, copied
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.campaign import Sent
from benchmarks.mail_size import fitting
from benchmarks.parts.profiles import add_profile
from benchmarks.peers import nodemailer, usual_way
from benchmarks.peers.nodemailer import Nodemailer
from benchmarks.peers.timed import Timed
from benchmarks.programs import Missing
from benchmarks.report import Goal, Row, Section

FEW = 5  # mails, to see how long they are
HEADS = (
    "round",
    "openssl speed, one core, /s",
    "one process, messages/s",
    "CPU, µs",
    "two processes, messages/s",
    "CPU, µs",
    "usual way, messages/s",
    "CPU, µs",
    "nodemailer, messages/s",
    "CPU, µs",
)


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of each."""

    openssl: float
    one: Sent
    two: Sent
    usual: Timed
    node: Timed | None

    def cells(self, number: int) -> tuple[str, ...]:
        """A row of the table under HEADS."""
        rates = [figure for sent in (self.one, self.two) for figure in (sent.rate, sent.whole_cpu_us)]
        rates += [self.usual.rate, self.usual.cpu_us]
        node = [self.node.rate, self.node.cpu_us] if self.node is not None else []
        cells = [f"{figure:,.0f}" for figure in (self.openssl, *rates, *node)]
        return (str(number), *cells, *[""] * (len(HEADS) - 1 - len(cells)))


@dataclass(frozen=True, slots=True)
class Peers:
    """The peers, and with how many paragraphs their mails are as long as ours."""

    usual_paragraphs: int
    node: Nodemailer | None
    node_paragraphs: int


def signed(bench: Bench) -> Section:
    """Everything signed with RSA-2048; the mails of all programs are equally long."""
    section = Section("Signed with RSA-2048")
    people = bench.audience(bench.sizes.signed)
    peers = _peers(bench, section)
    with relays.smtp_sink() as port:
        rounds = []
        for number in range(bench.sizes.rounds):
            rounds.append(_round(bench, people, peers, port))
            bench.say(f"signed, round {number + 1} of {bench.sizes.rounds}: {rounds[-1].one.rate:,.0f}/s")
        unsigned = usual_way.send(
            port, bench.sizes.usual_way, CONNECTIONS, paragraphs=peers.usual_paragraphs
        ).rate
    _add_goals(section, rounds)
    section.table(HEADS, [each.cells(number) for number, each in enumerate(rounds, 1)])
    _add_remarks(bench, section, rounds, unsigned)
    assembled = assembly.rates()
    section.table(
        ("one mail into bytes, on one core", "a second"),
        [(name, f"{rate:,.0f}") for name, rate in assembled.items()],
    )
    bench.measured["sign"] = 1e6 / assembled[assembly.OURS] - 1e6 / assembled[assembly.UNSIGNED]
    bench.measured["signed"] = median(each.one.rate for each in rounds)
    bench.measured["signed twice"] = median(each.two.rate for each in rounds)
    add_profile(bench, section, "sqlite", bench.signing)
    return section


def _add_remarks(bench: Bench, section: Section, rounds: list[Round], unsigned: float) -> None:
    two = median(each.two.rate / each.one.rate for each in rounds)
    lengths = f"The mails are {bench.signed_length:,.0f} bytes long. Our rates are those of sending alone, our CPU that of "
    lengths += "the whole command with the process that signs. A peer's rate is from before its first connection to its "
    lengths += "last reply."
    cores = "Another process signs for each sender, on a thread for each core but one. Two senders "
    cores += f"reach {two:.2f} times the rate of one; they share the cores of this machine with each other and the sink."
    section.lines += [lengths, "", cores, "", f"The usual way without signing: {unsigned:,.0f} messages/s."]


def _peers(bench: Bench, section: Section) -> Peers:
    """Install nodemailer, or say in `section` why not, and fit the length of the peers' mails."""
    key, length = bench.key_file, bench.signed_length
    usual = fitting(lambda port, amount: usual_way.send(port, FEW, 1, paragraphs=amount, key=key), length, 50)
    try:
        node = nodemailer.install(bench.folder / "nodemailer")
    except Missing as missing:
        bench.say(f"nodemailer is left out: {missing}")
        section.lines.append(f"nodemailer was left out: {missing}")
        return Peers(usual, None, 0)
    section.lines.append(f"{node.version}.")
    return Peers(
        usual,
        node,
        fitting(lambda port, amount: node.send(port, FEW, 1, paragraphs=amount, key=key), length, 50),
    )


def _round(bench: Bench, people: Audience, peers: Peers, port: int) -> Round:
    key, sizes = bench.key_file, bench.sizes
    openssl = assembly.openssl_rate(2)
    ours = []
    for processes in (1, 2):
        with copied(people) as copy:
            ours.append(campaign.send(copy, port, processes=processes, extra=bench.signing))
    usual = usual_way.send(port, sizes.usual_way, CONNECTIONS, paragraphs=peers.usual_paragraphs, key=key)
    node = None
    if peers.node is not None:
        node = peers.node.send(port, sizes.nodemailer, CONNECTIONS, paragraphs=peers.node_paragraphs, key=key)
    return Round(openssl, ours[0], ours[1], usual, node)


def _add_goals(section: Section, rounds: list[Round]) -> None:
    signing = [each.one.rate / each.openssl for each in rounds]
    usual = [each.one.rate / each.usual.rate for each in rounds]
    node = [each.one.rate / each.node.rate for each in rounds if each.node is not None]
    section.rows += [
        Row(
            "signed RSA-2048, one process, against one core of OpenSSL", Goal(0.85), median(signing), signing
        ),
        Row("against aiosmtplib + EmailMessage + dkimpy, all signed", Goal(30.0), median(usual), usual),
    ]
    if node:
        section.rows.append(Row("against nodemailer's pool, all signed", Goal(5.0), median(node), node))
