"""How fast a mail becomes bytes, unsigned and signed, beside the usual way and beside the bare signature.

    python benchmarks/message.py [--rounds N] [--json]

All contestants take turns in each round, so that a busy machine slows them alike; medians count.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address as StandardAddress
from email.message import EmailMessage

import dkim as dkimpy

from mailer import dkim
from mailer.dkim import Algorithm, Signer
from mailer.message import Address, CampaignMail, Personal, compile_skeleton

PARAGRAPH = '<p style="margin:0;color:#1a1a1a">Exports are faster, and keep their columns. See §4.</p>\n'
MAIL = CampaignMail(
    sender=Address("Acme", "news@example.org"),
    subject="Acme 2.4.0: faster exports",
    html=f'<p>__slot_greeting__,</p>\n{PARAGRAPH * 92}<a href="__slot_unsubscribe_url__">Unsubscribe</a>\n',
    text="__slot_greeting__,\n\n"
    + "Exports are faster.\n" * 100
    + "\nUnsubscribe: __slot_unsubscribe_url__\n",
    list_id="release-notes.example.org",
    feedback_id="notes-240:release-notes:campaign:acmenews",
    language="en",
    boundary_seed="benchmark",
)
PERSON = Personal(
    to=Address("Zoë de Vries", "zoe.de.vries@example.com"),
    message_id="<0123456789abcdef0123456789abcdef01234567@example.org>",
    date=datetime(2025, 12, 1, 8, tzinfo=UTC),
    unsubscribe_url="https://mail.example.org/u/" + "k3Jx_9-" * 12,
    greeting="Dear Ms de Vries",
)


def built_the_usual_way() -> EmailMessage:
    """The same mail with `EmailMessage`."""
    message = EmailMessage(policy=policy.SMTP)
    message["Date"] = PERSON.date
    message["From"] = StandardAddress(MAIL.sender.name, addr_spec=MAIL.sender.email)
    message["To"] = StandardAddress(PERSON.to.name, addr_spec=PERSON.to.email)
    message["Subject"] = MAIL.subject
    message["Message-ID"] = PERSON.message_id
    message["List-Id"] = f"<{MAIL.list_id}>"
    message["List-Unsubscribe"] = f"<{PERSON.unsubscribe_url}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["Auto-Submitted"] = "auto-generated"
    message["Precedence"] = "bulk"
    message["Feedback-ID"] = MAIL.feedback_id
    message["Content-Language"] = MAIL.language
    message.set_content(personal(MAIL.text))
    message.add_alternative(personal(MAIL.html), subtype="html")
    return message


def personal(content: str) -> str:
    return content.replace("__slot_greeting__", PERSON.greeting).replace(
        "__slot_unsubscribe_url__", PERSON.unsubscribe_url
    )


def contestants() -> dict[str, Callable[[], object]]:
    rsa = dkim.generate(Algorithm.RSA_SHA256, domain="example.org", selector="r")
    ed25519 = dkim.generate(Algorithm.ED25519_SHA256, domain="example.org", selector="e")
    unsigned = compile_skeleton(MAIL)
    signed = compile_skeleton(MAIL, [Signer(rsa)])
    signed_ed25519 = compile_skeleton(MAIL, [Signer(ed25519)])
    digest = hashlib.sha256(b"").digest()
    pem = rsa.pem()

    def with_dkimpy() -> bytes:
        raw = built_the_usual_way().as_bytes()
        signature: bytes = dkimpy.sign(raw, b"r", b"example.org", pem, canonicalize=(b"relaxed", b"relaxed"))
        return signature + raw

    return {
        "fill, unsigned": lambda: unsigned.fill(PERSON),
        "fill, RSA-2048": lambda: signed.fill(PERSON),
        "fill, Ed25519": lambda: signed_ed25519.fill(PERSON),
        "EmailMessage": lambda: built_the_usual_way().as_bytes(),
        "EmailMessage + dkimpy": with_dkimpy,
        "bare RSA-2048 signature": lambda: Signer(rsa).sign(digest),
    }


def rate(work: Callable[[], object], seconds: float = 0.25) -> float:
    """Calls a second of CPU time."""
    calls, started = 0, time.process_time()
    while (spent := time.process_time() - started) < seconds:
        for _ in range(10):
            work()
        calls += 10
    return calls / spent


def openssl_rate() -> float | None:
    """Signatures a second by ``openssl speed``, on one core."""
    if shutil.which("openssl") is None:
        return None
    speed = subprocess.run(
        ["openssl", "speed", "-seconds", "1", "rsa2048"], check=True, capture_output=True, text=True
    )
    found = re.search(r"rsa\s+2048 bits\s+\S+\s+\S+\s+([\d.]+)", speed.stdout)
    return float(found[1]) if found else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    works = contestants()
    rounds: list[dict[str, float]] = []
    for _ in range(arguments.rounds):
        figures = {name: rate(work) for name, work in works.items()}
        if (openssl := openssl_rate()) is not None:
            figures["openssl speed rsa2048"] = openssl
        rounds.append(figures)
    rates = {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}
    pairs = [
        ("fill, RSA-2048", "bare RSA-2048 signature"),
        ("fill, RSA-2048", "openssl speed rsa2048"),
        ("fill, unsigned", "EmailMessage"),
        ("fill, RSA-2048", "EmailMessage + dkimpy"),
    ]
    ratios = {
        f"{ours} / {theirs}": statistics.median(figures[ours] / figures[theirs] for figures in rounds)
        for ours, theirs in pairs
        if theirs in rates
    }
    if arguments.json:
        print(json.dumps({"rates": rates, "ratios": ratios}))
        return
    size = len(compile_skeleton(MAIL).fill(PERSON))
    print(f"a mail of {size:,} bytes, {arguments.rounds} rounds, medians")
    for name, value in rates.items():
        print(f"{name:<46}{value:>12,.0f} /s")
    for name, value in ratios.items():
        print(f"{name:<46}{value:>12.2f}")


if __name__ == "__main__":
    main()
