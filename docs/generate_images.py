"""Draw the pictures of pages in docs/images with Chromium: `python docs/generate_images.py [NAME]...`.

Run it after a change of a page's look or texts, and look at each. The font Inter (Debian: fonts-inter) is that of the
archive. The other pictures are of mails, made by hand from `mailer campaigns preview`.
"""

from __future__ import annotations

import base64
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize

from campaigns.approvals import Approval, ApprovalStatus, Approver
from campaigns.campaign import Campaign
from campaigns.reports import CampaignStatus
from campaigns.reports.domains import DomainCount
from campaigns.reports.figures import CampaignFigures
from campaigns.reports.languages import LanguageCount
from campaigns.reports.leavers import Leavers, Leaving, count_by_day
from campaigns.reports.page import ReportedCampaign, render_report
from campaigns.reports.progress import Ended, measure
from campaigns.reports.replies import Reason
from campaigns.source import NotesSource
from campaigns.states import CampaignState, DeliveryState
from campaigns.stored_content import dump_notes
from mailer.config import BrandSettings, Settings, TopicSettings
from mailer.config.privacy_settings import Controller, PrivacySettings
from mailer.message import Mailbox
from subscribers.kinds import Channel
from subscribers.rights.notice import privacy_notice
from templates.brand import Brand
from templates.language import Locale
from templates.notice_page import NoticePage, ShownVersion
from templates.own_data_page import OwnData, ShownEvent, ShownMail, ShownTopic
from templates.page import Page, Pages, ShownChoice
from templates.release_page import Around, Link, ListedNote, ReleasePages
from tests.support.browser import chromium

FOLDER = Path(__file__).resolve().parent / "images"
EXAMPLES = FOLDER.parents[1] / "examples" / "release-notes"
NOTES = NotesSource(str(EXAMPLES / "2.5.0.en.md")).read(Settings())
ACME = Brand(
    "Acme",
    "#1f5fbf",
    postal_address="Keizersgracht 1, Amsterdam",
    privacy_url="https://acme.example/privacy",
    support_email="help@acme.example",
)
KADEPLAN = ReleasePages(Brand("Kadeplan", "#0d6e74"), "product")
DUTCH = Link("Nederlands", "/", "nl")
START = datetime(2026, 11, 24, 8, 0, 12, tzinfo=UTC)


def picture(browser: Browser, html: str, width: int, height: int | None, *, is_dark: bool = False) -> bytes:
    """A picture of the top of a page; of all of it without a height."""
    size: ViewportSize = {"width": width, "height": height or 600}
    page = browser.new_page(viewport=size, color_scheme="dark" if is_dark else "light")
    page.set_content(html, wait_until="load")
    found = page.screenshot(full_page=height is None)
    page.close()
    return found


