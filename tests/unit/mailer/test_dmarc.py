"""DMARC of RFC 9989: the walk up the tree, the organisational domain, alignment, and which policy applies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.doctor import dmarc

LABEL = st.text("abcdefghij", min_size=1, max_size=5)
NAME = st.lists(LABEL, min_size=1, max_size=20).map(".".join)


def zone(records: Mapping[str, str | tuple[str, ...]]) -> Callable[[str], tuple[str, ...]]:
    def lookup(name: str) -> tuple[str, ...]:
        found = records.get(name.removeprefix("_dmarc."), ())
        return (found,) if isinstance(found, str) else found

    return lookup


ACME = {"acme.example": "v=DMARC1; p=reject; sp=quarantine"}
PUBLIC_SUFFIX = {"example": "v=DMARC1; p=none; psd=y"}


@pytest.mark.parametrize(
    ("domain", "records", "organisation"),
    [
        ("acme.example", {}, "acme.example"),
        ("news.acme.example", ACME, "acme.example"),
        ("a.b.c.news.acme.example", ACME, "acme.example"),
        ("news.acme.example", ACME | PUBLIC_SUFFIX, "acme.example"),
        ("news.acme.example", PUBLIC_SUFFIX, "acme.example"),
        ("example", PUBLIC_SUFFIX, "example"),
        ("a.news.acme.example", ACME | {"news.acme.example": "v=DMARC1; p=none; psd=n"}, "news.acme.example"),
        ("a.news.acme.example", {"news.acme.example": "v=DMARC1; p=none"}, "news.acme.example"),
        (
            "news.acme.example",
            {"acme.example": ("v=DMARC1; p=none", "v=DMARC1; p=reject")},
            "news.acme.example",
        ),
        ("news.acme.example", {"acme.example": "v=spf1 -all"}, "news.acme.example"),
        ("News.Acme.Example.", ACME, "acme.example"),
    ],
)
def test_the_organisational_domain(domain: str, records: dict[str, str], organisation: str) -> None:
    assert dmarc.organisational_domain(domain, zone(records)) == organisation


@pytest.mark.parametrize(
    ("one", "other", "records", "aligned"),
    [
        ("acme.example", "acme.example", {}, True),
        ("mail.acme.example", "news.acme.example", ACME, True),
        ("mail.acme.example", "news.acme.example", {}, False),
        ("mail.acme.example", "news.acme.example", PUBLIC_SUFFIX, True),
        ("acme.example", "other.example", ACME | PUBLIC_SUFFIX, False),
        ("notacme.example", "acme.example", ACME, False),
        ("acme.example.org", "acme.example", ACME, False),
    ],
)
def test_relaxed_alignment(one: str, other: str, records: dict[str, str], aligned: bool) -> None:
    assert dmarc.aligned(one, other, zone(records)) is aligned
    assert dmarc.aligned(other, one, zone(records)) is aligned


def test_strict_alignment_asks_for_the_very_same_domain() -> None:
    assert not dmarc.aligned("mail.acme.example", "acme.example", zone(ACME), strict=True)
    assert dmarc.aligned("Acme.example", "acme.example.", zone(ACME), strict=True)


@pytest.mark.parametrize(
    ("domain", "records", "found", "policy"),
    [
        ("acme.example", ACME, "acme.example", "reject"),
        ("news.acme.example", ACME, "acme.example", "quarantine"),
        ("news.acme.example", ACME | {"news.acme.example": "v=DMARC1; p=none"}, "news.acme.example", "none"),
        ("news.acme.example", PUBLIC_SUFFIX, "example", "none"),
        ("a.b.acme.example", ACME | {"b.acme.example": "v=DMARC1;p=none"}, "acme.example", "quarantine"),
        ("acme.example", {"acme.example": "v=DMARC1; p=nonsense"}, "acme.example", "none"),
    ],
)
def test_the_policy_that_applies(domain: str, records: dict[str, str], found: str, policy: str) -> None:
    record = dmarc.policy_record(domain, zone(records))
    assert record is not None
    assert record.domain == found
    assert (record.policy if record.domain == domain else record.subdomain_policy) == policy


def test_without_any_record_no_policy_applies() -> None:
    assert dmarc.policy_record("news.acme.example", zone({})) is None


@pytest.mark.parametrize(
    "text", ["v=DMARC1", "v=DMARC1;", "v = DMARC1 ; p=none", "v=DMARC1;p=none;rua=mailto:a@b"]
)
def test_what_is_a_record(text: str) -> None:
    assert dmarc.parse("acme.example", text) is not None


@pytest.mark.parametrize(
    "text", ["", "p=none; v=DMARC1", "v=dmarc1; p=none", "v=DMARC12", "v=spf1 -all", "xv=DMARC1"]
)
def test_what_is_none(text: str) -> None:
    assert dmarc.parse("acme.example", text) is None


@given(NAME)
def test_no_walk_takes_more_than_eight_queries_and_it_goes_up_to_the_top(name: str) -> None:
    asked: list[str] = []

    def lookup(one: str) -> tuple[str, ...]:
        asked.append(one.removeprefix("_dmarc."))
        return ()

    assert dmarc.organisational_domain(name, lookup) == name
    assert len(asked) == len(set(asked)) <= dmarc.MOST_QUERIES
    assert asked[0] == name
    assert asked[-1] == name.rpartition(".")[2]


@given(st.text(max_size=80))
def test_no_text_breaks_it(text: str) -> None:
    record = dmarc.parse("acme.example", text)
    assert record is None or record.policy in ("none", "quarantine", "reject")
