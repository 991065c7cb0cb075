"""The settings that are read only where they are used: what `mailer doctor` says of those that can't be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from campaigns.images import read_whole_image
from campaigns.proof_recipients import parse_proof_recipient
from campaigns.source import settings_repository
from campaigns.timing import ALWAYS, SendWindow
from mailer.config import Settings
from mailer.doctor import CheckResult, failure
from mailer.errors import InvalidInput, MailerError
from mailer.message import headers
from mailer.message.identifiers import ReturnPaths
from mailer.timestamps import read_certificates
from templates.theme import find_theme

_CHECK = "settings"


def unusable_settings(settings: Settings) -> Iterator[CheckResult]:
    """A failure for each setting that can't be used, with its name and what to do."""
    for check in _checks(settings):
        try:
            check()
        except MailerError as error:
            found = failure(_CHECK, error)
            yield replace(found, hint=found.hint or f"Correct it in {settings.file.name}, or leave it out.")


def _checks(settings: Settings) -> Iterator[Callable[[], object]]:
    """What to call for each setting; it raises a MailerError where the setting can't be used."""
    yield lambda: settings.theme is None or find_theme(settings.theme, settings.templates_dir)
    yield lambda: SendWindow.parse(settings.send_window or ALWAYS, settings.zone, "send_window")
    yield lambda: settings_repository(settings)
    for number in range(len(settings.proof_recipients)):
        yield partial(parse_proof_recipient, settings, number)
    yield lambda: _check_return_path(settings.return_path, "return_path")
    for name, relay in settings.relays.items():
        yield partial(_check_return_path, relay.return_path, f"[relays.{name}] return_path")
    yield lambda: settings.list_id is None or headers.list_id("", settings.list_id)
    for name in ("logo", "logo_dark"):
        yield partial(_check_logo, settings, name)
    for name in ("templates_dir", "assets_dir"):
        yield partial(_check_folder, getattr(settings, name), name)
    if certificates := settings.anchors.authority_certificates:
        yield lambda: read_certificates(certificates)


def _check_return_path(mailbox: str | None, name: str) -> None:
    if mailbox is None:
        return
    try:
        headers.addr_spec(mailbox)
    except InvalidInput as error:
        raise InvalidInput(error.reason, where=name, hint='Write it as "bounces@acme.example".') from None
    ReturnPaths([b""], mailbox)


def _check_logo(settings: Settings, name: str) -> None:
    path: Path | None = getattr(settings.brand, name)
    if path is not None:
        read_whole_image(path, f"[brand] {name}")


def _check_folder(folder: Path | None, name: str) -> None:
    if folder is not None and not folder.is_dir():
        raise InvalidInput(
            f"the folder {folder} does not exist" if not folder.exists() else f"{folder} is not a folder",
            where=name,
            hint=f"Correct {name} in the settings, or leave it out.",
        )
