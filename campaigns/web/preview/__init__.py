"""The live preview of a mail: a page on loopback that shows it as different people, devices and mail programs do.

`source` reads the notes and knows the files to watch, `rendering` makes the mail, `views` changes it as mail programs
do, `access` decides who may see it, `application` answers requests, and `page` is what the browser gets.
"""

from __future__ import annotations

from campaigns.web.preview.access import Access
from campaigns.web.preview.rendering import PEOPLE, sample_mails
from campaigns.web.preview.server import preview_server, serve_preview
from campaigns.web.preview.source import PreviewSource, SettingsOnDisk
from campaigns.web.preview.views import VIEWS, View, as_seen

__all__ = [
    "PEOPLE",
    "VIEWS",
    "Access",
    "PreviewSource",
    "SettingsOnDisk",
    "View",
    "as_seen",
    "preview_server",
    "sample_mails",
    "serve_preview",
]
