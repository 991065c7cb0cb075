"""Reading replies, and the dialogue that they are replies to; no network."""

from __future__ import annotations

import string
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailer.errors import InvalidInput
from mailer.message import Content
from mailer.smtp import (
    Accepted,
    Capabilities,
    Deferred,
    Envelope,
    FailureScope,
    Outcome,
    Phase,
    Rejected,
    Uncertain,
)
from mailer.smtp.replies import MAX_LINE_LENGTH, MAX_LINES, RawReply, ReplyReader
from mailer.smtp.transaction import Dialogue, Group, SessionState, Verdict, too_large

ENVELOPE = Envelope("news@example.com", "anna@example.org")
NEXT = Envelope("news@example.com", "bram@example.org")
MESSAGE = b"Subject: x\r\n\r\nbody\r\n"
CHUNKING = Capabilities(pipelining=True, chunking=True)
PIPELINING = Capabilities(pipelining=True)

CODES = st.integers(200, 599)
LINES = st.binary(max_size=80).map(lambda line: line.replace(b"\n", b"").rstrip(b"\r"))
REPLIES = st.tuples(CODES, st.lists(LINES, min_size=1, max_size=5))


def _wire(code: int, lines: list[bytes]) -> bytes:
    last = len(lines) - 1
    return b"".join(
        b"%d%b%b\r\n" % (code, b" " if number == last else b"-", line) for number, line in enumerate(lines)
    )


def _pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def _read(pieces: Iterable[bytes]) -> tuple[list[RawReply], str | None, bool]:
    reader = ReplyReader()
    replies = [reply for piece in pieces for reply in reader.feed(piece)]
    return replies, reader.fault, reader.midway


@given(st.lists(REPLIES, max_size=6), st.lists(st.integers(0, 10_000), max_size=30))
def test_replies_are_read_the_same_however_they_are_split(
    replies: list[tuple[int, list[bytes]]], cuts: list[int]
) -> None:
    data = b"".join(_wire(code, lines) for code, lines in replies)
    expected = [RawReply(code, b"\n".join(lines)) for code, lines in replies]
    assert _read(_pieces(data, cuts)) == (expected, None, False)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=10))
def test_any_bytes_are_read_the_same_however_they_are_split(data: bytes, cuts: list[int]) -> None:
    whole, split = _read([data]), _read(_pieces(data, cuts))
    assert whole[:2] == split[:2]


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n",
        b"25 Ok\r\n",
        b"199 Ok\r\n",
        b"600 Ok\r\n",
        b"250_Ok\r\n",
        b"\r\n",
        "²50 Ok\r\n".encode(),
        b"250-first\r\n251 second\r\n",
        b"250 " + b"x" * MAX_LINE_LENGTH + b"\r\n",
        b"x" * (MAX_LINE_LENGTH + 1),
        b"250-more\r\n" * (MAX_LINES + 1),
    ],
)
def test_what_is_no_reply_is_a_fault_and_ends_the_reading(data: bytes) -> None:
    replies, fault, _ = _read([data, b"250 Ok\r\n"])
    assert (replies, fault is not None) == ([], True)


def test_replies_before_a_fault_still_count() -> None:
    replies, fault, _ = _read([b"250 Ok\r\n550 No\r\nhello\r\n"])
    assert replies == [RawReply(250, b"Ok"), RawReply(550, b"No")]
    assert fault


def test_a_code_alone_is_a_reply() -> None:
    assert _read([b"250\r\n"])[0] == [RawReply(250, b"")]


# -- dialogues ---------------------------------------------------------------------------------------------------


def _talk(
    offered: Capabilities,
    *groups: Iterable[int],
    message: bytes = MESSAGE,
    state: SessionState = SessionState.NONE,
) -> tuple[list[Group], Verdict | None]:
    """Feed each group's reply codes to a dialogue; its groups, and its verdict once it has one."""
    dialogue = Dialogue(ENVELOPE, Content.of(message), offered, state)
    asked = [dialogue.group]
    for codes in groups:
        if (verdict := dialogue.judge([RawReply(code, b"text") for code in codes])) is not None:
            return asked, verdict
        asked.append(dialogue.group)
    return asked, None


def test_with_chunking_all_goes_in_one_group() -> None:
    asked, verdict = _talk(CHUNKING, [250, 250, 250])
    assert b"".join(asked[0].data) == (
        b"MAIL FROM:<news@example.com>\r\nRCPT TO:<anna@example.org>\r\nBDAT 20 LAST\r\n" + MESSAGE
    )
    assert verdict is not None
    assert isinstance(verdict.outcome, Accepted)


