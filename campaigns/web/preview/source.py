"""The notes of a preview: a file as it is now, or what a campaign holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from campaigns.source import NotesSource
from mailer.config import Settings
from mailer.files import file_version
from mailer.message import InlineImage
from templates.notes import ReleaseNotes, RenderedNotes
from templates.theme import TOKENS

_MOST_TEMPLATES = 200  # files of a team's own that are watched


class SettingsOnDisk:
    """The settings, read again only once their file has changed: the preview asks for them many times a second."""

    def __init__(self, load: Callable[[], Settings]) -> None:
        self._load = load
        self._settings: Settings | None = None
        self._version: object = None

    def __call__(self) -> Settings:
        """Raises ConfigurationError where the file or a variable is invalid."""
        if self._settings is None or file_version(self._settings.file) != self._version:
            self._settings = self._load()
            self._version = file_version(self._settings.file)
        return self._settings


@dataclass(frozen=True, slots=True)
class PreviewSource:
    """What the preview shows. `source` is read anew each time; without it the campaign's `stored` content is shown.

    `text` is what came from standard input.
    """

    name: str
    load_settings: Callable[[], Settings]
    source: NotesSource | None = None
    stored: Callable[[], RenderedNotes] | None = None
    slug: str = "preview"
    text: str | None = None

    def read(self, settings: Settings) -> tuple[ReleaseNotes, Mapping[str, InlineImage]] | None:
        """The notes as they are on disk; None where the stored content is shown. Raises InvalidInput."""
        return self.source.read(settings, self.text) if self.source else None

    def versions(self, images: frozenset[str]) -> dict[Path, object]:
        """The state of each file: the notes, their `images`, the settings, templates of a team's own."""
        settings = self.load_settings()
        files = [settings.file]
        if self.source:
            path = Path(self.source.path)
            folders = [path.parent, *([settings.assets_dir] if settings.assets_dir else [])]
            files += [
                path,
                *map(Path, self.source.translations),
                *(folder / name for folder in folders for name in sorted(images)),
            ]
        files += [logo for logo in (settings.brand.logo, settings.brand.logo_dark) if logo]
        listed: dict[Path, object] = {}
        if folder := settings.templates_dir:
            own = sorted([*folder.rglob("*.j2"), *folder.rglob(TOKENS)])[:_MOST_TEMPLATES]
            files += own
            listed[folder] = tuple(own)  # a file that is new there replaces one of the package's
        return {file: file_version(file) for file in files} | listed


def is_changed(before: dict[Path, object], after: dict[Path, object]) -> bool:
    """Whether a file that is in both is no more the same. Images that became known only now are no change."""
    return any(after[file] != state for file, state in before.items() if file in after)
