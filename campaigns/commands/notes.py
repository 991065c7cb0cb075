"""Commands of release notes: create, list, lint, preview, proof, status, report."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path

import click

from campaigns import catalogue, reports
from campaigns.commands.options import campaigns, dispatch_of, report_status, run, slug_argument
from campaigns.notes import Defaults, read_changelog, read_images, read_markdown, read_text, render_notes
from campaigns.preview import write_preview
from campaigns.sending import DONE_WITH_LOSSES
from mailer.commands import CommandContext, json_option
from mailer.errors import ConfigurationError, Refused
from subscribers.topic import parse_topic
from templates.language import parse_locale
from templates.lint import Severity
from templates.lint import lint as lint_mail


@campaigns.command()
@click.argument("notes", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option(
    "--changelog",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the notes from a changelog in Markdown; needs --version.",
)
@click.option("--version", "version", help="Which version's section of the changelog.")
@click.option("--title", help="The subject, for notes from a changelog.")
@click.option("--preheader", help="What an inbox shows after the subject, for notes from a changelog.")
@click.option("--slug", help="A short name for the campaign; by default made from version or file name.")
@click.option("--topic", help="Which consent it needs; by default what the file or the settings say.")
@click.option(
    "--locale",
    type=click.Choice(["nl", "en"]),
    help="The language; by default what the file or the settings say.",
)
@click.option("--base-url", metavar="URL", help="The web address that relative links start from.")
@json_option
@click.pass_obj
def create(
    context: CommandContext,
    notes: Path | None,
    changelog: Path | None,
    version: str | None,
    title: str | None,
    preheader: str | None,
    slug: str | None,
    topic: str | None,
    locale: str | None,
    base_url: str | None,
    as_json: bool,
) -> None:
    """Create a draft from Markdown or from a changelog's section.

    \b
    Example:
      mailer campaigns create notes.md
      mailer campaigns create --changelog CHANGELOG.md --version 2.4.0 --locale nl
    """
    source = notes or changelog
    if source is None or (notes and changelog) or (changelog and not version):
        raise click.UsageError("Give a Markdown file, or --changelog FILE with --version.")
    if notes and (version or title or preheader):
        raise click.UsageError(
            "--version, --title and --preheader go with --changelog; in a file of its own they stand on top."
        )
    settings = context.settings
    language = parse_locale(locale) if locale else None
    defaults = Defaults(
        locale=language or settings.locale,
        topic=settings.topic if topic is None else parse_topic(topic),
        product=settings.brand.name,
        base_url=base_url,
    )
    text = read_text(source)
    found = (
        read_changelog(text, version or "", source.name, defaults, title=title, preheader=preheader)
        if changelog
        else read_markdown(text, source.name, defaults)
    )
    found = dataclasses.replace(
        found,
        locale=language or found.locale,
        topic=found.topic if topic is None else defaults.topic,
        base_url=base_url or found.base_url,
    )
    images = read_images(found, source.parent, settings.image_hosts)
    findings = lint_mail(render_notes(found, images, settings), image_hosts=settings.image_hosts)
    name = slug or catalogue.slug_of(found.version or source.stem) or "release"
    with context.database.write() as connection:
        record = catalogue.create(connection, name, found, images, context.now())
    values = {
        "slug": record.slug,
        "state": record.state,
        "title": found.title,
        "version": found.version,
        "locale": found.locale,
        "topic": found.topic,
        "images": len(images),
        "findings": len(findings),
    }
    said = f"{record.slug}: draft of “{found.title}”\nNext: mailer campaigns preview {record.slug}"
    if findings:
        said += f"\nLint found {len(findings)}: mailer campaigns lint {record.slug}"
    context.report(values, said, as_json=as_json)


@campaigns.command("list")
@json_option
@click.pass_obj
def list_campaigns(context: CommandContext, as_json: bool) -> None:
    """List the campaigns, newest first.

    \b
    Example:
      mailer campaigns list
    """
    with context.database.read() as connection:
        found = [reports.campaign_status(connection, one) for one in catalogue.all_campaigns(connection)]
    lines = [one.line() for one in found]
    context.report(
        {"campaigns": [dataclasses.asdict(one) for one in found]},
        "\n".join(lines) or "There are no campaigns yet. Make one with `mailer campaigns create`.",
        as_json=as_json,
    )


@campaigns.command()
@slug_argument
@json_option
@click.pass_obj
def lint(context: CommandContext, slug: str, as_json: bool) -> None:
    """Check a campaign's mail for errors and warnings. Errors end with exit code 4.

    \b
    Example:
      mailer campaigns lint 2.4.0
    """
    findings = dispatch_of(context).findings(slug)
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    lines = [f"{one.severity}: {one.where}: {one.message} ({one.code})" for one in findings]
    lines.append(f"{slug}: {_counted(errors, 'error')}, {_counted(len(findings) - errors, 'warning')}")
    values = {"slug": slug, "errors": errors, "findings": [dataclasses.asdict(one) for one in findings]}
    context.report(values, "\n".join(lines), as_json=as_json)
    if errors:
        sys.exit(Refused.exit_code)


@campaigns.command()
@slug_argument
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where to write the files.")
@click.option("--open/--no-open", "open_it", default=True, help="Open the HTML in a browser.")
@json_option
@click.pass_obj
def preview(context: CommandContext, slug: str, folder: Path | None, open_it: bool, as_json: bool) -> None:
    """Write a sample of the mail as HTML and text, and open it.

    \b
    Example:
      mailer campaigns preview 2.4.0
      mailer campaigns preview 2.4.0 --folder build --no-open
    """
    _, message = dispatch_of(context).composer(slug).proof(context.now())
    target = folder or Path(tempfile.mkdtemp(prefix="mailer-preview-"))
    html, text = write_preview(bytes(message), target, slug)
    context.report({"slug": slug, "html": html, "text": text}, f"{html}\n{text}", as_json=as_json)
    if open_it and sys.stdout.isatty():
        click.launch(str(html))


@campaigns.command()
@slug_argument
@json_option
@click.pass_obj
def proof(context: CommandContext, slug: str, as_json: bool) -> None:
    """Send a sample of the mail to the proof_recipients only.

    \b
    Example:
      MAILER_PROOF_RECIPIENTS=product@acme.example mailer campaigns proof 2.4.0
    """
    recipients = context.settings.proof_recipients
    if not recipients:
        raise ConfigurationError(
            "The settings name nobody to send proofs to.",
            hint='Set proof_recipients = ["you@acme.example"] in mailer.toml.',
        )
    dispatch = dispatch_of(context)
    composer = dispatch.composer(slug)
    outcomes = run(dispatch.send_proofs([composer.proof(context.now(), one) for one in recipients]))
    values = {
        "slug": slug,
        "sent": sum(ok for ok, _ in outcomes),
        "failed": sum(not ok for ok, _ in outcomes),
    }
    lines = [f"proof {number}: {said}" for number, (_, said) in enumerate(outcomes, 1)]
    context.report(values, "\n".join(lines), as_json=as_json)
    if values["failed"]:
        sys.exit(DONE_WITH_LOSSES)


@campaigns.command()
@slug_argument
@json_option
@click.pass_obj
def status(context: CommandContext, slug: str, as_json: bool) -> None:
    """Show a campaign's counts as they are now.

    \b
    Example:
      mailer campaigns status 2.4.0
    """
    report_status(context, slug, as_json=as_json)


@campaigns.command("report")
@slug_argument
@json_option
@click.pass_obj
def report_campaign(context: CommandContext, slug: str, as_json: bool) -> None:
    """Show a campaign's times, content, counts and refusals.

    \b
    Example:
      mailer campaigns report 2.4.0
    """
    with context.database.read() as connection:
        record = catalogue.find(connection, slug)
        found = reports.campaign_status(connection, record)
        reasons = reports.reasons(connection, record.id or 0)
    times = {
        name: getattr(record, name) for name in ("created_at", "approved_at", "started_at", "finished_at")
    }
    values = dataclasses.asdict(found) | times | {"content_hash": record.content_hash, "reasons": reasons}
    lines = [found.line()]
    lines += [
        f"{name.removesuffix('_at')}: {at.astimezone(context.settings.tz):%Y-%m-%d %H:%M:%S %Z}"
        for name, at in times.items()
        if at
    ]
    lines += [f"content: sha256 {record.content_hash}"] if record.content_hash else []
    lines += [f"{one['deliveries']:,} {one['state']} in {one['phase']}: {one['reply']}" for one in reasons]
    context.report(values, "\n".join(lines), as_json=as_json)


def _counted(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
