"""Jinja2 as mails and pages use it: strict about what is missing, escaping where it must, precise when it fails."""

from __future__ import annotations

import traceback
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

_PACKAGED = Path(__file__).parent


@cache
def environment(templates_dir: Path | None = None) -> Environment:
    """Templates of the package; a file of the same name under `templates_dir` is used instead.

    Names are such as ``mail/release_notes.mjml.j2``. MJML and HTML are escaped, text and CSS are not.
    """
    folders = [templates_dir, _PACKAGED] if templates_dir else [_PACKAGED]
    loaders: list[BaseLoader] = [FileSystemLoader(folder) for folder in folders]
    return Environment(
        loader=ChoiceLoader(loaders),
        autoescape=select_autoescape(("mjml.j2", "html.j2"), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def fill(name: str, values: dict[str, Any], *, templates_dir: Path | None = None) -> str:
    """The template `name` with `values`.

    Raises TemplateError, with the template's file and line, for a syntax error, an undefined value or any other
    mistake in it.
    """
    try:
        return environment(templates_dir).get_template(name).render(values)
    except TemplateSyntaxError as error:
        raise TemplateError(f"{error.filename or name}, line {error.lineno}: {error.message}") from None
    except TemplateNotFound as error:
        raise TemplateError(f"There is no template {error.name!r}.") from None
    except (JinjaError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        raise TemplateError(f"{_place(error, name)}: {error}") from error


def source_of(name: str, *, templates_dir: Path | None = None) -> tuple[str, Path]:
    """The source of a template, and the file it is in."""
    loaders = environment(templates_dir)
    assert loaders.loader is not None  # noqa: S101 - given above
    source, filename, _ = loaders.loader.get_source(loaders, name)
    return source, Path(filename or name)


def _place(error: Exception, name: str) -> str:
    """The innermost line of a template that the error passed; Jinja2 writes them into the traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(".j2")]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else name
