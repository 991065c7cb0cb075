"""The promise, checked against what happened: values in, broken promises out."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate

from subscribers import changes
from tests.interleaving.record import Act, Kind, Pair, Record, Told

NEVER = datetime.min.replace(tzinfo=UTC)


class BrokenPromise(AssertionError):
    """A history in which the promise does not hold."""


def check(record: Record) -> None:
    """Raise BrokenPromise, with the seed and the history, where the promise does not hold."""
    for problem, address in (*_failures(record), *_mails(record), *_audience(record), *_feeds(record)):
        lines = record.history(address) if address else []
        raise BrokenPromise("\n".join([f"seed {record.seed}: {problem}", *lines]))


def _failures(record: Record) -> Iterator[tuple[str, str]]:
    if record.damage:
        yield record.damage, ""
    for act in record.acts:
        if act.failure:
            yield f"{act.interface} failed: {act.failure}", act.pairs[0][0] if act.pairs else ""


def _mails(record: Record) -> Iterator[tuple[str, str]]:
    """Mails that were attempted after a withdrawal was answered, with no consent in between."""
    judges = judges_of(record.acts)
    for each in record.attempts:
        withdrawal = judges[each.address, each.topic].forbids(each.at)
        if withdrawal is not None:
            yield f"a mail was attempted after a withdrawal was answered.\n{each}\n{withdrawal}", each.address
    states: dict[tuple[int | None, str], list[tuple[int, str]]] = defaultdict(list)
    for entry in record.entries:
        states[entry.subscriber_id, entry.topic].append((entry.id, entry.kind))
    for each in record.attempts:
        own = states[each.subscriber_id, each.topic]
        before = [kind for number, kind in own if number <= each.entry_id]
        if not before or before[-1] != "granted":
            yield (
                f"the gate cites entry {each.entry_id}, up to which there is no consent.\n{each}",
                each.address,
            )


def _audience(record: Record) -> Iterator[tuple[str, str]]:
    """Whom a campaign would reach in the end: nobody who left, and everybody whose consent came last."""
    judges, audience = judges_of(record.acts), set(record.audience)
    for address, topic in sorted(audience):
        withdrawal = judges[address, topic].forbids(record.ended)
        if withdrawal is not None:
            yield f"{topic} still goes to somebody who left.\n{withdrawal}", address
    for pair, judge in judges.items():
        if pair not in audience and (grant := judge.last_word()) is not None:
            yield f"a consent was lost.\n{grant}", pair[0]


def _feeds(record: Record) -> Iterator[tuple[str, str]]:
    """Each reader was told of every change once, in the order of the ledger."""
    kinds = set(changes.KINDS)
    ledger = [(each.kind, each.topic, each.channel) for each in record.entries if each.kind in kinds]
    if [entry.id for entry in record.entries] != list(range(1, len(record.entries) + 1)):
        yield "the ledger has a gap", ""
    if _values(record.feed) != ledger:
        yield "feed and ledger differ", ""
    ids = [each.id for each in record.feed]
    for name, told in record.feeds.items():
        if [each.id for each in told] != ids[: len(told)]:
            yield f"{name} was not told of the changes in the ledger's order", ""


def _values(told: Sequence[Told]) -> list[tuple[str, str, str]]:
    return [(each.kind, each.topic, each.channel) for each in told]


class Judge:
    """Knows the acts about one pair, and says at which instants mail is forbidden."""

    def __init__(self, grants: Sequence[Act], withdrawals: Sequence[Act], left_at: datetime) -> None:
        self._grants = sorted(grants, key=lambda act: act.began)
        self._began = [act.began for act in self._grants]
        self._answered = list(accumulate((act.answered for act in self._grants), max))
        ended = sorted(withdrawals, key=lambda act: act.answered)
        self._left = [act.answered for act in ended]
        self._latest: list[Act] = list(accumulate(ended, _later))
        self._left_at = left_at

    def forbids(self, at: datetime) -> Act | None:
        """A withdrawal that was answered before `at`, where no consent from during or after it began before `at`."""
        number = bisect_left(self._left, at)
        if not number:
            return None
        withdrawal = self._latest[number - 1]
        given = bisect_left(self._began, at)
        return withdrawal if not given or self._answered[given - 1] < withdrawal.began else None

    def last_word(self) -> Act | None:
        """A consent that was recorded after all withdrawals of the address were answered."""
        return next((act for act in self._grants if act.granted and act.began > self._left_at), None)


def _later(one: Act, other: Act) -> Act:
    return max(one, other, key=lambda act: act.began)


def judges_of(acts: Sequence[Act]) -> defaultdict[Pair, Judge]:
    """The judge of each pair."""
    sorted_acts: dict[Pair, dict[Kind, list[Act]]] = {}
    for act in acts:
        for pair in act.pairs:
            own = sorted_acts.setdefault(pair, {kind: [] for kind in Kind})
            own[act.kind].append(act._replace(granted=(pair,) if pair in act.granted else ()))
    against: defaultdict[str, datetime] = defaultdict(lambda: NEVER)
    for act in acts:
        ended = act.pairs if act.kind is Kind.TAKE_AWAY else ()
        for address, _ in (*ended, *act.may_end):  # a link to a former address suppresses it for every topic
            against[address] = max(act.answered, against[address])
    judges: defaultdict[Pair, Judge] = defaultdict(lambda: Judge((), (), NEVER))
    for pair, own in sorted_acts.items():
        judges[pair] = Judge(own[Kind.GRANT], own[Kind.TAKE_AWAY], against[pair[0]])
    return judges
