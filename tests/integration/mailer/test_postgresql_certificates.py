"""PostgreSQL over TLS: a certificate that does not fit ends the command with 1 and what the driver says of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from socket import create_server

import pytest

from mailer.database import Database
from mailer.errors import ConfigurationError
from tests.support.certificates import loopback_certificates

PASSWORD = "Geheim-77-password"
SSL_REQUEST_BYTES = 8


@contextmanager
def tls_server() -> Iterator[int]:
    """Answers PostgreSQL's request for TLS (protocol, section "SSL Session Encryption") and shakes hands."""
    with closing(create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            context = loopback_certificates().server_context()
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with suppress(OSError), connection:
                        connection.recv(SSL_REQUEST_BYTES)
                        connection.sendall(b"S")
                        with context.wrap_socket(connection, server_side=True) as encrypted:
                            encrypted.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("host", "options", "reason"),
    [
        ("db.example", "sslmode=verify-full&hostaddr=127.0.0.1&sslrootcert={ca}", "does not match host name"),
        ("localhost", "sslmode=verify-full&hostaddr=127.0.0.1&sslrootcert={missing}", "does not exist"),
        (
            "localhost",
            "sslmode=verify-full&hostaddr=127.0.0.1&sslrootcert=system",
            "certificate verify failed",
        ),
    ],
    ids=["wrong name", "missing file", "unknown authority"],
)
def test_a_certificate_that_does_not_fit_is_a_configuration_error_with_the_reason(
    tmp_path: Path, host: str, options: str, reason: str
) -> None:
    named = options.format(ca=loopback_certificates().ca_file, missing=tmp_path / "none.pem")
    with tls_server() as port:
        database = Database(f"postgresql://mailer:{PASSWORD}@{host}:{port}/mailer?{named}")
        with pytest.raises(ConfigurationError) as caught:
            database.require_current()
        database.close()
    assert caught.value.exit_code == 1
    assert reason in caught.value.message
    assert PASSWORD not in str(caught.value)
