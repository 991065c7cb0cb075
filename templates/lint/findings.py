"""What lint can find: the list of all checks, each with an id, a severity and a remedy. docs/lint.md shows it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether a finding blocks sending."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Check:
    """What one id stands for, and what to do about it."""

    severity: Severity
    meaning: str
    remedy: str


_ERROR, _WARNING = Severity.ERROR, Severity.WARNING
CHECKS: dict[str, Check] = {
    # Inbox
    "subject-empty": Check(_ERROR, "The mail has no subject.", "Give the notes a title."),
    "subject-control": Check(_ERROR, "The subject has a line break or a control character.", "Type the title anew."),
    "subject-long": Check(_WARNING, "Mail programs cut the subject off.", "Say the most important thing in 40 characters."),
    "subject-useless": Check(_WARNING, "The subject only says that there is a release.", "Say what is new in it."),
    "subject-emoji-only": Check(_WARNING, "The subject has no words; a screen reader spells its emoji out.", "Write it in words."),
    "subject-shouting": Check(_WARNING, "The subject has capitals or exclamation marks as spam has them.", "Write it as a sentence."),
    "preheader-missing": Check(_WARNING, "An inbox shows nothing after the subject.", "Set preheader in the front matter."),
    "preheader-useless": Check(_WARNING, "What an inbox shows after the subject says nothing about this release.", "Say what is new in it."),
    "preheader-long": Check(_WARNING, "No inbox shows that much after the subject.", "Shorten preheader to 110 characters."),
    "preheader-repeats": Check(_WARNING, "An inbox shows the same words twice.", "Let preheader add something to the title."),
    # Content
    "notes-refused": Check(
        _ERROR, "No mail can be made of a file (only where several are checked: of one file it is the command's error).",
        "Do what the finding says."
    ),
    "date-future": Check(_WARNING, "The notes have a date that is still to come.", "Correct the date, or leave it if it is that of the release."),
    "unsubscribe-missing": Check(_ERROR, "Nobody could leave.", "Put {{ slots.unsubscribe_url }} into both templates."),
    "slot-unknown": Check(_ERROR, "The mail has a slot that nothing fills.", "Correct its name in the template."),
    "text-empty": Check(_ERROR, "The text part is empty.", "Put {{ body }} into the text template."),
    "text-differs": Check(
        _WARNING, "The text part says something else than the HTML; spam filters compare them.", "Let both templates show the body."
    ),
    "placeholder": Check(_WARNING, "The text looks unfinished.", "Finish it, or write it as code."),
    "markup-unsupported": Check(_WARNING, "Readers would see the markup of another dialect.", "Write it as the finding says."),
    "sections-differ": Check(
        _WARNING, "The notes in one language have other sections than those in another.", "Add what is missing, or leave it if it is meant."
    ),
    # Pictures
    "image-missing": Check(_ERROR, "A picture is not in the mail.", "Save it beside the notes."),
    "foreign-host": Check(
        _ERROR,
        "Opening the mail would fetch something, so a host would learn who reads it.",
        "Enclose it, or add the host to image_hosts.",
    ),
    "tracking-pixel": Check(_ERROR, "A picture is too small to be seen, as those that track readers.", "Leave it out."),
    "alt-missing": Check(_WARNING, "A picture has no description.", "Write it between the square brackets of the picture."),
    "alt-useless": Check(_WARNING, "The description of a picture says nothing about it.", "Say what the picture shows."),
    "pictures-heavy": Check(_WARNING, "The pictures weigh more than a megabyte together.", "Shrink them to 1,040 pixels."),
    # Links
    "link-scheme": Check(_ERROR, "A link does not work in a mail.", "Begin it with https:// or mailto:."),
    "link-empty": Check(_WARNING, "A link has no words, so nobody can tell where it leads.", "Write words between its brackets."),
    "link-vague": Check(_WARNING, "The words of a link do not say where it leads.", "Name the page that it leads to."),
    "link-private": Check(_WARNING, "A link leads into your own network.", "Link to a page that readers can reach."),
    "link-insecure": Check(_WARNING, "A link is not encrypted.", "Write https:// where the host offers it."),
    "link-deceptive": Check(
        _WARNING, "The words of a link are the address of another host, as in phishing.", "Write the address that it leads to."
    ),
    "link-redirector": Check(
        _WARNING, "A link leads through a service that counts or hides where it leads.", "Link to the page itself."
    ),
    "link-tracking": Check(_WARNING, "A link has a parameter that tracks readers.", "Take it off the address."),
    "link-broken": Check(_ERROR, "A page is not there (only with --links).", "Correct the link."),
    "link-unsure": Check(_WARNING, "A page did not answer as it should (only with --links).", "Open it in a browser."),
    # How it is read
    "lang-missing": Check(_WARNING, "The HTML does not name the language of its text, so screen readers guess it.", 'Set lang="{{ notes.locale }}" on <mjml> in the template.'),
    "title-missing": Check(_WARNING, "The HTML has no title; a screen reader reads it first.", "Put <mj-title>{{ notes.title }}</mj-title> into the template."),
    "main-missing": Check(_WARNING, "No part of the mail is the main one, to which a screen reader can skip.", "Write the template in MJML, which marks it."),
    "heading-top-missing": Check(_WARNING, "The mail has no heading of the first level.", "Put the title into an <h1> in the template."),
    "heading-empty": Check(_WARNING, "A heading has no words.", "Write it, or leave it out."),
    "heading-skips": Check(_WARNING, "The headings skip a level, which confuses screen readers.", "Use the level in between."),
    "contrast-low": Check(_WARNING, "Text has too little contrast with its ground (WCAG 2.2, 1.4.3).", "Choose a darker or lighter colour."),
    "table-role": Check(
        _WARNING, "A screen reader announces a table that is only layout.", 'Set role="presentation" on it in the template.'
    ),
    "list-broken": Check(_WARNING, "A screen reader counts the items of a list wrongly.", "Put <li> into <ul> or <ol>, and nothing beside them."),
    "picture-nameless": Check(_WARNING, "An element that stands for a picture has no description.", "Set aria-label on it in the template."),
    "link-hidden": Check(_WARNING, "A link is hidden from screen readers, and can still be reached by keyboard.", "Take aria-hidden off in the template."),
    "zoom-locked": Check(_WARNING, "A reader can't enlarge the mail.", "Take user-scalable and maximum-scale out of the template."),
    # How it arrives
    "active-content": Check(_ERROR, "Mail programs block or report what runs in a mail.", "Leave it out."),
    "too-large": Check(_WARNING, "Gmail cuts the mail off before the unsubscribe link.", "Shorten the notes and link to the rest."),
    "css-dropped": Check(_WARNING, "Gmail or Outlook drop these styles.", "Lay the mail out with tables, as MJML does."),
    "tag-dropped": Check(_WARNING, "Gmail or Outlook drop this element.", "Use a picture or plain text."),
    "spam-score": Check(
        _WARNING, "SpamAssassin holds signs of spam against the mail (only with --spam).", "Look the rules up, and mend what they name."
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a mail. `code` is its id in `CHECKS`. `where` names the place: a file and its line, or the part of the
    mail (subject, preheader, HTML, text).
    """

    severity: Severity
    code: str
    message: str
    where: str

    @classmethod
    def of(cls, code: str, message: str, where: str) -> Finding:
        """A finding with the severity that its id has."""
        return cls(CHECKS[code].severity, code, message, where)

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return CHECKS[self.code].remedy

    def values(self, origin: str | None = None) -> dict[str, object]:
        """All there is to tell, for JSON: also `id`, `file`, `line` (from 1) and `remedy`. `origin` is the file of the notes."""
        place = re.fullmatch(r"(.*), line (\d+)", self.where)
        return {
            "id": self.code,
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "where": self.where,
            "file": place[1].removesuffix(", notes") if place else origin,
            "line": int(place[2]) if place else None,
            "remedy": self.remedy,
        }
