"""Checks of a rendered mail before anybody gets it."""

from __future__ import annotations

from templates.lint.checks import Finding, Severity, lint
from templates.lint.mail_reader import Image, Link, MailReader, read

__all__ = ["Finding", "Image", "Link", "MailReader", "Severity", "lint", "read"]
