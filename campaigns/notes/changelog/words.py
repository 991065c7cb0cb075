"""The words that headings of changelogs are made of, in English, Dutch and where needed other languages."""

from __future__ import annotations

import re

MOST_IN_A_NAME = 4

_VERSION_WORDS = (
    r"v|ver|version|versions|versie|release|released|releases|uitgave|build|update|revision|tag"
    r"|версия|версія|версии|выпуск|релиз|верзија|версија|έκδοση|גרסה|الإصدار|نسخه|संस्करण|版本|版|バージョン|버전|릴리스"
    r"|versión|versão|versione|versiune|verze|verzia|verzió|wersja|versio|versiooni?|utgave|utgåva|udgave|wydanie"
    r"|sürüm|phiên bản|ausgabe|lançamento|lanzamiento"
)
_NEWS_WORDS = (
    r"what(?:'|’)?s new(?: in)?|what is new(?: in)?|news|new in|new features in|highlights of|changes|changes (?:in|with|of)"
    r"|release notes|notes|changelog|change log|patch notes|announcing|introducing"
    r"|nieuw in|wat is er nieuw(?: in)?|nieuws|wijzigingen(?: in)?|veranderingen(?: in)?|uitgavenotities"
)

# What may stand before a version in the heading that begins it.
RELEASE = re.compile(rf"(?:(?:{_NEWS_WORDS}|the|de|of|van)\s*)*(?:(?:{_VERSION_WORDS})\s*)*", re.IGNORECASE)
VERSION = re.compile(rf"\b(?:{_VERSION_WORDS})\b", re.IGNORECASE)
NUMBERED = re.compile(rf"(?:{_VERSION_WORDS})$", re.IGNORECASE)

# A heading with one of these speaks about a version; it does not begin it.
STARTS_NOTHING = re.compile(
    r"\b(?:since|from|until|till|before|after|between|versus|vs|upgrad\w*|updating|migrat\w*|downgrad\w*|compar\w*|diff"
    r"|requires?|required|support\w*|drop\w*|deprecat\w*|incompatib\w*|compatib\w*|changed since|sinds|vanaf|tot|voor|na"
    r"|naar|bijwerken|overstappen|overgang|migratie|vereist|ondersteun\w*|download\w*|install\w*|with|met|to)\b"
    r"(?!\s*$)|\b(?:since|from|to|sinds|vanaf|naar|tot|until|after|before|download\w*\s+for)\s*$",
    re.IGNORECASE,
)

UNRELEASED = re.compile(
    r"\bun-?released\b|\bnot (?:yet )?(?:been )?released(?: yet)?\b|\bto be (?:released|announced|determined|confirmed|defined)\b"
    r"|\bunder development\b|\bin (?:development|progress|ontwikkeling|voorbereiding|bewerking|preparation)\b"
    r"|\bwork in progress\b|\bnog niet (?:uitgebracht|verschenen|vrijgegeven)\b|\bniet uitgebracht\b|\bcoming soon\b|\bbinnenkort\b"
    r"|\bnot (?:yet )?published\b|\bpending release\b|\brelease pending\b"
    r"|(?<![\w.+-])(?:TBC|TBD|TBA|WIP|SNAPSHOT|nnb|ntb|to be continued)\b|\bn\.n\.b\."
    r"|(?<![\w?])\?{2,}(?:[-/.]\?{2,})*|(?<!\w)(?:\d\d|y|x)?(?:xx|yy|\d\d)[xy]{0,2}-(?:xx|mm|\d\d)-(?:xx|dd)(?!\w)(?<!\d)"
    r"|не выпущен\w*|невыпущен\w*|unveröffentlicht|non publi[ée]e?|sin publicar|no publicado|não lançado|未发布|未リリース",
    re.IGNORECASE,
)
# These say so beside a version only: "Upcoming changes" is a heading like any other.
UNRELEASED_BESIDE_A_VERSION = re.compile(
    r"\b(?:planned|gepland|upcoming|draft|concept|pending|future|nightly|not out yet|next release|volgende versie)\b",
    re.IGNORECASE,
)
WITHDRAWN = re.compile(
    r"\byanked\b|\bwithdrawn\b|\bretracted\b|\brevoked\b|\brecalled\b|\bunpublished\b|\bingetrokken\b|\bteruggetrokken\b"
    r"|\bdo not (?:use|install)\b|\bbroken release\b|отозван\w*",
    re.IGNORECASE,
)
# What "Unreleased" stands beside; and what says so less clearly.
BRANCH = re.compile(
    r"(?:master|main|trunk|develop|dev|head|next|changes?|version|release|versie|breaking|wijzigingen|the|of|on|in|branch|\s)*",
    re.IGNORECASE,
)
NEXT = re.compile(
    r"(?:the )?(?:next|v\.?next|upcoming|future|main|master|trunk|head|develop|development|nightly|draft|concept|volgende|toekomstig\w*)"
    r"(?: (?:release|version|versie|changes|wijzigingen|uitgave|branch))?",
    re.IGNORECASE,
)

