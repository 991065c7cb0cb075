"""SASL mechanisms without a wire: what they answer to whatever a relay asks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.smtp import sasl
from mailer.smtp.sasl import Credentials, Method, UnexpectedChallenge

NAME, SECRET = "news@example.com", "correct horse battery staple"
CREDENTIALS = Credentials(NAME, SECRET)


def answers(method: Method, challenges: list[bytes]) -> list[bytes]:
    """What a mechanism says, from its initial response to its end, or until it is asked for something else."""
    dialogue = sasl.DIALOGUES[method](CREDENTIALS)
    said = [initial] if (initial := next(dialogue)) is not None else []
    for challenge in challenges:
        try:
            said.append(dialogue.send(challenge) or b"")
        except (UnexpectedChallenge, StopIteration):
            break
    return said


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"", b"Username:", b"Password:"]), max_size=6))
def test_login_says_the_password_at_most_once_and_only_after_the_name(challenges: list[bytes]) -> None:
    said = answers("login", challenges)
    assert said in ([], [NAME.encode()], [NAME.encode(), SECRET.encode()])


@given(st.lists(st.sampled_from([b"Username:", b"User Name\0", b"login", b"Account"]), max_size=4))
def test_login_says_no_password_where_only_names_are_asked_for(challenges: list[bytes]) -> None:
    assert SECRET.encode() not in answers("login", challenges)


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_cram_md5_never_says_the_password(challenges: list[bytes]) -> None:
    assert all(SECRET.encode() not in answer for answer in answers("cram-md5", challenges))


def test_cram_md5_is_rfc_2195_s_example() -> None:
    dialogue = sasl.DIALOGUES["cram-md5"](Credentials("tim", "tanstaaftanstaaf"))
    assert next(dialogue) is None
    answer = dialogue.send(b"<1896.697170952@postoffice.reston.mci.net>")
    assert answer == b"tim b913a602c7eda7a495b4e6e7334d3890"


def test_plain_is_rfc_4616_s_example() -> None:
    assert next(sasl.DIALOGUES["plain"](Credentials("tim", "tanstaaftanstaaf"))) == b"\0tim\0tanstaaftanstaaf"


def test_xoauth2_is_the_documented_form() -> None:
    dialogue = sasl.DIALOGUES["xoauth2"](
        Credentials("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")
    )
    initial = next(dialogue)
    assert sasl.encode(initial or b"") == (
        b"dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
    )


@given(st.binary(max_size=100))
def test_what_is_encoded_is_read_again(data: bytes) -> None:
    assert sasl.decode(sasl.encode(data).decode()) == data


@given(st.text(max_size=60))
def test_no_challenge_breaks_the_reading_of_it(text: str) -> None:
    sasl.decode(text)


@pytest.mark.parametrize(
    ("offered", "wanted", "oauth2", "chosen"),
    [
        (["LOGIN", "PLAIN"], "auto", False, "plain"),
        (["login"], "auto", False, "login"),
        (["XOAUTH2", "LOGIN"], "auto", True, "xoauth2"),
        (["XOAUTH2", "LOGIN"], "auto", False, "login"),
        (["PLAIN"], "auto", True, None),
        (["PLAIN", "LOGIN"], "login", False, "login"),
        (["GSSAPI", "NTLM"], "auto", False, None),
        ([], "auto", False, None),
    ],
)
def test_the_mechanism_that_is_chosen(
    offered: list[str], wanted: Method, oauth2: bool, chosen: str | None
) -> None:
    assert sasl.choose(offered, wanted, oauth2=oauth2) == chosen


def test_credentials_do_not_show_their_secret() -> None:
    assert SECRET not in repr(CREDENTIALS)
