"""What a token endpoint answers is hostile input."""

from __future__ import annotations

import pytest

from mailer.smtp.oauth2 import TokenFailed, read_refusal, read_token

NESTED = b"[" * 200_000
TOKEN = b'{"access_token": "x", "expires_in": %s}'


@pytest.mark.parametrize(
    "answer",
    [b"", b"\xff", b"[]", b"null", NESTED, b'{"access_token": 1}']
    + [TOKEN % lifetime for lifetime in (b"NaN", b"Infinity", b"1" + b"0" * 400, b'"soon"', b"[]", b"{}")],
    ids=lambda answer: repr(answer[:50]),
)
def test_an_answer_that_can_not_be_read_holds_no_token(answer: bytes) -> None:
    with pytest.raises(TokenFailed, match="no access token") as caught:
        read_token(answer, now=0.0)
    assert not caught.value.lasting


@pytest.mark.parametrize(
    "answer", [b"", b"\xff", b"[]", NESTED, b'"error"'], ids=lambda answer: repr(answer[:50])
)
def test_a_refusal_that_can_not_be_read_is_told_by_its_status(answer: bytes) -> None:
    assert str(read_refusal(401, answer, ())) == "it answers 401"
