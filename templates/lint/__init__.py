"""Checks a rendered mail before it is sent."""

from __future__ import annotations

from templates.lint.checks import Finding, Severity, lint
from templates.lint.mail_contents import Image, Link, MailContents, read_mail_html
from templates.lint.source import lint_notes

__all__ = ["Finding", "Image", "Link", "MailContents", "Severity", "lint", "lint_notes", "read_mail_html"]
