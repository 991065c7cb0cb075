"""A number is told with its noun in the singular or the plural."""

from __future__ import annotations

from mailer.quantity import noun, quantity


def test_one_is_singular_and_all_else_plural() -> None:
    assert [quantity(number, "mail") for number in (0, 1, 2, 1_000)] == [
        "0 mails",
        "1 mail",
        "2 mails",
        "1,000 mails",
    ]


def test_a_plural_of_its_own_is_used() -> None:
    assert (noun(1, "entry", "entries"), noun(2, "entry", "entries")) == ("entry", "entries")
