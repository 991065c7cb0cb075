"""Writes a document as plain text: complete, each link after its words, lines of at most 72 characters."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from typing import cast
from urllib.parse import unquote

from markdown_it.tree import SyntaxTreeNode

from templates.language import TextSection, load_texts
from templates.markdown.parse import SLOT_PREFIX, TOP_HEADING, Document, slot_prefix_error

WIDTH = 72  # characters
_MIN_WIDTH = 24  # characters, at any depth of nested lists
_GLUE = "\0"  # keeps a link on the line of its last word; the Markdown parser replaces NUL in its input
_BREAKS = {"softbreak": " ", "hardbreak": "\n"}
_SCRIPTS = {
    "sup": str.maketrans("0123456789+-=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ"),
    "sub": str.maketrans("0123456789+-=()", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎"),
}
_MARKS = {"strong": "*", "em": "_", "s": "~"}


def write_text(document: Document) -> str:
    """Write the body as text.

    Raises InvalidInput if the text contains a slot marker.
    """
    root = SyntaxTreeNode(document.tokens)
    text = _Writer(load_texts(document.notes.locale)["mail"]).blocks(root.children, WIDTH)
    if SLOT_PREFIX in text:
        raise slot_prefix_error(document.notes.origin)
    return text


def _plain(node: SyntaxTreeNode) -> str:
    if node.type in {"softbreak", "hardbreak"}:
        return " "
    return "".join(_plain(child) for child in node.children) if node.children else node.content


class _Writer:
    """Writes a tree of blocks, with one method for each kind of block."""

    def __init__(self, texts: TextSection) -> None:
        self._texts = texts
        self._writers: dict[str, Callable[[SyntaxTreeNode, int], str]] = {
            "heading": self._heading,
            "paragraph": self._paragraph,
            "alert_title": self._paragraph,
            "bullet_list": self._list,
            "ordered_list": self._list,
            "blockquote": self._quote,
            "alert": self._quote,
            "fence": self._code,
            "code_block": self._code,
            "table": self._table,
            "dl": lambda node, width: self.blocks(node.children, width, between="\n"),
            "dt": self._paragraph,
            "dd": self._definition,
            "hr": lambda _node, width: "-" * width,
        }

    def blocks(self, nodes: Iterable[SyntaxTreeNode], width: int, *, between: str = "\n\n") -> str:
        written = (self._writers[node.type](node, max(width, _MIN_WIDTH)) for node in nodes)
        return between.join(block for block in written if block)

    def _heading(self, node: SyntaxTreeNode, width: int) -> str:
        text = self._paragraph(node, width)
        if node.tag != f"h{TOP_HEADING}":
            return text
        return f"{text}\n{'-' * max(map(len, text.splitlines()), default=0)}"

    def _paragraph(self, node: SyntaxTreeNode, width: int) -> str:
        return _wrap(self._inline(node), width)

    def _list(self, node: SyntaxTreeNode, width: int) -> str:
        number = int(cast("int", node.attrs.get("start", 1)))
        items = []
        for item in node.children:
            marker = f"{number}. " if node.type == "ordered_list" else "- "
            checked = item.meta.get("checked")
            task = "" if checked is None else "[x] " if checked else "[ ] "
            body = self.blocks(
                item.children, width - len(marker), between="\n" if _is_tight(item) else "\n\n"
            )
            items.append(marker + textwrap.indent(task + body, " " * len(marker)).lstrip())
            number += 1
        tight = all(_is_tight(item) for item in node.children)
        return ("\n" if tight else "\n\n").join(items)

    def _definition(self, node: SyntaxTreeNode, width: int) -> str:
        return textwrap.indent(self.blocks(node.children, width - 4), " " * 4)

    def _quote(self, node: SyntaxTreeNode, width: int) -> str:
        body = self.blocks(node.children, width - 2)
        return "\n".join(f"> {line}".rstrip() for line in body.splitlines())

    def _code(self, node: SyntaxTreeNode, width: int) -> str:  # noqa: ARG002 - code is never wrapped
        return textwrap.indent(node.content.rstrip("\n"), " " * 4)

    def _table(self, node: SyntaxTreeNode, width: int) -> str:
        cells = [row.children for part in node.children for row in part.children]
        rows = [[self._inline(cell).replace(_GLUE, " ") for cell in row] for row in cells]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        if sum(widths) + 2 * (len(widths) - 1) > width:
            return "\n\n".join(_write_row_as_lines(rows[0], row, width) for row in rows[1:])
        pads = [str.rjust if "right" in str(cell.attrs.get("style")) else str.ljust for cell in cells[0]]
        ruled = [rows[0], ["-" * size for size in widths], *rows[1:]]
        return "\n".join(
            "  ".join(pad(cell, size) for pad, cell, size in zip(pads, row, widths, strict=True)).rstrip()
            for row in ruled
        )

    def _inline(self, node: SyntaxTreeNode) -> str:
        return "".join(self._span(child) for child in node.children)

    def _span(self, node: SyntaxTreeNode) -> str:
        match node.type:
            case "softbreak" | "hardbreak":
                return _BREAKS[node.type]
            case "code_inline":
                return f"`{node.content}`"
            case "image":
                return self._image(node)
            case "link":
                return _link(self._inline(node), str(node.attrs["href"]))
            case "footnote_ref":
                return f"[{node.meta['id'] + 1}]"
            case kind:
                mark = _MARKS.get(kind, "")
                if mark and _is_inside(node, kind):
                    mark = ""
                return f"{mark}{_shifted(self._inline(node) or node.content, kind)}{mark}"

    def _image(self, node: SyntaxTreeNode) -> str:
        alt = " ".join("".join(_plain(child) for child in node.children).split())
        label = f"{self._texts['image']}: {alt}" if alt else self._texts["image"]
        source = str(node.attrs["src"])
        return f"[{label} <{source}>]" if source.startswith("https:") else f"[{label}]"


def _is_inside(node: SyntaxTreeNode, kind: str) -> bool:
    """Whether an element of the same kind contains the node. Bold words inside bold words get no second marks."""
    above = node.parent
    while above is not None and above.type != kind:
        above = above.parent
    return above is not None


def _shifted(text: str, kind: str) -> str:
    """Digits and signs as the raised or lowered characters of Unicode; text that has others stays as it is."""
    characters = _SCRIPTS.get(kind, {})
    return text.translate(characters) if all(ord(one) in characters for one in text) else text


def _write_row_as_lines(names: list[str], row: list[str], width: int) -> str:
    """A row of a table that is too wide: one line for each cell."""
    cells = (f"{name}: {cell}" if name else cell for name, cell in zip(names, row, strict=True) if cell)
    return "\n".join(_wrap(cell, width) for cell in cells)


def _link(words: str, href: str) -> str:
    """The words and the address; only the address if the words repeat it."""
    if unquote(href).removeprefix("mailto:") == unquote(words):
        return href.removeprefix("mailto:")
    return f"{words}{_GLUE}<{href}>" if words else f"<{href}>"


def _wrap(text: str, width: int) -> str:
    """Wrap `text` at `width` characters; an address is never broken."""
    lines = (
        textwrap.fill(line.strip(), width, break_long_words=False, break_on_hyphens=False)
        for line in text.split("\n")
    )
    return "\n".join(lines).replace(_GLUE, " ")


def _is_tight(item: SyntaxTreeNode) -> bool:
    return all(child.hidden for child in item.children if child.type == "paragraph")
