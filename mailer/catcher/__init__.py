"""A mail catcher for the demo and for tests: an SMTP server on loopback that stores all mails, and a web page of them."""

from __future__ import annotations

from mailer.catcher.server import Catcher, Caught
from mailer.catcher.web import inbox_app

__all__ = ["Catcher", "Caught", "inbox_app"]
