"""What a reply means for the message, and what of it the operator may read."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.smtp import Accepted, Deferred, FailureScope, Outcome, Phase, Rejected, Uncertain
from mailer.smtp.outcome import (
    _REPLY_WORDS,
    MASK,
    MAX_TEXT_LENGTH,
    Reply,
    classify,
    may_mean_everybody,
    presentable,
    read_reply,
    says_busy,
    says_no_such_address,
)

ENVELOPE_PHASES = [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.FINAL]
LOCAL_PARTS = st.text(string.ascii_letters + string.digits + ".+-_", min_size=1, max_size=20)


def _reply(code: int, enhanced: str | None = None) -> Reply:
    return Reply(code, enhanced, "text")


def test_a_positive_reply_to_the_content_is_accepted() -> None:
    assert classify(Phase.FINAL, _reply(250)) == Accepted(_reply(250))


@pytest.mark.parametrize("phase", ENVELOPE_PHASES)
def test_4yz_is_deferred_in_every_phase(phase: Phase) -> None:
    assert isinstance(classify(phase, _reply(451)), Deferred)


@pytest.mark.parametrize("phase", ENVELOPE_PHASES)
def test_5yz_is_rejected_in_every_phase(phase: Phase) -> None:
    assert isinstance(classify(phase, _reply(550)), Rejected)


def test_552_for_a_recipient_counts_as_452() -> None:
    """RFC 5321 section 4.5.3.1.10."""
    outcome = classify(Phase.RCPT, _reply(552))
    assert (type(outcome), outcome.scope) == (Deferred, FailureScope.RECIPIENT)


def test_552_for_the_content_is_a_rejection() -> None:
    assert isinstance(classify(Phase.FINAL, _reply(552)), Rejected)


@pytest.mark.parametrize("phase", ENVELOPE_PHASES)
def test_421_is_about_the_relay_in_every_phase(phase: Phase) -> None:
    outcome = classify(phase, _reply(421))
    assert (type(outcome), outcome.scope) == (Deferred, FailureScope.RELAY)


@pytest.mark.parametrize(
    ("phase", "reply", "scope"),
    [
        (Phase.MAIL, _reply(500), FailureScope.SENDER),
        (Phase.MAIL, _reply(550), FailureScope.SENDER),
        (Phase.MAIL, _reply(530, "5.7.0"), FailureScope.SENDER),
        (Phase.RCPT, _reply(550, "5.1.1"), FailureScope.RECIPIENT),
        (Phase.RCPT, _reply(550), FailureScope.RECIPIENT),
        (Phase.RCPT, _reply(554, "5.7.1"), FailureScope.RECIPIENT),
        (Phase.RCPT, _reply(530), FailureScope.SENDER),
        (Phase.DATA, _reply(554), FailureScope.RECIPIENT),
        (Phase.FINAL, _reply(554, "5.7.26"), FailureScope.RECIPIENT),
        (Phase.FINAL, _reply(554, "5.6.0"), FailureScope.RECIPIENT),
        (Phase.RCPT, _reply(501), FailureScope.RECIPIENT),
        (Phase.RCPT, _reply(504, "5.5.2"), FailureScope.RECIPIENT),
        *(
            (phase, _reply(code), FailureScope.RELAY)
            for phase in (Phase.RCPT, Phase.DATA)
            for code in (500, 502, 503)
        ),
    ],
)
def test_a_refused_sender_login_or_command_is_our_fault_and_the_rest_is_the_recipients(
    phase: Phase, reply: Reply, scope: FailureScope
) -> None:
    outcome = classify(phase, reply)
    assert isinstance(outcome, Rejected)
    assert outcome.scope is scope


@pytest.mark.parametrize("status", ["5.1.1", "5.1.2", "5.1.6", "5.1.10", "5.4.4"])
def test_a_refused_recipient_may_have_no_such_address(status: str) -> None:
    assert says_no_such_address(classify(Phase.RCPT, _reply(550, status)))


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.RCPT])
def test_only_a_reply_to_the_recipient_says_that_there_is_no_such_address(phase: Phase) -> None:
    """After the content the reply may speak of another address, such as one in a header."""
    assert not says_no_such_address(classify(phase, _reply(550, "5.1.1")))


@pytest.mark.parametrize("status", [None, "5.1.3", "5.2.1", "5.2.2", "5.7.1"])
def test_other_refusals_of_a_recipient_say_nothing_about_the_address(status: str | None) -> None:
    assert not says_no_such_address(classify(Phase.RCPT, _reply(550, status)))


@pytest.mark.parametrize(
    "outcome",
    [
        Deferred(Phase.RCPT, FailureScope.RECIPIENT, _reply(450, "5.1.1"), "later"),
        Uncertain(Phase.FINAL, "the relay hung up"),
        Accepted(_reply(250, "5.1.1")),
        Rejected(Phase.RCPT, FailureScope.RECIPIENT, None, "too large"),
    ],
)
def test_nothing_but_a_refusal_says_that_there_is_no_such_address(outcome: Outcome) -> None:
    assert not says_no_such_address(outcome)


def test_whether_an_address_exists_is_answered_with_yes_or_no() -> None:
    assert says_no_such_address(Accepted(_reply(250))) is False
    assert may_mean_everybody(Accepted(_reply(250))) is False


@pytest.mark.parametrize("code", [530, 534, 535, 538])
def test_a_recipient_refused_for_want_of_authentication_is_our_fault(code: int) -> None:
    """RFC 4954 section 6."""
    assert _scope(Phase.RCPT, code) is FailureScope.SENDER


@pytest.mark.parametrize("code", [500, 502, 503])
def test_a_recipient_refused_for_the_command_is_about_the_relay(code: int) -> None:
    assert _scope(Phase.RCPT, code) is FailureScope.RELAY


@pytest.mark.parametrize("code", [501, 504, 529, 531, 533, 536, 537, 539, 550, 554])
def test_any_other_refusal_of_a_recipient_is_about_the_recipient(code: int) -> None:
    assert _scope(Phase.RCPT, code) is FailureScope.RECIPIENT


@pytest.mark.parametrize("phase", list(Phase))
def test_a_delay_is_about_the_recipient_once_one_was_named(phase: Phase) -> None:
    named = phase in {Phase.RCPT, Phase.DATA, Phase.CONTENT, Phase.FINAL}
    assert _scope(phase, 451) is (FailureScope.RECIPIENT if named else FailureScope.RELAY)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (classify(Phase.RCPT, _reply(550, "5.7.1")), True),
        (classify(Phase.FINAL, _reply(554, "5.7.26")), True),
        (classify(Phase.RCPT, _reply(550, "5.4.5")), True),
        (classify(Phase.FINAL, _reply(554, "5.2.0")), True),
        (classify(Phase.RCPT, _reply(550, "5.1.8")), True),
        (classify(Phase.RCPT, _reply(550)), True),
        (classify(Phase.FINAL, _reply(554)), True),
        (classify(Phase.RCPT, _reply(550, "5.1.1")), False),
        (classify(Phase.RCPT, _reply(550, "5.2.1")), False),
        (classify(Phase.FINAL, _reply(552, "5.2.2")), False),
        (classify(Phase.MAIL, _reply(550, "5.7.1")), False),
        (classify(Phase.RCPT, _reply(450, "4.7.1")), False),
        (Rejected(Phase.RCPT, FailureScope.RECIPIENT, None, "too large"), False),
    ],
)
def test_a_refusal_that_names_no_address_or_mailbox_may_mean_everybody(
    outcome: Outcome, expected: bool
) -> None:
    assert may_mean_everybody(outcome) is expected


@pytest.mark.parametrize(
    ("phase", "code", "status", "busy"),
    [
        (Phase.FINAL, 454, None, True),
        (Phase.FINAL, 432, "4.3.2", True),
        (Phase.RCPT, 452, "4.5.3", True),
        (Phase.DATA, 451, "4.4.5", True),
        (Phase.RCPT, 432, None, True),
        (Phase.RCPT, 454, "4.7.1", False),
        (Phase.FINAL, 421, "4.3.2", False),
        (Phase.RCPT, 450, "4.2.0", False),
        (Phase.RCPT, 452, "4.2.2", False),
        (Phase.FINAL, 451, "4.7.1", False),
        (Phase.FINAL, 550, "5.4.5", False),
        (Phase.FINAL, 250, "2.0.0", False),
    ],
)
def test_a_delay_may_be_for_want_of_room_at_the_relay(
    phase: Phase, code: int, status: str | None, busy: bool
) -> None:
    outcome = classify(phase, _reply(code, status))
    assert says_busy(outcome) is busy
    if busy:
        assert isinstance(outcome, Deferred)
        assert outcome.scope is FailureScope.RELAY


def test_a_senseless_reply_is_shown_with_the_command_that_it_answers() -> None:
    outcome = classify(Phase.MAIL, _reply(354))
    assert isinstance(outcome, Deferred)
    assert outcome.reason == "the reply to MAIL is invalid: 354 text"


def _scope(phase: Phase, code: int) -> FailureScope:
    outcome = classify(phase, _reply(code))
    assert isinstance(outcome, Deferred | Rejected)
    return outcome.scope


def test_greylisting_is_about_the_recipient_even_where_it_says_policy() -> None:
    outcome = classify(Phase.RCPT, _reply(450, "4.7.1"))
    assert (type(outcome), outcome.scope) == (Deferred, FailureScope.RECIPIENT)


def test_a_senseless_reply_leaves_the_content_in_doubt_once_it_was_offered() -> None:
    assert isinstance(classify(Phase.FINAL, _reply(354)), Uncertain)


def test_a_senseless_reply_before_the_content_defers() -> None:
    outcome = classify(Phase.MAIL, _reply(354))
    assert (type(outcome), outcome.scope) == (Deferred, FailureScope.RELAY)


@given(st.sampled_from(ENVELOPE_PHASES), st.integers(200, 599), st.none() | st.just("5.1.1"))
def test_only_a_positive_reply_to_the_content_accepts(phase: Phase, code: int, enhanced: str | None) -> None:
    accepted = isinstance(classify(phase, Reply(code, enhanced, "")), Accepted)
    assert accepted == (phase is Phase.FINAL and code // 100 == 2)


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (250, b"2.0.0 Ok: queued as 4FZ", Reply(250, "2.0.0", "Ok: queued as 4FZ")),
        (250, b"2.0.0", Reply(250, "2.0.0", "")),
        (250, b"", Reply(250, None, "")),
        (550, b"5.1.1 No such\n5.1.1 user here", Reply(550, "5.1.1", "No such user here")),
        (500, b"5.5.1 Unknown command", Reply(500, "5.5.1", "Unknown command")),
        (550, b"4.1.1 of another class", Reply(550, None, "4.1.1 of another class")),
        (250, b"2.1.5.9 is no status", Reply(250, None, "2.1.5.9 is no status")),
        (550, b"5.1.1 caf\xe9\x00\x1b[31m", Reply(550, "5.1.1", "caf\ufffd[31m")),
    ],
)
def test_the_enhanced_status_is_taken_from_the_text(code: int, text: bytes, expected: Reply) -> None:
    assert read_reply(code, text) == expected


def test_a_reply_shows_its_parts_and_leaves_out_what_is_missing() -> None:
    assert str(Reply(550, "5.1.1", "No such user")) == "550 5.1.1 No such user"
    assert str(Reply(550, None, "")) == "550"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<anna@example.org>: unknown", "*** unknown"),
        ("User Anna unknown", "User *** unknown"),
        ("anna at example.org", "*** at example.org"),
        ("srs0=x=anna=example.org", "srs0=x=***=example.org"),
        ("savanna is a word", "savanna is a word"),
    ],
)
def test_the_address_and_its_local_part_are_masked(text: str, shown: str) -> None:
    assert presentable(text, ("anna",)) == shown


@given(LOCAL_PARTS, st.text(max_size=400), st.text(max_size=400))
def test_no_address_ever_shows(local: str, before: str, after: str) -> None:
    assert "@" not in presentable(f"{before}{local}@example.org{after}")


def _names_somebody(local: str) -> bool:
    """Not a word that replies are made of, which stays readable."""
    return local not in MASK and local.casefold() not in _REPLY_WORDS


@given(LOCAL_PARTS.filter(_names_somebody), st.text(max_size=200), st.text(max_size=200))
def test_the_local_part_never_shows_as_a_word(local: str, before: str, after: str) -> None:
    words = presentable(f"{before} {local} {after}", (local,)).casefold().split()
    assert local.casefold() not in words


@pytest.mark.parametrize("word", [*sorted(_REPLY_WORDS), "AS", "Queued"])
def test_a_word_that_replies_are_made_of_is_not_masked(word: str) -> None:
    assert presentable(f"2.0.0 {word} 12", (word,)) == f"2.0.0 {word} 12"


@given(st.text())
def test_what_is_shown_is_one_bounded_printable_line(text: str) -> None:
    shown = presentable(text)
    assert len(shown) <= MAX_TEXT_LENGTH
    assert shown.isprintable()


def test_a_mask_is_never_cut_open() -> None:
    """Cutting first would leave the beginning of an address."""
    assert "anna" not in presentable("x" * (MAX_TEXT_LENGTH - 6) + " anna.de.vries@example.org")


def test_a_line_that_is_too_long_ends_in_an_ellipsis() -> None:
    assert presentable("x" * 300) == "x" * 300
    assert presentable("x" * 301) == "x" * 299 + "…"


def test_an_empty_local_part_masks_nothing() -> None:
    assert presentable("no such user - sorry", ("",)) == "no such user - sorry"


def test_a_word_of_the_protocol_is_no_name() -> None:
    assert read_reply(250, b"2.0.0 OK: queued as 1F, jan", ("ok", "jan")).text == "OK: queued as 1F, " + MASK
