"""Detect the format of a file of notes. Formats other than Markdown are converted or refused, so no mail has
raw markup.
"""

from __future__ import annotations

import re

from mailer.errors import InvalidInput

_RESTRUCTURED = (".rst", ".rest")
_OTHERS = {
    ".adoc": "AsciiDoc",
    ".asciidoc": "AsciiDoc",
    ".asc": "AsciiDoc",
    ".html": "HTML",
    ".htm": "HTML",
    ".textile": "Textile",
    ".org": "Org",
    ".rtf": "RTF",
    ".wiki": "MediaWiki",
    ".mediawiki": "MediaWiki",
}
_MARKDOWN_HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
_CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]+`(?!_)", re.MULTILINE | re.DOTALL)
_LOOKS_RESTRUCTURED = re.compile(
    r"^\.\. (?:[\w-]+::|_[^:\n]+:)|(?<![\w`]):[a-z][\w:.+-]*:`[^`\n]+`|`[^`\n]+ <https?://[^>\n]+>`_",
    re.MULTILINE,
)
_LOOKS_ASCIIDOC = re.compile(r"^={1,5} [^\W_]", re.MULTILINE)
_LOOKS_HTML = re.compile(r"\s*(?:<!doctype html|<html[\s>])", re.IGNORECASE)


def as_markdown(text: str, name: str) -> str:
    """The text of the file `name` as Markdown.

    Raises InvalidInput, with a hint, for a format that is neither Markdown nor reStructuredText.
    """
    suffix = re.sub(r"^.*(?=\.)|^[^.]*$", "", name.lower())
    if suffix in _RESTRUCTURED:
        return _converted(text, name)
    if suffix in _OTHERS:
        raise _refused(_OTHERS[suffix], name)
    if _LOOKS_HTML.match(text):
        raise _refused("HTML", name)
    bare = _CODE.sub("", text) if len(text) < 1_000_000 else text
    if _MARKDOWN_HEADING.search(bare):
        return text
    if _LOOKS_RESTRUCTURED.search(text):
        if suffix in {".md", ".markdown"}:
            raise InvalidInput(
                "the file is reStructuredText by its looks and Markdown by its name.",
                where=name,
                hint='Name it ".rst".',
            )
        return _converted(text, name)
    if _LOOKS_ASCIIDOC.search(bare):
        raise _refused("AsciiDoc", name)
    return text


def _converted(text: str, name: str) -> str:
    from campaigns.notes.restructured import markdown_of  # noqa: PLC0415 - docutils is slow to import and seldom needed

    return markdown_of(text, name)


def _refused(what: str, name: str) -> InvalidInput:
    return InvalidInput(
        f"the file is {what}, which can't be mailed.",
        where=name,
        hint="Write the notes in Markdown or reStructuredText, or convert them: pandoc -t gfm FILE -o NOTES.md",
    )
