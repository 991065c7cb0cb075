"""How fast a mail is composed, unsigned and signed, beside the usual way and beside the signature alone.

All figures are by CPU time of one thread, so that a busy machine changes them little.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

from benchmarks.peers import usual_way
from benchmarks.programs import find, run
from mailer.message import Mailbox, MailTemplate, RecipientValues, dkim
from mailer.message.dkim import Algorithm, Signer
from mailer.message.skeleton import compile_skeleton

MAIL = MailTemplate(
    sender=Mailbox("Acme", "news@example.com"),
    subject="Version 2.4.0",
    html=f'<p>__slot_greeting__,</p>\n{usual_way.PARAGRAPH * 92}<a href="__slot_unsubscribe_url__">Unsubscribe</a>\n',
    text="__slot_greeting__,\n\n"
    + "Exports are faster.\n" * 100
    + "\nUnsubscribe: __slot_unsubscribe_url__\n",
    list_id="release-notes.example.com",
    feedback_id="notes-240:release-notes:campaign:acmenews",
    language="en",
    boundary_seed="benchmark",
)
PERSON = RecipientValues(
    to=Mailbox("Zoë de Vries", "zoe.de.vries@example.com"),
    message_id="<0123456789abcdef0123456789abcdef01234567@example.com>",
    date=datetime(2025, 12, 1, 8, tzinfo=UTC),
    unsubscribe_url="https://mail.example.com/u/" + "k3Jx_9-" * 12,
    greeting=usual_way.GREETING,
)
UNSIGNED, OURS = "filled, unsigned", "filled, RSA-2048"
BARE, OPENSSL = "bare RSA-2048 signature", "openssl speed rsa2048"


def rates() -> dict[str, float]:
    """Mails, or signatures, per second of CPU time, by program."""
    rsa = dkim.generate(Algorithm.RSA_SHA256, domain="example.com", selector="r")
    ed25519 = dkim.generate(Algorithm.ED25519_SHA256, domain="example.com", selector="e")
    unsigned = compile_skeleton(MAIL)
    signed = compile_skeleton(MAIL, [Signer(rsa)])
    signed_ed25519 = compile_skeleton(MAIL, [Signer(ed25519)])
    digest, pem = hashlib.sha256(b"").digest(), rsa.pem()
    works: dict[str, Callable[[], object]] = {
        UNSIGNED: lambda: bytes(unsigned.fill(PERSON)),
        OURS: lambda: bytes(signed.fill(PERSON)),
        "filled, Ed25519": lambda: bytes(signed_ed25519.fill(PERSON)),
        "EmailMessage": lambda: usual_way.message(1),
        "EmailMessage + dkimpy": lambda: usual_way.signed(usual_way.message(1), pem),
        BARE: lambda: Signer(rsa).sign(digest),
    }
    return {name: _rate(work) for name, work in works.items()} | {OPENSSL: openssl_rate()}


def openssl_rate(seconds: int = 1) -> float:
    """RSA-2048 signatures per second on one core, by OpenSSL's own benchmark."""
    said = run([find("openssl", "openssl"), "speed", "-seconds", str(seconds), "rsa2048"]).output
    found = re.search(r"rsa\s+2048 bits\s+\S+\s+\S+\s+([\d.]+)", said)
    assert found is not None, said
    return float(found[1])


def _rate(work: Callable[[], object], seconds: float = 0.25) -> float:
    calls, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        for _ in range(10):
            work()
        calls += 10
    return calls / spent
