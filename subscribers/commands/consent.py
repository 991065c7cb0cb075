"""Commands of consent: grant, withdraw, history, prove."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from zipfile import ZipFile

import click
from sqlalchemy import Connection

from mailer.backup import HEAD_NAME
from mailer.commands import CommandContext, busy, json_option
from mailer.commands.acts import record_act, record_leaving
from mailer.errors import InvalidInput, Refused
from mailer.new_files import new_file
from mailer.operator_log import PeopleConcerned
from subscribers import ledger, people, rights
from subscribers.address import EmailAddress
from subscribers.commands import reporting
from subscribers.commands.anchoring import anchor
from subscribers.commands.changes import changes
from subscribers.commands.options import (
    address_of,
    dating_suppression,
    email_argument,
    evidence_of,
    hasher_of,
    language_option,
    look_up,
    parse_time,
    source_option,
    topic_option,
    topic_or_default,
    version_option,
    wording_option,
)
from subscribers.commands.sign_up_form import form
from subscribers.commands.verification import sign, verify
from subscribers.commands.wording import wording as wording_group
from subscribers.intake import FORMS, Applicant, Decision, admission
from subscribers.kinds import Channel
from subscribers.ledger import HeadFile, Proof, parse_note
from subscribers.ledger.anchor import read_anchors
from subscribers.ledger.bundle import Bundle, make_bundle
from subscribers.people import Names, Person, parse_name


@click.group()
def consent() -> None:
    """Record, withdraw, show, prove and verify consent.

    \b
    Example:
      mailer consent prove jan@example.com
    """


consent.add_command(wording_group)
consent.add_command(changes)
consent.add_command(anchor)
consent.add_command(form)
consent.add_command(verify)
consent.add_command(sign)


@consent.command()
@email_argument
@click.option("--source", required=True, help="Through what the consent was given; goes into the ledger.")
@wording_option
@click.option("--at", metavar="TIME", help=f"When it was given; now by default. {FORMS}.")
@click.option("--salutation", default="", help="The salutation of someone who is not on file yet.")
@click.option("--first-name", default="", help="The first name of someone who is not on file yet.")
@click.option("--surname", default="", help="The surname of someone who is not on file yet.")
@topic_option
@language_option
@version_option
@json_option
@click.pass_obj
def grant(
    context: CommandContext,
    email: str,
    source: str,
    wording: Path,
    at: str | None,
    salutation: str,
    first_name: str,
    surname: str,
    topic: str | None,
    language: str,
    wording_version: str,
    as_json: bool,
) -> None:
    """Record that a person consented, with the text that was shown. A person who is not on file is added.

    A consent that was given before the person withdrew changes nothing and is an error.

    \b
    Example:
      mailer consent grant jan@example.com --source "by phone" --wording wording.txt --at "2026-05-01 10:00"
    """
    hasher, address = hasher_of(context), address_of(email)
    names = Names(*(parse_name(each) for each in (salutation, first_name, surname)))
    evidence = evidence_of(context, topic, source, wording, language, wording_version, Channel.COMMAND)
    with context.database.write() as connection:
        now = context.now()
        given = parse_time(context, at, "--at", now) if at is not None else now
        applicant = Applicant(0, names, address, hasher.newest(address.key), given)
        [candidate] = admission.admit(connection, [applicant], evidence, hasher, now)
        _record_about(context, connection, address)
    if candidate.decision is Decision.STILL_WITHDRAWN:
        raise Refused(
            "The person took back their consent, or was erased, after this one was given.",
            hint="Only a consent given later counts; say when with --at.",
        )
    granted = candidate.decision is Decision.GRANTED
    text = "Granted." if granted else "A consent as recent is on file already; nothing was changed."
    context.report({"topic": evidence.topic, "changed": granted, "state": "granted"}, text, as_json=as_json)


@consent.command()
@email_argument
@source_option
@topic_option
@json_option
@click.pass_obj
def withdraw(context: CommandContext, email: str, source: str, topic: str | None, as_json: bool) -> None:
    """Withdraw a person's consent. It takes effect at once, also in a campaign that is being sent.

    \b
    Example:
      mailer consent withdraw jan@example.com --source "asked by phone"
    """
    about, address = topic_or_default(context, topic), address_of(email)
    with dating_suppression(context, address), context.database.write() as connection:
        changed = rights.withdraw(
            connection,
            address,
            about,
            hasher=hasher_of(context),
            source=parse_note(source),
            now=context.now(),
        )
        with suppress(*ledger.DAMAGE_ERRORS):
            person = people.find(connection, address)
            record_leaving(context, connection, [person.id] if person else [])
    text = "Withdrawn." if changed else "There was no consent to withdraw; nothing was changed."
    context.report({"topic": about, "changed": changed}, text, as_json=as_json)


@consent.command()
@email_argument
@json_option
@click.pass_obj
def history(context: CommandContext, email: str, as_json: bool) -> None:
    """Show a person's ledger entries, oldest first.

    \b
    Example:
      mailer consent history jan@example.com
    """
    record = look_up(context, email)
    values = {"events": [rights.entry_values(entry, record) for entry in record.history]}
    context.report(values, reporting.of_entries(record, context.settings.tz), as_json=as_json)


@consent.command()
@email_argument
@topic_option
@click.option(
    "--bundle",
    metavar="FILE.zip",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a proof that others can check.",
)
@json_option
@click.pass_obj
def prove(context: CommandContext, email: str, topic: str | None, bundle: Path | None, as_json: bool) -> None:
    """Prove a consent: when, how, and to which text (article 7). It hashes all entries of the ledger.

    It also proves the consent of somebody who left and whose data were deleted since, as long as the settings keep the
    proof (proof_after_leaving in [retention]).

    A bundle holds the ledger's entry with what leads from it to a signed root, and a page to read. Anyone can
    check it with examples/verify_consent.py and the ledger's public key (`mailer keys ledger`).

    \b
    Example:
      mailer consent prove jan@example.com
      mailer consent prove jan@example.com --bundle jan.zip
    """
    about = topic_or_default(context, topic)
    with context.database.read() as connection:
        HeadFile(context.database, context.settings.beside(HEAD_NAME)).check(connection)
        with busy(context, "Reading the ledger"):
            person, proof = rights.prove(connection, address_of(email), about, hasher_of(context))
            made = _make_bundle(context, connection, proof, person) if bundle is not None else None
    record_act(context, [person.id])
    if bundle is not None and made is not None:
        _write_bundle(bundle, made)
    context.report(
        reporting.proof_values(proof), reporting.of_proof(proof, context.settings.tz), as_json=as_json
    )


def _record_about(context: CommandContext, connection: Connection, address: EmailAddress) -> None:
    person = people.find(connection, address)
    record_act(context, [person.id] if person else PeopleConcerned(1), connection=connection)


def _make_bundle(context: CommandContext, connection: Connection, proof: Proof, person: Person) -> Bundle:
    anchors = read_anchors(context.settings.anchors.file)
    return make_bundle(connection, proof, person, context.settings.locale, anchors)


def _write_bundle(file: Path, made: Bundle) -> None:
    try:
        with new_file(file) as new, ZipFile(new, "w") as archive:
            archive.writestr("proof.json", made.proof)
            archive.writestr("page.html", made.page)
            if made.timestamp is not None:
                archive.writestr("checkpoint.txt", made.checkpoint)
                archive.writestr("checkpoint.tsr", made.timestamp)
    except OSError as error:
        raise InvalidInput(f"it can't be created: {error.strerror}.", where=str(file)) from None
