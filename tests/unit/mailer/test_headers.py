"""Header fields: every reader gets back what was meant, and nothing can be smuggled in."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr, parsedate_to_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailer.errors import InvalidInput
from mailer.message import headers

READABLE = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
NAMES = st.text(READABLE, min_size=1, max_size=200)
ATOM = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!#$%&'*+-/=?^_`{|}~", min_size=1, max_size=20)
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
EMAILS = st.builds(
    lambda local, domain: f"{'.'.join(local)}@{'.'.join(domain)}",
    st.lists(ATOM, min_size=1, max_size=3),
    st.lists(LABEL, min_size=1, max_size=4),
)
HOSTILE = [
    "a\r\nBcc: x@example.org",
    "a\nb",
    "a\rb",
    "a\0b",
    "a\tb",
    "a\x7fb",
    "a\x85b",
    "a\u2028b",
    "a\ud800b",
]


def parsed(line: bytes) -> EmailMessage:
    message = message_from_bytes(line + b"\r\n", policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert len(message) == 1
    return message


def display_name(line: bytes) -> str:
    """The display name by RFC 2047; the newer parser of Python 3.11 leaves the space between two encoded-words in."""
    unfolded = line.partition(b":")[2].replace(b"\r\n", b"").decode("ascii")
    return str(make_header(decode_header(parseaddr(unfolded)[0])))


def assert_well_formed(line: bytes, limit: int = 76) -> None:
    assert line.endswith(b"\r\n")
    for part in line.removesuffix(b"\r\n").split(b"\r\n"):
        assert len(part) <= limit
        assert re.fullmatch(rb"[ -~]+", part)
        assert part.strip(), "no line of white space alone"
    assert all(len(word) <= 75 for word in re.findall(rb"=\?utf-8\?[qb]\?\S*\?=", line))


@given(NAMES, EMAILS)
@example("Zoë Ångström-Łuczak", "zoe@example.org")
@example("'t Hooft", "hooft@example.org")
@example('O"Brien', "ob@example.org")
@example("back\\slash", "b@example.org")
@example("J. (Jan), <x>; [y]:z @home", "j@example.org")
@example("=?utf-8?q?not_encoded?=", "n@example.org")
@example("שלום עולם", "rtl@example.org")
@example("👩‍👩‍👧" * 28, "emoji@example.org")
@example("x" * 200, "long@example.org")
@example('"' * 200, "quotes@example.org")
@example("  two  spaces  ", "s@example.org")
@example("a@b", "s@example.org")
@example("", "nameless@example.org")
def test_a_mailbox_reads_as_the_standard_library_would_have_written_it(name: str, email: str):
    meant = EmailMessage()
    meant["To"] = Address(name, addr_spec=email)
    line = headers.mailbox("To", name, email)
    (address,) = parsed(line)["To"].addresses
    (expected,) = meant["To"].addresses
    assert address.addr_spec == expected.addr_spec == email
    assert display_name(line) == expected.display_name == name
    assert re.sub(r"\s", "", address.display_name) == re.sub(r"\s", "", name)
    assert_well_formed(line, limit=76 if len(email) <= 70 else 998)


@given(NAMES)
@example("Release 2.4.0: faster, smaller")
@example("word " * 40)
@example("a" * 1200)
@example("=?utf-8?q?x?=")
@example("Nieuw: één ding, en nog één, en nog één, en nog één, en nog één, en nog één")
@example("  odd   spacing ")
def test_a_subject_reads_as_it_was_written(subject: str):
    line = headers.unstructured("Subject", subject)
    assert parsed(line)["Subject"] == subject
    assert str(make_header(decode_header(line.partition(b": ")[2].replace(b"\r\n", b"").decode()))) == subject
    assert_well_formed(line, limit=998)


def test_lines_with_encoded_words_stay_within_76_and_never_cut_a_character():
    line = headers.unstructured("Subject", "é😀" * 100)
    assert_well_formed(line)
    for word in line.partition(b": ")[2].split():
        chunk, charset = decode_header(word.decode())[0]
        assert chunk.decode(charset)


def test_the_shorter_of_q_and_b_is_taken():
    assert b"=?utf-8?q?" in headers.unstructured("Subject", "Eén nieuwe versie")
    assert b"=?utf-8?b?" in headers.unstructured("Subject", "Новая версия")


@pytest.mark.parametrize("value", HOSTILE)
def test_control_characters_are_refused_in_every_field_without_repeating_them(value: str):
    url = f"https://example.org/{value}"
    for write in (
        lambda: headers.unstructured("Subject", value),
        lambda: headers.structured("Feedback-ID", value),
        lambda: headers.mailbox("To", value, "a@example.org"),
        lambda: headers.mailbox("To", "A", f"{value}@example.org"),
        lambda: headers.mailbox("To", "A", f"a@{value}"),
        lambda: headers.list_id(value, "list.example.org"),
        lambda: headers.list_id("", value),
        lambda: headers.list_unsubscribe(url),
        lambda: headers.list_unsubscribe("https://example.org/", mailto=headers.mailto(value)),
        lambda: headers.message_id(f"<{value}@example.org>"),
        lambda: headers.unstructured(value, "x"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            write()
        assert value not in str(refusal.value)


@pytest.mark.parametrize(
    "email",
    ["", "a", "@example.org", "a@", "a b@example.org", "a@b@example.org", "a..b@example.org", ".a@example.org",
     '"a b"@example.org', "a@-example.org", "a@example..org", "<a@example.org>", "a,b@example.org",
     "a" * 250 + "@example.org", "a@exa mple.org", "a@" + "é" * 64 + ".org"],
)  # fmt: skip
def test_what_is_no_address_is_refused(email: str):
    with pytest.raises(InvalidInput):
        headers.mailbox("To", "A", email)


def test_a_local_part_beyond_ascii_is_refused_as_unsupported():
    with pytest.raises(InvalidInput, match="SMTPUTF8"):
        headers.mailbox("To", "Zoë", "zoë@example.org")


def test_an_internationalised_domain_goes_out_in_ascii():
    assert headers.mailbox("To", "", "info@Café.example") == b"To: info@xn--caf-dma.example\r\n"


def test_encoded_words_never_enter_the_address():
    line = headers.mailbox("From", "Zoë", "zoe=?q@example.org")
    assert line.endswith(b" <zoe=?q@example.org>\r\n")


@given(st.text("abcXYZ019-_.~/%&=+,;", max_size=900), st.booleans())
def test_the_unsubscribe_url_is_never_split_or_encoded(token: str, by_mail: bool):
    url = f"https://example.org/u/{token}"
    mailto = headers.mailto("unsubscribe@example.org?subject=unsubscribe") if by_mail else None
    line = headers.list_unsubscribe(url, mailto=mailto)
    assert f"<{url}>".encode() in line
    unfolded = line.replace(b"\r\n", b"").decode()
    tail = ", <mailto:unsubscribe@example.org?subject=unsubscribe>" if by_mail else ""
    assert unfolded == f"List-Unsubscribe: <{url}>{tail}"
    assert_well_formed(line, limit=998)
    if len(url) < 55:
        assert_well_formed(line)


@pytest.mark.parametrize(
    "url",
    ["", "ftp://example.org/", "javascript:alert(1)", "https://exämple.org/", "https://example.org/>,<mailto:x",
     "https://example.org/ x", "https://example.org/" + "a" * 1000],
)  # fmt: skip
def test_what_can_not_be_an_unsubscribe_url_is_refused(url: str):
    with pytest.raises(InvalidInput):
        headers.list_unsubscribe(url)


def test_a_long_message_id_takes_its_own_line():
    identifier = f"<{'a' * 40}@{'mail.' * 10}example.org>"
    assert headers.message_id(identifier) == f"Message-ID:\r\n {identifier}\r\n".encode()


def test_list_id_holds_at_most_255_octets():
    assert (
        headers.list_id("Release notes", "rn.example.org") == b"List-Id: Release notes <rn.example.org>\r\n"
    )
    assert headers.list_id("", "rn.example.org") == b"List-Id: <rn.example.org>\r\n"
    with pytest.raises(InvalidInput, match="255"):
        headers.list_id("é" * 100, "rn.example.org")


@given(st.integers(0, 4_102_444_800))
def test_the_date_is_the_given_second_in_utc(second: int):
    line = headers.date(datetime.fromtimestamp(second, UTC))
    assert line.endswith(b" +0000\r\n")
    assert parsedate_to_datetime(line.decode().removeprefix("Date: ")).timestamp() == second


def test_an_empty_value_and_an_overlong_word_are_refused():
    with pytest.raises(InvalidInput, match="empty"):
        headers.unstructured("Subject", "")
    with pytest.raises(InvalidInput):
        headers.structured("Feedback-ID", "a" * 998)
