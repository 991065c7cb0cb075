"""The command that checks a mail: lint."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from campaigns.commands.notes_options import NotesOptions, is_file, notes_options, open_source
from campaigns.commands.options import complete_slug, dispatch_of, run
from campaigns.notes import render_notes
from campaigns.sending import sample_of
from campaigns.spam_check import check_spam
from mailer.commands import CommandContext, json_option
from mailer.errors import Refused
from mailer.quantity import quantity
from templates.lint import Finding, Places, Severity
from templates.lint import lint as lint_mail


@click.command()
@click.argument("slug", metavar="SLUG|FILE", shell_complete=complete_slug)
@click.option("--links", is_flag=True, help="Try each link: whether its page is there.")
@click.option("--spam", is_flag=True, help="Ask SpamAssassin, which must be installed.")
@notes_options
@json_option
@click.pass_obj
def lint(
    context: CommandContext, slug: str, links: bool, spam: bool, options: NotesOptions, as_json: bool
) -> None:
    """Check a campaign's mail, or a file before there is one. Errors end with exit code 4.

    Each finding names an id, the place, and what to do. docs/lint.md lists them all. With --links each public address in
    the mail is asked once; nothing else goes out.

    \b
    Example:
      mailer campaigns lint 2.4.0
      mailer campaigns lint notes.md --links
      mailer campaigns lint CHANGELOG.md --version 2.4.0
    """
    settings, dispatch = context.settings, dispatch_of(context)
    of_file = is_file(context, slug, options)
    if of_file:
        opened = open_source(context, Path(slug), options)
        notes, images = opened.source.read(settings, opened.text)
        rendered = render_notes(notes, images, settings)
    else:
        rendered, notes, images = dispatch.content(slug)
    findings = lint_mail(rendered, image_hosts=settings.image_hosts, notes=notes, images=images)
    if links:
        from campaigns.link_check import check_links  # noqa: PLC0415 - its HTTP client is slow to import
        from mailer.webhooks import Reach  # noqa: PLC0415 - as above

        reach = Reach(settings.webhooks.allow_private, allow_http=True)
        findings += run(check_links(rendered, Places(notes, images, settings.image_hosts), reach))
    if spam:
        findings += check_spam(sample_of(rendered, notes.topic, settings))
    change = None if of_file else dispatch.source_change(slug)
    if change is not None:
        context.console.print(change, style="yellow", markup=False)
    _report(context, slug, findings, notes.origin, change=change is not None, as_json=as_json)


def _report(
    context: CommandContext,
    slug: str,
    findings: Sequence[Finding],
    origin: str,
    *,
    change: bool,
    as_json: bool,
) -> None:
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    lines = [f"{one.severity}: {one.where}: {one.message} ({one.code})\n  {one.remedy}" for one in findings]
    lines.append(f"{slug}: {quantity(errors, 'error')}, {quantity(len(findings) - errors, 'warning')}")
    values = {"slug": slug, "errors": errors, "findings": [one.values(origin) for one in findings]}
    context.report(values | {"source_changed": change}, "\n".join(lines), as_json=as_json)
    if errors:
        sys.exit(Refused.exit_code)
