"""The language of a file of notes by its name: ``notes.nl.md``, ``notes.nl-BE.md``, ``CHANGELOG.nl.rst``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from mailer.errors import InvalidInput
from templates.language import LOCALES, Locale, parse_locale

# Two letters, so that `notes.new.md` and `v1.fix.md` are not taken for Newari and others.
_TAGGED = re.compile(r"(.+)\.([a-z]{2}(?:[-_][a-z\d]{2,8})*)\.(\w+)", re.IGNORECASE | re.ASCII | re.DOTALL)


class _Named(NamedTuple):
    """A name in parts. `language` is that of its `tag`, in lower case."""

    stem: str
    tag: str
    ending: str
    language: str


def locale_in_name(name: str) -> Locale | None:
    """The language that a file name such as ``notes.nl.md`` ends with; None where mails can't be in it, or it names none."""
    found = _parse(name)
    return parse_locale(found.language) if found and found.language in LOCALES else None


def name_without_locale(name: str) -> str:
    """The name of a file without its ending, and without its language: ``notes`` of ``notes.nl.md``."""
    found = _parse(name)
    return found.stem if found and found.language in LOCALES else Path(name).stem


def refuse_other_language(name: str) -> None:
    """Raise InvalidInput for a name such as ``notes.fr.md``: the notes would be mailed as if they were in another language."""
    found = _parse(name)
    if found and found.language not in LOCALES:
        raise InvalidInput(
            f"by its name the file is in {_name_of(found)}; mails are in {' or '.join(LOCALES)}.",
            where=name,
            hint='If the text is in one of these, write "locale: en" at its beginning or give --locale en; '
            "otherwise leave this file out.",
        )


def files_of_other_languages(path: Path) -> list[Path]:
    """The files beside ``notes.nl.md`` with the same name in other languages of mails, such as ``notes.en.md``."""
    if locale_in_name(path.name) is None:
        return []
    others = [(named.language, other) for other, named in _beside(path)]
    return [other for locale in LOCALES for language, other in others if language == locale]


def languages_left_out(path: Path, taken: Iterable[Path]) -> list[str]:
    """A sentence for each file beside `path` in another language that is not among those `taken`.

    Beside ``notes.fr.md``, which is refused or stands alone, there is none to tell of.
    """
    own = _parse(path.name)
    if own and own.language not in LOCALES:
        return []
    names = {one.name.lower() for one in taken}
    return [
        f"{other.name} is left out: mails are in {' or '.join(LOCALES)}, not in {_name_of(named)}."
        if named.language not in LOCALES
        else f"{other.name} is left out; to mail both languages, give {path.name} and {other.name}."
        for other, named in _beside(path)
        if other.name.lower() not in names
    ]


def _beside(path: Path) -> Iterator[tuple[Path, _Named]]:
    """The other files in the folder with the same name but for a language, by name."""
    own = _parse(path.name)
    stem, ending = (own.stem, own.ending) if own else (path.stem, path.suffix.removeprefix("."))
    for name in _names_in(path.parent):
        named = _parse(name) if name.startswith(f"{stem}.") and name != path.name else None
        if named and (named.stem, named.ending) == (stem, ending) and _may_be_file(path.with_name(name)):
            yield path.with_name(name), named


def _may_be_file(path: Path) -> bool:
    """Whether it is a file, or may be one that this process has no right to see: opening it says so."""
    try:
        return path.is_file()
    except OSError:
        return True


def _names_in(folder: Path) -> list[str]:
    """The names in a folder, sorted; none where it may not be listed."""
    try:
        return sorted(one.name for one in folder.iterdir())
    except OSError:
        return []


def _parse(name: str) -> _Named | None:
    """The parts of a name that has a language; None for others."""
    found = _TAGGED.fullmatch(name)
    if found is None:
        return None
    stem, tag, ending = found.groups()
    if tag.lower() in LOCALES:
        return _Named(stem, tag, ending, tag.lower())
    from templates.language.tag import language_of_tag  # noqa: PLC0415 - most names need no list of languages

    language = language_of_tag(tag)
    return _Named(stem, tag, ending, language) if language else None


def _name_of(named: _Named) -> str:
    from templates.language.tag import language_name  # noqa: PLC0415 - as above

    return f"{language_name(named.language)} ({named.tag})"
