"""The search for people's data finds them in every encoding that the program writes."""

from __future__ import annotations

import base64
import json
import quopri
from urllib.parse import quote, urlencode

import pytest

from tests.support.personal_data import Sought

EMAIL = "zoë.ångström@example.com"


@pytest.mark.parametrize(
    "content",
    [
        f"<{EMAIL.upper()}>",
        json.dumps({"email": EMAIL}),
        quote(f"/u/{EMAIL}"),
        urlencode({"email": EMAIL}),
        quopri.encodestring(f"Beste {EMAIL}".encode()),
        base64.b64encode(f"a{EMAIL}b".encode()),
        base64.b64encode(f"ab{EMAIL}".encode()),
        base64.urlsafe_b64encode(f"abc{EMAIL}cd".encode()),
        EMAIL.encode().hex(),
        EMAIL.encode("utf-16-le"),
    ],
)
def test_an_address_is_found(content: str | bytes) -> None:
    assert Sought([EMAIL]).find(content) == [EMAIL]


def test_another_address_is_not_found() -> None:
    assert Sought([EMAIL]).find("jan@example.com " + base64.b64encode(b"jan@example.com").decode()) == []
