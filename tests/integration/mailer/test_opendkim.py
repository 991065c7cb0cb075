"""OpenDKIM, the library that most Unix relays verify with, accepts our signatures and no altered message.

It is called through its C interface (libopendkim's ``dkim.h``): `opendkim-testmsg` can only look keys up in
the real DNS, the library underneath it reads them from a file as well.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable
from pathlib import Path

import pytest

from mailer.message import dkim
from mailer.message.dkim import Algorithm, DkimKey, Signer
from mailer.message.skeleton import compile_skeleton
from tests.support.mails import LOGO, MAIL, PERSON

LIBRARY = ctypes.util.find_library("opendkim")
SET_OPTION, QUERY_METHOD, QUERY_INFO, QUERY_FILE = 1, 6, 7, 1
OK, BAD_SIGNATURE = 0, 1

RSA = dkim.generate(Algorithm.RSA_SHA256, domain="example.org", selector="r2026")
ED25519 = dkim.generate(Algorithm.ED25519_SHA256, domain="example.org", selector="e2026")

pytestmark = pytest.mark.skipif(
    LIBRARY is None, reason="libopendkim is not installed (Debian: apt install opendkim-tools)"
)


@pytest.fixture
def verify(tmp_path: Path) -> Callable[[bytes], int]:
    """OpenDKIM's status for a message, with our public keys in its file of keys."""
    keys = tmp_path / "keys"
    keys.write_text("".join(f"{key.dns_name} {dkim.dns_record(key).text}\n" for key in (RSA, ED25519)))
    library = ctypes.CDLL(LIBRARY)
    library.dkim_init.restype = library.dkim_verify.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(library.dkim_init(None, None))
    method = ctypes.c_int(QUERY_FILE)
    path = ctypes.create_string_buffer(bytes(keys))
    for option, value in ((QUERY_METHOD, method), (QUERY_INFO, path)):
        size = ctypes.c_size_t(ctypes.sizeof(value))
        assert library.dkim_options(handle, SET_OPTION, option, ctypes.byref(value), size) == OK

    def status(raw: bytes) -> int:
        message = ctypes.c_void_p(library.dkim_verify(handle, b"test", None, ctypes.byref(ctypes.c_int())))
        assert library.dkim_chunk(message, raw, ctypes.c_size_t(len(raw))) == OK
        assert library.dkim_chunk(message, None, ctypes.c_size_t(0)) == OK
        verdict = library.dkim_eom(message, None)
        library.dkim_free(message)
        return int(verdict)

    return status


@pytest.mark.parametrize("keys", [[RSA], [ED25519], [RSA, ED25519]], ids=["rsa", "ed25519", "both"])
def test_opendkim_verifies_what_we_sign(verify: Callable[[bytes], int], keys: list[DkimKey]):
    mail = MAIL._replace(images=(LOGO,), text=f".dot\n  two  spaces \n\n{MAIL.text}")
    raw = bytes(compile_skeleton(mail, [Signer(key) for key in keys]).fill(PERSON))
    assert verify(raw) == OK
    assert verify(b"Received: from a by b;\r\n\tMon, 1 Dec 2025 08:00:01 +0000\r\n" + raw + b"\r\n\r\n") == OK
    assert verify(raw.replace(b"Subject: ", b"Subject:\r\n\t  ")) == OK


@pytest.mark.parametrize("key", [RSA, ED25519], ids=["rsa", "ed25519"])
def test_opendkim_refuses_what_was_altered(verify: Callable[[bytes], int], key: DkimKey):
    raw = bytes(compile_skeleton(MAIL, [Signer(key)]).fill(PERSON))
    assert verify(raw.replace(b"Nieuw.", b"Oud.", 1)) == BAD_SIGNATURE
    assert verify(raw.replace(b"<https://mail.", b"<https://evil.")) == BAD_SIGNATURE
    assert verify(raw.replace(b"List-Unsubscribe-Post:", b"X:")) == BAD_SIGNATURE
