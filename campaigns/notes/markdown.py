"""Read release notes from Markdown with front matter, or from a section of a changelog."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

import yaml

from campaigns.notes.changelog import Changelog
from mailer.errors import InvalidInput
from subscribers.topic import parse_topic
from templates.language import Locale, load_texts, parse_locale
from templates.markdown import (
    MAX_BODY_CHARACTERS,
    Repository,
    create_parser,
    expand_shortcodes,
    find_repository,
    refuse_costly,
)
from templates.notes import Action, ReleaseNotes

LONGEST_LINE = 200
FRONT_MATTER_KEYS = ("title", "version", "date", "locale", "topic", "preheader", "base_url", "repository", "theme", "action")  # fmt: skip
_HEADING_LINES = 40  # of the body, that are read for a heading at first; a comment may be longer
_ACTION_KEYS = ("label", "url")
_FENCE = "---"


@dataclass(frozen=True, slots=True)
class Defaults:
    """Default values for the front matter, from the settings or the command line."""

    locale: Locale
    topic: str
    product: str
    base_url: str | None = None
    repository: str | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    value: str
    where: str
    line: int


def read_markdown(text: str, origin: str, defaults: Defaults) -> ReleaseNotes:
    """Read notes from a Markdown file with front matter (title, version, date, locale, topic, preheader,
    base_url, repository, theme, action).

    All keys are optional; without a title a leading ``# Heading`` is the title. `origin` is the file's name.
    Raises InvalidInput, with file and line, for a key that is unknown or a value that is not valid.
    """
    if len(text) > 4 * MAX_BODY_CHARACTERS:
        raise InvalidInput(
            f"the file has {len(text):,} characters; a mail holds {MAX_BODY_CHARACTERS:,}.",
            where=origin,
            hint="Shorten the text and link to the rest. Of a changelog, give --changelog FILE --version VERSION.",
        )
    lines = _lines(text)
    matter, start = _front_matter(lines, origin)
    refuse_costly("\n".join(lines[start:]), lambda line: f"{origin}, line {start + line + 1}")
    title, start = _title(lines, start, matter.get("title"), origin)
    body = "\n".join(lines[start:]).rstrip()
    if not body:
        raise InvalidInput("the notes say nothing.", where=origin, hint="Write what is new below the title.")
    version = matter.get("version")
    preheader = matter.get("preheader")
    return ReleaseNotes(
        title=expand_shortcodes(check_line(title.value, title.where)),
        version=check_line(version.value, version.where) if version else None,
        date=_date(matter["date"]) if "date" in matter else None,
        locale=parse_locale(matter["locale"].value, where=matter["locale"].where)
        if "locale" in matter
        else defaults.locale,
        topic=parse_topic(matter["topic"].value, where=matter["topic"].where)
        if "topic" in matter
        else defaults.topic,
        preheader=expand_shortcodes(check_line(preheader.value, preheader.where)) if preheader else None,
        body=body,
        origin=origin,
        first_line=start + 1,
        base_url=_base_url(matter["base_url"]) if "base_url" in matter else defaults.base_url,
        repository=_repository(matter["repository"])
        if "repository" in matter
        else defaults.repository or find_repository(body),
        short_references=True,
        theme=matter["theme"].value if "theme" in matter else None,
        action=_action(matter),
        key_lines=tuple((key, entry.line) for key, entry in ({"title": title} | matter).items()),
    )


def _title(lines: Sequence[str], start: int, stated: _Entry | None, origin: str) -> tuple[_Entry, int]:
    """The title, which is `stated` in the front matter or is the heading at `start`, and where the text begins."""
    heading, after = _leading_heading(lines, start)
    if stated is None and heading is None:
        raise InvalidInput(
            "the notes have no title.",
            where=f"{origin}, line 1",
            hint='Begin the file with "---", "title: ...", "---", or with a heading "# ...".',
        )
    title = stated or _Entry(heading or "", f"{origin}, line {after}", after)
    if heading == title.value:
        start = after
    while start < len(lines) and not lines[start].strip():
        start += 1
    return title, start


def read_changelog(
    text: str,
    version: str,
    origin: str,
    defaults: Defaults,
    *,
    title: str | None = None,
    preheader: str | None = None,
) -> ReleaseNotes:
    """Read notes from the section of `version` in a changelog in Markdown, such as Keep a Changelog's.

    Reference links that are defined elsewhere in the file come along.
    Raises what `Changelog.find` raises.
    """
    changelog = Changelog(text, origin)
    release = changelog.find(version)
    name = title or load_texts(defaults.locale)["mail"]["changelog_title"].format(
        product=defaults.product, version=changelog.label(release)
    )
    return ReleaseNotes(
        title=check_line(name, origin),
        version=changelog.label(release),
        date=release.date,
        locale=defaults.locale,
        topic=defaults.topic,
        preheader=check_line(preheader, "--preheader") if preheader else None,
        body=changelog.with_definitions(release),
        origin=origin,
        first_line=release.first_line,
        base_url=defaults.base_url,
        repository=defaults.repository or changelog.repository,
        short_references=True,
    )


def _lines(text: str) -> list[str]:
    return text.removeprefix("\ufeff").splitlines()


def _front_matter(lines: Sequence[str], origin: str) -> tuple[dict[str, _Entry], int]:
    """The entries between the first line and the second ``---``, and the number of lines they take."""
    if not lines or lines[0].rstrip() != _FENCE:
        return {}, 0
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), None)
    if end is None:
        raise InvalidInput(
            "the front matter is not closed.", where=f"{origin}, line 1", hint='End it with a line "---".'
        )
    return dict(_entries("\n".join(lines[1:end]), origin)), end + 1


def _entries(source: str, origin: str) -> Iterator[tuple[str, _Entry]]:
    """The keys and values as text: YAML's types would change version 2.10 into 2.1."""
    try:
        node = yaml.compose(source, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise InvalidInput(
            f"the front matter is not valid YAML: {error.problem}.",
            where=f"{origin}, line {line}",
            hint="Write key: value; put a value that holds a colon in quotes.",
        ) from None
    except (yaml.YAMLError, RecursionError):
        raise InvalidInput("the front matter is not valid YAML.", where=f"{origin}, line 2") from None
    if node is None:
        return
    if not isinstance(node, yaml.MappingNode):
        raise InvalidInput(
            "the front matter is not a list of keys and values.",
            where=f"{origin}, line 2",
            hint='Write lines such as "title: ...".',
        )
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 2
        where = f"{origin}, line {line}"
        name = _known(key, where, seen)
        if name == "action":
            yield from _action_entries(value, where, line)
            continue
        if not isinstance(value, yaml.ScalarNode):
            raise InvalidInput(f"{name} takes one value.", where=where, hint=f'Write "{name}: ...".')
        if value.value.strip() and not value.tag.endswith(":null"):
            yield name, _Entry(" ".join(value.value.split()), where, line)


def _action_entries(node: yaml.Node, where: str, line: int) -> Iterator[tuple[str, _Entry]]:
    """The label and the address of the action, as the entries ``action.label`` and ``action.url``."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    values = {str(key.value): value for key, value in pairs}
    if values.keys() != set(_ACTION_KEYS) or not all(
        isinstance(value, yaml.ScalarNode) and value.value.strip() for value in values.values()
    ):
        raise InvalidInput(
            "the action takes a label and a url.",
            where=where,
            hint='Write "action: {label: Read the guide, url: https://example.com/guide}".',
        )
    for name, value in values.items():
        yield f"action.{name}", _Entry(" ".join(str(value.value).split()), where, line)


def _known(key: yaml.Node, where: str, seen: set[str]) -> str:
    name = str(key.value)
    if name not in FRONT_MATTER_KEYS:
        raise InvalidInput(
            f"{name!r} is not a key of the front matter.",
            where=where,
            hint=f"There are {', '.join(FRONT_MATTER_KEYS)}.",
        )
    if name in seen:
        raise InvalidInput(f"{name} is given twice.", where=where, hint="Leave one of the two.")
    seen.add(name)
    return name


def _leading_heading(lines: Sequence[str], start: int) -> tuple[str | None, int]:
    """The text of a first-level heading with which the body begins, and the line after it."""
    markdown = create_parser()
    markdown.core.ruler.enableOnly(["normalize", "block"])  # nothing but the heading is read word by word
    taken = len(lines) if any("<!--" in line for line in lines[start:]) else start + _HEADING_LINES
    tokens = markdown.parse("\n".join(lines[start:taken]))
    if taken < len(lines) and (not tokens or not tokens[0].map or tokens[0].map[1] >= taken - start):
        tokens = markdown.parse("\n".join(lines[start:]))  # what comes first does not end there
    if len(tokens) > 1 and tokens[0].tag == "h1" and tokens[0].map:
        inline = create_parser().parseInline(tokens[1].content)[0]
        words = "".join(child.content or " " for child in inline.children or () if child.nesting == 0)
        return " ".join(words.split()) or None, start + tokens[0].map[1]
    return None, start


def check_line(value: str, where: str) -> str:
    """A line for the subject or beside it. Raises InvalidInput, with `where`, for one that no inbox could show."""
    if any(unicodedata.category(one) in {"Cc", "Cs"} or one in "\ufffe\uffff" for one in value):
        raise InvalidInput("there is a control character in it.", where=where, hint="Type the line anew.")
    if not any(unicodedata.category(character)[0] in "LNPS" for character in value):
        raise InvalidInput("there is nothing to see in it.", where=where, hint="Write it in words.")
    if len(value) > LONGEST_LINE:
        raise InvalidInput(
            f"{len(value)} characters are too many for one line.",
            where=where,
            hint=f"An inbox shows some 60; {LONGEST_LINE} are the limit.",
        )
    return value


def _action(matter: Mapping[str, _Entry]) -> Action | None:
    if "action.url" not in matter:
        return None
    url = matter["action.url"]
    return Action(
        check_line(matter["action.label"].value, matter["action.label"].where),
        _web_address(url, "https://example.com/guide"),
    )


def _date(entry: _Entry) -> date:
    try:
        return date.fromisoformat(entry.value)
    except ValueError:
        raise InvalidInput(
            f"{entry.value!r} is not a date.", where=entry.where, hint="Write it as 2026-11-01."
        ) from None


def _base_url(entry: _Entry) -> str:
    return _web_address(entry, "https://example.com/docs/")


def _web_address(entry: _Entry, example: str) -> str:
    try:
        parts = urlsplit(entry.value)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise InvalidInput(
            f"{entry.value!r} is not a web address.",
            where=entry.where,
            hint=f'Write it as "{example}".',
        )
    return entry.value


def _repository(entry: _Entry) -> str:
    return str(Repository.parse(entry.value, where=entry.where))
