"""The Jinja2 environment of mails and pages: it escapes HTML, and its errors name file and line."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateNotFound,
    TemplateSyntaxError,
    select_autoescape,
)
from jinja2 import TemplateError as JinjaError

from mailer.errors import TemplateError
from mailer.files import not_utf_8

_PACKAGE_FOLDER = Path(__file__).parent


@cache
def load_environment(templates_dir: Path | None = None) -> Environment:
    """The environment that loads the package's templates. A file of the same name in `templates_dir` replaces
    one.

    A name is a path such as ``mail/release_notes.mjml.j2``. MJML and HTML are escaped, text and CSS are not.
    """
    folders = [templates_dir, _PACKAGE_FOLDER] if templates_dir else [_PACKAGE_FOLDER]
    loaders: list[BaseLoader] = [_FilesOf(folder, encoding="utf-8-sig") for folder in folders]
    return Environment(
        loader=ChoiceLoader(loaders),
        autoescape=select_autoescape(("mjml.j2", "html.j2"), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


class _FilesOf(FileSystemLoader):
    """The templates in a folder. An editor may have put a byte order mark into them, which is no part of a mail."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        try:
            return super().get_source(environment, template)
        except UnicodeDecodeError as error:
            raise not_utf_8(error, Path(self.searchpath[0]) / template, TemplateError) from None


def render_template(name: str, values: dict[str, Any], *, templates_dir: Path | None = None) -> str:
    """Render the template `name` with `values`.

    Raises TemplateError, with the template's file and line, for a syntax error, an undefined value, a text that there is
    not, or any other error in it.
    """
    try:
        return load_environment(templates_dir).get_template(name).render(values)
    except TemplateSyntaxError as error:
        raise TemplateError(f"{error.filename or name}, line {error.lineno}: {error.message}") from None
    except TemplateNotFound as error:
        raise TemplateError(f"There is no template {error.name!r}.") from None
    except TemplateError as error:
        if (line := _line_of(error)) is None:  # of a file that can't be loaded, which it names
            raise
        raise TemplateError(f"{line}: {error.message}", hint=error.hint) from None
    except (JinjaError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        raise TemplateError(f"{_line_of(error) or name}: {error}") from error


def read_template_source(name: str, *, templates_dir: Path | None = None) -> tuple[str, Path]:
    """The source of a template, and its file."""
    environment = load_environment(templates_dir)
    assert environment.loader is not None  # noqa: S101 - load_environment sets it
    source, filename, _ = environment.loader.get_source(environment, name)
    return source, Path(filename or name)


def _line_of(error: Exception) -> str | None:
    """The innermost template line in the error's traceback; Jinja2 adds template lines to it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(".j2")]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else None
