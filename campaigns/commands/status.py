"""Commands that tell what campaigns are and where they stand: list, show, status."""

from __future__ import annotations

import dataclasses
from datetime import datetime

import click

from campaigns import approvals, catalogue, reports
from campaigns.approvals import ApprovalRule
from campaigns.campaign import Campaign
from campaigns.commands.options import report_status, slug_argument
from campaigns.page_links import page_urls
from campaigns.reports.languages import count_by_language
from campaigns.source import NotesSource
from campaigns.stored_content import load_notes
from mailer.commands import CommandContext, format_table, json_option


@click.command("list")
@json_option
@click.pass_obj
def list_campaigns(context: CommandContext, as_json: bool) -> None:
    """List the campaigns, newest first.

    The date is that of the start or, before it, the time it is scheduled for, or that of the draft.

    \b
    Example:
      mailer campaigns list
    """
    with context.database.read() as connection:
        found = [
            (one, reports.campaign_status(connection, one)) for one in catalogue.all_campaigns(connection)
        ]
    values = [counts._asdict() | _description(campaign) for campaign, counts in found]
    zone = context.settings.tz
    rows = [
        (
            campaign.slug,
            counts.state,
            ", ".join(one.locale for one in load_notes(campaign.notes).editions),
            f"{(campaign.started_at or counts.planned_at or campaign.created_at).astimezone(zone):%Y-%m-%d %H:%M %Z}",
            counts.counts(),
            load_notes(campaign.notes).title,
        )
        for campaign, counts in found
    ]
    table = format_table(("campaign", "state", "language", "date", "deliveries", "title"), rows)
    hint = "There are no campaigns yet. Create one with `mailer campaigns create`."
    context.report({"campaigns": values}, table if rows else hint, as_json=as_json)


def _description(campaign: Campaign) -> dict[str, object]:
    return {
        "title": load_notes(campaign.notes).title,
        "locale": campaign.locale,
        "locales": [one.locale for one in load_notes(campaign.notes).editions],
        "topic": campaign.topic,
        "created_at": campaign.created_at,
        "started_at": campaign.started_at,
        "finished_at": campaign.finished_at,
    }


@click.command()
@slug_argument
@json_option
@click.pass_obj
def show(context: CommandContext, slug: str, as_json: bool) -> None:
    """Show what a campaign is, and who gets it.

    It shows title, topic, languages, source, times, approvals and the public page; of a campaign in several languages
    also how many people get each.

    \b
    Example:
      mailer campaigns show 2.4.0
    """
    with context.database.read() as connection:
        campaign = catalogue.find(connection, slug)
        found = reports.campaign_status(connection, campaign)
        languages = count_by_language(connection, campaign, context.settings.locale)
        approved = approvals.status(connection, campaign, ApprovalRule.of(context.settings))
        notes = load_notes(campaign.notes)
        locales = [one.locale for one in notes.editions]
        pages = page_urls(connection, context.settings, campaign.id, locales)
    source = NotesSource.load(campaign.source) if campaign.source else None
    values = found._asdict() | _description(campaign) | approved.values()
    values |= {
        "version": notes.version,
        "languages": [dataclasses.asdict(one) for one in languages],
        "sources": [source.path, *source.translations] if source else [],
        "theme": notes.theme or context.settings.theme,
        "window": campaign.send_window or context.settings.send_window,
        "content_hash": campaign.content_hash,
        "pages": pages,
    }
    lines = {
        "campaign": found.line(),
        "title": notes.title,
        "version": notes.version,
        "topic": campaign.topic,
        "language": ", ".join(locales),
        "people": ", ".join(f"{one.locale} {one.audience:,}" for one in languages),
        "source": ", ".join(values["sources"]),
        "theme": values["theme"],
        "window": values["window"],
        "page": f"\n{'':<13}".join(pages.values()),
        "next" if campaign.started_at else "due": _moment(context, found.next_due_at),
        "approved by": "; ".join(str(one.by) for one in reversed(approved.given)),
        "waits for": approved.waits_for() if approved.missing else None,
    }
    shown = [f"{name + ':':<13}{value}" for name, value in lines.items() if value]
    context.report(values, "\n".join(shown), as_json=as_json)


@click.command()
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


def _moment(context: CommandContext, at: datetime | None) -> str | None:
    """A time in the settings' zone, for people."""
    return f"{at.astimezone(context.settings.tz):%Y-%m-%d %H:%M %Z}" if at else None
