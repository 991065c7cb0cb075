"""Unsubscribe links: what a token says, who can make one, and which keys it needs."""

from __future__ import annotations

import re
import secrets

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mailer.config import KeyRing
from mailer.errors import InvalidInput
from mailer.keyed_hash import created_at, key_id
from subscribers.address import HashedAddress, mask_email
from subscribers.self_service import NO_ADDRESS, InvalidToken, Links, NewerKey, Target
from subscribers.topic import Topic
from templates.language import LOCALES
from tests.support.links import INSTALLATION, links_of

OLD, NEW = b"20260101T000000Z-an old key, long since", b"20260601T000000Z-the key that signs now"
LATER = b"20261201T000000Z-a key of another host"
PUBLIC_URL = "https://mail.example.com/news"
LINKS = links_of([OLD, NEW], PUBLIC_URL)
HEX = "0123456789abcdef"
TARGETS = st.builds(
    Target,
    subscriber_id=st.integers(0, 2**63 - 1),
    address=st.builds(
        HashedAddress, st.text(HEX, min_size=64, max_size=64), st.text(HEX, min_size=16, max_size=16)
    ),
    topic=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", fullmatch=True).map(Topic),
    locale=st.sampled_from(LOCALES),
)
TARGET = Target(4711, HashedAddress("0a" * 32, "0b" * 8), Topic("release-notes"), "nl")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
FORGERIES = 25_000


def token_of(target: Target, links: Links = LINKS) -> str:
    return links.url(target.subscriber_id, target.address, target.topic, target.locale).rpartition("/u/")[2]


@given(TARGETS)
def test_a_link_reads_back_as_what_it_was_made_for(target: Target) -> None:
    assert LINKS.read(token_of(target)) == target


@given(TARGETS)
def test_a_link_is_plain_ascii_that_no_mail_program_breaks(target: Target) -> None:
    url = LINKS.url(target.subscriber_id, target.address, target.topic, target.locale)
    assert re.fullmatch(r"https://mail\.example\.com/news/u/[A-Za-z0-9_.-]+", url)
    assert len(url) < 400


def test_a_link_carries_sixteen_bytes_of_signature() -> None:
    assert len(token_of(TARGET).partition(".")[2]) == 22  # base64 without padding


def test_a_link_that_belongs_to_nobody_is_as_long_as_others() -> None:
    nobody = TARGET._replace(subscriber_id=1000, address=NO_ADDRESS)
    assert len(token_of(nobody)) == len(token_of(TARGET))
    assert LINKS.read(token_of(nobody)) == nobody


@given(TARGETS, st.data())
def test_a_token_with_one_character_changed_is_refused(target: Target, data: st.DataObject) -> None:
    token = token_of(target)
    place = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.sampled_from(ALPHABET))
    assume(character != token[place])
    with pytest.raises((InvalidToken, NewerKey)):
        LINKS.read(token[:place] + character + token[place + 1 :])


@given(TARGETS, st.data())
def test_a_token_that_was_cut_short_is_refused(target: Target, data: st.DataObject) -> None:
    token = token_of(target)
    with pytest.raises(InvalidToken):
        LINKS.read(token[: data.draw(st.integers(0, len(token) - 1))])


@given(TARGETS, st.text(min_size=1))
def test_a_token_with_something_added_is_refused(target: Target, more: str) -> None:
    for longer in (token_of(target) + more, more + token_of(target)):
        with pytest.raises((InvalidToken, NewerKey)):
            LINKS.read(longer)


@given(st.text())
def test_what_is_not_a_token_is_refused_and_never_a_crash(anything: str) -> None:
    with pytest.raises(InvalidToken):
        LINKS.read(anything)


def test_twenty_five_thousand_forged_tokens_are_refused() -> None:
    """Made from true ones by someone who has everything but the key: other people, other signatures, parts mixed."""
    payload, _, signature = token_of(TARGET).partition(".")
    stolen = [token_of(TARGET._replace(subscriber_id=number)).partition(".")[2] for number in range(100)]
    others = [token_of(TARGET._replace(subscriber_id=number)).partition(".")[0] for number in range(100, 200)]
    own = links_of([b"a key that somebody else made up, long enough"], PUBLIC_URL)
    accepted = 0
    for number in range(FORGERIES):
        guess = secrets.token_urlsafe(16)
        forged = (
            f"{payload}.{guess}",
            f"{others[number % 100]}.{signature}",
            f"{payload}.{stolen[number % 100]}",
            f"{payload[:24]}{secrets.token_urlsafe(60)}.{guess}",
            token_of(TARGET._replace(subscriber_id=number), own),
        )[number % 5]
        try:
            LINKS.read(forged)
            accepted += 1
        except (InvalidToken, NewerKey):
            pass
    assert accepted == 0


