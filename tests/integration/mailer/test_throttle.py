"""The limits in the database: shared by all who ask, exact, and each one's own affair."""

from __future__ import annotations

import heapq
import random
import threading
from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import select

from mailer.config import RelaySettings, Settings
from mailer.database import Database
from mailer.database.columns import table
from mailer.limits import (
    Admission,
    AdmissionRequest,
    ProviderFull,
    ProviderLimits,
    RelayFull,
    RelayLimits,
    Reservation,
)
from mailer.limits.models import ThrottleState
from mailer.limits.rates import WarmUp
from mailer.limits.throttle import Throttle

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def test_a_pace_is_kept_by_all_together(database: Database) -> None:
    """Eight threads ask at once; no two mails are less than a hundredth of a second apart."""
    throttle = Throttle({"smtp": RelayLimits(per_second=100)}, {}, "UTC")
    slots: list[datetime] = []

    def ask_for_six(first: int) -> None:
        for number in range(first, first + 6):
            answers = admit(database, throttle, [AdmissionRequest(number, "smtp", None)])
            slots.extend(one.at for one in answers.values() if isinstance(one, Reservation))

    threads = [threading.Thread(target=ask_for_six, args=(6 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slots) == [NOON + number * 10 * MILLISECOND for number in range(48)]


def test_beyond_half_a_second_ahead_a_relay_is_full_and_says_when_to_ask_again(database: Database) -> None:
    throttle = Throttle({"smtp": RelayLimits(per_second=4)}, {}, "UTC")
    answers = admit(database, throttle, [AdmissionRequest(number, "smtp", None) for number in range(5)])
    assert list(answers.values()) == [
        Reservation(NOON),
        Reservation(NOON + 250 * MILLISECOND),
        Reservation(NOON + 500 * MILLISECOND),
        RelayFull(NOON + 250 * MILLISECOND),
        RelayFull(NOON + 500 * MILLISECOND),
    ]


def test_a_provider_that_is_full_leaves_the_relay_to_the_others(database: Database) -> None:
    throttle = Throttle({"smtp": RelayLimits(per_second=10)}, {"gmail": ProviderLimits(per_second=1)}, "UTC")
    to = ["gmail.com", "googlemail.com", "example.com", "gmail.com", "example.org"]
    answers = admit(
        database, throttle, [AdmissionRequest(number, "smtp", domain) for number, domain in enumerate(to)]
    )
    assert answers == {
        0: Reservation(NOON),
        1: ProviderFull(NOON + timedelta(seconds=1.05), has_place=True),
        2: Reservation(NOON + 100 * MILLISECOND),
        3: ProviderFull(NOON + timedelta(seconds=2.05), has_place=True),
        4: Reservation(NOON + 200 * MILLISECOND),
    }


def test_who_was_given_an_appointment_goes_before_newcomers(database: Database) -> None:
    throttle = Throttle({"smtp": RelayLimits()}, {"gmail": ProviderLimits(per_second=1)}, "UTC")
    admit(database, throttle, [AdmissionRequest(number, "smtp", "gmail.com") for number in range(2)])
    later = NOON + timedelta(seconds=1.05)
    requests = [
        AdmissionRequest(9, "smtp", "gmail.com"),
        AdmissionRequest(1, "smtp", "gmail.com", has_place=True),
    ]
    answers = admit(database, throttle, requests, now=later)
    assert answers == {9: ProviderFull(NOON + timedelta(seconds=2.05), has_place=True), 1: Reservation(later)}


def test_a_queue_that_is_too_long_takes_nobody_more(database: Database) -> None:
    throttle = Throttle({"smtp": RelayLimits()}, {"gmail": ProviderLimits(per_minute=1)}, "UTC")
    answers = admit(
        database, throttle, [AdmissionRequest(number, "smtp", "gmail.com") for number in range(9)]
    )
    assert sum(isinstance(one, ProviderFull) and one.has_place for one in answers.values()) == 5
    assert answers[8] == ProviderFull(NOON + timedelta(minutes=5), has_place=False)


def test_a_provider_that_is_full_for_today_is_left_alone_until_tomorrow(database: Database) -> None:
    throttle = Throttle({"smtp": RelayLimits()}, {"gmail": ProviderLimits(per_day=1)}, "UTC")
    answers = admit(
        database, throttle, [AdmissionRequest(number, "smtp", "gmail.com") for number in range(2)]
    )
    assert answers[1] == ProviderFull(NOON + timedelta(days=1), has_place=False)


def test_who_is_held_back_comes_back_about_once(sqlite_database: Database) -> None:
    """With a simulated clock: 200 mails at 10 a second. Each asks again at its time, some slightly later."""
    throttle = Throttle({"smtp": RelayLimits()}, {"gmail": ProviderLimits(per_second=10)}, "UTC")
    rng = random.Random(4)
    waiting = [(NOON, number, False) for number in range(200)]
    asked, sent, now = 0, [], NOON
    while waiting:
        due, number, has_place = heapq.heappop(waiting)
        now = max(now, due) + rng.choice([0, 0, 0, 20]) * MILLISECOND
        (answer,) = admit(
            sqlite_database, throttle, [AdmissionRequest(number, "smtp", "gmail.com", has_place)], now=now
        ).values()
        asked += 1
        if isinstance(answer, ProviderFull):
            heapq.heappush(waiting, (answer.until, number, answer.has_place))
        else:
            sent.append(answer.at)
    assert len(sent) == 200
    assert asked < 3 * 200
    assert all(later - first >= timedelta(seconds=1) for first, later in zip(sent, sent[10:], strict=False))
    assert sent[-1] - sent[0] < timedelta(seconds=1.1 * 20)


def test_mails_in_flight_count_against_a_providers_connections(database: Database) -> None:
    throttle = Throttle({"smtp": RelayLimits()}, {"gmail": ProviderLimits(connections=3)}, "UTC")
    requests = [AdmissionRequest(number, "smtp", "gmail.com") for number in range(3)] + [
        AdmissionRequest(9, "smtp", "example.com")
    ]
    answers = admit(database, throttle, requests, in_flight=["gmail.com", "example.com"])
    kinds = Counter(type(one) for one in answers.values())
    assert kinds == {Reservation: 3, ProviderFull: 1}


def test_relays_have_limits_of_their_own(database: Database) -> None:
    throttle = Throttle({"a": RelayLimits(per_minute=1), "b": RelayLimits(), "c": RelayLimits()}, {}, "UTC")
    answers = admit(
        database, throttle, [AdmissionRequest(number, "aab"[number], None) for number in range(3)]
    )
    assert [type(one) for one in answers.values()] == [Reservation, RelayFull, Reservation]


def test_what_is_rolled_back_was_not_spent(database: Database) -> None:
    throttle = Throttle({"smtp": RelayLimits(per_hour=1)}, {}, "UTC")
    admit(database, throttle, [AdmissionRequest(1, "smtp", None)], keep=False)
    assert admit(database, throttle, [AdmissionRequest(2, "smtp", None)]) == {2: Reservation(NOON)}


def test_all_relays_must_be_full_for_mail_to_wait(database: Database) -> None:
    throttle = Throttle({"a": RelayLimits(per_hour=1), "b": RelayLimits(per_day=1)}, {}, "UTC")
    opens = []
    for relay in "ab":
        admit(database, throttle, [AdmissionRequest(1, relay, None)])
        with database.read() as connection:
            opens.append(throttle.opens_at(connection, NOON + MILLISECOND))
    assert opens == [NOON + MILLISECOND, NOON + timedelta(hours=1)]


def test_a_warm_up_opens_at_midnight_at_the_latest(database: Database) -> None:
    plan = WarmUp(start=date(2026, 12, 1), first_day=2, days=3)
    throttle = Throttle({"smtp": RelayLimits(warm_up=plan)}, {}, "UTC")
    answers = admit(database, throttle, [AdmissionRequest(number, "smtp", None) for number in range(3)])
    assert [type(one) for one in answers.values()] == [Reservation, Reservation, RelayFull]
    with database.read() as connection:
        assert throttle.opens_at(connection, NOON) == datetime(2026, 12, 2, tzinfo=UTC)
    tomorrow = admit(
        database, throttle, [AdmissionRequest(9, "smtp", None)], now=datetime(2026, 12, 2, tzinfo=UTC)
    )
    assert [type(one) for one in tomorrow.values()] == [Reservation]


def test_no_domain_is_kept(database: Database) -> None:
    limits = {"gmail": ProviderLimits(per_second=1), "acme": ProviderLimits(domains=("acme.example",))}
    throttle = Throttle({"smtp": RelayLimits(per_second=1)}, limits, "UTC")
    domains = ["gmail.com", "acme.example", "doe.family", "jane-doe.example"]
    for number, domain in enumerate(domains):
        admit(database, throttle, [AdmissionRequest(number, "smtp", domain)])
    with database.read() as connection:
        names = set(connection.execute(select(table(ThrottleState).c.name)).scalars())
    assert names == {
        "relay smtp",
        *("provider gmail", "provider gmail queue"),
        *("provider acme", "provider acme queue"),
    }


def test_without_limits_nobody_has_to_ask() -> None:
    assert Settings().throttle() is None
    assert Settings(smtp=RelaySettings(limits=RelayLimits(per_day=1))).throttle() is not None
    assert Settings(providers={"gmail": ProviderLimits(connections=1)}).throttle() is not None


class Undone(Exception):
    pass


def admit(
    database: Database,
    throttle: Throttle,
    requests: list[AdmissionRequest],
    *,
    in_flight: list[str] | None = None,
    now: datetime = NOON,
    keep: bool = True,
) -> dict[int, Admission]:
    with suppress(Undone), database.write() as connection:
        answers = throttle.admit(connection, requests, now, lambda: in_flight or [])
        if not keep:
            raise Undone
    return answers
