"""A campaign's mail and its recipient, and strategies that vary both."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from mailer.message import InlineImage, Mailbox, MailTemplate, RecipientValues, Slot

URL = "https://mail.example.org/u/" + "k3Jx_9-" * 12
LOGO = InlineImage("logo@example.org", "image/png", bytes(range(256)) * 3)
MAIL = MailTemplate(
    sender=Mailbox("Acme: Nieuws", "news@example.org"),
    reply_to=Mailbox("Zoë van Acme", "help@example.org"),
    subject="Versie 2.4.0: sneller, en één ding minder",
    html='<p>__slot_greeting__,</p>\n<p>Nieuw.</p>\n<a href="__slot_unsubscribe_url__">Afmelden</a>\n',
    text="__slot_greeting__,\n\nNieuw.\n\nAfmelden: __slot_unsubscribe_url__\n",
    list_id="release-notes.example.org",
    list_name="Release notes",
    feedback_id="notes-240:release-notes:campaign:acmenews",
    language="nl",
    boundary_seed="notes-240",
    view_url="https://mail.example.org/view/k3Jx_9-.a",
)
PERSON = RecipientValues(
    to=Mailbox("Zoë Ångström-Łuczak", "zoe@example.org"),
    message_id="<0123456789abcdef@example.org>",
    date=datetime(2025, 12, 1, 8, 0, 0, tzinfo=UTC),
    unsubscribe_url=URL,
    greeting="Beste mevrouw Ångström-Łuczak",
)

GREETINGS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=300)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=200)
# hypothesis also tries the constants of the code, and the beginning of a marker would make an unknown slot
NO_MARKERS = TEXT.filter(lambda text: "slot" not in text)
PIECES = st.lists(
    st.one_of(NO_MARKERS, st.sampled_from([slot.marker for slot in Slot]), st.just("\n")), max_size=8
)
CONTENTS = PIECES.map(lambda pieces: "".join(pieces) + Slot.UNSUBSCRIBE_URL.marker)
URLS = st.text("abcXYZ019-_.~/%&=+'", max_size=200).map("https://example.org/u/".__add__)
