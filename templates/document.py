"""A document in sections, which a page shows and a command prints."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any, NamedTuple

_WIDTH = 100


class Item(NamedTuple):
    """A line of a list. `term` is what it is about; it may be empty."""

    term: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document: paragraphs, then a list."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A document. All of it is plain text."""

    title: str
    sections: tuple[Section, ...]

    def values(self) -> dict[str, Any]:
        """The document as plain values; `from_values` reads them."""
        return {
            "title": self.title,
            "sections": [
                {
                    "heading": section.heading,
                    "paragraphs": list(section.paragraphs),
                    "items": [item._asdict() for item in section.items],
                }
                for section in self.sections
            ],
        }

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Document:
        """The document that `values` gave."""
        return cls(
            values["title"],
            tuple(
                Section(
                    each["heading"],
                    tuple(each["paragraphs"]),
                    tuple(Item(**item) for item in each["items"]),
                )
                for each in values["sections"]
            ),
        )

    def as_text(self) -> str:
        """The document for a terminal or a text file."""
        blocks = [f"{self.title}\n{'=' * len(self.title)}"]
        for section in self.sections:
            blocks.append(f"{section.heading}\n{'-' * len(section.heading)}")
            blocks += [textwrap.fill(paragraph, _WIDTH) for paragraph in section.paragraphs]
            if section.items:
                blocks.append("\n".join(_line(item) for item in section.items))
        return "\n\n".join(blocks) + "\n"


def _line(item: Item) -> str:
    written = f"{item.term}: {item.text}" if item.term else item.text
    return textwrap.fill(written, _WIDTH, initial_indent="- ", subsequent_indent="  ")
