"""Which headings of a changelog begin a section: those that only name a version, or name it in a recurring form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from campaigns.notes.changelog import words
from campaigns.notes.changelog.bounds import refuse_endless
from campaigns.notes.changelog.outline import LOWEST, Heading, Outline, looking_like_headings
from campaigns.notes.changelog.titles import Certainty, ReleaseStatus, Title, read_lead, read_title
from campaigns.notes.changelog.version import Version


@dataclass(frozen=True, slots=True)
class TitledHeading:
    """A heading, and what it says about versions."""

    heading: Heading
    title: Title

    @property
    def version(self) -> Version | None:
        return self.title.versions[0] if self.title.versions else None

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(version.key for version in self.title.versions)


def titled_headings(found: Outline) -> list[TitledHeading]:
    """The headings that name a version, only a date, or unreleased changes."""
    return [TitledHeading(heading, title) for heading in found.headings if (title := _title(heading, found))]


def _title(heading: Heading, found: Outline) -> Title | None:
    """The heading's title, with date and status from the line below where that line holds nothing else."""
    if not words.may_name_a_version(heading.text):
        return None
    title = read_title(heading.text)
    if title is None:
        return None
    if heading.is_struck:
        title = replace(title, status=ReleaseStatus.WITHDRAWN)
    lead = read_lead(found.leads.get(heading.end, ""))
    if lead:
        when, status = lead
        title = replace(
            title,
            date=title.date or when,
            is_dated=title.is_dated or when is not None,
            status=status if title.status is ReleaseStatus.RELEASED else title.status,
        )
    return title


def beginnings(found: Sequence[TitledHeading]) -> list[TitledHeading]:
    """The headings that begin a section: they only name a version, or name it in a recurring form."""
    forms = _Forms(found)
    begun: list[TitledHeading] = []
    for titled in found:
        if titled.title.certainty is Certainty.CERTAIN or forms.let_begin(titled, begun):
            begun.append(titled)
    return begun


class _Forms:
    """What stands around the versions in the headings of one file, to judge a heading that holds more than a version."""

    def __init__(self, found: Sequence[TitledHeading]) -> None:
        certain = [titled for titled in found if titled.title.certainty is Certainty.CERTAIN]
        self._has_certain = bool(certain)
        self._has_certain_version = any(titled.version for titled in certain)
        self._recurring = _recurring_forms(found)
        self._first = _first_form(found)
        self._versions = Counter(key for titled in found for key in titled.keys)

    def let_begin(self, titled: TitledHeading, begun: Sequence[TitledHeading]) -> bool:
        """Whether `titled` begins a section after those that have `begun`."""
        title, form = titled.title, titled.title.form
        above = begun[-1] if begun else None
        is_nested = above is not None and above.heading.level < titled.heading.level
        match form:
            case "next":
                return not begun
            case "number" | "date":
                return not self._has_certain_version and form == self._first and not is_nested
            case "named" | "loose":
                is_unique = form == "named" and all(self._versions[key] == 1 for key in titled.keys)
                recurs = not self._has_certain and form in self._recurring
                return not is_nested and (title.is_dated or is_unique or recurs)
        if self._has_certain and words.SPEAKS_OF.search(form):
            return False
        is_alone = not self._has_certain and form == self._first
        is_like_above = above is not None and above.title.form == form
        return (form in self._recurring or title.is_dated or is_alone) and (not is_nested or is_like_above)


def _recurring_forms(titled_headings: Sequence[TitledHeading]) -> frozenset[str]:
    keys: dict[str, set[frozenset[str]]] = {}
    for titled in titled_headings:
        if titled.title.form:
            keys.setdefault(titled.title.form, set()).add(titled.keys)
    return frozenset(form for form, versions in keys.items() if len(versions) > 1)


def _first_form(titled_headings: Sequence[TitledHeading]) -> str:
    """The form of the first heading that could begin a section where none does so for certain."""
    forms = [titled.title.form for titled in titled_headings if titled.version]
    counted = Counter(forms)
    plain = [form for form in forms if counted[form] > 1 or form not in {"number", "date"}]
    return (plain or forms or [""])[0]


def version_lines(found: Outline, origin: str) -> list[TitledHeading]:
    """The lines that are no headings but hold a version and nothing else: paragraphs, or else items of lists.

    Raises InvalidInput, with `origin`, where there are too many lines to read.
    """
    refuse_endless("\n".join(found.lines), origin, by_line=True)
    titled_headings = [
        TitledHeading(heading, title)
        for heading in looking_like_headings(found)
        if words.may_name_a_version(heading.text)
        and (title := read_title(heading.text))
        and title.versions
        and title.is_bare
        and (title.certainty is Certainty.CERTAIN or title.form == "named")
    ]
    highest = min((titled.heading.level for titled in titled_headings), default=LOWEST)
    return [titled for titled in titled_headings if titled.heading.level == highest]