def test_with_pipelining_the_content_waits_for_the_go_ahead() -> None:
    asked, _ = _talk(PIPELINING, [250, 250, 354])
    assert [b"".join(group.data) for group in asked] == [
        b"MAIL FROM:<news@example.com>\r\nRCPT TO:<anna@example.org>\r\nDATA\r\n",
        MESSAGE + b".\r\n",
    ]


@pytest.mark.parametrize(
    ("offered", "groups"),
    [
        (Capabilities(chunking=True), [[Phase.MAIL], [Phase.RCPT], [Phase.FINAL]]),
        (Capabilities(), [[Phase.MAIL], [Phase.RCPT], [Phase.DATA], [Phase.FINAL]]),
    ],
)
def test_without_pipelining_each_command_waits_for_the_last_ones_reply(
    offered: Capabilities, groups: list[list[Phase]]
) -> None:
    replies = [[354 if phase is Phase.DATA else 250 for phase in group] for group in groups]
    asked, verdict = _talk(offered, *replies)
    assert [list(group.phases) for group in asked] == groups
    assert isinstance(verdict.outcome, Accepted)


def test_the_size_is_declared_where_the_relay_asks_for_it() -> None:
    asked, _ = _talk(Capabilities(size=0))
    assert asked[0].data == (b"MAIL FROM:<news@example.com> SIZE=20\r\n",)


def test_a_message_over_the_relays_limit_is_not_even_offered() -> None:
    content = Content.of(MESSAGE)
    assert too_large(content, Capabilities()) is None
    assert too_large(content, Capabilities(size=0)) is None
    assert too_large(content, Capabilities(size=20)) is None
    outcome = too_large(content, Capabilities(size=19))
    assert outcome is not None
    assert outcome.scope is FailureScope.SENDER


@pytest.mark.parametrize("message", ["é\r\n".encode(), b"no line end", b""])
def test_a_message_that_is_not_7_bit_lines_is_a_mistake_of_ours(message: bytes) -> None:
    with pytest.raises(ValueError, match="7-bit"):
        _talk(CHUNKING, message=message)


@pytest.mark.parametrize("offered", [CHUNKING, PIPELINING])
def test_the_first_refusal_decides_whatever_follows_from_it(offered: Capabilities) -> None:
    _, verdict = _talk(offered, [250, 550, 503])
    assert isinstance(verdict.outcome, Rejected)
    assert (verdict.outcome.phase, verdict.state) == (Phase.RCPT, SessionState.RESET)


def test_data_accepted_without_a_recipient_is_owed_a_lone_dot() -> None:
    """RFC 2920 section 3.1; the relay's 250 for the empty message does not make it accepted."""
    _, verdict = _talk(PIPELINING, [250, 550, 354])
    assert isinstance(verdict.outcome, Rejected)
    assert verdict.state is SessionState.DOT_AND_RESET


@pytest.mark.parametrize("state", [SessionState.RESET, SessionState.DOT_AND_RESET])
def test_a_session_is_reset_before_the_next_message_is_offered(state: SessionState) -> None:
    replies = [250] * state.value.count(b"\r\n")
    asked, _ = _talk(CHUNKING, replies, [250, 250, 250], state=state)
    assert asked[0].data == (state.value,)
    assert not asked[0].offers
    assert asked[1].offers


def test_a_refused_reset_gives_the_connection_up_before_content_is_offered() -> None:
    _, verdict = _talk(CHUNKING, [500], state=SessionState.RESET)
    assert isinstance(verdict.outcome, Deferred)
    assert (verdict.outcome.scope, verdict.state) == (FailureScope.RELAY, SessionState.OUT_OF_STEP)


def test_a_refused_recipient_decides_although_the_content_went_unanswered() -> None:
    """Without a recipient the relay can't have taken it."""
    _, verdict = _talk(CHUNKING, [250, 450])
    assert isinstance(verdict.outcome, Deferred)


def test_silence_after_the_content_is_left_to_the_transport() -> None:
    _, verdict = _talk(CHUNKING, [250, 250])
    assert verdict == Verdict(None, SessionState.NONE)


def test_a_relay_that_refuses_the_sender_and_then_takes_the_content_leaves_it_in_doubt() -> None:
    _, verdict = _talk(CHUNKING, [450, 250, 250])
    assert isinstance(verdict.outcome, Uncertain)
    assert verdict.state is SessionState.OUT_OF_STEP


@pytest.mark.parametrize("codes", [[354], [250, 354], [250, 354, 250]])
def test_senseless_replies_to_an_offered_message_leave_it_in_doubt(codes: list[int]) -> None:
    _, verdict = _talk(CHUNKING, codes)
    assert isinstance(verdict.outcome, Uncertain)
    assert verdict.state is SessionState.OUT_OF_STEP


