"""Commands of the people: who is on file, who agreed to what, and the proof of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from mailer.commands import json_option
from mailer.door import Door
from mailer.errors import InvalidInput, Refused
from subscribers import admission, ledger, rights, suppression, telling
from subscribers.address import AddressHasher, EmailAddress, normalise
from subscribers.admission import Evidence, Verdict
from subscribers.applicant import Applicant
from subscribers.consent import BrokenLink, source_of, topic_of
from subscribers.consent_time import FORMS, consent_time
from subscribers.intake import Import
from subscribers.models import ConsentKind
from subscribers.people import Names, name
from subscribers.people_csv import as_text
from subscribers.refusals import Refusals
from subscribers.rights import Correction, File

STATES = (ConsentKind.GRANTED, ConsentKind.WITHDRAWN, ConsentKind.OBJECTED, ConsentKind.REQUESTED)

file_type = click.Path(exists=True, dir_okay=False, path_type=Path)
email_argument = click.argument("email")
topic_option = click.option(
    "--topic", metavar="TOPIC", help="What it is about; by default the settings' topic."
)
source_option = click.option(
    "--source", default="mailer command", help="Through what the person asked; goes into the ledger."
)
wording_option = click.option(
    "--wording", type=file_type, required=True, help="A file with the verbatim text that was shown."
)
language_option = click.option("--language", default="", help="The wording's language, such as nl.")
version_option = click.option(
    "--wording-version", default="", help="Your name for this version of the wording."
)


@click.group()
def subscribers() -> None:
    """People on file: import, list, show, rectify, erase, export.

    \b
    Example:
      mailer subscribers import people.csv --source "fair, May 2026" --wording wording.txt
    """


@click.group()
def consent() -> None:
    """Who agreed to what, and the proof of it.

    \b
    Example:
      mailer consent prove jan@example.com
    """


@subscribers.command("import")
@click.argument("file", type=file_type)
@click.option("--source", required=True, help="Through what the consent was given; goes into the ledger.")
@wording_option
@topic_option
@language_option
@version_option
@click.option(
    "--refusals",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where refused rows are listed; FILE.refused.csv by default.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@json_option
@click.pass_obj
def import_(
    door: Door,
    file: Path,
    source: str,
    wording: Path,
    topic: str | None,
    language: str,
    wording_version: str,
    refusals: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put the people of a CSV file on file, as far as each row says yes.

    The columns are salutation, first_name, surname, email, opted_in and opted_in_at, or in Dutch aanhef, voornaam,
    achternaam, e-mailadres, toestemming and toestemming_op; others are dropped. Rows without consent are not
    stored, bad rows are listed by number in the refusals file, good rows go in. Nobody who withdrew comes back,
    unless by a consent given later. Refused rows do not make the command fail.

    \b
    Example:
      mailer subscribers import people.csv --source "sign-up form" --wording wording.txt
    """
    evidence = Evidence(
        _topic(door, topic), source_of(source), _wording(wording), language.strip(), wording_version.strip()
    )
    target = refusals or file.with_suffix(".refused.csv")
    if target.resolve() in {file.resolve(), wording.resolve()}:
        raise InvalidInput("the refusals would overwrite what is read.", where=str(target))
    began = time.monotonic()
    with Refusals(target) as refused, _progress(door, file) as on_progress, as_text(file.open("rb")) as text:
        job = Import(
            database=door.database,
            evidence=evidence,
            hasher=AddressHasher(door.settings.keys()),
            zone=door.settings.tz,
            clock=door.clock,
            on_refusal=refused.write,
            on_progress=on_progress,
            dry_run=dry_run,
        )
        report = job.run(text, file.name)
    values = asdict(report) | {
        "refusals_file": target if report.refused else None,
        "dry_run": dry_run,
        "seconds": round(time.monotonic() - began, 2),
    }
    door.report(values, telling.of_import(report, target, dry_run=dry_run), as_json=as_json)


@subscribers.command("list")
@topic_option
@click.option("--state", type=click.Choice([each.value for each in STATES]), help="Only these.")
@json_option
@click.pass_obj
def list_(door: Door, topic: str | None, state: str | None, as_json: bool) -> None:
    """List the people on file and where they stand on a topic.

    \b
    Example:
      mailer subscribers list --state withdrawn
    """
    about = _topic(door, topic)
    wanted = ConsentKind(state) if state else None
    with door.database.read() as connection, closing(rights.listed(connection, about, wanted)) as people:
        if as_json:
            rows = [telling.listed_values(each) for each in people]
            door.report({"topic": about, "subscribers": rows}, "", as_json=True)
            return
        for each in people:
            click.echo(telling.of_listed(each))


