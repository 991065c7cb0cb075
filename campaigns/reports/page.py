"""A campaign's figures as a page: what each chart shows, in words and numbers of the page's language."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from campaigns.approvals import ApprovalStatus
from campaigns.campaign import Campaign
from campaigns.rendering import brand_of
from campaigns.reports.charts import ReportWords, chart_figures
from campaigns.reports.domains import MIN_RECIPIENTS
from campaigns.reports.figures import CampaignFigures
from campaigns.stored_content import load_notes
from mailer.config import Settings
from templates.charts import Table
from templates.language import Locale
from templates.report_page import Report, Tile, render_report_page


@dataclass(frozen=True, slots=True)
class ReportedCampaign:
    """What a report is about, and when it is made."""

    campaign: Campaign
    figures: CampaignFigures
    approved: ApprovalStatus
    now: datetime


def render_report(reported: ReportedCampaign, settings: Settings, locale: Locale) -> str:
    """The HTML of a campaign's report: one file, which loads nothing and names no recipient."""
    words = ReportWords(locale, ZoneInfo(settings.zone))
    report = Report(
        title=_title(reported.campaign, locale),
        lead=_lead(reported.campaign, _topic_title(reported.campaign, settings, locale), words),
        tiles=tuple(_tiles(reported, words)),
        figures=tuple(chart_figures(reported.figures, words))
        if reported.campaign.started_at is not None
        else (),
        reasons=_reasons(reported.figures, words),
        facts=tuple(_facts(reported, words)),
    )
    return render_report_page(
        report, brand_of(settings), locale, settings.templates_dir, least=MIN_RECIPIENTS
    )


def _title(campaign: Campaign, locale: Locale) -> str:
    """The title of the mail in the report's language, else in its first."""
    editions = load_notes(campaign.notes).editions
    return next((one.title for one in editions if one.locale == locale), editions[0].title)


def _topic_title(campaign: Campaign, settings: Settings, locale: Locale) -> str:
    titles = settings.topics.get(campaign.topic)
    own = getattr(titles, locale, None) if titles else None
    return own or campaign.topic


def _lead(campaign: Campaign, topic: str, words: ReportWords) -> str:
    if campaign.started_at is None:
        return words.text("lead_draft", topic=topic)
    if campaign.finished_at is None:
        return words.text("lead_open", topic=topic, start=words.moment(campaign.started_at))
    return words.text("lead", topic=topic, period=words.period(campaign.started_at, campaign.finished_at))


def _tiles(reported: ReportedCampaign, words: ReportWords) -> Iterator[Tile]:
    """The numbers that matter most."""
    figures, status = reported.figures, reported.figures.status
    if reported.campaign.started_at is None:
        note = words.text("audience_note", topic=reported.campaign.topic)
        yield Tile(words.text("tile_audience"), words.number(status.audience), note)
        return
    audience = status.audience
    share = words.share(status.accepted, audience)
    note = words.text("tile_share", share=share, number=words.number(audience))
    yield Tile(words.text("tile_accepted"), words.number(status.accepted), note, "accepted")
    still_open = status.pending + status.deferred + status.in_flight
    failed = audience - status.accepted - still_open
    note = (
        words.text("tile_open", number=words.number(still_open))
        if still_open
        else words.text("tile_share", share=words.share(failed, audience), number=words.number(audience))
    )
    yield Tile(words.text("tile_failed"), words.number(failed), note, "rejected" if failed else "")
    if (left := figures.leavers) is not None and left.mailed:
        share = words.share(left.total, left.mailed)
        name = "tile_left_note" if left.is_complete else "tile_left_so_far"
        note = words.text(name, share=share, days=str(len(left.days)))
        yield Tile(words.text("tile_left"), words.number(left.total), note)
    if figures.progress is not None and (
        times := {one.share: one.seconds for one in figures.progress.milestones}
    ):
        note = words.text("tile_speed_note", half=words.duration(times[0.5]))
        yield Tile(words.text("tile_speed"), words.duration(times[0.99]), note)


def _reasons(figures: CampaignFigures, words: ReportWords) -> Table | None:
    if not figures.reasons:
        return None
    head = (words.text("reply"), words.text("outcome"), words.text("mails"))
    rows = tuple(
        (
            one.reply or one.reason or words.text("no_reply", phase=one.smtp_phase or ""),
            words.outcome(one.state),
            words.number(one.deliveries),
        )
        for one in figures.reasons
    )
    return Table(head, rows, tuple(str(one.state) for one in figures.reasons))


def _facts(reported: ReportedCampaign, words: ReportWords) -> Iterator[tuple[str, str]]:
    campaign = reported.campaign
    yield words.text("fact_campaign"), campaign.slug
    for one in reversed(reported.approved.given):
        name = one.by.name or words.text("fact_login", login=one.by.login or "")
        at = words.moment(one.approved_at)
        yield words.text("fact_approved"), words.text("fact_approved_text", name=name, at=at)
    if campaign.content_hash:
        yield words.text("fact_content"), campaign.content_hash
    yield words.text("fact_made"), words.moment(reported.now)
