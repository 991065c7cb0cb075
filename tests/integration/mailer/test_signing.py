"""The process that signs mails: the same signatures, its keys in no other process, its end and that of its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mailer.config import DkimSettings, dkim_keys
from mailer.errors import ConfigurationError, TryAgainLater
from mailer.message import Content, Mailbox, dkim
from mailer.message.dkim import Algorithm, DkimKey
from mailer.message.signature import UnsignedField
from mailer.message.skeleton import compile_skeleton
from mailer.signing import SigningProcess
from tests.support.installed import ROOT
from tests.support.mails import MAIL, PERSON
from tests.support.waiting import until

RSA = dkim.generate(Algorithm.RSA_SHA256, domain="example.org", selector="r2026")
ED25519 = dkim.generate(Algorithm.ED25519_SHA256, domain="example.org", selector="e2026")


@pytest.fixture
def settings(tmp_path: Path) -> DkimSettings:
    """Settings with both kinds of keys."""
    dkim_keys.write(RSA, tmp_path / "rsa.pem")
    dkim_keys.write(ED25519, tmp_path / "ed25519.pem")
    return DkimSettings(
        domain="example.org",
        selector=RSA.selector,
        key_file=tmp_path / "rsa.pem",
        ed25519_selector=ED25519.selector,
        ed25519_key_file=tmp_path / "ed25519.pem",
    )


@pytest.fixture
def signing(settings: DkimSettings) -> Iterator[SigningProcess]:
    with SigningProcess(settings) as process:
        yield process


def mails(process: SigningProcess, number: int) -> list[Content]:
    skeleton = compile_skeleton(MAIL, external_keys=process.keys)
    people = [PERSON._replace(to=Mailbox("A", f"person{one}@example.com")) for one in range(number)]
    return [skeleton.fill(person) for person in people]


async def sign(process: SigningProcess, contents: Sequence[Content]) -> list[Content]:
    """The messages with their signatures, in the same order."""
    signed: dict[int, Content] = {}
    await process.sign(contents, signed.__setitem__)
    return [signed[position] for position in range(len(contents))]


def is_verified(raw: bytes, key: DkimKey, number: int) -> bool:
    """dkimpy's verdict on one signature of a mail."""

    def lookup(name: bytes, timeout: int = 5) -> bytes:
        assert timeout
        return dkim.dns_record(key).text.encode() if name.decode().startswith(key.selector) else b""

    return bool(dkimpy.DKIM(raw).verify(number, dnsfunc=lookup))


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that has and is nobody's child yet is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_it_signs_what_the_keys_would_sign_here(signing: SigningProcess) -> None:
    unsigned = mails(signing, 3)
    signed = await sign(signing, unsigned)
    here = [dkim.Signer(RSA), dkim.Signer(ED25519)]
    for one, done in zip(unsigned, signed, strict=True):
        by_hand = [signer.sign(field.digest) for signer, field in zip(here, one.unsigned, strict=True)]
        assert bytes(done) == bytes(one.signed(by_hand))  # both algorithms are deterministic
        assert (done.size, done.unsigned) == (len(bytes(done)), ())
        assert is_verified(bytes(done), RSA, 0)
        assert is_verified(bytes(done), ED25519, 1)


async def test_batches_at_the_same_time_get_their_own_signatures(signing: SigningProcess) -> None:
    batches = [mails(signing, number) for number in (1, 7, 2, 30)]
    answers = await asyncio.gather(*(sign(signing, batch) for batch in batches))
    for batch, answer in zip(batches, answers, strict=True):
        for one, done in zip(batch, answer, strict=True):
            signature = dkim.Signer(RSA).sign(one.unsigned[0].digest)
            assert one.unsigned[0].signed(signature) in bytes(done)


async def test_without_keys_there_is_no_process_and_mails_stay_unsigned() -> None:
    with SigningProcess(DkimSettings()) as signing:
        assert signing.pid is None
        assert await sign(signing, mails(signing, 1)) == mails(signing, 1)
        assert b"DKIM-Signature" not in bytes(mails(signing, 1)[0])


