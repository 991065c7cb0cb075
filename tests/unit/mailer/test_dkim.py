"""DKIM: dkimpy, which shares no code with ours, verifies every signature, and no altered message."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given

from mailer.errors import ConfigurationError
from mailer.message import Mailbox, dkim
from mailer.message.dkim import Algorithm, DkimKey, Signer
from mailer.message.signature import SIGNED_FIELDS
from mailer.message.skeleton import compile_skeleton
from tests.support.mails import CONTENTS, LOGO, MAIL, NAMES, PERSON, TEXT

RSA = dkim.generate(Algorithm.RSA_SHA256, domain="example.org", selector="r2026")
ED25519 = dkim.generate(Algorithm.ED25519_SHA256, domain="example.org", selector="e2026")
KEYS = {"rsa": [RSA], "ed25519": [ED25519], "both": [RSA, ED25519]}


def signed(keys: list[DkimKey], **changes: Any) -> bytes:
    mail = MAIL._replace(images=(LOGO,), **changes)
    return bytes(compile_skeleton(mail, [Signer(key) for key in keys]).fill(PERSON))


def verdicts(raw: bytes, published: tuple[DkimKey, ...] = (RSA, ED25519)) -> list[bool]:
    """dkimpy's verdict on each signature of the message, in order."""
    zone = {f"{key.dns_name}.": dkim.dns_record(key).text for key in published}

    def lookup(name: bytes, timeout: int = 5) -> bytes:
        return zone[name.decode()].encode()

    count = len(re.findall(rb"^DKIM-Signature:", raw, re.MULTILINE | re.IGNORECASE))
    assert count
    found = []
    for index in range(count):
        try:
            found.append(bool(dkimpy.DKIM(raw).verify(idx=index, dnsfunc=lookup)))
        except dkimpy.DKIMException:
            found.append(False)
    return found


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_each_algorithm_verifies_alone_and_beside_the_other(keys: list[DkimKey]):
    assert verdicts(signed(keys)) == [True] * len(keys)


@given(CONTENTS, CONTENTS, NAMES, NAMES.filter(bool), TEXT)
def test_any_mail_to_anybody_verifies(text: str, markup: str, name: str, subject: str, greeting: str):
    mail = MAIL._replace(text=text, html=markup, subject=subject)
    person = PERSON._replace(to=Mailbox(name, "z@example.org"), greeting=greeting)
    assert verdicts(bytes(compile_skeleton(mail, [Signer(ED25519), Signer(RSA)]).fill(person))) == [
        True,
        True,
    ]


def fields_of(raw: bytes) -> tuple[list[bytes], bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    return re.split(rb"\r\n(?! )", head), body


def rewritten(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], bytes]:
    def rewrite(raw: bytes) -> bytes:
        fields, body = fields_of(raw)
        return b"\r\n".join(change(fields)) + b"\r\n\r\n" + body

    return rewrite


RELAYS: dict[str, Callable[[bytes], bytes]] = {
    "adds trace fields": lambda raw: b"Received: from a by b;\r\n\tMon, 1 Dec 2025 08:00:01 +0000\r\n" + raw,
    "unfolds": rewritten(lambda fields: [field.replace(b"\r\n", b"") for field in fields]),
    "folds elsewhere": rewritten(
        lambda fields: [field.replace(b"\r\n", b"").replace(b" ", b"\r\n\t ") for field in fields]
    ),
    "writes names in capitals": rewritten(
        lambda fields: [name.upper() + b":" + value for name, _, value in (f.partition(b":") for f in fields)]
    ),
    "sorts unsigned fields away": rewritten(
        lambda fields: sorted(fields, key=lambda f: f.startswith(b"Pre"))
    ),
    "appends blank lines": lambda raw: raw + b"\r\n\r\n",
    "leaves spaces at line ends": lambda raw: raw.replace(b"</p>\r\n", b"</p>  \r\n"),
    "stuffs and unstuffs dots": lambda raw: raw.replace(b"\r\n.", b"\r\n.."),
    "quotes From in a mailbox file": lambda raw: raw.replace(b"\r\nFrom ", b"\r\n>From "),
}


@pytest.mark.parametrize("relay", RELAYS.values(), ids=RELAYS)
def test_a_signature_survives_what_relays_do(relay: Callable[[bytes], bytes]):
    text = f".hidden\nFrom here\n  twice  \n{MAIL.text}"
    assert verdicts(relay(signed(KEYS["both"], text=text))) == [True, True]


