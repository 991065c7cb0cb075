"""The accepted mails over time, as an area."""

from __future__ import annotations

from collections.abc import Sequence

from campaigns.reports.charts.words import ReportWords
from campaigns.reports.progress import Progress
from templates.charts import AreaChart, Table, Tick, line_path, number_ticks, round_ticks
from templates.report_page import Figure

_SHORT_SECONDS = 10 * 60  # of a period in which minutes alone would repeat
_FEW, _MANY = (0.0, 0.5, 1.0), (0.0, 0.25, 0.5, 0.75, 1.0)
_ANCHORS = {0.0: "start", 1.0: "end"}


def progress_figure(progress: Progress, words: ReportWords) -> Figure:
    """The chart of a progress with milestones. Its table has the milestones, the folded one all moments."""
    moments = _Moments(progress, words)
    top = round_ticks(max(one.accepted + one.otherwise for one in progress.steps))
    legend = [("accepted", words.text("accepted"))]
    areas = [("accepted", moments.line([one.accepted for one in progress.steps], top[-1]))]
    if progress.steps[-1].otherwise:
        legend.append(("rejected", words.text("otherwise")))
        areas.append(("rejected", moments.line([one.otherwise for one in progress.steps], top[-1])))
    milestones = tuple(
        (
            words.share(round(one.share * 100), 100),
            words.duration(one.seconds),
            moments.time(one.seconds),
        )
        for one in progress.milestones
    )
    steps = tuple(
        (
            words.time(one.at, with_day=moments.with_day, with_seconds=True),
            words.number(one.accepted),
            words.number(one.otherwise),
        )
        for one in progress.steps
    )
    return Figure(
        name="progress",
        heading=words.text("progress"),
        lead=words.text("progress_lead"),
        description=_description(progress, words),
        chart=AreaChart(tuple(areas), number_ticks(top, words.number), moments.ticks()),
        table=Table((words.text("share_column"), words.text("after"), words.text("moment")), milestones),
        more=Table((words.text("moment"), words.text("accepted"), words.text("otherwise")), steps),
        more_label=words.text("steps"),
        legend=tuple(legend),
    )


class _Moments:
    """The time axis of a progress."""

    def __init__(self, progress: Progress, words: ReportWords) -> None:
        self._words = words
        self._steps = progress.steps
        self._start, end = progress.steps[0].at, progress.steps[-1].at
        self._period = end - self._start
        self.with_day = self._start.astimezone(words.zone).date() != end.astimezone(words.zone).date()
        self._with_seconds = self._period.total_seconds() < _SHORT_SECONDS

    def line(self, numbers: Sequence[int], top: int) -> str:
        """The path of numbers, one for each step."""
        seconds = max(self._period.total_seconds(), 1)
        places = [(one.at - self._start).total_seconds() / seconds for one in self._steps]
        return line_path([(place, number / top) for place, number in zip(places, numbers, strict=True)])

    def time(self, seconds: float) -> str:
        """The moment so many seconds after the start."""
        share = seconds / max(self._period.total_seconds(), 1)
        at = self._start + self._period * min(share, 1)
        return self._words.time(at, with_day=self.with_day, with_seconds=self._with_seconds)

    def ticks(self) -> tuple[Tick, ...]:
        """The labels of the axis, none twice; three where they are long."""
        seconds = self._period.total_seconds()
        shares = _FEW if self.with_day or self._with_seconds else _MANY
        labels = {self.time(share * seconds): share for share in reversed(shares)}
        return tuple(
            Tick(share * 100, label, _ANCHORS.get(share, "middle"))
            for label, share in reversed(labels.items())
        )


def _description(progress: Progress, words: ReportWords) -> str:
    period = words.period(progress.steps[0].at, progress.steps[-1].at)
    number = words.number(progress.steps[-1].accepted)
    times = {one.share: words.duration(one.seconds) for one in progress.milestones}
    return words.text("progress_desc", period=period, number=number, half=times[0.5], all=times[1.0])
