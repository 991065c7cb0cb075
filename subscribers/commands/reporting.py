"""The output of the commands of subscribers: lines for people, plain values for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from textwrap import indent
from typing import Any
from zoneinfo import ZoneInfo

from mailer.quantity import noun
from subscribers.address import readable_address
from subscribers.intake import ImportReport, Refusals
from subscribers.kinds import ConsentKind
from subscribers.ledger import EVERY_TOPIC, LedgerEntry, Proof
from subscribers.people import Names, Person
from subscribers.rights import ListedPerson, SubjectRecord


def of_import(report: ImportReport, refusals: Refusals, encoding: str, *, dry_run: bool) -> str:
    """The result of an import, and the commonest reason of a refusal."""
    lines = ["Nothing was written; the file would give:"] if dry_run else []
    lines += [
        f"{report.read:>9,}  {noun(report.read, 'row')} read",
        f"{report.granted:>9,}  {noun(report.granted, 'consent')} granted",
        f"{report.unchanged:>9,}  unchanged",
        f"{report.still_withdrawn:>9,}  still withdrawn",
        f"{report.withdrawn:>9,}  {noun(report.withdrawn, 'consent')} withdrawn",
        f"{report.without_consent:>9,}  without consent, not stored",
        f"{report.refused:>9,}  refused" + (f", see {refusals.path}" if report.refused else ""),
    ]
    if common := refusals.commonest():
        lines.append(f"{'':>11}{common[1]:,} for this reason: {common[0]}")
    if encoding != "UTF-8":
        lines.append(f"The file was read as {encoding}; --encoding names another one.")
    if report.dropped_columns:
        lines.append(f"Columns that were dropped: {', '.join(report.dropped_columns)}.")
    return "\n".join(lines)


def listed_cells(listed: ListedPerson, zone: ZoneInfo) -> tuple[str, str, str, str]:
    """A person as the cells of a row: the address readable, the name, the state, the day of it in `zone`."""
    since = f"{listed.since.astimezone(zone):%Y-%m-%d}" if listed.since else ""
    state = _state(listed.state, mailable=listed.mailable)
    return readable_address(listed.person.email), _full(listed.person.names), state, since


def listed_values(listed: ListedPerson) -> dict[str, Any]:
    """A person as plain values."""
    return _fields(listed.person) | {
        "state": listed.state,
        "since": listed.since,
        "mailable": listed.mailable,
    }


def of_record(record: SubjectRecord, zone: ZoneInfo) -> str:
    """Everything on file about a person."""
    lines = [f"{title:<12}{value}" for title, value in _fields(record.person).items()]
    lines.append(f"{'on file':<12}since {_moment(record.person.created_at, zone)}")
    for topic, status in record.statuses.items():
        lines.append(f"{topic}: {status.state} since {_moment(status.since, zone)}")
    if record.suppressed:
        since = _moment(record.suppressed.since, zone)
        note = f" ({record.suppressed.source})" if record.suppressed.source else ""
        lines.append(f"suppressed ({record.suppressed.reason}) since {since}: gets no mail{note}")
    lines += [
        f"disclosed to {act.disclosed_to} on {_moment(act.at, zone)}: {act.ground}"
        for act in record.disclosures
    ]
    lines += [
        f"kept until {_moment(hold.until, zone)}, for nothing else: {hold.ground}" for hold in record.held
    ]
    for mail in record.elsewhere.get("mails", []):
        at = mail["attempted_at"]
        lines.append(f"mail {mail['campaign']}: {mail['outcome']}" + (f", {_moment(at, zone)}" if at else ""))
    for request in record.requests:
        state = "confirmed" if request["confirmed_at"] else "waits for a confirmation"
        lines.append(f"request {request['kind']} of {_moment(request['requested_at'], zone)}: {state}")
    return "\n".join([*lines, "", of_entries(record, zone)])


def of_entries(record: SubjectRecord, zone: ZoneInfo) -> str:
    """A person's entries in the ledger, one in a line."""
    return "\n".join(_of_entry(entry, record.notes, zone) for entry in record.history)


def _of_entry(entry: LedgerEntry, notes: Mapping[str, str], zone: ZoneInfo) -> str:
    event = entry.event
    topic = "" if event.topic == EVERY_TOPIC else f"{event.topic}, "
    note = notes.get(event.note or "")
    through = f"{event.channel}: {note}" if note else event.channel
    return f"{entry.id:>8}  {_moment(event.occurred_at, zone):<24}  {event.kind:<10}{topic}{through}"


def of_proof(proof: Proof, zone: ZoneInfo) -> str:
    """A proof of consent as text."""
    event = proof.grant.event
    status = proof.status
    lines = [
        f"Consent on topic {event.topic}",
        f"  given     {_moment(event.occurred_at, zone)}",
        f"  recorded  {_moment(proof.grant.recorded_at, zone)}",
        f"  through   {event.channel}" + (f": {proof.note}" if proof.note else ""),
        f"  ledger    entry {proof.grant.id}, hash {proof.grant.hash}",
        f"  now       {status.state} since {_moment(status.since, zone)} (entry {status.event_id})",
        "",
        f"The text that was shown (SHA-256 {proof.wording.sha256}):",
        "",
        indent(proof.wording.text, "  | ", lambda _: True),
    ]
    return "\n".join(lines)


def proof_values(proof: Proof) -> dict[str, Any]:
    """A proof as plain values."""
    event = proof.grant.event
    return {
        "topic": event.topic,
        "given_at": event.occurred_at,
        "recorded_at": proof.grant.recorded_at,
        "channel": event.channel.value,
        "source": proof.note,
        "wording": proof.wording.text,
        "wording_sha256": proof.wording.sha256,
        "line": proof.grant.id,
        "hash": proof.grant.hash,
        "state": proof.status.state,
        "since": proof.status.since,
    }


def as_json(values: dict[str, Any]) -> str:
    """A person's data as indented JSON."""
    return json.dumps(values, ensure_ascii=False, indent=2, default=datetime.isoformat) + "\n"


def _fields(person: Person) -> dict[str, str]:
    names = person.names
    return {
        "email": person.email,
        "salutation": names.salutation,
        "first_name": names.first_name,
        "surname": names.surname,
    }


def _full(names: Names) -> str:
    return " ".join(part for part in (names.salutation, names.first_name, names.surname) if part)


def _state(state: ConsentKind | None, *, mailable: bool) -> str:
    if state is None:
        return "no consent"
    return "suppressed" if state is ConsentKind.GRANTED and not mailable else state.value


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"
