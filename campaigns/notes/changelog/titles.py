"""What a heading of a changelog says: which version of which package, released when, or not released at all."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import lru_cache

from campaigns.notes.changelog import words
from campaigns.notes.changelog.dates import Written, written_dates
from campaigns.notes.changelog.version import Version

# A package's name starts at the first letter of a run: a start after each dash would cost the square of its length.
_VERSION = re.compile(
    r"(?<![\w.])(?P<package>(?:(?<![/-])@?[A-Za-z][\w.-]*(?:/[A-Za-z][\w.-]*)*(?:@|/|[-_]))?)"
    r"(?P<version>v?\.?\s?\d+(?:\.\d+)+(?:[-+._]?[0-9A-Za-z])*(?:\s+(?:alpha|beta|rc|pre|preview)(?:\s?\d+)?\b)?"
    r"|(?<![-_])v\d+(?:[-+._]?(?:alpha|beta|rc|pre|preview|next|dev|snapshot)[-+._]?\d*)?(?![\w.]))",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.,#/-])\d{1,6}(?![\w/]|[.,][\dx])")
_NOT_RELEASED = re.compile(r"[-._+](?:dev|snapshot|wip|unreleased|git)(?![a-z])", re.IGNORECASE)
_BRACKETED = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|'[^']*'|‘[^’]*’|«[^»]*»")
_BETWEEN_VERSIONS = re.compile(r"\W*(?:through|and|en|resp|t/m)?\W*", re.IGNORECASE)
_ARROW = re.compile(r"→|->|=>|⇒")
_SEPARATORS = frozenset("-–—:,|/;·•&\"'“‘(")
_PLAIN = re.compile(r"[ !-\]_a-~]*")  # ASCII without controls, "^" and "`"
_SHORTCODE = re.compile(r":[a-z0-9_+-]{2,}:")
_LONGEST_LEAD, _LONGEST_TITLE = 80, 500  # characters
_DATE, _STATUS = "\x00", "\x01"


class ReleaseStatus(Enum):
    """Whether a version was released."""

    RELEASED = "released"
    UNRELEASED = "not released"
    WITHDRAWN = "yanked"


class Certainty(Enum):
    """Whether a heading begins a version: it names one and nothing else; it names one beside other words."""

    CERTAIN = 2
    POSSIBLE = 1


@dataclass(frozen=True, slots=True)
class Title:
    """A heading's meaning. `form` is what stands around the version; `versions` is empty for "Unreleased".

    It is bare where no words but "version" stand before the version.
    """

    versions: tuple[Version, ...]
    date: date | None
    status: ReleaseStatus
    certainty: Certainty
    form: str = ""
    is_dated: bool = False
    is_bare: bool = True


@lru_cache(maxsize=10_000)
def read_title(text: str) -> Title | None:
    """What a heading says about a release; None where it names no version, date or state of release."""
    if len(text) > _LONGEST_TITLE:
        return None
    line = _cleaned(text)
    dates = written_dates(line)
    masked, status = _masked(line, dates)
    matches = list(_VERSION.finditer(masked))
    if not matches and (dotted := [one for one in dates if one.is_dotted]):
        # 2024.02.14 is a version where there is no other.
        dates = [one for one in dates if one is not dotted[0]]
        masked, status = _masked(line, dates)
        matches = list(_VERSION.finditer(masked))
    when = next((one.date for one in dates if one.date), None)
    if matches and not _ARROW.search(masked):
        return _with_versions(masked, matches, when, status, is_dated=bool(dates))
    if matches:
        return None
    return _without_versions(line, masked, dates, status)


def read_lead(text: str) -> tuple[date | None, ReleaseStatus] | None:
    """The date and status in the line below a heading; None where the line says anything else."""
    if not text or len(text) > _LONGEST_LEAD:
        return None
    line = _cleaned(text)
    dates = written_dates(line)
    masked, status = _masked(line, dates)
    rest = " ".join(re.findall(r"[^\W_]+", masked.replace(_DATE, " ").replace(_STATUS, " ")))
    if (not dates and status is ReleaseStatus.RELEASED) or not words.LEAD.fullmatch(rest):
        return None
    return next((one.date for one in dates if one.date), None), status


def _cleaned(text: str) -> str:
    """A heading without emoji, shortcodes and invisible characters; digits of all scripts are kept as they are."""
    line = _SHORTCODE.sub(" ", text)
    if not _PLAIN.fullmatch(line):
        line = _without_pictures(line)
    return " ".join(re.sub(r"[*_]{2,}|~~", " ", line).split()).rstrip(":").strip()


def _without_pictures(line: str) -> str:
    return "".join(
        " "
        if unicodedata.category(one) in {"So", "Sk", "Cf", "Cn", "Co", "Cc", "Zs"} or one == "\ufe0f"
        else one
        for one in line
    )


def _masked(line: str, dates: list[Written]) -> tuple[str, ReleaseStatus]:
    """The line with a mark for each date and each word of status, and the status."""
    for written in reversed(dates):
        line = f"{line[: written.start]} {_DATE} {line[written.end :]}"
    status = ReleaseStatus.RELEASED
    for pattern, meaning in (
        (words.WITHDRAWN, ReleaseStatus.WITHDRAWN),
        (words.UNRELEASED, ReleaseStatus.UNRELEASED),
    ):
        line, count = pattern.subn(f" {_STATUS} ", line)
        if count and status is ReleaseStatus.RELEASED:
            status = meaning
    return line, status


def _with_versions(
    line: str, matches: list[re.Match[str]], when: date | None, status: ReleaseStatus, *, is_dated: bool
) -> Title | None:
    named = [matches[0]]
    for match in matches[1:]:
        between = line[named[-1].end() : match.start()]
        if not _BETWEEN_VERSIONS.fullmatch(_without_brackets(between)) and not _QUALIFIED.fullmatch(between):
            break
        named.append(match)
    before, after = line[: named[0].start()], line[named[-1].end() :]
    surroundings = _before(before, after, is_attached=bool(named[0]["package"]))
    if surroundings is None:
        return None
    package, form = surroundings
    certainty, loose = _after(after, is_dated=is_dated)
    if form:
        if certainty is not Certainty.CERTAIN:
            return None
        certainty = Certainty.POSSIBLE
    versions = tuple(_version(line, match, package) for match in named)
    if status is ReleaseStatus.RELEASED and (
        any(_NOT_RELEASED.search(match["version"]) for match in named)
        or words.UNRELEASED_BESIDE_A_VERSION.search(line)
    ):
        status = ReleaseStatus.UNRELEASED
    is_bare = not re.search(r"[^\W\d_]{2,}", words.VERSION.sub("", before))
    return Title(versions, when, status, certainty, form or loose, is_dated, is_bare)


_QUALIFIED = re.compile(r"\s*(?:[,/&]|and)\s*[A-Za-z][\w.-]*\s+", re.IGNORECASE)  # foo 1.2, foo-core 1.3
_NAME = re.compile(r"[A-Za-z][\w.-]*(?=\s+$)")


def _version(line: str, match: re.Match[str], package: str | None) -> Version:
    own: str | None = match["package"].rstrip("@/-_").removesuffix("-v").removesuffix("/v")
    if own and own.lower() in {"v", "version", "release"}:
        own = None
    if (
        not own
        and package
        and (name := _NAME.search(line[: match.start()]))
        and name[0].lower() not in {"and", "en"}
    ):
        own = name[0]
    number = re.sub(r"^v?\.?\s?", "", match["version"], flags=re.IGNORECASE)
    return Version(" ".join(number.split()), own or package)


def _before(before: str, after: str, *, is_attached: bool) -> tuple[str | None, str] | None:
    """The package and the form of what stands before a version; None where it says that no section begins."""
    plain = " ".join(re.findall(r"[^\W_](?:[\w'’.&+-]*\w)?", before.replace("`", " ")))
    lower = plain.lower()
    if words.STARTS_NOTHING.search(lower) or re.match(r"\W*(?:to|tot|until|naar)\b\s", after, re.IGNORECASE):
        return None
    if words.RELEASE.fullmatch(lower):
        return None, ""
    lower = words.RELEASE.sub("", lower, count=1).strip() or lower
    if len(lower.split()) > words.MOST_IN_A_NAME:
        return None
    name = re.sub(r"\s+(?:version|release|v)$", "", before.strip(" `[(-–—:"), flags=re.IGNORECASE)
    name = words.RELEASE.sub("", name, count=1).strip(" `[(-–—:")
    is_name = re.fullmatch(r"@?[\w.-]*[A-Za-z][\w.-]*(?:/[\w.-]+)*", name)
    if not is_attached and is_name and ("`" in before or re.search(r"[@/_-]", name)):
        return name, ""
    return (name if is_name else None), lower


def _after(after: str, *, is_dated: bool) -> tuple[Certainty, str]:
    """Whether what follows a version may stand in the heading that begins it: dates, remarks, names of releases."""
    rest = _QUOTED.sub(" ", _without_brackets(after)).replace(_DATE, " ").replace(_STATUS, " ").strip()
    separator = re.match(r"[\W_]*", rest)
    is_separate = separator is not None and bool(_SEPARATORS.intersection(separator[0]))
    if (
        is_separate
        or not re.search(r"[^\W_]", rest)
        or is_dated
        or words.REMARKS.fullmatch(rest.strip(" .:-–—[]()`").lower())
    ):
        return Certainty.CERTAIN, ""
    names = re.findall(r"[\w'’.-]+", rest)
    if len(names) <= 2 and all(name[0].isupper() for name in names):
        return Certainty.POSSIBLE, "named"
    return Certainty.POSSIBLE, "loose"


def _without_brackets(text: str) -> str:
    shorter = _BRACKETED.sub(" ", text)
    return shorter if shorter == text else _without_brackets(shorter)


def _without_versions(line: str, masked: str, dates: list[Written], status: ReleaseStatus) -> Title | None:
    """A state alone ("Unreleased"), a date alone, or a number alone."""
    rest = masked.replace(_DATE, " ").replace(_STATUS, " ")
    left = " ".join(re.findall(r"[^\W_][\w'’.-]*", rest)).lower()
    if status is ReleaseStatus.UNRELEASED and (
        not left or words.RELEASE.fullmatch(left) or words.BRANCH.fullmatch(left)
    ):
        return Title((), None, status, Certainty.CERTAIN)
    if words.NEXT.fullmatch(left) and not dates:
        return Title((), None, ReleaseStatus.UNRELEASED, Certainty.POSSIBLE, "next")
    if dates and dates[0].date and (not left or words.RELEASE.fullmatch(left)):
        return Title(
            (Version(line[dates[0].start : dates[0].end]),),
            dates[0].date,
            status,
            Certainty.POSSIBLE,
            "date",
            is_dated=True,
        )
    numbers = list(_NUMBER.finditer(masked))
    if len(numbers) == 1:
        return _with_number(masked, numbers[0], dates, status)
    return None


def _with_number(
    line: str, number: re.Match[str], dates: list[Written], status: ReleaseStatus
) -> Title | None:
    """A version of one number: "Version 42", "Build 1234", "42 (2024-02-14)"."""
    before = " ".join(re.findall(r"[^\W_][\w'’.-]*", line[: number.start()])).lower()
    certainty, loose = _after(line[number.end() :], is_dated=bool(dates))
    if certainty is not Certainty.CERTAIN or (before and not words.RELEASE.fullmatch(before)):
        return None
    when = next((one.date for one in dates if one.date), None)
    is_sure = bool(words.NUMBERED.search(before))
    return Title(
        (Version(number[0]),),
        when,
        status,
        Certainty.CERTAIN if is_sure else Certainty.POSSIBLE,
        loose or "number",
        is_dated=bool(dates),
    )
