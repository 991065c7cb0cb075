"""The accepted mails over time, as an area."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from campaigns.reports.charts.words import ReportWords
from campaigns.reports.progress import Progress
from templates.charts import AreaChart, Table, Tick, line_path, number_ticks, round_ticks
from templates.report_page import Figure

_SHORT_SECONDS = 10 * 60  # of a period in which minutes alone would repeat
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400  # seconds
_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR for hours in (1, 2, 3, 6, 12)),
    *(days * _DAY for days in (1, 2, 7, 14, 28, 91, 364)),
)
_MOST_TICKS, _MOST_LONG_TICKS = 5, 3
_EDGE = 6.0  # percent of the axis, in which a label would reach beyond its end


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
        """The labels of the axis, none twice, at round times; fewer where they are long."""
        seconds = self._period.total_seconds()
        most = _MOST_LONG_TICKS if self.with_day or self._with_seconds else _MOST_TICKS
        moments = _round_moments(self._start.astimezone(self._words.zone), seconds, most)
        labels = {self.time(one): one / max(seconds, 1) * 100 for one in reversed(moments)}
        return tuple(_tick(place, label) for label, place in reversed(labels.items()))


def _round_moments(start: datetime, seconds: float, most: int) -> list[float]:
    """Round times of the day from `start` on, as seconds after it: `most` or fewer, with the smallest step for that."""
    since_midnight = (start - start.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    for step in _STEPS:
        first = -since_midnight % step
        count = int((seconds - first) // step) + 1
        if 2 <= count <= most:
            return [first + step * number for number in range(count)]
    return [0.0, seconds] if seconds else [0.0]


def _tick(place: float, label: str) -> Tick:
    anchor = "start" if place < _EDGE else "end" if place > 100 - _EDGE else "middle"
    return Tick(round(place, 2), label, anchor)


def _description(progress: Progress, words: ReportWords) -> str:
    period = words.period(progress.steps[0].at, progress.steps[-1].at)
    number = words.number(progress.steps[-1].accepted)
    times = {one.share: words.duration(one.seconds) for one in progress.milestones}
    return words.text("progress_desc", period=period, number=number, half=times[0.5], all=times[1.0])
