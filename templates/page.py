"""The pages behind the links in mails. They load nothing: stylesheet and logo are inside the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from templates.brand import Brand
from templates.environment import render_template
from templates.language import Locale, Register, TextSection, load_texts
from templates.own_data_page import OwnData
from templates.page_style import page_style
from templates.sign_up_form import SignUpForm


class ShownChoice(NamedTuple):
    """A topic that the person can turn off or on."""

    topic: str
    title: str
    is_on: bool
    can_turn_on: bool


class Page(StrEnum):
    """The kinds of page; each has a title and a body in the language files."""

    ASK = "ask"
    ASK_ALL = "ask_all"
    UNSUBSCRIBED = "unsubscribed"
    UNSUBSCRIBED_ALL = "unsubscribed_all"
    NOT_SUBSCRIBED = "not_subscribed"
    RESUBSCRIBED = "resubscribed"
    INVALID_LINK = "invalid_link"
    NO_SUCH_PAGE = "no_such_page"
    BAD_REQUEST = "bad_request"
    UNAVAILABLE = "unavailable"
    PROOF = "proof"
    OWN_DATA_ASKED = "own_data_asked"
    OWN_DATA_OPEN = "own_data_open"
    LINK_OVER = "link_over"
    FORM_OVER = "form_over"
    ERASED = "erased"
    CONFIRM_ADDRESS = "confirm_address"
    ADDRESS_CONFIRMED = "address_confirmed"
    ADDRESS_TAKEN = "address_taken"
    SIGN_UP_ASKED = "sign_up_asked"
    CONFIRM_CONSENT = "confirm_consent"
    CONSENT_CONFIRMED = "consent_confirmed"


# What the button of a page posts as its action. Its text is `<page>_button`.
_ACTIONS = {
    Page.ASK: "withdraw",
    Page.ASK_ALL: "withdraw_all",
    Page.RESUBSCRIBED: "withdraw",
    Page.OWN_DATA_OPEN: "open",
    Page.CONFIRM_ADDRESS: "confirm",
    Page.CONFIRM_CONSENT: "confirm",
}
_DONE = frozenset(
    {
        Page.UNSUBSCRIBED,
        Page.UNSUBSCRIBED_ALL,
        Page.RESUBSCRIBED,
        Page.ERASED,
        Page.ADDRESS_CONFIRMED,
        Page.CONSENT_CONFIRMED,
    }
)
_OF_A_PERSON = frozenset(
    {Page.ASK, Page.ASK_ALL, Page.UNSUBSCRIBED, Page.UNSUBSCRIBED_ALL, Page.NOT_SUBSCRIBED, Page.RESUBSCRIBED}
)


class Pages:
    """Renders pages for one brand.

    `content_security_policy` is the header value for every page. It allows the stylesheet inside the page, by
    its hash, the logo inside the page, if there is one, and a form to the page's own address. It allows nothing
    else: no script, font or frame. `templates_dir` is as in `load_environment`; `register` is that of the texts.
    """

    def __init__(
        self, brand: Brand, templates_dir: Path | None = None, register: Register = "formal"
    ) -> None:
        self.brand = brand
        self._register = register
        self._templates_dir = templates_dir
        self._logo = _data_url(brand)
        self._style, self.content_security_policy = page_style(brand, templates_dir)

    def render(
        self,
        page: Page,
        locale: Locale,
        *,
        address: str | None = None,
        topic: str | None = None,
        undo_code: str | None = None,
        quoted: str | None = None,
        person: str = "",
        choices: Sequence[ShownChoice] = (),
        notice: str = "",
    ) -> str:
        """The HTML of `page`. `address` is shown as given, so the caller masks it.

        With an `undo_code` the page has a button that posts it, to undo the withdrawal. `quoted` is the text that the
        page's button agrees to, `person` the names that it puts on file. `choices` are topics below the button,
        `notice` says what was done.
        """
        texts = self._texts(locale)
        action = _ACTIONS.get(page)
        named = "ask" if page is Page.RESUBSCRIBED else page.value
        return self._render_page(
            "pages/page.html.j2",
            locale,
            page=page,
            title=texts[f"{page}_title"],
            body=texts[f"{page}_body"].format(name=self.brand.name),
            wording=self.consent_wording(locale, topic) if topic else "",
            address=address,
            topic=topic,
            undo_code=undo_code,
            quoted=quoted,
            person=person,
            choices=choices,
            notice=notice,
            action=action,
            button=texts[f"{named}_button"] if action else "",
            is_done=page in _DONE,
            own_data_question=texts["own_data_question"].format(name=self.brand.name)
            if page in _OF_A_PERSON and address
            else "",
        )

    def render_own_data(
        self, data: OwnData, locale: Locale, *, forms: Mapping[str, str] | None = None, notice: str = ""
    ) -> str:
        """The page with a person's own data. `forms` holds the token of each form; without it there are none.

        `notice` is the name of a text about what was done.
        """
        own = self._texts(locale, "own_data")
        return self._render_page(
            "pages/own_data.html.j2",
            locale,
            title=own["title"].format(name=self.brand.name),
            own_texts=own,
            data=data,
            forms=forms,
            notice=own[f"notice_{notice}"] if notice else "",
            wide=True,
        )

    def render_sign_up(
        self, form: SignUpForm, locale: Locale, *, fields: Mapping[str, str], wrong: str = ""
    ) -> str:
        """The page to sign up. `fields` are shown again where the field `wrong` can't be used."""
        return self._render_page(
            "pages/sign_up.html.j2", locale, title=form.title, form=form, fields=fields, wrong=wrong
        )

    def render_embedded_form(self, form: SignUpForm, locale: Locale, url: str) -> str:
        """The form alone, to put into a page of one's own: plain HTML that posts to `url`."""
        return self._render_page(
            "pages/embedded_form.html.j2", locale, title=form.title, form=form, fields={}, wrong="", url=url
        )

    def consent_wording(self, locale: Locale, topic: str) -> str:
        """The text, as shown, that a person agrees to with the button "Subscribe again"."""
        return self._texts(locale)["resubscribe_wording"].format(name=self.brand.name, topic=topic)

    def topic_wording(self, locale: Locale, title: str) -> str:
        """The text that a person agrees to for a topic, where the settings have none."""
        return self._texts(locale)["topic_wording"].format(name=self.brand.name, topic=title)

    def choice_notice(self, locale: Locale, title: str, *, on: bool) -> str:
        """What the page says after a topic was turned off, or was asked for."""
        return self._texts(locale)["choice_asked" if on else "choice_off"].format(topic=title)

    def _render_page(self, name: str, locale: Locale, *, wide: bool = False, **values: object) -> str:
        return self._render_template(
            name,
            locale=locale,
            texts=self._texts(locale),
            brand=self.brand,
            logo=self._logo,
            style=self._style,
            wide=wide,
            **values,
        )

    def _texts(self, locale: Locale, section: str = "pages") -> TextSection:
        return load_texts(locale, self._register)[section]

    def _render_template(self, name: str, **values: object) -> str:
        return render_template(name, values, templates_dir=self._templates_dir)


def _data_url(brand: Brand) -> str | None:
    """The logo as a URL that contains it."""
    if brand.logo is None:
        return None
    return f"data:{brand.logo.content_type};base64,{base64.b64encode(brand.logo.data).decode()}"