FORGERIES: dict[str, Callable[[bytes], bytes]] = {
    "a word in the text": lambda raw: raw.replace(b"Nieuw.", b"Oud.", 1),
    "something appended": lambda raw: raw + b"Koop!\r\n",
    "another recipient": lambda raw: raw.replace(b"<zoe@", b"<zed@"),
    "another sender": lambda raw: raw.replace(b"<news@", b"<nows@"),
    "a second From": lambda raw: b"From: x@example.org\r\n" + raw,
    "another subject": lambda raw: raw.replace(b"Versie", b"Versje", 1),
    "another date": lambda raw: raw.replace(b"Date: Mon, 01", b"Date: Tue, 02"),
    "another unsubscribe link": lambda raw: raw.replace(b"<https://mail.", b"<https://evil."),
    "no one-click": lambda raw: raw.replace(b"=One-Click", b"=Two-Click"),
    "another list": lambda raw: raw.replace(b"<release-notes.", b"<spam."),
    "another Feedback-ID": lambda raw: raw.replace(b":campaign:", b":proof:"),
    "another Message-ID": lambda raw: raw.replace(b"<0123", b"<3210"),
    "another Reply-To": lambda raw: raw.replace(b"<help@", b"<hell@"),
    "another type": lambda raw: raw.replace(b"multipart/alternative", b"multipart/mixed"),
    "another MIME version": lambda raw: raw.replace(b"MIME-Version: 1.0", b"MIME-Version: 1.1"),
    "another time of signing": lambda raw: re.sub(rb"\bt=\d+", b"t=1", raw),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_an_altered_message_fails(forge: Callable[[bytes], bytes]):
    raw = signed(KEYS["both"])
    assert forge(raw) != raw
    assert verdicts(forge(raw)) == [False, False]


def test_another_key_in_dns_fails():
    other_key = dkim.generate(Algorithm.ED25519_SHA256, domain="example.org", selector="e2026")
    assert verdicts(signed([ED25519]), (other_key,)) == [False]


def test_the_signature_covers_the_whole_body_and_names_what_it_covers():
    raw = signed([RSA], extra=(("List-Archive", "<https://example.org/archive/notes>"),))
    field = next(f for f in fields_of(raw)[0] if f.startswith(b"DKIM-Signature:"))
    unfolded = re.sub(rb"\s+", b"", field.partition(b":")[2])
    tags = dict(tag.split(b"=", 1) for tag in unfolded.split(b";"))
    assert list(tags) == [b"v", b"a", b"c", b"d", b"s", b"h", b"t", b"bh", b"b"], "no l="
    assert tags[b"c"] == b"relaxed/relaxed"
    covered = tags[b"h"].lower().split(b":")
    assert covered.count(b"from") == 2
    assert set(covered) == {name.lower().encode() for name in SIGNED_FIELDS}
    assert max(map(len, field.split(b"\r\n"))) <= 76


def test_a_field_that_is_absent_is_not_named():
    assert b"Reply-To" not in signed([RSA], reply_to=None)
    assert verdicts(signed(KEYS["both"], reply_to=None)) == [True, True]


@pytest.mark.parametrize("key", [RSA, ED25519], ids=["rsa", "ed25519"])
def test_a_key_loads_from_its_own_pem(key: DkimKey):
    again = dkim.load(key.pem(), domain=key.domain, selector=key.selector)
    assert again.algorithm is key.algorithm
    assert again.pem() == key.pem()
    assert verdicts(signed([again])) == [True]


def test_a_key_shows_no_secret_when_printed():
    assert repr(RSA) == "DkimKey(domain='example.org', selector='r2026')"


def test_the_dns_record_comes_in_strings_that_dns_can_hold():
    record = dkim.dns_record(RSA)
    assert record.name == "r2026._domainkey.example.org"
    assert re.fullmatch(r"v=DKIM1; k=rsa; p=[A-Za-z0-9+/]{392}", record.text)
    assert [len(string) for string in record.strings] == [255, len(record.text) - 255]
    assert "".join(record.strings) == record.text
    assert record.zone_line.startswith('r2026._domainkey.example.org. IN TXT ( "v=DKIM1; ')
    assert re.fullmatch(r"v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}=", dkim.dns_record(ED25519).text)


def pem_of(
    private_key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey,
    password: bytes = b"",
) -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def test_an_rsa_key_below_2048_bits_is_refused():
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505
    with pytest.raises(ConfigurationError, match="1024 bits"):
        dkim.load(pem_of(weak), domain="example.org", selector="s")


@pytest.mark.parametrize(
    "pem",
    [b"", b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n", pem_of(RSA.private_key, b"secret"),
     pem_of(ec.generate_private_key(ec.SECP256R1()))],
    ids=["empty", "garbage", "encrypted", "another kind"],
)  # fmt: skip
def test_what_is_no_usable_key_is_refused(pem: bytes):
    with pytest.raises(ConfigurationError, match="DKIM key"):
        dkim.load(pem, domain="example.org", selector="s")


@pytest.mark.parametrize(
    ("domain", "selector"), [("", "s"), ("exämple.org", "s"), ("a;b", "s"), ("example.org", ""), ("example.org", "a b")]
)  # fmt: skip
def test_a_place_that_dns_can_not_hold_is_refused(domain: str, selector: str):
    with pytest.raises(ConfigurationError):
        DkimKey(domain, selector, RSA.private_key)
