"""Commands of release notes: campaigns, deliveries, run-due, and the demo."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop
from rich.console import Console
from rich.table import Table

from campaigns import catalogue, deliveries, report, workers
from campaigns.content import load_notes, read_images, read_text, render_notes
from campaigns.dispatch import Dispatch
from campaigns.ending import DONE_WITH_LOSSES, Ending, ending
from campaigns.lifecycle import Act
from campaigns.models import DeliveryState
from campaigns.preview import write_preview
from campaigns.progress import progress
from campaigns.schedule import due_time
from campaigns.sender import Tally
from campaigns.sources import Defaults, read_changelog, read_markdown
from mailer.commands import json_option
from mailer.door import Door
from mailer.errors import ConfigurationError, Refused
from templates.lint import Severity

Value = TypeVar("Value")

slug_argument = click.argument("slug")


@click.group()
def campaigns() -> None:
    """Release notes: create, look, approve, send, follow.

    \b
    Example:
      mailer campaigns create notes.md
      mailer campaigns preview notes
      mailer campaigns send notes
    """


@campaigns.command()
@click.argument("notes", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option(
    "--changelog",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the notes from a changelog in Markdown; needs --version.",
)
@click.option("--version", "version", help="Which version's section of the changelog.")
@click.option("--title", help="The subject, for notes from a changelog.")
@click.option("--slug", help="A short name for the campaign; by default made from version or file name.")
@click.option("--topic", help="Which consent it needs; by default the settings' topic.")
@click.option("--locale", type=click.Choice(["nl", "en"]), help="The language; by default the settings'.")
@click.option("--base-url", metavar="URL", help="The web address that relative links start from.")
@json_option
@click.pass_obj
def create(
    door: Door,
    notes: Path | None,
    changelog: Path | None,
    version: str | None,
    title: str | None,
    slug: str | None,
    topic: str | None,
    locale: str | None,
    base_url: str | None,
    as_json: bool,
) -> None:
    """Make a draft from a Markdown file, or from a version's section of a changelog.

    \b
    Example:
      mailer campaigns create notes.md
      mailer campaigns create --changelog CHANGELOG.md --version 2.4.0 --locale nl
    """
    source = notes or changelog
    if source is None or (notes and changelog) or (changelog and not version):
        raise click.UsageError("Give a Markdown file, or --changelog FILE with --version.")
    settings = door.settings
    defaults = Defaults(
        locale=locale or settings.locale,  # type: ignore[arg-type]  # click has checked it
        topic=topic or settings.topic,
        product=settings.brand.name,
        base_url=base_url,
    )
    text = read_text(source)
    found = (
        read_changelog(text, version or "", source.name, defaults, title=title)
        if changelog
        else read_markdown(text, source.name, defaults)
    )
    images = read_images(found, source.parent, settings.image_hosts)
    render_notes(found, images, settings)
    name = slug or catalogue.slug_of(found.version or source.stem) or "release"
    with door.database.write() as connection:
        record = catalogue.create(connection, name, found, images, door.now())
    values = {
        "slug": record.slug,
        "state": record.state,
        "title": found.title,
        "version": found.version,
        "locale": found.locale,
        "topic": found.topic,
        "images": len(images),
    }
    said = f"{record.slug}: draft of “{found.title}”\nNext: mailer campaigns preview {record.slug}"
    door.report(values, said, as_json=as_json)


@campaigns.command("list")
@json_option
@click.pass_obj
def list_campaigns(door: Door, as_json: bool) -> None:
    """List the campaigns, newest first.

    \b
    Example:
      mailer campaigns list
    """
    with door.database.read() as connection:
        found = [report.status(connection, one) for one in catalogue.all_campaigns(connection)]
    lines = [one.line() for one in found]
    door.report(
        {"campaigns": [dataclasses.asdict(one) for one in found]},
        "\n".join(lines) or "There are no campaigns yet. Make one with `mailer campaigns create`.",
        as_json=as_json,
    )


@campaigns.command()
@slug_argument
@json_option
@click.pass_obj
def lint(door: Door, slug: str, as_json: bool) -> None:
    """Say what is wrong, or could be better, with a campaign's mail. Errors end with exit code 4.

    \b
    Example:
      mailer campaigns lint 2.4.0
    """
    findings = _dispatch(door).findings(slug)
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    lines = [f"{one.severity}: {one.where}: {one.message} ({one.code})" for one in findings]
    lines.append(f"{slug}: {errors} errors, {len(findings) - errors} warnings")
    values = {"slug": slug, "errors": errors, "findings": [dataclasses.asdict(one) for one in findings]}
    door.report(values, "\n".join(lines), as_json=as_json)
    if errors:
        sys.exit(Refused.exit_code)


@campaigns.command()
@slug_argument
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where to write the files.")
@click.option("--open/--no-open", "open_it", default=True, help="Open the HTML in a browser.")
@json_option
@click.pass_obj
def preview(door: Door, slug: str, folder: Path | None, open_it: bool, as_json: bool) -> None:
    """Write the mail as an example recipient gets it, as HTML and as text, and open it.

    \b
    Example:
      mailer campaigns preview 2.4.0
      mailer campaigns preview 2.4.0 --folder build --no-open
    """
    _, message = _dispatch(door).composer(slug).proof(door.now())
    target = folder or Path(tempfile.mkdtemp(prefix="mailer-preview-"))
    html, text = write_preview(message, target, slug)
    door.report({"slug": slug, "html": html, "text": text}, f"{html}\n{text}", as_json=as_json)
    if open_it and sys.stdout.isatty():
        click.launch(str(html))


@campaigns.command()
@slug_argument
@json_option
@click.pass_obj
def proof(door: Door, slug: str, as_json: bool) -> None:
    """Send the mail, as an example recipient gets it, to the settings' proof_recipients only.

    \b
    Example:
      MAILER_PROOF_RECIPIENTS=product@acme.example mailer campaigns proof 2.4.0
    """
    recipients = door.settings.proof_recipients
    if not recipients:
        raise ConfigurationError(
            "The settings name nobody to send proofs to.",
            hint='Set proof_recipients = ["you@acme.example"] in mailer.toml.',
        )
    dispatch = _dispatch(door)
    composer = dispatch.composer(slug)
    outcomes = _run(dispatch.send_proofs([composer.proof(door.now(), one) for one in recipients]))
    values = {
        "slug": slug,
        "sent": sum(ok for ok, _ in outcomes),
        "failed": sum(not ok for ok, _ in outcomes),
    }
    lines = [f"proof {number}: {said}" for number, (_, said) in enumerate(outcomes, 1)]
    door.report(values, "\n".join(lines), as_json=as_json)
    if values["failed"]:
        sys.exit(DONE_WITH_LOSSES)


@campaigns.command()
@slug_argument
@json_option
@click.pass_obj
def approve(door: Door, slug: str, as_json: bool) -> None:
    """Freeze the content and approve it; it can't be changed afterwards.

    \b
    Example:
      mailer campaigns approve 2.4.0
    """
    _dispatch(door).approve(slug)
    _report_status(door, slug, as_json=as_json)


@campaigns.command()
@slug_argument
@click.option("--at", "wall_time", required=True, metavar="TIME", help='Such as "2026-12-01 09:00".')
@click.option("--tz", "zone", metavar="ZONE", help="IANA zone of that time; by default the settings'.")
@json_option
@click.pass_obj
def schedule(door: Door, slug: str, wall_time: str, zone: str | None, as_json: bool) -> None:
    """Freeze the content and let `mailer run-due` send it when its time has come.

    \b
    Example:
      mailer campaigns schedule 2.4.0 --at "2026-12-01 09:00" --tz Europe/Amsterdam
    """
    due = due_time(wall_time, zone or door.settings.zone, door.now())
    state = _dispatch(door).schedule(slug, due)
    values = {"slug": slug, "state": state, "due_at": due.at, "zone": due.zone}
    door.report(values, f"{slug}: scheduled for {due}", as_json=as_json)


@campaigns.command()
@slug_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def send(door: Door, slug: str, yes: bool, as_json: bool) -> None:
    """Send a campaign now to everyone who agreed, or go on with one that was interrupted.

    Exit code 0: done (deferred mails wait for `mailer run-due`); 3: done, but some were rejected or are
    uncertain; 75: relay or database away, run it again later.

    \b
    Example:
      mailer campaigns send 2.4.0
      mailer campaigns send 2.4.0 --yes --json
    """
    if not yes:
        _ask(door, slug)
    dispatch = _dispatch(door)
    dispatch.start(slug)
    tally = _run(_send(door, dispatch, slug))
    end = _ending(door, slug, tally)
    door.report(dataclasses.asdict(end.status), end.status.line(), as_json=as_json)
    _leave(door, [end])


@campaigns.command()
@slug_argument
@json_option
@click.pass_obj
def status(door: Door, slug: str, as_json: bool) -> None:
    """Show the counts of a campaign as they are now.

    \b
    Example:
      mailer campaigns status 2.4.0
    """
    _report_status(door, slug, as_json=as_json)


@campaigns.command("report")
@slug_argument
@json_option
@click.pass_obj
def report_campaign(door: Door, slug: str, as_json: bool) -> None:
    """Show what became of a campaign: times, content, counts, and the relay's reasons.

    \b
    Example:
      mailer campaigns report 2.4.0
    """
    with door.database.read() as connection:
        record = catalogue.find(connection, slug)
        found = report.status(connection, record)
        reasons = deliveries.reasons(connection, record.id or 0)
    times = {
        name: getattr(record, name) for name in ("created_at", "approved_at", "started_at", "finished_at")
    }
    values = dataclasses.asdict(found) | times | {"content_hash": record.content_hash, "reasons": reasons}
    lines = [found.line()]
    lines += [f"{name.removesuffix('_at')}: {at:%Y-%m-%d %H:%M:%S} UTC" for name, at in times.items() if at]
    lines += [f"content: sha256 {record.content_hash}"] if record.content_hash else []
    lines += [f"{one['deliveries']:,} {one['state']} in {one['phase']}: {one['reply']}" for one in reasons]
    door.report(values, "\n".join(lines), as_json=as_json)


def _act_command(act: Act, help_text: str) -> None:
    @campaigns.command(act.value, help=help_text)
    @slug_argument
    @json_option
    @click.pass_obj
    def command(door: Door, slug: str, as_json: bool) -> None:
        _dispatch(door).act(slug, act)
        _report_status(door, slug, as_json=as_json)


_act_command(
    Act.PAUSE,
    """Hold a campaign that is being sent, on all hosts; mails in the air land.

    \b
    Example:
      mailer campaigns pause 2.4.0
    """,
)
_act_command(
    Act.RESUME,
    """Let a paused campaign go on; `mailer run-due` or `mailer campaigns send` sends the rest.

    \b
    Example:
      mailer campaigns resume 2.4.0
    """,
)
_act_command(
    Act.CANCEL,
    """End a campaign for good: what was not offered to the relay never will be.

    \b
    Example:
      mailer campaigns cancel 2.4.0
    """,
)


@click.group("deliveries")
def deliveries_group() -> None:
    """One campaign to one person: list, resolve.

    \b
    Example:
      mailer deliveries list 2.4.0 --state uncertain
    """


@deliveries_group.command("list")
@slug_argument
@click.option("--state", type=click.Choice([state.value for state in DeliveryState]), help="Only these.")
@json_option
@click.pass_obj
def list_deliveries(door: Door, slug: str, state: str | None, as_json: bool) -> None:
    """List a campaign's deliveries: whom to, what became of it, and what the relay said.

    \b
    Example:
      mailer deliveries list 2.4.0
      mailer deliveries list 2.4.0 --state uncertain --json
    """
    wanted = DeliveryState(state) if state else None
    with door.database.read() as connection:
        record = catalogue.find(connection, slug)
        rows = [row._asdict() for row in deliveries.listing(connection, record.id or 0, wanted)]
    if as_json:
        door.report({"slug": slug, "deliveries": rows}, "", as_json=True)
        return
    table = Table("id", "email", "state", "attempts", "due", "reply", box=None, pad_edge=False)
    for row in rows:
        due = f"{row['due_at']:%Y-%m-%d %H:%M}Z" if row["state"] is DeliveryState.DEFERRED else ""
        said = " ".join(str(part) for part in (row["phase"], row["reply_text"]) if part)
        email = row["email"] or "(erased)"
        table.add_row(str(row["id"]), email, row["state"], str(row["attempts"]), due, said)
    Console().print(table)


@deliveries_group.command()
@slug_argument
@click.option("--resend", "choice", flag_value="resend", help="Send them again; some may get it twice.")
@click.option("--assume-sent", "choice", flag_value="assume-sent", help="Take them as accepted.")
@json_option
@click.pass_obj
def resolve(door: Door, slug: str, choice: str | None, as_json: bool) -> None:
    """Decide about the uncertain deliveries: the relay got the content, but its answer never came.

    \b
    Example:
      mailer deliveries list 2.4.0 --state uncertain
      mailer deliveries resolve 2.4.0 --assume-sent
    """
    if choice is None:
        raise click.UsageError("Say --resend or --assume-sent.")
    resolved = _dispatch(door).resolve(slug, resend=choice == "resend")
    with door.database.read() as connection:
        found = report.status(connection, catalogue.find(connection, slug))
    values = {"resolved": resolved} | dataclasses.asdict(found)
    hint = f"\nNext: mailer campaigns send {slug}" if choice == "resend" and resolved else ""
    door.report(values, f"{resolved:,} resolved; {found.line()}{hint}", as_json=as_json)


@click.command("run-due")
@json_option
@click.pass_obj
def run_due(door: Door, as_json: bool) -> None:
    """Send what is due; for cron.

    Starts scheduled campaigns whose time has come, tries deferred mails again and goes on where a dead run
    stopped. Several at once share the work. Silent when there is nothing to do.

    \b
    Example:
      * * * * *  cd /srv/mailer && mailer run-due
    """
    dispatch = _dispatch(door)
    endings = []
    for slug in dispatch.due():
        tally = _run(_send(door, dispatch, slug))
        endings.append(_ending(door, slug, tally))
    if as_json:
        door.report({"campaigns": [dataclasses.asdict(one.status) for one in endings]}, "", as_json=True)
    else:
        for one in endings:
            door.report({}, one.status.line(), as_json=False)
    _leave(door, endings)


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="Where it plays; an earlier demo's is emptied first.",
)
@click.option("--stay/--once", default=None, help="Stay up for a look; by default on a terminal only.")
@json_option
@click.pass_obj
def demo(door: Door, folder: Path, stay: bool | None, as_json: bool) -> None:
    """Play the whole story on this machine.

    In a folder of its own: people are imported, release notes sent to a mail catcher on this machine, and an
    unsubscribe link clicked, after which the second release leaves that person out.

    \b
    Example:
      mailer demo
      mailer demo --once --json
    """
    from campaigns.demo import play  # noqa: PLC0415 - its servers are slow to import, and only wanted here

    stays = sys.stdout.isatty() if stay is None else stay
    summary = play(folder, door.console, stay=stays)
    door.report(summary.values(), summary.text(), as_json=as_json)


def _ending(door: Door, slug: str, tally: Tally) -> Ending:
    with door.database.read() as connection:
        found = report.status(connection, catalogue.find(connection, slug))
        elsewhere = workers.any_at_work(connection, door.now())
    return ending(found, tally, at_work_elsewhere=elsewhere)


def _leave(door: Door, endings: Sequence[Ending]) -> None:
    """Say what there is to say, and end with the code of the worst ending."""
    for one in endings:
        if one.message:
            door.console.print(one.message, style="yellow", markup=False)
    if code := max((one.exit_code for one in endings), default=0):
        sys.exit(code)


async def _send(door: Door, dispatch: Dispatch, slug: str) -> Tally:
    with door.database.read() as connection:
        record = catalogue.find(connection, slug)
        due = deliveries.count_claimable(connection, record.id or 0)

    return await dispatch.run(slug, lambda sender: progress(sender, door.console, slug, due))


def _ask(door: Door, slug: str) -> None:
    """Show what is about to happen and ask; no answer is a no."""
    with door.database.read() as connection:
        record = catalogue.find(connection, slug)
        found = report.status(connection, record)
    relay = door.settings.smtp
    door.console.print(f"Subject:  {record.subject or load_notes(record.notes).title}", markup=False)
    door.console.print(f"Audience: {found.audience:,} who agreed to {record.topic}", markup=False)
    door.console.print(f"Relay:    {relay.host}:{relay.port} ({relay.security})", markup=False)
    if not click.confirm(f"Send {slug} now?", err=True):
        raise Refused("Nothing was sent.", hint="In a script, say --yes.")


def _report_status(door: Door, slug: str, *, as_json: bool) -> None:
    with door.database.read() as connection:
        found = report.status(connection, catalogue.find(connection, slug))
    text = found.line() + (f"\npaused because: {found.paused_because}" if found.paused_because else "")
    door.report(dataclasses.asdict(found), text, as_json=as_json)


def _dispatch(door: Door) -> Dispatch:
    return Dispatch(door.database, door.settings, door.clock)


def _run(work: Coroutine[Any, Any, Value]) -> Value:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
