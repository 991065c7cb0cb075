"""Consent: where an event puts a person, and entries whose hashes give every change away."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mailer.errors import InvalidInput
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import (
    EVERY_TOPIC,
    BrokenEntry,
    ConsentStatus,
    LedgerEntry,
    NewEvent,
    check_order,
    encode,
    make_entry,
    parse_note,
    rectification_note,
    status_after,
)
from subscribers.ledger.events import ABOUT_ADDRESS, ABOUT_PERSON
from subscribers.topic import parse_topic

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
topics = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", fullmatch=True)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


digests = st.text("0123456789abcdef", min_size=64, max_size=64)


@st.composite
def events(draw: st.DrawFn) -> NewEvent:
    kind = draw(st.sampled_from(ConsentKind))
    topic = draw(topics) if kind not in ABOUT_PERSON | ABOUT_ADDRESS else EVERY_TOPIC
    optional = st.none() | digests
    return NewEvent(
        None if kind in ABOUT_ADDRESS else draw(st.integers(1, 2**63 - 1)),
        topic,
        kind,
        draw(moments),
        draw(st.sampled_from(Channel)),
        draw(digests if kind is ConsentKind.GRANTED else optional),
        draw(optional),
        draw(digests),
        draw(optional),
    )


@st.composite
def ledgers(draw: st.DrawFn, at_least: int = 2) -> list[LedgerEntry]:
    made = draw(st.lists(events(), min_size=at_least, max_size=6))
    return [make_entry(number, event, draw(moments)) for number, event in enumerate(made, 1)]


def broken_at(lines: list[LedgerEntry]) -> int:
    with pytest.raises(BrokenEntry) as broken:
        list(check_order(lines))
    return broken.value.entry_id


def a(kind: ConsentKind, at: datetime) -> NewEvent:
    topic = EVERY_TOPIC if kind in ABOUT_PERSON | ABOUT_ADDRESS else "news"
    return NewEvent(None if kind in ABOUT_ADDRESS else 1, topic, kind, at, Channel.COMMAND, "0" * 64)


@given(ledgers(at_least=0))
def test_a_ledger_as_it_was_written_is_whole(lines: list[LedgerEntry]) -> None:
    assert list(check_order(lines)) == lines


ALTERATIONS: list[Callable[[LedgerEntry], LedgerEntry]] = [
    lambda line: line._replace(event=replace(line.event, occurred_at=line.event.occurred_at - HOUR)),
    lambda line: line._replace(event=replace(line.event, wording="f" * 63 + "g")),
    lambda line: line._replace(event=replace(line.event, note="f" * 63 + "g")),
    lambda line: line._replace(event=replace(line.event, subject="f" * 63 + "g")),
    lambda line: line._replace(event=replace(line.event, previous="f" * 63 + "g")),
    lambda line: line._replace(recorded_at=line.recorded_at + timedelta(microseconds=1)),
    lambda line: line._replace(hash="f" * 63 + "g"),
    lambda line: line._replace(
        event=replace(
            line.event, channel=Channel.API if line.event.channel is not Channel.API else Channel.PAGE
        )
    ),
    lambda line: line._replace(
        event=replace(
            line.event,
            kind=ConsentKind.ERASED if line.event.kind is ConsentKind.RECTIFIED else ConsentKind.RECTIFIED,
            topic=EVERY_TOPIC,
            subscriber_id=7,
        ),
    ),
    lambda line: line._replace(
        event=replace(
            line.event,
            kind=ConsentKind.OBJECTED,
            topic="a" if line.event.topic != "a" else "b",
            subscriber_id=7,
        )
    ),
]


@given(ledgers(), st.data(), st.sampled_from(ALTERATIONS))
def test_an_altered_field_is_found_at_its_entry(
    lines: list[LedgerEntry], data: st.DataObject, alter: Callable[[LedgerEntry], LedgerEntry]
) -> None:
    index = data.draw(st.integers(0, len(lines) - 1))
    lines[index] = alter(lines[index])
    assert broken_at(lines) == index + 1


@given(ledgers(), st.data())
def test_an_entry_that_is_taken_out_is_named_as_missing(
    lines: list[LedgerEntry], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(lines) - 2))
    del lines[index]
    assert broken_at(lines) == index + 1


@given(ledgers(), st.data())
def test_an_entry_taken_out_with_the_rest_renumbered_is_found_there(
    lines: list[LedgerEntry], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(lines) - 2))
    shorter = [*lines[:index], *(line._replace(id=line.id - 1) for line in lines[index + 1 :])]
    assert broken_at(shorter) == index + 1


@given(ledgers(), st.data())
def test_two_entries_that_change_places_are_found_at_the_first(
    lines: list[LedgerEntry], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(lines) - 2))
    second = data.draw(st.integers(first + 1, len(lines) - 1))
    one, other = lines[first], lines[second]
    lines[first], lines[second] = other._replace(id=one.id), one._replace(id=other.id)
    assert broken_at(lines) == first + 1


@given(ledgers(at_least=1))
def test_an_entry_is_canonical_json(lines: list[LedgerEntry]) -> None:
    """As docs/consent.md tells it, so that anyone can check the ledger without this program (RFC 8785)."""
    for line in lines:
        event = line.event
        fields = {
            "format": 2,
            "id": line.id,
            "subscriber": event.subscriber_id,
            "subject": event.subject,
            "previous": event.previous,
            "topic": event.topic,
            "kind": event.kind.value,
            "occurred_at": event.occurred_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "recorded_at": line.recorded_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "channel": event.channel.value,
            "note": event.note,
            "wording": event.wording,
        }
        canonical = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
        assert encode(line.id, event, line.recorded_at) == canonical
        assert line.hash == sha256(b"\0" + canonical).hexdigest()


def test_an_instant_has_one_hash_in_whatever_zone_it_was_written() -> None:
    amsterdam = NOON.astimezone(timezone(timedelta(hours=2)))
    granted = a(ConsentKind.GRANTED, NOON)
    assert encode(1, granted, NOON) == encode(1, replace(granted, occurred_at=amsterdam), amsterdam)


@pytest.mark.parametrize(
    ("before", "kind", "later", "after"),
    [
        (None, ConsentKind.REQUESTED, HOUR, ConsentKind.REQUESTED),
        (None, ConsentKind.GRANTED, HOUR, ConsentKind.GRANTED),
        (None, ConsentKind.WITHDRAWN, HOUR, ConsentKind.WITHDRAWN),
        (None, ConsentKind.OBJECTED, HOUR, ConsentKind.OBJECTED),
        (ConsentKind.REQUESTED, ConsentKind.GRANTED, -HOUR, ConsentKind.GRANTED),
        (ConsentKind.GRANTED, ConsentKind.REQUESTED, HOUR, ConsentKind.GRANTED),
        (ConsentKind.GRANTED, ConsentKind.WITHDRAWN, HOUR, ConsentKind.WITHDRAWN),
        (ConsentKind.GRANTED, ConsentKind.WITHDRAWN, -HOUR, ConsentKind.WITHDRAWN),
        (ConsentKind.GRANTED, ConsentKind.OBJECTED, HOUR, ConsentKind.OBJECTED),
        (ConsentKind.WITHDRAWN, ConsentKind.REQUESTED, HOUR, ConsentKind.WITHDRAWN),
        (ConsentKind.WITHDRAWN, ConsentKind.GRANTED, -HOUR, ConsentKind.WITHDRAWN),
        (ConsentKind.WITHDRAWN, ConsentKind.GRANTED, timedelta(0), ConsentKind.WITHDRAWN),
        (ConsentKind.WITHDRAWN, ConsentKind.GRANTED, HOUR, ConsentKind.GRANTED),
        (ConsentKind.OBJECTED, ConsentKind.WITHDRAWN, HOUR, ConsentKind.OBJECTED),
        (ConsentKind.OBJECTED, ConsentKind.GRANTED, -HOUR, ConsentKind.OBJECTED),
        (ConsentKind.OBJECTED, ConsentKind.GRANTED, HOUR, ConsentKind.GRANTED),
        (ConsentKind.GRANTED, ConsentKind.RECTIFIED, HOUR, ConsentKind.GRANTED),
    ],
)
def test_where_an_event_puts_a_person(
    before: ConsentKind | None, kind: ConsentKind, later: timedelta, after: ConsentKind
) -> None:
    status = ConsentStatus(before, NOON, 1) if before else None
    result = status_after(status, a(kind, NOON + later), 2)
    assert result is not None
    assert result.state is after


@given(st.lists(events(), max_size=8), moments)
def test_after_a_withdrawal_only_a_later_grant_counts(past: list[NewEvent], at: datetime) -> None:
    status = None
    for number, event in enumerate(past, 1):
        status = status_after(status, event, number)
    withdrawn = status_after(status, a(ConsentKind.WITHDRAWN, at), 100)
    assert withdrawn is not None
    for kind in ConsentKind:
        result = status_after(withdrawn, a(kind, withdrawn.since), 101)
        assert result is None or result.state is not ConsentKind.GRANTED


@pytest.mark.parametrize(
    "kind", [ConsentKind.REQUESTED, ConsentKind.GRANTED, ConsentKind.WITHDRAWN, ConsentKind.OBJECTED]
)
def test_a_first_event_is_where_a_person_stands(kind: ConsentKind) -> None:
    assert status_after(None, a(kind, NOON), 7) == ConsentStatus(kind, NOON, 7)


@pytest.mark.parametrize("kind", [ConsentKind.REQUESTED, ConsentKind.GRANTED])
def test_a_request_that_is_repeated_or_granted_is_the_last_one(kind: ConsentKind) -> None:
    requested = ConsentStatus(ConsentKind.REQUESTED, NOON, 1)
    assert status_after(requested, a(kind, NOON - HOUR), 7) == ConsentStatus(kind, NOON - HOUR, 7)


def test_a_later_grant_is_the_one_that_counts() -> None:
    granted = ConsentStatus(ConsentKind.GRANTED, NOON, 1)
    assert status_after(granted, a(ConsentKind.GRANTED, NOON + HOUR), 7) == ConsentStatus(
        ConsentKind.GRANTED, NOON + HOUR, 7
    )
    assert status_after(granted, a(ConsentKind.GRANTED, NOON), 7) == granted
    assert status_after(granted, a(ConsentKind.REQUESTED, NOON + HOUR), 7) == granted


@pytest.mark.parametrize("earlier", [timedelta(0), HOUR])
def test_a_withdrawal_counts_from_its_time_and_not_from_before_the_grant(earlier: timedelta) -> None:
    granted = ConsentStatus(ConsentKind.GRANTED, NOON, 1)
    withdrawn = ConsentStatus(ConsentKind.WITHDRAWN, NOON, 7)
    assert status_after(granted, a(ConsentKind.WITHDRAWN, NOON - earlier), 7) == withdrawn
    later = status_after(granted, a(ConsentKind.WITHDRAWN, NOON + HOUR), 7)
    assert later == ConsentStatus(ConsentKind.WITHDRAWN, NOON + HOUR, 7)


@pytest.mark.parametrize("kind", [ConsentKind.RECTIFIED, ConsentKind.ERASED])
def test_an_event_about_the_person_puts_a_stranger_nowhere(kind: ConsentKind) -> None:
    assert status_after(None, a(kind, NOON), 7) is None


def test_a_field_of_a_type_that_no_column_holds_is_found() -> None:
    """SQLite keeps bytes in a text column."""
    first = make_entry(1, a(ConsentKind.WITHDRAWN, NOON), NOON)
    event = replace(first.event, subject=b"octets")
    assert broken_at([first._replace(event=event)]) == 1


def test_a_broken_link_names_its_line_the_problem_and_what_to_do() -> None:
    broken = BrokenEntry(7, "it was altered")
    assert (broken.entry_id, broken.problem) == (7, "it was altered")
    assert "at entry 7: it was altered" in str(broken)
    assert broken.hint is not None
    assert "Stop sending" in broken.hint


def test_a_number_that_comes_twice_is_named_with_the_one_that_was_expected() -> None:
    first = make_entry(1, a(ConsentKind.WITHDRAWN, NOON), NOON)
    with pytest.raises(BrokenEntry, match="at entry 1: entry 2 was expected there"):
        list(check_order([first, first]))


def test_an_event_is_about_a_topic_that_follows_the_grammar() -> None:
    with pytest.raises(ValueError, match="is not a topic"):
        NewEvent(1, "release notes", ConsentKind.WITHDRAWN, NOON, Channel.COMMAND)


def test_a_refused_source_comes_with_an_example() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_note("")
    assert refused.value.hint is not None
    assert "sign-up form" in refused.value.hint


def test_a_source_may_have_spaces_around_it_and_four_hundred_characters() -> None:
    assert parse_note("  " + "x" * 400 + "\n") == "x" * 400


def test_an_erasure_leaves_no_standing() -> None:
    assert status_after(ConsentStatus(ConsentKind.GRANTED, NOON, 1), a(ConsentKind.ERASED, NOON), 2) is None


def test_a_correction_names_the_fields_that_changed() -> None:
    assert rectification_note(["surname", "email"], "by phone") == "by phone; changed: surname, email"


@pytest.mark.parametrize(
    "make",
    [
        lambda: NewEvent(1, "news", ConsentKind.GRANTED, NOON, Channel.COMMAND),
        lambda: NewEvent(1, "news", ConsentKind.WITHDRAWN, NOON.replace(tzinfo=None), Channel.COMMAND),
        lambda: NewEvent(1, EVERY_TOPIC, ConsentKind.WITHDRAWN, NOON, Channel.COMMAND),
        lambda: NewEvent(1, "news", ConsentKind.ERASED, NOON, Channel.COMMAND),
    ],
)
def test_an_event_that_makes_no_sense_can_not_be_made(make: Callable[[], NewEvent]) -> None:
    with pytest.raises(ValueError, match=r"event|consent"):
        make()


@pytest.mark.parametrize("raw", ["", "  ", "two\nlines", "x" * 401, "null\0"])
def test_a_source_is_one_line(raw: str) -> None:
    with pytest.raises(InvalidInput):
        parse_note(raw)


@pytest.mark.parametrize("raw", ["", "*", "release notes", "-x", "x" * 101, "a/b", "é"])
def test_a_topic_is_a_plain_name(raw: str) -> None:
    with pytest.raises(InvalidInput):
        parse_topic(raw)
    assert parse_topic("release-notes") == "release-notes"