async def test_its_death_is_a_clear_error_and_stays_one(signing: SigningProcess) -> None:
    assert signing.pid is not None
    (first,) = await sign(signing, mails(signing, 1))
    assert is_verified(bytes(first), RSA, 0)
    os.kill(signing.pid, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(TryAgainLater, match=r"has ended \(signal 9\).\nNothing is lost"):
            await sign(signing, mails(signing, 1))


async def test_a_process_that_does_not_answer_is_a_clear_error_and_is_ended(
    signing: SigningProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.signing._ANSWER_SECONDS", 0.05)
    assert signing.pid is not None
    os.kill(signing.pid, signal.SIGSTOP)
    with pytest.raises(TryAgainLater, match=r"does not answer.\nNothing is lost"):
        await sign(signing, mails(signing, 1))
    with pytest.raises(TryAgainLater, match="has ended"):
        await sign(signing, mails(signing, 1))


async def test_more_signatures_than_a_socket_holds_are_made_in_batches(settings: DkimSettings) -> None:
    """Nobody reads signatures while digests are written: both sides would wait for each other."""
    short = settings.replace(selector=None, key_file=None)
    mail = Content((b"a\r\n",), 3, unsigned=(UnsignedField(bytes(32), b"x"),))
    with SigningProcess(short) as signing:
        signing._channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        assert len({bytes(one) for one in await sign(signing, [mail] * 4000)}) == 1


async def test_after_a_cancelled_batch_no_mail_gets_the_signature_of_another(signing: SigningProcess) -> None:
    begun = asyncio.create_task(sign(signing, mails(signing, 50)))
    while not signing.is_busy:  # noqa: ASYNC110 - it says so to nobody
        await asyncio.sleep(0)
    begun.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begun
    assert not signing.is_busy
    for one in await sign(signing, mails(signing, 3)):
        assert is_verified(bytes(one), RSA, 0)


async def test_an_error_about_one_signed_mail_reaches_who_asked_and_the_process_goes_on(
    signing: SigningProcess,
) -> None:
    def refuse(position: int, _content: Content) -> None:
        if position == 1:
            raise RuntimeError("not this one")

    with pytest.raises(RuntimeError, match="not this one"):
        await signing.sign(mails(signing, 3), refuse)
    (signed,) = await sign(signing, mails(signing, 1))
    assert is_verified(bytes(signed), RSA, 0)


async def test_each_processor_but_one_has_a_thread_that_signs(signing: SigningProcess) -> None:
    await sign(signing, mails(signing, 1))
    threads = Path(f"/proc/{signing.pid}/task")
    expected = max(1, len(os.sched_getaffinity(0)) - 1)
    until(lambda: len(list(threads.iterdir())) == expected, "the threads that sign")


def test_a_key_that_is_missing_or_invalid_is_named_as_before(settings: DkimSettings) -> None:
    assert settings.key_file is not None
    settings.key_file.write_text("no key")
    with pytest.raises(ConfigurationError, match="is not an unencrypted private key in PEM"):
        SigningProcess(settings)
    settings.key_file.unlink()
    with pytest.raises(ConfigurationError, match="can't be read"):
        SigningProcess(settings)


def test_signals_that_end_the_sender_in_order_do_not_end_it(signing: SigningProcess) -> None:
    assert signing.pid is not None
    assert os.getpgid(signing.pid) != os.getpgid(0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(signing.pid, number)
    (signed,) = asyncio.run(sign(signing, mails(signing, 1)))
    assert is_verified(bytes(signed), RSA, 0)


SENDER = """
import sys
from pathlib import Path
from mailer.config import DkimSettings
from mailer.signing import SigningProcess
domain, selector, path = sys.argv[1:]
signing = SigningProcess(DkimSettings(domain=domain, selector=selector, key_file=Path(path)))
print(signing.pid, flush=True)
sys.stdin.read()
"""


def test_the_key_is_in_its_memory_alone_and_it_dies_with_its_parent(tmp_path: Path) -> None:
    dkim_keys.write(RSA, tmp_path / "rsa.pem")
    command = [sys.executable, "-c", SENDER, RSA.domain, RSA.selector, str(tmp_path / "rsa.pem")]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as sender:
        assert sender.stdout is not None
        pid = int(sender.stdout.readline())
        assert holds_key(pid), "the search finds what is there"
        assert not holds_key(sender.pid)
        assert b"MAILER_" not in Path(f"/proc/{pid}/environ").read_bytes()
        sender.kill()
    until(lambda: is_gone(pid), "the end of the process that signs")


def holds_key(pid: int) -> bool:
    """Whether a process's memory has a prime of the key, in either order of its octets, or a line of its file."""
    assert isinstance(RSA.private_key, RSAPrivateKey)
    prime = RSA.private_key.private_numbers().p
    needles = [
        prime.to_bytes(128, "big"),
        prime.to_bytes(128, "little"),
        RSA.pem().splitlines()[5],
    ]
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            where, rights, *_ = line.split()
            if not rights.startswith("rw"):
                continue
            start, end = (int(part, 16) for part in where.split("-"))
            memory.seek(start)
            try:
                found = memory.read(end - start)
            except OSError:  # the kernel's own pages
                continue
            if any(needle in found for needle in needles):
                return True
    return False
