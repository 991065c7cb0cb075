"""Roles and directives that docutils does not know, such as Sphinx's. They are replaced by their words."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive, directives, roles
from docutils.parsers.rst.languages import en as english

_ROLE = re.compile(r"(?<![\w:]):((?:[a-zA-Z][\w.+-]*:)?[a-zA-Z][\w.+-]*):(?=`)")
_DIRECTIVE = re.compile(r"^\s*\.\. (?:\|[^|\n]+\| )?((?:[a-zA-Z][\w+-]*:)?[a-zA-Z][\w+-]*)::", re.MULTILINE)
_NUMBERED_ROLES = frozenset(
    {"issue", "issues", "pr", "pull", "gh", "ghissue", "ghpull", "bug", "ticket", "bpo", "mr"}
)
_PLAIN_ROLES = frozenset(
    {"ref", "doc", "term", "abbr", "dfn", "guilabel", "menuselection", "user", "numref", "any", "cve"}
)
_CODE_DIRECTIVES = frozenset(
    {"prompt", "ipython", "testcode", "doctest", "highlight", "console", "code-cell", "literalinclude"}
)
_VERSION_DIRECTIVES = {
    "versionadded": "Added in version",
    "versionchanged": "Changed in version",
    "versionremoved": "Removed in version",
    "deprecated": "Deprecated since version",
}
ALERTS = {
    "note": "NOTE",
    "seealso": "NOTE",
    "hint": "TIP",
    "tip": "TIP",
    "important": "IMPORTANT",
    "attention": "WARNING",
    "warning": "WARNING",
    "caution": "CAUTION",
    "danger": "CAUTION",
    "error": "CAUTION",
}


class _AnyDirective(Directive):
    """A directive that docutils does not know: its content counts, and a version that it names."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = None

    def run(self) -> list[nodes.Node]:
        container: nodes.Element = nodes.container()
        name = self.name.rpartition(":")[2]
        if name in ALERTS:
            container = nodes.note()
        elif name in _VERSION_DIRECTIVES:
            version, _, words = (self.arguments or [""])[0].partition(" ")
            said, messages = self.state.inline_text(
                f"{_VERSION_DIRECTIVES[name]} {version}: {words}".strip(": "), self.lineno
            )
            container += nodes.paragraph("", "", *said)
            container += messages
        elif name in _CODE_DIRECTIVES:
            code = "\n".join(self.content)
            return [nodes.literal_block(code, code)]
        elif name in {"toctree", "module", "currentmodule", "contents", "index"}:
            return []
        self.state.nested_parse(self.content, self.content_offset, container)
        return [container]


def _any_role(  # noqa: PLR0917 - docutils calls it so
    name: str,
    rawtext: str,  # noqa: ARG001
    text: str,
    lineno: int,  # noqa: ARG001
    inliner: Any,  # noqa: ARG001
    options: Any = None,  # noqa: ARG001
    content: Any = None,  # noqa: ARG001
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """A role that docutils does not know: a reference's title, an issue's number, or code."""
    titled = re.fullmatch(r"(.+?)\s*<[^<>]+>", text, re.DOTALL)
    words = nodes.unescape(titled[1] if titled else text)
    short = name.rpartition(":")[2].lower()
    if words.startswith("~"):
        words = words.rpartition(".")[2].lstrip("~")
    if short in _NUMBERED_ROLES:
        return [nodes.inline("", re.sub(r"^(?=\d)", "#", words))], []
    if titled or short in _PLAIN_ROLES:
        return [nodes.inline("", words)], []
    return [nodes.literal("", words.lstrip("!"))], []


def learn_names(text: str) -> None:
    """Teach docutils the roles and directives that the text uses and that are not its own."""
    for name in set(map(str.lower, _ROLE.findall(text))) - set(english.roles):
        roles.register_local_role(name, _any_role)  # type: ignore[arg-type]  # the stubs ask for references only
    for name in set(_DIRECTIVE.findall(text)) - set(english.directives):
        directives.register_directive(name, _AnyDirective)
