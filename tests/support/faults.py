"""The faults of a test relay: where, how, and with which replies."""

from __future__ import annotations

from enum import StrEnum


class Point(StrEnum):
    """Where a relay fails: in its reply to this command, or (CONTENT) before all content has arrived."""

    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    FINAL = "final"
    BDAT = "bdat"
    QUIT = "quit"


class Fault(StrEnum):
    """How it fails, once for each connection and point."""

    HANG_UP = "hang_up"
    STALL = "stall"
    CLOSING = "closing"  # 421, and the connection is closed
    LATER = "later"  # 4yz
    REFUSE = "refuse"  # 5yz
    GARBAGE = "garbage"
    SPLIT = "split"  # a reply of several lines, in pieces
    SEVERAL = "several"  # the reply twice
    EARLY = "early"  # the reply before the command, and once more after it
    LONG_LINE = "long_line"
    DRIP = "drip"  # one byte at a time, too slowly


NOT_TAKEN = frozenset({Fault.CLOSING, Fault.LATER, Fault.REFUSE})

GOOD = {
    Point.GREETING: b"220 relay.test ESMTP\r\n",
    Point.STARTTLS: b"220 2.0.0 Ready to start TLS\r\n",
    Point.AUTH: b"235 2.7.0 Authentication successful\r\n",
    Point.MAIL: b"250 2.1.0 Ok\r\n",
    Point.RCPT: b"250 2.1.5 Ok\r\n",
    Point.DATA: b"354 End data with <CR><LF>.<CR><LF>\r\n",
    Point.FINAL: b"250 2.0.0 Ok: queued as 1A2B3C\r\n",
    Point.BDAT: b"250 2.0.0 Ok: queued as 1A2B3C\r\n",
    Point.QUIT: b"221 2.0.0 Bye\r\n",
}
LATER = {
    Point.EHLO: b"450 4.3.2 Try again later\r\n",
    Point.STARTTLS: b"454 4.7.0 TLS not available\r\n",
    Point.AUTH: b"454 4.7.0 Temporary authentication failure\r\n",
    Point.RCPT: b"450 4.2.0 <%s>: Greylisted, %s, come back later\r\n",
}
REFUSED = {
    Point.AUTH: b"535 5.7.8 Authentication credentials invalid\r\n",
    Point.MAIL: b"550 5.1.8 Sender address rejected\r\n",
    Point.RCPT: b"550 5.1.1 <%s>: User %s unknown\r\n",
}


def worded(fault: Fault | None, point: Point, good: bytes, address: bytes) -> bytes:
    """The reply of a fault that is in its text. Refusals name the recipient, as real relays do."""
    match fault:
        case Fault.LATER:
            reply = LATER.get(point, b"451 4.3.0 Try again later\r\n")
        case Fault.REFUSE:
            reply = REFUSED.get(point, b"554 5.6.0 Transaction failed\r\n")
        case Fault.GARBAGE:
            return b"\x16\x03\x01 what is this\r\n"
        case Fault.SEVERAL:
            return good * 2
        case Fault.LONG_LINE:
            return good[:4] + b"x" * 10_000 + b"\r\n"
        case _:
            return good
    return reply.replace(b"%s", address, 1).replace(b"%s", address.partition(b"@")[0])