def test_an_empty_message_that_is_taken_for_nobody_does_not_count() -> None:
    _, verdict = _talk(CHUNKING, [250, 550, 250])
    assert isinstance(verdict.outcome, Rejected)


@given(
    st.sampled_from([Capabilities(), PIPELINING, CHUNKING, Capabilities(chunking=True)]),
    st.lists(st.sampled_from([250, 354, 421, 450, 550]), min_size=4, max_size=4),
    st.integers(0, 4),
)
def test_what_a_relay_says_it_took_is_never_offered_again(
    offered: Capabilities, codes: list[int], answered: int
) -> None:
    """Whatever it says in whatever order, and wherever it falls silent."""
    said, outcome = _interview(offered, codes, answered)
    takes = [said.get(phase) == 250 for phase in (Phase.MAIL, Phase.RCPT, Phase.FINAL)]
    assert isinstance(outcome, Accepted) == all(takes)
    if takes[1:] == [True, True]:
        assert isinstance(outcome, Accepted | Uncertain)


def _interview(
    offered: Capabilities, codes: list[int], answered: int
) -> tuple[dict[Phase, int], Outcome | None]:
    """The relay's replies are `codes`, of which the first `answered` arrive."""
    dialogue = Dialogue(ENVELOPE, Content.of(MESSAGE), offered, SessionState.NONE)
    said: dict[Phase, int] = {}
    while True:
        phases = dialogue.group.phases
        replies = codes[len(said) : min(len(said) + len(phases), answered)]
        said |= dict(zip(phases, replies, strict=False))
        if (verdict := dialogue.judge([RawReply(code, b"") for code in replies])) is not None:
            return said, verdict.outcome


LINES_OF_RELAYS = st.sampled_from(
    [
        b"250 Ok",
        b"250-Ok",
        b"250",
        b"250 queued as 1",
        b"250 <a@b.c> Ok",
        b"251 Ok",
        b"354 Go",
        b"421 No",
        b"450 No",
        b"",
    ]
)
LINES_WITH_ENDS = st.tuples(LINES_OF_RELAYS, st.sampled_from([b"\r\n", b"\n", b""])).map(b"".join)
NEXT_TAKEN = b"250 Ok\n250 Ok\n250 Ok\n354 Go\n"


@given(
    st.sampled_from([(Capabilities(), None), (PIPELINING, None), (PIPELINING, NEXT), (CHUNKING, None)]),
    st.sampled_from([SessionState.NONE, SessionState.RESET, SessionState.ANNOUNCED]),
    st.lists(LINES_WITH_ENDS, min_size=1, max_size=6).map(b"".join),
    st.lists(LINES_WITH_ENDS, min_size=1, max_size=6).map(b"".join),
)
@example((CHUNKING, None), SessionState.NONE, b"250 Ok\n250 Ok\n250-Ok\n250 1\n", b"250 Ok\n")
@example((PIPELINING, NEXT), SessionState.ANNOUNCED, b"250-1\n" + NEXT_TAKEN, b"250 1\n" + NEXT_TAKEN)
def test_what_is_recognised_means_what_it_was_judged_to_mean(
    how: tuple[Capabilities, Envelope | None], state: SessionState, first: bytes, second: bytes
) -> None:
    offered, announce = how
    for data in (first, second):
        dialogues = [Dialogue(ENVELOPE, Content.of(MESSAGE), offered, state, announce) for _ in range(2)]
        text = dialogues[0].recognise(data)
        replies, fault, midway = _read([data])
        if text is not None:
            assert (len(replies), fault, midway) == (len(dialogues[0].group.phases), None, False)
            assert dialogues[0].go_on(text) == dialogues[1].judge(replies)
            assert dialogues[0].group == dialogues[1].group


# -- announced envelopes -----------------------------------------------------------------------------------------


def _announce(*groups: Iterable[int], state: SessionState = SessionState.ANNOUNCED) -> tuple[bytes, Verdict]:
    """Offer a message with an announcement; the last bytes that it sent, and the verdict."""
    dialogue = Dialogue(ENVELOPE, Content.of(MESSAGE), PIPELINING, state, NEXT)
    for codes in groups:
        sent = b"".join(dialogue.group.data)
        if (verdict := dialogue.judge([RawReply(code, b"2.0.0 text") for code in codes])) is not None:
            return sent, verdict
    pytest.fail("it has not ended")


def test_the_next_envelope_travels_with_the_content_and_without_a_size() -> None:
    sent, verdict = _announce([250, 250, 354], [250, 250, 250, 354], state=SessionState.NONE)
    assert sent == MESSAGE + (b".\r\nMAIL FROM:<news@example.com>\r\nRCPT TO:<bram@example.org>\r\nDATA\r\n")
    assert (type(verdict.outcome), verdict.state, verdict.refused) == (
        Accepted,
        SessionState.ANNOUNCED,
        None,
    )


