"""The page of a campaign's report. It loads nothing: stylesheet, logo and charts are inside the page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from templates.brand import Brand
from templates.charts import AreaChart, BarChart, ColumnChart, Table
from templates.environment import render_template
from templates.language import Locale, load_texts
from templates.page_style import page_style


class Tile(NamedTuple):
    """A number that matters most. `kind` has a colour."""

    label: str
    number: str
    note: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its table. `description` says in words what the chart shows; `more` is a longer table, folded.

    `legend` has the kind of each part of the chart and what it means, where the table does not say that.
    """

    name: str
    heading: str
    lead: str
    description: str
    chart: AreaChart | BarChart | ColumnChart
    table: Table
    more: Table | None = None
    more_label: str = ""
    legend: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> str:
        """Which macro draws the chart."""
        match self.chart:
            case AreaChart():
                return "area"
            case ColumnChart():
                return "columns"
            case BarChart():
                return "bars"


@dataclass(frozen=True, slots=True)
class Report:
    """A report. All of it is plain text. `facts` are a list of terms and texts at its end."""

    title: str
    lead: str
    tiles: tuple[Tile, ...]
    figures: tuple[Figure, ...]
    reasons: Table | None
    facts: tuple[tuple[str, str], ...]


def render_report_page(
    report: Report, brand: Brand, locale: Locale, templates_dir: Path | None = None, *, least: int
) -> str:
    """The HTML of a report. Domains with fewer than `least` recipients are not named in it; it says so.

    `templates_dir` is as in `load_environment`.
    """
    style, policy = page_style(brand, templates_dir, "pages/report.css.j2")
    values = {
        "report": report,
        "brand": brand,
        "logos": _logos(brand),
        "locale": locale,
        "texts": load_texts(locale)["report"],
        "least": least,
        "style": style,
        "policy": _policy_of_file(policy, has_logo=bool(brand.logo)),
    }
    return render_template("pages/report.html.j2", values, templates_dir=templates_dir)


def _policy_of_file(policy: str, *, has_logo: bool) -> str:
    """The policy for a `<meta>` element: without forms, and without what only a header can say."""
    style = next(part for part in policy.split("; ") if part.startswith("style-src"))
    images = "; img-src data:" if has_logo else ""
    return f"default-src 'none'; {style}{images}; base-uri 'none'; form-action 'none'"


def _logos(brand: Brand) -> Sequence[str]:
    """The logo for light screens and that for dark ones, as URLs that contain them."""
    logos = [logo for logo in (brand.logo, brand.logo_dark or brand.logo) if logo is not None]
    return [f"data:{one.content_type};base64,{base64.b64encode(one.data).decode()}" for one in logos]
