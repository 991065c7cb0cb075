"""Checks a rendered mail before it is sent."""

from __future__ import annotations

from templates.lint.checks import Finding, Severity, lint
from templates.lint.mail_contents import Image, Link, MailContents, read_mail_html

__all__ = ["Finding", "Image", "Link", "MailContents", "Severity", "lint", "read_mail_html"]
