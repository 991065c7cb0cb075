"""The charts of a report: what each shows, in words and numbers of the page's language."""

from __future__ import annotations

from collections.abc import Iterator

from campaigns.reports.charts.domains import domains_figure
from campaigns.reports.charts.left import left_figure
from campaigns.reports.charts.outcomes import languages_figure, outcomes_figure
from campaigns.reports.charts.progress import progress_figure
from campaigns.reports.charts.words import ReportWords
from campaigns.reports.figures import CampaignFigures
from templates.report_page import Figure

__all__ = ["ReportWords", "chart_figures"]


def chart_figures(figures: CampaignFigures, words: ReportWords) -> Iterator[Figure]:
    """The charts of a campaign that was started, of those for which there are numbers."""
    if figures.progress is not None and figures.progress.milestones:
        yield progress_figure(figures.progress, words)
    if figures.status.audience:
        yield outcomes_figure(figures, words)
    if figures.leavers is not None and figures.leavers.mailed:
        yield left_figure(figures.leavers, words)
    if figures.domains:
        yield domains_figure(figures.domains, words)
    if figures.languages:
        yield languages_figure(figures.languages, words)
