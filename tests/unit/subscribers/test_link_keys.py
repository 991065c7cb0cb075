"""Which key a link names, when an unknown key counts as a newer one, and what undo codes may look like."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest

from mailer.config import KeyRing
from subscribers.address import HashedAddress
from subscribers.self_service import InvalidToken, Links, NewerKey
from tests.support.links import INSTALLATION, links_of

NEWEST = datetime(2026, 6, 1, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
ADDRESS = HashedAddress("0a" * 32, "0b" * 8)


class Keys:
    """Keys that a test changes."""

    def __init__(self, *keys: bytes) -> None:
        self.ring = KeyRing(keys)

    def current(self, *, look_now: bool = False) -> KeyRing:
        return self.ring


def key_of(moment: datetime) -> bytes:
    return f"{moment:%Y%m%dT%H%M%SZ}-a secret key of that moment".encode()


def links_at(now: datetime) -> Links:
    """The links of a host whose newest key is of NEWEST, and whose clock shows `now`."""
    keys = Keys(key_of(NEWEST - 30 * DAY), key_of(NEWEST))
    return Links(keys, INSTALLATION, "https://mail.example.com", now.timestamp)


def token_of(links: Links, topic: str = "release-notes", subscriber_id: int = 1) -> str:
    return links.url(subscriber_id, ADDRESS, topic, "en").rpartition("/u/")[2]


@pytest.mark.parametrize(
    ("now", "made_at", "error"),
    [
        (NEWEST + 30 * DAY, NEWEST + SECOND, NewerKey),
        (NEWEST + 30 * DAY, NEWEST - SECOND, InvalidToken),
        (NEWEST + 200 * DAY, NEWEST + 110 * DAY, InvalidToken),
        (NEWEST + 200 * DAY, NEWEST + 110 * DAY + SECOND, NewerKey),
        (NEWEST + 30 * DAY, NEWEST + 31 * DAY, NewerKey),
        (NEWEST + 30 * DAY, NEWEST + 31 * DAY + SECOND, InvalidToken),
        (NEWEST - 30 * DAY, NEWEST + DAY, NewerKey),
        (NEWEST - 30 * DAY, NEWEST + DAY + SECOND, InvalidToken),
    ],
)
def test_an_unknown_key_is_a_newer_one_for_ninety_days_at_most(
    now: datetime, made_at: datetime, error: type[Exception]
) -> None:
    """Made after each known one, in the last 90 days, and by a clock that is at most a day ahead."""
    token = token_of(links_of([key_of(made_at)]))
    with pytest.raises(error) as raised:
        links_at(now).read(token)
    assert type(raised.value) is error


def test_an_unknown_key_of_the_moment_of_the_newest_is_no_newer_one() -> None:
    token = token_of(links_of([key_of(NEWEST) + b", and another"]))
    with pytest.raises(InvalidToken):
        links_at(NEWEST + DAY).read(token)


def test_the_key_that_is_newest_by_its_time_decides_wherever_it_stands() -> None:
    """Keys without a time count as the oldest."""
    links = Links(
        Keys(key_of(NEWEST), b"a key without a time, as people make them"),
        INSTALLATION,
        "https://mail.example.com",
        (NEWEST + DAY).timestamp,
    )
    with pytest.raises(InvalidToken):
        links.read(token_of(links_of([key_of(NEWEST - DAY)])))


def test_links_are_signed_with_a_key_from_when_it_is_there() -> None:
    keys = Keys(key_of(NEWEST))
    links = Links(keys, INSTALLATION, "https://mail.example.com")
    assert links_of([key_of(NEWEST)]).read(token_of(links))
    keys.ring = KeyRing((key_of(NEWEST), key_of(NEWEST + DAY)))
    assert links_of([key_of(NEWEST + DAY)]).read(token_of(links))


def test_the_longest_topic_and_number_fit_in_a_link() -> None:
    links = links_at(NEWEST)
    target = links.read(token_of(links, "t" * 100, 2**63 - 1))
    assert (target.topic, target.subscriber_id) == ("t" * 100, 2**63 - 1)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 47, 48])
def test_a_token_that_is_too_short_for_its_parts_is_refused(length: int) -> None:
    payload = urlsafe_b64encode(b"\xff" * length).decode().rstrip("=")
    with pytest.raises(InvalidToken):
        links_at(NEWEST).read(f"{payload}.AAAA")


def test_a_token_without_its_signature_is_refused() -> None:
    links = links_at(NEWEST)
    payload, _, _ = token_of(links).partition(".")
    for token in (payload, f"{payload}.", f".{payload}"):
        with pytest.raises(InvalidToken):
            links.read(token)
        with pytest.raises(InvalidToken):
            links.undo_code(payload, 1)


@pytest.mark.parametrize("entry_id", [1, 2**63 - 1])
def test_an_undo_code_reads_back_as_its_entry(entry_id: int) -> None:
    links = links_at(NEWEST)
    token = token_of(links)
    assert links.read_undo_code(token, links.undo_code(token, entry_id)) == entry_id


@pytest.mark.parametrize(
    "altered",
    [
        lambda number, signature: f"0{number}.{signature}",
        lambda number, signature: f"+{number}.{signature}",
        lambda number, signature: f"{number}.{signature}.",
        lambda number, signature: f"{number}.{signature[:-1]}é",
        lambda number, signature: f"{number}",
        lambda number, signature: "9" * 5000 + f".{signature}",
        lambda number, signature: f"²{number}.{signature}",
        lambda number, signature: f"x.{signature}",
        lambda number, signature: f"{number}.{signature}" + "=" * 10_000,
    ],
)
def test_an_undo_code_has_one_spelling(altered: object) -> None:
    links = links_at(NEWEST)
    token = token_of(links)
    number, _, signature = links.undo_code(token, 12).partition(".")
    with pytest.raises(InvalidToken):
        links.read_undo_code(token, altered(number, signature))  # type: ignore[operator]


def test_a_link_of_a_proof_is_nobodys() -> None:
    links = links_at(NEWEST)
    assert links.read(token_of(links, subscriber_id=0)).is_nobody
    assert not links.read(token_of(links, subscriber_id=1)).is_nobody
