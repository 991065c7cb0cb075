"""The unsubscribe page as people meet it: `mailer serve` from the wheel, in a real browser."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from mailer.config import load_settings
from mailer.database import Database
from subscribers import ledger
from subscribers.kinds import ConsentKind
from subscribers.self_service import Links
from templates.language import LOCALES, Locale
from tests.support.campaign import TOPIC, subscribe
from tests.support.installed import InstalledMailer
from tests.support.links import address_of, links_in

pytestmark = pytest.mark.browser

# What a mail filter's own browser does with a page: everything but press its buttons.
LOOKED_AT = 500

_CONTRASTS = """() => {
  const channels = css => css.match(/[\\d.]+/g).map(Number);
  const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = element => {
    const colour = channels(getComputedStyle(element).backgroundColor);
    return colour.length === 4 && colour[3] === 0 ? ground(element.parentElement) : colour;
  };
  const texts = [...document.querySelectorAll('body *')].filter(element =>
    [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim()));
  return texts.map(element => {
    const [dark, light] = [luminance(channels(getComputedStyle(element).color)), luminance(ground(element))].sort(
      (a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  });
}"""


@dataclass(frozen=True, slots=True)
class Office:
    """A running web application, and one subscriber."""

    address: str
    database: Database
    links: Links
    person: int

    def url(self, locale: Locale = "en") -> str:
        return self.links.url(self.person, address_of(self.database, self.person), TOPIC, locale)

    def kinds(self) -> list[ConsentKind]:
        with self.database.read() as connection:
            return [line.event.kind for line in ledger.history(connection, self.person)]


@pytest.fixture(scope="module")
def offices(mailer: InstalledMailer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Office]]:
    """One running web application; each test uses the next subscriber."""
    home = tmp_path_factory.mktemp("office")
    mailer.run("init", cwd=home)
    settings = load_settings(home / "mailer.toml")
    database = Database(settings.database_url.reveal(), settings.folder)
    people = subscribe(database, 50)
    environment = mailer.environment({"MAILER_BRAND__NAME": "Acme", "MAILER_BRAND__COLOUR": "#ffcc00"})
    with subprocess.Popen(
        [mailer.command, "serve", "--port", "0"],
        cwd=home,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        address = re.search(r"http://[^ ]+", process.stderr.readline())
        assert address is not None
        links = links_in(database, settings.keys(), address[0])
        try:
            yield (Office(address[0], database, links, person) for person in people)
        finally:
            process.kill()
            database.close()


@pytest.fixture
def office(offices: Iterator[Office]) -> Office:
    return next(offices)


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context()
    yield context
    context.close()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_one_click_leaves_and_one_click_comes_back(chromium: Browser, office: Office, scripts: bool) -> None:
    context = chromium.new_context(java_script_enabled=scripts)
    page = context.new_page()
    page.goto(office.url())
    expect(page.get_by_role("heading", level=1)).to_have_text("Unsubscribe?")
    expect(page.get_by_text("p…@example.com")).to_be_visible()

    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")
    assert office.kinds()[-1] is ConsentKind.WITHDRAWN

    page.get_by_role("button", name="Subscribe again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are on the list again")
    assert office.kinds()[-1] is ConsentKind.GRANTED

    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")
    page.goto(office.url())
    expect(page.get_by_role("heading", level=1)).to_have_text("You are not on the list")
    assert len(office.kinds()) == 4
    context.close()


def test_the_keyboard_alone_does(context: BrowserContext, office: Office) -> None:
    page = context.new_page()
    page.goto(office.url())
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Unsubscribe")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")


def test_the_page_speaks_the_mail_s_language(context: BrowserContext, office: Office) -> None:
    page = context.new_page()
    page.goto(office.url("nl"))
    assert page.locator("html").get_attribute("lang") == "nl"
    page.get_by_role("button", name="Uitschrijven").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("U bent uitgeschreven")


def test_a_scanner_that_opens_the_link_and_runs_its_page_unsubscribes_nobody(
    context: BrowserContext, office: Office
) -> None:
    for method in ("HEAD", "GET"):
        context.request.fetch(office.url(), method=method)
    for _ in range(3):
        page = context.new_page()
        page.goto(office.url(), wait_until="networkidle")
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        page.mouse.move(100, 100)
        page.wait_for_timeout(LOOKED_AT)
        page.close()
    assert office.kinds() == [ConsentKind.GRANTED]


def test_the_page_asks_for_nothing_but_itself_and_leaves_nothing_behind(
    context: BrowserContext, office: Office
) -> None:
    page, asked, complaints = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(office.url(), wait_until="networkidle")
    page.get_by_role("button").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")
    assert set(asked) == {office.url()}
    assert complaints == []
    assert context.cookies() == []
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


def test_a_broken_link_says_so(context: BrowserContext, office: Office) -> None:
    page = context.new_page()
    answer = page.goto(office.url()[:-3])
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("This link does not work")
    expect(page.get_by_role("button")).to_have_count(0)
    assert office.kinds() == [ConsentKind.GRANTED]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", LOCALES)
def test_everyone_can_read_and_reach_it(
    chromium: Browser, office: Office, scheme: Literal["light", "dark"], locale: Locale
) -> None:
    """WCAG 2.2 AA: contrast, a button large enough, no scrolling sideways at 320 pixels."""
    context = chromium.new_context(color_scheme=scheme, viewport={"width": 320, "height": 640})
    page = context.new_page()
    page.goto(office.url(locale))
    _check_legible(page)
    heading = page.get_by_role("heading", level=1)
    asked = heading.inner_text()
    page.get_by_role("button").first.click()
    expect(heading).not_to_have_text(asked)
    _check_legible(page)
    context.close()


def _check_legible(page: Page) -> None:
    assert min(page.evaluate(_CONTRASTS)) >= 4.5
    for button in page.get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_privacy_notice_is_reached_from_the_page_and_everyone_can_read_it(
    chromium: Browser, office: Office, scheme: Literal["light", "dark"]
) -> None:
    context = chromium.new_context(color_scheme=scheme, viewport={"width": 320, "height": 640})
    page, asked = context.new_page(), list[str]()
    page.goto(office.url())
    page.on("request", lambda request: asked.append(request.url))
    for _ in ("Unsubscribe", "Send me a link to my data", "Privacy statement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Privacy notice of Acme")
    assert asked == [f"{office.address}/privacy"]
    for heading in ("Privacyverklaring van Acme", "Privacy notice of Acme"):
        page.get_by_role("link", name=re.compile("Nederlands|English")).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        assert [found["id"] for found in Axe().run(page).response["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert context.cookies() == []
    context.close()
