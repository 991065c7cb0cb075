"""The page of a report in a browser: it fits a phone and a desktop, axe-core finds nothing, and nothing is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from campaigns.approvals import Approval, ApprovalStatus, Approver
from campaigns.campaign import Campaign
from campaigns.reports import CampaignStatus
from campaigns.reports.domains import DomainCount
from campaigns.reports.figures import OUTCOMES, CampaignFigures
from campaigns.reports.languages import LanguageCount
from campaigns.reports.leavers import Leavers, Leaving, count_by_day
from campaigns.reports.page import ReportedCampaign, render_report
from campaigns.reports.progress import Ended, measure
from campaigns.reports.replies import Reason
from campaigns.states import CampaignState, DeliveryState
from campaigns.stored_content import dump_notes
from mailer.config import BrandSettings, Settings
from subscribers.kinds import Channel
from templates.language import Locale
from tests.support.browser import chromium
from tests.support.campaign import NOTES, TOPIC

START = datetime(2026, 12, 1, 8, 0, 12, tzinfo=UTC)
LONGEST_DOMAIN = f"{'a' * 50}.{'very-long-name.' * 3}example"


def figures() -> CampaignFigures:
    """Figures with every chart and every outcome."""
    ended = [Ended(START + timedelta(seconds=7 * number), number % 9 > 0, 20) for number in range(90)]
    status = CampaignStatus(
        "2.4.0", CampaignState.SENDING, 1900, 40, 1600, 25, 190, 10, 5, 15, 10, 5, None, None
    )
    left = [
        Leaving(START, START + timedelta(hours=11 * number), channel)
        for number, channel in enumerate(Channel)
    ]
    domains = [
        DomainCount(name, 1, 500 - number, 480, 10, 5, 5 - number)
        for number, name in enumerate(("a.example", LONGEST_DOMAIN))
    ]
    domains += [DomainCount(f"d{number}.example", 1, 30, 30, 0, 0, 0) for number in range(14)]
    return CampaignFigures(
        status=status,
        languages=[LanguageCount("en", 1200, 1100), LanguageCount("nl", 700, 500)],
        reasons=[Reason(DeliveryState.REJECTED, "rcpt", None, f"550 5.1.1 {'x' * 200} unknown", 190)],
        progress=measure(ended, START, ended[-1].at, sum(one.number for one in ended if one.accepted)),
        domains=[*domains, DomainCount(None, 31, 70, 60, 5, 3, 2)],
        leavers=Leavers(1600, len(left), count_by_day(left), is_complete=False),
    )


def html_of(locale: Locale, found: CampaignFigures | None = None) -> str:
    campaign = Campaign(
        1, "2.4.0", TOPIC, "en", CampaignState.SENDING, dump_notes(NOTES), "Version 2.4.0", None, None, "c" * 64,
        START, START, START, START, None, None, None, None,
    )  # fmt: skip
    approvals = [Approval(Approver(name, "deploy"), START, 1900, "c" * 64) for name in ("Ada", "Bram")]
    approved = ApprovalStatus(2, tuple(approvals), tuple(approvals), 0, ())
    reported = ReportedCampaign(campaign, found or EVERYTHING, approved, START + timedelta(days=3))
    return render_report(reported, Settings(brand=BrandSettings(name="Acme")), locale)


EVERYTHING = figures()
NOTHING: dict[str, Any] = dict.fromkeys([*OUTCOMES, "audience", "in_flight"], 0)


@pytest.mark.parametrize(
    ("counts", "ended", "charts"),
    [
        ({}, [], []),
        ({"cancelled": 3}, [], ["outcomes"]),
        ({"accepted": 1}, [Ended(START, True, 1)], ["progress", "outcomes", "left"]),
        ({"rejected": 3}, [Ended(START + timedelta(days=4), False, 3)], ["outcomes"]),
        ({"accepted": 3}, [Ended(START - timedelta(seconds=1), True, 3)], ["progress", "outcomes", "left"]),
        ({"accepted": 10**7, "pending": 1}, [], ["outcomes", "left"]),
    ],
)
def test_a_report_has_the_charts_for_which_there_are_numbers(
    counts: dict[str, int], ended: list[Ended], charts: list[str]
) -> None:
    status = EVERYTHING.status._replace(**(NOTHING | counts | {"audience": sum(counts.values())}))
    accepted = counts.get("accepted", 0)
    found = CampaignFigures(
        status=status,
        languages=[],
        reasons=[],
        progress=measure(ended, START, ended[-1].at, accepted) if ended else None,
        domains=[],
        leavers=Leavers(accepted, 0, count_by_day([]), is_complete=True),
    )
    assert re.findall(r'<section aria-labelledby="(\w+)">', html_of("en", found)) == [*charts, "facts"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page with the report open, and all it asked for and complained of in `requests` and `complaints`."""
    file: Path = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(html_of("nl"), encoding="utf-8")
    page = browser.new_page()
    page.on("console", lambda message: COMPLAINTS.append(message.text))
    page.on("request", lambda request: REQUESTS.append(request.url))
    page.goto(file.as_uri())
    yield page
    page.close()


REQUESTS: list[str] = []
COMPLAINTS: list[str] = []


@pytest.mark.parametrize("width", [320, 360, 1200])
def test_it_fits_the_screen_with_all_tables_open(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = """() => [...document.querySelectorAll("svg.chart text")].filter(one => {
      const box = one.getBoundingClientRect();
      return one.closest("svg.chart.columns, svg.chart.area") && (box.left < 0 || box.right > innerWidth);
    }).map(one => one.textContent)"""
    assert page.evaluate(outside) == []
    covered = """() => [...document.querySelectorAll("svg.chart .label")].filter(one =>
      one.getBoundingClientRect().right > one.nextElementSibling.getBoundingClientRect().left
    ).map(one => one.textContent)"""
    assert page.evaluate(covered) == []


@pytest.mark.parametrize("width", [320, 360, 900])
def test_the_numbers_of_a_row_stand_at_one_height_below_whole_words(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    broken = """() => [...document.querySelectorAll(".tiles dt")].flatMap(one => {
      const text = one.firstChild, range = document.createRange();
      return [...text.data.matchAll(/\\S+/g)].filter(word => {
        range.setStart(text, word.index);
        range.setEnd(text, word.index + word[0].length);
        return range.getClientRects().length > 1;
      }).map(word => word[0]);
    })"""
    assert page.evaluate(broken) == []
    heights = """() => [...document.querySelectorAll(".tiles div")].map(one =>
      [one.getBoundingClientRect().top, one.querySelector("strong").getBoundingClientRect().top])"""
    found = page.evaluate(heights)
    assert len({number for _, number in found}) == len({tile for tile, _ in found})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1200])
def test_axe_finds_nothing(page: Page, scheme: Literal["light", "dark"], width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


def test_it_loads_nothing_and_keeps_to_its_own_policy(page: Page) -> None:
    assert [url.partition(":")[0] for url in REQUESTS] == ["file"]
    assert [text for text in COMPLAINTS if "axe" not in text] == []
    assert page.evaluate("getComputedStyle(document.querySelector('.tiles')).display") == "grid"
