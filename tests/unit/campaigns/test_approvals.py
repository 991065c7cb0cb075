"""Which approvals count as those of different people."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.approvals import Approval, ApprovalRule, ApprovalStatus, Approver, judge
from mailer.config import parse_settings
from mailer.errors import ConfigurationError, Refused
from tests.support.settings import settings_of

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
BY_TWO = ApprovalRule(2)
BY_NAMES = ApprovalRule(2, ("Ada", "Bram"))


def approval(name: str | None, login: str | None, content: str = "c1") -> Approval:
    return Approval(Approver(name, login), NOW, 10, content)


def judged(rule: ApprovalRule, *given_: Approval, waits: bool = True) -> ApprovalStatus:
    return judge(given_, rule, "c1", waits=waits)


@pytest.mark.parametrize(
    ("one", "other", "rule", "are_different"),
    [
        (("Ada", "ada"), ("Bram", "bram"), BY_TWO, True),
        ((None, "ada"), (None, "bram"), BY_TWO, True),
        ((None, "ada"), (None, "ada"), BY_TWO, False),
        (("Ada", "deploy"), ("Bram", "deploy"), BY_TWO, False),
        (("Ada", "deploy"), ("Bram", "deploy"), BY_NAMES, True),
        (("Ada", "deploy"), ("Cleo", "deploy"), BY_NAMES, False),
        (("Ada", "deploy"), (None, "deploy"), BY_NAMES, False),
        (("Ada", "deploy"), ("ADA  ", "deploy"), ApprovalRule(2, ("Ada", "ada")), False),
        (("Ada", "ada"), ("ada", "bram"), BY_TWO, False),
        (("Zoe\u0308", "ada"), ("Zoë", "bram"), BY_TWO, False),
        (("Ada", None), ("Bram", None), BY_TWO, False),
        (("Ada", None), ("Bram", None), BY_NAMES, True),
        ((None, None), (None, "bram"), BY_TWO, False),
    ],
)
def test_two_people_have_two_names_and_two_logins_or_are_both_named_in_the_settings(
    one: tuple[str | None, str | None],
    other: tuple[str | None, str | None],
    rule: ApprovalRule,
    are_different: bool,
) -> None:
    assert rule.are_different(Approver(*one), Approver(*other)) is are_different
    assert rule.are_different(Approver(*other), Approver(*one)) is are_different


def test_an_approval_of_other_content_does_not_count() -> None:
    found = judged(BY_TWO, approval("Bram", "bram"), approval("Ada", "ada", "c0"))
    assert (len(found.counted), found.missing) == (1, 1)


def test_two_that_count_are_found_behind_one_that_does_not() -> None:
    found = judged(BY_NAMES, approval(None, "x"), approval("Bram", "x"), approval("Ada", "x"))
    assert [one.by.name for one in found.counted] == ["Bram", "Ada"]


def test_the_approvers_of_the_settings_who_are_missing_are_named() -> None:
    found = judged(BY_NAMES, approval("Ada", "deploy"))
    assert (found.missing, found.awaited) == (1, ("Bram",))
    with pytest.raises(Refused, match=r"1 more person \(Bram\)\. Approved by: Ada, login deploy\."):
        found.refuse_if_missing("notes")


def test_why_a_second_approval_does_not_count_is_told() -> None:
    with pytest.raises(Refused) as refused:
        judged(BY_TWO, approval("Bram", "x"), approval("Ada", "x")).refuse_if_missing("notes")
    assert "`approvers`" in str(refused.value.hint)


def test_a_campaign_that_was_sent_misses_nobody() -> None:
    assert judged(BY_TWO, waits=False).missing == 0


APPROVALS = st.builds(
    approval, st.sampled_from([None, "Ada", "Bram", "Cleo"]), st.sampled_from([None, "a", "b"])
)


@given(st.lists(APPROVALS, max_size=6), st.sampled_from([BY_TWO, BY_NAMES]), APPROVALS)
def test_a_further_approval_never_makes_more_people_missing(
    before: list[Approval], rule: ApprovalRule, more: Approval
) -> None:
    found, after = judged(rule, *before), judged(rule, more, *before)
    assert after.missing <= found.missing
    assert all(
        rule.are_different(one.by, other.by)
        for one in after.counted
        for other in after.counted
        if one is not other
    )


@pytest.mark.parametrize(
    ("value", "required"),
    [("true", 1), (True, 1), ("1", 1), ("false", 0), (False, 0), (0, 0), ("2", 2), (2, 2)],
)
def test_the_setting_is_a_number_or_a_word(
    monkeypatch: pytest.MonkeyPatch, value: object, required: int
) -> None:
    assert ApprovalRule.of(settings_of(require_approval=value)).required == required
    monkeypatch.setenv("MAILER_REQUIRE_APPROVAL", str(value))
    assert ApprovalRule.of(parse_settings({}, Path("mailer.toml"))).required == required


@pytest.mark.parametrize("value", ["3", -1, "maybe", 1.5])
def test_another_number_of_approvals_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match="require_approval"):
        parse_settings({"require_approval": value}, Path("mailer.toml"))


def test_a_variable_separates_the_approvers_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_APPROVERS", "Ada de Vries, Bram")
    assert parse_settings({}, Path("mailer.toml")).approvers == ("Ada de Vries", "Bram")