def data_url(image: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


def preferences(browser: Browser) -> bytes:
    titles = {"New versions": True, "Monthly digest": True, "Invitations and company news": False}
    choices = [ShownChoice(name, name, is_on=is_on, can_turn_on=True) for name, is_on in titles.items()]
    html = Pages(ACME).render(Page.ASK_ALL, "en", address="z…@example.com", choices=choices)
    return picture(browser, html, 600, None)


def own_data(browser: Browser) -> bytes:
    agreed = "3 March 2026 10:12"
    data = OwnData(
        names={"salutation": "Ms", "first_name": "Zoë", "surname": "de Vries"},
        email="zoe@example.com",
        on_file_since=agreed,
        topics=[
            ShownTopic("New versions", "Agreed", agreed),
            ShownTopic("Monthly digest", "Unsubscribed", "1 October 2026 08:00"),
        ],
        suppressed="",
        mails=[
            ShownMail("Version 2.4.0: faster search", "1 November 2026 09:05", "Taken by the mail server", "")
        ],
        events=[
            ShownEvent(
                agreed,
                "Agreed",
                "New versions",
                "from your account",
                "Settings page of the Acme portal",
                "Yes.",
            )
        ],
        requests=[],
    )
    forms = dict.fromkeys(("names", "address", "export", "object", "erase"), "x")
    return picture(browser, Pages(ACME).render_own_data(data, "en", forms=forms), 760, 1190)


def notice(browser: Browser) -> bytes:
    settings = Settings(
        brand=BrandSettings(name="Acme", colour=ACME.colour),
        privacy=PrivacySettings(
            contact=Mailbox("Robin Smit", "privacy@acme.example"),
            controllers=(Controller(name="Bakkerij Jansen B.V.", email="avg@jansen.example"),),
        ),
    )
    version = ShownVersion(1, date(2026, 11, 28))
    html = NoticePage(ACME, "/privacy").render(privacy_notice(settings, "en"), "en", version, [version])
    return picture(browser, html, 860, 720)


def archive_note(browser: Browser) -> bytes:
    article = KADEPLAN.article(*NOTES)
    around = Around(archive=Link("All release notes", "/", "en"), languages=[DUTCH])
    html = KADEPLAN.note(article.with_images_in(""), around).html
    for name, image in article.images.items():
        html = html.replace(name, data_url(image.data))
    return picture(browser, html, 820, 900)


def archive_list(browser: Browser) -> bytes:
    notes, _ = NOTES
    others = (
        ("2.4.0", date(2026, 11, 2), "the whole week on one board", "Drag bookings over the week."),
        ("2.3.0", date(2026, 3, 3), "invoices on departure", "Guests pay when they leave, by card or by a link."),
        ("2.2.0", date(2025, 12, 2), "waiting lists that fill themselves", "A free berth goes to who waits longest."),
    )  # fmt: skip
    listed = [ListedNote(Link(notes.title, "/", "en"), "2.5.0", date(2026, 11, 23), notes.preheader or "")]
    listed += [
        ListedNote(Link(f"Kadeplan {version[:3]}: {title}", "/", "en"), version, day, summary)
        for version, day, title, summary in others
    ]
    around = Around(languages=[DUTCH], atom="/", json="/", sign_up="/")
    return picture(browser, KADEPLAN.list_of_notes("New in Kadeplan", "en", listed, around).html, 820, 900)


def report(browser: Browser) -> bytes:
    """Light on a desktop, and dark on a phone, beside each other."""
    light = picture(browser, report_html("en"), 1000, 1180)
    dark = picture(browser, report_html("nl"), 360, 1179, is_dark=True)
    style = (
        "height: 790px; object-fit: cover; border-radius: 8px; border: 1px solid #d5d8e0; margin-right: 17px"
    )
    html = (
        f'<body style="margin: 0; white-space: nowrap">'
        f'<img style="{style}; width: 669px; object-position: top" src="{data_url(light)}">'
        f'<img style="{style}; width: 241px; object-position: top; margin-right: 0" src="{data_url(dark)}">'
    )
    return picture(browser, html, 931, 792)


def report_html(locale: Locale) -> str:
    """The report of a campaign to some ten thousand people, of whom most have the mail within ten minutes."""
    accepted, rejected = 9635, 83
    ended = [
        Ended(START + timedelta(seconds=10 * number), accepted=True, number=186) for number in range(1, 51)
    ]
    ended += [Ended(START + timedelta(minutes=30 + number), accepted=True, number=31) for number in range(10)]
    ended += [
        Ended(
            START + timedelta(minutes=45), accepted=True, number=accepted - sum(one.number for one in ended)
        )
    ]
    ended += [
        Ended(START + timedelta(seconds=60 * number), accepted=False, number=10) for number in range(1, 9)
    ]
    ended.sort(key=lambda one: one.at)
    status = CampaignStatus(
        "2.5.0", CampaignState.FINISHED, 9734, 0, accepted, 0, rejected, 13, 3, 0, 0, 0, None, None
    )
    left = [
        Leaving(START, START + timedelta(hours=2 * number), list(Channel)[number % 5]) for number in range(41)
    ]
    figures = CampaignFigures(
        status=status,
        languages=[LanguageCount("en", 6120, 6066), LanguageCount("nl", 3614, 3569)],
        reasons=[Reason(DeliveryState.REJECTED, "rcpt", None, "550 5.1.1 *** unknown", rejected)],
        progress=measure(ended, START, ended[-1].at, accepted),
        domains=[DomainCount("example.com", 1, 5210, 5170, 30, 0, 10)],
        leavers=Leavers(accepted, len(left), count_by_day(left), is_complete=False),
    )
    campaign = Campaign(
        1, "2.5.0", "release-notes", "en", CampaignState.FINISHED, dump_notes(NOTES[0]), "x", None, None, "c" * 64,
        START, START, START, START, START + timedelta(minutes=52), None, None, None,
    )  # fmt: skip
    approval = Approval(Approver("Ada", "ada"), START, 9734, "c" * 64)
    approved = ApprovalStatus(1, (approval,), (approval,), 0, ())
    settings = Settings(
        brand=BrandSettings(name="Kadeplan", colour=ACME.colour),
        topics={"release-notes": TopicSettings(nl="Nieuwe versies", en="New versions")},
    )
    reported = ReportedCampaign(campaign, figures, approved, START + timedelta(days=4))
    return render_report(reported, settings, locale)


PICTURES = {
    "preferences": preferences,
    "own-data": own_data,
    "privacy-notice": notice,
    "archive-list": archive_list,
    "archive-note": archive_note,
    "report": report,
}


if __name__ == "__main__":
    with chromium() as browser:
        for name in sys.argv[1:] or PICTURES:
            (FOLDER / f"{name}.png").write_bytes(PICTURES[name](browser))
