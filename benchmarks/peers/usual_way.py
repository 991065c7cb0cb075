"""The usual way in Python: EmailMessage, dkimpy and aiosmtplib, each used as its documentation shows.

`python -m benchmarks.peers.usual_way PORT MESSAGES CONNECTIONS PARAGRAPHS [KEY_FILE]` sends that many mails, signed where
there is a key, and prints one JSON object. No ledger, no consent, no retry: only what the libraries do themselves.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path

import aiosmtplib
import dkim
import uvloop

from benchmarks.peers.timed import Timed
from benchmarks.programs import HOST, PYTHON, run

PARAGRAPH = '<p style="margin:0;color:#1a1a1a">Exports are faster, and keep their columns. See §4.</p>\n'
GREETING = "Dear Ms de Vries"


def send(port: int, messages: int, connections: int, *, paragraphs: int, key: Path | None = None) -> Timed:
    """Send mails with that many paragraphs, in a process of its own."""
    numbers = map(str, (port, messages, connections, paragraphs))
    command = [PYTHON, "-m", "benchmarks.peers.usual_way", *numbers, *([str(key)] if key else [])]
    return Timed.of(run(command), messages)


def message(number: int, paragraphs: int = 92) -> bytes:
    """A mail like a campaign's; with 92 paragraphs it has about 12 KB."""
    url = f"https://mail.example.com/u/{number:080}"
    mail = EmailMessage(policy=policy.SMTP)
    mail["Date"] = datetime.now(UTC)
    mail["From"] = Address("Acme", addr_spec="news@example.com")
    mail["To"] = Address("Zoë de Vries", addr_spec=f"person{number}@example.com")
    mail["Subject"] = "Version 2.4.0"
    mail["Message-ID"] = make_msgid(domain="example.com")
    mail["List-Id"] = "Acme <release-notes.example.com>"
    mail["List-Unsubscribe"] = f"<{url}>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail["Auto-Submitted"] = "auto-generated"
    mail["Precedence"] = "bulk"
    mail["Feedback-ID"] = "2.4.0:release-notes:release-notes:acme"
    mail.set_content(f"{GREETING},\n\n" + "Exports are faster.\n" * 100 + f"\nUnsubscribe: {url}\n")
    mail.add_alternative(
        f'<p>{GREETING},</p>\n{PARAGRAPH * paragraphs}<a href="{url}">Unsubscribe</a>\n', subtype="html"
    )
    return mail.as_bytes()


def signed(mail: bytes, key: bytes) -> bytes:
    """The mail with its signature."""
    signature: bytes = dkim.sign(mail, b"r", b"example.com", key, canonicalize=(b"relaxed", b"relaxed"))
    return signature + mail


async def main(
    port: int, messages: int, connections: int, paragraphs: int, key: bytes | None
) -> dict[str, float]:
    numbers = iter(range(messages))

    async def work() -> None:
        async with aiosmtplib.SMTP(hostname=HOST, port=port, use_tls=False, start_tls=False) as client:
            for number in numbers:
                mail = message(number, paragraphs)
                to_send = signed(mail, key) if key else mail
                await client.sendmail("news@example.com", f"person{number}@example.com", to_send)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(connections)))
    return {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}


if __name__ == "__main__":
    pem = Path(sys.argv[5]).read_bytes() if len(sys.argv) > 5 else None
    port, messages, connections, paragraphs = map(int, sys.argv[1:5])
    print(json.dumps(uvloop.run(main(port, messages, connections, paragraphs, pem))))
