"""A mailbox, as people write it in settings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.errors import InvalidInput
from mailer.message import Mailbox

# What a name without quotation marks can hold: all of printable text but what delimits the address.
NAMES = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"], exclude_characters='"<>'), min_size=1
)


@pytest.mark.parametrize(
    "name",
    ["Acme, Inc.", "Acme: News", "Acme; News", "Acme [beta]", "Acme @ Home", "Acme (EU)", "A :( B", "L'Oréal", "Acme \\ Co."],
)  # fmt: skip
def test_a_name_needs_no_quotation_marks(name: str):
    assert Mailbox.parse(f"{name} <news@acme.example>") == (name, "news@acme.example")


@given(NAMES)
def test_every_name_without_quotation_marks_is_read_as_it_stands(name: str):
    if "@" in name and "," in name:
        return
    assert Mailbox.parse(f" {name}  <news@acme.example> ") == (" ".join(name.split()), "news@acme.example")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("news@acme.example", ("", "news@acme.example")),
        ("<news@acme.example>", ("", "news@acme.example")),
        ("News@acme.example <news@acme.example>", ("", "news@acme.example")),
        ('"Acme, Inc." <news@acme.example>', ("Acme, Inc.", "news@acme.example")),
        ('"A, <b@c.example>" <news@acme.example>', ("A, <b@c.example>", "news@acme.example")),
        (r'"Acme \"Inc\"" <news@acme.example>', ('Acme "Inc"', "news@acme.example")),
        ("news@acme.example (Acme)", ("Acme", "news@acme.example")),
        ("Acme <news@müller.example>", ("Acme", "news@xn--mller-kva.example")),
    ],
)
def test_the_forms_of_a_mailbox(text: str, read: tuple[str, str]):
    assert Mailbox.parse(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "a@x.example, b@x.example",
        "Acme <a@x.example>, Bob <b@x.example>",
        "a@x.example, Bob <b@x.example>",
        '"A" <a@x.example>, b@x.example',
    ],
)
def test_two_addresses_are_no_mailbox(text: str):
    with pytest.raises(InvalidInput, match="more than one address"):
        Mailbox.parse(text)


@pytest.mark.parametrize(
    "text", ["", "Acme", "Acme <>", "Acme <news>", "Acme <mailto:news@acme.example>", "(" * 5000]
)
def test_what_has_no_address_is_refused(text: str):
    with pytest.raises(InvalidInput, match="it has no address"):
        Mailbox.parse(text)
