"""The pages for people in a real browser: axe-core, the keyboard alone, 320 pixels, light and dark, two languages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Route, expect

from templates.brand import Brand
from templates.document import Document, Item, Section
from templates.language import Locale
from templates.notice_page import NoticePage, ShownVersion
from templates.own_data_page import (
    OwnData,
    ShownDisclosure,
    ShownEvent,
    ShownMail,
    ShownRequest,
    ShownTopic,
)
from templates.page import Page, Pages, ShownChoice
from templates.service_letter import render_service_mail
from templates.service_mail import ServiceMailKind, ServiceMailValues
from templates.sign_up_form import SignUpForm
from tests.support.browser import chromium

pytestmark = pytest.mark.browser

BRAND = Brand("Acme", "#ffcc00", support_email="help@acme.example", privacy_url="https://acme.example/p")
PAGES = Pages(BRAND)
LONG = "Donaudampfschifffahrtsgesellschaftskapitän"
# What a finger needs 44 pixels for; a box to tick has those of its label.
TOO_LOW = """() => [...document.querySelectorAll("button, summary, a, label, input")]
  .filter(one => one.checkVisibility() && one.type !== "checkbox" && one.getBoundingClientRect().height < 44)
  .map(one => one.outerHTML.slice(0, 80))"""
DATA = OwnData(
    names={"salutation": "mevrouw", "first_name": "Zoë", "surname": LONG},
    email=f"{LONG.lower().replace('ä', 'a')}@example.com",
    on_file_since="3 March 2026 10:12",
    topics=[ShownTopic("New versions", "Agreed", "3 March 2026 10:12")],
    suppressed="No mail goes to your address.",
    mails=[
        ShownMail(
            "Version 2.4.0", "1 November 2026 09:05", "Taken by the mail server", "250 Ok: " + "4F" * 40
        )
    ],
    events=[ShownEvent("3 March 2026", "Agreed", "New versions", "from a file", "portal", "Yes, mail me.")],
    requests=[ShownRequest("3 March 2026", "Sign-up", "New versions", "zoe@example.com", "")],
    disclosures=[ShownDisclosure("3 March 2026", "A court", "Order 26/1")],
)
NOTICE = Document(f"{LONG} of Acme", (Section("Who we are", ("Acme.",), (Item("Address", LONG),)),))
VERSIONS = [ShownVersion(1, date(2025, 3, 1), date(2026, 3, 1)), ShownVersion(2, date(2026, 3, 1))]
FORMS = dict.fromkeys(("names", "address", "export", "object", "erase"), "x")
CHOICES = [
    ShownChoice("a", "New versions", is_on=True, can_turn_on=False),
    ShownChoice("b", LONG, is_on=False, can_turn_on=True),
]


def pages_of(locale: Locale) -> dict[str, str]:
    """The pages with something to choose or to fill in, and the mail that leads to one."""
    form = SignUpForm("New versions", PAGES.topic_wording(locale, "New versions"))
    values = ServiceMailValues("https://example.com/confirm/x", wording=form.wording, topic=LONG)
    mail = render_service_mail(ServiceMailKind.SIGN_UP, locale, BRAND, values)
    return {
        "mail": mail.html,
        "own data": PAGES.render_own_data(DATA, locale, forms=FORMS, notice="names_saved"),
        "preferences": PAGES.render(Page.ASK_ALL, locale, address="z…@example.com", choices=CHOICES),
        "confirm": PAGES.render(Page.CONFIRM_CONSENT, locale, topic=LONG, quoted=form.wording),
        "sign-up": PAGES.render_sign_up(form, locale, fields={"email": "zoe"}, wrong="email"),
        "notice": NoticePage(BRAND, "/privacy").render(NOTICE, locale, VERSIONS[1], VERSIONS),
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.mark.parametrize(("locale", "scheme"), [("nl", "light"), ("en", "dark")])
def test_everyone_can_read_and_reach_them(
    browser: Browser, locale: Locale, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 320, "height": 640})
    page = context.new_page()
    for name, html in pages_of(locale).items():
        page.set_content(html)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, name
        found = Axe().run(page)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        assert name == "mail" or page.evaluate(TOO_LOW) == [], name
    context.close()


def test_letters_of_twice_the_size_leave_no_column_of_single_letters(browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 640})
    for name, html in pages_of("nl").items():
        page.set_content(html)
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
        narrow = "[...document.querySelectorAll('dd, li p')].filter(one => one.clientWidth < 120).length"
        assert page.evaluate(narrow) == 0, name


def test_the_keyboard_alone_fills_in_the_sign_up(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content(pages_of("en")["sign-up"].replace('<form method="post"', '<form method="get"'))
    for text in ("", "Ms", "Zoë", "de Vries"):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Sign me up")).to_be_focused()
    assert [field.input_value() for field in page.get_by_role("textbox").all()] == [
        "zoe",
        "Ms",
        "Zoë",
        "de Vries",
    ]


def test_the_erasure_asks_for_its_tick_before_it_is_posted(browser: Browser) -> None:
    page = browser.new_page()
    posted: list[str] = []

    def answer(route: Route) -> None:
        if route.request.method == "POST":
            posted.append(route.request.post_data or "")
        body = "done" if route.request.method == "POST" else pages_of("en")["own data"]
        route.fulfill(body=body, content_type="text/html")

    page.route("**/*", answer)
    page.goto("http://site.test/me/x")
    page.get_by_role("button", name="Erase my data").click()
    assert posted == []
    page.get_by_label("Yes, erase everything about me").check()
    page.get_by_role("button", name="Erase my data").click()
    expect(page.get_by_text("done")).to_be_visible()
    assert posted == ["form=x&sure=yes"]


@pytest.mark.parametrize("wrong", ["email", "salutation", "first_name", "surname"])
def test_the_field_that_cannot_be_used_is_marked_and_says_why(browser: Browser, wrong: str) -> None:
    page = browser.new_page()
    form = SignUpForm("New versions", "Yes, mail me.")
    page.set_content(PAGES.render_sign_up(form, "en", fields={}, wrong=wrong))
    marked = page.locator("[aria-invalid=true]")
    expect(marked).to_have_attribute("name", wrong)
    expect(marked).to_have_accessible_description(page.get_by_role("alert").inner_text())
    colours = "one => getComputedStyle(one).borderLeftColor"
    assert marked.evaluate(colours) == page.get_by_role("alert").evaluate(colours)
    assert marked.evaluate(colours) != page.locator("input:not([aria-invalid]):visible").first.evaluate(
        colours
    )


def test_paper_has_what_is_on_file_and_no_forms(browser: Browser) -> None:
    page = browser.new_page()
    page.emulate_media(media="print")
    page.set_content(pages_of("en")["own data"])
    assert page.get_by_role("button").all() == []
    headings = page.get_by_role("heading").all_inner_texts()
    assert ("Who you are" in headings, "Erase your data" in headings) == (True, False)
