"""Check the authentication of the sender: DKIM (RFC 6376), SPF (RFC 7208) and DMARC (RFC 9989)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from mailer.config import Settings, dkim_keys
from mailer.doctor import dmarc, dns, spf
from mailer.doctor.results import CheckLevel, CheckResult, failure
from mailer.errors import MailerError
from mailer.message import dkim, headers


def sender(settings: Settings, lookup: dns.Lookup | None = dns.txt_records) -> Iterator[CheckResult]:
    """Check SPF, DKIM and DMARC, and their alignment with the From domain. Without `lookup` DNS is not asked."""
    domain = _domain(settings.sender.email)
    if domain in {"", "example.com"}:
        yield CheckResult(
            "sender",
            CheckLevel.FAIL,
            "the sender is still the example's",
            'Set sender = "Your news <news@your.domain>".',
        )
        return
    lookup = cache(lookup) if lookup is not None else None
    yield from _signature(settings, domain, lookup)
    if lookup is not None:
        yield _sender_policy(_domain((settings.return_path or settings.sender.email).strip("<> ")), lookup)
        yield _dmarc_policy(domain, lookup)


def _domain(email: str) -> str:
    return headers.ascii_domain(email.rpartition("@")[2].lower())


def _signature(settings: Settings, domain: str, lookup: dns.Lookup | None) -> Iterator[CheckResult]:
    try:
        keys = dkim_keys.read(settings.dkim)
    except MailerError as error:
        yield failure("dkim", error)
        return
    if not keys and settings.dkim.domain is not None:
        yield CheckResult(
            "dkim",
            CheckLevel.FAIL,
            "[dkim] has a domain, but no selector and no key_file: mail leaves unsigned",
            "Run `mailer keys dkim`, and set what it prints; or take the domain out, where the relay signs.",
        )
    elif not keys:
        yield CheckResult(
            "dkim",
            CheckLevel.WARN,
            "mail leaves unsigned",
            f"Fine where the relay signs for {domain}; else run `mailer keys dkim`.",
        )
    for key in keys:
        yield _alignment(key, domain, lookup) or (
            CheckResult("dkim", CheckLevel.OK, f"{key.dns_name}, {key.algorithm}")
            if lookup is None
            else _published(key, lookup)
        )


def _alignment(key: dkim.DkimKey, domain: str, lookup: dns.Lookup | None) -> CheckResult | None:
    """The problem with the alignment of the key's domain; None if DMARC accepts its signature."""
    if lookup is None:
        if key.domain == domain or not _may_align(key.domain, domain):
            return None if key.domain == domain else _not_aligned(key, domain)
        message = f"{key.dns_name}: without DNS it can't be said whether it signs for {domain}"
        return CheckResult("dkim", CheckLevel.WARN, message, "Run `mailer doctor` without --offline.")
    try:
        record = dmarc.policy_record(domain, lookup)
        strict = record is not None and record.is_strict("adkim")
        return None if dmarc.aligned(key.domain, domain, lookup, strict=strict) else _not_aligned(key, domain)
    except dns.LookupFailed as error:
        return _not_looked_up("dkim", key.domain, error)


def _may_align(one: str, other: str) -> bool:
    """Whether two domains may belong to one organisation, by their last labels."""
    return one.lower().split(".")[-2:] == other.lower().split(".")[-2:]


def _not_aligned(key: dkim.DkimKey, domain: str) -> CheckResult:
    return CheckResult(
        "dkim",
        CheckLevel.FAIL,
        f"{key.dns_name} does not sign for {domain}, so DMARC ignores it",
        f'Set [dkim] domain = "{domain}" and make a key for it.',
    )


def _published(key: dkim.DkimKey, lookup: dns.Lookup) -> CheckResult:
    record = dkim.dns_record(key)
    wanted = record.text.rpartition("p=")[2]
    try:
        found = "".join(lookup(record.name)).replace(" ", "")
    except dns.LookupFailed as error:
        return _not_looked_up("dkim", record.name, error)
    if f"p={wanted}" in found:
        return CheckResult("dkim", CheckLevel.OK, f"{record.name}, {key.algorithm}, published")
    problem = "is not this key's record" if found else "is not published"
    return CheckResult("dkim", CheckLevel.FAIL, f"{record.name} {problem}", f"Publish: {record.zone_line}")


def _sender_policy(domain: str, lookup: dns.Lookup) -> CheckResult:
    """SPF of the return path's domain (RFC 7208)."""
    hint = f"Publish which servers send for {domain}, the relay among them (RFC 7208)."
    try:
        found = spf.check(domain, lookup)
    except dns.LookupFailed as error:
        return _not_looked_up("spf", domain, error)
    if found.text is None:
        return CheckResult("spf", CheckLevel.WARN, f"{domain} has no v=spf1 record", hint)
    if found.problem:
        return CheckResult("spf", CheckLevel.FAIL, f"receivers can't use it: {found.problem}", hint)
    count = f"{found.lookups} of {spf.MOST_LOOKUPS} look-ups"
    if found.lookups > spf.MOST_LOOKUPS:
        hint = "Leave out what sends no mail for you, or name addresses (ip4:, ip6:) instead (RFC 7208 section 4.6.4)."
        return CheckResult(
            "spf", CheckLevel.FAIL, f"{domain}: receivers can't use it, it takes {count}", hint
        )
    return CheckResult("spf", CheckLevel.OK, f"{domain}: {found.text} ({count})")


def _dmarc_policy(domain: str, lookup: dns.Lookup) -> CheckResult:
    """The DMARC record that holds for From, its own or one from higher up (RFC 9989)."""
    try:
        record = dmarc.policy_record(domain, lookup)
    except dns.LookupFailed as error:
        return _not_looked_up("dmarc", domain, error)
    if record is None:
        hint = (
            f'Google, Yahoo and Microsoft ask for one; start with TXT "v=DMARC1; p=none" at _dmarc.{domain}.'
        )
        return CheckResult(
            "dmarc", CheckLevel.WARN, f"_dmarc.{domain} has no v=DMARC1 record, and no domain above it", hint
        )
    if record.domain == domain:
        return CheckResult("dmarc", CheckLevel.OK, f"_dmarc.{domain}: {record.text}")
    message = f"{domain}: {record.subdomain_policy}, by _dmarc.{record.domain}: {record.text}"
    return CheckResult("dmarc", CheckLevel.OK, message)


def _not_looked_up(check: str, name: str, error: dns.LookupFailed) -> CheckResult:
    return CheckResult(check, CheckLevel.WARN, f"{name} can't be looked up ({error})", "Try again later.")