# What may follow a version without a mark between them.
REMARKS = re.compile(
    r"(?:(?:full|see|the|all|changelog|change|log|release|releases|released|notes|changes|diff|compare|commits|on|at|of|op"
    r"|lts|stable|final|ga|current|latest|hotfix|patch|security|maintenance|uitgebracht|alpha|beta|rc|preview|update|and|en)[\s\W]*)*",
    re.IGNORECASE,
)

_DIGIT = re.compile(r"\d")
_OF_A_RELEASE = (
    "release", "next", "master", "main", "head", "trunk", "develop", "upcoming", "future", "draft", "volgende",
    "toekomst", "concept", "ontwikkeling", "выпущен", "veröffentlicht", "publi", "lançado", "未",
)  # fmt: skip
# "Changelog for 1.9": a title or a sub-heading, where other headings hold a version and nothing else.
SPEAKS_OF = re.compile(r"\b(?:for|voor|of|on|about|over|in)$", re.IGNORECASE)
# What ends the newest releases' sections without naming a version.
OLDER = re.compile(
    r"(?:for )?(?:older|earlier|previous|prior|past|oudere|eerdere|vorige)(?: (?:releases?|versions?|changes|history|changelogs?|versies|uitgaven|wijzigingen|notes))?(?: .{0,40})?",
    re.IGNORECASE,
)
# "4.x series": what follows is about those, even where their headings are missing.
SERIES = re.compile(r"v?\d+(?:\.\d+)*\.x\b.{0,30}", re.IGNORECASE)
# Headings of a release's own parts, which changelogs sometimes set too high.
IS_A_CHANGE = re.compile(
    r"(?:added|new(?: features?)?|features?|changed|changes?|what(?:'|’)s (?:changed|new)|improvements?|enhancements?|deprecated|deprecations?"
    r"|removed|removals?|fixed|(?:bug ?)?fix(?:es)?|security(?: fixes)?|(?:\W*)breaking(?: changes?)?|performance|documentation|docs|highlights"
    r"|toegevoegd|nieuw|gewijzigd|veranderd|verbeterd|verbeteringen|verouderd|verwijderd|opgelost|hersteld|veiligheid|beveiliging|let op)",
    re.IGNORECASE,
)
# What may stand beside the date, or the status, on the line below a heading.
LEAD = re.compile(
    r"(?:(?:release|released|date|datum|released on|on|op|published|uitgebracht|uitgave|van|status|this|version|is|de|deze|versie|the|has|been|of)[\s:]*)*",
    re.IGNORECASE,
)


def may_name_a_version(text: str) -> bool:
    """Whether a heading is worth reading word by word: it has a digit, or a word of status."""
    if _DIGIT.search(text):
        return True
    lower = text.lower()
    return any(word in lower for word in _OF_A_RELEASE)
