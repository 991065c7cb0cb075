"""A mail is shown as light, dark and Outlook's branch have it, and nobody else may look."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.web.preview import Access, View, as_seen
from campaigns.web.preview.views import content_policy

STYLED = "<head><style>a{} @media (prefers-color-scheme: dark) {b{c:d}} e{}</style></head>"


@pytest.mark.parametrize(("view", "query"), [(View.LIGHT, "(max-width:0px)"), (View.DARK, "(min-width:0px)")])
def test_the_rules_for_dark_hold_always_or_never(view: View, query: str) -> None:
    assert f"@media {query} {{b{{c:d}}}}" in as_seen(STYLED, view)


def test_outlook_ignores_media_queries_and_keeps_the_other_rules() -> None:
    assert "<style>a{}  e{}</style>" in as_seen(STYLED, View.OUTLOOK)


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<!--[if mso]>A<![endif]-->B", "AB"),
        ("<!--[if mso | IE]>A<![endif]-->B", "AB"),
        ("<!--[if !mso]><!-->A<!--<![endif]-->B", "B"),
        ("<!--[if (gte mso 9)|(IE)]>A<![endif]-->B", "AB"),
        ("<!--[if gte mso 9]>A<![endif]-->B", "AB"),
        ("<!--[if lte mso 11]>A<![endif]-->B", "B"),
        ("<!--[if (gte mso 9)&(lt mso 17)]>A<![endif]-->B", "AB"),
        ("<!--[if mso 15]>A<![endif]-->B", "B"),
        ("<!--[if IE]>A<![endif]-->B", "B"),
        ("<!-- a comment -->B", "<!-- a comment -->B"),
    ],
)
def test_outlook_takes_its_own_branch(html: str, shown: str) -> None:
    assert as_seen(html, View.OUTLOOK) == shown
    assert as_seen(html, View.LIGHT) == html


@pytest.mark.parametrize("view", View)
def test_a_mail_runs_and_loads_nothing(view: View) -> None:
    policy = content_policy(view)
    assert "default-src 'none'" in policy
    assert "sandbox allow-same-origin;" in policy
    assert "script" not in policy
    assert "http" not in policy


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["<!--[if mso]>", "<![endif]-->", "<!-->", "<style>", "</style>", "@media x{", "}", "a"]
        )
    )
)
def test_any_html_is_shown(parts: list[str]) -> None:
    assert isinstance(as_seen("".join(parts), View.OUTLOOK), str)


def test_the_token_opens_the_preview_once() -> None:
    access = Access(8000)
    token = access.url.rpartition("/")[2]
    assert not access.redeem("other")
    assert access.redeem(token)
    assert not access.redeem(token)
    assert token not in access.path


@pytest.mark.parametrize(
    ("headers", "is_local"),
    [
        ({"host": "127.0.0.1:8000"}, True),
        ({"host": "localhost:8000", "origin": "http://localhost:8000"}, True),
        ({"host": "127.0.0.1:8000", "sec-fetch-site": "same-origin"}, True),
        ({}, False),
        ({"host": "127.0.0.1"}, False),
        ({"host": "127.0.0.1:8001"}, False),
        ({"host": "evil.example:8000"}, False),
        ({"host": "127.0.0.1:8000", "origin": "https://evil.example"}, False),
        ({"host": "127.0.0.1:8000", "origin": "null"}, False),
        ({"host": "127.0.0.1:8000", "origin": "https://127.0.0.1:8000"}, False),
        ({"host": "127.0.0.1:8000", "sec-fetch-site": "cross-site"}, False),
        ({"host": "127.0.0.1:8000", "sec-fetch-site": "same-site"}, False),
    ],
)
def test_only_this_server_s_own_pages_may_ask(headers: dict[str, str], is_local: bool) -> None:
    assert Access(8000).is_local(headers) is is_local
