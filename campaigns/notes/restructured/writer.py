"""Writes the nodes of docutils as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from docutils import nodes

from campaigns.notes.restructured.unknown import ALERTS

_SILENT = (
    nodes.comment,
    nodes.system_message,
    nodes.substitution_definition,
    nodes.target,
    nodes.pending,
    nodes.raw,
    nodes.meta,
    nodes.decoration,
)
_MARKS: tuple[tuple[tuple[type[nodes.Element], ...], str], ...] = (
    ((nodes.emphasis, nodes.title_reference), "*{}*"),
    ((nodes.strong,), "**{}**"),
    ((nodes.subscript,), "<sub>{}</sub>"),
    ((nodes.superscript,), "<sup>{}</sup>"),
    ((nodes.footnote_reference, nodes.citation_reference), "\\[{}\\]"),
)


class Writer:
    """Writes nodes as Markdown, with one method for each kind of block and of inline node."""

    def top_blocks(self, node: nodes.Element, depth: int) -> Iterable[tuple[int, str]]:
        """The blocks of a document with the lines on which they stand, sections opened up."""
        for child in node.children:
            if isinstance(child, nodes.section):
                yield from self.top_blocks(child, depth + 1)
            elif isinstance(child, nodes.title):
                # docutils gives the line below the title: its underline.
                yield max((child.line or 1) - 1, 1), f"{'#' * min(depth - 1, 6)} {self.inline(child)}"
            elif block := self.block(child):
                yield _first_line(child), block

    def block(self, node: nodes.Node) -> str:
        if isinstance(node, _SILENT):
            return ""
        if isinstance(node, nodes.Element) and isinstance(node, nodes.Admonition):
            return self._admonition(node)
        name = type(node).__name__
        write: Callable[[Any], str] | None = getattr(self, f"_{name}", None)
        if write:
            return write(node)
        return self.blocks(node.children) if isinstance(node, nodes.Element) else ""

    def blocks(self, children: Sequence[nodes.Node], between: str = "\n\n") -> str:
        return between.join(block for child in children if (block := self.block(child)))

    def _paragraph(self, node: nodes.paragraph) -> str:
        return re.sub(r"^(\s*)([-+#>]|\d+[.)])(?=\s)", r"\1\\\2", self.inline(node), flags=re.MULTILINE)

    def _rubric(self, node: nodes.rubric) -> str:
        return f"**{self.inline(node)}**"

    def _bullet_list(self, node: nodes.bullet_list) -> str:
        return self._items(node, ["- "] * len(node.children))

    def _enumerated_list(self, node: nodes.enumerated_list) -> str:
        start = int(node.get("start", 1))
        return self._items(node, [f"{start + index}. " for index in range(len(node.children))])

    def _items(self, node: nodes.Element, markers: Sequence[str]) -> str:
        is_tight = all(
            len(item.children) <= 1
            or (len(item.children) == 2 and isinstance(item.children[1], nodes.bullet_list))
            for item in _elements(node)
        )
        items = [
            marker
            + _indented(self.blocks(item.children, "\n" if is_tight else "\n\n") or "\u00a0", len(marker))
            for marker, item in zip(markers, _elements(node), strict=False)
        ]
        return ("\n" if is_tight else "\n\n").join(items)

    def _definition_list_item(self, node: nodes.definition_list_item) -> str:
        terms = ", ".join(self.inline(term) for term in node.children if isinstance(term, nodes.term))
        rest = [child for child in node.children if isinstance(child, nodes.definition)]
        return f"- **{terms}**\n\n  {_indented(self.blocks(rest), 2)}"

    def _field(self, node: nodes.field) -> str:
        parts = _elements(node)
        return f"**{self.inline(parts[0])}:** {self.blocks(parts[1].children)}"

    def _block_quote(self, node: nodes.block_quote) -> str:
        return _quoted(self.blocks(node.children))

    def _literal_block(self, node: nodes.literal_block) -> str:
        classes: list[str] = node.get("classes", [])
        language = next((name for name in classes if name != "code"), "")
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", node.astext())), default=0))
        return f"{fence}{language}\n{node.astext()}\n{fence}"

    _doctest_block = _literal_block
    _math_block = _literal_block

    def _admonition(self, node: nodes.Element) -> str:
        titles = [child for child in node.children if isinstance(child, nodes.title)]
        body = self.blocks([child for child in node.children if child not in titles])
        kind = ALERTS.get(type(node).__name__)
        return _quoted(f"[!{kind}]\n{body}" if kind else f"**{''.join(map(self.inline, titles))}**\n\n{body}")

    def _topic(self, node: nodes.topic) -> str:
        return "" if "contents" in node.get("classes", []) else self._admonition(node)

    _sidebar = _topic

    def _line_block(self, node: nodes.line_block) -> str:
        return "  \n".join(
            self._line_block(line) if isinstance(line, nodes.line_block) else self.inline(line)
            for line in _elements(node)
        )

    def _transition(self, _node: nodes.transition) -> str:
        return "---"

    def _image(self, node: nodes.image) -> str:
        return f"![{_escaped(node.get('alt', ''))}](<{node['uri']}>)"

    def _footnote(self, node: nodes.Element) -> str:
        label = "".join(child.astext() for child in node.children if isinstance(child, nodes.label))
        return (
            f"\\[{label}\\] {self.blocks([one for one in node.children if not isinstance(one, nodes.label)])}"
        )

    _citation = _footnote

    def _table(self, node: nodes.table) -> str:
        rows = [
            [self.blocks(entry.children, " ").replace("\n", " ") for entry in _elements(row)]
            for row in node.findall(nodes.row)
        ]
        if not rows:
            return ""
        width = max(map(len, rows))
        head = rows[0] if any(node.findall(nodes.thead)) else [""] * width
        body = rows[1:] if any(node.findall(nodes.thead)) else rows
        written = [head, ["---"] * width, *body]
        return "\n".join("| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in written)

    def inline(self, node: nodes.Node) -> str:
        if isinstance(node, nodes.Text):
            return _escaped(node.astext())
        if not isinstance(node, nodes.Element) or isinstance(
            node, (nodes.target, nodes.raw, nodes.system_message)
        ):
            return ""
        inside = "".join(map(self.inline, node.children))
        for kinds, mark in _MARKS:
            if isinstance(node, kinds):
                return mark.format(inside)
        match node:
            case nodes.literal() | nodes.math():
                inside = _code(node.astext())
            case nodes.reference() if uri := node.get("refuri"):
                inside = f"<{uri}>" if node.astext() == uri else f"[{inside}](<{uri}>)"
            case nodes.image():
                inside = self._image(node)
            case nodes.problematic():
                inside = _escaped(node.astext().strip("`_*|"))
        return inside


def _first_line(node: nodes.Node) -> int:
    """The line of a block: that of the first node in it that knows its own."""
    lines = [found.line for found in node.findall() if found.line]
    return min(lines, default=1)


def _elements(node: nodes.Element) -> list[nodes.Element]:
    return [child for child in node.children if isinstance(child, nodes.Element)]


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>~|&])", r"\\\1", text)


def _code(text: str) -> str:
    ticks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{padding}{' '.join(text.split())}{padding}{ticks}"


def _indented(text: str, width: int) -> str:
    return re.sub(r"\n(?=[^\n])", "\n" + " " * width, text)


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))
