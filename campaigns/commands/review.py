"""Commands that look at a campaign's mail before it is sent: lint, preview, proof, approve."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path

import click

from campaigns.commands.options import campaigns, dispatch_of, report_status, run, slug_argument
from campaigns.notes import Defaults, read_changelog, read_images, read_markdown, read_text, render_notes
from campaigns.preview import write_preview
from campaigns.sending import DONE_WITH_LOSSES
from mailer.commands import CommandContext, json_option
from mailer.errors import ConfigurationError, Refused
from templates.lint import Finding, Severity, lint_notes
from templates.lint import lint as lint_mail


@campaigns.command()
@click.argument("slug", metavar="SLUG|FILE")
@click.option("--version", "version", help="Of a changelog: which version's section.")
@json_option
@click.pass_obj
def lint(context: CommandContext, slug: str, version: str | None, as_json: bool) -> None:
    """Check a campaign's mail, or a file before there is one. Errors end with exit code 4.

    \b
    Example:
      mailer campaigns lint 2.4.0
      mailer campaigns lint notes.md
      mailer campaigns lint CHANGELOG.md --version 2.4.0
    """
    path = Path(slug)
    is_file = version is not None or path.exists()
    findings = _lint_file(context, path, version) if is_file else dispatch_of(context).findings(slug)
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    lines = [f"{one.severity}: {one.where}: {one.message} ({one.code})" for one in findings]
    lines.append(f"{slug}: {_counted(errors, 'error')}, {_counted(len(findings) - errors, 'warning')}")
    values = {"slug": slug, "errors": errors, "findings": [dataclasses.asdict(one) for one in findings]}
    context.report(values, "\n".join(lines), as_json=as_json)
    if errors:
        sys.exit(Refused.exit_code)


def _lint_file(context: CommandContext, path: Path, version: str | None) -> tuple[Finding, ...]:
    settings = context.settings
    defaults = Defaults(settings.locale, settings.topic, settings.brand.name)
    text = read_text(path)
    notes = (
        read_changelog(text, version, path.name, defaults)
        if version
        else read_markdown(text, path.name, defaults)
    )
    notes = dataclasses.replace(notes, remote_images=settings.remote_images)
    rendered = render_notes(notes, read_images(notes, path.parent, settings), settings)
    return lint_mail(rendered, image_hosts=settings.image_hosts) + lint_notes(notes)


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
def approve(context: CommandContext, slug: str, as_json: bool) -> None:
    """Approve a campaign and freeze its content. The content can't be changed afterwards.

    \b
    Example:
      mailer campaigns approve 2.4.0
    """
    dispatch_of(context).approve(slug)
    report_status(context, slug, as_json=as_json)


def _counted(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
