"""Message-IDs, return paths and Feedback-IDs."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.errors import InvalidInput
from mailer.keyed_hash import key_id
from mailer.message.identifiers import MessageIds, ReturnPaths, feedback_id

OLD, NEW = b"old", b"new"
IDS = st.integers(1, 2**40)


def test_a_message_id_is_the_same_on_a_retry_and_differs_in_everything_else() -> None:
    base = MessageIds([OLD, NEW], 1, "example.org").of(23)
    assert base == MessageIds([NEW], 1, "example.org").of(23)
    others = {
        MessageIds([NEW, OLD], 1, "example.org").of(23),
        MessageIds([NEW], 2, "example.org").of(23),
        MessageIds([NEW], 1, "example.org").of(24),
        MessageIds([NEW], 12, "example.org").of(3),
        MessageIds([NEW], 1, "example.com").of(23),
    }
    assert len(others | {base}) == 6
    assert re.fullmatch(rf"<[0-9a-f]{{32}}\.{key_id(NEW)[:8]}@example\.org>", base)


@given(IDS, IDS)
def test_a_message_id_matches_its_delivery_after_a_rotation_and_no_other(delivery: int, other: int) -> None:
    before = MessageIds([OLD], 1, "example.org").of(delivery)
    after = MessageIds([OLD, NEW], 1, "example.org")
    assert after.of(delivery) != before
    assert after.is_of(before, delivery)
    assert after.is_of(before, other) is (other == delivery)
    assert not MessageIds([NEW], 1, "example.org").is_of(before, delivery)


@given(st.text(max_size=80))
def test_no_other_text_is_a_message_id_of_ours(text: str) -> None:
    assert not MessageIds([OLD, NEW], 1, "example.org").is_of(text, 1)


@given(IDS)
def test_a_return_path_names_its_delivery_after_a_rotation_in_any_case(delivery: int) -> None:
    before = ReturnPaths([OLD], "bounces@example.com").of(delivery)
    after = ReturnPaths([OLD, NEW], "bounces@example.com")
    assert after.of(delivery) != before
    assert [after.delivery_of(spelling) for spelling in (before, before.upper(), after.of(delivery))] == [
        delivery
    ] * 3
    assert ReturnPaths([NEW], "bounces@example.com").delivery_of(before) is None
    assert len(before.partition("@")[0]) <= 64


@given(IDS, st.data())
def test_a_return_path_with_one_character_changed_is_not_ours(delivery: int, data: st.DataObject) -> None:
    paths = ReturnPaths([OLD, NEW], "bounces@example.com")
    path = paths.of(delivery)
    at = data.draw(st.integers(0, len(path) - 1))
    character = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
    altered = path[:at] + character + path[at + 1 :]
    assert paths.delivery_of(altered) is None or altered.lower() == path


@given(st.text(max_size=80))
def test_no_other_text_is_a_return_path_of_ours(text: str) -> None:
    assert ReturnPaths([OLD, NEW], "bounces@example.com").delivery_of(text) is None


def test_a_short_key_id_that_two_keys_share_tries_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailer.message.identifiers.key_id", lambda _key: "0123456789ab")
    before = ReturnPaths([OLD], "bounces@example.com").of(7)
    assert ReturnPaths([OLD, NEW], "bounces@example.com").delivery_of(before) == 7


def test_a_mailbox_that_leaves_no_room_for_a_signature_is_refused() -> None:
    ReturnPaths([NEW], f"{'b' * 29}@example.com")
    with pytest.raises(InvalidInput, match="more than 29 characters"):
        ReturnPaths([NEW], f"{'b' * 30}@example.com")


def test_feedback_id_joins_four_parts_and_refuses_what_would_read_as_more():
    assert (
        feedback_id("notes-240", "release-notes", "campaign", "acmenews")
        == "notes-240:release-notes:campaign:acmenews"
    )
    with pytest.raises(InvalidInput):
        feedback_id("a:b", "c", "d", "e")
