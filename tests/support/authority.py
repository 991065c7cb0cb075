"""A time-stamping authority (RFC 3161) on loopback: openssl's, behind a small HTTP server."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support.certificates import certificate_builder

_CONFIG = """
[tsa]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
"""


@dataclass
class Authority:
    """A running authority. `status` is what it answers with, and `answer` where it is no stamp; `asked` counts the requests."""

    url: str
    certificates: Path
    status: int = 200
    answer: bytes | None = None
    asked: list[bytes] = field(default_factory=list)


@contextmanager
def running_authority(folder: Path) -> Iterator[Authority]:
    """An authority with a root certificate of its own in `folder`. Skips where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    _make_certificates(folder)
    (folder / "openssl.cnf").write_text(_CONFIG.format(folder=folder), encoding="ascii")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            authority.asked.append(query)
            answer = authority.answer
            if answer is None:
                answer = _stamped(folder, query) if authority.status == 200 else b""
            self.send_response(authority.status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            with suppress(ConnectionError):  # who asked may hang up on a long answer
                self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        authority = Authority(f"http://127.0.0.1:{server.server_port}/tsa", folder / "root.pem")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield authority
        finally:
            server.shutdown()
            thread.join()


def _stamped(folder: Path, query: bytes) -> bytes:
    (folder / "query.tsq").write_bytes(query)
    command: list[str | Path] = [
        "openssl",
        "ts",
        "-reply",
        "-config",
        folder / "openssl.cnf",
        "-section",
        "tsa",
    ]
    command += [
        "-queryfile",
        folder / "query.tsq",
        "-signer",
        folder / "tsa.pem",
        "-inkey",
        folder / "tsa.key",
    ]
    subprocess.run([*command, "-out", folder / "reply.tsr"], check=True, capture_output=True)
    return (folder / "reply.tsr").read_bytes()


def _make_certificates(folder: Path) -> None:
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example root")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example time stamps")])
    root = (
        certificate_builder(root_name, root_name, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    stamping = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    own = (
        certificate_builder(name, root_name, key.public_key())
        .add_extension(stamping, critical=True)
        .sign(root_key, hashes.SHA256())
    )
    (folder / "root.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    (folder / "tsa.pem").write_bytes(own.public_bytes(serialization.Encoding.PEM))
    (folder / "tsa.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
