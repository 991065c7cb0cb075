"""A theme: the look of a mail. A folder with a template, two style sheets and the design tokens."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mailer.errors import InvalidInput, TemplateError
from mailer.files import not_utf_8
from mailer.new_files import new_folder

TOKENS, MAIL, STYLE, HEAD_STYLE = "theme.toml", "mail.mjml.j2", "style.css.j2", "head.css.j2"
_FILES = frozenset({TOKENS, MAIL, STYLE, HEAD_STYLE})
PACKAGE_FOLDER = Path(__file__).parent
_THEMES = "themes"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_TEXTS = ("description", "font", "heading_font")
_SCHEME = ("page", "card", "ink", "quiet", "line", "panel", "code")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_NUMBERS = ("size", "title", "inset", "radius")
_LARGEST_NUMBER = 100  # pixels


@dataclass(frozen=True, slots=True)
class Theme:
    """A theme by its name. `light` and `dark` hold ``#rrggbb`` colours; `size`, `title`, `inset` and `radius` are in pixels.

    `font` and `heading_font` are stacks of fonts that the reader's machine has. With `hero` the one picture of the
    introduction stands below the title.
    """

    name: str
    folder: Path
    description: str
    font: str
    heading_font: str
    size: int
    title: int
    inset: int
    radius: int
    hero: bool
    light: Mapping[str, str]
    dark: Mapping[str, str]

    def template(self, file: str) -> str:
        """The template name of one of the theme's files."""
        return f"{_THEMES}/{self.name}/{file}"


def list_themes(templates_dir: Path | None = None) -> tuple[Theme, ...]:
    """All themes by name: the package's and those in `templates_dir`. Raises TemplateError for a broken one."""
    names = {
        file.parent.name for root in _roots(templates_dir) for file in (root / _THEMES).glob(f"*/{TOKENS}")
    }
    return tuple(find_theme(name, templates_dir) for name in sorted(filter(_NAME.fullmatch, names)))


def find_theme(name: str, templates_dir: Path | None = None) -> Theme:
    """The theme `name`; one in `templates_dir` takes precedence.

    Raises InvalidInput for a name that no theme has, TemplateError with file and line for invalid design tokens.
    """
    if _NAME.fullmatch(name):
        for root in _roots(templates_dir):
            folder = root / _THEMES / name
            if (folder / TOKENS).is_file():
                return _load(name, folder)
    known = ", ".join(theme.name for theme in list_themes(templates_dir))
    hint = f"There are {known}; see `mailer themes list`."
    if templates_dir is None:
        hint += " Your own themes need templates_dir in the settings."
    raise InvalidInput(f"there is no theme {name!r}", where="theme", hint=hint)


def eject_theme(theme: Theme, name: str, templates_dir: Path) -> list[Path]:
    """Copy the files of a theme into `templates_dir` as the theme `name`; returns the new files.

    Raises InvalidInput, before anything is written, for an unusable name, a file that exists, or a folder that
    can't be written.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} can't be the name of a theme",
            where="--as",
            hint="Use up to 40 of a-z, 0-9, dashes and underscores; begin with a letter or a digit.",
        )
    folder = templates_dir / _THEMES / name
    if folder.exists():
        raise InvalidInput(
            "there is a theme of this name already", where=str(folder), hint="Give another --as."
        )
    sources = sorted(file for file in theme.folder.iterdir() if file.name in _FILES)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(folder, 0o777) as new:
            for source in sources:
                (new / source.name).write_bytes(source.read_bytes())
    except OSError as error:
        raise InvalidInput(f"can't be written: {error.strerror}", where=str(folder)) from None
    return [folder / source.name for source in sources]


def _roots(templates_dir: Path | None) -> list[Path]:
    return [templates_dir, PACKAGE_FOLDER] if templates_dir else [PACKAGE_FOLDER]


def _load(name: str, folder: Path) -> Theme:
    file = folder / TOKENS
    try:
        return _read(name, folder, file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise not_utf_8(error, file, TemplateError) from None
    except OSError as error:
        raise TemplateError(f"{file} can't be read: {error}.") from None


@cache
def _read(name: str, folder: Path, source: str) -> Theme:
    file = folder / TOKENS
    try:
        values: dict[str, Any] = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise TemplateError(f"{file}, line {line[1] if line else 1}: {error}.") from None
    expected = {*_TEXTS, *_NUMBERS, "hero", "light", "dark"}
    for key in sorted(values.keys() ^ expected):
        problem = "is missing" if key in expected else "is not a design token"
        raise _error(file, source, key, f"{key} {problem}; a theme has {', '.join(sorted(expected))}")
    for key in _TEXTS:
        if not isinstance(values[key], str) or not re.fullmatch(r"[^<>\"&\\{};\x00-\x1f]+", values[key]):
            raise _error(file, source, key, f"{key} must be text without quotes, angle or curly brackets")
    for key in _NUMBERS:
        if type(values[key]) is not int or not 0 <= values[key] <= _LARGEST_NUMBER:
            raise _error(file, source, key, f"{key} must be a number of pixels from 0 to {_LARGEST_NUMBER}")
    if type(values["hero"]) is not bool:
        raise _error(file, source, "hero", "hero must be true or false")
    for scheme in ("light", "dark"):
        _check_scheme(file, source, scheme, values[scheme])
    return Theme(name=name, folder=folder, **values)


def _check_scheme(file: Path, source: str, scheme: str, colours: Any) -> None:
    if not isinstance(colours, dict):
        raise _error(file, source, scheme, f"[{scheme}] must be a table of colours")
    for key in sorted(colours.keys() ^ set(_SCHEME)):
        problem = "is missing" if key in _SCHEME else "is not a design token"
        raise _error(file, source, key, f"[{scheme}] {key} {problem}; it has {', '.join(_SCHEME)}", scheme)
    for key, colour in colours.items():
        if not isinstance(colour, str) or not _COLOUR.fullmatch(colour):
            raise _error(file, source, key, f'[{scheme}] {key} must be a colour such as "#1f5fbf"', scheme)


def _error(file: Path, source: str, key: str, message: str, section: str = "") -> TemplateError:
    """The error with the line of `key` in its section, else the line of the section, else line 1."""
    current, line_of_section = "", 1
    for number, line in enumerate(source.splitlines(), 1):
        if heading := re.match(r"\s*\[\s*(\w+)\s*\]", line):
            current = heading[1]
            if current in {section, key}:
                line_of_section = number
        elif current == section and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return TemplateError(f"{file}, line {number}: {message}.")
    return TemplateError(f"{file}, line {line_of_section}: {message}.")