@subscribers.command()
@email_argument
@json_option
@click.pass_obj
def show(door: Door, email: str, as_json: bool) -> None:
    """Show all that is on file about a person (article 15).

    \b
    Example:
      mailer subscribers show jan@example.com
    """
    file = _look_up(door, email)
    door.report(rights.exported(file), telling.of_file(file, door.settings.tz), as_json=as_json)


@subscribers.command()
@email_argument
@click.option("--salutation", help="The new salutation; empty takes it away.")
@click.option("--first-name", help="The new first name.")
@click.option("--surname", help="The new surname.")
@click.option("--email", "new_email", metavar="EMAIL", help="The new address; the consent goes along.")
@source_option
@json_option
@click.pass_obj
def rectify(
    door: Door,
    email: str,
    salutation: str | None,
    first_name: str | None,
    surname: str | None,
    new_email: str | None,
    source: str,
    as_json: bool,
) -> None:
    """Correct what is on file about a person (article 16). The ledger says which fields, not what they hold.

    \b
    Example:
      mailer subscribers rectify jan@example.com --surname "De Vries" --source "asked by phone"
    """
    correction = Correction(
        _name("--salutation", salutation),
        _name("--first-name", first_name),
        _name("--surname", surname),
        _address(new_email, "--email") if new_email is not None else None,
    )
    if correction == Correction():
        raise click.UsageError("Say what to correct: --salutation, --first-name, --surname or --email.")
    with door.database.write() as connection:
        changed = rights.rectify(
            connection,
            _address(email),
            correction,
            hasher=_hasher(door),
            source=source_of(source),
            now=door.now(),
        )
    text = f"Corrected: {', '.join(changed)}." if changed else "It was so already; nothing was changed."
    door.report({"changed": changed}, text, as_json=as_json)


@subscribers.command()
@email_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@source_option
@json_option
@click.pass_obj
def erase(door: Door, email: str, yes: bool, source: str, as_json: bool) -> None:
    """Take a person off file for good (article 17). A keyed hash of the address stays, so that no import undoes it.

    \b
    Example:
      mailer subscribers erase jan@example.com --yes --source "asked by email"
    """
    address = _address(email)
    if not yes:
        click.confirm("Erase this person? It can't be undone.", abort=True, err=True)
    with door.database.write() as connection:
        rights.erase(connection, address, hasher=_hasher(door), source=source_of(source), now=door.now())
    door.report({"erased": True}, "Erased. Only a keyed hash of the address is left.", as_json=as_json)


@subscribers.command()
@email_argument
@json_option
@click.pass_obj
def export(door: Door, email: str, as_json: bool) -> None:
    """Print all that is on file about a person as JSON, to hand to them (articles 15 and 20).

    \b
    Example:
      mailer subscribers export jan@example.com > jan.json
    """
    values = rights.exported(_look_up(door, email))
    door.report(values, telling.as_json(values), as_json=as_json)


