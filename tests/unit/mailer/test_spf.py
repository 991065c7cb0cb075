"""SPF of RFC 7208: one record, that can be read, with at most ten look-ups."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.doctor import spf


def zone(records: Mapping[str, str | tuple[str, ...]]) -> Callable[[str], tuple[str, ...]]:
    def lookup(name: str) -> tuple[str, ...]:
        found = records.get(name, ())
        return (found,) if isinstance(found, str) else found

    return lookup


RELAY = {"relay.example": "v=spf1 ip4:192.0.2.0/24 a:out.relay.example -all"}


@pytest.mark.parametrize(
    ("text", "lookups"),
    [
        ("v=spf1 -all", 0),
        ("v=spf1", 0),
        ("v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 ~all", 0),
        ("v=spf1 a mx -all", 2),
        ("v=spf1 +a:mail.acme.example/24//64 ?mx/24 ptr exists:%{i}.acme.example -all", 4),
        ("v=spf1 include:relay.example -all", 2),
        ("V=SPF1 INCLUDE:Relay.Example. A -ALL", 3),
        ("v=spf1 a redirect=relay.example", 3),
        ("v=spf1 a redirect=relay.example -all", 1),
        ("v=spf1 include:%{d}.relay.example exp=why.acme.example -all", 1),
    ],
)
def test_each_term_that_asks_dns_is_counted(text: str, lookups: int) -> None:
    found = spf.check("acme.example", zone(RELAY | {"acme.example": text}))
    assert (found.lookups, found.problem) == (lookups, None)


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ({"acme.example": ("v=spf1 -all", "v=spf1 a -all")}, "acme.example has 2 SPF records"),
        ({"acme.example": "v=spf1 include:nowhere.example -all"}, "which has no SPF record"),
        ({"acme.example": "v=spf1 redirect=nowhere.example"}, "which has no SPF record"),
        ({"acme.example": "v=spf1 include:acme.example -all"}, "leads back to itself"),
        (
            {"acme.example": "v=spf1 include:b.example", "b.example": "v=spf1 include:acme.example"},
            "back to itself",
        ),
        ({"acme.example": "v=spf1 ipv4:192.0.2.1 -all"}, "'ipv4:192.0.2.1' is not a term"),
        ({"acme.example": "v=spf1 include:b.example", "b.example": "v=spf1 alll"}, "b.example: 'alll'"),
    ],
)
def test_what_receivers_can_t_use(records: dict[str, str], problem: str) -> None:
    assert problem in (spf.check("acme.example", zone(records)).problem or "")


def test_other_records_of_the_domain_do_not_count() -> None:
    texts = ("verification=123", "v=spf10 -all", "v=spf1 -all")
    assert spf.check("acme.example", zone({"acme.example": texts})).text == "v=spf1 -all"
    assert spf.check("acme.example", zone({})).text is None


@given(st.text(max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    spf.check("acme.example", zone({"acme.example": f"v=spf1 {text}"}))


@given(st.integers(0, 30))
def test_a_long_chain_ends(length: int) -> None:
    records = {f"d{number}.example": f"v=spf1 include:d{number + 1}.example -all" for number in range(length)}
    records[f"d{length}.example"] = "v=spf1 -all"
    found = spf.check("d0.example", zone(records))
    assert found.problem is None
    assert found.lookups >= min(length, spf.MOST_LOOKUPS + 1)