@given(TARGETS)
def test_every_signature_has_just_one_spelling(target: Target) -> None:
    """base64 leaves the last bits of the last character open."""
    token = token_of(target)
    for last in ALPHABET:
        if last != token[-1]:
            with pytest.raises(InvalidToken):
                LINKS.read(token[:-1] + last)


@given(TARGETS)
def test_links_made_before_a_key_was_added_keep_working(target: Target) -> None:
    assert LINKS.read(token_of(target, links_of([OLD], PUBLIC_URL))) == target


def test_the_newest_key_signs_and_a_prepared_one_only_verifies() -> None:
    prepared = links_of([NEW], PUBLIC_URL, prepared=LATER)
    assert links_of([NEW]).read(token_of(TARGET, prepared)) == TARGET
    assert prepared.read(token_of(TARGET, links_of([NEW, LATER]))) == TARGET


def test_a_link_of_a_key_that_was_taken_away_is_refused() -> None:
    with pytest.raises(InvalidToken):
        links_of([NEW]).read(token_of(TARGET, links_of([OLD])))


def test_a_link_of_a_key_newer_than_each_known_one_is_to_be_tried_again() -> None:
    with pytest.raises(NewerKey):
        links_of([OLD, NEW]).read(token_of(TARGET, links_of([NEW, LATER])))


def test_a_key_that_arrives_meanwhile_verifies_at_once() -> None:
    class Arriving:
        def current(self, *, look_now: bool = False) -> KeyRing:
            return KeyRing((OLD, NEW) if look_now else (OLD,))

    links = Links(Arriving(), INSTALLATION, PUBLIC_URL)
    assert links.read(token_of(TARGET, links_of([NEW]))) == TARGET


def test_a_link_of_another_installation_with_the_same_keys_is_refused() -> None:
    with pytest.raises(InvalidToken):
        LINKS.read(token_of(TARGET, links_of([OLD, NEW], PUBLIC_URL, installation="f" * 32)))


def test_a_link_and_an_undo_code_are_not_each_other() -> None:
    token = token_of(TARGET)
    code = LINKS.undo_code(token, 12)
    assert LINKS.read_undo_code(token, code) == 12
    other = token_of(TARGET._replace(subscriber_id=1))
    for wrong_token, wrong in (
        (other, code),
        (token, f"13.{code.partition('.')[2]}"),
        (token, ""),
        (token, token),
        (token, "١٢.x"),
    ):
        with pytest.raises(InvalidToken):
            LINKS.read_undo_code(wrong_token, wrong)


def test_a_key_id_tells_when_the_key_was_made_and_nothing_of_the_key() -> None:
    assert created_at(key_id(NEW)) == 1780272000
    assert created_at(key_id(b"a key without a time, as people make them")) == 0
    assert created_at(key_id(b"20269999T000000Z-no such day")) == 0


def test_the_refusal_does_not_repeat_the_token() -> None:
    token = token_of(TARGET)[:-1]
    with pytest.raises(InvalidToken) as refusal:
        LINKS.read(token)
    assert token[:10] not in str(refusal.value)


@pytest.mark.parametrize("topic", ["x" * 101, "", "a b", "ü"])
def test_what_is_no_topic_makes_no_link(topic: str) -> None:
    with pytest.raises(InvalidInput):
        LINKS.url(1, TARGET.address, topic, "en")


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("jan.de.vries@example.com", "j…@example.com"),
        ("a@b.nl", "a…@b.nl"),
        ("zoë@post.voorbeeld.example", "z…@post.voorbeeld.example"),
        ('"odd@local"@example.com', '"…@example.com'),
        ("root@localhost", "r…@localhost"),
    ],
)
def test_an_address_is_masked_so_that_its_owner_still_knows_it(email: str, shown: str) -> None:
    assert mask_email(email) == shown


@given(st.emails())
def test_a_masked_address_shows_one_letter_and_the_domain(email: str) -> None:
    assert mask_email(email) == f"{email[0]}…@{email.rpartition('@')[2]}"
