"""Lint: checks of a mail and its notes. An error blocks sending; a warning does not."""

from __future__ import annotations

from templates.lint.checks import lint
from templates.lint.findings import CHECKS, Check, Finding, Severity
from templates.lint.languages import compare_languages
from templates.lint.links import is_private
from templates.lint.places import Places
from templates.lint.source import lint_notes

__all__ = [
    "CHECKS",
    "Check",
    "Finding",
    "Places",
    "Severity",
    "compare_languages",
    "is_private",
    "lint",
    "lint_notes",
]
