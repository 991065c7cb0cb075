"""The record of processing activities (GDPR art. 30), from the settings in force."""

from __future__ import annotations

from msgspec import structs

from mailer.config import Settings
from mailer.config.privacy_settings import Processor
from mailer.loopback import is_loopback
from subscribers.rights.breach import Category
from templates.document import Document, Item, Section
from templates.language import Locale, load_texts
from templates.language.country import country_name, is_in_eea
from templates.language.period import period_text

# The measure for each number of people who must approve a mail.
_APPROVAL = ((), ("approval",), ("approval_by_two",))

KEPT = tuple(category for category in Category if category is not Category.MAIL_CONTENTS)
"""The categories of personal data that are kept."""


def processing_record(settings: Settings, locale: Locale) -> Document:
    """What article 30(1) asks for: who, why, whose and which data, who gets them, where, how long, how they are secured."""
    texts = load_texts(locale)["record"]
    return Document(
        texts["title"],
        (
            Section(texts["who"], items=_responsible(settings, locale)),
            Section(
                texts["purposes"],
                items=tuple(
                    Item("", texts[f"purpose_{purpose}"])
                    for purpose in ("mail", "request", "proof", "opt_out", "accountability")
                ),
            ),
            Section(texts["people"], items=(Item("", texts["subscribers"]), Item("", texts["team"]))),
            Section(texts["data"], (texts["no_special"],), categories(locale)),
            Section(
                texts["recipients"],
                (texts["not_sold"], *(() if settings.privacy.processors else (texts["no_processors"],))),
                processors(settings, locale),
            ),
            Section(texts["transfers"], items=_transfers(settings, locale)),
            Section(texts["retention"], items=retention(settings, locale)),
            Section(texts["measures"], items=tuple(Item("", each) for each in _measures(settings, locale))),
        ),
    )


def contact(settings: Settings) -> str | None:
    """Who answers questions about privacy: name and address."""
    person = settings.privacy.contact
    return ", ".join(filter(None, (person.name, person.email))) if person else settings.brand.support_email


def categories(locale: Locale) -> tuple[Item, ...]:
    """The data that are kept."""
    names = load_texts(locale)["data"]
    return tuple(Item("", _capitalised(names[category])) for category in KEPT)


def processors(settings: Settings, locale: Locale) -> tuple[Item, ...]:
    """Who processes data for the controllers, why, and in which country."""
    written = load_texts(locale)["record"]["in_country"]
    return tuple(
        Item(
            each.name,
            written.format(purpose=each.purpose_in(locale), country=country_name(each.country, locale)),
        )
        for each in settings.privacy.processors
    )


def outside_eea(settings: Settings) -> list[Processor]:
    """The processors in countries that are not known to belong to the European Economic Area."""
    return [each for each in settings.privacy.processors if not is_in_eea(each.country)]


def retention(settings: Settings, locale: Locale) -> tuple[Item, ...]:
    """How long each kind of data is kept."""
    names, texts = load_texts(locale)["data"], load_texts(locale)["retention"]
    lengths = {
        name: period_text(period, locale) for name, period in structs.asdict(settings.retention).items()
    }
    periods = {kind: text.format(**lengths) for kind, text in texts.items()}
    fields = Item(_capitalised(f"{names['names']}, {names['addresses']}"), periods["fields"])
    others = (Category.CONSENTS, Category.MAILS, Category.OPT_OUTS, Category.REQUESTS)
    return (fields, *(Item(_capitalised(names[each]), periods[each]) for each in others))


def _responsible(settings: Settings, locale: Locale) -> tuple[Item, ...]:
    texts, brand, privacy = load_texts(locale)["record"], settings.brand, settings.privacy
    named = ", ".join(filter(None, (brand.name, brand.postal_address)))
    return (
        Item(texts["organisation"], named),
        *(Item(texts["controller"], f"{each.name}, {each.email}") for each in privacy.controllers),
        Item(texts["contact"], contact(settings) or texts["no_contact"]),
    )


def _transfers(settings: Settings, locale: Locale) -> tuple[Item, ...]:
    texts = load_texts(locale)["record"]
    found = tuple(
        Item(each.name, texts["transfer"].format(country=country_name(each.country, locale)))
        for each in outside_eea(settings)
    )
    return found or (Item("", texts["no_transfers"]),)


def _measures(settings: Settings, locale: Locale) -> list[str]:
    """The technical measures that these settings put in force."""
    signed = "ledger" if settings.ledger_key_file.exists() else "ledger_unsigned"
    names = ["fields", "gate", signed, "secrets", "opt_outs", "logs", "tracking"]
    names += _APPROVAL[settings.require_approval]
    names += ["https"] if settings.public_url.startswith("https:") else []
    names += ["dkim"] if settings.dkim.key_file or settings.dkim.ed25519_key_file else []
    texts = load_texts(locale)["record"]
    written = [texts[f"measure_{name}"] for name in names]
    for relay in settings.every_relay.values():
        if relay.security != "none":
            written.append(texts["measure_tls"].format(host=relay.host))
        elif is_loopback(relay.host):
            written.append(texts["measure_local"])
        else:
            written.append(texts["measure_plain"].format(host=relay.host))
    return list(dict.fromkeys(written))


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
