"""The command that checks mails: lint."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from campaigns.commands.notes_options import NotesOptions, is_file, notes_options, open_source
from campaigns.commands.options import complete_slug_or_file, dispatch_of, run
from campaigns.rendering import render_notes
from campaigns.sending import sample_of
from campaigns.source import NotesSource
from campaigns.spam_check import check_spam
from mailer.commands import CommandContext, json_option
from mailer.errors import InvalidInput, NotFound, Refused
from mailer.message import InlineImage
from mailer.quantity import quantity
from templates.lint import Finding, Places, Severity
from templates.lint import lint as lint_mail
from templates.notes import ReleaseNotes, RenderedNotes


@click.command()
@click.argument(
    "slugs", metavar="SLUG|FILE...", nargs=-1, required=True, shell_complete=complete_slug_or_file
)
@click.option("--links", is_flag=True, help="Try each link: whether its page is there.")
@click.option("--spam", is_flag=True, help="Ask SpamAssassin, which must be installed.")
@notes_options
@json_option
@click.pass_obj
def lint(
    context: CommandContext,
    slugs: tuple[str, ...],
    links: bool,
    spam: bool,
    options: NotesOptions,
    as_json: bool,
) -> None:
    """Check a campaign's mail, or files before there is one. Errors end with exit code 4.

    Each finding names an id, the place, and what to do. docs/lint.md lists them all. With --links each public address
    in the mail is asked once; nothing else goes out. Of several files those that no mail can be made of are errors
    too; a file in another language of one before it is checked with that one.

    \b
    Example:
      mailer campaigns lint 2.4.0
      mailer campaigns lint notes.md --links
      mailer campaigns lint notes/*.md --json
      mailer campaigns lint CHANGELOG.md --version 2.4.0
    """
    checks = _Checks(context, options, links=links, spam=spam, is_alone=len(slugs) == 1)
    checked = [found for slug in slugs if (found := checks.check(slug)) is not None]
    for one in checked:
        if one.change is not None:
            context.console.print(one.change, style="yellow", markup=False)
    _report(context, checked, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Checked:
    """What was found in the mail of one argument. `change` says how its notes on disk differ from the campaign's."""

    slug: str
    origin: str
    findings: tuple[Finding, ...]
    change: str | None = None

    @property
    def errors(self) -> int:
        return sum(finding.severity is Severity.ERROR for finding in self.findings)


class _Checks:
    """Checks one mail after another, each once: a file is checked together with those in other languages."""

    def __init__(
        self, context: CommandContext, options: NotesOptions, *, links: bool, spam: bool, is_alone: bool
    ) -> None:
        self._context, self._options = context, options
        self._links, self._spam, self._is_alone = links, spam, is_alone
        self._read: set[str] = set()  # the paths of all files so far

    def check(self, slug: str) -> _Checked | None:
        """What is found; None where the file was checked with another one. Raises what reading notes raises."""
        if not is_file(self._context, slug, self._options):
            preparation = dispatch_of(self._context).preparation
            rendered, notes, images = preparation.content(slug)
            return _Checked(
                slug, notes.origin, self._find(rendered, notes, images), preparation.source_change(slug)
            )
        try:
            opened = open_source(self._context, Path(slug), self._options, is_alone=self._is_alone)
            if self._is_read(opened.source):
                return None
            settings = self._context.settings
            notes, images = opened.source.read(settings, opened.text)
            return _Checked(
                slug, notes.origin, self._find(render_notes(notes, images, settings), notes, images)
            )
        except NotFound:
            raise
        except InvalidInput as error:
            if self._is_alone:
                raise
            message = " ".join(filter(None, (*error.reason.splitlines(), error.hint)))
            name = Path(slug).name
            return _Checked(slug, name, (Finding.of("notes-refused", message, error.where or name),))

    def _is_read(self, source: NotesSource) -> bool:
        is_read = source.path in self._read
        self._read.update((source.path, *source.translations))
        return is_read

    def _find(
        self, rendered: RenderedNotes, notes: ReleaseNotes, images: dict[str, InlineImage]
    ) -> tuple[Finding, ...]:
        settings = self._context.settings
        today = self._context.now().astimezone(settings.tz).date()
        hosts = settings.image_hosts
        findings = lint_mail(rendered, image_hosts=hosts, notes=notes, images=images, today=today)
        if self._links:
            from campaigns.link_check import check_links  # noqa: PLC0415 - its HTTP client is slow to import
            from mailer.webhooks import Reach  # noqa: PLC0415 - as above

            reach = Reach(settings.webhooks.allow_private, allow_http=True)
            findings += run(check_links(rendered, Places(notes, images, hosts), reach))
        if self._spam:
            findings += check_spam(sample_of(rendered, notes.topic, settings))
        return findings


def _report(context: CommandContext, checked: Sequence[_Checked], *, as_json: bool) -> None:
    lines: list[str] = []
    findings: list[dict[str, object]] = []
    for one in checked:
        lines += [
            f"{found.severity}: {found.where}: {found.message} ({found.code})\n  {found.remedy}"
            for found in one.findings
        ]
        warnings = quantity(len(one.findings) - one.errors, "warning")
        lines.append(f"{one.slug}: {quantity(one.errors, 'error')}, {warnings}")
        findings += [{**found.values(one.origin), "slug": one.slug} for found in one.findings]
    errors = sum(one.errors for one in checked)
    slugs = [one.slug for one in checked]
    values = {
        **({"slug": slugs[0]} if len(slugs) == 1 else {}),
        "slugs": slugs,
        "errors": errors,
        "findings": findings,
        "source_changed": any(one.change is not None for one in checked),
    }
    context.report(values, "\n".join(lines), as_json=as_json)
    if errors:
        sys.exit(Refused.exit_code)