def test_the_content_of_an_announced_message_needs_no_other_command() -> None:
    group = Dialogue(NEXT, Content.of(MESSAGE), PIPELINING, SessionState.ANNOUNCED).group
    assert (b"".join(group.data), group.phases, group.offers) == (MESSAGE + b".\r\n", (Phase.FINAL,), True)


@pytest.mark.parametrize(
    ("codes", "refusal", "state"),
    [
        ([250, 250, 550, 503], Rejected, SessionState.RESET),
        ([250, 250, 550, 354], Rejected, SessionState.DOT_AND_RESET),
        ([250, 250, 450, 554], Deferred, SessionState.RESET),
    ],
)
def test_a_refused_announced_recipient_is_told_and_owed_a_lone_dot_where_data_was_accepted(
    codes: list[int], refusal: type, state: SessionState
) -> None:
    _, verdict = _announce(codes)
    assert (type(verdict.outcome), verdict.state) == (Accepted, state)
    assert (verdict.refused[0], type(verdict.refused[1])) == (NEXT, refusal)


@pytest.mark.parametrize("codes", [[250, 452, 503, 503], [250, 250, 250, 451], [250, 250, 530, 503]])
def test_other_refusals_of_an_announcement_count_nothing(codes: list[int]) -> None:
    """The mail is begun anew, and judged then."""
    _, verdict = _announce(codes)
    assert (type(verdict.outcome), verdict.refused, verdict.state) == (Accepted, None, SessionState.RESET)


@pytest.mark.parametrize("codes", [[250, 250, 354], [250, 250, 354, 250], [450, 354], [250, 354, 550, 503]])
def test_a_relay_that_skips_the_reply_to_the_content_has_accepted_nothing(codes: list[int]) -> None:
    """It answers what follows, and that reply is in the place of the one to the content."""
    _, verdict = _announce(codes)
    assert (type(verdict.outcome), verdict.state) == (Uncertain, SessionState.OUT_OF_STEP)


@given(
    st.lists(st.sampled_from([250, 354, 421, 450, 550]), min_size=4, max_size=4),
    st.integers(0, 4),
)
def test_an_announcement_changes_nothing_about_the_message_before_it(codes: list[int], answered: int) -> None:
    _, verdict = _announce(codes[:answered])
    if 354 in codes[1 : min(3, answered)] and codes[0] != 354:
        assert isinstance(verdict.outcome, Uncertain)  # more cautious: see the test before
        return
    alone = Dialogue(ENVELOPE, Content.of(MESSAGE), PIPELINING, SessionState.ANNOUNCED)
    judged = alone.judge([RawReply(code, b"2.0.0 text") for code in codes[: min(1, answered)]])
    assert judged is not None
    assert verdict.outcome == judged.outcome
    is_announced = verdict.state is SessionState.ANNOUNCED
    assert is_announced == (
        answered == 4 and codes[0] != 354 and [code // 100 for code in codes[1:]] == [2, 2, 3]
    )


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b""))))
def test_dot_stuffing_is_undone_by_the_receiver(lines: list[bytes]) -> None:
    message = b"".join(line + b"\r\n" for line in [*lines, b"."])
    sent = b"".join(Content((message,), len(message), dotted=True).stuffed()).split(b"\r\n")
    assert b"\r\n".join(line.removeprefix(b".") for line in sent) == message
    assert b"." not in sent


# -- envelopes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "",
        "anna",
        "@example.org",
        "anna@",
        "a@b@example.org",
        "anna@example.org\r\nRCPT TO:<x@y>",
        "anna@example.org\n",
        "anna @example.org",
        "anna@example.org> SIZE=1",
        "<anna@example.org",
        '"an na"@example.org',
        "zoë@example.org",
        "anna@" + "x" * 250 + ".org",
        "anna\x00@example.org",
        "anna\x7f@example.org",
    ],
)
def test_an_address_that_could_break_out_of_its_command_is_refused_unnamed(address: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Envelope("news@example.com", address)
    assert "anna" not in str(caught.value)


def test_the_null_return_path_is_a_sender() -> None:
    assert Envelope("", "anna@example.org").sender == ""


@given(st.text(st.characters(exclude_characters=string.ascii_letters + string.digits), min_size=1))
def test_an_envelope_never_carries_what_ends_a_command(text: str) -> None:
    try:
        envelope = Envelope("", f"a{text}b@example.org")
    except InvalidInput:
        return
    assert not set(envelope.recipient) & set("\r\n <>\0")
    assert envelope.recipient.isascii()
