"""Time stamps of an authority (RFC 3161): that some octets existed at a time, signed by a third party.

A qualified one is presumed right in the European Union (eIDAS, art. 41). The authority gets a hash and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mailer.errors import ConfigurationError, MailerError, TryAgainLater, reason_of

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_TIMEOUT_SECONDS = 30.0
_LARGEST_ANSWER = 100_000  # bytes
_TRY_AGAIN = "Run `mailer consent anchor` again later, or correct authority_url in [anchors]."


def request_timestamp(url: str, content: bytes, certificates: Path) -> bytes:
    """Let the authority at `url` stamp the SHA-256 of `content`; returns its answer, which was checked (DER).

    `certificates` is as in `check_timestamp`. Raises TryAgainLater where the authority does not answer, MailerError
    where its answer is refused, ConfigurationError for unreadable certificates.
    """
    import httpx  # noqa: PLC0415 - slow to import
    from rfc3161_client import TimestampRequestBuilder  # noqa: PLC0415 - as above

    asked = TimestampRequestBuilder().data(content).nonce(nonce=True).cert_request(cert_request=True).build()
    try:
        status, stamp = _post(url, asked.as_bytes())
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise TryAgainLater(
            f"The time-stamping authority {url} does not answer: {reason_of(error)}.", hint=_TRY_AGAIN
        ) from None
    if status != httpx.codes.OK or len(stamp) > _LARGEST_ANSWER:
        size = f"{len(stamp):,}" if len(stamp) <= _LARGEST_ANSWER else f"more than {_LARGEST_ANSWER:,}"
        raise TryAgainLater(
            f"The time-stamping authority {url} answers {status} with {size} bytes.", hint=_TRY_AGAIN
        )
    check_timestamp(stamp, content, certificates, nonce=asked.nonce)
    return stamp


def _post(url: str, request: bytes) -> tuple[int, bytes]:
    """The status and the body of the answer; of a body that is too large, a part that is too large as well."""
    import httpx  # noqa: PLC0415 - slow to import

    headers = {
        "Content-Type": "application/timestamp-query",
        "Accept": "application/timestamp-reply",
        "Accept-Encoding": "identity",
    }
    body = bytearray()
    with httpx.stream(
        "POST", url, content=request, headers=headers, timeout=_TIMEOUT_SECONDS, follow_redirects=False
    ) as answer:
        for part in answer.iter_raw():
            body += part
            if len(body) > _LARGEST_ANSWER:
                break
    return answer.status_code, bytes(body)


def read_certificates(path: Path) -> Sequence[Certificate]:
    """The certificates in a PEM file. Raises ConfigurationError where it can't be read, or has no root certificate."""
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415 - slow to import

    try:
        known = load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"The certificates of the time-stamping authority in {path} can't be read: {reason_of(error)}.",
            hint="authority_certificates in [anchors] names a PEM file with the authority's root certificate.",
        ) from None
    if not any(each.issuer == each.subject for each in known):
        raise ConfigurationError(
            f"{path} holds no root certificate.",
            hint="A root certificate names itself as its issuer; add it to the file.",
        )
    return known


def check_timestamp(
    response: bytes, content: bytes, certificates: Path, *, nonce: int | None = None
) -> datetime:
    """When the authority stamped `content`, by its `response` (DER).

    `certificates` is a PEM file with the authority's root certificates, and others between. Raises MailerError where
    the stamp is of other octets, or no root of these leads to it, ConfigurationError for unreadable certificates.
    """
    from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response  # noqa: PLC0415

    known = read_certificates(certificates)
    roots = [each for each in known if each.issuer == each.subject]
    verifier = VerifierBuilder(
        roots=roots, intermediates=[each for each in known if each not in roots], nonce=nonce
    ).build()
    try:
        decoded = decode_timestamp_response(response)
        verifier.verify_message(decoded, content)
    except (VerificationError, ValueError) as error:
        raise MailerError(f"The time stamp is not valid: {error}.") from None
    return decoded.tst_info.gen_time
