"""The privacy notice (GDPR art. 13, 14), from the settings in force, and its versions.

Each version is kept as it was shown. A changed setting or text makes a new one when the web application starts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, insert, select

from mailer.config import Settings
from mailer.config.processors import data_hosts, uncovered
from mailer.database import lock_table
from mailer.errors import NotFound
from subscribers.rights.register import categories, contact, outside_eea, processors, retention
from subscribers.tables import NOTICE
from templates.document import Document, Item, Section
from templates.language import LOCALES, Locale, load_texts


@dataclass(frozen=True, slots=True)
class NoticeVersion:
    """A version of the notice. `until` is when the next one came into force; None for the one in force."""

    version: int
    since: datetime
    until: datetime | None
    documents: dict[Locale, Document]


def privacy_notice(settings: Settings, locale: Locale) -> Document:
    """What these settings say to the people: who uses which data, why, how long, and what they can ask."""
    texts, privacy = load_texts(locale, settings.form_of_address)["notice"], settings.privacy
    hours = round(privacy.tell_controllers_within.total_seconds() / 3600)
    return Document(
        texts["title"].format(name=settings.brand.name),
        (
            Section(
                texts["who"], (texts["who_body"].format(name=settings.brand.name),), _who(settings, locale)
            ),
            Section(texts["why"], (texts["why_body"], texts["why_proof"], texts["why_free"])),
            Section(
                texts["data"],
                (texts["data_body"], texts["no_special"], texts["data_list"]),
                categories(locale),
            ),
            _who_gets_them(settings, locale),
            Section(texts["how_long"], items=retention(settings, locale)),
            Section(texts["cookies"], (texts["cookies_body"],)),
            Section(
                texts["rights"],
                (
                    texts["rights_body"],
                    texts["withdraw"],
                    texts["complain"].format(authority=privacy.authority),
                ),
            ),
            Section(texts["breach"], (texts["breach_body"].format(hours=hours),)),
        ),
    )


def _who(settings: Settings, locale: Locale) -> tuple[Item, ...]:
    texts = load_texts(locale, settings.form_of_address)["notice"]
    brand, privacy = settings.brand, settings.privacy
    return (
        *((Item(texts["address"], brand.postal_address),) if brand.postal_address else ()),
        *(Item(texts["controller"], f"{each.name}, {each.email}") for each in privacy.controllers),
        Item(texts["contact"], contact(settings) or texts["no_contact"]),
    )


def _who_gets_them(settings: Settings, locale: Locale) -> Section:
    """Where the settings do not name who owns each host, nothing is said of other companies and countries."""
    texts = load_texts(locale, settings.form_of_address)["notice"]
    if uncovered(settings, data_hosts(settings)):
        return Section(texts["who_gets"], (texts["not_sold"], texts["ask_us"]), processors(settings, locale))
    named = texts["processors"] if settings.privacy.processors else texts["no_processors"]
    where = texts["outside"] if outside_eea(settings) else texts["inside"]
    return Section(texts["who_gets"], (texts["not_sold"], where, named), processors(settings, locale))


def publish(connection: Connection, settings: Settings, now: datetime) -> int:
    """Keep the notice that these settings make as a new version, unless it is the newest; returns its number.

    Needs a writing transaction.
    """
    documents = {locale: privacy_notice(settings, locale).values() for locale in LOCALES}
    content = json.dumps(documents, ensure_ascii=False, sort_keys=True)
    content_hash = sha256(content.encode()).hexdigest()
    lock_table(connection, NOTICE)
    newest = select(NOTICE.c.version, NOTICE.c.content_hash).order_by(NOTICE.c.version.desc()).limit(1)
    found = connection.execute(newest).first()
    if found is not None and found.content_hash == content_hash:
        return int(found.version)
    version = found.version + 1 if found is not None else 1
    row = {"version": version, "content": content, "content_hash": content_hash, "in_force_since": now}
    connection.execute(insert(NOTICE), row)
    return int(version)


def versions(connection: Connection) -> list[tuple[int, datetime]]:
    """The number of each version and when it came into force, the newest first."""
    rows = connection.execute(
        select(NOTICE.c.version, NOTICE.c.in_force_since).order_by(NOTICE.c.version.desc())
    )
    return [(row.version, row.in_force_since) for row in rows]


def find_version(connection: Connection, version: int | None = None) -> NoticeVersion:
    """A version of the notice; None means the one in force. Raises NotFound where there is none."""
    known = versions(connection)
    numbers = [number for number, _ in known]
    if version is None and numbers:
        version = numbers[0]
    if version not in numbers:
        raise NotFound(
            "There is no such version of the privacy notice.",
            hint=f"The newest is {numbers[0]}."
            if numbers
            else "`mailer serve` makes the first when it starts.",
        )
    place = numbers.index(version)
    content = connection.execute(select(NOTICE.c.content).where(NOTICE.c.version == version)).scalar_one()
    documents = {locale: Document.from_values(values) for locale, values in json.loads(content).items()}
    return NoticeVersion(version, known[place][1], known[place - 1][1] if place else None, documents)
