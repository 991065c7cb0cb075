"""A mail catcher for trying things out: an SMTP server on loopback that keeps every mail, and a page to read them."""

from __future__ import annotations

from mailer.catcher.server import Catcher, Caught
from mailer.catcher.web import inbox_app

__all__ = ["Catcher", "Caught", "inbox_app"]
