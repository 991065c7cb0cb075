"""The people who left after a campaign, as columns by day."""

from __future__ import annotations

from campaigns.reports.charts.words import ReportWords
from campaigns.reports.leavers import LeaverDay, Leavers
from templates.charts import ColumnChart, Part, Table, Tick, number_ticks, round_ticks
from templates.report_page import Figure

_CHANNELS = ("one_click", "page", "otherwise")
_COLUMN = 0.72  # of the width that a day has


def left_figure(left: Leavers, words: ReportWords) -> Figure:
    """A column for each day after the mail. Its table has the ways in which people left, the folded one the days."""
    top = round_ticks(max(one.total for one in left.days), 3)
    width = 100 / len(left.days)
    columns = tuple(
        (
            round((one.day + (1 - _COLUMN) / 2) * width, 2),
            round(width * _COLUMN, 2),
            _stack(one, top[-1], words),
        )
        for one in left.days
    )
    x_ticks = tuple(Tick(round((day + 0.5) * width, 2), str(day)) for day in range(0, len(left.days), 2))
    lead = words.text("left_lead", days=str(len(left.days)))
    counted = {channel: sum(getattr(one, channel) for one in left.days) for channel in _CHANNELS}
    return Figure(
        name="left",
        heading=words.text("left"),
        lead=lead if left.is_complete else f"{lead} {words.text('left_so_far')}",
        description=_description(left, words),
        chart=ColumnChart(columns, number_ticks(top, words.number), x_ticks, words.text("left_axis")),
        table=Table(
            (words.text("left_by"), words.text("left_people")),
            tuple((words.text(f"left_{name}"), words.number(number)) for name, number in counted.items()),
            _CHANNELS,
        ),
        more=Table(
            (words.text("day"), words.text("left_people")),
            tuple((str(one.day), words.number(one.total)) for one in left.days),
        ),
        more_label=words.text("left_days"),
    )


def _stack(day: LeaverDay, top: int, words: ReportWords) -> tuple[Part, ...]:
    parts, start = [], 0.0
    for channel in _CHANNELS:
        if number := getattr(day, channel):
            length = number / top * 100
            text = f"{words.text(f'left_{channel}')}: {words.number(number)}"
            parts.append(Part(channel, start, length, text))
            start += length
    return tuple(parts)


def _description(left: Leavers, words: ReportWords) -> str:
    mailed = words.number(left.mailed)
    if not left.total:
        return words.text("left_nobody", mailed=mailed)
    most = max(left.days, key=lambda one: one.total)
    return words.text(
        "left_desc",
        number=words.number(left.total),
        mailed=mailed,
        share=words.share(left.total, left.mailed),
        day=str(most.day),
        most=words.number(most.total),
    )
