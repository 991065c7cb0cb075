"""The check finds each kind of broken promise, and names the seed and what happened to the address."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from tests.interleaving.promise import BrokenPromise, check
from tests.interleaving.record import TOPICS, Act, Attempt, Entry, Kind, Pair, Record, Told

START = datetime(2026, 11, 28, tzinfo=UTC)
ANN, TOPIC = "ann@example.org", TOPICS[0]
PAIR = (ANN, TOPIC)
CHANGES = [("c1", "granted"), ("c2", "withdrawn"), ("c3", "granted")]


def second(number: float) -> datetime:
    return START + timedelta(seconds=number)


def act(kind: Kind, began: float, answered: float, granted: Sequence[Pair] = ()) -> Act:
    return Act(
        "p0.0", f"an interface to {kind}", kind, (PAIR,), second(began), second(answered), tuple(granted)
    )


def mail(at: float, entry_id: int = 1) -> Attempt:
    return Attempt(second(at), ANN, TOPIC, 1, entry_id)


def entries(changes: Sequence[tuple[str, str]] = CHANGES) -> list[Entry]:
    return [Entry(n, 1, TOPIC, kind, "api", second(0)) for n, (_, kind) in enumerate(changes, 1)]


def told(*changes: tuple[str, str]) -> list[Told]:
    return [Told(number, kind, TOPIC, "api") for number, kind in changes]


GRANT, LEAVE = act(Kind.GRANT, 0, 1, granted=(PAIR,)), act(Kind.TAKE_AWAY, 2, 3)
WHOLE = Record(
    7,
    [GRANT, LEAVE],
    [mail(1.5), mail(2.5)],
    entries(),
    {"p0": told(*CHANGES[:2])},
    told(*CHANGES),
    [],
    second(9),
)


@pytest.mark.parametrize(
    "acts",
    [
        [GRANT],
        [GRANT, act(Kind.TAKE_AWAY, 2, 6)],  # not answered yet
        [GRANT, LEAVE, act(Kind.GRANT, 4, 7)],  # may have been recorded already
        [act(Kind.GRANT, 0, 2.5), LEAVE],  # may have been recorded after the withdrawal
        [GRANT, act(Kind.OTHER, 2, 3)._replace(may_end=(PAIR,))],
    ],
)
def test_mail_is_allowed_where_a_consent_may_have_come_last(acts: list[Act]) -> None:
    check(Record(7, acts, [mail(5)], entries(), {}, told(*CHANGES), [PAIR], second(6)))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"attempts": [mail(4)]}, "attempted after a withdrawal was answered"),
        (
            {"attempts": [mail(4)], "acts": [GRANT, LEAVE, act(Kind.GRANT, 5, 6)]},
            "attempted after a withdrawal",
        ),
        ({"attempts": [mail(1.5, 2)]}, "up to which there is no consent"),
        ({"audience": [PAIR]}, "still goes to somebody who left"),
        ({"acts": [GRANT]}, "a consent was lost"),
        ({"acts": [LEAVE._replace(failure="503")]}, "failed: 503"),
        ({"feed": told(CHANGES[0], CHANGES[2])}, "feed and ledger differ"),
        ({"feed": told(CHANGES[1], CHANGES[0], CHANGES[2])}, "feed and ledger differ"),
        (
            {"feeds": {"p0": told(CHANGES[0], CHANGES[2])}},
            "p0 was not told of the changes in the ledger's order",
        ),
        (
            {"feeds": {"p0": told(CHANGES[0], CHANGES[0])}},
            "p0 was not told of the changes in the ledger's order",
        ),
        ({"entries": entries()[:2]}, "feed and ledger differ"),
        ({"entries": [*entries()[:2], entries()[2]._replace(id=4)]}, "the ledger has a gap"),
        ({"damage": "The ledger is broken."}, "The ledger is broken."),
    ],
)
def test_a_broken_promise_is_found_and_told_with_its_seed(broken: dict[str, object], message: str) -> None:
    check(WHOLE)
    with pytest.raises(BrokenPromise, match=f"(?s)seed 7: .*{message}"):
        check(Record(**{name: broken.get(name, getattr(WHOLE, name)) for name in Record.__slots__}))  # type: ignore[arg-type]


def test_what_is_told_of_a_mail_is_everything_about_its_address() -> None:
    with pytest.raises(BrokenPromise) as broken:
        check(Record(7, [GRANT, LEAVE], [mail(4)], entries(), {}, told(*CHANGES), [], second(9)))
    for part in (GRANT, LEAVE, mail(4), *entries()):
        assert str(part) in str(broken.value)


def test_a_consent_that_another_request_may_have_ended_is_not_lost() -> None:
    doubtful = act(Kind.OTHER, 2, 3)._replace(pairs=(), may_end=(PAIR,))
    check(Record(7, [GRANT, doubtful], [mail(1.5)], entries(), {}, told(*CHANGES), [], second(9)))
