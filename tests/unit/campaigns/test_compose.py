"""From a campaign and a recipient to an envelope and a mail."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from campaigns.rendering import render_notes
from campaigns.sending.compose import Composer
from mailer.config import Secret, Settings
from mailer.errors import ConfigurationError, Refused, TemplateError
from mailer.message import Mailbox, dkim
from mailer.message.identifiers import ReturnPaths
from subscribers.address import HashedAddress
from subscribers.audience import ConsentedRecipient
from subscribers.commitments import commit_to_subject
from tests.support.campaign import NOTES, SECRET, TOPIC, settings_for
from tests.support.links import INSTALLATION, links_of
from tests.support.settings import settings_of

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ZOE = ConsentedRecipient(
    7,
    3,
    "mevrouw",
    "Zoë",
    "Ångström-Łuczak",
    "zoe@example.org",
    HashedAddress("ab" * 32, "cd" * 8),
    b"",
    commit_to_subject(b"", "zoe@example.org"),
)


def composer(settings: Settings) -> Composer:
    return Composer(5, "notes", TOPIC, render_notes(NOTES, {}, settings), settings, installation=INSTALLATION)


def mail(settings: Settings, recipient: ConsentedRecipient = ZOE) -> EmailMessage:
    return message_from_bytes(bytes(composer(settings).compose(recipient, NOW)[1]), policy=policy.default)


def test_a_mail_carries_the_headers_that_providers_ask_for() -> None:
    message = mail(settings_for(25))
    link = links_of([SECRET.encode()], "https://example.com").url(3, ZOE.address, TOPIC, "en")
    assert message["List-Unsubscribe"] == f"<{link}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Id"].endswith("<release-notes.example.com>")
    assert (message["Auto-Submitted"], message["Precedence"]) == ("auto-generated", "bulk")
    assert message["Feedback-ID"].startswith("notes:release-notes:release-notes:")
    assert message["Date"].datetime == NOW
    assert message["To"] == "Zoë Ångström-Łuczak <zoe@example.org>"


def test_nobody_has_a_mail_at_an_address_that_they_did_not_agree_with() -> None:
    with pytest.raises(Refused, match="of subscriber 3 the address on file is not the one"):
        mail(settings_for(25), ZOE._replace(email="someone-else@example.org"))


def test_a_mail_leads_to_its_page_and_to_the_archive_only_where_they_are_on() -> None:
    listed = {"enabled": True, "topics": (TOPIC,)}
    for archive in (listed, listed | {"topics": ()}, {"enabled": False, "topics": (TOPIC,)}):
        settings = settings_for(25, archive=archive)
        message = mail(settings)
        is_on = bool(archive["enabled"])
        shown = f"<https://example.com/archive/{TOPIC}>" if is_on and archive["topics"] else None
        assert message["List-Archive"] == shown
        for kind in ("plain", "html"):
            part = message.get_body((kind,))
            assert part is not None
            assert ("https://example.com/view/" in part.get_content()) is is_on


def test_all_recipients_have_the_same_link_to_the_page() -> None:
    made = composer(settings_for(25, archive={"enabled": True}))
    found = set()
    for number in (3, 4):
        recipient = ZOE._replace(subscriber_id=number, delivery_id=number)
        message = message_from_bytes(bytes(made.compose(recipient, NOW)[1]), policy=policy.default)
        part = message.get_body(("plain",))
        assert part is not None
        found.add(re.findall(r"https://example\.com/view/\S+", part.get_content())[0])
    assert len(found) == 1


def test_a_mail_that_links_to_its_page_is_not_composed_once_the_pages_are_off() -> None:
    rendered = render_notes(NOTES, {}, settings_for(25, archive={"enabled": True}))
    with pytest.raises(TemplateError, match="links to its page"):
        Composer(5, "notes", TOPIC, rendered, settings_for(25), installation=INSTALLATION)


def test_a_sender_with_a_domain_beyond_ascii_has_an_envelope_all_the_same() -> None:
    """SMTP commands are ASCII; the domain goes in its IDNA form, there as in the header."""
    settings = settings_for(25).replace(sender=Mailbox.parse("Acme <news@bücher.example>"))
    envelope, content = composer(settings).compose(ZOE, NOW)
    assert envelope.sender == "news@xn--bcher-kva.example"
    assert b"<news@xn--bcher-kva.example>" in bytes(content)
    bounced = settings_for(25, return_path="bounces@bücher.example")
    assert composer(bounced).compose(ZOE, NOW)[0].sender.endswith("@xn--bcher-kva.example")


def test_the_same_delivery_has_the_same_message_id_which_names_nobody() -> None:
    first, second = mail(settings_for(25)), mail(settings_for(25))
    assert first["Message-ID"] == second["Message-ID"]
    assert "zoe" not in first["Message-ID"]


def test_the_greeting_is_in_the_language_of_the_notes() -> None:
    text = mail(settings_for(25)).get_body(("plain",))
    assert text is not None
    assert "Dear Ms Ångström-Łuczak," in text.get_content()


def test_a_return_path_of_its_own_names_the_delivery_and_is_signed() -> None:
    envelope, _ = composer(settings_for(25, return_path="bounces@example.com")).compose(ZOE, NOW)
    assert ReturnPaths([SECRET.encode()], "bounces@example.com").delivery_of(envelope.sender) == 7


def test_after_a_rotation_the_newest_key_signs_and_the_older_still_matches() -> None:
    def sender(*keys: str) -> str:
        settings = settings_for(25, return_path="bounces@example.com")
        rotated = settings.replace(secret_keys=tuple(map(Secret, keys)))
        return composer(rotated).compose(ZOE, NOW)[0].sender

    before, after = sender("o" * 32), sender("o" * 32, "n" * 32)
    assert before != after == sender("n" * 32)
    assert ReturnPaths([b"o" * 32, b"n" * 32], "bounces@example.com").delivery_of(before) == 7


def test_without_one_the_sender_gets_the_bounces() -> None:
    envelope, _ = composer(settings_for(25)).compose(ZOE, NOW)
    assert (envelope.sender, envelope.recipient) == ("notes@example.com", "zoe@example.org")


def test_configured_keys_sign_each_mail(tmp_path: Path) -> None:
    key = dkim.generate(dkim.Algorithm.RSA_SHA256, domain="example.com", selector="s1")
    (tmp_path / "dkim.pem").write_bytes(key.pem())
    values = {"domain": "example.com", "selector": "s1", "key_file": tmp_path / "dkim.pem"}
    message = mail(settings_for(25, dkim=values))
    assert "d=example.com" in message["DKIM-Signature"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"dkim": {"selector": "s1"}}, "no domain and no key_file"),
        ({"dkim": {"domain": "example.com", "selector": "s1", "key_file": "gone.pem"}}, "can't be read"),
        ({"brand": {"website": "javascript:alert(1)"}}, "website"),
    ],
)
def test_settings_that_do_not_do_are_named(values: dict[str, Any], reason: str) -> None:
    settings = settings_of(**{"secret_keys": SECRET, "sender": "a@example.com", **values})
    with pytest.raises(ConfigurationError, match=reason):
        composer(settings)
