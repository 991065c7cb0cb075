"""One request to a token endpoint, over HTTPS."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException

from mailer.config import OAuth2Settings

TIMEOUT = 20.0  # seconds for the endpoint to answer
MAX_ANSWER_BYTES = 1 << 20


def post(settings: OAuth2Settings, fields: Mapping[str, str]) -> tuple[int, bytes]:
    """The status and the body of the endpoint's answer. Redirects are not followed: they would send the secrets elsewhere.

    Raises OSError where the request fails, such as an ssl.SSLCertVerificationError.
    """
    tls = ssl.create_default_context(cafile=settings.ca_file)
    opener = urllib.request.OpenerDirector()  # it has no handlers for redirects and error statuses
    for handler in (urllib.request.ProxyHandler(), urllib.request.HTTPSHandler(context=tls)):
        opener.add_handler(handler)
    request = urllib.request.Request(  # noqa: S310 - the settings take https:// only
        settings.token_url,
        data=urllib.parse.urlencode(fields).encode(),
        headers={"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"},
    )
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            return answer.status, answer.read(MAX_ANSWER_BYTES)
    except urllib.error.URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else OSError(str(error.reason)) from None
    except HTTPException as error:
        raise OSError(f"its answer can't be read ({type(error).__name__})") from None
