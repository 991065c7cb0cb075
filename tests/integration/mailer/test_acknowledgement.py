"""Relays that hold a reply back until the one before it is acknowledged (Nagle's algorithm) keep nobody waiting."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mailer.message import Content
from mailer.smtp import Accepted, Envelope
from mailer.smtp.handshake import acknowledger
from tests.support.certificates import loopback_certificates
from tests.support.loopback import in_clear, opened

CONTENT = Content.of(b"Subject: Release 2.4\r\n\r\nthe end\r\n")
DELAYED = 0.04  # seconds after which Linux acknowledges by itself
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has TCP_QUICKACK")


@contextmanager
def one_reply_at_a_time(*, tls: bool) -> Iterator[int]:
    """A relay that writes each reply by itself, with Nagle's algorithm as a socket has it by default."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        sock, _ = listener.accept()
        if tls:
            sock = loopback_certificates().server_context().wrap_socket(sock, server_side=True)
        with sock, sock.makefile("rb") as reading:
            sock.sendall(b"220 relay.test ESMTP\r\n")
            for line in reading:
                verb = line.split()[0].upper()
                if verb == b"EHLO":
                    sock.sendall(b"250-relay.test\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
                elif verb == b"BDAT":
                    reading.read(int(line.split()[1]))
                    sock.sendall(b"250 2.0.0 Ok: queued\r\n")
                else:
                    sock.sendall(b"250 2.1.0 Ok\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.close()
    thread.join(10)


@linux
@pytest.mark.parametrize("tls", [False, True], ids=["in clear", "TLS"])
async def test_three_replies_to_a_group_do_not_wait_for_delayed_acknowledgements(tls: bool) -> None:
    ca_file = loopback_certificates().ca_file if tls else None
    with one_reply_at_a_time(tls=tls) as port:
        connection = await opened(
            in_clear(port, security="tls" if tls else "none", ca_file=ca_file, host="localhost")
        )
        seconds = []
        for _ in range(21):
            began = time.monotonic()
            outcome = await connection.send(Envelope("news@example.com", "ann@example.org"), CONTENT)
            assert isinstance(outcome, Accepted)
            seconds.append(time.monotonic() - began)
        await connection.close()
    # The kernel acknowledges the first segments of a connection at once by itself. Of the later sends a slow machine may
    # delay most, and never all.
    assert sorted(seconds[9:])[3] < DELAYED


def test_a_socket_that_is_closed_is_left_alone() -> None:
    one, other = socket.socketpair()
    acknowledge = acknowledger(one)
    one.close()
    other.close()
    acknowledge()