@consent.command()
@email_argument
@click.option("--source", required=True, help="Through what the consent was given; goes into the ledger.")
@wording_option
@click.option("--at", metavar="TIME", help=f"When it was given; now by default. {FORMS}.")
@click.option("--salutation", default="", help="For someone who is not on file yet.")
@click.option("--first-name", default="", help="The same.")
@click.option("--surname", default="", help="The same.")
@topic_option
@language_option
@version_option
@json_option
@click.pass_obj
def grant(
    door: Door,
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
    """Record that a person agreed, with the text that was shown; whoever is not on file yet, now is.

    A consent that was given before the person withdrew changes nothing and is an error.

    \b
    Example:
      mailer consent grant jan@example.com --source "by phone" --wording wording.txt --at "2026-05-01 10:00"
    """
    about, hasher, address = _topic(door, topic), _hasher(door), _address(email)
    names = Names(*(name(each) for each in (salutation, first_name, surname)))
    evidence = Evidence(about, source_of(source), _wording(wording), language, wording_version)
    with door.database.write() as connection:
        now = door.now()
        given = _time(door, at, now) if at is not None else now
        suppression.check_keys(connection, hasher)
        applicant = Applicant(0, names, address, hasher.newest(address.key), given)
        [candidate] = admission.admit(connection, [applicant], evidence, hasher, now)
    if candidate.verdict is Verdict.STILL_WITHDRAWN:
        raise Refused(
            "The person took back their consent, or was erased, after this one was given.",
            hint="Only a consent given later counts; say when with --at.",
        )
    granted = candidate.verdict is Verdict.GRANTED
    text = "Granted." if granted else "A consent as recent is on file already; nothing was changed."
    door.report({"topic": about, "changed": granted, "state": "granted"}, text, as_json=as_json)


@consent.command()
@email_argument
@source_option
@topic_option
@json_option
@click.pass_obj
def withdraw(door: Door, email: str, source: str, topic: str | None, as_json: bool) -> None:
    """Take back a person's consent. It counts at once, also in a campaign that is being sent.

    \b
    Example:
      mailer consent withdraw jan@example.com --source "asked by phone"
    """
    about = _topic(door, topic)
    with door.database.write() as connection:
        changed = rights.withdraw(
            connection,
            _address(email),
            about,
            hasher=_hasher(door),
            source=source_of(source),
            now=door.now(),
        )
    text = "Withdrawn." if changed else "There was no consent to withdraw; nothing was changed."
    door.report({"topic": about, "changed": changed}, text, as_json=as_json)


@consent.command()
@email_argument
@json_option
@click.pass_obj
def history(door: Door, email: str, as_json: bool) -> None:
    """Show what the ledger says of a person, oldest first.

    \b
    Example:
      mailer consent history jan@example.com
    """
    file = _look_up(door, email)
    text = telling.of_lines(file.history, door.settings.tz)
    door.report({"events": [rights.told(line) for line in file.history]}, text, as_json=as_json)


@consent.command()
@email_argument
@topic_option
@json_option
@click.pass_obj
def prove(door: Door, email: str, topic: str | None, as_json: bool) -> None:
    """Prove a consent: when and through what it was given, and the verbatim text that was shown (article 7).

    \b
    Example:
      mailer consent prove jan@example.com
    """
    about = _topic(door, topic)
    with door.database.read() as connection:
        person = rights.find(connection, _address(email), _hasher(door))
        proof = ledger.prove(connection, person.id, about)
    door.report(telling.proof_values(proof), telling.of_proof(proof, door.settings.tz), as_json=as_json)


@consent.command()
@click.option(
    "--noted", metavar="HASH", help="A head that was noted earlier, which must still be in the ledger."
)
@json_option
@click.pass_obj
def verify(door: Door, noted: str | None, as_json: bool) -> None:
    """Walk the whole ledger and name the first broken link.

    Note the head that it prints somewhere else now and then: whoever rewrites the ledger can't keep that.

    \b
    Example:
      mailer consent verify
      mailer consent verify --noted 3f5a...
    """
    try:
        with door.database.read() as connection:
            verified = ledger.verify(connection, noted=noted)
    except BrokenLink as error:
        if as_json:
            door.report({"intact": False, "line": error.line_id, "problem": error.problem}, "", as_json=True)
        raise
    values = {"intact": True, "events": verified.events, "head": verified.head}
    text = f"The ledger is intact: {verified.events} events, head {verified.head}."
    door.report(values, text, as_json=as_json)


def _topic(door: Door, topic: str | None) -> str:
    return topic_of(topic if topic is not None else door.settings.topic)


def _hasher(door: Door) -> AddressHasher:
    return AddressHasher(door.settings.keys())


def _address(email: str, where: str = "EMAIL") -> EmailAddress:
    try:
        return normalise(email.strip())
    except InvalidInput as error:
        raise InvalidInput(f"{error.reason}.", where=where) from None


def _name(option: str, value: str | None) -> str | None:
    try:
        return None if value is None else name(value)
    except InvalidInput as error:
        raise InvalidInput(f"{error.reason}.", where=option) from None


def _time(door: Door, at: str, now: datetime) -> datetime:
    try:
        return consent_time(at, door.settings.tz, now)
    except InvalidInput as error:
        raise InvalidInput(f"{error.reason}.", where="--at") from None


def _wording(path: Path) -> str:
    """The text as it was shown, to the letter: line ends and all."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("the wording is not UTF-8 text.", where=str(path)) from None


def _look_up(door: Door, email: str) -> File:
    with door.database.read() as connection:
        return rights.look_up(connection, _address(email), _hasher(door))


@contextmanager
def _progress(door: Door, file: Path) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=door.console, disable=not door.console.is_terminal, transient=True
    ) as progress:
        task = progress.add_task(escape(file.name), total=file.stat().st_size)
        yield lambda read: progress.update(task, completed=read)
