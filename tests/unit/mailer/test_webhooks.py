"""Outgoing webhooks: where they may go, how they are signed, and when a failed call is made again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from mailer.errors import InvalidInput
from mailer.webhooks import Reach, derive_secret, parse_destination, signed_headers
from mailer.webhooks.destination import is_allowed
from subscribers.webhooks import PARKED_AFTER, after_failure

NOW = datetime(2026, 5, 1, tzinfo=UTC)
KEY = b"a-secret-key-that-is-long-enough-for-tests"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - an address that is refused
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:7f00:1::",
        "2002:a00:1::",
        "64:ff9b:1::7f00:1",  # RFC 8215: translated to IPv4 within a site
        "fec0::1",  # site-local, RFC 3879
        "::7f00:1",  # IPv4-compatible, RFC 4291, section 2.5.5.1
        "5f00::1",  # segment routing, RFC 9602
        "192.0.0.8",  # RFC 7600; older versions of Python call it global
    ],
)
def test_an_address_that_is_not_public_is_refused_in_every_spelling(address: str) -> None:
    assert not is_allowed(ip_address(address), Reach())
    assert is_allowed(ip_address(address), Reach(allow_private=True))


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"])
def test_a_public_address_is_allowed(address: str) -> None:
    assert is_allowed(ip_address(address), Reach())


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_allowed_only_where_it_is_global_however_it_is_written(address: object) -> None:
    found = ip_address(str(address))
    mapped, translated = ip_address(f"::ffff:{found}"), ip_address(f"64:ff9b::{found}")
    expected = found.is_global and not found.is_multicast and not str(found).startswith("192.0.0.")
    assert [is_allowed(each, Reach()) for each in (found, mapped, translated)] == [expected] * 3


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://user:secret@example.com/",
        "https:///path",
        "https://example.com/#part",
        "https://exa mple.com/",
        "https://example.com:99999/",
        "https://[::1/",
        "https://127.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://exämple.com/",
        "https://example.com/\r\nX: y",
        "https://example.com/" + "x" * 2000,
    ],
)
def test_a_url_that_must_not_be_called_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        parse_destination(url, Reach())


def test_a_url_is_read_into_its_parts() -> None:
    found = parse_destination("https://Example.com:8443/hook?x=1", Reach())
    assert (found.host, found.port, found.path) == ("example.com", 8443, "/hook?x=1")
    assert found.host_header == "example.com:8443"


def test_during_a_rotation_both_secrets_verify() -> None:
    new, old, other = (derive_secret(KEY, "e", generation) for generation in (2, 1, 3))
    now = datetime.now(UTC)
    headers = signed_headers([new, old], "msg_1", now, '{"a":"é"}')
    for secret in (new, old):
        Webhook(secret).verify('{"a":"é"}', headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify('{"a":"é"}', headers)


def test_waits_double_up_to_an_hour_and_end_after_two_days() -> None:
    failures, since, at, waits = 0, None, NOW, []
    while True:
        failed = after_failure(failures, since, at, gone=False)
        if failed.is_parked:
            break
        waits.append(failed.next_attempt_at - at)
        failures, since, at = failed.failures, failed.failing_since, failed.next_attempt_at
    assert waits[:4] == [timedelta(seconds=seconds) for seconds in (5, 10, 20, 40)]
    assert max(waits) == timedelta(hours=1)
    assert PARKED_AFTER <= at - NOW <= PARKED_AFTER + timedelta(hours=1)


def test_failures_since_a_clock_that_was_ahead_count_from_now() -> None:
    assert after_failure(3, NOW + timedelta(days=365), NOW, gone=False).failing_since == NOW


def test_a_receiver_that_is_gone_is_parked_at_once() -> None:
    assert after_failure(0, None, NOW, gone=True).is_parked
