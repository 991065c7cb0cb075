"""Renders mails and pages from release notes and a brand. Knows no subscribers."""
