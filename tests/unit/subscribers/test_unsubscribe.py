"""Unsubscribe links: what a token says, who can make one, and what a request adds to the ledger."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from itsdangerous import Signer
from itsdangerous.encoding import base64_decode, base64_encode

from mailer.errors import InvalidInput
from subscribers.ledger import ConsentStatus
from subscribers.models import ConsentKind
from subscribers.self_service import (
    InvalidToken,
    Links,
    Resubscribe,
    Subscription,
    Target,
    Withdrawal,
    event_for,
    mask_email,
    subscription_of,
)
from subscribers.self_service.unsubscribe import Contact
from templates.language import LOCALES

OLD, NEW = b"an old key, long since replaced....", b"the key that signs from now on....."
NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
LINKS = Links([OLD, NEW], "https://mail.example.com/news")
TOPICS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100)
TARGETS = st.builds(
    Target, subscriber_id=st.integers(1, 2**63 - 1), topic=TOPICS, locale=st.sampled_from(LOCALES)
)
TARGET = Target(4711, "release-notes", "nl")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."


def token_of(target: Target, links: Links = LINKS) -> str:
    return links.url(target.subscriber_id, target.topic, target.locale).rpartition("/u/")[2]


@given(TARGETS)
def test_a_link_reads_back_as_what_it_was_made_for(target: Target) -> None:
    assert LINKS.read(token_of(target)) == target


@given(TARGETS)
def test_a_token_is_what_itsdangerous_signs(target: Target) -> None:
    signer = Signer(NEW, salt=b"release-mailer unsubscribe link 1", digest_method=hashlib.sha256)
    payload = base64_encode(f"{target.subscriber_id}.{target.locale}.{target.topic}")
    assert token_of(target).encode() == signer.sign(payload)


@given(TARGETS)
def test_a_link_is_plain_ascii_that_no_mail_program_breaks(target: Target) -> None:
    url = LINKS.url(target.subscriber_id, target.topic, target.locale)
    assert re.fullmatch(r"https://mail\.example\.com/news/u/[A-Za-z0-9_.-]+", url)
    assert len(url) < 700


@given(TARGETS, st.data())
def test_a_token_with_one_character_changed_is_refused(target: Target, data: st.DataObject) -> None:
    token = token_of(target)
    place = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.sampled_from(ALPHABET))
    assume(character != token[place])
    with pytest.raises(InvalidToken):
        LINKS.read(token[:place] + character + token[place + 1 :])


@given(TARGETS, st.data())
def test_a_token_that_was_cut_short_is_refused(target: Target, data: st.DataObject) -> None:
    token = token_of(target)
    with pytest.raises(InvalidToken):
        LINKS.read(token[: data.draw(st.integers(0, len(token) - 1))])


@given(TARGETS, st.text(min_size=1))
def test_a_token_with_something_added_is_refused(target: Target, more: str) -> None:
    for longer in (token_of(target) + more, more + token_of(target)):
        with pytest.raises(InvalidToken):
            LINKS.read(longer)


@given(st.text())
def test_what_is_not_a_token_is_refused_and_never_a_crash(anything: str) -> None:
    with pytest.raises(InvalidToken):
        LINKS.read(anything)


@given(TARGETS)
def test_every_signature_has_just_one_spelling(target: Target) -> None:
    """base64 leaves the last bits of the last character open; itsdangerous alone would take all of them."""
    token = token_of(target)
    spellings = {token[:-1] + last for last in ALPHABET if last != "."}
    same_bytes = {
        spelling
        for spelling in spellings
        if base64_decode(spelling.rpartition(".")[2]) == base64_decode(token.rpartition(".")[2])
    }
    assert len(same_bytes) > 1
    for other in same_bytes - {token}:
        with pytest.raises(InvalidToken):
            LINKS.read(other)


@given(TARGETS)
def test_another_key_makes_other_tokens(target: Target) -> None:
    with pytest.raises(InvalidToken):
        LINKS.read(token_of(target, Links([b"somebody else's key................"], "https://example.com")))


@given(TARGETS)
def test_links_made_before_a_key_was_added_keep_working(target: Target) -> None:
    assert LINKS.read(token_of(target, Links([OLD], "https://mail.example.com"))) == target


def test_the_newest_key_signs() -> None:
    assert Links([NEW], "https://example.com").read(token_of(TARGET)) == TARGET


def test_a_link_made_with_a_key_that_was_taken_away_is_refused() -> None:
    with pytest.raises(InvalidToken):
        Links([NEW], "https://example.com").read(token_of(TARGET, Links([OLD], "https://example.com")))


def test_what_the_same_key_signed_for_another_purpose_is_no_link() -> None:
    payload = token_of(TARGET).partition(".")[0]
    other = Signer(NEW, salt=b"something else", digest_method=hashlib.sha256).sign(payload).decode()
    with pytest.raises(InvalidToken):
        LINKS.read(other)


def test_the_refusal_does_not_repeat_the_token() -> None:
    token = token_of(TARGET)[:-1]
    with pytest.raises(InvalidToken) as refusal:
        LINKS.read(token)
    assert token[:10] not in str(refusal.value)


def test_a_topic_that_is_too_long_for_a_link_is_said_so() -> None:
    with pytest.raises(InvalidInput, match="100 characters"):
        LINKS.url(1, "x" * 1000, "en")


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("jan.de.vries@example.com", "j…@e….com"),
        ("a@b.nl", "a…@b….nl"),
        ("zoë@post.voorbeeld.example", "z…@p….example"),
        ('"odd@local"@example.com', '"…@e….com'),
        ("root@localhost", "r…@l…"),
    ],
)
def test_an_address_is_masked_so_that_its_owner_still_knows_it(email: str, shown: str) -> None:
    assert mask_email(email) == shown


@given(st.emails())
def test_a_masked_address_shows_two_letters_and_the_top_level_domain(email: str) -> None:
    local, domain = mask_email(email).split("@")
    top = email.rpartition(".")[2]
    assert local == email[0] + "…"
    assert domain == f"{email.rpartition('@')[2][0]}….{top}"


STANDINGS = st.none() | st.builds(
    ConsentStatus,
    state=st.sampled_from([kind for kind in ConsentKind if kind not in {"rectified", "erased"}]),
    since=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    event_id=st.just(1),
)
CONTACTS = st.none() | st.builds(Contact, email=st.just("jan@example.com"), is_suppressed=st.booleans())
WITHDRAWAL = Withdrawal(TARGET, "unsubscribe page")
UNDO = Resubscribe(TARGET, "unsubscribe page, undone", "I agree again.")


@given(STANDINGS, CONTACTS)
def test_a_withdrawal_is_recorded_once_and_only_of_somebody_on_the_list(
    status: ConsentStatus | None, contact: Contact | None
) -> None:
    event = event_for(WITHDRAWAL, status, contact, None, NOW)
    assert (event is not None) is (subscription_of(status, contact) is Subscription.ON)
    assert event is None or (event.kind, event.occurred_at) == (ConsentKind.WITHDRAWN, NOW)


@given(STANDINGS, CONTACTS)
def test_only_a_withdrawal_can_be_undone(status: ConsentStatus | None, contact: Contact | None) -> None:
    event = event_for(UNDO, status, contact, "0" * 64, NOW)
    withdrawn = status is not None and status.state is ConsentKind.WITHDRAWN
    assert (event is not None) is (withdrawn and contact is not None and not contact.is_suppressed)


def test_an_undoing_counts_although_another_host_s_clock_was_ahead() -> None:
    withdrawn = ConsentStatus(ConsentKind.WITHDRAWN, NOW + timedelta(minutes=3), 1)
    event = event_for(UNDO, withdrawn, Contact("jan@example.com", is_suppressed=False), "0" * 64, NOW)
    assert event is not None
    assert event.occurred_at > withdrawn.since


@pytest.mark.parametrize("state", [ConsentKind.OBJECTED, ConsentKind.WITHDRAWN])
def test_who_objected_or_is_suppressed_is_not_offered_a_way_back(state: ConsentKind) -> None:
    is_suppressed = Contact("jan@example.com", is_suppressed=state is ConsentKind.WITHDRAWN)
    assert subscription_of(ConsentStatus(state, NOW, 1), is_suppressed) is Subscription.OFF
