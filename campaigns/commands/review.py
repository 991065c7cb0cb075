"""Commands that look at a campaign's mail before it is sent: preview, proof, approve."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from campaigns import catalogue
from campaigns.approvals import Approver
from campaigns.commands.notes_options import NotesOptions, is_file, notes_options, open_source
from campaigns.commands.options import (
    complete_slug_or_file,
    dispatch_of,
    report_status,
    run,
    slug_argument,
)
from campaigns.file_language import name_without_locale
from campaigns.notes import STDIN
from campaigns.preview import write_preview
from campaigns.proof_recipients import proof_recipients
from campaigns.sending import DONE_WITH_LOSSES
from campaigns.sending.compose import example
from campaigns.sending.proofs import send_proofs
from campaigns.source import NotesSource
from mailer.commands import CommandContext, json_option
from mailer.config import load_settings
from mailer.errors import ConfigurationError, InvalidInput
from mailer.message import Mailbox
from mailer.operator_log import login
from mailer.output import write_line

if TYPE_CHECKING:
    from campaigns.sending.preparation import Preparation
    from campaigns.web.preview import PreviewSource

MAX_NAME_LENGTH = 200


@click.command()
@click.argument("slug", metavar="SLUG|FILE", shell_complete=complete_slug_or_file)
@click.option(
    "--serve", is_flag=True, help="Show it on a page on this machine, which follows each saved file."
)
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="With --serve: the port; by default a free one."
)
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where to write the files.")
@click.option("--open/--no-open", "open_it", default=True, help="Open it in a browser.")
@notes_options
@json_option
@click.pass_obj
def preview(
    context: CommandContext,
    slug: str,
    serve: bool,
    port: int,
    folder: Path | None,
    open_it: bool,
    options: NotesOptions,
    as_json: bool,
) -> None:
    """Show the mail of a campaign, or of a file of notes.

    It writes a sample as HTML and text, in each language of the notes, and opens the first. With --serve it shows
    HTML, text, headers and lint side by side, for phone, tablet and desktop, and as different people and mail
    programs see it, until you press Ctrl-C.

    \b
    Example:
      mailer campaigns preview 2.4.0
      mailer campaigns preview notes.md --serve
      mailer campaigns preview 2.4.0 --folder build --no-open
    """
    if serve and (folder or as_json):
        raise click.UsageError("--serve goes without --folder and --json.")
    of_file = is_file(context, slug, options)
    if serve:
        from campaigns.web.preview import serve_preview  # noqa: PLC0415 - its web server is slow to import

        source = _file_source(context, Path(slug), options) if of_file else _campaign_source(context, slug)
        serve_preview(source, port, partial(_announce, context, open_it=open_it))
        return
    change = False
    if of_file:
        from campaigns.web.preview import sample_mails  # noqa: PLC0415 - as above

        mails = sample_mails(_file_source(context, Path(slug), options))
        stem = Path(slug).stem if len(mails) == 1 else name_without_locale(Path(slug).name)
        name = catalogue.slug_of(stem) or "preview"
    else:
        preparation, name = dispatch_of(context).preparation, slug
        editions = preparation.composer(slug).editions
        mails = {one.locale: bytes(one.sample(context.now())[1]) for one in editions}
        change = _print_source_change(context, preparation, slug)
    target = folder or Path(tempfile.mkdtemp(prefix="mailer-preview-"))
    written: list[Path] = []
    for number, (locale, mail) in enumerate(mails.items()):
        written += write_preview(mail, target, f"{name}.{locale}" if number else name)
    html, text = written[:2]
    values = {"slug": slug, "html": html, "text": text, "files": written, "source_changed": change}
    context.report(values, "\n".join(map(str, written)), as_json=as_json)
    if open_it and sys.stdout.isatty():
        click.launch(str(html))


def _file_source(context: CommandContext, path: Path, options: NotesOptions) -> PreviewSource:
    from campaigns.web.preview import PreviewSource, SettingsOnDisk  # noqa: PLC0415 - as above

    opened = open_source(context, path, options)
    text = opened.text if opened.source.path == STDIN else None
    name = opened.source.name + (f" ({opened.chosen})" if opened.chosen else "")
    return PreviewSource(
        name, SettingsOnDisk(partial(load_settings, context.config)), opened.source, text=text
    )


def _campaign_source(context: CommandContext, slug: str) -> PreviewSource:
    """The notes of a campaign as they are on disk, or its content where that is frozen or came from no file."""
    from campaigns.web.preview import PreviewSource, SettingsOnDisk  # noqa: PLC0415 - as above

    with context.database.read() as connection:
        campaign = catalogue.find(connection, slug)
    load = SettingsOnDisk(partial(load_settings, context.config))
    if campaign.frozen_at is None and campaign.source is not None:
        return PreviewSource(slug, load, NotesSource.load(campaign.source), slug=slug)
    return PreviewSource(
        slug, load, stored=partial(dispatch_of(context).preparation.rendered, slug), slug=slug
    )


def _announce(context: CommandContext, url: str, *, open_it: bool) -> None:
    """Tell the address of the preview, and open it for a person."""
    write_line(url)
    context.console.print("The address opens the preview once. Press Ctrl-C to stop it.")
    if open_it and sys.stdout.isatty():
        click.launch(url)


@click.command()
@slug_argument
@click.option(
    "--to",
    "addresses",
    multiple=True,
    metavar="ADDRESS",
    help="Send it here, in place of the proof_recipients; can be given several times.",
)
@json_option
@click.pass_obj
def proof(context: CommandContext, slug: str, addresses: tuple[str, ...], as_json: bool) -> None:
    """Send a sample of the mail to the team.

    It goes to the settings' proof_recipients, or to --to. Its subject says that it is a proof, and so does the page
    behind its unsubscribe link.

    \b
    Example:
      mailer campaigns proof 2.4.0
      mailer campaigns proof 2.4.0 --to product@acme.example
    """
    recipients = [_parse_recipient(address) for address in addresses]
    if not addresses:
        recipients = proof_recipients(context.settings)
    if not recipients:
        raise ConfigurationError(
            "There is nobody to send proofs to.",
            hint='Give --to you@acme.example, or set proof_recipients = ["you@acme.example"] in mailer.toml.',
        )
    preparation = dispatch_of(context).preparation
    composer = preparation.composer(slug, is_proof=True)
    change = _print_source_change(context, preparation, slug)
    proofs = [(recipient, edition) for recipient in recipients for edition in composer.editions]
    mails = [
        edition.sample(context.now(), example(edition.locale)._replace(email=recipient))
        for recipient, edition in proofs
    ]
    outcomes = run(send_proofs(mails, context.settings))
    results = [
        {"to": recipient, "locale": edition.locale, "accepted": accepted, "reply": reply}
        for (recipient, edition), (accepted, reply) in zip(proofs, outcomes, strict=True)
    ]
    failed = sum(not accepted for accepted, _ in outcomes)
    values = {
        "slug": slug,
        "sent": len(outcomes) - failed,
        "failed": failed,
        "proofs": results,
        "source_changed": change,
    }
    context.report(
        values, "\n".join(f"proof to {one['to']}: {one['reply']}" for one in results), as_json=as_json
    )
    if failed:
        sys.exit(DONE_WITH_LOSSES)


@click.command()
@slug_argument
@click.option("--as", "name", metavar="NAME", help="Who approves; the login on this machine is kept as well.")
@json_option
@click.pass_obj
def approve(context: CommandContext, slug: str, name: str | None, as_json: bool) -> None:
    """Approve a campaign and freeze its content.

    The approval is void once the campaign is updated, and where its audience has grown by more than 10 %. Approve it
    again then. With `require_approval = 2` two different people approve the same content: two logins on this machine,
    or one login with two names that are both in the settings' `approvers`.

    \b
    Example:
      mailer campaigns approve 2.4.0
      mailer campaigns approve 2.4.0 --as "Ada, product"
    """
    if name is not None and (not name.strip() or len(name) > MAX_NAME_LENGTH or not name.isprintable()):
        raise click.UsageError(f"--as takes a name of up to {MAX_NAME_LENGTH} characters on one line.")
    found = dispatch_of(context).approve(slug, Approver(name and name.strip(), login()))
    step = f'mailer campaigns send {slug}, or: mailer campaigns schedule {slug} --at "..."'
    if found.missing:
        step = f"another person: mailer campaigns approve {slug} --as NAME"
        if reason := found.uncounted_reason():
            step += f"\n{reason}"
    report_status(context, slug, as_json=as_json, next_step=step)


def _parse_recipient(address: str) -> str:
    try:
        return Mailbox.parse(address).email
    except InvalidInput as error:
        raise InvalidInput(f"{address!r}: {error.reason}", where="--to", hint=error.hint) from None


def _print_source_change(context: CommandContext, preparation: Preparation, slug: str) -> bool:
    """Print how the notes on disk differ from the campaign's; whether they do."""
    change = preparation.source_change(slug)
    if change is not None:
        context.console.print(change, style="yellow", markup=False)
    return change is not None
