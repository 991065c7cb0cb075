"""A version as a changelog writes it, and the one way of writing by which versions are compared."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PRE_RELEASE = re.compile(
    r"(?<=\d)[-._+\s]?(?:alpha|beta|a|b|rc|c|pre|preview|next|canary|m|milestone|cr|ea|nightly)(?![a-z])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Version:
    """A version as it is written, without a leading "v", and the package it is of, where the heading says so."""

    number: str
    package: str | None = None

    @property
    def key(self) -> str:
        """What two ways of writing one version have in common: 1.2.0-rc.1 and v1.2.0rc1."""
        return key_of(self.number)

    @property
    def is_pre_release(self) -> bool:
        """Whether it comes before the release that it is named for (rc, beta)."""
        return bool(_PRE_RELEASE.search(self.number))

    @property
    def parts(self) -> tuple[int, ...]:
        """Its leading numbers, eight at most."""
        found = re.match(r"\d+(?:[.-]\d+){0,7}", self.number)
        return tuple(int(part) for part in re.split(r"[.-]", found[0])) if found else ()

    def __str__(self) -> str:
        return f"{self.package}@{self.number}" if self.package else self.number


def key_of(number: str) -> str:
    """A version in the one way of writing that comparisons use."""
    plain = number.strip().strip("[]").lower().removeprefix("v").strip(" .")
    plain = re.sub(r"[-._\s]*(alpha|beta|rc|preview|pre|dev|next|canary)[-._\s]*", r"-\1", plain)
    plain = re.sub(r"(?<=\d)a(?=\d)", "-alpha", plain)
    return re.sub(r"(?<=\d)b(?=\d)", "-beta", plain)
